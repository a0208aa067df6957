//! The event being handled on this thread. Rhai gives host functions no way to a session, so the
//! session's tables are set aside here while its script runs; a guard puts them back, also when the
//! script panics.

#![expect(clippy::disallowed_types, reason = "Rhai calls back without our data")]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use rhai::{Dynamic, NativeCallContext};

use super::api::Collected;
use super::command::{Command, Place, Placed};
use super::handle::{Answer, refuse};
use super::instance::Tables;
use super::limits::Limits;
use super::program::Program;
use crate::id::LegId;

/// How many operations pass between two looks at the time. One operation may copy a value of the
/// greatest size, which takes up to a tenth of a millisecond.
const OPERATIONS_PER_LOOK: u64 = 100;

/// The session whose event is handled, and what it has asked for.
#[derive(Debug)]
pub(super) struct Running {
    pub tables: Box<Tables>,
    pub commands: Vec<Placed>,
    pub now_ms: u64,
    pub ids: Range<u64>,
    pub limits: Arc<Limits>,
    pub program: Arc<Program>,
    /// Of collections that were replaced: their handlers are called next.
    pub replaced: VecDeque<Collected>,
    /// How often a collection of a leg was replaced in this event.
    pub replacements: BTreeMap<LegId, usize>,
}

thread_local! {
    static RUNNING: RefCell<Option<Running>> = const { RefCell::new(None) };
    static OPERATIONS: Cell<u64> = const { Cell::new(0) };
}

impl Running {
    /// Adds a command, given at `place`.
    pub(super) fn push_at(&mut self, place: Place, command: Command) -> Answer<()> {
        if self.commands.len() >= self.limits.commands {
            return refuse(format!(
                "more than {} commands in one event",
                self.limits.commands
            ));
        }
        self.commands.push(Placed { command, place });
        Ok(())
    }

    /// Adds a command, given where `ctx` was called.
    pub(super) fn push(&mut self, ctx: &NativeCallContext, command: Command) -> Answer<()> {
        let place = self.place(ctx);
        self.push_at(place, command)
    }

    /// Where `ctx` was called.
    pub(super) fn place(&self, ctx: &NativeCallContext) -> Place {
        self.program.place(ctx.call_position())
    }

    /// What an id is called in scripts.
    pub(super) fn name(&self, id: impl std::fmt::Display) -> String {
        self.tables.about.run.name(id).to_string()
    }

    /// A number that no unit, leg or timer has yet.
    pub(super) fn fresh_id(&mut self) -> Answer<u64> {
        match self.ids.next() {
            Some(id) => Ok(id),
            None => refuse("too many legs, units and timers made in one event"),
        }
    }
}

/// Puts the tables back into their instance when the event is done or the script panics.
pub(super) struct Guard<'a> {
    home: &'a mut Option<Box<Tables>>,
}

impl<'a> Guard<'a> {
    /// Makes `running` the session of this thread.
    pub(super) fn enter(home: &'a mut Option<Box<Tables>>, running: Running) -> Self {
        RUNNING.with_borrow_mut(|slot| *slot = Some(running));
        Guard { home }
    }

    /// Ends the event and gives what was asked for, and the first id that is still free.
    pub(super) fn leave(self) -> (Vec<Placed>, u64) {
        match RUNNING.take() {
            Some(running) => {
                *self.home = Some(running.tables);
                (running.commands, running.ids.start)
            }
            None => (Vec::new(), 0),
        }
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Some(running) = RUNNING.take() {
            *self.home = Some(running.tables);
        }
    }
}

/// Gives `f` the session of this thread.
pub(super) fn with<T>(f: impl FnOnce(&mut Running) -> Answer<T>) -> Answer<T> {
    RUNNING.with_borrow_mut(|slot| match slot {
        Some(running) => f(running),
        None => refuse("this can be used in a handler only"),
    })
}

/// Begins the count of operations of one handler.
pub(super) fn begin_operations() {
    OPERATIONS.set(0);
}

/// How many operations this handler has taken.
pub(super) fn operations() -> u64 {
    OPERATIONS.get()
}

/// Counts one operation; gives the reason when the handler has to be stopped. Rhai's own count
/// starts anew in callbacks of array functions, this one does not.
pub(super) fn count_operation(limit: u64, over_budget: fn() -> bool) -> Option<Dynamic> {
    let count = OPERATIONS.get() + 1;
    OPERATIONS.set(count);
    if count > limit {
        return Some(format!("more than {limit} operations in one handler").into());
    }
    if count.is_multiple_of(OPERATIONS_PER_LOOK) && over_budget() {
        return Some("the handler took too long".into());
    }
    None
}
