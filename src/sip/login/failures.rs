//! Failed logins by address and by name: after so many within a minute, no further password is
//! tried until that minute is over.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// From the first failure until all of them are forgotten.
const WINDOW: Duration = Duration::from_secs(60);
/// Wrong passwords from one address.
const PER_ADDRESS_MAX: u32 = 10;
/// Wrong passwords for one name. More than for an address, because whoever knows a name could
/// otherwise lock its owner out from a single address.
const PER_USER_MAX: u32 = 30;
/// Addresses and names that are remembered; the oldest is forgotten for another.
const SUBJECTS_MAX: usize = 8192;

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// An IPv4 address, or a network of 64 bits, which is what one IPv6 host has to itself.
    Address(IpAddr),
    /// A name in lower case, known or not.
    User(String),
}

impl Subject {
    pub fn address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
            v4 @ IpAddr::V4(_) => v4,
        })
    }

    fn most(&self) -> u32 {
        match self {
            Subject::Address(_) => PER_ADDRESS_MAX,
            Subject::User(_) => PER_USER_MAX,
        }
    }
}

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Failures {
    counts: BTreeMap<Subject, u32>,
    /// When the count of each began, the oldest first.
    since: VecDeque<(Instant, Subject)>,
}

impl Failures {
    /// Counts one failure for each subject.
    pub fn note(&mut self, now: Instant, subjects: [Subject; 2]) {
        self.forget_old(now);
        for subject in subjects {
            if let Some(count) = self.counts.get_mut(&subject) {
                *count += 1;
                continue;
            }
            if self.since.len() >= SUBJECTS_MAX {
                self.forget_first();
            }
            self.counts.insert(subject.clone(), 1);
            self.since.push_back((now, subject));
        }
    }

    /// How many seconds are left until the last of the subjects may try again; nothing when all
    /// may.
    pub fn blocked(&mut self, now: Instant, subjects: &[Subject; 2]) -> Option<u64> {
        self.forget_old(now);
        let full = |subject: &&Subject| {
            let count = self.counts.get(subject);
            count.is_some_and(|count| *count >= subject.most())
        };
        let blocked: Vec<&Subject> = subjects.iter().filter(full).collect();
        if blocked.is_empty() {
            return None;
        }
        let mut since = self.since.iter().rev();
        let (since, _) = since.find(|(_, subject)| blocked.contains(&subject))?;
        let left = (*since + WINDOW).saturating_duration_since(now);
        Some(left.as_secs() + 1)
    }

    fn forget_old(&mut self, now: Instant) {
        while self
            .since
            .front()
            .is_some_and(|(since, _)| *since + WINDOW <= now)
        {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, subject)) = self.since.pop_front() {
            self.counts.remove(&subject);
        }
    }
}
