//! Deadlines of many machines in order of time: one per key, found and moved in O(log n).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// At most one deadline for each key.
#[derive(Debug)]
pub struct Deadlines<K> {
    ordered: BTreeSet<(Instant, K)>,
    of: BTreeMap<K, Instant>,
}

impl<K: Ord + Copy> Default for Deadlines<K> {
    fn default() -> Self {
        Self {
            ordered: BTreeSet::new(),
            of: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Copy> Deadlines<K> {
    /// Replaces the deadline of `key`; `None` removes it.
    pub fn set(&mut self, key: K, at: Option<Instant>) {
        if self.of.get(&key).copied() == at {
            return;
        }
        if let Some(old) = self.of.remove(&key) {
            self.ordered.remove(&(old, key));
        }
        if let Some(at) = at {
            self.of.insert(key, at);
            self.ordered.insert((at, key));
        }
    }

    /// Number of keys with a deadline.
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether no key has a deadline.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// The earliest deadline; `None` when there is none.
    pub fn next(&self) -> Option<Instant> {
        self.ordered.first().map(|(at, _)| *at)
    }

    /// Removes and returns the key whose deadline is the earliest and not after `now`.
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.ordered.first()?;
        if at > now {
            return None;
        }
        self.ordered.remove(&(at, key));
        self.of.remove(&key);
        Some(key)
    }
}
