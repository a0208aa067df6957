//! A cache of clips with a limit in bytes: what has not been played for longest goes first. Nothing
//! here reads files.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::audio::Clip;

/// What an entry takes beside samples and key, roughly.
const ENTRY_BYTES: usize = 128;

/// Clips by key. `V` tells one version of the source from another; another version is a miss.
pub struct ClipCache<V> {
    bytes_max: usize,
    inner: Mutex<Inner<V>>,
}

struct Inner<V> {
    entries: BTreeMap<String, Entry<V>>,
    bytes: usize,
    uses: u64,
}

struct Entry<V> {
    clip: Arc<Clip>,
    version: V,
    last_use: u64,
}

impl<V: PartialEq> ClipCache<V> {
    /// An empty cache that keeps at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        let inner = Inner {
            entries: BTreeMap::new(),
            bytes: 0,
            uses: 0,
        };
        ClipCache {
            bytes_max,
            inner: Mutex::new(inner),
        }
    }

    /// The clip of `key` if it is of this version.
    pub fn get(&self, key: &str, version: &V) -> Option<Arc<Clip>> {
        let mut inner = self.lock();
        inner.uses += 1;
        let last_use = inner.uses;
        let entry = inner
            .entries
            .get_mut(key)
            .filter(|entry| entry.version == *version)?;
        entry.last_use = last_use;
        Some(Arc::clone(&entry.clip))
    }

    /// Keeps a clip and drops the least recently used ones until the limit holds. A clip that is
    /// larger than the whole cache is not kept.
    pub fn insert(&self, key: &str, version: V, clip: &Arc<Clip>) {
        let size = size_of(key, clip);
        if size > self.bytes_max {
            return;
        }
        let mut inner = self.lock();
        inner.uses += 1;
        let entry = Entry {
            clip: Arc::clone(clip),
            version,
            last_use: inner.uses,
        };
        inner.bytes += size;
        if let Some(replaced) = inner.entries.insert(key.to_owned(), entry) {
            inner.bytes -= size_of(key, &replaced.clip);
        }
        while inner.bytes > self.bytes_max {
            let oldest = inner.entries.iter().min_by_key(|(_, entry)| entry.last_use);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                return;
            };
            if let Some(gone) = inner.entries.remove(&key) {
                inner.bytes -= size_of(&key, &gone.clip);
            }
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Inner<V>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an entry takes. Its key counts too: a clip may be empty.
fn size_of(key: &str, clip: &Clip) -> usize {
    size_of_val(clip.samples.as_slice()) + key.len() + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Rate;

    fn clip(samples: usize) -> Arc<Clip> {
        let samples = vec![0; samples];
        Arc::new(Clip {
            name: String::new(),
            rate: Rate::Hz8000,
            samples,
        })
    }

    #[test]
    fn the_least_recently_used_goes_when_the_bytes_are_full() {
        let one = |samples: usize| samples * 2 + 1 + ENTRY_BYTES;
        let cache = ClipCache::new(2 * one(100));
        cache.insert("a", 1, &clip(100));
        cache.insert("b", 1, &clip(100));
        assert!(cache.get("a", &1).is_some());
        cache.insert("c", 1, &clip(100));
        assert_eq!(
            ["a", "b", "c"].map(|key| cache.get(key, &1).is_some()),
            [true, false, true]
        );
        assert!(cache.get("a", &2).is_none(), "another version of the file");
        cache.insert("a", 2, &clip(50));
        assert_eq!(cache.bytes(), one(100) + one(50));
        cache.insert("huge", 1, &clip(1000));
        assert!(cache.get("huge", &1).is_none() && cache.get("c", &1).is_some());
    }
    #[test]
    fn clips_without_a_sample_are_held_to_the_limit_too() {
        let cache = ClipCache::new(10 * ENTRY_BYTES);
        for n in 0..1000 {
            cache.insert(&n.to_string(), 1, &clip(0));
        }
        assert!(cache.bytes() <= 10 * ENTRY_BYTES);
        assert!(cache.get("0", &1).is_none() && cache.get("999", &1).is_some());
    }
}
