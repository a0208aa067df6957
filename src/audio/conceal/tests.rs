//! Gaps in voiced sound: level, fading, joints.

use super::*;
use crate::audio::{Tone, ToneSource, level_dbov};

const RATES: [Rate; 3] = [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000];

/// A voiced sound of 150 Hz with its second harmonic, −20 dBov, in frames.
fn voice(rate: Rate, frames: usize) -> Vec<Vec<i16>> {
    let mut source = ToneSource::steady(rate, Tone::dual(150.0, 300.0, -23.0));
    (0..frames)
        .map(|_| {
            let mut frame = vec![0; rate.frame_samples()];
            source.fill(&mut frame);
            frame
        })
        .collect()
}

/// The voice with some frames lost, as it is played.
fn played(rate: Rate, lost: std::ops::Range<usize>, frames: usize) -> Vec<i16> {
    let mut concealer = Concealer::new(rate);
    let mut output = Vec::new();
    for (index, mut frame) in voice(rate, frames).into_iter().enumerate() {
        if lost.contains(&index) {
            concealer.conceal(frame.len(), &mut output);
        } else {
            concealer.handle_samples(&mut frame);
            output.extend_from_slice(&frame);
        }
    }
    output
}

fn largest_step(samples: &[i16]) -> i32 {
    samples
        .windows(2)
        .map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs())
        .max()
        .unwrap_or(0)
}

#[test]
fn a_gap_of_one_frame_keeps_its_level_and_has_no_clicks() {
    for rate in RATES {
        let whole: Vec<i16> = voice(rate, 10).concat();
        let output = played(rate, 5..6, 10);
        assert_eq!(output.len(), whole.len());
        let frame = rate.frame_samples();
        let level = level_dbov(&output[5 * frame..6 * frame]);
        assert!((-22..=-19).contains(&level), "{rate:?}: {level} dBov");
        let (clean, concealed) = (largest_step(&whole), largest_step(&output));
        assert!(
            concealed <= clean * 3 / 2,
            "{rate:?}: a step of {concealed}, {clean} without"
        );
        assert_eq!(output[..5 * frame], whole[..5 * frame]);
        assert_eq!(output[7 * frame..], whole[7 * frame..]);
    }
}

#[test]
fn the_period_is_found_at_every_rate() {
    for rate in RATES {
        for hz in [70.0, 100.0, 125.0, 160.0, 195.0] {
            let mut history = vec![0; rate.frame_samples() * 3];
            ToneSource::steady(rate, Tone::dual(hz, 2.0 * hz, -20.0)).fill(&mut history);
            let pitch = find_pitch(&history, rate.hz() as usize / 8_000) as f32;
            let found = rate.hz() as f32 / pitch;
            // Twice the period is as good.
            let off = (found / hz - 1.0).abs().min((2.0 * found / hz - 1.0).abs());
            assert!(off < 0.02, "{rate:?} {hz} Hz: {found}");
        }
    }
}

#[test]
fn a_long_gap_fades_to_silence_and_comes_back() {
    for rate in RATES {
        let frame = rate.frame_samples();
        let output = played(rate, 5..10, 14);
        let levels: Vec<i8> = output.chunks(frame).map(level_dbov).collect();
        assert!(
            levels[5] > levels[6] && levels[6] > levels[7],
            "{rate:?}: {levels:?}"
        );
        assert!(levels[7] > -50, "{rate:?}: {levels:?}");
        assert_eq!(levels[8..10], [-127, -127], "{rate:?}");
        assert!(
            levels[10] >= -24 && levels[11] == levels[4],
            "{rate:?}: {levels:?}"
        );
        assert!(largest_step(&output) <= largest_step(&voice(rate, 14).concat()) * 3 / 2);
    }
}

#[test]
fn pieces_of_any_length_are_taken() {
    let mut concealer = Concealer::new(Rate::Hz8000);
    let mut output = Vec::new();
    for (received, made) in [(0, 80), (80, 80), (480, 0), (1_000, 0), (3, 500), (7, 1)] {
        concealer.handle_samples(&mut vec![1_000; received]);
        let before = output.len();
        concealer.conceal(made, &mut output);
        assert_eq!(output.len() - before, made);
        assert!(concealer.is_concealing());
    }
}

#[test]
fn a_gap_in_silence_is_silent() {
    let mut output = Vec::new();
    let mut concealer = Concealer::new(Rate::Hz16000);
    concealer.conceal(320, &mut output);
    assert_eq!(output, [0; 320]);
    let mut frame = [500; 320];
    concealer.handle_samples(&mut frame);
    assert!(frame[0] < 100 && frame[319] == 500, "faded in");
}
