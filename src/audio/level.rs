//! How loud, and whether someone talks. Levels are dBov, decibels below overload, as RFC 6464
//! counts them: a square wave at full scale is 0, a sine at full scale is −3, digital silence is
//! −127.
//!
//! Both detectors take the least level of the last seconds for the background: speech has gaps,
//! noise has none.

/// Frames per second.
const FRAMES_PER_S: u32 = 50;
/// The least and the greatest level.
const SILENCE_DBOV: i8 = -127;

/// Level of the samples in dBov, −127 to 0; −127 for digital silence and for no samples.
pub fn level_dbov(samples: &[i16]) -> i8 {
    let power = mean_square(samples);
    if power <= 0.0 {
        return SILENCE_DBOV;
    }
    (10.0 * (power / (32_768.0 * 32_768.0)).log10())
        .round()
        .clamp(-127.0, 0.0) as i8
}

/// Mean of the squared samples; 0 for none.
pub(super) fn mean_square(samples: &[i16]) -> f32 {
    // Eight sums side by side are what vector instructions add; one chain of f32 sums is not.
    let mut lanes = [0f32; 8];
    let (chunks, rest) = samples.as_chunks::<8>();
    for chunk in chunks {
        for (lane, &sample) in lanes.iter_mut().zip(chunk) {
            *lane += f32::from(sample) * f32::from(sample);
        }
    }
    for (lane, &sample) in lanes.iter_mut().zip(rest) {
        *lane += f32::from(sample) * f32::from(sample);
    }
    lanes.iter().sum::<f32>() / samples.len().max(1) as f32
}

/// The least level of the last 1.5 to 3 s.
#[derive(Clone, Copy, Debug)]
struct NoiseFloor {
    current: i8,
    before: i8,
    frames: u32,
}

/// Half of the time over which the background is sought.
const FLOOR_WINDOW_FRAMES: u32 = 3 * FRAMES_PER_S / 2;

impl NoiseFloor {
    const fn new() -> Self {
        NoiseFloor {
            current: 0,
            before: SILENCE_DBOV,
            frames: 0,
        }
    }

    fn learn(&mut self, level: i8) -> i8 {
        self.current = self.current.min(level);
        let floor = self.current.min(self.before);
        self.frames += 1;
        if self.frames >= FLOOR_WINDOW_FRAMES {
            *self = NoiseFloor {
                current: 0,
                before: self.current,
                frames: 0,
            };
        }
        floor
    }
}

/// A change that [`TalkDetector`] noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// Speech began, at this level of the last frame in dBov.
    Started(i8),
    /// Speech ended; the loudest level that it had in dBov.
    Stopped(i8),
}

/// Talk is this much above the background.
const TALK_ABOVE_FLOOR_DB: i8 = 10;
/// Bounds of the level from which on it may be talk.
const TALK_LEAST_DBOV: i8 = -48;
const TALK_SURE_DBOV: i8 = -28;
/// Loud frames that make a start: a click is shorter.
const TALK_START_FRAMES: u32 = 3;
/// Quiet frames that make an end: a pause between words is shorter.
const TALK_STOP_FRAMES: u32 = 30;

/// Tells when speech begins and ends, from the level of each 20 ms frame.
#[derive(Clone, Copy, Debug)]
pub struct TalkDetector {
    floor: NoiseFloor,
    talking: bool,
    /// Frames in a row that speak against the current state; for a start, a quiet one takes one
    /// back.
    against: u32,
    loudest: i8,
}

impl Default for TalkDetector {
    fn default() -> Self {
        TalkDetector::new()
    }
}

impl TalkDetector {
    /// A detector that has heard silence.
    pub const fn new() -> Self {
        TalkDetector {
            floor: NoiseFloor::new(),
            talking: false,
            against: 0,
            loudest: SILENCE_DBOV,
        }
    }

    /// Whether there is speech, with the pauses between words.
    pub fn is_talking(&self) -> bool {
        self.talking
    }

    /// Takes the level of the next frame in dBov. Nothing when the state has not changed.
    pub fn handle_frame(&mut self, level_dbov: i8) -> Option<Talk> {
        let floor = self.floor.learn(level_dbov);
        let threshold = floor
            .saturating_add(TALK_ABOVE_FLOOR_DB)
            .clamp(TALK_LEAST_DBOV, TALK_SURE_DBOV);
        let loud = level_dbov > threshold;
        if self.talking {
            self.loudest = self.loudest.max(level_dbov);
            self.against = if loud { 0 } else { self.against + 1 };
            if self.against < TALK_STOP_FRAMES {
                return None;
            }
            self.talking = false;
            self.against = 0;
            return Some(Talk::Stopped(self.loudest));
        }
        self.against = if loud {
            self.against + 1
        } else {
            self.against.saturating_sub(1)
        };
        if self.against < TALK_START_FRAMES {
            return None;
        }
        self.talking = true;
        self.against = 0;
        self.loudest = level_dbov;
        Some(Talk::Started(level_dbov))
    }
}

/// A frame is heard when it is this much above the background …
const HEARD_ABOVE_FLOOR_DB: i8 = 5;
/// … but never needs to be louder than the greater, nor is it heard below the lesser of these.
const HEARD_MOST_DBOV: i8 = -52;
const HEARD_LEAST_DBOV: i8 = -62;
/// Frames that are heard after the last loud one: 400 ms.
const HANGOVER_FRAMES: u32 = 2 * FRAMES_PER_S / 5;

/// Decides whether a source is worth mixing. It is generous: a quiet beginning of speech always
/// passes, in its first frame; steady background below about −52 dBov does not.
#[derive(Clone, Copy, Debug)]
pub struct ActivityGate {
    floor: NoiseFloor,
    left: u32,
}

impl Default for ActivityGate {
    fn default() -> Self {
        ActivityGate::new()
    }
}

impl ActivityGate {
    /// A closed gate.
    pub const fn new() -> Self {
        ActivityGate {
            floor: NoiseFloor::new(),
            left: 0,
        }
    }

    /// Whether the frame with this level in dBov is to be mixed; true for 400 ms after it was loud
    /// enough.
    pub fn is_active(&mut self, level_dbov: i8) -> bool {
        let floor = self.floor.learn(level_dbov);
        let threshold = floor
            .saturating_add(HEARD_ABOVE_FLOOR_DB)
            .clamp(HEARD_LEAST_DBOV, HEARD_MOST_DBOV);
        if level_dbov > threshold {
            self.left = HANGOVER_FRAMES;
            return true;
        }
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }
}

#[cfg(test)]
mod tests;
