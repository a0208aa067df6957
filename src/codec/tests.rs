//! Rows that run for every entry of [`CODECS`]: a codec that is added is tested by being in the
//! table.

use super::*;

/// Half of full scale.
const AMPLITUDE: f64 = 16_384.0;

/// A sine at -6 dBFS.
pub(super) fn tone(rate_hz: u32, frequency_hz: f64, ms: u32) -> Vec<i16> {
    let step = std::f64::consts::TAU * frequency_hz / f64::from(rate_hz);
    (0..rate_hz * ms / 1000)
        .map(|n| (AMPLITUDE * (f64::from(n) * step).sin()) as i16)
        .collect()
}

/// Pulses of a glottis at 120 Hz through a decaying resonance, with syllables of 250 ms.
pub(super) fn speech_like(rate_hz: u32, ms: u32) -> Vec<i16> {
    let sample = |n: u32| {
        let t = f64::from(n) / f64::from(rate_hz);
        let since_pulse = t % (1.0 / 120.0);
        let formants = (since_pulse * 700.0 * std::f64::consts::TAU).sin()
            + 0.5 * (since_pulse * 1_800.0 * std::f64::consts::TAU).sin();
        let syllable = 0.6 + 0.4 * (t * 4.0 * std::f64::consts::TAU).sin();
        (9_000.0 * syllable * formants * (-since_pulse * 300.0).exp()) as i16
    };
    (0..rate_hz * ms / 1000).map(sample).collect()
}

/// Level against full scale; -100 dB for silence.
pub(super) fn level_db(pcm: &[i16]) -> f64 {
    let sum: f64 = pcm
        .iter()
        .map(|&sample| f64::from(sample) * f64::from(sample))
        .sum();
    10.0 * (sum / pcm.len().max(1) as f64 / 32_768.0f64.powi(2))
        .max(1e-10)
        .log10()
}

/// Share of the energy that lies at one frequency, 0 to 1 (Goertzel).
fn share_at(pcm: &[i16], rate_hz: u32, frequency_hz: f64) -> f64 {
    let coefficient = 2.0 * (std::f64::consts::TAU * frequency_hz / f64::from(rate_hz)).cos();
    let (mut before, mut last) = (0.0, 0.0);
    for &sample in pcm {
        (before, last) = (last, f64::from(sample) + coefficient * last - before);
    }
    let power = last * last + before * before - coefficient * last * before;
    let total: f64 = pcm.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    2.0 * power / (total.max(1.0) * pcm.len() as f64)
}

fn encode(codec: &CodecInfo, pcm: &[i16]) -> Vec<Vec<u8>> {
    let mut encoder = (codec.encoder)();
    let encode = |frame: &[i16]| {
        let mut payload = Vec::new();
        encoder.encode(frame, &mut payload);
        payload
    };
    pcm.chunks_exact(codec.audio_rate.frame_samples())
        .map(encode)
        .collect()
}

fn decode(codec: &CodecInfo, payloads: &[Vec<u8>]) -> Vec<i16> {
    let mut decoder = (codec.decoder)();
    let mut out = Vec::new();
    for payload in payloads {
        decoder.decode(payload, &mut out).expect("our own payload");
    }
    out
}

/// Bytes that look random and are the same in every run.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn table_has_the_codecs_in_the_order_we_prefer() {
    let rows: Vec<_> = CODECS
        .iter()
        .map(|codec| (codec.name, codec.payload_type))
        .collect();
    assert_eq!(rows, [("opus", 111), ("G722", 9), ("PCMU", 0), ("PCMA", 8)]);
}

#[test]
fn codecs_are_found_by_rtpmap_and_by_static_payload_type() {
    for codec in CODECS {
        let name = codec.name.to_ascii_uppercase();
        let found = by_rtpmap(&name, codec.clock_rate_hz, codec.channels).expect("in the table");
        assert!(std::ptr::eq(found, *codec));
        assert!(by_rtpmap(&name, codec.clock_rate_hz + 1, codec.channels).is_none());
        assert!(by_rtpmap(&name, codec.clock_rate_hz, codec.channels + 1).is_none());
        assert_eq!(
            by_static_payload_type(codec.payload_type).is_some(),
            codec.payload_type < 96
        );
    }
    assert!(by_static_payload_type(18).is_none());
}

#[test]
fn tone_keeps_its_level_and_its_frequency() {
    for codec in CODECS {
        let rate_hz = codec.audio_rate.hz();
        let sent = tone(rate_hz, 440.0, 1_000);
        let heard = decode(codec, &encode(codec, &sent));
        assert_eq!(heard.len(), sent.len(), "{}", codec.name);
        let settled = &heard[heard.len() / 5..];
        let change = level_db(settled) - level_db(&sent);
        assert!(
            change.abs() < 1.0,
            "{}: level changed by {change:.2} dB",
            codec.name
        );
        let share = share_at(settled, rate_hz, 440.0);
        assert!(
            share > 0.95,
            "{}: {share:.3} of the energy at 440 Hz",
            codec.name
        );
        assert!(share_at(settled, rate_hz, 460.0) < 0.01, "{}", codec.name);
    }
}

#[test]
fn silence_stays_silence() {
    for codec in CODECS {
        let silence = vec![0; codec.audio_rate.frame_samples() * 50];
        let heard = decode(codec, &encode(codec, &silence));
        assert!(
            level_db(&heard) < -70.0,
            "{}: {:.1} dB",
            codec.name,
            level_db(&heard)
        );
    }
}

#[test]
fn full_scale_does_not_wrap_around() {
    for codec in CODECS {
        let sent: Vec<i16> = tone(codec.audio_rate.hz(), 440.0, 400)
            .iter()
            .map(|&sample| sample.saturating_mul(2))
            .collect();
        let heard = decode(codec, &encode(codec, &sent));
        let share = share_at(&heard[heard.len() / 5..], codec.audio_rate.hz(), 440.0);
        assert!(
            share > 0.9,
            "{}: {share:.3} of the energy at 440 Hz",
            codec.name
        );
    }
}

#[test]
fn payloads_are_appended_and_near_the_stated_bitrate() {
    for codec in CODECS {
        let mut encoder = (codec.encoder)();
        let speech = speech_like(codec.audio_rate.hz(), 2_000);
        let mut out = vec![1, 2, 3];
        for frame in speech.chunks_exact(codec.audio_rate.frame_samples()) {
            encoder.encode(frame, &mut out);
        }
        assert_eq!(out[..3], [1, 2, 3], "{}", codec.name);
        let bitrate_bps = (out.len() - 3) as f64 * 4.0;
        let ratio = bitrate_bps / f64::from(codec.bitrate_bps);
        assert!(
            (0.5..1.2).contains(&ratio),
            "{}: {bitrate_bps} bit/s",
            codec.name
        );
    }
}

#[test]
fn payloads_of_10_to_60_ms_decode_to_their_length() {
    // Codecs of one byte per tick of the clock; Opus frames its own durations, see its file.
    for codec in CODECS.iter().filter(|codec| codec.clock_rate_hz == 8_000) {
        let stream = encode(codec, &tone(codec.audio_rate.hz(), 440.0, 480)).concat();
        for ms in [10, 20, 30, 40, 60, PACKET_MS_MAX] {
            let payloads: Vec<Vec<u8>> = stream.chunks_exact(ms * 8).map(<[u8]>::to_vec).collect();
            let heard = decode(codec, &payloads);
            let expected = payloads.len() * ms * codec.audio_rate.hz() as usize / 1000;
            assert_eq!(heard.len(), expected, "{} at {ms} ms", codec.name);
            let share = share_at(&heard[heard.len() / 5..], codec.audio_rate.hz(), 440.0);
            assert!(share > 0.95, "{} at {ms} ms: {share:.3}", codec.name);
        }
    }
}

#[test]
fn hostile_payloads_are_decoded_or_refused_and_the_next_good_one_is_heard() {
    for codec in CODECS {
        let mut decoder = (codec.decoder)();
        let mut out = Vec::new();
        let longest = codec.audio_rate.hz() as usize * PACKET_MS_MAX / 1000;
        for round in 0..2_000 {
            let length = match round % 4 {
                0 => 1,
                1 => 1 + round % 60,
                2 => 1 + round % 1_500,
                _ => 160,
            };
            let payload = noise(length, round as u64);
            let start = out.len();
            let decoded = decoder.decode(&payload, &mut out).is_ok();
            let appended = out.len() - start;
            assert!(appended <= longest, "{}: {appended} samples", codec.name);
            assert!(
                decoded || appended == 0,
                "{}: appended though refused",
                codec.name
            );
            decoder.recover(&payload, &mut out);
            decoder.conceal(&mut out);
            out.clear();
        }
        for refused in [vec![], noise(65_507, 1)] {
            let error = DecodeError {
                codec: codec.name,
                length: refused.len(),
            };
            assert_eq!(decoder.decode(&refused, &mut out), Err(error));
            assert!(out.is_empty(), "{}", codec.name);
        }
        for payload in encode(codec, &tone(codec.audio_rate.hz(), 440.0, 1_000)) {
            decoder.decode(&payload, &mut out).expect("our own payload");
        }
        let share = share_at(&out[out.len() / 2..], codec.audio_rate.hz(), 440.0);
        assert!(
            share > 0.9,
            "{}: {share:.3} of the energy at 440 Hz",
            codec.name
        );
    }
}

#[test]
fn concealment_is_20_ms_or_nothing() {
    for codec in CODECS {
        let mut decoder = (codec.decoder)();
        let mut out = Vec::new();
        let concealed = decoder.conceal(&mut out);
        let expected = if concealed {
            codec.audio_rate.frame_samples()
        } else {
            0
        };
        assert_eq!(out.len(), expected, "{}", codec.name);
    }
}
