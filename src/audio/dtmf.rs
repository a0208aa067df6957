//! Digits as pairs of tones in the audio (ITU-T Q.23, Q.24): a generator at any rate and a detector
//! at 8 kHz.
//!
//! The detector looks at blocks of 102 samples (12.75 ms), for which the eight frequencies lie
//! apart. A block is surely a digit when one low and one high tone stand out of their groups, are
//! not too unlike each other (twist), have no strong second harmonic, and hold most of the power:
//! speech fails one of these. It is weakly one when the two tones only hold a third of it. Three
//! blocks in a row that are at least weakly the same digit, two of them surely, are a press: 40 ms
//! of tone always make them, 20 ms never do. Two that are not are its end, so 40 ms of pause always
//! are.

use std::collections::VecDeque;
use std::f32::consts::TAU;

use super::tone::{Tone, ToneSource, ToneStep};
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
/// The mean square of a tone is at least this: −42 dBov.
const POWER_LEAST: f32 = 67_750.0;
/// The high tone may be this many times stronger than the low one (4 dB) …
const TWIST_NORMAL: f32 = 2.5;
/// … or weaker (8 dB); lines damp high tones.
const TWIST_REVERSE: f32 = 6.3;
/// The strongest of a group over each other: 8 dB.
const RELATIVE_PEAK: f32 = 6.3;
/// The second harmonic of a tone below it: 8 dB.
const HARMONIC: f32 = 0.16;
/// Tones nearer than this in Hz leak into each other in one block.
const RESOLVED_HZ: f32 = 120.0;
/// Share of the power that the two tones hold in a block that is surely a digit, and in one that
/// weakly is.
const SURE: f32 = 0.75;
const WEAK: f32 = 0.3;
/// Blocks in a row for a press, how many of them must be sure, and blocks for the end.
const BLOCKS_TO_PRESS: u32 = 3;
const SURE_TO_PRESS: u32 = 2;
const BLOCKS_TO_RELEASE: u32 = 2;
/// Presses kept for the caller; more are dropped.
const PRESSES_MAX: usize = 16;

/// The two frequencies of a digit (letters in any case) in Hz, low first; nothing for other
/// characters.
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

/// A source of the tones of `digits` (`0-9*#A-D`, `p` a pause of 500 ms): 100 ms each with 60 ms of
/// silence after it. Other characters are left out.
pub fn generate(rate: Rate, digits: &str) -> ToneSource {
    generate_with(rate, digits, GENERATED_DBOV, (TONE_MS, GAP_MS))
}

/// As [`generate`], with the level of each tone in dBov and the lengths of tone and pause in
/// milliseconds.
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
    tones: [f32; 8],
    block: Vec<i16>,
    /// The digit of the last block, for how many blocks it has lasted, and how many of them were
    /// sure.
    candidate: Option<char>,
    blocks: u32,
    sure_blocks: u32,
    /// The digit that was pressed, blocks since it began, and blocks in a row without it.
    held: Option<char>,
    held_blocks: u32,
    missing: u32,
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
        let [l0, l1, l2, l3] = LOW_HZ;
        let [h0, h1, h2, h3] = HIGH_HZ;
        Detector {
            tones: [l0, l1, l2, l3, h0, h1, h2, h3].map(coefficient),
            block: Vec::with_capacity(BLOCK),
            candidate: None,
            blocks: 0,
            sure_blocks: 0,
            held: None,
            held_blocks: 0,
            missing: 0,
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

    fn handle_block(&mut self, block: Option<BlockDigit>) {
        let digit = block.map(|block| block.digit);
        if digit != self.candidate {
            self.candidate = digit;
            self.blocks = 0;
            self.sure_blocks = 0;
        }
        self.blocks = self.blocks.saturating_add(1);
        let is_sure = block.is_some_and(|block| block.sure);
        self.sure_blocks = self.sure_blocks.saturating_add(u32::from(is_sure));
        if let Some(digit) = self.held {
            self.held_blocks += 1;
            self.missing = if self.candidate == Some(digit) {
                0
            } else {
                self.missing + 1
            };
            if self.missing < BLOCKS_TO_RELEASE {
                return;
            }
            let samples = self.held_blocks.saturating_sub(self.missing) * BLOCK as u32;
            self.held = None;
            self.tell(Heard::Released {
                digit,
                duration_ms: samples / 8,
            });
        }
        let enough = self.blocks >= BLOCKS_TO_PRESS && self.sure_blocks >= SURE_TO_PRESS;
        if let Some(digit) = digit.filter(|_| enough) {
            self.held = Some(digit);
            self.held_blocks = self.blocks;
            self.missing = 0;
            self.tell(Heard::Pressed { digit });
        }
    }

    fn tell(&mut self, heard: Heard) {
        if self.heard.len() < PRESSES_MAX {
            self.heard.push_back(heard);
        }
    }

    /// The digit that the block is, surely or weakly.
    fn digit_of_block(&self) -> Option<BlockDigit> {
        let square = level::mean_square(&self.block);
        // Most blocks are silence or below any digit: one pass and out.
        if square < POWER_LEAST {
            return None;
        }
        let tones = powers(&self.block, &self.tones);
        let (low_tones, high_tones) = tones.split_at(LOW_HZ.len());
        let low = Strongest::of(low_tones);
        let high = Strongest::of(high_tones);
        let digit = KEYS.get(low.index)?.get(high.index).copied()?;
        let held = low.power + high.power;
        if low.power.min(high.power) < POWER_LEAST || held < square * WEAK {
            return None;
        }
        let low_hz = LOW_HZ.get(low.index)?;
        let high_hz = HIGH_HZ.get(high.index)?;
        let apart = (2.0 * low_hz - high_hz).abs() > RESOLVED_HZ;
        let fits = held >= square * SURE
            && low.stands_out()
            && high.stands_out()
            && high.power <= low.power * TWIST_NORMAL
            && low.power <= high.power * TWIST_REVERSE;
        let is_pure = || {
            let [low_harmonic, high_harmonic] =
                powers(&self.block, &[2.0 * low_hz, 2.0 * high_hz].map(coefficient));
            high_harmonic <= high.power * HARMONIC
                && (!apart || low_harmonic <= low.power * HARMONIC)
        };
        Some(BlockDigit {
            digit,
            sure: fits && is_pure(),
        })
    }
}

/// 2 cos(2π f / 8000).
fn coefficient(hz: f32) -> f32 {
    2.0 * (TAU * hz / 8_000.0).cos()
}

/// Mean squares of the sines at several frequencies, given by their coefficients: Goertzel's
/// recurrences side by side, which vector instructions compute at once.
fn powers<const N: usize>(samples: &[i16], coefficients: &[f32; N]) -> [f32; N] {
    let (mut one, mut two) = ([0f32; N], [0f32; N]);
    for &sample in samples {
        for ((one, two), coefficient) in one.iter_mut().zip(&mut two).zip(coefficients) {
            let next = f32::from(sample) + coefficient * *one - *two;
            *two = *one;
            *one = next;
        }
    }
    let count = samples.len().max(1) as f32;
    let mut powers = [0f32; N];
    for ((power, coefficient), (one, two)) in powers
        .iter_mut()
        .zip(coefficients)
        .zip(one.iter().zip(&two))
    {
        let square = one * one + two * two - coefficient * one * two;
        *power = 2.0 * square.max(0.0) / (count * count);
    }
    powers
}

/// What one block says.
#[derive(Clone, Copy, Debug)]
struct BlockDigit {
    digit: char,
    sure: bool,
}

/// The strongest tone of a group.
struct Strongest {
    index: usize,
    power: f32,
    second_power: f32,
}

impl Strongest {
    fn of(powers: &[f32]) -> Self {
        let mut best = Strongest {
            index: 0,
            power: 0.0,
            second_power: 0.0,
        };
        for (index, &power) in powers.iter().enumerate() {
            if power > best.power {
                best = Strongest {
                    index,
                    power,
                    second_power: best.power,
                };
            } else {
                best.second_power = best.second_power.max(power);
            }
        }
        best
    }

    fn stands_out(&self) -> bool {
        self.power > self.second_power * RELATIVE_PEAK
    }
}

#[cfg(test)]
mod tests;
