//! Who talks, judged by the levels of this tick: on an end of a wire, whether anybody behind it
//! does; in a mixer, who speaks most. Knows nothing of packets; `plan.rs` says which legs are
//! behind what.
//!
//! | in a mixer | then |
//! |---|---|
//! | who speaks most stops, or leaves | the loudest of those who talk, or nobody |
//! | another one is louder by 3 dB for half a second | that one |
//! | nobody speaks, somebody begins | that one |

use std::collections::BTreeMap;

use super::command::Event;
use super::graph::Node;
use super::rtp_leg::{RtpLeg, SILENCE_DBOV};
use super::slab::Slab;
use super::tick::Tick;
use crate::audio::{Talk, TalkDetector};
use crate::id::UnitId;

/// How much louder another one must be …
const LOUDER_DB: f32 = 3.0;
/// … and for how many ticks: 0.5 s.
const LOUDER_TICKS: u32 = 25;
/// The part of each new level in the running mean: a second of speech outweighs what was before.
const NEW_PART: f32 = 0.04;
/// Levels below this count as this, so that a pause does not cost a speaker its mean.
const QUIET_DBOV: f32 = -60.0;

/// One who may speak: a unit, and the legs that are heard by way of it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) unit: UnitId,
    pub(super) legs: Vec<Node>,
}

/// What is watched on an end of a wire or on a mixer.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) members: Vec<Member>,
    judge: Judge,
}

#[derive(Debug)]
enum Judge {
    Talk(TalkDetector),
    Speakers(Speakers),
}

impl Watch {
    /// Reports talk.
    pub(super) fn talk() -> Watch {
        Watch {
            members: Vec::new(),
            judge: Judge::Talk(TalkDetector::new()),
        }
    }

    /// Reports who speaks most.
    pub(super) fn speakers() -> Watch {
        Watch {
            members: Vec::new(),
            judge: Judge::Speakers(Speakers::default()),
        }
    }

    /// Looks at the levels of this tick.
    pub(super) fn run(&mut self, unit: UnitId, legs: &Slab<RtpLeg>, tick: &mut Tick<'_>) {
        let level_of = |member: &Member| {
            let legs = member.legs.iter().filter_map(|leg| legs.get(*leg));
            legs.map(|leg| leg.level_dbov).max().unwrap_or(SILENCE_DBOV)
        };
        let levels = self
            .members
            .iter()
            .map(|member| (member.unit, level_of(member)));
        match &mut self.judge {
            Judge::Talk(detector) => {
                let level = levels.map(|(_, level)| level).max().unwrap_or(SILENCE_DBOV);
                match detector.handle_frame(level) {
                    Some(Talk::Started(level_dbov)) => {
                        tick.event(Event::TalkStarted { unit, level_dbov });
                    }
                    Some(Talk::Stopped(level_dbov)) => {
                        tick.event(Event::TalkStopped { unit, level_dbov });
                    }
                    None => {}
                }
            }
            Judge::Speakers(speakers) => {
                let levels: BTreeMap<UnitId, i8> = levels.collect();
                if let Some(speaker) = speakers.handle_levels(&levels) {
                    tick.event(Event::ActiveSpeaker { unit, speaker });
                }
            }
        }
    }
}

/// Who speaks most of several.
#[derive(Debug, Default)]
struct Speakers {
    voices: BTreeMap<UnitId, Voice>,
    current: Option<UnitId>,
    /// Who is louder than the current one, and for how many ticks.
    rival: Option<(UnitId, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Voice {
    talk: TalkDetector,
    mean_dbov: f32,
}

impl Speakers {
    /// Takes the level of everybody in one tick; who speaks most, when that has changed.
    fn handle_levels(&mut self, levels: &BTreeMap<UnitId, i8>) -> Option<Option<UnitId>> {
        self.voices.retain(|unit, _| levels.contains_key(unit));
        for (unit, level) in levels {
            let voice = self.voices.entry(*unit).or_insert(Voice {
                talk: TalkDetector::new(),
                mean_dbov: QUIET_DBOV,
            });
            voice.talk.handle_frame(*level);
            let level = f32::from(*level).max(QUIET_DBOV);
            voice.mean_dbov += (level - voice.mean_dbov) * NEW_PART;
        }
        let next = self.choose();
        (next != self.current).then(|| {
            self.current = next;
            self.rival = None;
            next
        })
    }

    fn choose(&mut self) -> Option<UnitId> {
        let talking = self
            .voices
            .iter()
            .filter(|(_, voice)| voice.talk.is_talking());
        let loudest = talking.max_by(|a, b| a.1.mean_dbov.total_cmp(&b.1.mean_dbov));
        let (loudest, voice) = loudest?;
        let current = self.current.filter(|current| current != loudest);
        let current = current.and_then(|current| Some((current, self.voices.get(&current)?)));
        let Some((current, holder)) = current.filter(|(_, holder)| holder.talk.is_talking()) else {
            self.rival = None;
            return Some(*loudest);
        };
        if voice.mean_dbov < holder.mean_dbov + LOUDER_DB {
            self.rival = None;
            return Some(current);
        }
        let before = self.rival.filter(|(rival, _)| rival == loudest);
        let ticks = before.map_or(0, |(_, ticks)| ticks) + 1;
        self.rival = Some((*loudest, ticks));
        Some(if ticks >= LOUDER_TICKS {
            *loudest
        } else {
            current
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks and the levels of 1 and 2 in them (none: not there); who speaks most from which tick.
    type Row = (&'static [(u32, i8, i8)], &'static [(u32, u64)]);

    const ABSENT: i8 = 1;

    #[test]
    fn who_speaks_most_changes_when_it_stops_or_another_is_louder_for_long() {
        let rows: &[Row] = &[
            (&[(100, -127, -127)], &[]),
            (&[(100, -20, -127)], &[(3, 1)]),
            // It stops: 600 ms later nobody speaks.
            (&[(50, -20, -127), (50, -127, -127)], &[(3, 1), (80, 0)]),
            // The other one begins while the first talks, not louder: nothing changes.
            (&[(50, -20, -127), (150, -20, -20)], &[(3, 1)]),
            (&[(50, -20, -127), (150, -20, -18)], &[(3, 1)]),
            // … and takes over when the first has stopped.
            (
                &[(50, -20, -127), (50, -20, -20), (50, -127, -20)],
                &[(3, 1), (129, 2)],
            ),
            // Louder by much and for long.
            (&[(100, -20, -127), (200, -20, -5)], &[(3, 1), (161, 2)]),
            // A cough of 200 ms is not.
            (
                &[(100, -20, -127), (10, -20, -5), (90, -20, -127)],
                &[(3, 1)],
            ),
            // It leaves.
            (&[(50, -20, -20), (50, -20, ABSENT)], &[(3, 2), (51, 1)]),
            (&[(50, -20, -20), (50, ABSENT, -20)], &[(3, 2)]),
            (&[(50, -20, -127), (50, ABSENT, -127)], &[(3, 1), (51, 0)]),
        ];
        for (levels, expected) in rows {
            let (mut speakers, mut tick, mut found) = (Speakers::default(), 0, Vec::new());
            for (ticks, one, two) in *levels {
                for _ in 0..*ticks {
                    tick += 1;
                    let levels = [(UnitId(1), *one), (UnitId(2), *two)];
                    let there = levels.into_iter().filter(|(_, level)| *level != ABSENT);
                    if let Some(speaker) = speakers.handle_levels(&there.collect()) {
                        found.push((tick, speaker.map_or(0, |unit| unit.0)));
                    }
                }
            }
            assert_eq!(found, *expected, "{levels:?}");
        }
    }
}
