//! RTCP (RFC 3550 §6): reads compound packets, writes sender and receiver reports, source
//! descriptions with a CNAME, and goodbyes; measures reception as appendix A does (A.3 loss, A.8
//! jitter) and the round trip from LSR and DLSR (§6.4.1). Feedback and other packet types are
//! passed over. When reports are sent is the caller's, and so are both clocks: `now` and
//! [`NtpTime`] come in.

use std::time::Duration;

use super::{RtpError, RtpTimestamp, Ssrc};

mod reception;

pub use reception::Reception;

/// RTCP packets that are read of one datagram; more is an error.
const PACKETS_MAX: usize = 16;
/// Report blocks in one report: a 5-bit count.
const BLOCKS_MAX: usize = 31;
/// Longest CNAME or reason: an 8-bit length.
const TEXT_BYTES_MAX: usize = 255;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const CNAME: u8 = 1;

/// Wall clock as NTP writes it: seconds since 1900 and their fractions, 32 bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct NtpTime(pub u64);

/// Seconds from 1900 to 1970.
const UNIX_EPOCH_S: u64 = 2_208_988_800;

impl NtpTime {
    /// From the time since 1970.
    pub fn from_unix(since_epoch: Duration) -> Self {
        let fraction = (u64::from(since_epoch.subsec_nanos()) << 32) / 1_000_000_000;
        let seconds = since_epoch.as_secs().wrapping_add(UNIX_EPOCH_S) & 0xffff_ffff;
        NtpTime(seconds << 32 | fraction)
    }

    /// The middle 32 bits, in units of 1/65536 s.
    pub const fn middle(self) -> u32 {
        ((self.0 >> 16) & 0xffff_ffff) as u32
    }
}

/// What a sender says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SenderInfo {
    /// Wall clock when the report was sent.
    pub ntp: NtpTime,
    /// The same instant on the media clock.
    pub rtp_timestamp: RtpTimestamp,
    /// Packets sent since the stream began.
    pub packets: u32,
    /// Payload bytes in them.
    pub octets: u32,
}

/// How one source is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source that this is about.
    pub ssrc: Ssrc,
    /// Loss since the last report, in units of 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning, −8388608 to 8388607; negative when duplicates outnumber
    /// losses.
    pub cumulative_lost: i32,
    /// Highest sequence number, with the wraps in the upper half.
    pub highest_seq: u32,
    /// Interarrival jitter in units of the media clock.
    pub jitter: u32,
    /// Middle of the NTP time of the last sender report; 0 when none came.
    pub last_sender_report: u32,
    /// Time since that report in units of 1/65536 s; 0 when none came.
    pub delay_since_last: u32,
}

impl ReportBlock {
    /// Round trip to who sent this block, when it arrives at wall clock `ntp`. Nothing when the
    /// peer has had no report of ours, or its arithmetic gives less than zero.
    pub fn round_trip(&self, ntp: NtpTime) -> Option<Duration> {
        if self.last_sender_report == 0 {
            return None;
        }
        let units = ntp
            .middle()
            .wrapping_sub(self.delay_since_last)
            .wrapping_sub(self.last_sender_report);
        // A quarter of the 18 h range: more is a negative result that has wrapped.
        (units < 1 << 30).then(|| Duration::from_nanos(u64::from(units) * 1_000_000_000 / 65_536))
    }
}

/// One packet of a compound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// SR.
    Sender {
        /// Who reports.
        ssrc: Ssrc,
        /// Its own stream.
        info: SenderInfo,
        /// The streams that it receives, at most 31.
        blocks: Vec<ReportBlock>,
    },
    /// RR.
    Receiver {
        /// Who reports.
        ssrc: Ssrc,
        /// The streams that it receives, at most 31.
        blocks: Vec<ReportBlock>,
    },
    /// SDES: sources with their CNAME, as far as they have one; other items are not kept.
    Description(Vec<(Ssrc, Option<String>)>),
    /// BYE: sources that have left, at most 31.
    Goodbye(Vec<Ssrc>),
    /// A packet type that is not read, such as feedback (RFC 4585).
    Other {
        /// The packet type, 0 to 255.
        packet_type: u8,
    },
}

/// Reads one datagram. The order of RFC 3550 §6.1 is not required, since reduced-size packets (RFC
/// 5506) have none.
///
/// # Errors
/// [`RtpError`] when a version is not 2, a length points past the end, or there are more than 16
/// packets.
pub fn parse(datagram: &[u8]) -> Result<Vec<Report>, RtpError> {
    let mut reports = Vec::new();
    let mut rest = datagram;
    while !rest.is_empty() {
        if reports.len() >= PACKETS_MAX {
            return Err(RtpError::TooMany(PACKETS_MAX));
        }
        let (report, after) = parse_one(rest)?;
        reports.push(report);
        rest = after;
    }
    match reports.is_empty() {
        true => Err(RtpError::Truncated {
            what: "RTCP header",
        }),
        false => Ok(reports),
    }
}

fn parse_one(bytes: &[u8]) -> Result<(Report, &[u8]), RtpError> {
    let (&[first, packet_type, l0, l1], rest) =
        bytes.split_first_chunk::<4>().ok_or(RtpError::Truncated {
            what: "RTCP header",
        })?;
    if first >> 6 != 2 {
        return Err(RtpError::Version(first >> 6));
    }
    let length = usize::from(u16::from_be_bytes([l0, l1])) * 4;
    let (body, after) = rest.split_at_checked(length).ok_or(RtpError::Truncated {
        what: "RTCP packet",
    })?;
    let body = if first & 0x20 == 0 {
        body
    } else {
        without_padding(body)?
    };
    let count = usize::from(first & 0x1f);
    let mut reader = Reader(body);
    let report = match packet_type {
        SENDER_REPORT => Report::Sender {
            ssrc: reader.ssrc()?,
            info: reader.sender_info()?,
            blocks: reader.blocks(count)?,
        },
        RECEIVER_REPORT => Report::Receiver {
            ssrc: reader.ssrc()?,
            blocks: reader.blocks(count)?,
        },
        SOURCE_DESCRIPTION => Report::Description(reader.chunks(count)?),
        GOODBYE => Report::Goodbye(
            (0..count)
                .map(|_| reader.ssrc())
                .collect::<Result<_, _>>()?,
        ),
        packet_type => Report::Other { packet_type },
    };
    Ok((report, after))
}

fn without_padding(body: &[u8]) -> Result<&[u8], RtpError> {
    let &count = body.last().ok_or(RtpError::Truncated { what: "padding" })?;
    let kept = body
        .len()
        .checked_sub(usize::from(count))
        .filter(|_| count > 0);
    kept.and_then(|length| body.get(..length))
        .ok_or(RtpError::Padding(count))
}

/// Takes fields off the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], RtpError> {
        let (&chunk, rest) = self.0.split_first_chunk::<N>().ok_or(RtpError::Truncated {
            what: "RTCP packet",
        })?;
        self.0 = rest;
        Ok(chunk)
    }

    fn u32(&mut self) -> Result<u32, RtpError> {
        self.bytes().map(u32::from_be_bytes)
    }

    fn ssrc(&mut self) -> Result<Ssrc, RtpError> {
        self.u32().map(Ssrc)
    }

    fn sender_info(&mut self) -> Result<SenderInfo, RtpError> {
        Ok(SenderInfo {
            ntp: NtpTime(u64::from_be_bytes(self.bytes()?)),
            rtp_timestamp: RtpTimestamp(self.u32()?),
            packets: self.u32()?,
            octets: self.u32()?,
        })
    }

    fn blocks(&mut self, count: usize) -> Result<Vec<ReportBlock>, RtpError> {
        (0..count).map(|_| self.block()).collect()
    }

    fn block(&mut self) -> Result<ReportBlock, RtpError> {
        let ssrc = self.ssrc()?;
        let [fraction_lost, c0, c1, c2] = self.bytes()?;
        Ok(ReportBlock {
            ssrc,
            fraction_lost,
            // Shifted down from the top so that the sign of the 24 bits is kept.
            cumulative_lost: i32::from_be_bytes([c0, c1, c2, 0]) >> 8,
            highest_seq: self.u32()?,
            jitter: self.u32()?,
            last_sender_report: self.u32()?,
            delay_since_last: self.u32()?,
        })
    }

    fn chunks(&mut self, count: usize) -> Result<Vec<(Ssrc, Option<String>)>, RtpError> {
        (0..count)
            .map(|_| Ok((self.ssrc()?, self.cname()?)))
            .collect()
    }

    /// Reads the items of one chunk with their terminator and padding.
    fn cname(&mut self) -> Result<Option<String>, RtpError> {
        let mut cname = None;
        let mut length = 0;
        loop {
            let [kind] = self.bytes()?;
            length += 1;
            if kind == 0 {
                break;
            }
            let [size] = self.bytes()?;
            let (text, rest) = self
                .0
                .split_at_checked(usize::from(size))
                .ok_or(RtpError::Truncated { what: "SDES item" })?;
            self.0 = rest;
            length += 1 + usize::from(size);
            if kind == CNAME {
                cname = Some(String::from_utf8_lossy(text).into_owned());
            }
        }
        let padding = (4 - length % 4) % 4;
        self.0 = self
            .0
            .get(padding..)
            .ok_or(RtpError::Truncated { what: "SDES chunk" })?;
        Ok(cname)
    }
}

/// Appends a sender report with at most 31 blocks; more are left out.
pub fn write_sender_report(
    out: &mut Vec<u8>,
    ssrc: Ssrc,
    info: &SenderInfo,
    blocks: &[ReportBlock],
) {
    write_packet(out, SENDER_REPORT, blocks.len().min(BLOCKS_MAX), |out| {
        out.extend_from_slice(&ssrc.0.to_be_bytes());
        out.extend_from_slice(&info.ntp.0.to_be_bytes());
        out.extend_from_slice(&info.rtp_timestamp.0.to_be_bytes());
        out.extend_from_slice(&info.packets.to_be_bytes());
        out.extend_from_slice(&info.octets.to_be_bytes());
        write_blocks(out, blocks);
    });
}

/// Appends a receiver report with at most 31 blocks; more are left out.
pub fn write_receiver_report(out: &mut Vec<u8>, ssrc: Ssrc, blocks: &[ReportBlock]) {
    write_packet(out, RECEIVER_REPORT, blocks.len().min(BLOCKS_MAX), |out| {
        out.extend_from_slice(&ssrc.0.to_be_bytes());
        write_blocks(out, blocks);
    });
}

/// Appends a source description with a CNAME of at most 255 bytes; the rest of it is cut off.
pub fn write_source_description(out: &mut Vec<u8>, ssrc: Ssrc, cname: &str) {
    write_packet(out, SOURCE_DESCRIPTION, 1, |out| {
        out.extend_from_slice(&ssrc.0.to_be_bytes());
        out.push(CNAME);
        write_text(out, cname);
        out.push(0);
    });
}

/// Appends a goodbye with a reason of at most 255 bytes; the rest of it is cut off, and an empty
/// one left out.
pub fn write_goodbye(out: &mut Vec<u8>, ssrc: Ssrc, reason: &str) {
    write_packet(out, GOODBYE, 1, |out| {
        out.extend_from_slice(&ssrc.0.to_be_bytes());
        if !reason.is_empty() {
            write_text(out, reason);
        }
    });
}

/// Writes the header, the body, zeros to a whole word, and then the length.
fn write_packet(out: &mut Vec<u8>, packet_type: u8, count: usize, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    let count = u8::try_from(count).unwrap_or(0);
    out.extend_from_slice(&[0x80 | count, packet_type, 0, 0]);
    body(out);
    while !(out.len() - start).is_multiple_of(4) {
        out.push(0);
    }
    let words = u16::try_from((out.len() - start) / 4 - 1).unwrap_or(u16::MAX);
    if let Some(length) = out.get_mut(start + 2..start + 4) {
        length.copy_from_slice(&words.to_be_bytes());
    }
}

fn write_blocks(out: &mut Vec<u8>, blocks: &[ReportBlock]) {
    for block in blocks.iter().take(BLOCKS_MAX) {
        let [_, c0, c1, c2] = block
            .cumulative_lost
            .clamp(-(1 << 23), (1 << 23) - 1)
            .to_be_bytes();
        out.extend_from_slice(&block.ssrc.0.to_be_bytes());
        out.extend_from_slice(&[block.fraction_lost, c0, c1, c2]);
        out.extend_from_slice(&block.highest_seq.to_be_bytes());
        out.extend_from_slice(&block.jitter.to_be_bytes());
        out.extend_from_slice(&block.last_sender_report.to_be_bytes());
        out.extend_from_slice(&block.delay_since_last.to_be_bytes());
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    let bytes = text
        .as_bytes()
        .get(..TEXT_BYTES_MAX)
        .unwrap_or(text.as_bytes());
    out.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests;
