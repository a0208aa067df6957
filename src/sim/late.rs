//! Work outside the engine that takes its time: script turns, sounds, sockets, files. How long is
//! drawn from a seed, so that what overtakes what is the same in each run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

use crate::audio::Clip;
use crate::engine::{self, Recorded, ScriptDone, ScriptJob};
use crate::id::{PlaybackId, UnitId};

use super::World;

/// The longest time that each kind of work takes; each piece takes any time up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// A turn of a script.
    pub script: Duration,
    /// Loading or speaking a sound.
    pub clip: Duration,
    /// Opening the sockets of a leg.
    pub bind: Duration,
    /// Making or finishing the file of a recording.
    pub recording: Duration,
}

impl Latency {
    /// All is done at once.
    pub const NONE: Latency = Latency::of(Duration::ZERO);

    /// The same for every kind.
    pub const fn of(longest: Duration) -> Latency {
        Latency {
            script: longest,
            clip: longest,
            bind: longest,
            recording: longest,
        }
    }
}

/// A piece of work whose result is on its way.
pub(super) enum Late {
    Script(Box<ScriptJob>),
    Clip(PlaybackId, Result<Arc<Clip>, String>),
    Bound(UnitId, Result<(SocketAddr, SocketAddr), String>),
    Opened(UnitId, String),
    Recorded(UnitId, Result<Recorded, String>),
}

/// All work that is not done.
pub(super) struct Lates {
    latency: Latency,
    random: ChaCha8Rng,
    /// By the time of the end, then by order of the beginning.
    waiting: BTreeMap<(Instant, u64), Late>,
    begun: u64,
}

impl Lates {
    pub(super) fn new(latency: Latency, seed: u64) -> Lates {
        Lates {
            latency,
            random: ChaCha8Rng::seed_from_u64(seed ^ 0x1a7e),
            waiting: BTreeMap::new(),
            begun: 0,
        }
    }

    pub(super) fn begin(&mut self, now: Instant, work: Late) {
        let longest = match work {
            Late::Script(_) => self.latency.script,
            Late::Clip(..) => self.latency.clip,
            Late::Bound(..) => self.latency.bind,
            Late::Opened(..) | Late::Recorded(..) => self.latency.recording,
        };
        let part = f64::from(self.random.next_u32()) / f64::from(u32::MAX);
        self.begun += 1;
        let key = (now + longest.mul_f64(part), self.begun);
        self.waiting.insert(key, work);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn done(&mut self, now: Instant) -> Option<Late> {
        let entry = self.waiting.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl World {
    /// Carries in what a piece of work has come to.
    pub(super) fn finish(&mut self, work: Late) {
        let now = self.now;
        match work {
            Late::Script(job) => {
                let done = match self.host_panics {
                    false => job.run(&self.host),
                    true => ScriptDone::lost(job.session, "the host is to panic".to_owned()),
                };
                self.engine
                    .handle(now, engine::Input::Script(Box::new(done)));
            }
            Late::Clip(id, result) => {
                self.engine.handle(now, engine::Input::Clip { id, result });
            }
            Late::Bound(unit, bound) => self.core.handle_bound(now, unit, bound),
            Late::Opened(unit, url) => {
                let input = engine::Input::RecordingOpened { unit, url };
                self.engine.handle(now, input);
            }
            Late::Recorded(unit, result) => {
                let input = engine::Input::Recording { unit, result };
                self.engine.handle(now, input);
            }
        }
    }
}
