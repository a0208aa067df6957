//! Deadlines that are due, and the timers of scripts.

use std::time::Duration;

use crate::id::TimerId;
use crate::script::Event;
use crate::termination::Reason;

use super::alarm::{Alarm, Timer};
use super::context::Context;
use super::leg::LegState;
use super::limits::TIMER_PERIOD_MIN_MS;
use super::session::{Phase, Session};

impl Session {
    /// Fires what is due.
    pub(super) fn fire_alarms(&mut self, cx: &mut Context) {
        while let Some(alarm) = self.alarms.pop(cx.now) {
            self.fire(cx, alarm);
        }
    }

    fn fire(&mut self, cx: &mut Context, alarm: Alarm) {
        match alarm {
            Alarm::Timer(timer) => self.fire_timer(cx, timer),
            Alarm::Idle => {
                if self.legs.is_empty() {
                    self.end(cx, Reason::SessionIdle);
                }
            }
            Alarm::Apology => {
                if self.phase == Phase::Apologising {
                    self.end(cx, Reason::ScriptError);
                }
            }
            Alarm::Recordings => self.give_up_recordings(cx),
            Alarm::Unanswered(leg) => {
                let state = self.legs.get(&leg).map(|leg| leg.state);
                if matches!(state, Some(LegState::Alerting | LegState::Early)) {
                    self.hang_up(cx, leg, Reason::Unanswered, &[]);
                }
            }
            Alarm::Away(leg) => self.give_up_media(cx, leg),
            Alarm::Outbox(leg) => self.drop_old_messages(cx, leg),
            Alarm::EarlyMedia(leg) => {
                let state = self.legs.get(&leg).map(|leg| leg.state);
                if state == Some(LegState::Early) {
                    self.hang_up(cx, leg, Reason::EarlyMediaTimeout, &[]);
                }
            }
        }
    }

    pub(super) fn set_timer(&mut self, cx: &Context, timer: TimerId, after_ms: u64, repeat: bool) {
        let after_ms = match repeat {
            true => after_ms.max(TIMER_PERIOD_MIN_MS),
            false => after_ms,
        };
        let at = cx.now + Duration::from_millis(after_ms);
        let period_ms = repeat.then_some(after_ms);
        self.timers.insert(timer, Timer { at, period_ms });
        self.alarms.set(Alarm::Timer(timer), Some(at));
    }

    pub(super) fn cancel_timer(&mut self, timer: TimerId) {
        self.timers.remove(&timer);
        self.alarms.set(Alarm::Timer(timer), None);
    }

    fn fire_timer(&mut self, cx: &mut Context, timer: TimerId) {
        let Some(entry) = self.timers.get_mut(&timer) else {
            return;
        };
        match entry.period_ms {
            Some(period_ms) => {
                let next = entry.at.max(cx.now) + Duration::from_millis(period_ms);
                entry.at = next;
                self.alarms.set(Alarm::Timer(timer), Some(next));
                // A session that cannot keep up loses beats of its clock rather than its life.
                if self.is_crowded(cx) {
                    self.events_shed += 1;
                    return;
                }
            }
            None => {
                self.timers.remove(&timer);
            }
        }
        self.tell(cx, Event::Timer { timer });
    }
}
