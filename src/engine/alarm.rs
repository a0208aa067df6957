//! Deadlines of sessions and legs: at most one for each alarm, which whoever ends its reason takes
//! back.

use std::time::{Duration, Instant};

use crate::id::{LegId, SessionId, TimerId};
use crate::script::Event;
use crate::termination::Reason;

use super::Engine;
use super::leg::LegState;
use super::session::Ending;

/// Something with a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    /// A timer of a script.
    Timer(SessionId, TimerId),
    /// A session without legs.
    Idle(SessionId),
    /// An apology that takes too long.
    Apology(SessionId),
    /// A session that waits for the ends of its recordings.
    Recordings(SessionId),
    /// A leg that nobody answers.
    Unanswered(LegId),
    /// A leg that stays in early media.
    EarlyMedia(LegId),
    /// A leg of a user whose media is missing.
    Away(LegId),
    /// A leg whose oldest message has waited for too long.
    Outbox(LegId),
}

impl Engine {
    pub(super) fn set_alarm(&mut self, at: Instant, alarm: Alarm) {
        self.alarms.set(alarm, Some(at));
    }

    pub(super) fn take_back_alarm(&mut self, alarm: Alarm) {
        self.alarms.set(alarm, None);
    }

    pub(super) fn fire_alarms(&mut self, now: Instant) {
        while let Some(alarm) = self.alarms.pop(now) {
            self.fire(now, alarm);
        }
    }

    fn fire(&mut self, now: Instant, alarm: Alarm) {
        match alarm {
            Alarm::Timer(session, timer) => self.fire_timer(now, session, timer),
            Alarm::Idle(id) => {
                let session = self.sessions.get(&id);
                if session.is_some_and(|session| session.legs.is_empty()) {
                    self.end_session(now, id, Reason::SessionIdle);
                }
            }
            Alarm::Apology(id) => {
                let due = self
                    .sessions
                    .get(&id)
                    .is_some_and(|session| session.ending == Some(Ending::Apologising));
                if due {
                    self.end_session(now, id, Reason::ScriptError);
                }
            }
            Alarm::Recordings(id) => self.give_up_recordings(now, id),
            Alarm::Unanswered(leg) => {
                let state = self.legs.get(&leg).map(|leg| leg.state);
                if matches!(state, Some(LegState::Alerting | LegState::Early)) {
                    self.hang_up(now, leg, Reason::Unanswered, &[]);
                }
            }
            Alarm::Away(leg) => self.give_up_media(now, leg),
            Alarm::Outbox(leg) => self.drop_old_messages(now, leg),
            Alarm::EarlyMedia(leg) => {
                if self
                    .legs
                    .get(&leg)
                    .is_some_and(|leg| leg.state == LegState::Early)
                {
                    self.hang_up(now, leg, Reason::EarlyMediaTimeout, &[]);
                }
            }
        }
    }

    fn fire_timer(&mut self, now: Instant, id: SessionId, timer: TimerId) {
        let waiting_max = self.settings.session_events_max / 2;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(entry) = session.timers.get_mut(&timer) else {
            return;
        };
        match entry.period_ms {
            Some(period_ms) => {
                let next = entry.at.max(now) + Duration::from_millis(period_ms);
                entry.at = next;
                // A session that cannot keep up loses beats of its clock rather than its life.
                let skip = session.queue.len() >= waiting_max;
                self.set_alarm(next, Alarm::Timer(id, timer));
                if skip {
                    return;
                }
            }
            None => {
                session.timers.remove(&timer);
            }
        }
        self.tell(now, id, Event::Timer { timer });
    }
}
