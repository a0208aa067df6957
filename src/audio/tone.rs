//! Tones: sources with a cadence (ringback, busy, beeps), and the measurement of one frequency by
//! which tests and the load tool hear who is heard. Which country uses which tone is not decided
//! here.

use std::f64::consts::TAU;

use super::Rate;
use super::level::mean_square;

/// One or two sines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// First frequency in Hz.
    pub hz: f32,
    /// Second frequency in Hz; 0 for none.
    pub second_hz: f32,
    /// Level of each sine in dBov, at most −3.
    pub level_dbov: f32,
}

impl Tone {
    /// A single sine.
    pub const fn single(hz: f32, level_dbov: f32) -> Tone {
        Tone {
            hz,
            second_hz: 0.0,
            level_dbov,
        }
    }

    /// Two sines, each of the given level.
    pub const fn dual(hz: f32, second_hz: f32, level_dbov: f32) -> Tone {
        Tone {
            hz,
            second_hz,
            level_dbov,
        }
    }
}

/// One step of a cadence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToneStep {
    /// What sounds; nothing is silence.
    pub tone: Option<Tone>,
    /// For how long, in milliseconds.
    pub duration_ms: u32,
}

/// Makes the samples of a cadence.
#[derive(Clone, Debug)]
pub struct ToneSource {
    rate: Rate,
    steps: Vec<ToneStep>,
    looped: bool,
    step: usize,
    /// Samples made of the current step.
    made: u64,
    phase: f64,
    second_phase: f64,
}

impl ToneSource {
    /// A source at the beginning of its cadence. A looped one without any duration is over at once.
    pub fn new(rate: Rate, steps: Vec<ToneStep>, looped: bool) -> Self {
        let looped = looped && steps.iter().any(|step| step.duration_ms > 0);
        ToneSource {
            rate,
            steps,
            looped,
            step: 0,
            made: 0,
            phase: 0.0,
            second_phase: 0.0,
        }
    }

    /// A tone that never ends.
    pub fn steady(rate: Rate, tone: Tone) -> Self {
        ToneSource::new(
            rate,
            vec![ToneStep {
                tone: Some(tone),
                duration_ms: u32::MAX,
            }],
            true,
        )
    }

    /// Fills the frame; returns how many samples were made. Fewer than the frame holds when the
    /// cadence is over; the rest is silence.
    pub fn fill(&mut self, frame: &mut [i16]) -> usize {
        let mut filled = 0;
        while filled < frame.len() {
            let Some(step) = self.current_step() else {
                break;
            };
            let length = u64::from(step.duration_ms) * u64::from(self.rate.hz()) / 1_000;
            let left = usize::try_from(length.saturating_sub(self.made)).unwrap_or(usize::MAX);
            if left == 0 {
                self.step += 1;
                self.made = 0;
                self.phase = 0.0;
                self.second_phase = 0.0;
                continue;
            }
            let rest = frame.get_mut(filled..).unwrap_or_default();
            let count = left.min(rest.len());
            self.fill_step(step.tone, rest.get_mut(..count).unwrap_or_default());
            self.made += count as u64;
            filled += count;
        }
        frame.get_mut(filled..).unwrap_or_default().fill(0);
        filled
    }

    fn current_step(&mut self) -> Option<ToneStep> {
        if self.step >= self.steps.len() && self.looped {
            self.step = 0;
        }
        self.steps.get(self.step).copied()
    }

    fn fill_step(&mut self, tone: Option<Tone>, samples: &mut [i16]) {
        let Some(tone) = tone else {
            return samples.fill(0);
        };
        let amplitude = amplitude(tone.level_dbov);
        let second_amplitude = if tone.second_hz > 0.0 { amplitude } else { 0.0 };
        let step = TAU * f64::from(tone.hz) / f64::from(self.rate.hz());
        let second_step = TAU * f64::from(tone.second_hz) / f64::from(self.rate.hz());
        for sample in samples {
            let sum = amplitude * self.phase.sin() + second_amplitude * self.second_phase.sin();
            // A cast from f64 saturates.
            *sample = sum.round() as i16;
            self.phase = (self.phase + step) % TAU;
            self.second_phase = (self.second_phase + second_step) % TAU;
        }
    }
}

/// Peak of a sine with this level.
fn amplitude(level_dbov: f32) -> f64 {
    32_768.0 * std::f64::consts::SQRT_2 * 10f64.powf(f64::from(level_dbov) / 20.0)
}

/// Level in dBov of the sine with frequency `hz` in `samples` at `rate` (Goertzel); −127 when it is
/// not there. Over whole 20 ms frames, other tones at multiples of 50 Hz do not leak into it.
pub fn tone_level_dbov(samples: &[i16], rate: Rate, hz: f32) -> f32 {
    let power = goertzel(
        samples,
        2.0 * (TAU * f64::from(hz) / f64::from(rate.hz())).cos(),
    );
    let count = samples.len().max(1) as f64;
    // The square of a sine's amplitude is 4 power / n², its mean square half of that.
    let level = 10.0 * (2.0 * power / (count * count) / (32_768.0 * 32_768.0)).log10();
    level.max(-127.0) as f32
}

/// Signal power at one frequency: the squared magnitude of the discrete Fourier transform there.
/// `coefficient` is 2 cos(2π f / rate).
fn goertzel(samples: &[i16], coefficient: f64) -> f64 {
    let (mut one, mut two) = (0.0, 0.0);
    for &sample in samples {
        let next = f64::from(sample) + coefficient * one - two;
        two = one;
        one = next;
    }
    (one * one + two * two - coefficient * one * two).max(0.0)
}

/// What is in `samples` beside the sine at `hz`, in dBov: for tests of purity.
pub fn rest_level_dbov(samples: &[i16], rate: Rate, hz: f32) -> f32 {
    let square = f64::from(mean_square(samples)) / (32_768.0 * 32_768.0);
    let tone = 10f64.powf(f64::from(tone_level_dbov(samples, rate, hz)) / 10.0);
    (10.0 * (square - tone).max(1e-13).log10()).max(-127.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::level_dbov;

    const RATES: [Rate; 3] = [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000];

    #[test]
    fn a_tone_has_the_level_that_was_asked_for_at_its_frequency_only() {
        for rate in RATES {
            for level in [-3.01, -10.0, -26.0, -50.0] {
                let mut source = ToneSource::steady(rate, Tone::single(450.0, level));
                let mut frame = vec![0; rate.frame_samples() * 5];
                assert_eq!(source.fill(&mut frame), frame.len());
                let measured = tone_level_dbov(&frame, rate, 450.0);
                assert!(
                    (measured - level).abs() < 0.1,
                    "{rate:?} {level}: {measured}"
                );
                assert!((f32::from(level_dbov(&frame)) - level).abs() <= 0.6);
                let other = tone_level_dbov(&frame, rate, 600.0);
                assert!(other < level - 40.0, "{rate:?} {level}: {other} at 600 Hz");
            }
        }
    }

    #[test]
    fn a_cadence_sounds_pauses_and_ends() {
        let tone = Some(Tone::dual(440.0, 480.0, -20.0));
        let steps = vec![
            ToneStep {
                tone,
                duration_ms: 40,
            },
            ToneStep {
                tone: None,
                duration_ms: 20,
            },
            ToneStep {
                tone,
                duration_ms: 10,
            },
        ];
        let mut source = ToneSource::new(Rate::Hz8000, steps.clone(), false);
        let mut levels = Vec::new();
        for _ in 0..5 {
            let mut frame = [7; 160];
            let made = source.fill(&mut frame);
            levels.push((made, level_dbov(&frame) > -40));
        }
        assert_eq!(
            levels,
            [
                (160, true),
                (160, true),
                (160, false),
                (80, true),
                (0, false)
            ]
        );
        let mut source = ToneSource::new(Rate::Hz8000, steps, true);
        let mut second = vec![0; 8_000];
        assert_eq!(
            source.fill(&mut second),
            8_000,
            "a looped cadence does not end"
        );
        let nothing = ToneStep {
            tone,
            duration_ms: 0,
        };
        assert_eq!(
            ToneSource::new(Rate::Hz8000, vec![nothing], true).fill(&mut second),
            0
        );
    }
}
