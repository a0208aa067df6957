//! Names of things: newtypes over integers, never reused within one run of the engine.
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
