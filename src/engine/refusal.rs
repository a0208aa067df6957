//! Commands that are not carried out. Each becomes one line of the log and one event, with its
//! place in the script and its leg where there is one; it never ends the session.

use crate::id::{LegId, UnitId};
use crate::script::{Event, Place};

use super::context::Context;
use super::refused::{Refused, Told};
use super::session::Session;

impl Session {
    /// The media core could not do what a script asked for.
    pub(super) fn media_refused(
        &mut self,
        cx: &mut Context,
        unit: UnitId,
        what: &str,
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
            self.events_shed += 1;
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
