//! Why a command is not carried out.

use std::time::Instant;

use crate::id::LegId;
use crate::script::Place;

/// Why a command was not carried out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: &'static str,
    pub(super) text: String,
}

pub(super) fn refuse<T>(code: &'static str, text: impl Into<String>) -> Result<T, Refused> {
    Err(Refused {
        code,
        text: text.into(),
    })
}

/// A leg whose media goes from end to end.
pub(super) fn refuse_direct<T>() -> Result<T, Refused> {
    refuse(
        "direct-leg",
        "the leg was forwarded to a user: its media does not pass through the engine",
    )
}

/// What was refused last, so that the same command in a loop, or both ways of one
/// `send_media_between`, is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) at: Instant,
    pub(super) code: &'static str,
    pub(super) leg: Option<LegId>,
    pub(super) place: Place,
}
