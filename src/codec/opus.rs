//! Opus (RFC 6716) as an RTP payload (RFC 7587), mono at 48 kHz, through libopus.
//!
//! The only file that names `audiopus`. The encoder is set for speech at a load that a conference
//! can bear; in-band FEC is written once receivers report loss. A stereo payload is decoded to mono
//! by libopus.

use audiopus::coder::{Decoder as OpusDecoder, Encoder as OpusEncoder};
use audiopus::packet::Packet;
use audiopus::{Application, Bitrate, Channels, MutSignals, SampleRate};

use super::{CodecInfo, DecodeError, Decoder, Encoder, PACKET_MS_MAX};
use crate::audio::Rate;

/// Opus, proposed as payload type 111. The rtpmap says two channels whatever is sent (RFC 7587 §7).
pub static OPUS: CodecInfo = CodecInfo {
    name: "opus",
    clock_rate_hz: 48_000,
    audio_rate: Rate::Hz48000,
    channels: 2,
    payload_type: 111,
    fmtp: Some("minptime=10;useinbandfec=1"),
    bitrate_bps: BITRATE_BPS,
    encoder: || Box::new(OpusEncode::new()),
    decoder: || Box::new(OpusDecode::new()),
};

/// Full-band speech; below 24 kbit/s libopus narrows the band.
const BITRATE_BPS: u32 = 32_000;
/// Half the work of libopus's own default of 9 and hard to tell from it in speech.
const COMPLEXITY: u8 = 5;
/// The longest frame that Opus has (RFC 6716 §3.2.1); 20 ms at our bit rate need about 80 bytes.
const FRAME_BYTES_MAX: usize = 1275;
const FRAME_SAMPLES: usize = Rate::Hz48000.frame_samples();
const PACKET_SAMPLES_MAX: usize = 48 * PACKET_MS_MAX;

struct OpusEncode {
    encoder: OpusEncoder,
    loss_percent: u8,
}

impl OpusEncode {
    fn new() -> Self {
        let why = "libopus takes these constants and there is memory";
        let mut encoder =
            OpusEncoder::new(SampleRate::Hz48000, Channels::Mono, Application::Voip).expect(why);
        encoder
            .set_bitrate(Bitrate::BitsPerSecond(BITRATE_BPS as i32))
            .expect(why);
        encoder.set_complexity(COMPLEXITY).expect(why);
        encoder.set_inband_fec(true).expect(why);
        encoder.set_packet_loss_perc(0).expect(why);
        // A mix that pauses is told from a lost stream only by its packets.
        encoder.set_dtx(false).expect(why);
        Self {
            encoder,
            loss_percent: 0,
        }
    }
}

impl Encoder for OpusEncode {
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + FRAME_BYTES_MAX, 0);
        let written = self
            .encoder
            .encode(pcm, &mut out[start..])
            .expect("20 ms of 48 kHz mono are a frame of Opus and the buffer holds the longest");
        out.truncate(start + written);
    }

    fn set_expected_loss(&mut self, percent: u8) {
        let percent = percent.min(100);
        if percent != self.loss_percent {
            self.encoder
                .set_packet_loss_perc(percent)
                .expect("0 to 100 is a percentage");
            self.loss_percent = percent;
        }
    }
}

struct OpusDecode(OpusDecoder);

impl OpusDecode {
    fn new() -> Self {
        Self(
            OpusDecoder::new(SampleRate::Hz48000, Channels::Mono)
                .expect("libopus takes these constants and there is memory"),
        )
    }

    /// Appends what libopus makes of `packet` (concealment when there is none) into `samples`
    /// samples. Appends nothing when libopus refuses.
    fn append(
        &mut self,
        packet: Option<Packet<'_>>,
        samples: usize,
        fec: bool,
        out: &mut Vec<i16>,
    ) -> bool {
        let start = out.len();
        out.resize(start + samples, 0);
        let decoded = MutSignals::try_from(&mut out[start..])
            .and_then(|room| self.0.decode(packet, room, fec))
            .ok();
        out.truncate(start + decoded.unwrap_or(0));
        decoded.is_some()
    }
}

impl Decoder for OpusDecode {
    fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), DecodeError> {
        let error = DecodeError {
            codec: OPUS.name,
            length: payload.len(),
        };
        // An empty payload must not reach libopus, which takes it for a lost packet.
        let packet = Packet::try_from(payload).map_err(|_| error)?;
        let counted = Packet::try_from(payload).map_err(|_| error)?;
        let samples = self.0.nb_samples(counted).map_err(|_| error)?;
        if samples > PACKET_SAMPLES_MAX || !self.append(Some(packet), samples, false, out) {
            return Err(error);
        }
        Ok(())
    }

    fn recover(&mut self, next: &[u8], out: &mut Vec<i16>) -> bool {
        if !has_redundancy(next) {
            return false;
        }
        Packet::try_from(next)
            .is_ok_and(|packet| self.append(Some(packet), FRAME_SAMPLES, true, out))
    }

    fn conceal(&mut self, out: &mut Vec<i16>) -> bool {
        self.append(None, FRAME_SAMPLES, false, out)
    }
}

/// Whether a packet holds a low-bitrate copy of the 20 ms before it (RFC 6716 §4.2.4). libopus
/// conceals silently where there is none, and has no such question before version 1.5. Says no for
/// frames longer than 20 ms: their copy is of a whole frame, which is not what a lost 20 ms asks
/// for.
fn has_redundancy(packet: &[u8]) -> bool {
    let Some((&toc, rest)) = packet.split_first() else {
        return false;
    };
    let config = toc >> 3;
    let is_silk = config < 12;
    let is_hybrid = (12..16).contains(&config);
    let is_longer_than_20_ms = is_silk && config & 0x03 > 1;
    if !(is_silk || is_hybrid) || is_longer_than_20_ms {
        return false;
    }
    // The first frame begins with a voice activity bit, then the LBRR flag, for each channel.
    let is_stereo = toc & 0x04 != 0;
    let flags = if is_stereo { 0b0101_0000 } else { 0b0100_0000 };
    first_frame_byte(toc, rest).is_some_and(|first| first & flags != 0)
}

/// The first byte of the first frame (RFC 6716 §3.2); nothing when that frame is empty or the
/// packet is cut.
fn first_frame_byte(toc: u8, rest: &[u8]) -> Option<u8> {
    match toc & 0x03 {
        0 | 1 => rest.first().copied(),
        2 => {
            let (length, rest) = frame_length(rest)?;
            rest.first().copied().filter(|_| length > 0)
        }
        _ => {
            let (&count, mut rest) = rest.split_first()?;
            let is_variable = count & 0x80 != 0;
            let is_padded = count & 0x40 != 0;
            let mut more_padding = is_padded;
            while more_padding {
                let (&padding, after) = rest.split_first()?;
                rest = after;
                more_padding = padding == 255;
            }
            let lengths = if is_variable {
                (count & 0x3F).saturating_sub(1)
            } else {
                0
            };
            let mut first_length = 1;
            for index in 0..lengths {
                let (length, after) = frame_length(rest)?;
                rest = after;
                if index == 0 {
                    first_length = length;
                }
            }
            rest.first().copied().filter(|_| first_length > 0)
        }
    }
}

/// Reads a frame length of one or two bytes (RFC 6716 §3.2.1).
fn frame_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 252 {
        return Some((usize::from(first), rest));
    }
    let (&second, rest) = rest.split_first()?;
    Some((usize::from(second) * 4 + usize::from(first), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::tests::{level_db, speech_like, tone};

    fn payloads(pcm: &[i16], loss_percent: u8) -> Vec<Vec<u8>> {
        let mut encoder = OpusEncode::new();
        encoder.set_expected_loss(loss_percent);
        let encode = |frame: &[i16]| {
            let mut payload = Vec::new();
            encoder.encode(frame, &mut payload);
            payload
        };
        pcm.chunks_exact(FRAME_SAMPLES).map(encode).collect()
    }

    #[test]
    fn redundancy_is_written_only_after_loss_was_reported() {
        let pcm = speech_like(48_000, 1_000);
        let copies = |loss| {
            payloads(&pcm, loss)
                .iter()
                .filter(|p| has_redundancy(p))
                .count()
        };
        assert_eq!(copies(0), 0);
        assert!(copies(20) > 25, "{} of 50 packets", copies(20));
    }

    #[test]
    fn a_lost_packet_is_recovered_from_its_successor_and_resembles_it() {
        let pcm = speech_like(48_000, 1_000);
        let packets = payloads(&pcm, 20);
        let lost = (20..40)
            .find(|&n| has_redundancy(&packets[n + 1]))
            .expect("FEC is on");
        let (mut whole, mut repaired) = (OpusDecode::new(), OpusDecode::new());
        let (mut expected, mut got) = (Vec::new(), Vec::new());
        for packet in &packets[..lost] {
            whole.decode(packet, &mut expected).expect("our own packet");
            repaired.decode(packet, &mut got).expect("our own packet");
        }
        expected.clear();
        got.clear();
        whole
            .decode(&packets[lost], &mut expected)
            .expect("our own packet");
        assert!(repaired.recover(&packets[lost + 1], &mut got));
        assert_eq!(got.len(), FRAME_SAMPLES);
        let difference = level_db(&expected) - level_db(&got);
        assert!(
            difference.abs() < 3.0,
            "recovered frame differs by {difference:.1} dB"
        );
    }

    #[test]
    fn recover_refuses_packets_without_redundancy_and_appends_nothing() {
        let mut decoder = OpusDecode::new();
        let plain = payloads(&tone(48_000, 440.0, 100), 0);
        // CELT, a 60 ms SILK frame, a TOC without frame, padding without end.
        let rows: [&[u8]; 5] = [
            &plain[2],
            &[0xF8, 0xFF],
            &[0x18, 0xFF],
            &[0x08],
            &[0x0B, 0x41, 255],
        ];
        let mut out = vec![7];
        for row in rows {
            assert!(!decoder.recover(row, &mut out), "{row:02x?}");
        }
        assert!(!decoder.recover(&[], &mut out));
        assert_eq!(out, [7]);
    }

    #[test]
    fn concealment_goes_on_from_the_tone_and_fades() {
        let mut decoder = OpusDecode::new();
        let mut out = Vec::new();
        for packet in payloads(&tone(48_000, 440.0, 400), 0) {
            decoder.decode(&packet, &mut out).expect("our own packet");
        }
        let before = level_db(&out[out.len() - FRAME_SAMPLES..]);
        let mut levels = Vec::new();
        for _ in 0..50 {
            out.clear();
            assert!(decoder.conceal(&mut out));
            assert_eq!(out.len(), FRAME_SAMPLES);
            levels.push(level_db(&out));
        }
        assert!(
            (levels[0] - before).abs() < 6.0,
            "{before:.1} then {:.1} dB",
            levels[0]
        );
        assert!(
            levels[49] < before - 20.0,
            "still {:.1} dB after a second",
            levels[49]
        );
    }

    #[test]
    fn stereo_payloads_come_out_as_mono() {
        let encoder = OpusEncoder::new(SampleRate::Hz48000, Channels::Stereo, Application::Audio)
            .expect("constants");
        let mono = tone(48_000, 440.0, 400);
        let stereo: Vec<i16> = mono.iter().flat_map(|&sample| [sample, sample]).collect();
        let mut decoder = OpusDecode::new();
        let (mut payload, mut out) = ([0; FRAME_BYTES_MAX], Vec::new());
        for frame in stereo.chunks_exact(2 * FRAME_SAMPLES) {
            let length = encoder
                .encode(frame, &mut payload)
                .expect("a frame of 20 ms");
            decoder
                .decode(&payload[..length], &mut out)
                .expect("stereo is Opus too");
        }
        assert_eq!(out.len(), mono.len());
        assert!((level_db(&out[9_600..]) - level_db(&mono)).abs() < 1.0);
    }

    #[test]
    fn packets_of_every_duration_decode_to_their_length() {
        for ms_times_2 in [5, 10, 20, 40, 80, 120] {
            let samples = 24 * ms_times_2;
            let encoder = OpusEncoder::new(SampleRate::Hz48000, Channels::Mono, Application::Audio)
                .expect("constants");
            let mut payload = [0; FRAME_BYTES_MAX];
            let length = encoder.encode(&tone(48_000, 440.0, 60)[..samples], &mut payload);
            let mut out = Vec::new();
            OpusDecode::new()
                .decode(&payload[..length.expect("a duration of Opus")], &mut out)
                .expect("a duration of Opus");
            assert_eq!(out.len(), samples);
        }
        // Two frames of 60 ms make the longest packet, three make none.
        for (count, accepted) in [(2, true), (3, false)] {
            let mut out = Vec::new();
            let result = OpusDecode::new().decode(&[0x1B, count], &mut out);
            assert_eq!(result.is_ok(), accepted, "{count} frames of 60 ms");
            assert_eq!(out.len(), if accepted { PACKET_SAMPLES_MAX } else { 0 });
        }
    }
}
