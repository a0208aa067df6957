//! Commands that are not carried out. Each becomes one line of the log and one event, with its
//! place in the script and its leg where there is one; it never ends the session.

use std::time::Instant;

use crate::id::{LegId, UnitId};
use crate::script::{Event, Place};

use super::context::Context;
use super::session::Session;

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
    at: Instant,
    code: &'static str,
    leg: Option<LegId>,
    place: Place,
}

impl Session {
    /// The media core could not do what a script asked for.
    pub(super) fn media_refused(
        &mut self,
        cx: &mut Context,
        unit: UnitId,
        what: &'static str,
        error: &str,
    ) {
        let leg = self.legs.get(&unit.leg());
        let unit = self.units.get(&unit).map(|unit| &unit.place);
        let place = leg.map(|leg| &leg.place).or(unit).cloned();
        let leg = leg.map(|leg| leg.id);
        // It has ended meanwhile.
        let Some(place) = place else { return };
        let refused = Refused {
            code: "media-refused",
            text: format!("{what}: {error}"),
        };
        self.refused(cx, leg, refused, &place);
    }

    /// Answers a refused command with an event. One that is refused again, at the same place and
    /// time and for the same leg, is counted only.
    pub(super) fn refused(
        &mut self,
        cx: &mut Context,
        leg: Option<LegId>,
        refused: Refused,
        place: &Place,
    ) {
        cx.stats.refused_commands += 1;
        let Refused { code, text } = refused;
        let told = Told {
            at: cx.now,
            code,
            leg,
            place: place.clone(),
        };
        if self.refused.as_ref() == Some(&told) {
            return;
        }
        self.refused = Some(told);
        cx.warn_scenario(self.id, format!("{place}: {code}: {text}"));
        if self.is_crowded(cx) {
            return;
        }
        let event = Event::Refused {
            code: code.to_owned(),
            text,
            leg,
            place: place.clone(),
        };
        self.tell(cx, event);
    }
}
