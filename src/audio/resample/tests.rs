//! Levels and images of tones through every pair of rates.

use super::*;
use crate::audio::tone::rest_level_dbov;
use crate::audio::{Tone, ToneSource, level_dbov, tone_level_dbov};

const RATES: [Rate; 3] = [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000];

fn pairs() -> impl Iterator<Item = (Rate, Rate)> {
    RATES
        .into_iter()
        .flat_map(|from| RATES.into_iter().map(move |to| (from, to)))
}

/// Ten frames of a sine at −10 dBov through the resampler; the first two, in which it swings in,
/// left out.
fn tone_through(from: Rate, to: Rate, hz: f32) -> Vec<i16> {
    let mut source = ToneSource::steady(from, Tone::single(hz, -10.0));
    let mut resampler = Resampler::new(from, to);
    let mut output = Vec::new();
    for _ in 0..12 {
        let mut frame = vec![0; from.frame_samples()];
        source.fill(&mut frame);
        let before = output.len();
        resampler.resample(&frame, &mut output);
        assert_eq!(output.len() - before, to.frame_samples(), "{resampler:?}");
    }
    output.split_off(2 * to.frame_samples())
}

#[test]
fn tones_that_both_rates_carry_keep_their_level_and_stay_alone() {
    for (from, to) in pairs() {
        let nyquist = from.min(to).hz() as f32 / 2.0;
        for share in [0.075, 0.1, 0.25, 0.5, 0.75, 0.85] {
            let hz = (share * nyquist / 50.0).round() * 50.0;
            let output = tone_through(from, to, hz);
            let level = tone_level_dbov(&output, to, hz);
            assert!(
                (level + 10.0).abs() < 0.5,
                "{from:?} → {to:?}, {hz} Hz: {level} dBov"
            );
            // Images, aliases and rounding together.
            let rest = rest_level_dbov(&output, to, hz);
            assert!(
                rest < -58.0,
                "{from:?} → {to:?}, {hz} Hz: {rest} dBov beside it"
            );
        }
    }
}

#[test]
fn tones_that_the_lower_rate_cannot_carry_vanish() {
    for (from, to) in pairs().filter(|(from, to)| from > to) {
        let nyquist = to.hz() as f32 / 2.0;
        for factor in [1.15, 1.3, 1.5, 1.9] {
            let hz = (factor * nyquist / 50.0).round() * 50.0;
            if hz >= from.hz() as f32 / 2.0 {
                continue;
            }
            let level = level_dbov(&tone_through(from, to, hz));
            assert!(
                level <= -60,
                "{from:?} → {to:?}, {hz} Hz: {level} dBov left of −10"
            );
        }
    }
}

#[test]
fn the_delay_is_short_and_known() {
    for (from, to) in pairs() {
        let mut resampler = Resampler::new(from, to);
        let delay_s = resampler.delay_s();
        assert!(delay_s <= 0.0015, "{resampler:?}: {delay_s} s");
        let mut impulse = vec![0; from.frame_samples()];
        impulse[from.frame_samples() / 4] = 30_000;
        let mut output = Vec::new();
        resampler.resample(&impulse, &mut output);
        let peak = output
            .iter()
            .enumerate()
            .max_by_key(|(_, sample)| sample.unsigned_abs());
        let peak_s = peak.expect("samples").0 as f64 / f64::from(to.hz());
        let off = (peak_s - 0.005 - delay_s).abs() * f64::from(from.min(to).hz());
        assert!(
            off <= 1.0,
            "{resampler:?}: off by {off} samples of the lower rate"
        );
    }
}

#[test]
fn full_scale_does_not_wrap() {
    for (from, to) in pairs() {
        let mut resampler = Resampler::new(from, to);
        let mut output = Vec::new();
        for sign in [i16::MAX, i16::MIN, i16::MAX] {
            resampler.resample(&vec![sign; from.frame_samples()], &mut output);
            let settled = output.last().copied().expect("samples");
            assert!(
                (i32::from(settled) - i32::from(sign)).abs() < 40,
                "{resampler:?}: {settled}"
            );
        }
        // The sign that the largest coefficients would overflow with.
        let frame: Vec<i16> = (0..from.frame_samples())
            .map(|index| {
                if index / 3 % 2 == 0 {
                    i16::MAX
                } else {
                    i16::MIN
                }
            })
            .collect();
        resampler.resample(&frame, &mut output);
    }
}

#[test]
fn silence_stays_silent() {
    for (from, to) in pairs() {
        let mut output = Vec::new();
        Resampler::new(from, to).resample(&vec![0; from.frame_samples()], &mut output);
        assert!(output.iter().all(|&sample| sample == 0));
    }
}
