//! Commands that are not carried out. Each becomes one line of the log and one event, with its
//! place in the script and its leg where there is one; it never ends the session.

use std::time::Instant;

use crate::id::{LegId, SessionId, UnitId};
use crate::script::{Event, Place};

use super::{Engine, Output};

/// Why a command was not carried out.
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
    at: Instant,
    code: &'static str,
    leg: Option<LegId>,
    place: Place,
}

impl Engine {
    /// The media core could not do what a script asked for.
    pub(super) fn media_refused(
        &mut self,
        now: Instant,
        unit: UnitId,
        what: &'static str,
        error: &str,
    ) {
        let leg = self.legs.get(&LegId(unit.0));
        let found = match leg {
            Some(leg) => Some((leg.session, leg.place.clone())),
            None => self.units.get(&unit).and_then(|id| {
                let unit = self.sessions.get(id)?.units.get(&unit)?;
                Some((*id, unit.place.clone()))
            }),
        };
        let leg = leg.map(|leg| leg.id);
        // It has ended meanwhile.
        let Some((session, place)) = found else {
            return;
        };
        let refused = Refused {
            code: "media-refused",
            text: format!("{what}: {error}"),
        };
        self.refused(now, session, leg, refused, &place);
    }

    /// Answers a refused command with an event. One that is refused again, at the same place and
    /// time and for the same leg, is counted only.
    pub(super) fn refused(
        &mut self,
        now: Instant,
        id: SessionId,
        leg: Option<LegId>,
        refused: Refused,
        place: &Place,
    ) {
        self.stats.refused_commands += 1;
        let events_max = self.settings.session_events_max;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Refused { code, text } = refused;
        let told = Told {
            at: now,
            code,
            leg,
            place: place.clone(),
        };
        if session.refused.as_ref() == Some(&told) {
            return;
        }
        session.refused = Some(told);
        // A session that cannot keep up is told less rather than ended for it.
        let crowded = session.queue.len() >= events_max / 2;
        self.outputs.push_back(Output::Log {
            session: id,
            warn: true,
            text: format!("{place}: {code}: {text}"),
        });
        if crowded {
            return;
        }
        let event = Event::Refused {
            code: code.to_owned(),
            text,
            leg,
            place: place.clone(),
        };
        self.tell(now, id, event);
    }
}
