//! Rows for the decoder: formats, widths, rates, broken headers, damage.

use super::*;

/// A sine of 440 Hz at half of full scale, as a WAV file.
fn wav(spec: hound::WavSpec, frames: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("a spec");
    for frame in 0..frames {
        let phase = frame as f32 * 440.0 * std::f32::consts::TAU / spec.sample_rate as f32;
        for _ in 0..spec.channels {
            match spec.sample_format {
                hound::SampleFormat::Float => writer.write_sample(phase.sin() * 0.5),
                hound::SampleFormat::Int => {
                    let full = (1u64 << (spec.bits_per_sample - 1)) as f32;
                    writer.write_sample((phase.sin() * 0.5 * full) as i32)
                }
            }
            .expect("memory");
        }
    }
    writer.finalize().expect("memory");
    bytes.into_inner()
}

fn spec(channels: u16, sample_rate: u32, bits_per_sample: u16) -> hound::WavSpec {
    let sample_format = if bits_per_sample == 33 {
        hound::SampleFormat::Float
    } else {
        hound::SampleFormat::Int
    };
    let bits_per_sample = if bits_per_sample == 33 {
        32
    } else {
        bits_per_sample
    };
    hound::WavSpec {
        channels,
        sample_rate,
        bits_per_sample,
        sample_format,
    }
}

/// Amplitude of 440 Hz (0 to 1) by correlation over the middle of the clip.
fn amplitude_440(clip: &Clip) -> f64 {
    let middle = &clip.samples[clip.samples.len() / 4..clip.samples.len() * 3 / 4];
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (index, sample) in middle.iter().enumerate() {
        let phase = index as f64 * 440.0 * std::f64::consts::TAU / f64::from(clip.rate.hz());
        sine += f64::from(*sample) / 32768.0 * phase.sin();
        cosine += f64::from(*sample) / 32768.0 * phase.cos();
    }
    2.0 * sine.hypot(cosine) / middle.len() as f64
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn wav_of_every_width_becomes_mono_at_an_engine_rate() {
    for (channels, source_hz, bits, wanted, rate) in [
        (1, 8_000, 16, None, Rate::Hz8000),
        (2, 8_000, 8, None, Rate::Hz8000),
        (1, 16_000, 24, None, Rate::Hz16000),
        (1, 22_050, 16, None, Rate::Hz48000),
        (2, 44_100, 32, None, Rate::Hz48000),
        (2, 48_000, 33, None, Rate::Hz48000),
        (1, 44_100, 16, Some(Rate::Hz8000), Rate::Hz8000),
        (1, 8_000, 16, Some(Rate::Hz16000), Rate::Hz16000),
        (1, 11_025, 16, Some(Rate::Hz48000), Rate::Hz48000),
    ] {
        let row = format!("{channels} × {source_hz} Hz × {bits} bits → {wanted:?}");
        let bytes = wav(spec(channels, source_hz, bits), source_hz.div_ceil(2));
        let clip = decode("x", bytes, "wav", wanted, MINUTE).expect(&row);
        assert_eq!((clip.rate, clip.duration_ms()), (rate, 500), "{row}");
        let amplitude = amplitude_440(&clip);
        assert!(
            (0.47..0.53).contains(&amplitude),
            "{row}: amplitude {amplitude}"
        );
    }
}

#[test]
fn resampling_leaves_no_delay_at_the_start() {
    let spec = spec(1, 44_100, 16);
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("a spec");
    for frame in 0..44_100 {
        let sample = if frame == 4_410 { 30_000i16 } else { 0 };
        writer.write_sample(sample).expect("memory");
    }
    writer.finalize().expect("memory");
    let clip = decode("click", bytes.into_inner(), "wav", None, MINUTE).expect("a WAV");
    let loudest = (0..clip.samples.len()).max_by_key(|at| clip.samples[*at].unsigned_abs());
    let loudest = loudest.expect("samples");
    assert!(
        (4_790..=4_810).contains(&loudest),
        "the click at 100 ms came at sample {loudest}"
    );
}

#[test]
fn compressed_formats_hold_the_tone_that_was_put_in() {
    for (extension, bytes) in [
        (
            "mp3",
            include_bytes!("../../fixtures/audio/tone-440.mp3").as_slice(),
        ),
        (
            "ogg",
            include_bytes!("../../fixtures/audio/tone-440.ogg").as_slice(),
        ),
        (
            "flac",
            include_bytes!("../../fixtures/audio/tone-440.flac").as_slice(),
        ),
        // The content decides, not the name.
        (
            "wav",
            include_bytes!("../../fixtures/audio/tone-440.flac").as_slice(),
        ),
    ] {
        let clip = decode(extension, bytes.to_vec(), extension, None, MINUTE).expect(extension);
        let (amplitude, length) = (amplitude_440(&clip), clip.duration_ms());
        assert!(
            (0.45..0.55).contains(&amplitude),
            "{extension}: amplitude {amplitude}"
        );
        assert!((480..=600).contains(&length), "{extension}: {length} ms");
    }
}

#[test]
fn a_wav_header_that_promises_too_much_is_repaired() {
    let whole = wav(spec(1, 22_050, 16), 22_050);
    for (riff, data, cut) in [
        (0x7fff_f024u32, 0x7fff_f000u32, 0usize),
        (u32::MAX, u32::MAX, 0),
        (0, 0, 0),
        (36 + 44_100, 44_100, 1),
    ] {
        let mut bytes = whole.clone();
        bytes[4..8].copy_from_slice(&riff.to_le_bytes());
        bytes[40..44].copy_from_slice(&data.to_le_bytes());
        bytes.truncate(bytes.len() - cut);
        let clip = decode("x", bytes, "wav", None, MINUTE).expect("repaired");
        assert!(
            (999..=1000).contains(&clip.duration_ms()),
            "{data:#x}: {clip:?}"
        );
    }
}

#[test]
fn what_is_no_sound_is_refused_with_the_reason() {
    let short = Duration::from_secs(1);
    let minute = wav(spec(1, 8_000, 16), 8_001);
    let mut odd_rate = wav(spec(1, 8_000, 16), 100);
    odd_rate[24..28].copy_from_slice(&1u32.to_le_bytes());
    let mut no_channels = wav(spec(1, 8_000, 16), 100);
    no_channels[22..24].copy_from_slice(&0u16.to_le_bytes());
    for (what, bytes, error) in [
        ("too long", minute, "longer than 1 s"),
        (
            "nothing",
            Vec::new(),
            "not a WAV, MP3, Ogg Vorbis or FLAC file",
        ),
        (
            "text",
            b"Hello, this is no sound at all. ".repeat(50),
            "not a WAV, MP3",
        ),
        ("only RIFF", b"RIFF".to_vec(), "unusable sound"),
        (
            "no samples",
            wav(spec(1, 8_000, 16), 0),
            "the file holds no sound",
        ),
        ("1 Hz", odd_rate, "unusable sound"),
        (
            "blocks shorter than their head",
            include_bytes!("../../fixtures/fuzz/sound/adpcm-short-block.wav").to_vec(),
            "unusable sound",
        ),
        ("no channels", no_channels, "unusable sound"),
    ] {
        let refused = decode("x", bytes, "", None, short)
            .expect_err(what)
            .to_string();
        assert!(refused.starts_with(error), "{what}: {refused}");
    }
}

#[test]
fn damaged_files_never_panic() {
    let files = [
        include_bytes!("../../fixtures/audio/tone-440.mp3").to_vec(),
        include_bytes!("../../fixtures/audio/tone-440.ogg").to_vec(),
        include_bytes!("../../fixtures/audio/tone-440.flac").to_vec(),
        wav(spec(2, 44_100, 16), 2_000),
    ];
    let mut state = 1u32;
    for file in files {
        for _ in 0..40 {
            let mut bytes = file.clone();
            for _ in 0..20 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = state as usize / 7 % bytes.len();
                bytes[at] = (state >> 16) as u8;
            }
            bytes.truncate(bytes.len() - state as usize / 3 % 500);
            // Either outcome is fine; that it returns is what counts.
            let _ = decode("x", bytes, "", Some(Rate::Hz8000), MINUTE);
        }
    }
}

#[test]
fn samples_that_are_no_numbers_or_beyond_all_measure_are_silent_or_loud() {
    let format = spec(1, 48_000, 33);
    let good = wav(format, 4_800);
    let data = good.len() - 4 * 4_800;
    for (sample, loudest) in [
        (f32::NAN, 0),
        (f32::INFINITY, i16::MAX),
        (f32::NEG_INFINITY, i16::MAX),
        (f32::MAX, i16::MAX),
    ] {
        let mut bytes = good.clone();
        for place in bytes[data..].chunks_exact_mut(4) {
            place.copy_from_slice(&sample.to_le_bytes());
        }
        for rate in [Rate::Hz8000, Rate::Hz48000] {
            let clip = decode("x", bytes.clone(), "wav", Some(rate), MINUTE).expect("a WAV");
            let found = clip
                .samples
                .iter()
                .map(|sample| sample.saturating_abs())
                .max();
            assert_eq!(found, Some(loudest), "{sample} at {rate:?}");
        }
    }
}
