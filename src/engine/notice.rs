//! Facts of the life of calls as values: what the log, a history, web hooks and live views are told
//! of. A [`Notice`] is plain and owns what it says, so that who hears of it asks nobody for more.
//!
//! Ids join them: a session begins and ends once; a leg begins by [`CallArrived`],
//! [`ConferenceCalled`] or [`InternalCall`] and ends by one [`LegEnded`]; conferences, members and
//! recordings begin and end while their session is there. `tests/it/calls/laws.rs` holds all
//! of them to that.
//!
//! Ids are those of one run; [`Run::name`](crate::id::Run::name) of
//! [`Engine::run`](super::Engine::run) gives the names that scenarios see, which no other run has.
//!
//! The engine has no clock of the wall: `at_ms` counts from the begin of the notice's session, and
//! who hears of a notice adds the time of day. Notices leave in the order of the facts, but for
//! [`LegEnded`] of a SIP leg, which waits for the totals of its media, and says when the end was.
//!
//! What names a person is [`Pii`]: masked wherever it is printed, in clear as its field.

use std::net::IpAddr;

use crate::id::{LegId, SessionId, UnitId};
use crate::media::{LegStats, Loss};
use crate::pii::Pii;
use crate::routing::{Source, Trace};
use crate::script::LegInfo;
use crate::termination::Reason;

use super::Recorded;
use super::trace_id::TraceId;

/// A fact.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A session began.
    SessionStarted(SessionStarted),
    /// A session takes no more events. Its legs' and recordings' ends may still follow.
    SessionEnded(SessionEnded),
    /// A handler of a scenario failed.
    ScenarioFailed(ScenarioFailed),
    /// A handler brought the script host down, and its session with it.
    HostPanicked {
        /// Whose handler.
        session: SessionId,
        /// What the host said.
        panic: String,
    },
    /// More events waited for a session than may wait, which ends it.
    EventsOverflowed {
        /// The session.
        session: SessionId,
        /// How many may wait.
        events_max: usize,
    },
    /// A rule took a call: its leg begins.
    CallArrived(Box<CallArrived>),
    /// No rule took a call.
    CallUnrouted(Box<CallUnrouted>),
    /// A call was refused because its rule has to be mended.
    RuleKeptOut {
        /// The rule's application.
        application: String,
        /// The rule.
        rule: String,
    },
    /// A call was refused because its rule has as many sessions as it may.
    RuleFull {
        /// The rule's application.
        application: String,
        /// The rule.
        rule: String,
    },
    /// A session calls a conference: the leg on its side begins.
    ConferenceCalled(ConferenceCalled),
    /// A conference takes that call: the leg on its side begins.
    InternalCall(Box<InternalCall>),
    /// No rule took a call to a conference.
    ConferenceUnrouted(Box<ConferenceUnrouted>),
    /// Both sides of a call have the answer.
    LegAnswered(LegAnswered),
    /// Something about a leg did not work; its end, if it ends for it, is told by itself.
    LegTrouble {
        /// The leg's session.
        session: SessionId,
        /// The leg.
        leg: LegId,
        /// What.
        trouble: Trouble,
    },
    /// The WebSocket of a call is lost, and may come back.
    FlowLost {
        /// The leg's session.
        session: SessionId,
        /// The leg.
        leg: LegId,
    },
    /// It is back.
    FlowBack {
        /// The leg's session.
        session: SessionId,
        /// The leg.
        leg: LegId,
    },
    /// A leg has ended.
    LegEnded(Box<LegEnded>),
    /// A session made a conference.
    ConferenceOpened(ConferenceOpened),
    /// A conference is gone; its members have left it.
    ConferenceClosed(ConferenceClosed),
    /// A leg is in a conference: it hears it, or is heard there.
    LegJoined(Member),
    /// It is so no longer.
    LegLeft(Member),
    /// A sound was to be played and cannot be.
    SoundFailed(SoundFailed),
    /// A recording has its file.
    RecordingBegun(RecordingBegun),
    /// A recording has been written, or has failed.
    RecordingEnded(RecordingEnded),
    /// A session is over before its recordings: nothing more is told of them.
    RecordingsGivenUp {
        /// The session.
        session: SessionId,
        /// Their recorders.
        recorders: Vec<UnitId>,
    },
}

/// A session began.
#[derive(Clone, Debug)]
pub struct SessionStarted {
    /// The session.
    pub session: SessionId,
    /// The rule's application.
    pub application: String,
    /// The rule that it runs.
    pub rule: String,
    /// Where its first call comes from.
    pub source: Source,
    /// The conference that it is, when it was called by such a name.
    pub conference: Option<Pii<String>>,
}

/// A session ended.
#[derive(Clone, Debug)]
pub struct SessionEnded {
    /// The session.
    pub session: SessionId,
    /// The rule's application.
    pub application: String,
    /// The rule.
    pub rule: String,
    /// Why.
    pub reason: Reason,
    /// What its scenario said of it; may be empty.
    pub custom_data: String,
    /// Events that it was not told of because it could not keep up.
    pub events_shed: u64,
    /// How long it lived.
    pub duration_ms: u64,
}

/// A handler failed.
#[derive(Clone, Debug)]
pub struct ScenarioFailed {
    /// Whose handler.
    pub session: SessionId,
    /// File, line and column.
    pub place: String,
    /// The function; empty outside of functions.
    pub function: String,
    /// What went wrong.
    pub message: String,
}

/// Who calls whom.
#[derive(Clone, Debug)]
pub struct Parties {
    /// Where the call comes from.
    pub source: Source,
    /// The caller's number or name.
    pub caller: Pii<String>,
    /// The caller's name for people; may be empty.
    pub display_name: Pii<String>,
    /// What was called.
    pub dialled: Pii<String>,
    /// The user that has proved to be the caller; empty when nobody did.
    pub user: Pii<String>,
}

impl Parties {
    pub(super) fn of(source: Source, info: &LegInfo) -> Parties {
        Parties {
            source,
            caller: Pii(info.caller_id.clone()),
            display_name: Pii(info.display_name.clone()),
            dialled: Pii(info.destination.clone()),
            user: Pii(info.user.clone()),
        }
    }
}

/// A call came in and has a session.
#[derive(Clone, Debug)]
pub struct CallArrived {
    /// What all notices of its caller have.
    pub trace: TraceId,
    /// The session that was started for it.
    pub session: SessionId,
    /// The leg.
    pub leg: LegId,
    /// The Call-ID header.
    pub sip_call_id: String,
    /// The rule that took it.
    pub rule: String,
    /// Where its INVITE came from.
    pub address: IpAddr,
    /// Who calls whom.
    pub parties: Parties,
}

/// A call that no rule took, for all since the last such notice of the same network.
#[derive(Clone, Debug)]
pub struct CallUnrouted {
    /// What all notices of its caller have.
    pub trace: TraceId,
    /// Where its INVITE came from.
    pub address: IpAddr,
    /// Who calls whom.
    pub parties: Parties,
    /// How many calls it stands for, this one included.
    pub times: u64,
    /// By application, the rules that were tried and why they do not match.
    pub tried: Vec<(String, Trace)>,
}

/// A session calls a conference.
#[derive(Clone, Debug)]
pub struct ConferenceCalled {
    /// What all notices of the first caller have.
    pub trace: TraceId,
    /// The calling session.
    pub session: SessionId,
    /// The leg on its side.
    pub leg: LegId,
    /// Since the session began.
    pub at_ms: u64,
    /// Who calls; what was dialled is the name of the conference.
    pub parties: Parties,
}

/// A call from one session and leg to those of a conference.
#[derive(Clone, Debug)]
pub struct InternalCall {
    /// What all notices of the first caller have.
    pub trace: TraceId,
    /// The calling session.
    pub session: SessionId,
    /// The leg on its side.
    pub leg: LegId,
    /// The conference's session.
    pub to_session: SessionId,
    /// The leg on the conference's side.
    pub to_leg: LegId,
    /// Who calls; what was dialled is the name of the conference.
    pub parties: Parties,
}

/// A call to a conference that no rule took.
#[derive(Clone, Debug)]
pub struct ConferenceUnrouted {
    /// The calling session.
    pub session: SessionId,
    /// The leg on its side.
    pub leg: LegId,
    /// The application whose rules were asked.
    pub application: String,
    /// The rules that were tried and why they do not match.
    pub tried: Trace,
}

/// Both sides have the answer.
#[derive(Clone, Debug)]
pub struct LegAnswered {
    /// The leg's session.
    pub session: SessionId,
    /// The leg.
    pub leg: LegId,
    /// Since the session began.
    pub at_ms: u64,
    /// Since the leg began.
    pub waited_ms: u64,
}

/// What did not work about a leg.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// There are no sockets for its media.
    NoMediaPort(String),
    /// The offer of its INVITE cannot be used.
    OfferRefused(String),
    /// The answer in its ACK cannot be used.
    AnswerRefused(String),
    /// The offer of a re-INVITE cannot be used; the call goes on as it was.
    ReinviteRefused(String),
    /// One of the places where the called user is could not be called.
    BranchFailed(String),
    /// The called user is nowhere.
    UserUnregistered(Pii<String>),
    /// The answer of the called user could not be passed on.
    AnswerNotPassed(String),
    /// The media of a browser cannot go on.
    MediaLost(Loss),
}

/// A leg with all that is known of it at its end.
#[derive(Clone, Debug)]
pub struct LegEnded {
    /// What all notices of its caller have.
    pub trace: TraceId,
    /// Its session.
    pub session: SessionId,
    /// The leg.
    pub leg: LegId,
    /// The other side called us; false for a leg that a session called with.
    pub incoming: bool,
    /// Who called whom.
    pub parties: Parties,
    /// Why it ended; its row has the class, the SIP status and the Q.850 cause.
    pub reason: Reason,
    /// When it ended, since the session began.
    pub at_ms: u64,
    /// From its begin to its end.
    pub lived_ms: u64,
    /// From the answer to its end; nothing when there was no answer.
    pub answered_ms: Option<u64>,
    /// What was behind it.
    pub link: EndedLink,
}

/// What was behind a leg.
#[derive(Clone, Debug)]
pub enum EndedLink {
    /// A SIP dialog.
    Sip {
        /// The Call-ID header.
        sip_call_id: String,
        /// The codec that was agreed last; nothing when there was no agreement.
        codec: Option<&'static str>,
        /// Totals of its media; nothing when it had none here, or when the media core did not tell
        /// them in time.
        stats: Option<LegStats>,
    },
    /// The other end of an internal call.
    Internal {
        /// That end.
        peer: LegId,
    },
}

/// A conference begins.
#[derive(Clone, Debug)]
pub struct ConferenceOpened {
    /// Its session.
    pub session: SessionId,
    /// The conference.
    pub conference: UnitId,
    /// What its scenario calls it; may be empty.
    pub label: String,
    /// Since the session began.
    pub at_ms: u64,
}

/// A conference has ended.
#[derive(Clone, Debug)]
pub struct ConferenceClosed {
    /// Its session.
    pub session: SessionId,
    /// The conference.
    pub conference: UnitId,
    /// Since the session began.
    pub at_ms: u64,
}

/// A leg and a conference.
#[derive(Clone, Debug)]
pub struct Member {
    /// The session of both.
    pub session: SessionId,
    /// The conference.
    pub conference: UnitId,
    /// The leg.
    pub leg: LegId,
    /// Since the session began.
    pub at_ms: u64,
}

/// A sound cannot be played.
#[derive(Clone, Debug)]
pub struct SoundFailed {
    /// The session.
    pub session: SessionId,
    /// The leg, conference or player that was to play it.
    pub unit: UnitId,
    /// Path, text or name of the sound.
    pub source: String,
    /// Why.
    pub error: String,
}

/// A recording has its file.
#[derive(Clone, Debug)]
pub struct RecordingBegun {
    /// The session.
    pub session: SessionId,
    /// The recorder.
    pub recorder: UnitId,
    /// What scenarios play it by when it is done.
    pub url: String,
    /// Since the session began.
    pub at_ms: u64,
}

/// What has become of a recording.
#[derive(Clone, Debug)]
pub struct RecordingEnded {
    /// The session.
    pub session: SessionId,
    /// The recorder.
    pub recorder: UnitId,
    /// Its URL and length, or what went wrong; one that failed may not have begun.
    pub result: Result<Recorded, String>,
    /// Since the session began.
    pub at_ms: u64,
}
