//! Names of things: newtypes over integers, never reused within one run of the engine. Outside of
//! it, in scripts, logs and names of files, an id has the name that its [`Run`] gives it, which no
//! other run gives to anything.
//!
//! Legs, conferences, players, recorders and internal legs draw from one number space, so that a
//! [`LegId`] is also the [`UnitId`] of its media unit.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($inner:ty) $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

ids! {
    /// One run of a rule's scenarios.
    SessionId(u64) "s";
    /// One SIP dialog, or one end of an internal call.
    LegId(u64) "l";
    /// A media unit: leg, conference mixer, player or recorder.
    UnitId(u64) "u";
    /// A timer of a session.
    TimerId(u64) "t";
    /// One playback on a media unit; a replaced playback has another id than its replacement.
    PlaybackId(u64) "p";
    /// One media thread.
    WorkerId(u16) "w";
    /// A network flow: a UDP listener with a peer's address, or one stream connection.
    FlowId(u64) "f";
}

/// One run of the engine, told apart from every other one on any machine by the time of its start
/// and by randomness, as UUIDv7 (RFC 9562 §5.7) and ULID do it, in 80 bits: two runs that start in
/// the same millisecond have the same name once in 2³² times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run {
    started_ms: u64,
    random: u32,
}

/// The digits of Crockford's base 32, in order, without those that are read as others.
const DIGITS: [u8; 32] = *b"0123456789abcdefghjkmnpqrstvwxyz";
/// Bits of the time: enough until the year 10889.
const TIME_BITS: u32 = 48;

impl Run {
    /// A run that started at this Unix time.
    pub fn new(started_ms: u64, random: u32) -> Run {
        Run {
            started_ms: started_ms & ((1 << TIME_BITS) - 1),
            random,
        }
    }

    /// The name of an id of this run, such as `s7-06dqjvep03zevfqf`.
    pub fn name<T: fmt::Display>(self, id: T) -> Named<T> {
        Named { run: self, id }
    }
}

/// 16 characters; those of a later run sort behind those of an earlier one.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from(self.started_ms) << u32::BITS | u128::from(self.random);
        for shift in (0..TIME_BITS + u32::BITS).step_by(5).rev() {
            let digit = DIGITS[(bits >> shift) as usize % DIGITS.len()];
            fmt::Write::write_char(f, char::from(digit))?;
        }
        Ok(())
    }
}

/// An id and its run, as they are shown outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<T> {
    run: Run,
    id: T,
}

impl<T: fmt::Display> fmt::Display for Named<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.id, self.run)
    }
}

impl LegId {
    /// The media unit of this leg.
    pub fn unit(self) -> UnitId {
        UnitId(self.0)
    }
}

impl UnitId {
    /// The leg whose media unit this is; for another unit, an id that no leg has.
    pub fn leg(self) -> LegId {
        LegId(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Run, SessionId};

    #[test]
    fn runs_are_told_apart_and_sort_by_their_start() {
        const START: u64 = 1_767_268_800_000;
        let named = Run::new(START, 0xfeed_beef).name(SessionId(7)).to_string();
        assert_eq!(named, "s7-06dqjvep03zevfqf");
        let last = (1 << 48) - 1;
        let runs = [
            (0, 0),
            (0, 1),
            (0, u32::MAX),
            (1, 0),
            (START, 5),
            (START, 6),
            (START + 1, 4),
            (last, u32::MAX),
        ];
        let names = runs.map(|(ms, random)| Run::new(ms, random).to_string());
        assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
        assert!(names.iter().all(|name| name.len() == 16), "{names:?}");
    }
}
