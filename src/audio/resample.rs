//! Between 8, 16 and 48 kHz: one polyphase low-pass filter per pair, 16-bit coefficients, 32-bit
//! sums. One frame in gives exactly one frame out; the filter's memory goes from frame to frame.
//! The delay is 1.5 ms where 8 kHz is one side, 1 ms between 16 and 48 kHz. Files and speech of
//! other rates are converted elsewhere.
//!
//! The filter is a windowed sinc (Kaiser) that is 6 dB down at half the lower rate. It passes up to
//! 0.86 of that within 0.5 dB and rejects from 1.14 of it by 50 dB and more (the tests measure it).

use super::Rate;

/// Taps of the filter per sample of the lower rate where that is 8 kHz: 3 ms, half of which is
/// delay.
const TAPS_NARROW: usize = 24;
/// The same where the lower rate is 16 kHz: 2 ms.
const TAPS_WIDE: usize = 32;
/// Shape of the Kaiser window: about 55 dB.
const KAISER_BETA: f64 = 5.1;
/// Fraction bits of the coefficients. With 14, full-scale input cannot overflow 32 bits.
const COEFFICIENT_BITS: u32 = 14;

/// Converts one stream from one rate to another.
#[derive(Clone)]
pub struct Resampler {
    from: Rate,
    to: Rate,
    kind: Kind,
    /// The last `taps - 1` samples of the input, then the frame that is being converted.
    input: Vec<i16>,
}

#[derive(Clone)]
enum Kind {
    Same,
    /// `ratio` output samples for one of input; `taps` coefficients for each of the `ratio` phases.
    Up {
        ratio: usize,
        taps: usize,
        phases: Vec<i16>,
    },
    /// One output sample for `ratio` of input.
    Down {
        ratio: usize,
        taps: Vec<i16>,
    },
}

impl Resampler {
    /// A resampler with silence in its memory. From a rate to itself it copies.
    pub fn new(from: Rate, to: Rate) -> Self {
        let (low, high) = (from.min(to), from.max(to));
        let ratio = (high.hz() / low.hz()) as usize;
        let per_phase = if low == Rate::Hz8000 {
            TAPS_NARROW
        } else {
            TAPS_WIDE
        };
        let (kind, memory) = if ratio == 1 {
            (Kind::Same, 0)
        } else if from == low {
            let phases = phases(&low_pass(ratio, per_phase), ratio);
            (
                Kind::Up {
                    ratio,
                    taps: per_phase,
                    phases,
                },
                per_phase - 1,
            )
        } else {
            let taps = low_pass(ratio, per_phase);
            let coefficients = taps.iter().rev().map(|&tap| quantize(tap)).collect();
            (
                Kind::Down {
                    ratio,
                    taps: coefficients,
                },
                taps.len() - 1,
            )
        };
        Resampler {
            from,
            to,
            kind,
            input: vec![0; memory],
        }
    }

    /// Rate of the input.
    pub fn from(&self) -> Rate {
        self.from
    }

    /// Rate of the output.
    pub fn to(&self) -> Rate {
        self.to
    }

    /// Appends `frame` at the other rate to `out`: of a 20 ms frame exactly a 20 ms frame. From a
    /// higher to a lower rate the length must be a multiple of their ratio; a remainder is dropped.
    pub fn resample(&mut self, frame: &[i16], out: &mut Vec<i16>) {
        let memory = self.input.len();
        match &self.kind {
            Kind::Same => return out.extend_from_slice(frame),
            Kind::Up {
                ratio,
                taps,
                phases,
            } => {
                self.input.extend_from_slice(frame);
                out.reserve(frame.len() * ratio);
                for window in self.input.windows(*taps) {
                    out.extend(phases.chunks_exact(*taps).map(|phase| dot(phase, window)));
                }
            }
            Kind::Down { ratio, taps } => {
                self.input.extend_from_slice(frame);
                let windows = self
                    .input
                    .windows(taps.len())
                    .skip(ratio - 1)
                    .step_by(*ratio);
                out.extend(windows.map(|window| dot(taps, window)));
            }
        }
        self.input.drain(..self.input.len() - memory);
    }

    /// Delay that the filter adds, in seconds.
    pub fn delay_s(&self) -> f64 {
        match &self.kind {
            Kind::Same => 0.0,
            Kind::Up { ratio, taps, .. } => {
                (ratio * taps - 1) as f64 / 2.0 / f64::from(self.to.hz())
            }
            Kind::Down { taps, .. } => (taps.len() - 1) as f64 / 2.0 / f64::from(self.from.hz()),
        }
    }
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Resampler({} → {} Hz)", self.from.hz(), self.to.hz())
    }
}

/// Sum of products, scaled back and clipped. In integers, so that the compiler may use vector
/// instructions.
fn dot(coefficients: &[i16], samples: &[i16]) -> i16 {
    let sum: i32 = coefficients
        .iter()
        .zip(samples)
        .map(|(&coefficient, &sample)| i32::from(coefficient) * i32::from(sample))
        .sum();
    let rounded = (sum + (1 << (COEFFICIENT_BITS - 1))) >> COEFFICIENT_BITS;
    rounded.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

fn quantize(coefficient: f64) -> i16 {
    (coefficient * f64::from(1 << COEFFICIENT_BITS)).round() as i16
}

/// The filter at the higher rate: cut-off at half the lower one, gain 1 at 0 Hz.
fn low_pass(ratio: usize, per_phase: usize) -> Vec<f64> {
    let length = ratio * per_phase;
    let middle = (length - 1) as f64 / 2.0;
    let taps: Vec<f64> = (0..length)
        .map(|index| {
            let x = index as f64 - middle;
            let edge = x / (middle + 0.5);
            let window = bessel_i0(KAISER_BETA * (1.0 - edge * edge).max(0.0).sqrt());
            sinc(x / ratio as f64) * window
        })
        .collect();
    let gain: f64 = taps.iter().sum();
    taps.iter().map(|tap| tap / gain).collect()
}

/// Splits the filter into the coefficients that meet input samples for each output phase, oldest
/// sample first, each phase with gain 1 at 0 Hz so that a constant stays constant.
fn phases(taps: &[f64], ratio: usize) -> Vec<i16> {
    (0..ratio)
        .flat_map(|phase| {
            let of_phase: Vec<f64> = taps.iter().skip(phase).step_by(ratio).copied().collect();
            let gain: f64 = of_phase.iter().sum();
            of_phase
                .into_iter()
                .rev()
                .map(move |tap| quantize(tap / gain))
        })
        .collect()
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        1.0
    } else {
        (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x)
    }
}

/// Modified Bessel function of the first kind, order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let mut term = 1.0;
    (1..32).fold(1.0, |sum, k| {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum + term
    })
}

#[cfg(test)]
mod tests;
