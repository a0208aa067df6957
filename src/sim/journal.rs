//! What went into the engine of a world, and whether it comes to the same again.

use std::sync::Arc;

use super::{Setup, World};
use crate::engine::{Catalog, Output};
use crate::journal::{Entry, Header, Replay};

/// All that went into the engine, and all that came out but script turns.
pub(super) struct Journal {
    header: Header,
    catalogs: Vec<Arc<Catalog>>,
    entries: Vec<Entry>,
    /// Each as its `Debug` text.
    outputs: Vec<String>,
}

impl Journal {
    /// A journal that is asked for.
    pub(super) fn of(setup: &Setup, epoch_ms: u64, seed: [u8; 32]) -> Option<Journal> {
        setup.journal.then(|| Journal {
            header: Header {
                epoch_ms,
                seed,
                settings: setup.engine.clone(),
            },
            catalogs: vec![Arc::clone(&setup.catalog)],
            entries: Vec::new(),
            outputs: Vec::new(),
        })
    }

    pub(super) fn note_catalog(&mut self, catalog: &Arc<Catalog>) {
        self.catalogs.push(Arc::clone(catalog));
    }
}

impl World {
    pub(super) fn note_output(&mut self, output: &Output) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        let entries = std::iter::from_fn(|| self.engine.poll_entry());
        journal.entries.extend(entries);
        journal.outputs.extend(written(output));
    }

    /// Writes down what went into the engine, reads it, feeds it into a new engine with the same
    /// rules and scenarios, and compares what comes out.
    ///
    /// # Errors
    /// The first difference, or that the setup asked for no journal.
    pub fn replay(&mut self) -> Result<(), String> {
        let journal = self.journal.as_ref();
        let catalogs = journal.map(|journal| journal.catalogs.clone());
        self.replay_with(&catalogs.unwrap_or_default())
    }

    /// The same with these rules and scenarios, each set in place of one that was loaded.
    ///
    /// # Errors
    /// As [`World::replay`].
    pub fn replay_with(&mut self, catalogs: &[Arc<Catalog>]) -> Result<(), String> {
        let journal = self.journal.as_mut();
        let journal = journal.ok_or("the setup asked for no journal")?;
        let entries = std::iter::from_fn(|| self.engine.poll_entry());
        journal.entries.extend(entries);
        let mut replay = Replay::new(&journal.header, self.now, &self.host);
        for catalog in catalogs {
            replay.add_catalog(Arc::clone(catalog));
        }
        let mut then = journal.outputs.iter();
        let mut outputs = Vec::new();
        for (number, entry) in journal.entries.iter().enumerate() {
            let line = serde_json::to_string(entry).map_err(|error| error.to_string())?;
            let entry: Entry =
                serde_json::from_str(&line).map_err(|error| format!("{error} in {line}"))?;
            let fed = replay.feed(entry, &mut outputs);
            fed.map_err(|other| format!("entry {number}: {other}: {line}"))?;
            for now in outputs.drain(..).filter_map(|output| written(&output)) {
                if then.next() != Some(&now) {
                    return Err(format!("entry {number}, {line}: now {now}"));
                }
            }
        }
        match then.next() {
            Some(missing) => Err(format!("never came again: {missing}")),
            None => Ok(()),
        }
    }
}

fn written(output: &Output) -> Option<String> {
    (!matches!(output, Output::Script(_))).then(|| format!("{output:?}"))
}
