//! Conferences, players and recorders: what a session keeps of each.

use std::collections::BTreeMap;

use crate::id::{LegId, UnitId};
use crate::script::Place;

use super::leg::Playing;
use super::refused::{Refused, refuse};

/// A conference, player or recorder of a session.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) kind: UnitKind,
    /// Where its last command stands, for refusals that come later.
    pub(super) place: Place,
    pub(super) playing: Option<Playing>,
}

/// What a unit is.
#[derive(Debug)]
pub(super) enum UnitKind {
    /// A mixer.
    Conference(Conference),
    /// A player.
    Player,
    /// A recorder.
    Recorder,
}

/// A mixer with its members: the legs that it is sent to or hears.
#[derive(Debug, Default)]
pub(super) struct Conference {
    /// Each member with the number of ways it is connected: 1 or 2.
    pub(super) members: BTreeMap<LegId, u8>,
    pub(super) locked: bool,
    pub(super) members_max: Option<usize>,
}

impl Conference {
    pub(super) fn admit(&self, leg: LegId) -> Result<(), Refused> {
        if self.members.contains_key(&leg) {
            return Ok(());
        }
        if self.locked {
            return refuse("conference-locked", "the conference is locked");
        }
        match self.members_max {
            Some(max) if self.members.len() >= max => {
                refuse("conference-full", "the conference is full")
            }
            _ => Ok(()),
        }
    }
}

/// What is recorded, and so where its events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordOf {
    /// One leg.
    Leg(LegId),
    /// The mix of a conference.
    Conference(UnitId),
    /// What is connected to the recorder itself.
    Connected,
}
