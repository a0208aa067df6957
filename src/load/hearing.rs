//! Who should hear whom, by which tone, and who does. Pure.

use super::plan::{BrowsersHear, TALKERS_MAX};
use super::report::Kind;
use crate::audio::{Rate, tone_level_dbov};

/// The amplitude of a tone; three of them do not clip.
const AMPLITUDE: f32 = 10_300.0;
const SUM_MAX: f32 = 3.0 * AMPLITUDE;
/// A tone is heard when it comes with less than this loss.
const HEARD_DB: f32 = 17.0;
/// A tone that must not be heard leaks when it is louder than this below what was sent.
const LEAK_DB: f32 = 32.0;
/// What nobody hears.
const SILENT_DBOV: f32 = -127.0;
/// The part of its amplitude at which a burst counts as loud.
const LOUD_PART: f32 = 0.38;

/// The frequency of a talker's tone.
pub(super) fn tone_hz(tone: usize) -> f32 {
    400.0 + 110.0 * (tone % TALKERS_MAX) as f32
}

/// How loud each of so many talkers is, so that all of them together do not clip.
pub(super) fn amplitude(talkers: usize) -> f32 {
    AMPLITUDE.min(SUM_MAX / talkers.max(1) as f32)
}

/// The level of a sine with this amplitude in dBov.
pub(super) fn level_dbov(amplitude: f32) -> f32 {
    20.0 * (amplitude / 32_768.0 * std::f32::consts::FRAC_1_SQRT_2).log10()
}

/// A second of a tone.
pub(super) fn tone(hz: f32, amplitude: f32, rate: Rate) -> Vec<i16> {
    let step = std::f64::consts::TAU * f64::from(hz) / f64::from(rate.hz());
    let sample = |n| ((f64::from(n) * step).sin() * f64::from(amplitude)) as i16;
    (0..rate.hz()).map(sample).collect()
}

/// Whether a burst of tones with this amplitude has come.
pub(super) fn is_loud(samples: &[i16], amplitude: f32) -> bool {
    let over = (amplitude * LOUD_PART) as u16;
    samples.iter().any(|sample| sample.unsigned_abs() > over)
}

/// Somebody in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) index: usize,
    pub(super) room: usize,
    pub(super) kind: Kind,
    /// What this one says, if anything.
    pub(super) tone: Option<usize>,
}

impl Place {
    /// Whether this one is to hear `talker`.
    pub(super) fn should_hear(&self, talker: &Place, hear: BrowsersHear) -> bool {
        let is_between_browsers = self.kind == Kind::Browser && talker.kind == Kind::Browser;
        let is_passed_on = !is_between_browsers || hear == BrowsersHear::All;
        self.room == talker.room && self.index != talker.index && is_passed_on
    }
}

/// Pairs of listener and talker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Should hear and do.
    pub(super) heard: usize,
    /// Should hear and do not.
    pub(super) missed: usize,
    /// Should not hear and do.
    pub(super) leaked: usize,
}

impl Tally {
    /// Counts what one listener heard of so many tones, each sent with `sent_dbov`.
    pub(super) fn count(
        &mut self,
        expected: &[bool],
        sent_dbov: f32,
        (samples, rate): (&[i16], Rate),
    ) {
        for (tone, expected) in expected.iter().enumerate() {
            let lost_db = sent_dbov - usual_level_dbov(samples, rate, tone_hz(tone));
            match expected {
                true if lost_db < HEARD_DB => self.heard += 1,
                true => self.missed += 1,
                false if lost_db < LEAK_DB => self.leaked += 1,
                false => {}
            }
        }
    }
}

/// The median of the levels in tenths of a second. A packet that came too late shifts the phase of
/// a tone, and over a whole second the parts before and after it could cancel each other.
fn usual_level_dbov(samples: &[i16], rate: Rate, hz: f32) -> f32 {
    let tenth = rate.hz() as usize / 10;
    let level = |part| tone_level_dbov(part, rate, hz);
    let mut levels: Vec<f32> = samples.chunks_exact(tenth).map(level).collect();
    levels.sort_unstable_by(f32::total_cmp);
    levels.get(levels.len() / 2).copied().unwrap_or(SILENT_DBOV)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_should_hear_whom() {
        use BrowsersHear::{All, Phones};
        let place = |index, room, kind| Place {
            index,
            room,
            kind,
            tone: None,
        };
        let phone = |index, room| place(index, room, Kind::Phone);
        let browser = |index, room| place(index, room, Kind::Browser);
        for (listener, talker, hear, expected) in [
            (phone(0, 0), phone(1, 0), Phones, true),
            (phone(0, 0), phone(0, 0), Phones, false),
            (phone(0, 0), phone(1, 1), All, false),
            (phone(0, 0), browser(1, 0), Phones, true),
            (browser(1, 0), phone(0, 0), Phones, true),
            (browser(1, 0), phone(0, 1), All, false),
            (browser(1, 0), browser(2, 0), Phones, false),
            (browser(1, 0), browser(2, 0), All, true),
            (browser(1, 0), browser(1, 0), All, false),
            (browser(1, 0), browser(2, 1), All, false),
        ] {
            let found = listener.should_hear(&talker, hear);
            assert_eq!(found, expected, "{listener:?} {talker:?} {hear:?}");
        }
    }

    #[test]
    fn tones_are_told_apart_at_every_rate_and_number_of_talkers() {
        for (rate, talkers) in [(Rate::Hz8000, 3), (Rate::Hz48000, 3), (Rate::Hz48000, 27)] {
            let amplitude = amplitude(talkers);
            let mut mixed = vec![0_i16; rate.hz() as usize];
            for one in (0..talkers).filter(|one| one % 3 != 1) {
                for (sum, sample) in mixed.iter_mut().zip(tone(tone_hz(one), amplitude, rate)) {
                    *sum += sample;
                }
            }
            let spoken: Vec<bool> = (0..talkers).map(|one| one % 3 != 1).collect();
            let right = talkers / 3 * 2;
            for (expected, tally) in [
                (
                    spoken.clone(),
                    Tally {
                        heard: right,
                        ..Tally::default()
                    },
                ),
                (
                    vec![true; talkers],
                    Tally {
                        heard: right,
                        missed: talkers - right,
                        leaked: 0,
                    },
                ),
                (
                    vec![false; talkers],
                    Tally {
                        leaked: right,
                        ..Tally::default()
                    },
                ),
            ] {
                let mut found = Tally::default();
                found.count(&expected, level_dbov(amplitude), (&mixed, rate));
                assert_eq!(found, tally, "{rate:?} {talkers}");
            }
            assert!(is_loud(&mixed, amplitude));
            assert!(!is_loud(&[(amplitude * 0.3) as i16; 9], amplitude));
        }
    }

    #[test]
    fn a_tone_whose_phase_turned_is_heard_and_silence_is_not() {
        for turned_at in [0, 3_210, 4_000, 7_999] {
            let mut samples = tone(400.0, 10_000.0, Rate::Hz8000);
            for sample in &mut samples[turned_at..] {
                *sample = -*sample;
            }
            let mut tally = Tally::default();
            let sent_dbov = level_dbov(10_000.0);
            tally.count(&[true, false], sent_dbov, (&samples, Rate::Hz8000));
            tally.count(&[true, false], sent_dbov, (&[], Rate::Hz8000));
            let expected = Tally {
                heard: 1,
                missed: 1,
                leaked: 0,
            };
            assert_eq!(tally, expected, "{turned_at}");
        }
    }

    #[test]
    fn three_tones_are_as_loud_as_one_and_many_do_not_clip() {
        assert_eq!(amplitude(1), amplitude(3));
        assert!((level_dbov(amplitude(3)) + 13.0).abs() < 0.1);
        assert!(amplitude(27) * 27.0 < 32_767.0);
    }
}
