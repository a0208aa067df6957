//! The RTP packet (RFC 3550 §5.1, §5.3.1): a view that parses without copying, and the header
//! writer. Also tells RTCP from RTP on a shared port (RFC 5761 §4). It does not judge payload types
//! or sources.

use super::{RtpTimestamp, SeqNo};

/// Synchronisation source: names one stream of one sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssrc(pub u32);

/// Payload type, 0 to 127.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadType(pub u8);

/// Why bytes are not RTP or RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    /// The bytes end before `what` does.
    #[error("ends within its {what}")]
    Truncated {
        /// The part that is cut off.
        what: &'static str,
    },
    /// The version is not 2.
    #[error("version {0}, not 2")]
    Version(u8),
    /// The padding count is zero or more than the packet holds.
    #[error("padding of {0} bytes")]
    Padding(u8),
    /// More RTCP packets in one datagram than are read.
    #[error("more than {0} RTCP packets in one datagram")]
    TooMany(usize),
}

/// Length of the fixed header in bytes.
const FIXED_BYTES: usize = 12;

/// A header extension (RFC 3550 §5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// The first 16 bits: 0xBEDE for one-byte elements (RFC 8285).
    pub profile: u16,
    /// What follows the length, a multiple of 4 bytes.
    pub data: &'a [u8],
}

impl<'a> Extension<'a> {
    /// The one-byte element with this id (RFC 8285 §4.2), 1 to 16 bytes; nothing when it is absent
    /// or the extension is of another kind.
    pub fn element(&self, id: u8) -> Option<&'a [u8]> {
        if self.profile != 0xbede {
            return None;
        }
        let mut rest = self.data;
        while let Some((&head, after)) = rest.split_first() {
            let (found, length) = (head >> 4, usize::from(head & 0x0f) + 1);
            rest = match found {
                0 => after,
                15 => return None,
                _ if found == id => return after.get(..length),
                _ => after.get(length..)?,
            };
        }
        None
    }
}

/// A parsed packet: borrows from the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    /// Payload type.
    pub payload_type: PayloadType,
    /// Marker bit: the first packet of a talk spurt or event.
    pub marker: bool,
    /// Sequence number.
    pub seq: SeqNo,
    /// Media time of the first sample.
    pub timestamp: RtpTimestamp,
    /// Who sends.
    pub ssrc: Ssrc,
    /// Contributing sources as they stand in the packet, 4 bytes each, at most 15.
    pub csrcs: &'a [u8],
    /// Header extension, where there is one.
    pub extension: Option<Extension<'a>>,
    /// Payload without padding; may be empty.
    pub payload: &'a [u8],
}

impl<'a> RtpPacket<'a> {
    /// Parses one datagram.
    ///
    /// # Errors
    /// [`RtpError`] when the version is not 2, or a length points past the end.
    pub fn parse(datagram: &'a [u8]) -> Result<RtpPacket<'a>, RtpError> {
        let Some((&[first, second, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3], rest)) =
            datagram.split_first_chunk::<FIXED_BYTES>()
        else {
            return Err(RtpError::Truncated {
                what: "fixed header",
            });
        };
        if first >> 6 != 2 {
            return Err(RtpError::Version(first >> 6));
        }
        let (csrcs, rest) =
            rest.split_at_checked(usize::from(first & 0x0f) * 4)
                .ok_or(RtpError::Truncated {
                    what: "contributing sources",
                })?;
        let (extension, rest) = match first & 0x10 {
            0 => (None, rest),
            _ => parse_extension(rest)?,
        };
        Ok(RtpPacket {
            payload_type: PayloadType(second & 0x7f),
            marker: second & 0x80 != 0,
            seq: SeqNo(u16::from_be_bytes([s0, s1])),
            timestamp: RtpTimestamp(u32::from_be_bytes([t0, t1, t2, t3])),
            ssrc: Ssrc(u32::from_be_bytes([r0, r1, r2, r3])),
            csrcs,
            extension,
            payload: if first & 0x20 == 0 {
                rest
            } else {
                without_padding(rest)?
            },
        })
    }

    /// The contributing sources.
    pub fn csrcs(&self) -> impl Iterator<Item = Ssrc> + 'a {
        self.csrcs
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| Ssrc(u32::from_be_bytes(*bytes)))
    }
}

fn parse_extension(bytes: &[u8]) -> Result<(Option<Extension<'_>>, &[u8]), RtpError> {
    let truncated = RtpError::Truncated {
        what: "header extension",
    };
    let (&[p0, p1, l0, l1], rest) = bytes.split_first_chunk::<4>().ok_or(truncated)?;
    let length = usize::from(u16::from_be_bytes([l0, l1])) * 4;
    let (data, rest) = rest.split_at_checked(length).ok_or(truncated)?;
    Ok((
        Some(Extension {
            profile: u16::from_be_bytes([p0, p1]),
            data,
        }),
        rest,
    ))
}

fn without_padding(bytes: &[u8]) -> Result<&[u8], RtpError> {
    let &count = bytes
        .last()
        .ok_or(RtpError::Truncated { what: "padding" })?;
    let kept = bytes
        .len()
        .checked_sub(usize::from(count))
        .filter(|_| count > 0);
    kept.and_then(|length| bytes.get(..length))
        .ok_or(RtpError::Padding(count))
}

/// The header of a packet that we send: no CSRC, extension or padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Payload type.
    pub payload_type: PayloadType,
    /// Marker bit.
    pub marker: bool,
    /// Sequence number.
    pub seq: SeqNo,
    /// Media time of the first sample.
    pub timestamp: RtpTimestamp,
    /// Our source.
    pub ssrc: Ssrc,
}

impl Header {
    /// Appends the 12 bytes of the header to `out`; the payload follows.
    pub fn write(&self, out: &mut Vec<u8>) {
        let marker = if self.marker { 0x80 } else { 0 };
        out.extend_from_slice(&[0x80, marker | (self.payload_type.0 & 0x7f)]);
        out.extend_from_slice(&self.seq.0.to_be_bytes());
        out.extend_from_slice(&self.timestamp.0.to_be_bytes());
        out.extend_from_slice(&self.ssrc.0.to_be_bytes());
    }
}

/// Whether a datagram on a port shared by both is RTCP: packet types 192 to 223 (RFC 5761 §4). Says
/// nothing about its being well formed.
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [0x80..=0xbf, 192..=223, ..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIXED: [u8; 12] = [0x80, 0x88, 0, 7, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef];

    fn with(first: u8, tail: &[u8]) -> Vec<u8> {
        let mut bytes = FIXED.to_vec();
        bytes[0] = first;
        bytes.extend_from_slice(tail);
        bytes
    }

    #[test]
    fn well_formed_packets_give_their_payload() {
        let rows: [(&str, Vec<u8>, &[u8]); 6] = [
            ("plain", with(0x80, b"abc"), b"abc"),
            ("no payload", with(0x80, b""), b""),
            (
                "two sources",
                with(0x82, b"\0\0\0\x01\0\0\0\x02abc"),
                b"abc",
            ),
            (
                "extension",
                with(0x90, b"\xbe\xde\0\x01\x10\xaa\0\0abc"),
                b"abc",
            ),
            ("padding", with(0xa0, b"abc\0\0\x03"), b"abc"),
            ("padding only", with(0xa0, b"\0\x02"), b""),
        ];
        for (name, bytes, payload) in rows {
            let packet = RtpPacket::parse(&bytes).expect(name);
            assert_eq!(packet.payload, payload, "{name}");
            assert_eq!(packet.payload_type, PayloadType(8), "{name}");
            assert!(packet.marker, "{name}");
            assert_eq!(packet.seq, SeqNo(7), "{name}");
            assert_eq!(packet.timestamp, RtpTimestamp(160), "{name}");
            assert_eq!(packet.ssrc, Ssrc(0xdead_beef), "{name}");
        }
    }

    #[test]
    fn lengths_that_point_past_the_end_are_refused() {
        let truncated = |what| RtpError::Truncated { what };
        let rows = [
            ("empty", vec![], truncated("fixed header")),
            (
                "eleven bytes",
                FIXED[..11].to_vec(),
                truncated("fixed header"),
            ),
            ("version 1", with(0x40, b""), RtpError::Version(1)),
            (
                "sources",
                with(0x81, b"abc"),
                truncated("contributing sources"),
            ),
            (
                "extension head",
                with(0x90, b"\0\0\0"),
                truncated("header extension"),
            ),
            (
                "extension body",
                with(0x90, b"\0\0\0\x01abc"),
                truncated("header extension"),
            ),
            ("no padding count", with(0xa0, b""), truncated("padding")),
            ("padding of zero", with(0xa0, b"a\0"), RtpError::Padding(0)),
            (
                "padding over the payload",
                with(0xa0, b"a\x03"),
                RtpError::Padding(3),
            ),
        ];
        for (name, bytes, error) in rows {
            assert_eq!(RtpPacket::parse(&bytes), Err(error), "{name}");
        }
    }

    #[test]
    fn extension_elements_are_found_by_id() {
        let data = [0x10, 0xaa, 0x00, 0x21, 1, 2, 0x32, 9];
        let extension = Extension {
            profile: 0xbede,
            data: &data,
        };
        assert_eq!(extension.element(1), Some(&[0xaa][..]));
        assert_eq!(extension.element(2), Some(&[1, 2][..]));
        assert_eq!(extension.element(3), None, "its length points past the end");
        assert_eq!(extension.element(4), None);
        assert_eq!(
            Extension {
                profile: 0x1000,
                data: &data
            }
            .element(1),
            None
        );
    }

    #[test]
    fn rtcp_is_told_from_rtp_by_the_second_byte() {
        let rows: [(&[u8], bool); 6] = [
            (&[0x80, 200, 0, 6], true),
            (&[0x81, 201], true),
            (&[0x80, 0], false),
            (&[0x80, 0x80 | 96], false),
            (&[0x00, 200], false),
            (&[0x80], false),
        ];
        for (bytes, expected) in rows {
            assert_eq!(is_rtcp(bytes), expected, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(packet) = RtpPacket::parse(&bytes) {
                let _ = packet.csrcs().count();
                let _ = packet.extension.map(|extension| extension.element(1));
            }
            let _ = is_rtcp(&bytes);
        }

        #[test]
        fn what_is_written_is_read(
            head in (0u8..128, any::<bool>(), any::<u16>(), any::<u32>(), any::<u32>()),
            payload in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let (payload_type, marker, seq, timestamp, ssrc) = head;
            let header = Header {
                payload_type: PayloadType(payload_type),
                marker,
                seq: SeqNo(seq),
                timestamp: RtpTimestamp(timestamp),
                ssrc: Ssrc(ssrc),
            };
            let mut bytes = Vec::new();
            header.write(&mut bytes);
            bytes.extend_from_slice(&payload);
            let packet = RtpPacket::parse(&bytes).expect("we wrote it");
            prop_assert_eq!(packet.payload, &payload[..]);
            prop_assert_eq!(packet.seq, header.seq);
            prop_assert_eq!(packet.timestamp, header.timestamp);
            prop_assert_eq!(packet.ssrc, header.ssrc);
            prop_assert_eq!(packet.marker, marker);
            prop_assert_eq!(packet.payload_type, header.payload_type);
        }
    }
}
