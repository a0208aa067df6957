//! The 20 ms tick, spread over slots of 5 ms: when the next one is due, and how lateness is made up
//! for. A tick is number `n` at 5 ms times `n` after the origin; it serves slot `n` modulo 4 in
//! period `n` over 4.

use std::time::{Duration, Instant};

use super::graph::SLOTS;

/// Time between two slots.
const SLOT: Duration = Duration::from_millis(5);
/// Periods of 20 ms that are caught up; older ones are skipped.
const CATCH_UP_PERIODS: u64 = 5;

/// A tick that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// Which slot.
    pub(super) slot: usize,
    /// Which 20 ms since the origin.
    pub(super) period: u64,
    /// It is a period late or more.
    pub(super) late: bool,
}

/// The clock of one core.
#[derive(Debug)]
pub(super) struct Clock {
    origin: Instant,
    next: u64,
    running: bool,
}

impl Clock {
    /// A clock that stands.
    pub(super) fn new(origin: Instant) -> Clock {
        Clock {
            origin,
            next: 0,
            running: false,
        }
    }

    /// The period of the next tick.
    pub(super) fn period(&self) -> u64 {
        self.next / SLOTS as u64
    }

    /// Lets the clock go from `now` on; nothing when it goes.
    pub(super) fn start(&mut self, now: Instant) {
        if !self.running {
            self.running = true;
            self.next = self.next.max(self.number_at(now) + 1);
        }
    }

    /// Stops the clock; the time until the next start is not made up for.
    pub(super) fn stop(&mut self) {
        self.running = false;
    }

    /// When the next slot is due that `has_work`; nothing when the clock stands or none has.
    pub(super) fn due_at(&self, has_work: [bool; SLOTS]) -> Option<Instant> {
        let first = (self.next..self.next + SLOTS as u64)
            .find(|n| has_work.get(slot_of(*n)).copied().unwrap_or(false))?;
        self.running.then(|| self.time_of(first))
    }

    /// The next slot that is due at `now`.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Due> {
        let due = self.time_of(self.next);
        if !self.running || due > now {
            return None;
        }
        let n = self.next;
        self.next += 1;
        let late = now >= due + SLOT * SLOTS as u32;
        Some(Due {
            slot: slot_of(n),
            period: n / SLOTS as u64,
            late,
        })
    }

    /// Passes over the ticks that are too old to be made up for; how many periods those were.
    pub(super) fn skip_old(&mut self, now: Instant) -> u64 {
        if !self.running {
            return 0;
        }
        let behind = self.number_at(now).saturating_sub(self.next);
        let skipped = (behind / SLOTS as u64).saturating_sub(CATCH_UP_PERIODS);
        self.next += skipped * SLOTS as u64;
        skipped
    }

    fn number_at(&self, now: Instant) -> u64 {
        (now.saturating_duration_since(self.origin).as_nanos() / SLOT.as_nanos()) as u64
    }

    fn time_of(&self, n: u64) -> Instant {
        self.origin + Duration::from_nanos(SLOT.as_nanos() as u64 * n)
    }
}

fn slot_of(n: u64) -> usize {
    (n % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_made_up_for_five_periods_and_skipped_beyond() {
        let origin = Instant::now();
        let at = |ms| origin + Duration::from_millis(ms);
        for (behind_ms, ticks, skipped) in [
            (0, 1, 0),
            (4, 1, 0),
            (5, 2, 0),
            (20, 5, 0),
            (100, 21, 0),
            (119, 24, 0),
            (1000, 21, 45),
        ] {
            let mut clock = Clock::new(origin);
            assert_eq!(clock.due_at([true; SLOTS]), None);
            clock.start(at(40));
            assert_eq!(clock.due_at([true; SLOTS]), Some(at(45)));
            let now = at(45 + behind_ms);
            assert_eq!(clock.skip_old(now), skipped, "{behind_ms}");
            let run = std::iter::from_fn(|| clock.poll(now)).collect::<Vec<_>>();
            assert_eq!(run.len(), ticks, "{behind_ms}");
            let late = run.iter().filter(|due| due.late).count();
            assert_eq!(late, ticks.saturating_sub(4), "{behind_ms}");
        }
    }

    #[test]
    fn only_slots_with_work_are_waited_for() {
        let origin = Instant::now();
        let mut clock = Clock::new(origin);
        clock.start(origin);
        let only = |slot: usize| std::array::from_fn(|i| i == slot);
        for (slot, ms) in [(0, 20), (1, 5), (2, 10), (3, 15)] {
            assert_eq!(
                clock.due_at(only(slot)),
                Some(origin + Duration::from_millis(ms))
            );
        }
        assert_eq!(clock.due_at([false; SLOTS]), None);
        clock.stop();
        assert_eq!(clock.due_at(only(1)), None);
        assert_eq!(clock.poll(origin + Duration::from_secs(1)), None);
        clock.start(origin + Duration::from_secs(1));
        let next = origin + Duration::from_millis(1005);
        assert_eq!(clock.due_at([true; SLOTS]), Some(next));
    }
}
