//! The one way into the engine.

use std::collections::VecDeque;
use std::time::Instant;

use super::entry::Entry;
use crate::engine::{Engine, Input, Output};

/// Entries that wait to be taken away. A journal that nobody takes away ends: a part of one cannot
/// be replayed.
const ENTRIES_MAX: usize = 65_536;

/// The engine, and what is written of all that goes in.
pub struct Feed {
    engine: Engine,
    epoch: Instant,
    entries: VecDeque<Entry>,
    writes: bool,
}

impl Feed {
    /// The engine with no journal. `epoch` is the engine's own.
    pub fn new(engine: Engine, epoch: Instant) -> Feed {
        Feed {
            engine,
            epoch,
            entries: VecDeque::new(),
            writes: false,
        }
    }

    /// Writes down what goes in from here on, which must be the beginning.
    pub fn write(&mut self) {
        self.writes = true;
    }

    /// [`Engine::handle`].
    pub fn handle(&mut self, now: Instant, input: Input) {
        if self.writes {
            self.put(Entry::of(self.epoch, now, &input));
        }
        self.engine.handle(now, input);
    }

    /// [`Engine::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.writes {
            self.put(Entry::timeout(self.epoch, now));
        }
        self.engine.handle_timeout(now);
    }

    /// [`Engine::poll_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.engine.poll_timeout()
    }

    /// [`Engine::poll_output`].
    pub fn poll_output(&mut self) -> Option<Output> {
        self.engine.poll_output()
    }

    /// The oldest entry that has not been taken away; nothing when there is none.
    pub fn poll_entry(&mut self) -> Option<Entry> {
        self.entries.pop_front()
    }

    /// Writes down nothing more.
    pub fn stop(&mut self) {
        self.writes = false;
        self.entries.clear();
    }

    /// The engine, to be asked.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    fn put(&mut self, entry: Entry) {
        if self.entries.len() < ENTRIES_MAX {
            self.entries.push_back(entry);
        } else {
            self.stop();
        }
    }
}
