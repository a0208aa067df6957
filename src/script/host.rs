//! The Rhai engines of the process and the run of one event of one session: which handlers are
//! meant, in which order, what happens when one fails.
//!
//! | event | handlers, in order |
//! |---|---|
//! | started, incoming, terminating | the function of that name, if the program has it |
//! | of a leg or unit | what `on(…)` added, as it was when the event came |
//! | digit, timer, end of a leg | what `digits` is collecting there, then the others |
//! | digits replaced by others | the handler of those, after the handler that did it |
//! | refused | `on_error`; without it nothing, since the engine has logged it |
//!
//! A handler that fails leaves the commands that it gave before. `on_error` gets the failure; a
//! failure in `on_error`, or without one, ends the session. A refused command never does: it may
//! have been right when it was given.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage,
    BasicMathPackage, BasicStringPackage, BitFieldPackage, LogicPackage, MoreStringPackage,
    Package,
};
use rhai::{CallFnOptions, Dynamic, Engine, EvalAltResult, FnPtr, Map, Scope};

use super::api::{self, Natives};
use super::collector::{Awaited, Collected};
use super::command::{Command, Event, LegEvent, LegInfo, Place, Placed, UnitEvent};
use super::error::{self, ScriptError};
use super::event;
use super::handle::{self, Answer, Conference, Leg, Player, Recorder};
use super::instance::{Instance, TimerRecord, UnitKind, estimate_bytes};
use super::limits::Limits;
use super::program::Program;
use super::trace;
use super::turn::{Guard, Running, Stage, Worker, Workers};
use crate::id::{LegId, TimerId, UnitId};

/// The state is measured at least every so many events.
const TURNS_PER_MEASURE: u32 = 16;
/// … and after an event that took so many operations.
const OPERATIONS_PER_MEASURE: u64 = 1_000;

/// Runs the scripts of all sessions. Shared by all script threads, each of which takes an engine of
/// its own for the time of an event.
#[derive(Debug)]
pub struct Host {
    /// The functions that scripts may call.
    pub(super) functions: Natives,
    pub(super) limits: Arc<Limits>,
    over_budget: fn() -> bool,
    workers: Workers,
}

/// When an event is handled, and which ids are free for what the script makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The session's clock, milliseconds since 1970.
    pub now_ms: u64,
    /// Ids that no leg, unit or timer has.
    pub ids: std::ops::Range<u64>,
}

/// What came of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What the script asked for, in order; also of a handler that failed later.
    pub commands: Vec<Placed>,
    /// The first id that is still free.
    pub next_id: u64,
    /// The first failure.
    pub error: Option<ScriptError>,
    /// The session has to end with `script-error`.
    pub fatal: bool,
}

impl Outcome {
    /// Nothing failed, and the session was not ended.
    pub fn goes_on(&self) -> bool {
        let ends = |placed: &Placed| matches!(placed.command, Command::Terminate);
        self.error.is_none() && !self.commands.iter().any(ends)
    }
}

/// A handler that is to be called.
struct Call {
    handler: FnPtr,
    event: Map,
    /// The repeating timer that fired.
    timer: Option<TimerId>,
}

impl From<Collected> for Call {
    fn from(collected: Collected) -> Self {
        Call {
            handler: collected.handler,
            event: collected.event,
            timer: None,
        }
    }
}

impl Host {
    /// A host whose sessions keep `limits`. `over_budget` is asked every 100 operations whether the
    /// handler has taken too long: the time of a handler is the caller's business.
    pub fn new(limits: Limits, over_budget: fn() -> bool) -> Self {
        let worker = make_worker(&limits, over_budget);
        Host {
            functions: Natives::of(&worker.engine),
            limits: Arc::new(limits),
            over_budget,
            workers: Workers::new(worker),
        }
    }

    /// Tells a session of an event and gives what its script asks for.
    pub fn handle(&self, instance: &mut Instance, event: &Event, turn: Turn) -> Outcome {
        let Instance {
            program,
            state,
            tables: home,
            ..
        } = instance;
        let Some(tables) = home.take() else {
            return broken(turn.ids.start);
        };
        // A first event on one more thread at once pays for one more engine.
        let worker = self.workers.take();
        let worker = worker.unwrap_or_else(|| make_worker(&self.limits, self.over_budget));
        let running = Running {
            tables,
            commands: Vec::new(),
            now_ms: turn.now_ms,
            ids: turn.ids,
            limits: Arc::clone(&self.limits),
            program: Arc::clone(program),
            replaced: VecDeque::new(),
            replacements: BTreeMap::new(),
            steps: Vec::new(),
        };
        let mut run = Run {
            engine: &worker.engine,
            stage: &worker.stage,
            session: Guard::new(&worker.stage, home, running),
            limits: &self.limits,
            program,
            state,
            error: None,
            fatal: false,
        };
        run.event(event);
        let mut outcome = run.end();
        let operations = worker.stage.operations();
        self.workers.give_back(worker);
        instance.turns = instance.turns.wrapping_add(1);
        if operations >= OPERATIONS_PER_MEASURE || instance.turns.is_multiple_of(TURNS_PER_MEASURE)
        {
            self.measure(instance, &mut outcome);
        }
        outcome
    }

    /// Ends a session whose state has grown beyond the limit.
    fn measure(&self, instance: &Instance, outcome: &mut Outcome) {
        let carried = instance
            .tables
            .as_ref()
            .map_or(0, |tables| tables.handler_bytes());
        if estimate_bytes(&instance.state) + carried > self.limits.state_bytes {
            let mib = self.limits.state_bytes >> 20;
            let message = format!("the state of the session is larger than {mib} MiB");
            let error = ScriptError {
                message,
                ..ScriptError::default()
            };
            outcome.error.get_or_insert(error);
            outcome.fatal = true;
        }
    }
}

/// A panic lost the tables of this session in an earlier event.
fn broken(next_id: u64) -> Outcome {
    let message = "the session has no state any more".to_owned();
    let error = ScriptError {
        message,
        ..ScriptError::default()
    };
    Outcome {
        commands: Vec::new(),
        next_id,
        error: Some(error),
        fatal: true,
    }
}

/// An engine with all that scripts may call, and its stage.
fn make_worker(limits: &Limits, over_budget: fn() -> bool) -> Worker {
    let stage = Stage::default();
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BitFieldPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    BasicFnPackage::new().register_into_engine(&mut engine);
    limits.set(&mut engine);
    // Shared, since Rhai copies it at each call of a function by another one.
    engine.set_default_tag(Dynamic::from(stage.clone()).into_shared());
    let (operations, counter) = (limits.operations, stage.clone());
    engine.on_progress(move |_| counter.count_operation(operations, over_budget));
    #[allow(
        deprecated,
        reason = "marked volatile, not deprecated; the version is pinned"
    )]
    engine.on_var(|name, index, context| {
        // A captured local has no index either, and goes first.
        let free = index == 0 && !context.scope().contains(name);
        Ok(if free {
            handle::fixed_object(name)
        } else {
            None
        })
    });
    handle::register(&mut engine);
    api::register(&mut engine, &stage);
    trace::register(&mut engine, &stage);
    let engine = Box::new(engine);
    Worker { engine, stage }
}

/// One event on its way through the handlers.
struct Run<'a> {
    engine: &'a Engine,
    stage: &'a Stage,
    session: Guard<'a>,
    limits: &'a Limits,
    program: &'a Program,
    state: &'a mut Dynamic,
    error: Option<ScriptError>,
    fatal: bool,
}

impl Run<'_> {
    fn event(&mut self, event: &Event) {
        if let Event::Refused {
            code,
            text,
            leg,
            place,
        } = event
        {
            let about = event::Trouble {
                kind: "refused",
                code,
                text,
                place,
                function: "",
            };
            self.tell_error(about, leg.map(Leg));
            self.call_replaced();
            return;
        }
        match self.session.with(|running| calls(running, event)) {
            Ok(calls) => {
                for call in calls {
                    self.call(call);
                    self.call_replaced();
                    if self.fatal {
                        return;
                    }
                }
            }
            Err(failure) => {
                let error = self.describe(&failure, "digits");
                self.failed(error, None);
                self.call_replaced();
            }
        }
    }

    fn end(self) -> Outcome {
        let (commands, next_id) = self.session.leave();
        Outcome {
            commands,
            next_id,
            error: self.error,
            fatal: self.fatal,
        }
    }

    /// Calls the handlers of collections that were replaced meanwhile, and by these handlers.
    fn call_replaced(&mut self) {
        while !self.fatal {
            match self
                .session
                .with(|running| Ok(running.replaced.pop_front()))
            {
                Ok(Some(replaced)) => self.call(replaced.into()),
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn call(&mut self, call: Call) {
        let leg = call
            .event
            .get("leg")
            .and_then(|leg| leg.read_lock::<Leg>().map(|leg| *leg));
        let result = self.invoke(&call.handler, call.event);
        if let (Some(timer), Ok(())) = (call.timer, &result) {
            count_failures(&mut self.session, timer, None);
        }
        if let Err(failure) = result {
            let function = call.handler.fn_name();
            let mut error = self.describe(&failure, function);
            let failures = call
                .timer
                .and_then(|timer| count_failures(&mut self.session, timer, Some(&error.place)));
            if let Some(failures) = failures {
                error.message +=
                    &format!("; the timer is cancelled, having failed {failures} times in a row");
            }
            self.failed(error, leg);
        }
    }

    fn failed(&mut self, error: ScriptError, leg: Option<Leg>) {
        let about = event::Trouble {
            kind: "failed",
            code: "script-error",
            text: &error.message,
            place: &error.place,
            function: &error.function,
        };
        if !self.tell_error(about, leg) {
            self.fatal = true;
        }
        self.error.get_or_insert(error);
    }

    fn describe(&mut self, failure: &EvalAltResult, handler: &str) -> ScriptError {
        let operations = self.stage.operations();
        let traced = self
            .session
            .with(|running| Ok(running.take_steps(operations)));
        let traced = traced.unwrap_or_default();
        error::describe(self.program, failure, handler, traced, self.limits)
    }

    /// Calls `on_error`; false when there is none.
    fn tell_error(&mut self, about: event::Trouble<'_>, leg: Option<Leg>) -> bool {
        let Some(handler) = entry_point(self.program, "on_error") else {
            return false;
        };
        let event = event::error_event(&about, leg);
        if let Err(failure) = self.invoke(&handler, event) {
            self.error = Some(self.describe(&failure, "on_error"));
            self.fatal = true;
        }
        true
    }

    /// Calls a handler with what it carries and the event, if it takes the event.
    fn invoke(&mut self, handler: &FnPtr, event: Map) -> Answer<()> {
        let name = handler.fn_name();
        let carried = handler.curry().len();
        let mut arguments: Vec<Dynamic> = handler.curry().to_vec();
        let takes_event = self.program.has_function(name, carried + 1);
        let by_script = takes_event || self.program.has_function(name, carried);
        if takes_event || !by_script && !api::HOST_HANDLERS.contains(&(name, carried)) {
            arguments.push(Dynamic::from_map(event));
        }
        let options = CallFnOptions::new().in_all_namespaces(true).eval_ast(true);
        // A host function gets no `this`: it would be taken for an argument.
        let options = if by_script {
            options.bind_this_ptr(self.state)
        } else {
            options
        };
        self.stage.begin_handler(self.limits.operations);
        let (engine, ast) = (self.engine, &self.program.ast);
        let result = self.session.on_stage(|| {
            let mut scope = Scope::new();
            engine.call_fn_with_options::<Dynamic>(options, &mut scope, ast, name, arguments)
        });
        result.map(|_| ())
    }
}

/// Counts the failures in a row of a repeating timer; none when its handler did not fail. Gives
/// their number when the timer was cancelled for them.
fn count_failures(
    session: &mut Guard<'_>,
    timer: TimerId,
    failed_at: Option<&Place>,
) -> Option<u32> {
    let cancelled = session.with(|running| {
        let most = running.limits.timer_failures;
        let record = running.tables.timers.get_mut(&timer);
        let Some(TimerRecord::Script { failures, .. }) = record else {
            return Ok(None);
        };
        *failures = failed_at.map_or(0, |_| failures.saturating_add(1));
        let failures = *failures;
        let Some(place) = failed_at.filter(|_| failures >= most) else {
            return Ok(None);
        };
        // When it cannot be cancelled for want of commands, it is at the next failure.
        running.push_at(place.clone(), Command::CancelTimer { timer })?;
        running.tables.timers.remove(&timer);
        Ok(Some(failures))
    });
    cancelled.unwrap_or(None)
}

fn entry_point(program: &Program, name: &'static str) -> Option<FnPtr> {
    program
        .defines(name)
        .then(|| FnPtr::new(name).ok())
        .flatten()
}

/// What is to be called for an event, after the tables were brought up to date.
fn calls(running: &mut Running, event: &Event) -> Answer<Vec<Call>> {
    let entry = |running: &Running, name, event| {
        entry_point(&running.program, name)
            .map(|handler| Call {
                handler,
                event,
                timer: None,
            })
            .into_iter()
            .collect()
    };
    Ok(match event {
        Event::Started => {
            let about = &running.tables.about;
            let event = event::map([
                ("conference_name", about.conference_name.clone().into()),
                ("custom_data", about.custom_data.clone().into()),
            ]);
            entry(running, "on_started", event)
        }
        Event::Incoming { leg } => {
            running.tables.add_leg(leg.clone());
            let event = incoming_event(running, leg);
            entry(running, "on_incoming", event)
        }
        Event::Terminating { reason } => {
            running.tables.terminating = true;
            entry(
                running,
                "on_terminating",
                event::map([("reason", reason.clone().into())]),
            )
        }
        Event::Leg { leg, event } => leg_calls(running, *leg, event)?,
        Event::Unit { unit, event } => unit_calls(running, *unit, event),
        Event::Timer { timer } => timer_calls(running, *timer)?,
        // Taken care of before: it is no event of something.
        Event::Refused { .. } => Vec::new(),
    })
}

fn incoming_event(running: &Running, leg: &LegInfo) -> Map {
    let headers = running
        .tables
        .legs
        .get(&leg.id)
        .map(|record| record.headers.clone());
    event::map([
        ("leg", Dynamic::from(Leg(leg.id))),
        ("source", leg.source.clone().into()),
        ("caller_id", leg.caller_id.clone().into()),
        ("display_name", leg.display_name.clone().into()),
        ("destination", leg.destination.clone().into()),
        ("headers", Dynamic::from(headers.unwrap_or_default())),
    ])
}

fn collected(collected: Option<Collected>) -> Vec<Call> {
    collected.map(Call::from).into_iter().collect()
}

fn leg_calls(running: &mut Running, leg: LegId, event: &LegEvent) -> Answer<Vec<Call>> {
    let Some(record) = running.tables.legs.get_mut(&leg) else {
        return Ok(Vec::new());
    };
    let handlers = record
        .handlers
        .get(event.word())
        .cloned()
        .unwrap_or_default();
    record.note_event(event);
    let mut calls = match Awaited::of(event) {
        Some(awaited) => collected(api::handle_leg(running, leg, awaited)?),
        None => Vec::new(),
    };
    calls.extend(each(handlers, event::leg_event(Leg(leg), event)));
    Ok(calls)
}

/// Calls of all these handlers with the same event.
fn each(handlers: Vec<FnPtr>, event: Map) -> impl Iterator<Item = Call> {
    let events = std::iter::repeat_n(event, handlers.len());
    handlers
        .into_iter()
        .zip(events)
        .map(|(handler, event)| Call {
            handler,
            event,
            timer: None,
        })
}

fn unit_calls(running: &mut Running, unit: UnitId, event: &UnitEvent) -> Vec<Call> {
    let Some(record) = running.tables.units.get_mut(&unit) else {
        return Vec::new();
    };
    let mut fields = event::unit_event(event);
    let (word, unit_handle) = match record.kind {
        UnitKind::Conference { .. } => (Conference::WORD, Dynamic::from(Conference(unit))),
        UnitKind::Player { .. } => (Player::WORD, Dynamic::from(Player(unit))),
        UnitKind::Recorder => (Recorder::WORD, Dynamic::from(Recorder(unit))),
    };
    fields.insert(word.into(), unit_handle);
    let handlers = record
        .handlers
        .get(event.word())
        .cloned()
        .unwrap_or_default();
    let ended = record.note_event(event);
    if ended {
        running.tables.units.remove(&unit);
    }
    each(handlers, fields).collect()
}

fn timer_calls(running: &mut Running, timer: TimerId) -> Answer<Vec<Call>> {
    let event = event::map([("timer", Dynamic::from(handle::Timer(timer)))]);
    match running.tables.timers.remove(&timer) {
        Some(TimerRecord::Script {
            handler,
            repeat,
            failures,
        }) => {
            let call = Call {
                handler: handler.clone(),
                event,
                timer: repeat.then_some(timer),
            };
            if repeat {
                let record = TimerRecord::Script {
                    handler,
                    repeat,
                    failures,
                };
                running.tables.timers.insert(timer, record);
            }
            Ok(vec![call])
        }
        Some(TimerRecord::Digits { leg }) => Ok(collected(api::handle_digits_timer(running, leg)?)),
        // It was cancelled while the event was on its way.
        None => Ok(Vec::new()),
    }
}
