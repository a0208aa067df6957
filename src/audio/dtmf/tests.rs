//! Digits by level, twist, length and noise; and what is no digit.

use super::*;
use crate::audio::level_dbov;

const ALL: &str = "123A456B789C*0#D";

/// Repeatable noise, −1 to 1.
fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

fn samples(mut source: ToneSource) -> Vec<i16> {
    let mut samples = Vec::new();
    let mut frame = [0; 160];
    while source.fill(&mut frame) > 0 {
        samples.extend_from_slice(&frame);
    }
    samples
}

/// The digits pressed in `samples`, which come in frames of 20 ms and are followed by silence.
fn pressed(samples: &[i16]) -> String {
    let mut detector = Detector::new();
    let mut digits = String::new();
    let silence = [0; 800];
    for frame in samples.chunks(160).chain(silence.chunks(160)) {
        detector.handle_samples(frame);
        while let Some(heard) = detector.poll_output() {
            if let Heard::Pressed { digit } = heard {
                digits.push(digit);
            }
        }
    }
    digits
}

#[test]
fn all_digits_are_heard_at_every_level() {
    // Level of each tone; from −6 dBov up the sum clips.
    for level in [-3.0, -6.0, -9.0, -13.0, -20.0, -25.0, -30.0, -35.0] {
        let tones = samples(generate_with(Rate::Hz8000, ALL, level, (100, 60)));
        assert_eq!(pressed(&tones), ALL, "{level} dBov");
    }
}

#[test]
fn forty_milliseconds_are_enough_at_any_phase() {
    for shift in 0..BLOCK {
        let tones = samples(generate_with(Rate::Hz8000, ALL, -15.0, (41, 41)));
        let shifted = [vec![0; shift], tones].concat();
        assert_eq!(pressed(&shifted), ALL, "shifted by {shift}");
        let same = samples(generate_with(Rate::Hz8000, "5555", -15.0, (41, 41)));
        assert_eq!(
            pressed(&[vec![0; shift], same].concat()),
            "5555",
            "shifted by {shift}"
        );
    }
}

#[test]
fn twenty_milliseconds_are_not_a_digit() {
    for shift in 0..BLOCK {
        let tones = samples(generate_with(Rate::Hz8000, ALL, -15.0, (20, 60)));
        assert_eq!(
            pressed(&[vec![0; shift], tones].concat()),
            "",
            "shifted by {shift}"
        );
    }
}

#[test]
fn digits_are_heard_over_noise() {
    let mut noise = noise(5);
    for noise_db in [-60.0, -40.0, -30.0] {
        // White noise of this level under two tones of −15 dBov.
        let amplitude = 32_768.0 * 10f64.powf(noise_db / 20.0) * 3f64.sqrt();
        let mut tones = samples(generate_with(Rate::Hz8000, ALL, -15.0, (80, 80)));
        for sample in &mut tones {
            *sample = sample.saturating_add((noise() * amplitude) as i16);
        }
        assert_eq!(pressed(&tones), ALL, "noise of {noise_db} dBov");
    }
}

#[test]
fn twist_within_the_recommendation_is_accepted_and_more_is_not() {
    // How much louder the high tone is in dB, and whether it is a digit.
    for (twist, is_digit) in [(3.5, true), (-7.0, true), (7.0, false), (-11.0, false)] {
        for digit in ALL.chars() {
            let (low, high) = frequencies(digit).expect("a digit");
            let mut sum = vec![0; 800];
            ToneSource::steady(Rate::Hz8000, Tone::single(low, -20.0)).fill(&mut sum);
            let mut other = vec![0; 800];
            ToneSource::steady(Rate::Hz8000, Tone::single(high, -20.0 + twist)).fill(&mut other);
            sum.iter_mut()
                .zip(other)
                .for_each(|(sum, other)| *sum += other);
            let expected = if is_digit {
                digit.to_string()
            } else {
                String::new()
            };
            assert_eq!(pressed(&sum), expected, "{digit}, {twist} dB");
        }
    }
}

#[test]
fn frequencies_off_by_one_and_a_half_percent_are_accepted() {
    for factor in [0.985, 1.015] {
        for digit in ALL.chars() {
            let (low, high) = frequencies(digit).expect("a digit");
            let tone = Tone::dual(low * factor, high * factor, -15.0);
            let mut tones = vec![0; 800];
            ToneSource::steady(Rate::Hz8000, tone).fill(&mut tones);
            assert_eq!(pressed(&tones), digit.to_string(), "times {factor}");
        }
    }
}

#[test]
fn other_tones_are_no_digits() {
    let rows = [
        ("dial tone", Tone::single(425.0, -10.0)),
        ("ringback", Tone::dual(440.0, 480.0, -15.0)),
        ("busy", Tone::dual(480.0, 620.0, -15.0)),
        ("low tone alone", Tone::single(770.0, -10.0)),
        ("high tone alone", Tone::single(1336.0, -10.0)),
        ("between the rows", Tone::dual(811.0, 1336.0, -15.0)),
        ("two of one group", Tone::dual(697.0, 941.0, -15.0)),
        ("fax", Tone::single(1100.0, -10.0)),
        ("modem", Tone::single(2100.0, -10.0)),
    ];
    for (name, tone) in rows {
        let mut tones = vec![0; 8_000];
        ToneSource::steady(Rate::Hz8000, tone).fill(&mut tones);
        assert_eq!(pressed(&tones), "", "{name}");
    }
}

/// Voiced sounds: harmonics of a wandering pitch under wandering formants, with gaps. Not speech,
/// but as rich in chance pairs of tones.
fn speech_like(seconds: usize, seed: u64) -> Vec<i16> {
    let mut noise = noise(seed);
    let mut phase = 0.0f64;
    let (mut pitch, mut formants) = (120.0, [500.0, 1_500.0, 2_500.0]);
    let mut loudness = 0.0;
    (0..seconds * 8_000)
        .map(|index| {
            if index % 1_200 == 0 {
                pitch = 160.0 + 90.0 * noise();
                formants = [
                    550.0 + 300.0 * noise(),
                    1_500.0 + 600.0 * noise(),
                    2_600.0 + 300.0 * noise(),
                ];
                loudness = (noise() + 0.7).clamp(0.0, 1.0);
            }
            phase = (phase + std::f64::consts::TAU * pitch / 8_000.0) % std::f64::consts::TAU;
            let count = (3_600.0 / pitch) as usize;
            let voice: f64 = (1..=count)
                .map(|harmonic| {
                    let hz = harmonic as f64 * pitch;
                    let envelope: f64 = formants
                        .iter()
                        .map(|f: &f64| 1.0 / (1.0 + ((hz - f) / 80.0).powi(2)))
                        .sum();
                    envelope * (phase * harmonic as f64).sin()
                })
                .sum();
            ((voice * 5_000.0 + noise() * 200.0) * loudness) as i16
        })
        .collect()
}

#[test]
fn speech_like_sound_is_not_taken_for_digits() {
    let mut said = String::new();
    for seed in 1..=6 {
        let sound = speech_like(20, seed);
        assert!(level_dbov(&sound) > -30);
        said += &pressed(&sound);
    }
    assert_eq!(said, "", "in two minutes");
}

#[test]
fn noise_is_not_taken_for_digits() {
    let mut noise = noise(9);
    let sound: Vec<i16> = (0..60 * 8_000)
        .map(|_| (noise() * 8_000.0) as i16)
        .collect();
    assert_eq!(pressed(&sound), "");
}

#[test]
fn a_digit_within_speech_like_sound_is_heard_once() {
    let mut sound = speech_like(2, 3);
    let tones = samples(generate_with(Rate::Hz8000, "7", -8.0, (100, 60)));
    sound.splice(8_000..8_000, tones);
    assert_eq!(pressed(&sound), "7");
}

#[test]
fn length_of_a_press_is_told_at_its_end() {
    for tone_ms in [60, 100, 500] {
        let mut detector = Detector::new();
        detector.handle_samples(&samples(generate_with(
            Rate::Hz8000,
            "9",
            -15.0,
            (tone_ms, 100),
        )));
        assert_eq!(detector.poll_output(), Some(Heard::Pressed { digit: '9' }));
        let Some(Heard::Released {
            digit: '9',
            duration_ms,
        }) = detector.poll_output()
        else {
            panic!("not released")
        };
        assert!(
            duration_ms.abs_diff(tone_ms) <= 26,
            "{tone_ms} ms told as {duration_ms}"
        );
    }
}

#[test]
fn a_pause_is_half_a_second() {
    assert_eq!(
        samples(generate(Rate::Hz8000, "1p2x")).len(),
        8 * (160 + 500 + 160)
    );
}
