//! Events that no handler waits for. They bring the session's tables up to date without a turn, so
//! that neither a script thread nor the session's other events wait for them.

use super::collector::Awaited;
use super::command::{Event, LegEvent, UnitEvent};
use super::instance::{Instance, LegRecord, LegState, Tables, UnitKind, UnitRecord};
use crate::id::{LegId, UnitId};

impl Instance {
    /// Takes in an event for which the program has no handler. False: it needs a turn, and nothing
    /// has been changed.
    pub fn absorb(&mut self, event: &Event) -> bool {
        let Some(tables) = self.tables.as_mut() else {
            return false;
        };
        let program = &self.program;
        match event {
            Event::Started => !program.defines("on_started"),
            Event::Refused { .. } => !program.defines("on_error"),
            Event::Incoming { leg } => {
                let is_unheard = !program.defines("on_incoming");
                if is_unheard {
                    tables.add_leg(leg.clone());
                }
                is_unheard
            }
            Event::Terminating { .. } => {
                let is_unheard = !program.defines("on_terminating");
                tables.terminating |= is_unheard;
                is_unheard
            }
            Event::Leg { leg, event } => tables.absorb_leg_event(*leg, event),
            Event::Unit { unit, event } => tables.absorb_unit_event(*unit, event),
            Event::Timer { timer } => !tables.timers.contains_key(timer),
        }
    }
}

impl Tables {
    fn absorb_leg_event(&mut self, leg: LegId, event: &LegEvent) -> bool {
        let Some(record) = self.legs.get_mut(&leg) else {
            return true;
        };
        let is_collected = || Awaited::of(event).is_some() && self.collectors.contains_key(&leg);
        if record.handlers.contains_key(event.word()) || is_collected() {
            return false;
        }
        record.note_event(event);
        true
    }

    fn absorb_unit_event(&mut self, unit: UnitId, event: &UnitEvent) -> bool {
        let Some(record) = self.units.get_mut(&unit) else {
            return true;
        };
        if record.handlers.contains_key(event.word()) {
            return false;
        }
        if record.note_event(event) {
            self.units.remove(&unit);
        }
        true
    }
}

impl LegRecord {
    /// Follows what happened to the leg.
    pub(super) fn note_event(&mut self, event: &LegEvent) {
        match event {
            LegEvent::EarlyMedia { .. } if self.state == LegState::Alerting => {
                self.state = LegState::Early;
            }
            LegEvent::Connected { .. } => self.state = LegState::Connected,
            LegEvent::Disconnected { .. } | LegEvent::Failed { .. } => {
                self.state = LegState::Ended;
                // Its recordings are closed later.
                self.handlers.retain(|name, _| name.starts_with("record_"));
            }
            LegEvent::EarlyMedia { .. }
            | LegEvent::Ringing { .. }
            | LegEvent::Digit { .. }
            | LegEvent::PlaybackFinished { .. }
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
            | LegEvent::RecordFailed { .. } => {}
        }
    }
}

impl UnitRecord {
    /// Follows what happened to the unit; true when it has ended by that.
    pub(super) fn note_event(&mut self, event: &UnitEvent) -> bool {
        let members = match &mut self.kind {
            UnitKind::Conference { members, .. } => Some(members),
            UnitKind::Player { .. } | UnitKind::Recorder => None,
        };
        match (event, members) {
            (UnitEvent::MemberJoined { leg }, Some(members)) if !members.contains(leg) => {
                members.push(*leg);
            }
            (UnitEvent::MemberLeft { leg }, Some(members)) => {
                members.retain(|member| member != leg);
            }
            (UnitEvent::RecordStopped { .. } | UnitEvent::RecordFailed { .. }, None) => {
                return self.kind == UnitKind::Recorder;
            }
            (
                UnitEvent::MemberJoined { .. }
                | UnitEvent::MemberLeft { .. }
                | UnitEvent::ActiveSpeaker { .. }
                | UnitEvent::PlaybackStarted { .. }
                | UnitEvent::PlaybackFinished { .. }
                | UnitEvent::RecordStarted { .. }
                | UnitEvent::RecordStopped { .. }
                | UnitEvent::RecordFailed { .. },
                _,
            ) => {}
        }
        false
    }
}
