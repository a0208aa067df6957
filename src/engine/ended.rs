//! Legs that have ended and whose notice waits for the totals of their media, for a while: a media
//! thread that is stuck keeps no end from being told.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::deadlines::Deadlines;
use crate::id::UnitId;
use crate::media::LegStats;

use super::notice::{EndedLink, LegEnded};

/// What is to be told of legs that have ended. Their session may be gone by then.
#[derive(Debug, Default)]
pub(super) struct Ended {
    legs: BTreeMap<UnitId, Box<LegEnded>>,
    due: Deadlines<UnitId>,
}

impl Ended {
    /// Keeps the end of a leg until its totals come, and not beyond `until`.
    pub(super) fn keep(&mut self, until: Instant, ended: Box<LegEnded>) {
        let unit = ended.leg.unit();
        self.due.set(unit, Some(until));
        self.legs.insert(unit, ended);
    }

    /// The end of a leg with its totals; nothing for one that has been told.
    pub(super) fn complete(&mut self, unit: UnitId, totals: LegStats) -> Option<Box<LegEnded>> {
        let mut ended = self.legs.remove(&unit)?;
        self.due.set(unit, None);
        if let EndedLink::Sip { stats, .. } = &mut ended.link {
            *stats = Some(totals);
        }
        Some(ended)
    }

    /// The next end that waits no longer.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Box<LegEnded>> {
        let unit = self.due.pop(now)?;
        self.legs.remove(&unit)
    }

    /// When the next one waits no longer; nothing when none waits.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.due.next()
    }

    pub(super) fn len(&self) -> usize {
        self.legs.len()
    }
}
