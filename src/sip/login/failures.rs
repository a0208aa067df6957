//! Failed logins: whoever guesses has to wait, and nobody else waits with him.
//!
//! | what is counted | free ones | who waits after more |
//! |---|---|---|
//! | wrong passwords for a name at an address | [`PAIR_FREE`] | that name at that address |
//! | names that failed at an address | [`NAMES_FREE`] | the address |
//! | addresses at which a name failed | [`ADDRESSES_FREE`] | the name |
//!
//! The last two do not concern a name at an address from which it has logged in.
//!
//! A pause is one second after the first failure that is not free, then twice as long each time, up
//! to [`PAUSE_MAX`]. What is tried during a pause is not looked at and lengthens nothing. Every
//! [`LEAK`] one failure is forgotten; a right password ends the pause of its name at its address
//! and forgets half.
//!
//! Each table has a limit. A new entry at the limit takes the place of the one that would be
//! forgotten first, so a long count stays until as many entries are as long.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::network::Network;

/// Wrong passwords for one name from one address without a pause.
const PAIR_FREE: u32 = 5;
/// Names that may fail at one address without a pause for the others there.
const NAMES_FREE: u32 = 20;
/// Addresses at which one name may fail without a pause for it elsewhere.
const ADDRESSES_FREE: u32 = 20;
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// How long one failure counts, the ones before it first.
const LEAK: Duration = Duration::from_secs(600);
/// Failures beyond the free ones that are remembered: as many as lead to [`PAUSE_MAX`].
const BEYOND_MAX: u32 = 10;
/// Entries of the table of names at addresses.
const PAIRS_MAX: usize = 32_768;
/// Entries of the table of addresses, and of that of names.
const SUBJECTS_MAX: usize = 16_384;
/// Addresses of one user that are remembered for their right passwords; the oldest is forgotten
/// for another.
const KNOWN_MAX: usize = 16;

/// A name of any length in few octets: a part of its SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct NameKey([u8; 16]);

impl NameKey {
    fn of(name: &str) -> Self {
        let hash: [u8; 32] = Sha256::digest(name).into();
        let mut key = [0; 16];
        key.copy_from_slice(&hash[..16]);
        Self(key)
    }
}

/// Whose password a try is for, and where it comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    network: Network,
    name: NameKey,
}

impl Try {
    /// `name` in lower case; there need be no such user.
    pub fn new(address: IpAddr, name: &str) -> Self {
        Self {
            network: Network::of(address),
            name: NameKey::of(name),
        }
    }
}

/// The counts, and the addresses of users that are known.
#[derive(Debug)]
pub(super) struct Failures {
    pairs: Table<(Network, NameKey)>,
    addresses: Table<Network>,
    names: Table<NameKey>,
    /// Where each user has logged in, the latest last. An entry goes with its user.
    known: BTreeMap<NameKey, VecDeque<Network>>,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            pairs: Table::new(PAIR_FREE, PAIRS_MAX),
            addresses: Table::new(NAMES_FREE, SUBJECTS_MAX),
            names: Table::new(ADDRESSES_FREE, SUBJECTS_MAX),
            known: BTreeMap::new(),
        }
    }
}

impl Failures {
    /// How many seconds are left of the pause; nothing when the password may be looked at.
    pub fn wait(&mut self, now: Instant, of: Try) -> Option<u64> {
        let mut until = self.pairs.pause_end((of.network, of.name));
        if !self.is_known(of) {
            until = until.max(self.addresses.pause_end(of.network));
            until = until.max(self.names.pause_end(of.name));
        }
        let left = until?.saturating_duration_since(now);
        (!left.is_zero()).then(|| left.as_millis().div_ceil(1000) as u64)
    }

    /// Counts a wrong password, or one for a user that there is not.
    pub fn note(&mut self, now: Instant, of: Try) {
        let first = self.pairs.count(now, (of.network, of.name));
        if first && !self.is_known(of) {
            self.addresses.count(now, of.network);
            self.names.count(now, of.name);
        }
    }

    /// Remembers that a password was right.
    pub fn note_success(&mut self, now: Instant, of: Try) {
        self.pairs.ease(now, (of.network, of.name));
        let known = self.known.entry(of.name).or_default();
        known.retain(|network| *network != of.network);
        if known.len() == KNOWN_MAX {
            known.pop_front();
        }
        known.push_back(of.network);
    }

    /// A user, named in lower case, is no more.
    pub fn forget_user(&mut self, name: &str) {
        self.known.remove(&NameKey::of(name));
    }

    fn is_known(&self, of: Try) -> bool {
        let known = self.known.get(&of.name);
        known.is_some_and(|known| known.contains(&of.network))
    }
}

#[derive(Clone, Copy, Debug)]
struct Count {
    /// When the last failure will be forgotten; what is left until then says how many count.
    over: Instant,
    pause_end: Instant,
}

/// Counts that fade with time.
#[derive(Debug)]
struct Table<K> {
    free: u32,
    most: usize,
    counts: BTreeMap<K, Count>,
    /// The counts by their end.
    by_end: BTreeSet<(Instant, K)>,
}

impl<K: Copy + Ord> Table<K> {
    fn new(free: u32, most: usize) -> Self {
        Self {
            free,
            most,
            counts: BTreeMap::new(),
            by_end: BTreeSet::new(),
        }
    }

    fn pause_end(&self, key: K) -> Option<Instant> {
        self.counts.get(&key).map(|count| count.pause_end)
    }

    /// Counts one failure. Whether it is the first.
    fn count(&mut self, now: Instant, key: K) -> bool {
        self.forget_old(now);
        let before = self.take(key);
        if before.is_none() && self.counts.len() >= self.most {
            self.forget_first();
        }
        let begun = before.map_or(now, |count| count.over);
        let longest = now + LEAK * (self.free + BEYOND_MAX);
        let over = (begun + LEAK).min(longest);
        let left = over.saturating_duration_since(now);
        let failures = left.as_millis().div_ceil(LEAK.as_millis()) as u32;
        let pause = match failures.checked_sub(self.free + 1) {
            Some(beyond) => Duration::from_secs(1 << beyond).min(PAUSE_MAX),
            None => Duration::ZERO,
        };
        let pause_end = now + pause;
        self.put(key, Count { over, pause_end });
        before.is_none()
    }

    /// Ends the pause and forgets half.
    fn ease(&mut self, now: Instant, key: K) {
        if let Some(count) = self.take(key) {
            let over = now + count.over.saturating_duration_since(now) / 2;
            let pause_end = now;
            self.put(key, Count { over, pause_end });
        }
    }

    fn take(&mut self, key: K) -> Option<Count> {
        let count = self.counts.remove(&key)?;
        self.by_end.remove(&(count.over, key));
        Some(count)
    }

    fn put(&mut self, key: K, count: Count) {
        self.by_end.insert((count.over, key));
        self.counts.insert(key, count);
    }

    fn forget_old(&mut self, now: Instant) {
        while self.by_end.first().is_some_and(|(over, _)| *over <= now) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, key)) = self.by_end.pop_first() {
            self.counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn a_full_table_keeps_the_long_counts() {
        let now = Instant::now();
        let mut failures = Failures::default();
        let guesser = Try::new(address(0), "alice");
        for _ in 0..8 {
            failures.note(now, guesser);
        }
        assert_eq!(failures.wait(now, guesser), Some(4));
        // A name of its own for each of many addresses: none of them alone waits.
        for n in 1..40_000 {
            failures.note(now, Try::new(address(n), &format!("user{n}")));
        }
        assert_eq!(failures.wait(now, guesser), Some(4));
        let sizes = [
            (failures.pairs.counts.len(), failures.pairs.by_end.len()),
            (
                failures.addresses.counts.len(),
                failures.addresses.by_end.len(),
            ),
            (failures.names.counts.len(), failures.names.by_end.len()),
        ];
        let most = [PAIRS_MAX, SUBJECTS_MAX, SUBJECTS_MAX].map(|most| (most, most));
        assert_eq!(sizes, most);
        // All is forgotten in the end.
        let later = now + LEAK * 100;
        failures.note(later, guesser);
        assert_eq!(failures.pairs.counts.len(), 1);
        assert_eq!(failures.addresses.counts.len(), 1);
    }

    #[test]
    fn users_that_are_gone_are_not_known() {
        let now = Instant::now();
        let mut failures = Failures::default();
        for n in 0..100 {
            failures.note_success(now, Try::new(address(n), "alice"));
        }
        assert_eq!(failures.known.len(), 1);
        assert!(!failures.is_known(Try::new(address(83), "alice")));
        assert!(failures.is_known(Try::new(address(84), "alice")));
        failures.forget_user("alice");
        assert!(failures.known.is_empty());
    }
}
