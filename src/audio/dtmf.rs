//! Digits as pairs of tones in the audio (ITU-T Q.23, Q.24): a generator at any rate and a detector at 8 kHz.
//!
//! The detector looks at blocks of 102 samples (12.75 ms), for which the eight frequencies lie apart. A block is a digit when
//! one low and one high tone stand out of their groups, are not too unlike each other (twist), have no strong second
//! harmonic, and hold most of the power: speech fails one of these. Two such blocks in a row are a press, so 40 ms of
//! tone are always enough; two others in a row are its end, so 40 ms of pause are.

use std::collections::VecDeque;
use std::f64::consts::TAU;

use super::tone::{Tone, ToneSource, ToneStep, goertzel};
use super::{Rate, level};

/// The low group in Hz, one per row of the keypad.
const LOW_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
/// The high group in Hz, one per column.
const HIGH_HZ: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
/// The keypad by rows.
const KEYS: [[char; 4]; 4] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];

/// Samples of one decision.
const BLOCK: usize = 102;
/// A tone is at least this loud: −42 dBov.
const LEVEL_LEAST_DBOV: f64 = -42.0;
/// The high tone may be this many times stronger than the low one (4 dB) …
const TWIST_NORMAL: f64 = 2.5;
/// … or weaker (8 dB); lines damp high tones.
const TWIST_REVERSE: f64 = 6.3;
/// The strongest of a group over each other: 8 dB.
const RELATIVE_PEAK: f64 = 6.3;
/// The second harmonic below its tone: 8 dB, of the stronger tone.
const HARMONIC: f64 = 0.16;
/// Share of the power that the two tones hold.
const PURITY: f64 = 0.75;
/// Blocks in a row for a press, and for its end.
const BLOCKS_TO_PRESS: u32 = 2;
const BLOCKS_TO_RELEASE: u32 = 2;
/// Presses kept for the caller; more are dropped.
const PRESSES_MAX: usize = 16;

/// The two frequencies of a digit (letters in any case) in Hz, low first; nothing for other characters.
pub fn frequencies(digit: char) -> Option<(f32, f32)> {
    let digit = digit.to_ascii_uppercase();
    KEYS.iter().zip(LOW_HZ).find_map(|(row, low)| {
        row.iter()
            .zip(HIGH_HZ)
            .find(|&(&key, _)| key == digit)
            .map(|(_, high)| (low, high))
    })
}

/// Length of a generated tone and of the pause after it.
const TONE_MS: u32 = 100;
const GAP_MS: u32 = 60;
/// Length of a `p`.
const PAUSE_MS: u32 = 500;
/// Level of each generated tone: Q.23 wants the two alike, −9 dBm0 or less.
const GENERATED_DBOV: f32 = -13.0;

/// A source of the tones of `digits` (`0-9*#A-D`, `p` a pause of 500 ms): 100 ms each with 60 ms of silence after
/// it. Other characters are left out.
pub fn generate(rate: Rate, digits: &str) -> ToneSource {
    generate_with(rate, digits, GENERATED_DBOV, (TONE_MS, GAP_MS))
}

/// As [`generate`], with the level of each tone in dBov and the lengths of tone and pause in milliseconds.
pub fn generate_with(
    rate: Rate,
    digits: &str,
    level_dbov: f32,
    (tone_ms, gap_ms): (u32, u32),
) -> ToneSource {
    let mut steps = Vec::new();
    for digit in digits.chars() {
        if let Some((low, high)) = frequencies(digit) {
            let tone = Some(Tone::dual(low, high, level_dbov));
            steps.push(ToneStep {
                tone,
                duration_ms: tone_ms,
            });
            steps.push(ToneStep {
                tone: None,
                duration_ms: gap_ms,
            });
        } else if matches!(digit, 'p' | 'P') {
            steps.push(ToneStep {
                tone: None,
                duration_ms: PAUSE_MS,
            });
        }
    }
    ToneSource::new(rate, steps, false)
}

/// A digit that the detector heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The tone has lasted long enough to be a press.
    Pressed {
        /// `0-9*#A-D`.
        digit: char,
    },
    /// The tone has ended.
    Released {
        /// `0-9*#A-D`.
        digit: char,
        /// How long it was, within 13 ms.
        duration_ms: u32,
    },
}

/// Hears digits in samples at 8 kHz.
#[derive(Clone, Debug)]
pub struct Detector {
    /// 2 cos(2π f / 8000) of the eight tones, the low group first.
    tones: [f64; 8],
    /// The same of their second harmonics.
    harmonics: [f64; 8],
    block: Vec<i16>,
    held: Option<char>,
    candidate: Option<char>,
    /// Blocks that the candidate has lasted; nothing is a candidate too.
    blocks: u32,
    held_blocks: u32,
    heard: VecDeque<Heard>,
}

impl Default for Detector {
    fn default() -> Self {
        Detector::new()
    }
}

impl Detector {
    /// A detector that has heard nothing.
    pub fn new() -> Self {
        let mut hz = LOW_HZ.iter().chain(&HIGH_HZ).map(|&hz| f64::from(hz));
        let angles = std::array::from_fn::<f64, 8, _>(|_| TAU * hz.next().unwrap_or(0.0) / 8_000.0);
        Detector {
            tones: angles.map(|angle| 2.0 * angle.cos()),
            harmonics: angles.map(|angle| 2.0 * (2.0 * angle).cos()),
            block: Vec::with_capacity(BLOCK),
            held: None,
            candidate: None,
            blocks: 0,
            held_blocks: 0,
            heard: VecDeque::new(),
        }
    }

    /// Takes any number of samples at 8 kHz.
    pub fn handle_samples(&mut self, samples: &[i16]) {
        let mut rest = samples;
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(rest.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(head);
            rest = tail;
            if self.block.len() == BLOCK {
                let digit = self.digit_of_block();
                self.block.clear();
                self.handle_block(digit);
            }
        }
    }

    /// The next fact, in order; nothing when all have been told.
    pub fn poll_output(&mut self) -> Option<Heard> {
        self.heard.pop_front()
    }

    fn handle_block(&mut self, digit: Option<char>) {
        self.held_blocks += u32::from(self.held.is_some());
        if digit == self.candidate {
            self.blocks = self.blocks.saturating_add(1);
        } else {
            self.candidate = digit;
            self.blocks = 1;
        }
        let wanted = if digit.is_some() {
            BLOCKS_TO_PRESS
        } else {
            BLOCKS_TO_RELEASE
        };
        if self.blocks < wanted || digit == self.held {
            return;
        }
        if let Some(digit) = self.held.take() {
            let samples = self.held_blocks.saturating_sub(self.blocks) * BLOCK as u32;
            self.tell(Heard::Released {
                digit,
                duration_ms: samples / 8,
            });
        }
        if let Some(digit) = digit {
            self.held = Some(digit);
            self.held_blocks = self.blocks;
            self.tell(Heard::Pressed { digit });
        }
    }

    fn tell(&mut self, heard: Heard) {
        if self.heard.len() < PRESSES_MAX {
            self.heard.push_back(heard);
        }
    }

    /// The digit that this block is, if it is one.
    fn digit_of_block(&self) -> Option<char> {
        let square = f64::from(level::mean_square(&self.block));
        // Most blocks are silence or below any digit: one pass and out.
        let least = 32_768.0 * 32_768.0 * 10f64.powf(LEVEL_LEAST_DBOV / 10.0);
        if square < least {
            return None;
        }
        let count = BLOCK as f64;
        // Mean square of a sine whose transform has this power.
        let power = |coefficient: &f64| 2.0 * goertzel(&self.block, *coefficient) / (count * count);
        let (low_tones, high_tones) = self.tones.split_at(LOW_HZ.len());
        let (row, low) = strongest(low_tones.iter().map(power))?;
        let (column, high) = strongest(high_tones.iter().map(power))?;
        let fits = low >= least
            && high >= least
            && high <= low * TWIST_NORMAL
            && low <= high * TWIST_REVERSE
            && low + high >= square * PURITY;
        let stronger = if low > high {
            row
        } else {
            LOW_HZ.len() + column
        };
        let harmonic = self.harmonics.get(stronger).map_or(0.0, power);
        (fits && harmonic <= low.max(high) * HARMONIC)
            .then(|| KEYS.get(row)?.get(column).copied())
            .flatten()
    }
}

/// Index and power of the strongest, if it stands out of the others.
fn strongest(powers: impl Iterator<Item = f64>) -> Option<(usize, f64)> {
    let mut best = (0, 0.0);
    let mut second = 0.0;
    for (index, power) in powers.enumerate() {
        if power > best.1 {
            second = best.1;
            best = (index, power);
        } else if power > second {
            second = power;
        }
    }
    (best.1 > second * RELATIVE_PEAK).then_some(best)
}

#[cfg(test)]
mod tests;
