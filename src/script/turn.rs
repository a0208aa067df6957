//! The event being handled. Rhai calls host functions, `print` and its watch over operations with
//! nothing of ours that they could change. So each Rhai engine has one [`Stage`], which all that is
//! registered in it shares: the session is there while one of its handlers runs, and a guard takes
//! it home afterwards, also when the script panics.
//!
//! An engine handles one event at a time. [`Workers`] hands it to one thread, which owns it until
//! it gives it back; so no lock here is ever waited for.

#![expect(
    clippy::disallowed_types,
    reason = "what Rhai calls may change nothing that it owns, and Host is shared by threads"
)]

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rhai::{Dynamic, Engine, ImmutableString, NativeCallContext, Position};

use super::collector::Collected;
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
    /// The way of the last error that a limit raised, innermost first.
    pub steps: Vec<Step>,
}

/// One function that an error went through.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The function.
    pub function: ImmutableString,
    /// Where in it: the statement, or the call of the step before.
    pub position: Position,
    /// How many operations the handlers of this event had taken.
    operations: u64,
}

impl Running {
    /// The way of the error that has come out after so many operations, if a limit raised it;
    /// innermost first.
    pub(super) fn take_steps(&mut self, operations: u64) -> Vec<Step> {
        let mut steps = std::mem::take(&mut self.steps);
        steps.retain(|step| step.operations == operations);
        steps
    }

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

/// What the callbacks of one Rhai engine share.
#[derive(Clone, Debug, Default)]
pub(super) struct Stage(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    running: Mutex<Option<Running>>,
    /// Of all handlers of this event. They are counted one by one, so they are not behind the lock.
    operations: AtomicU64,
    /// With how many operations the handler that runs is stopped.
    operations_end: AtomicU64,
}

impl Stage {
    /// Gives `f` the session whose event is handled.
    pub(super) fn with<T>(&self, f: impl FnOnce(&mut Running) -> Answer<T>) -> Answer<T> {
        match self.0.running.try_lock().as_deref_mut() {
            Ok(Some(running)) => f(running),
            // Only a call of `with` further out holds the lock, which would be a fault of ours.
            Ok(None) | Err(_) => no_session(),
        }
    }

    fn swap(&self, running: Option<Running>) -> Option<Running> {
        let slot = self.0.running.lock();
        std::mem::replace(&mut *slot.unwrap_or_else(PoisonError::into_inner), running)
    }

    /// Lets the next handler take so many operations.
    pub(super) fn begin_handler(&self, limit: u64) {
        let end = self.operations().saturating_add(limit);
        self.0.operations_end.store(end, Ordering::Relaxed);
    }

    /// How many operations the handlers of this event have taken.
    pub(super) fn operations(&self) -> u64 {
        self.0.operations.load(Ordering::Relaxed)
    }

    /// Counts one operation; gives the reason when the handler has to be stopped. Rhai's own count
    /// starts anew in callbacks of array functions, this one does not.
    pub(super) fn count_operation(&self, limit: u64, over_budget: fn() -> bool) -> Option<Dynamic> {
        // One thread at a time counts here: a load and a store cost less than an atomic addition.
        let count = self.operations() + 1;
        self.0.operations.store(count, Ordering::Relaxed);
        if count > self.0.operations_end.load(Ordering::Relaxed) {
            return Some(format!("more than {limit} operations in one handler").into());
        }
        if count.is_multiple_of(OPERATIONS_PER_LOOK) && over_budget() {
            return Some("the handler took too long".into());
        }
        None
    }

    /// Notes that the error on its way out leaves `function` at `position`.
    pub(super) fn note_step(&self, function: &ImmutableString, position: Position) {
        let operations = self.operations();
        let _in_a_handler = self.with(|running| {
            // Nothing runs while an error is on its way out. So this is another one: `sort` goes on
            // when a comparison fails.
            let last = running.steps.last();
            if last.is_some_and(|step| step.operations != operations) {
                running.steps.clear();
            }
            running.steps.push(Step {
                function: function.clone(),
                position,
                operations,
            });
            Ok(())
        });
    }
}

/// The session while its event is handled. Its tables go back into their instance when the event is
/// done or the script panics.
pub(super) struct Guard<'a> {
    stage: &'a Stage,
    home: &'a mut Option<Box<Tables>>,
    /// `None` while it is on the stage.
    running: Option<Running>,
}

impl<'a> Guard<'a> {
    /// Begins an event of the session with these tables.
    pub(super) fn new(
        stage: &'a Stage,
        home: &'a mut Option<Box<Tables>>,
        running: Running,
    ) -> Self {
        stage.0.operations.store(0, Ordering::Relaxed);
        Guard {
            stage,
            home,
            running: Some(running),
        }
    }

    /// Gives `f` the session between two handlers.
    pub(super) fn with<T>(&mut self, f: impl FnOnce(&mut Running) -> Answer<T>) -> Answer<T> {
        self.running.as_mut().map_or_else(no_session, f)
    }

    /// Runs a handler, which finds the session on the stage.
    pub(super) fn on_stage<T>(&mut self, handler: impl FnOnce() -> T) -> T {
        self.stage.swap(self.running.take());
        let result = handler();
        self.running = self.stage.swap(None);
        result
    }

    /// Ends the event and gives what was asked for, and the first id that is still free.
    pub(super) fn leave(mut self) -> (Vec<Placed>, u64) {
        match self.running.take() {
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
        if let Some(running) = self.running.take().or_else(|| self.stage.swap(None)) {
            *self.home = Some(running.tables);
        }
    }
}

fn no_session<T>() -> Answer<T> {
    refuse("this can be used in a handler only")
}

/// Gives `f` the session in whose handler `ctx` was called: each engine has its stage as its tag.
pub(super) fn with<T>(
    ctx: &NativeCallContext,
    f: impl FnOnce(&mut Running) -> Answer<T>,
) -> Answer<T> {
    match ctx.tag().and_then(|tag| tag.read_lock::<Stage>()) {
        Some(stage) => stage.with(f),
        None => no_session(),
    }
}

/// A Rhai engine with its stage. Whoever has it handles events with it, one after another.
#[derive(Debug)]
pub(super) struct Worker {
    pub engine: Box<Engine>,
    pub stage: Stage,
}

/// The workers that handle nothing: as many as threads have handled events at once. One whose
/// script panicked does not come back.
#[derive(Debug)]
pub(super) struct Workers(Mutex<Vec<Worker>>);

impl Workers {
    /// With a first one.
    pub(super) fn new(worker: Worker) -> Self {
        Workers(Mutex::new(vec![worker]))
    }

    /// One that handles nothing, if there is one.
    pub(super) fn take(&self) -> Option<Worker> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop()
    }

    /// The worker handles nothing any more.
    pub(super) fn give_back(&self, worker: Worker) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(worker);
    }
}
