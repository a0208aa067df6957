//! Fills gaps in the waveform by repeating its last pitch periods, in the manner of ITU-T G.711
//! Appendix I, for codecs that have no concealment of their own. Unlike the appendix it adds no
//! delay: the step between the last sample and the first repeated one is faded out instead.
//!
//! | time since the gap began | what is made |
//! |---|---|
//! | 0–20 ms | the last period over and over |
//! | 20–40, 40–60 ms | the last two, three periods, so that it does not buzz |
//! | 10–60 ms | fades evenly to silence |
//! | first good frame | cross-fade from what would have been made, 4 ms to 10 ms after long gaps |

use super::Rate;

/// What is remembered: three of the longest periods, a quarter, and room to compare.
const HISTORY_MS: usize = 60;
/// Pitch from 66 to 200 Hz, in samples at 8 kHz.
const PITCH_LEAST: usize = 40;
const PITCH_MOST: usize = 120;
/// Stretch that is compared for the pitch, in samples at 8 kHz: 20 ms.
const COMPARED: usize = 160;
/// Most periods that are repeated.
const PERIODS_MAX: usize = 3;
/// Full level for so long, silence after so long.
const FULL_MS: usize = 10;
const SILENT_MS: usize = 60;
/// Cross-fade into the first good frame.
const FADE_LEAST_MS: usize = 4;
const FADE_MOST_MS: usize = 10;

/// Conceals the gaps of one stream.
#[derive(Clone, Debug)]
pub struct Concealer {
    /// Samples in a millisecond.
    per_ms: usize,
    history: Vec<i16>,
    gap: Option<Gap>,
}

#[derive(Clone, Debug)]
struct Gap {
    pitch: usize,
    /// What is repeated, oldest first.
    cycle: Vec<f32>,
    /// Next sample of the cycle.
    at: usize,
    /// Samples made so far.
    made: usize,
    /// Step at the beginning of the cycle, faded out from `step_at` on.
    step: f32,
    step_at: usize,
}

impl Concealer {
    /// A concealer that has heard silence.
    pub fn new(rate: Rate) -> Self {
        let per_ms = rate.hz() as usize / 1_000;
        Concealer {
            per_ms,
            history: vec![0; HISTORY_MS * per_ms],
            gap: None,
        }
    }

    /// Takes received samples, any number of them. After a gap their beginning is cross-faded in
    /// place with the concealment.
    pub fn handle_samples(&mut self, samples: &mut [i16]) {
        if let Some(mut gap) = self.gap.take() {
            let made_ms = gap.made / self.per_ms;
            let fade_ms = (FADE_LEAST_MS + made_ms / 5).min(FADE_MOST_MS);
            let fade = (fade_ms * self.per_ms).min(samples.len());
            for (index, sample) in samples.iter_mut().take(fade).enumerate() {
                let share = (index + 1) as f32 / (fade + 1) as f32;
                let made = gap.next(self.per_ms);
                *sample = (f32::from(*sample) * share + made * (1.0 - share)) as i16;
            }
        }
        self.remember(samples);
    }

    /// Appends `count` samples of concealment to `out`.
    pub fn conceal(&mut self, count: usize, out: &mut Vec<i16>) {
        let mut gap = match self.gap.take() {
            Some(gap) => gap,
            None => Gap::new(&self.history, self.per_ms),
        };
        gap.lengthen(&self.history, self.per_ms);
        // A cast from f32 saturates.
        out.extend((0..count).map(|_| gap.next(self.per_ms) as i16));
        self.gap = Some(gap);
    }

    /// Whether the last samples were made, not received.
    pub fn is_concealing(&self) -> bool {
        self.gap.is_some()
    }

    fn remember(&mut self, samples: &[i16]) {
        let length = self.history.len();
        let kept = samples
            .get(samples.len().saturating_sub(length)..)
            .unwrap_or(samples);
        self.history.copy_within(kept.len().., 0);
        if let Some(tail) = self.history.get_mut(length - kept.len()..) {
            tail.copy_from_slice(kept);
        }
    }
}

impl Gap {
    fn new(history: &[i16], per_ms: usize) -> Self {
        let mut gap = Gap {
            pitch: find_pitch(history, per_ms / 8),
            cycle: Vec::new(),
            at: 0,
            made: 0,
            step: 0.0,
            step_at: 0,
        };
        let last = history.last().copied().map_or(0.0, f32::from);
        gap.repeat(history, 1, last);
        gap
    }

    /// Repeats more periods the longer the gap is.
    fn lengthen(&mut self, history: &[i16], per_ms: usize) {
        let periods = (self.made / (20 * per_ms) + 1).min(PERIODS_MAX);
        if periods * self.pitch > self.cycle.len() {
            let last = self.before().unwrap_or(0.0);
            self.repeat(history, periods, last);
        }
    }

    /// Makes a cycle of the last `periods`, entered at the phase that the old one has reached;
    /// `last` is the sample that it follows.
    fn repeat(&mut self, history: &[i16], periods: usize, last: f32) {
        let length = self.pitch * periods;
        let begin = history.len().saturating_sub(length);
        let quarter = self.pitch / 4;
        self.cycle = history
            .iter()
            .skip(begin)
            .map(|&sample| f32::from(sample))
            .collect();
        // The end is blended with what came before the beginning, so that the end runs into the
        // beginning.
        let tail = self.cycle.iter_mut().skip(length - quarter);
        let before = history.iter().skip(begin.saturating_sub(quarter));
        for (index, (sample, &before)) in tail.zip(before).enumerate() {
            let share = (index + 1) as f32 / quarter as f32;
            *sample = *sample * (1.0 - share) + f32::from(before) * share;
        }
        self.at %= self.pitch;
        self.step = last - self.before().unwrap_or(0.0);
        self.step_at = self.made;
    }

    /// The sample of the cycle before the next one.
    fn before(&self) -> Option<f32> {
        let length = self.cycle.len();
        self.cycle.get((self.at + length - 1) % length).copied()
    }

    fn next(&mut self, per_ms: usize) -> f32 {
        let (full, silent) = (FULL_MS * per_ms, SILENT_MS * per_ms);
        if self.made >= silent {
            return 0.0;
        }
        let gain = (silent - self.made) as f32 / (silent - full) as f32;
        let fading = (self.made - self.step_at) as f32 / (self.pitch / 4) as f32;
        let sample = self.cycle.get(self.at).copied().unwrap_or(0.0);
        self.at = (self.at + 1) % self.cycle.len();
        self.made += 1;
        (sample + self.step * (1.0 - fading).max(0.0)) * gain.min(1.0)
    }
}

/// The period of the end of `history` in samples: the lag that correlates best. `stride` is its
/// rate over 8 kHz; the search looks at every `stride`th sample first.
fn find_pitch(history: &[i16], stride: usize) -> usize {
    let coarse = (PITCH_LEAST..=PITCH_MOST).map(|lag| lag * stride);
    let best = best_lag(history, coarse, stride).unwrap_or(PITCH_MOST * stride);
    if stride == 1 {
        return best;
    }
    let fine = best - stride..=(best + stride).min(PITCH_MOST * stride);
    best_lag(history, fine, 1).unwrap_or(best)
}

/// Nothing when no lag correlates at all.
fn best_lag(history: &[i16], lags: impl Iterator<Item = usize>, stride: usize) -> Option<usize> {
    let rate_stride = history.len() / (HISTORY_MS * 8);
    let begin = history.len() - COMPARED * rate_stride;
    let mut best = (0.0, None);
    for lag in lags {
        let end = history.iter().skip(begin).step_by(stride);
        let earlier = history.iter().skip(begin - lag).step_by(stride);
        let (mut product, mut power) = (0f32, 1f32);
        for (&sample, &earlier) in end.zip(earlier) {
            product += f32::from(sample) * f32::from(earlier);
            power += f32::from(earlier) * f32::from(earlier);
        }
        let score = product / power.sqrt();
        if score > best.0 {
            best = (score, Some(lag));
        }
    }
    best.1
}

#[cfg(test)]
mod tests;
