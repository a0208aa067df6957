//! Everything that enters and leaves the engine.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::{FlowId, PlaybackId, SessionId, UnitId};
use crate::media::{self, Clip};
use crate::script::{self, Instance, Outcome, Sound, Turn};
use crate::sip::{Flow, User};
use crate::termination::Reason;

use super::{Catalog, Notice};

/// Something that happened outside.
#[derive(Debug)]
pub enum Input {
    /// One whole SIP message.
    Sip {
        /// Where it came from.
        flow: Flow,
        /// The message.
        bytes: Bytes,
    },
    /// A stream connection was opened by somebody who has proved a name.
    FlowOpened {
        /// The connection.
        flow: Flow,
        /// The user; `None` when it still has to log in.
        identity: Option<String>,
    },
    /// A stream connection is gone.
    FlowClosed(FlowId),
    /// A user to be known from here on, or its new passwords.
    PutUser(Box<User>),
    /// The name of a user that is no more.
    RemoveUser(String),
    /// A fact from the media core.
    Media(media::Event),
    /// A script turn is over.
    Script(Box<ScriptDone>),
    /// The answer to [`Output::Clip`].
    Clip {
        /// The id of the request.
        id: PlaybackId,
        /// The sound, or why there is none.
        result: Result<Arc<Clip>, String>,
    },
    /// The file of a recording has been made.
    RecordingOpened {
        /// The recorder.
        unit: UnitId,
        /// Its URL, from here to its end and later.
        url: String,
    },
    /// A recording has been finished or has failed.
    Recording {
        /// The recorder.
        unit: UnitId,
        /// Where it is, or what went wrong.
        result: Result<Recorded, String>,
    },
    /// New rules and programs; running sessions keep theirs.
    Catalog(Arc<Catalog>),
    /// No new calls from here on.
    Drain,
    /// End every session at once.
    HangUpAll,
}

/// A finished recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// What a scenario plays it by.
    pub url: String,
    /// Its length.
    pub duration_ms: u64,
}

/// Something to be done outside.
#[derive(Debug)]
pub enum Output {
    /// Send a SIP message.
    Sip {
        /// Over which flow.
        flow: Flow,
        /// The message.
        bytes: Bytes,
    },
    /// An order for the media core.
    Media(media::Command),
    /// Run one event of one session; answered by [`Input::Script`].
    Script(Box<ScriptJob>),
    /// Load or synthesize a sound; answered by [`Input::Clip`].
    Clip {
        /// The id of the request.
        id: PlaybackId,
        /// What is wanted.
        sound: Sound,
    },
    /// Open a recording; its samples come from the media core under `unit`. Its begin is told by
    /// [`Input::RecordingOpened`], its end by [`Input::Recording`].
    OpenRecording {
        /// The recorder.
        unit: UnitId,
        /// File name wanted, without folder and suffix.
        name: String,
    },
    /// Delete the record of a guest.
    RemoveUser {
        /// Its user name.
        name: String,
    },
    /// A fact to be told to whoever wants to know.
    Notice(Notice),
    /// A line that a scenario wrote.
    Log {
        /// The session.
        session: SessionId,
        /// It is a warning.
        warn: bool,
        /// The line.
        text: String,
    },
}

/// One turn of one session, with the session's script state.
#[derive(Debug)]
pub struct ScriptJob {
    /// The session.
    pub session: SessionId,
    /// Its script state; comes back in [`ScriptDone`].
    pub instance: Box<Instance>,
    /// What happened.
    pub event: script::Event,
    /// The call that began the session, when `event` says that it has started: a caller waits
    /// for one turn, not for two.
    pub then: Option<script::Event>,
    /// Clock and free ids.
    pub turn: Turn,
}

impl ScriptJob {
    /// Runs it on this thread. A panic of the host goes through.
    pub fn run(self, host: &script::Host) -> ScriptDone {
        let (mut instance, mut then) = (self.instance, self.then);
        let (now_ms, ids_end) = (self.turn.now_ms, self.turn.ids.end);
        let mut outcome = host.handle(&mut instance, &self.event, self.turn);
        if let Some(event) = then.take_if(|_| outcome.goes_on()) {
            let turn = Turn {
                now_ms,
                ids: outcome.next_id..ids_end,
            };
            let second = host.handle(&mut instance, &event, turn);
            outcome.commands.extend(second.commands);
            outcome = Outcome {
                commands: outcome.commands,
                ..second
            };
        }
        ScriptDone {
            session: self.session,
            instance: Some(instance),
            left: then,
            outcome: Ok(outcome),
        }
    }
}

/// What came of a [`ScriptJob`].
#[derive(Debug)]
pub struct ScriptDone {
    /// The session.
    pub session: SessionId,
    /// The script state; absent when the host panicked.
    pub instance: Option<Box<Instance>>,
    /// [`ScriptJob::then`], when the event before it failed or ended the session.
    pub left: Option<script::Event>,
    /// Commands and error, or the text of the panic.
    pub outcome: Result<Outcome, String>,
}

impl ScriptDone {
    /// A turn whose script state is lost, and why.
    pub fn lost(session: SessionId, why: String) -> ScriptDone {
        ScriptDone {
            session,
            instance: None,
            left: None,
            outcome: Err(why),
        }
    }
}

/// Numbers for metrics and for the shell's drain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sessions that live.
    pub sessions: usize,
    /// Legs that live, internal ends included.
    pub legs: usize,
    /// Conferences that live.
    pub rooms: usize,
    /// Legs in conferences.
    pub participants: usize,
    /// SIP calls since the start.
    pub calls_total: u64,
    /// Calls of phones that no rule matched.
    pub calls_unrouted_phone: u64,
    /// Calls of browsers that no rule matched.
    pub calls_unrouted_web: u64,
    /// Handlers of scenarios that failed.
    pub script_errors: u64,
    /// Commands that were refused.
    pub refused_commands: u64,
    /// SIP legs that have ended, in the order of [`Reason::ALL`].
    pub(super) ended: [u64; Reason::ALL.len()],
}

impl Stats {
    /// How many SIP legs have ended for each reason.
    pub fn legs_ended(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.iter().copied().zip(self.ended)
    }

    pub(super) fn note_ended(&mut self, reason: Reason) {
        let place = Reason::ALL.iter().position(|one| *one == reason);
        if let Some(count) = place.and_then(|place| self.ended.get_mut(place)) {
            *count += 1;
        }
    }
}
