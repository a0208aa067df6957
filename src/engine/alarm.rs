//! What a session has deadlines for: at most one for each alarm, which whoever ends its reason
//! takes back. `timeout` fires them.

use std::time::Instant;

use crate::id::{LegId, TimerId};

/// Something with a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    /// A timer of a script.
    Timer(TimerId),
    /// A session without legs.
    Idle,
    /// An apology that takes too long.
    Apology,
    /// A session that waits for the ends of its recordings.
    Recordings,
    /// A leg that nobody answers.
    Unanswered(LegId),
    /// A leg that stays in early media.
    EarlyMedia(LegId),
    /// A leg of a user whose media is missing.
    Away(LegId),
    /// A leg whose oldest message has waited for too long.
    Outbox(LegId),
}

/// A timer of a script.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    pub(super) at: Instant,
    /// Absent for one that fires once.
    pub(super) period_ms: Option<u64>,
}
