//! The RTP that goes to one leg: sequence numbers, timestamps, the payload of silence, and an
//! encoder of its own for what only this leg hears. Does not decide what that is (`encode.rs`).

use super::tail::TAIL_TICKS;
use crate::audio::{Rate, Resampler};
use crate::codec::{CodecInfo, Encoder};
use crate::rtp::{Header, PayloadType, RtpTimestamp, SeqNo, Ssrc};

/// How long a leg keeps an encoder of its own after the last tick that needed it: 2 s. Changing
/// from one encoder with memory to another is audible, so it should not happen between two words.
const OWN_TICKS: u64 = 100;

/// Whether an encoder's output depends on the frames before. G.711 has no memory, so that a leg may
/// change between encoders from frame to frame; unknown codecs are taken to have one.
fn has_memory(codec: &CodecInfo) -> bool {
    !matches!(codec.name, "PCMU" | "PCMA")
}

/// Which encoder a frame comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The encoder of all who hear the same.
    Shared,
    /// The leg's own.
    Own,
    /// The cached payload of silence.
    Silence,
}

/// What there is to hear for a leg in one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Audible {
    /// Something that only this leg hears: a prompt, a gain, tones.
    pub(super) personal: bool,
    /// The leg itself is part of the bus's sum.
    pub(super) own: bool,
    /// Others are.
    pub(super) others: bool,
    /// The bus is fading out.
    pub(super) tail: bool,
}

struct Own {
    encoder: Box<dyn Encoder>,
    resampler: Option<(Rate, Resampler)>,
}

/// The sending side of one RTP stream.
pub(super) struct Sender {
    ssrc: Ssrc,
    seq: SeqNo,
    codec: &'static CodecInfo,
    payload_type: PayloadType,
    /// A period of the tick and the timestamp of its frame.
    anchor: (u64, RtpTimestamp),
    marker: bool,
    own: Option<Own>,
    own_until: u64,
    own_tail: u8,
    loss_percent: u8,
    /// Packets sent.
    pub(super) packets: u64,
    /// Bytes of payload sent.
    pub(super) octets: u64,
}

impl Sender {
    /// A stream that starts in `period`; ssrc, sequence number and timestamp are random (RFC 3550
    /// §5.1).
    pub(super) fn new(
        codec: &'static CodecInfo,
        payload_type: u8,
        period: u64,
        (ssrc, seq, timestamp): (u32, u16, u32),
    ) -> Sender {
        Sender {
            ssrc: Ssrc(ssrc),
            // The first number is below 2^15, as SRTP peers lose their place otherwise (RFC 3711
            // §3.3.1).
            seq: SeqNo(seq & 0x7fff),
            codec,
            payload_type: PayloadType(payload_type),
            anchor: (period, RtpTimestamp(timestamp)),
            marker: true,
            own: None,
            own_until: 0,
            own_tail: 0,
            loss_percent: 0,
            packets: 0,
            octets: 0,
        }
    }

    /// Our source.
    pub(super) fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// The codec that we send.
    pub(super) fn codec(&self) -> &'static CodecInfo {
        self.codec
    }

    /// Goes on in another codec or payload type.
    pub(super) fn renegotiate(&mut self, codec: &'static CodecInfo, payload_type: u8, period: u64) {
        self.payload_type = PayloadType(payload_type);
        if !std::ptr::eq(codec, self.codec) {
            self.anchor = (period, self.timestamp(period));
            self.codec = codec;
            self.own = None;
            self.own_tail = 0;
            self.marker = true;
        }
    }

    /// The media time of the frame of `period`; skipped ticks leave a gap, as the time did pass.
    pub(super) fn timestamp(&self, period: u64) -> RtpTimestamp {
        let ticks = period.wrapping_sub(self.anchor.0) as u32;
        self.anchor
            .1
            .add(ticks.wrapping_mul(self.codec.clock_rate_hz / 50))
    }

    /// The next packet is the first after a pause.
    pub(super) fn mark(&mut self) {
        self.marker = true;
    }

    /// Chooses the encoder for the frame of `period`.
    pub(super) fn choose(&mut self, period: u64, audible: Audible) -> Source {
        let memory = has_memory(self.codec);
        let Audible {
            personal,
            own,
            others,
            tail,
        } = audible;
        if personal || (own && others) {
            self.own_until = if memory { period + OWN_TICKS } else { 0 };
            self.own_tail = if memory { TAIL_TICKS } else { 0 };
            return Source::Own;
        }
        if others && period < self.own_until {
            self.own_tail = TAIL_TICKS;
            return Source::Own;
        }
        if others {
            self.own_tail = 0;
            return Source::Shared;
        }
        if self.own_tail > 0 {
            self.own_tail -= 1;
            return Source::Own;
        }
        if tail && !own && period >= self.own_until {
            Source::Shared
        } else {
            Source::Silence
        }
    }

    /// Resamples a sum for [`Sender::encode`]; `resampler` gives a first one, else it starts from
    /// silence.
    pub(super) fn resample(
        &mut self,
        from: Rate,
        pcm: &[i16],
        out: &mut Vec<i16>,
        resampler: impl FnOnce() -> Option<Resampler>,
    ) {
        let to = self.codec.audio_rate;
        let own = self.own();
        if own.resampler.as_ref().is_none_or(|(rate, _)| *rate != from) {
            own.resampler = Some((
                from,
                resampler().unwrap_or_else(|| Resampler::new(from, to)),
            ));
        }
        if let Some((_, resampler)) = &mut own.resampler {
            resampler.resample(pcm, out);
        }
    }

    /// Forgets the state of the resampler: the next sum does not follow the last one.
    pub(super) fn forget_resampler(&mut self) {
        if let Some(own) = &mut self.own {
            own.resampler = None;
        }
    }

    /// Encodes with the leg's own encoder.
    pub(super) fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        self.own().encoder.encode(pcm, out);
    }

    /// Tells the loss that the peer reported, in percent.
    pub(super) fn set_loss(&mut self, percent: u8) {
        self.loss_percent = percent;
        if let Some(own) = &mut self.own {
            own.encoder.set_expected_loss(percent);
        }
    }

    /// The loss that the peer reported last, in percent.
    pub(super) fn loss_percent(&self) -> u8 {
        self.loss_percent
    }

    /// Appends the packet of `period` with `payload`.
    pub(super) fn write(&mut self, period: u64, payload: &[u8], out: &mut Vec<u8>) {
        let (marker, payload_type) = (std::mem::take(&mut self.marker), self.payload_type);
        self.write_as((payload_type, marker), self.timestamp(period), payload, out);
    }

    /// Appends a packet of another payload type, such as telephone-event.
    pub(super) fn write_as(
        &mut self,
        (payload_type, marker): (PayloadType, bool),
        timestamp: RtpTimestamp,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) {
        let (seq, ssrc) = (self.seq, self.ssrc);
        Header {
            payload_type,
            marker,
            seq,
            timestamp,
            ssrc,
        }
        .write(out);
        out.extend_from_slice(payload);
        self.seq = seq.next();
        self.packets += 1;
        self.octets += payload.len() as u64;
    }

    fn own(&mut self) -> &mut Own {
        let (codec, loss) = (self.codec, self.loss_percent);
        self.own.get_or_insert_with(|| {
            let mut encoder = (codec.encoder)();
            encoder.set_expected_loss(loss);
            Own {
                encoder,
                resampler: None,
            }
        })
    }
}

/// The payload of silence of each codec: made once, sent to all who hear nothing.
#[derive(Default)]
pub(super) struct Silence(Vec<(&'static CodecInfo, Vec<u8>)>);

impl Silence {
    /// The payload for `codec`.
    pub(super) fn payload(&mut self, codec: &'static CodecInfo) -> &[u8] {
        let at = self
            .0
            .iter()
            .position(|(known, _)| std::ptr::eq(*known, codec));
        let at = at.unwrap_or_else(|| {
            self.0.push((codec, encode_silence(codec)));
            self.0.len() - 1
        });
        self.0
            .get(at)
            .map(|(_, payload)| payload.as_slice())
            .unwrap_or_default()
    }
}

/// A frame of silence after a few others, when the encoder has come to rest.
fn encode_silence(codec: &CodecInfo) -> Vec<u8> {
    let frame = vec![0; codec.audio_rate.frame_samples()];
    let mut encoder = (codec.encoder)();
    let mut payload = Vec::new();
    for _ in 0..=TAIL_TICKS {
        payload.clear();
        encoder.encode(&frame, &mut payload);
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{g711, opus};

    fn audible(word: &str) -> Audible {
        let has = |name| word.split('+').any(|part| part == name);
        Audible {
            personal: has("personal"),
            own: has("own"),
            others: has("others"),
            tail: has("tail"),
        }
    }

    #[test]
    fn who_speaks_has_an_encoder_of_its_own_and_who_listens_shares_one() {
        use Source::{Own, Shared, Silence};
        type Rows<'a> = &'a [(u64, &'a str, Source)];
        let rows: [(&CodecInfo, Rows<'_>); 2] = [
            (
                &g711::PCMU,
                &[
                    (0, "", Silence),
                    (1, "others", Shared),
                    (2, "own+others", Own),
                    (3, "others", Shared),
                    (4, "tail", Shared),
                    (5, "personal", Own),
                    (6, "own", Silence),
                ],
            ),
            (
                &opus::OPUS,
                &[
                    (0, "", Silence),
                    (1, "others", Shared),
                    (2, "own+others", Own),
                    (3, "others", Own),
                    (101, "others", Own),
                    (102, "others", Shared),
                    (103, "tail", Shared),
                    (104, "personal", Own),
                    (105, "own", Own),
                    (106, "", Own),
                    (107, "", Own),
                    (108, "", Silence),
                ],
            ),
        ];
        for (codec, ticks) in rows {
            let codec: &'static CodecInfo =
                crate::codec::by_rtpmap(codec.name, codec.clock_rate_hz, codec.channels).unwrap();
            let mut sender = Sender::new(codec, codec.payload_type, 0, (1, 2, 3));
            for (period, word, expected) in ticks {
                let chosen = sender.choose(*period, audible(word));
                assert_eq!(chosen, *expected, "{} {period} {word}", codec.name);
            }
        }
    }

    #[test]
    fn timestamps_follow_the_clock_of_the_codec_over_skips_and_renegotiation() {
        let mut sender = Sender::new(&g711::PCMU, 0, 10, (1, 2, u32::MAX - 100));
        assert_eq!(sender.timestamp(10).0, u32::MAX - 100);
        assert_eq!(sender.timestamp(11).0, 59);
        assert_eq!(sender.timestamp(15).0, 699);
        sender.renegotiate(&opus::OPUS, 111, 16);
        assert_eq!(sender.timestamp(16).0, 859);
        assert_eq!(sender.timestamp(17).0, 859 + 960);
    }
}
