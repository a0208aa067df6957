//! One run of a rule's scenarios: its script state, legs, units, timers and waiting events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use tracing::{info, warn};

use crate::id::{LegId, SessionId, TimerId, UnitId};
use crate::pii::Pii;
use crate::routing::Variable;
use crate::script::{Event, Instance, Place, SessionInfo, Turn};
use crate::termination::Reason;

use super::alarm::Alarm;
use super::catalog::Choice;
use super::leg::Playing;
use super::limits::{IDS_PER_TURN, RECORDINGS_END_MAX};
use super::refused::Told;
use super::{Catalog, Engine, Output, ScriptDone, ScriptJob};

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) application: String,
    pub(super) rule: String,
    pub(super) conference_name: Option<String>,
    pub(super) script: Script,
    pub(super) queue: VecDeque<Event>,
    pub(super) legs: BTreeSet<LegId>,
    pub(super) units: BTreeMap<UnitId, Unit>,
    pub(super) timers: BTreeMap<TimerId, Timer>,
    /// Recordings whose end has not been told.
    pub(super) recordings: usize,
    pub(super) ending: Option<Ending>,
    pub(super) custom_data: String,
    /// The last command that was not carried out.
    pub(super) refused: Option<Told>,
    pub(super) born: Instant,
}

/// Where the script state of a session is.
#[derive(Debug)]
pub(super) enum Script {
    /// No job is out.
    Here(Box<Instance>),
    /// It travels with a job.
    Out,
    /// The host panicked.
    Lost,
}

/// A conference, player or recorder of a session.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) kind: UnitKind,
    /// Where its last command stands, for refusals that come later.
    pub(super) place: Place,
    pub(super) playing: Option<Playing>,
}

/// What a unit is.
#[derive(Debug)]
pub(super) enum UnitKind {
    /// A mixer.
    Conference(Conference),
    /// A player.
    Player,
    /// A recorder.
    Recorder,
}

/// A mixer with its members: the legs that it is sent to or hears.
#[derive(Debug, Default)]
pub(super) struct Conference {
    /// Each member with the number of ways it is connected: 1 or 2.
    pub(super) members: BTreeMap<LegId, u8>,
    pub(super) locked: bool,
    pub(super) members_max: Option<usize>,
}

/// A timer of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    pub(super) at: Instant,
    pub(super) period_ms: Option<u64>,
}

/// How far the end of a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The callers of a failed scenario hear a sentence first.
    Apologising,
    /// Its legs are gone. The ends of its recordings are waited for and told, then
    /// `on_terminating` runs.
    Closing(Reason),
    /// `on_terminating` has been handed out.
    Last,
}

/// What decides about a new session.
pub(super) struct Birth {
    pub(super) choice: Choice,
    pub(super) conference_name: Option<String>,
    pub(super) catalog: std::sync::Arc<Catalog>,
}

impl Session {
    /// Nobody calls, and no event waits or is being worked on.
    pub(super) fn is_idle(&self) -> bool {
        self.legs.is_empty() && self.queue.is_empty() && matches!(self.script, Script::Here(_))
    }
}

fn variable(value: &Variable) -> serde_json::Value {
    match value {
        Variable::Text(text) => text.clone().into(),
        Variable::Integer(number) => (*number).into(),
        Variable::Float(number) => (*number).into(),
        Variable::Bool(flag) => (*flag).into(),
    }
}

impl Engine {
    /// Starts a session; its `started` event is queued first.
    pub(super) fn open_session(&mut self, now: Instant, birth: Birth) -> Option<SessionId> {
        let Choice { application, rule } = birth.choice;
        let program = birth
            .catalog
            .application(&application)?
            .programs
            .get(&rule.name)?
            .clone();
        let id = SessionId(self.take_ids(1));
        let instance = Instance::new(
            program,
            SessionInfo {
                id,
                rule: rule.name.clone(),
                application: application.clone(),
                conference_name: birth.conference_name.clone().unwrap_or_default(),
                custom_data: String::new(),
                variables: rule
                    .variables
                    .iter()
                    .map(|(name, value)| (name.clone(), variable(value)))
                    .collect(),
                seed: self.next_seed(),
            },
        );
        let session = Session {
            application,
            rule: rule.name.clone(),
            conference_name: birth.conference_name,
            script: Script::Here(Box::new(instance)),
            queue: VecDeque::new(),
            legs: BTreeSet::new(),
            units: BTreeMap::new(),
            timers: BTreeMap::new(),
            recordings: 0,
            ending: None,
            custom_data: String::new(),
            refused: None,
            born: now,
        };
        let conference = session.conference_name.as_deref().map(Pii);
        info!(session_id = %id, rule = %session.rule, ?conference, "Session started");
        if let Some(name) = &session.conference_name {
            self.directory
                .insert((session.application.clone(), name.clone()), id);
        }
        self.sessions.insert(id, session);
        self.tell(now, id, Event::Started);
        Some(id)
    }

    /// Why no session of the rule may begin: it is kept out, or has as many as its limit allows.
    pub(super) fn refuses_session(&self, choice: &Choice) -> Option<Reason> {
        let Choice { application, rule } = choice;
        if rule.kept_out {
            warn!(application, rule = %rule.name, "Rule is kept out until it is mended");
            return Some(Reason::RuleKeptOut);
        }
        self.rule_is_full(choice).then(|| {
            info!(application, rule = %rule.name, "Rule has as many sessions as it may");
            Reason::Overload
        })
    }

    fn rule_is_full(&self, choice: &Choice) -> bool {
        let Some(max) = choice.rule.limits.sessions_max else {
            return false;
        };
        let of_rule = |session: &&Session| {
            session.rule == choice.rule.name && session.application == choice.application
        };
        self.sessions.values().filter(of_rule).count() >= max as usize
    }

    /// Queues an event and hands it out when the session is free. A session that ends is told
    /// about its recordings only.
    pub(super) fn tell(&mut self, now: Instant, id: SessionId, event: Event) {
        let events_max = self.settings.session_events_max;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        match session.ending {
            None => {}
            Some(Ending::Apologising | Ending::Closing(_)) if event.is_of_recording() => {}
            Some(Ending::Apologising | Ending::Closing(_) | Ending::Last) => return,
        }
        if session.queue.len() >= events_max {
            warn!(session_id = %id, events_max, "Session cannot keep up with its events");
            self.end_session(now, id, Reason::LimitReached);
            return;
        }
        session.queue.push_back(event);
        if session.ending != Some(Ending::Apologising) {
            self.hand_out(now, id);
        }
    }

    /// Gives the next waiting event to the script, if none is being worked on.
    fn hand_out(&mut self, now: Instant, id: SessionId) {
        let now_ms = self.clock_ms(now);
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.queue.is_empty() || !matches!(session.script, Script::Here(_)) {
            return;
        }
        let script = std::mem::replace(&mut session.script, Script::Out);
        let (Script::Here(instance), Some(event)) = (script, session.queue.pop_front()) else {
            return;
        };
        let first = self.take_ids(IDS_PER_TURN);
        let turn = Turn {
            now_ms,
            ids: first..first + IDS_PER_TURN,
        };
        let job = ScriptJob {
            session: id,
            instance,
            event,
            turn,
        };
        self.outputs.push_back(Output::Script(Box::new(job)));
    }

    /// Takes back the script state, carries out what the turn asked for, goes on.
    pub(super) fn handle_script(&mut self, now: Instant, done: ScriptDone) {
        let ScriptDone {
            session: id,
            instance,
            outcome,
        } = done;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.script = instance.map_or(Script::Lost, Script::Here);
        let ending = session.ending;
        match outcome {
            Ok(outcome) => {
                match ending {
                    None | Some(Ending::Apologising) => {
                        for placed in outcome.commands {
                            self.execute(now, id, placed);
                        }
                    }
                    Some(Ending::Closing(_) | Ending::Last) => {
                        self.execute_last(now, id, outcome.commands);
                    }
                }
                if let Some(error) = outcome.error {
                    self.stats.script_errors += 1;
                    warn!(session_id = %id, place = %error.place, function = %error.function,
                        message = %error.message, "Scenario failed");
                    let text = error.to_string();
                    self.outputs.push_back(Output::Log {
                        session: id,
                        warn: true,
                        text,
                    });
                    if outcome.fatal {
                        self.fail_session(now, id);
                    }
                }
            }
            Err(panic) => {
                self.stats.script_errors += 1;
                warn!(session_id = %id, %panic, "Script host panicked");
                self.fail_session(now, id);
            }
        }
        if ending == Some(Ending::Last) {
            self.forget_session(id);
        } else {
            self.finish_or_go_on(now, id);
        }
    }

    /// After a turn or the end of a recording: the next event, or the last one of a session that
    /// ends.
    pub(super) fn finish_or_go_on(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        match session.ending {
            None if self.sip.is_draining() && session.is_idle() => {
                self.end_session(now, id, Reason::Draining);
            }
            None => self.hand_out(now, id),
            Some(Ending::Apologising) => {}
            Some(Ending::Closing(reason)) => match session.script {
                Script::Out => {}
                Script::Lost => self.forget_session(id),
                Script::Here(_) => {
                    if session.queue.is_empty() && session.recordings == 0 {
                        session.ending = Some(Ending::Last);
                        let reason = reason.to_string();
                        session.queue.push_back(Event::Terminating { reason });
                    }
                    self.hand_out(now, id);
                }
            },
            Some(Ending::Last) => {}
        }
    }

    /// Ends a session whose scenario failed: callers hear a sentence, then everything is hung up.
    fn fail_session(&mut self, now: Instant, id: SessionId) {
        let apology = self.settings.apology_text.clone();
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.ending.is_some() {
            return;
        }
        let listeners: Vec<LegId> = session.legs.iter().copied().collect();
        let listeners: Vec<LegId> = listeners
            .into_iter()
            .filter(|leg| {
                self.legs
                    .get(leg)
                    .is_some_and(|leg| leg.is_connected() && leg.sip().is_some())
            })
            .collect();
        if apology.is_empty() || listeners.is_empty() {
            self.end_session(now, id, Reason::ScriptError);
            return;
        }
        self.leave_directory(id);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.ending = Some(Ending::Apologising);
            session.queue.retain(Event::is_of_recording);
            let others: Vec<LegId> = session
                .legs
                .iter()
                .copied()
                .filter(|leg| !listeners.contains(leg))
                .collect();
            for leg in others {
                self.hang_up(now, leg, Reason::ScriptError, &[]);
            }
        }
        for leg in listeners {
            self.speak(leg, &apology);
        }
        self.set_alarm(now + self.settings.apology, Alarm::Apology(id));
    }

    /// Ends a session: its legs are hung up, its recordings closed, `on_terminating` runs last.
    pub(super) fn end_session(&mut self, now: Instant, id: SessionId, reason: Reason) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        match session.ending {
            None | Some(Ending::Apologising) => {}
            Some(Ending::Closing(_) | Ending::Last) => return,
        }
        info!(session_id = %id, rule = %session.rule, reason = %reason,
            custom_data = session.custom_data,
            duration_ms = now.duration_since(session.born).as_millis() as u64, "Session ends");
        session.ending = Some(Ending::Closing(reason));
        session.queue.retain(Event::is_of_recording);
        let timers = std::mem::take(&mut session.timers);
        let legs: Vec<LegId> = session.legs.iter().copied().collect();
        let units: Vec<UnitId> = session.units.keys().copied().collect();
        let records = session.recordings > 0;
        self.leave_directory(id);
        for timer in timers.into_keys() {
            self.take_back_alarm(Alarm::Timer(id, timer));
        }
        self.take_back_alarm(Alarm::Idle(id));
        self.take_back_alarm(Alarm::Apology(id));
        for leg in legs {
            self.hang_up(now, leg, reason, &[]);
        }
        for unit in units {
            self.remove_unit(id, unit);
        }
        if records {
            self.set_alarm(now + RECORDINGS_END_MAX, Alarm::Recordings(id));
        }
        self.finish_or_go_on(now, id);
    }

    fn leave_directory(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let Some(name) = &session.conference_name else {
            return;
        };
        let key = (session.application.clone(), name.clone());
        if self.directory.get(&key) == Some(&id) {
            self.directory.remove(&key);
        }
    }

    fn forget_session(&mut self, id: SessionId) {
        self.leave_directory(id);
        self.take_back_alarm(Alarm::Idle(id));
        self.take_back_alarm(Alarm::Recordings(id));
        self.forget_recordings(id);
        self.sessions.remove(&id);
    }

    /// Starts the idle time when the last leg has gone.
    pub(super) fn note_leg_gone(&mut self, now: Instant, id: SessionId, leg: LegId) {
        let idle = self.settings.idle;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.legs.remove(&leg);
        if !session.legs.is_empty() {
            return;
        }
        if session.ending == Some(Ending::Apologising) {
            self.end_session(now, id, Reason::ScriptError);
            return;
        }
        self.set_alarm(now + idle, Alarm::Idle(id));
    }
}
