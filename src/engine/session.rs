//! One run of a rule's scenarios. A session owns its script state, legs, direct calls, units,
//! timers, deadlines, recordings and waiting events; it handles one [`SessionInput`] at a time.
//!
//! ```text
//! Running ── terminate(), drain, limits, idle ──────────────► Closing ─ recordings have ended,
//!    └── scenario failed ─► Apologising ─ it has been said ──►    │      no event waits
//!                                                                 ▼
//!                                               Terminating: on_terminating runs ─► Over
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::deadlines::Deadlines;
use crate::id::{LegId, PlaybackId, SessionId, TimerId, UnitId};
use crate::media::{self, Clip};
use crate::script::{Event, Instance, LegInfo, Turn};
use crate::sip;
use crate::termination::Reason;

use super::alarm::{Alarm, Timer};
use super::bridge::Bridge;
use super::context::Context;
use super::delivery::FromPeer;
use super::io::Recorded;
use super::leg::Leg;
use super::limits::{IDS_PER_TURN, RECORDINGS_END_MAX};
use super::notice::{Notice, ScenarioFailed, SessionEnded};
use super::refused::Told;
use super::unit::{RecordOf, Unit};
use super::{Output, ScriptDone, ScriptJob};

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) application: String,
    pub(super) rule: String,
    pub(super) conference_name: Option<String>,
    script: Script,
    /// At most `session_events_max`; one more ends the session.
    queue: VecDeque<Event>,
    pub(super) legs: BTreeMap<LegId, Leg>,
    /// Calls that were forwarded to a user, by the caller's leg.
    pub(super) direct: BTreeMap<LegId, Bridge>,
    pub(super) units: BTreeMap<UnitId, Unit>,
    pub(super) timers: BTreeMap<TimerId, Timer>,
    pub(super) alarms: Deadlines<Alarm>,
    /// Recordings whose end has not been told.
    pub(super) recordings: BTreeMap<UnitId, RecordOf>,
    pub(super) phase: Phase,
    pub(super) custom_data: String,
    /// The last command that was not carried out.
    pub(super) refused: Option<Told>,
    /// Events that it was not told of because it could not keep up.
    pub(super) events_shed: u64,
    born: Instant,
}

/// Something for one session.
#[derive(Debug)]
pub(super) enum SessionInput {
    /// A call came in.
    Call(Box<Leg>, LegInfo),
    /// An event of a leg's dialog; for a forwarded call, of either of its two.
    Sip(LegId, Box<sip::Event>),
    /// A fact about the media of a leg or unit.
    Media(media::Event),
    /// A turn is over.
    Turn(Box<ScriptDone>),
    /// A sound for a unit, or why there is none.
    Clip {
        unit: UnitId,
        id: PlaybackId,
        result: Result<Arc<Clip>, String>,
    },
    /// The file of a recording has been made.
    RecordingOpened { unit: UnitId, url: String },
    /// A recording has been finished or has failed.
    Recording {
        unit: UnitId,
        result: Result<Recorded, String>,
    },
    /// What the other end of an internal call did.
    Peer { leg: LegId, said: FromPeer },
    /// A deadline of the session is due.
    Timeout,
    /// The engine takes no new calls: a session that nobody calls ends.
    Drain,
    /// The session ends.
    End(Reason),
}

/// Where the script state of a session is.
#[derive(Debug)]
enum Script {
    /// No job is out.
    Here(Box<Instance>),
    /// It travels with a job.
    Out,
    /// The host panicked.
    Lost,
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Events are handed to the script as they come.
    Running,
    /// The callers of a failed scenario hear a sentence first.
    Apologising,
    /// Its legs are gone. The ends of its recordings are waited for and told, then
    /// `on_terminating` runs.
    Closing(Reason),
    /// `on_terminating` has been handed out.
    Terminating,
    /// The engine removes it.
    Over,
}

impl Session {
    /// A session whose script is told that it has started with the first event that follows.
    pub(super) fn new(
        (id, application, rule): (SessionId, String, String),
        conference_name: Option<String>,
        instance: Instance,
        born: Instant,
    ) -> Session {
        Session {
            id,
            application,
            rule,
            conference_name,
            script: Script::Here(Box::new(instance)),
            queue: VecDeque::from([Event::Started]),
            legs: BTreeMap::new(),
            direct: BTreeMap::new(),
            units: BTreeMap::new(),
            timers: BTreeMap::new(),
            alarms: Deadlines::default(),
            recordings: BTreeMap::new(),
            phase: Phase::Running,
            custom_data: String::new(),
            refused: None,
            events_shed: 0,
            born,
        }
    }

    /// Takes in what happened. What follows from it is left in the context.
    pub(super) fn handle(&mut self, cx: &mut Context, input: SessionInput) {
        match input {
            SessionInput::Call(leg, info) => {
                let id = leg.id;
                self.add_leg(cx, *leg);
                self.open_media(cx, id);
                self.tell(cx, Event::Incoming { leg: info });
            }
            SessionInput::Sip(leg, event) => self.handle_sip(cx, leg, *event),
            SessionInput::Media(event) => self.handle_media(cx, event),
            SessionInput::Turn(done) => self.handle_turn(cx, *done),
            SessionInput::Clip { unit, id, result } => self.handle_clip(cx, unit, id, result),
            SessionInput::RecordingOpened { unit, url } => {
                self.handle_recording_opened(cx, unit, url);
            }
            SessionInput::Recording { unit, result } => self.handle_recording(cx, unit, result),
            SessionInput::Peer { leg, said } => self.handle_peer(cx, leg, said),
            SessionInput::Timeout => self.fire_alarms(cx),
            // Whoever is idle ends below.
            SessionInput::Drain => {}
            SessionInput::End(reason) => self.end(cx, reason),
        }
        if self.phase == Phase::Running && cx.sip.is_draining() && self.is_idle() {
            self.end(cx, Reason::Draining);
        }
    }

    /// When [`SessionInput::Timeout`] is due next; nothing when no deadline is set.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.alarms.next()
    }

    /// Nothing is left of it.
    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Nobody calls, and no event waits or is being worked on.
    fn is_idle(&self) -> bool {
        self.legs.is_empty() && self.queue.is_empty() && matches!(self.script, Script::Here(_))
    }

    /// How long the session has lived, in milliseconds.
    pub(super) fn at_ms(&self, cx: &Context) -> u64 {
        cx.ms_since(self.born)
    }

    /// Half of the events that may wait do so: a session that cannot keep up is told less rather
    /// than ended for it.
    pub(super) fn is_crowded(&self, cx: &Context) -> bool {
        self.queue.len() >= cx.settings.session_events_max / 2
    }

    /// Queues an event and hands it out when the script is free. A session that ends is told about
    /// its recordings only.
    pub(super) fn tell(&mut self, cx: &mut Context, event: Event) {
        let events_max = cx.settings.session_events_max;
        match self.phase {
            Phase::Running => {}
            Phase::Apologising | Phase::Closing(_) if event.is_of_recording() => {}
            Phase::Apologising | Phase::Closing(_) | Phase::Terminating | Phase::Over => return,
        }
        if self.queue.len() >= events_max {
            cx.notice(Notice::EventsOverflowed {
                session: self.id,
                events_max,
            });
            self.end(cx, Reason::LimitReached);
            return;
        }
        self.queue.push_back(event);
        if self.phase != Phase::Apologising {
            self.hand_out(cx);
        }
    }

    /// Gives the next waiting event that needs a turn to the script, if none is being worked on.
    /// Events that no handler waits for are absorbed.
    fn hand_out(&mut self, cx: &mut Context) {
        let Script::Here(instance) = &mut self.script else {
            return;
        };
        let event = loop {
            match self.queue.pop_front() {
                Some(event) if instance.absorb(&event) => {}
                Some(event) => break event,
                None => return,
            }
        };
        let Script::Here(instance) = std::mem::replace(&mut self.script, Script::Out) else {
            return;
        };
        let mut then = None;
        if matches!(event, Event::Started)
            && let Some(Event::Incoming { .. }) = self.queue.front()
        {
            then = self.queue.pop_front();
        }
        let ids = IDS_PER_TURN * if then.is_some() { 2 } else { 1 };
        let first = cx.take_ids(ids);
        let turn = Turn {
            now_ms: cx.clock_ms(),
            ids: first..first + ids,
        };
        let job = ScriptJob {
            session: self.id,
            instance,
            event,
            then,
            turn,
        };
        cx.outputs.push_back(Output::Script(Box::new(job)));
    }

    /// Takes back the script state, carries out what the turn asked for, goes on.
    fn handle_turn(&mut self, cx: &mut Context, done: ScriptDone) {
        self.script = done.instance.map_or(Script::Lost, Script::Here);
        let phase = self.phase;
        // A session that ended meanwhile is told about its recordings only.
        if let Some(event) = done.left.filter(|_| phase == Phase::Running) {
            self.queue.push_front(event);
        }
        match done.outcome {
            Ok(outcome) => {
                match phase {
                    Phase::Running | Phase::Apologising => {
                        for placed in outcome.commands {
                            self.execute(cx, placed);
                        }
                    }
                    Phase::Closing(_) | Phase::Terminating | Phase::Over => {
                        self.execute_last(cx, outcome.commands);
                    }
                }
                if let Some(error) = outcome.error {
                    cx.stats.script_errors += 1;
                    let text = error.to_string();
                    cx.notice(Notice::ScenarioFailed(ScenarioFailed {
                        session: self.id,
                        place: error.place.to_string(),
                        function: error.function,
                        message: error.message,
                    }));
                    cx.warn_scenario(self.id, text);
                    if outcome.fatal {
                        self.fail(cx);
                    }
                }
            }
            Err(panic) => {
                cx.stats.script_errors += 1;
                let session = self.id;
                cx.notice(Notice::HostPanicked { session, panic });
                self.fail(cx);
            }
        }
        if phase == Phase::Terminating {
            self.phase = Phase::Over;
        } else {
            self.finish_or_go_on(cx);
        }
    }

    /// After a turn or the end of a recording: the next event, or the last one of a session that
    /// ends.
    pub(super) fn finish_or_go_on(&mut self, cx: &mut Context) {
        match self.phase {
            Phase::Running => self.hand_out(cx),
            Phase::Closing(reason) => {
                self.hand_out(cx);
                let waits = !self.queue.is_empty() || !self.recordings.is_empty();
                match self.script {
                    Script::Out => {}
                    Script::Lost if !self.recordings.is_empty() => {}
                    Script::Lost => self.phase = Phase::Over,
                    Script::Here(_) if waits => {}
                    Script::Here(_) => {
                        self.phase = Phase::Terminating;
                        let reason = reason.to_string();
                        self.queue.push_back(Event::Terminating { reason });
                        self.hand_out(cx);
                        if matches!(self.script, Script::Here(_)) {
                            self.phase = Phase::Over;
                        }
                    }
                }
            }
            Phase::Apologising | Phase::Terminating | Phase::Over => {}
        }
    }

    /// Ends a session whose scenario failed: callers hear a sentence, then everything is hung up.
    fn fail(&mut self, cx: &mut Context) {
        if self.phase != Phase::Running {
            return;
        }
        let apology = cx.settings.apology_text.clone();
        let hears = |leg: &Leg| leg.is_connected() && leg.sip().is_some();
        let (listeners, others): (Vec<LegId>, Vec<LegId>) = self
            .legs
            .keys()
            .partition(|id| self.legs.get(id).is_some_and(hears));
        if apology.is_empty() || listeners.is_empty() {
            self.end(cx, Reason::ScriptError);
            return;
        }
        self.leave_directory(cx);
        self.phase = Phase::Apologising;
        self.queue.retain(Event::is_of_recording);
        for leg in others {
            self.hang_up(cx, leg, Reason::ScriptError, &[]);
        }
        for leg in listeners {
            self.speak(cx, leg, &apology);
        }
        let until = cx.now + cx.settings.apology;
        self.alarms.set(Alarm::Apology, Some(until));
    }

    /// Ends the session: its legs are hung up, its recordings closed, `on_terminating` runs last.
    pub(super) fn end(&mut self, cx: &mut Context, reason: Reason) {
        match self.phase {
            Phase::Running | Phase::Apologising => {}
            Phase::Closing(_) | Phase::Terminating | Phase::Over => return,
        }
        cx.notice(Notice::SessionEnded(SessionEnded {
            session: self.id,
            application: self.application.clone(),
            rule: self.rule.clone(),
            reason,
            custom_data: self.custom_data.clone(),
            events_shed: self.events_shed,
            duration_ms: self.at_ms(cx),
        }));
        self.phase = Phase::Closing(reason);
        self.queue.retain(Event::is_of_recording);
        self.leave_directory(cx);
        for timer in std::mem::take(&mut self.timers).into_keys() {
            self.alarms.set(Alarm::Timer(timer), None);
        }
        let legs: Vec<LegId> = self.legs.keys().copied().collect();
        for leg in legs {
            self.hang_up(cx, leg, reason, &[]);
        }
        let units: Vec<UnitId> = self.units.keys().copied().collect();
        for unit in units {
            self.remove_unit(cx, unit);
        }
        self.alarms.set(Alarm::Idle, None);
        self.alarms.set(Alarm::Apology, None);
        if !self.recordings.is_empty() {
            let until = cx.now + RECORDINGS_END_MAX;
            self.alarms.set(Alarm::Recordings, Some(until));
        }
        self.finish_or_go_on(cx);
    }

    fn leave_directory(&self, cx: &mut Context) {
        let Some(name) = &self.conference_name else {
            return;
        };
        let key = (self.application.clone(), name.clone());
        if cx.index.conferences.get(&key) == Some(&self.id) {
            cx.index.conferences.remove(&key);
        }
    }

    /// Puts a leg into the session and starts the time in which it must be answered.
    pub(super) fn add_leg(&mut self, cx: &mut Context, leg: Leg) {
        let id = leg.id;
        if let Some(sip) = leg.sip() {
            cx.index.calls.insert(sip.call, id);
        }
        cx.index.units.insert(id.unit(), self.id);
        self.legs.insert(id, leg);
        self.alarms.set(Alarm::Idle, None);
        let until = cx.now + cx.settings.unanswered;
        self.alarms.set(Alarm::Unanswered(id), Some(until));
    }

    /// Starts the idle time when the last leg has gone.
    pub(super) fn note_leg_gone(&mut self, cx: &mut Context) {
        if !self.legs.is_empty() {
            return;
        }
        if self.phase == Phase::Apologising {
            self.end(cx, Reason::ScriptError);
            return;
        }
        let until = cx.now + cx.settings.idle;
        self.alarms.set(Alarm::Idle, Some(until));
    }
}
