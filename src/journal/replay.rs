//! A journal, fed into a new engine.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::entry::{Entry, Header, Input, Sound, Turn};
use crate::audio::{Clip, Rate};
use crate::engine::{self, Catalog, Engine, Output, ScriptDone, ScriptJob};
use crate::id::SessionId;
use crate::script::Host;

/// Samples of one sound: more than ten minutes at 48 kHz are never loaded.
const SAMPLES_MAX: usize = 48_000 * 660;

/// The replay went another way than the journal. With the same program and the same scenarios that
/// is a defect; with others it is where they differ.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Diverged {
    /// A turn is over that did not begin.
    #[error("the journal ends a turn of {0}, which has none")]
    NoTurn(SessionId),
    /// A turn came to something else.
    #[error("a turn of {session} came to {now:?}, and to {then:?} in the journal")]
    OtherTurn {
        /// The session.
        session: SessionId,
        /// In the journal.
        then: Turn,
        /// In the replay.
        now: Turn,
    },
    /// More rules than the replay was given.
    #[error("the journal loads rules once more than the replay has some")]
    NoCatalog,
    /// A sound that no engine has.
    #[error("the journal has a sound of {samples} samples at {rate_hz} Hz")]
    Sound {
        /// How many samples.
        samples: usize,
        /// Samples a second.
        rate_hz: u32,
    },
}

/// See the module.
pub struct Replay<'a> {
    engine: Engine,
    epoch: Instant,
    host: &'a Host,
    /// What each [`Input::Catalog`] loads, in order.
    catalogs: VecDeque<Arc<Catalog>>,
    jobs: BTreeMap<SessionId, Box<ScriptJob>>,
}

impl<'a> Replay<'a> {
    /// An engine as it was at the beginning of the journal. `epoch` stands for that beginning.
    pub fn new(header: &Header, epoch: Instant, host: &'a Host) -> Replay<'a> {
        let at = (epoch, header.epoch_ms);
        Replay {
            engine: Engine::new(header.settings.clone(), at, header.seed),
            epoch,
            host,
            catalogs: VecDeque::new(),
            jobs: BTreeMap::new(),
        }
    }

    /// Rules and programs for the next time that the journal loads some.
    pub fn add_catalog(&mut self, catalog: Arc<Catalog>) {
        self.catalogs.push_back(catalog);
    }

    /// Feeds one entry in and gives what the engine does about it, without script turns, which run
    /// here.
    ///
    /// # Errors
    /// When the replay has gone another way. The entry was fed in all the same where it could be.
    pub fn feed(&mut self, entry: Entry, outputs: &mut Vec<Output>) -> Result<(), Diverged> {
        let now = entry.instant(self.epoch);
        let mut other = Ok(());
        match entry.input {
            Some(input) => {
                let input = self.input(input, &mut other)?;
                self.engine.handle(now, input);
            }
            None => self.engine.handle_timeout(now),
        }
        while let Some(output) = self.engine.poll_output() {
            if let Output::Script(job) = output {
                self.jobs.insert(job.session, job);
            } else {
                outputs.push(output);
            }
        }
        other
    }

    /// The input again. `other` tells of a turn that came to something else.
    fn input(
        &mut self,
        input: Input,
        other: &mut Result<(), Diverged>,
    ) -> Result<engine::Input, Diverged> {
        Ok(match input {
            Input::Sip { flow, text } => engine::Input::Sip {
                flow,
                bytes: text
                    .chars()
                    .map(|one| one as u8)
                    .collect::<Vec<u8>>()
                    .into(),
            },
            Input::FlowOpened { flow, identity } => engine::Input::FlowOpened { flow, identity },
            Input::FlowClosed(flow) => engine::Input::FlowClosed(flow),
            Input::PutUser(user) => engine::Input::PutUser(Box::new(user)),
            Input::RemoveUser(name) => engine::Input::RemoveUser(name),
            Input::Media(event) => engine::Input::Media(event),
            Input::Clip { id, result } => engine::Input::Clip {
                id,
                result: match result {
                    Ok(sound) => Ok(silence(sound)?),
                    Err(why) => Err(why),
                },
            },
            Input::RecordingOpened { unit, url } => engine::Input::RecordingOpened { unit, url },
            Input::Recording { unit, result } => engine::Input::Recording { unit, result },
            Input::Catalog => {
                let catalog = self.catalogs.pop_front();
                engine::Input::Catalog(catalog.ok_or(Diverged::NoCatalog)?)
            }
            Input::Drain => engine::Input::Drain,
            Input::HangUpAll => engine::Input::HangUpAll,
            Input::Turn { session, done } => {
                let job = self.jobs.remove(&session);
                let job = job.ok_or(Diverged::NoTurn(session))?;
                let again = match &done {
                    Turn::Lost(why) => ScriptDone::lost(session, why.clone()),
                    Turn::Ran { .. } => job.run(self.host),
                };
                let now = Turn::of(&again.outcome);
                if now != done {
                    *other = Err(Diverged::OtherTurn {
                        session,
                        then: done,
                        now,
                    });
                }
                engine::Input::Script(Box::new(again))
            }
        })
    }
}

/// As long as the sound was.
fn silence(sound: Sound) -> Result<Arc<Clip>, Diverged> {
    let Sound {
        name,
        rate_hz,
        samples,
    } = sound;
    let rates = [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000];
    let rate = rates.into_iter().find(|rate| rate.hz() == rate_hz);
    match rate {
        Some(rate) if samples <= SAMPLES_MAX => Ok(Arc::new(Clip {
            name,
            rate,
            samples: vec![0; samples],
        })),
        Some(_) | None => Err(Diverged::Sound { samples, rate_hz }),
    }
}
