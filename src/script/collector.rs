//! What `digits` keeps of a leg while it collects there. What becomes of it is in `api/digits.rs`.

use rhai::{FnPtr, Map};

use super::command::{LegEvent, Place};
use crate::id::TimerId;

/// What is being collected on one leg.
#[derive(Debug)]
pub(super) struct Collector {
    pub handler: FnPtr,
    pub max: usize,
    pub terminator: Option<char>,
    pub clear: Option<char>,
    pub first_timeout_ms: u64,
    pub inter_digit_timeout_ms: u64,
    pub digits: String,
    pub prompt_plays: bool,
    pub timer: Option<TimerId>,
    /// Where `digits` was called: its commands belong there.
    pub place: Place,
}

/// What was collected, for the handler.
#[derive(Debug)]
pub(super) struct Collected {
    pub handler: FnPtr,
    pub event: Map,
}

/// What a collection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    Digit(char),
    PlaybackFinished,
    LegEnded,
}

impl Awaited {
    /// What the event of a leg is to a collection there, if it is anything.
    pub(super) fn of(event: &LegEvent) -> Option<Self> {
        match event {
            LegEvent::Disconnected { .. } | LegEvent::Failed { .. } => Some(Awaited::LegEnded),
            LegEvent::Digit { digit, .. } => Some(Awaited::Digit(*digit)),
            LegEvent::PlaybackFinished { .. } => Some(Awaited::PlaybackFinished),
            LegEvent::EarlyMedia { .. }
            | LegEvent::Ringing { .. }
            | LegEvent::Connected { .. }
            | LegEvent::Message { .. }
            | LegEvent::Info { .. }
            | LegEvent::DigitReleased { .. }
            | LegEvent::PlaybackStarted { .. }
            | LegEvent::TalkStarted { .. }
            | LegEvent::TalkStopped { .. }
            | LegEvent::Hold
            | LegEvent::Unhold
            | LegEvent::Reconnecting
            | LegEvent::Reconnected
            | LegEvent::MediaTimeout
            | LegEvent::Quality { .. }
            | LegEvent::RecordStarted { .. }
            | LegEvent::RecordStopped { .. }
            | LegEvent::RecordFailed { .. } => None,
        }
    }
}
