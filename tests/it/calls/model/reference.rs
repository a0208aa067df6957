//! What the world must be like: who is in which room, who hears whom, what is owed to whom. It
//! knows nothing of how calls are made.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use talkpath::sim::PhoneId;

/// Browsers that a room takes; the rule of the test says the same.
pub const WEB_MAX: usize = 3;
/// Within that time whoever calls has come in, been refused or given up, with all that is late.
pub const SETTLED: Duration = Duration::from_secs(9);
/// A page may stay away for 60 s; shortly before and after it may be gone or not.
pub const SURELY_HERE: Duration = Duration::from_secs(57);
pub const SURELY_GONE: Duration = Duration::from_secs(64);
/// Within that time a room knows who has left.
const LEFT: Duration = Duration::from_secs(3);
/// Failed direct ways of one pair until it is relayed.
const FAILURES: u32 = 2;
/// Two reports within 4 s are of one failure.
const SAME_FAILURE: Duration = Duration::from_millis(5500);

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A telephone in a room.
    Phone { room: u8 },
    /// A telephone that is in no room.
    Stray,
    /// A telephone whose scenario does what it says.
    Commander,
    /// A page of a user in a room.
    Page { user: u8, room: u8 },
    /// One side of a direct call; the other one is that call.
    Direct { other: usize },
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Since then it calls, or its PIN is keyed in.
    Coming(Duration),
    /// It is where it belongs.
    In,
    /// Nobody is there any more, which the engine has seen by then.
    Dying(Duration),
    /// It is over since then.
    Gone(Duration),
}

#[derive(Debug)]
pub struct Call {
    pub phone: PhoneId,
    pub kind: Kind,
    pub life: Life,
    pub begun: Duration,
    pub keyed: bool,
    /// It has hung up or given up.
    pub left: bool,
    pub away: Option<Duration>,
    pub busy: Option<Duration>,
    /// What it must have heard, and from which user.
    pub owed: Vec<u32>,
}

/// Direct ways between two users in a room.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    failures: u32,
    last: Option<Duration>,
    relayed: bool,
}

#[derive(Debug, Default)]
pub struct Reference {
    pub calls: Vec<Call>,
    pub drained: Option<Duration>,
    /// The media core may be full.
    pub scarce: bool,
    /// By room and users, the lower one first.
    pairs: BTreeMap<(u8, u8, u8), Pair>,
}

impl Call {
    pub fn is_gone(&self) -> bool {
        matches!(self.life, Life::Gone(_))
    }

    pub fn is_in(&self) -> bool {
        self.life == Life::In
    }

    /// It hears and answers.
    pub fn is_present(&self) -> bool {
        self.is_in() && self.away.or(self.busy).is_none()
    }

    pub fn room(&self) -> Option<u8> {
        match self.kind {
            Kind::Phone { room } | Kind::Page { room, .. } => Some(room),
            Kind::Stray | Kind::Commander | Kind::Direct { .. } => None,
        }
    }

    pub fn page(&self) -> Option<(u8, u8)> {
        match self.kind {
            Kind::Page { user, room } => Some((user, room)),
            Kind::Phone { .. } | Kind::Stray | Kind::Commander | Kind::Direct { .. } => None,
        }
    }

    pub fn is_web(&self) -> bool {
        matches!(self.kind, Kind::Page { .. } | Kind::Direct { .. })
    }

    /// When it will surely be known what has become of it.
    pub fn known_at(&self) -> Option<Duration> {
        match self.life {
            Life::Coming(since) => Some(since + SETTLED),
            Life::Dying(until) => Some(until),
            Life::In | Life::Gone(_) => None,
        }
    }
}

impl Reference {
    pub fn add(&mut self, now: Duration, phone: PhoneId, kind: Kind) {
        self.calls.push(Call {
            phone,
            kind,
            life: Life::Coming(now),
            begun: now,
            keyed: false,
            left: false,
            away: None,
            busy: None,
            owed: Vec::new(),
        });
    }

    /// Calls of one user in one room, but this one.
    pub fn rivals(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        let page = self.calls[index].page();
        let calls = self.calls.iter().enumerate();
        calls
            .filter(move |(at, call)| {
                *at != index && page.is_some() && call.page() == page && !call.is_gone()
            })
            .map(|(at, _)| at)
    }

    /// Whether the listener hears the talker; both are in.
    pub fn hears(&self, listener: &Call, talker: &Call) -> bool {
        if listener.phone == talker.phone || listener.room() != talker.room() {
            return false;
        }
        match (listener.kind, talker.kind) {
            (Kind::Phone { .. }, Kind::Phone { .. } | Kind::Page { .. })
            | (Kind::Page { .. }, Kind::Phone { .. }) => true,
            (Kind::Page { user, room }, Kind::Page { user: other, .. }) => self
                .pairs
                .get(&key(room, user, other))
                .is_some_and(|pair| pair.relayed),
            _ => false,
        }
    }

    /// Users and telephones of a room.
    pub fn roster(&self, room: u8) -> (BTreeSet<u8>, usize) {
        let here = |call: &&Call| call.is_in() && call.room() == Some(room);
        let all = || self.calls.iter().filter(here);
        let users = all().filter_map(Call::page).map(|(user, _)| user);
        let phones = all().filter(|call| !call.is_web()).count();
        (users.collect(), phones)
    }

    /// Whether a call may have been refused.
    pub fn may_fail(&self, index: usize) -> bool {
        let Some((user, room)) = self.calls[index].page() else {
            return self.scarce || self.drained.is_some();
        };
        let since = self.calls[index].begun;
        let others: BTreeSet<u8> = self
            .calls
            .iter()
            .filter(|call| match call.life {
                Life::Gone(at) => at + LEFT > since,
                Life::Coming(_) | Life::In | Life::Dying(_) => true,
            })
            .filter_map(Call::page)
            .filter(|page| page.1 == room && page.0 != user)
            .map(|page| page.0)
            .collect();
        self.scarce || self.drained.is_some() || others.len() >= WEB_MAX
    }

    /// Everybody who is in hears this of a call that is in.
    pub fn owe(&mut self, from: usize, number: u32) {
        let kind = self.calls[from].kind;
        for (index, call) in self.calls.iter_mut().enumerate() {
            let hears = match kind {
                Kind::Page { room, .. } => call.page().is_some_and(|page| page.1 == room),
                Kind::Direct { other } => index == other,
                Kind::Phone { .. } | Kind::Stray | Kind::Commander => false,
            };
            if hears && call.is_in() {
                call.owed.push(number);
            }
        }
    }

    /// Whether the room counts a report of the pair, and not as one of the same failure.
    pub fn counts_report(&self, now: Duration, (room, one, other): (u8, u8, u8)) -> bool {
        let last = self
            .pairs
            .get(&key(room, one, other))
            .and_then(|pair| pair.last);
        last.is_none_or(|at| now > at + SAME_FAILURE)
    }

    pub fn report(&mut self, now: Duration, (room, one, other): (u8, u8, u8), failed: bool) {
        let key = key(room, one, other);
        if !failed {
            self.pairs.remove(&key);
            return;
        }
        let pair = self.pairs.entry(key).or_default();
        pair.failures += 1;
        pair.last = Some(now);
        pair.relayed |= pair.failures >= FAILURES;
    }

    pub fn has_pair(&self, call: &Call) -> bool {
        let Some((user, room)) = call.page() else {
            return false;
        };
        let mut keys = self.pairs.keys();
        keys.any(|key| key.0 == room && (key.1 == user || key.2 == user))
    }

    /// A user has come again: pairs that were relayed try the direct way, once.
    pub fn part(&mut self, (user, room): (u8, u8)) {
        for (key, pair) in &mut self.pairs {
            if key.0 == room && (key.1 == user || key.2 == user) && pair.relayed {
                *pair = Pair {
                    failures: FAILURES - 1,
                    ..Pair::default()
                };
            }
        }
    }

    /// A call is over. A user who is nowhere in the room is forgotten there.
    pub fn end(&mut self, index: usize, at: Duration) {
        self.calls[index].life = Life::Gone(at);
        let rivals = self.rivals(index).count();
        if let (Some((user, room)), 0) = (self.calls[index].page(), rivals) {
            self.pairs
                .retain(|key, _| key.0 != room || key.1 != user && key.2 != user);
        }
    }
}

fn key(room: u8, one: u8, other: u8) -> (u8, u8, u8) {
    (room, one.min(other), one.max(other))
}
