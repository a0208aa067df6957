//! Calls: the INVITE usage of a dialog (RFC 3261 §13–15, RFC 3264, RFC 3311, RFC 6086), one act per
//! file.
//!
//! [`Call`] is the state that the acts share. Each file adds the functions of its act to the
//! [`Endpoint`](super::endpoint::Endpoint): what the user may ask, what a message causes, what a
//! timer causes.
//!
//! | file | act |
//! |---|---|
//! | `uas` | an INVITE that comes: provisionals, answer and its repetition, refusal, CANCEL, ACK |
//! | `uac` | an INVITE of ours: provisionals, forks, answer, CANCEL |
//! | `ack` | the ACK of ours to a 2xx, and its repetition |
//! | `reinvite` | INVITE and UPDATE inside the dialog, both ways, glare |
//! | `info` | INFO both ways, answers to requests inside the dialog |
//! | `bye` | the end, both ways |
//! | `reconnect` | a stream that closes, and what waits for its return |
//! | `body` | which bodies an INVITE may bring |

pub(super) mod ack;
pub(super) mod body;
pub(super) mod bye;
pub(super) mod info;
pub(super) mod reconnect;
pub(super) mod reinvite;
pub(super) mod uac;
pub(super) mod uas;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::dialog::{Dialog, DialogId};
use super::endpoint::{Body, CallKey, ExtraHeaders, Reply, RequestKey};
use super::headers::Headers;
use super::message::Request;
use super::transaction::TransactionId;

/// Most early dialogs that one INVITE of ours may make; further forks get no dialog before they
/// answer.
pub(super) const FORKS_MAX: usize = 16;
/// Most requests of the peer in one call that wait for our user; more get 500 with Retry-After.
pub(super) const WAITING_MAX: usize = 8;

/// One INVITE usage.
#[derive(Debug)]
pub(super) struct Call {
    /// How far it is.
    pub phase: Phase,
    /// One for an incoming call; for an outgoing one those of all forks until the first answers.
    pub dialogs: Vec<Dialog>,
    /// An INVITE of the peer that is not yet finished by an ACK.
    pub server: Option<ServerInvite>,
    /// An INVITE of ours that has no final response yet, or whose 2xx waits for the user's ACK.
    pub client: Option<ClientInvite>,
    /// A re-INVITE of ours that waits after a 491.
    pub retry: Option<Retry>,
    /// Other requests of the peer that wait for our user.
    pub waiting: BTreeMap<RequestKey, Waiting>,
    /// Whether we made the Call-ID, which decides who waits longer after a 491.
    pub caller: bool,
    /// Whether the stream that the dialog used is closed.
    pub flow_lost: bool,
    /// When a user that has lost its stream is no longer waited for.
    pub lost_until: Option<Instant>,
    /// Requests of ours that a user has not answered, in order.
    pub asked: BTreeMap<RequestKey, reconnect::Asked>,
    /// The user at the other end, when it logged in. Only flows of this user may take the call
    /// over.
    pub user: Option<String>,
}

/// How far a call is.
#[derive(Debug)]
pub(super) enum Phase {
    /// An INVITE came, no final response yet.
    Incoming,
    /// Our INVITE is on its way.
    Outgoing,
    /// A 2xx was sent or received.
    Confirmed,
    /// Our user hung up, the BYE waits for the ACK (RFC 3261 §15).
    HangingUp { extra: ExtraHeaders },
}

/// An INVITE of the peer.
#[derive(Debug)]
pub(super) struct ServerInvite {
    /// Its transaction.
    pub transaction: TransactionId,
    /// What its responses share.
    pub reply: Reply,
    /// The user's name for it; `None` for the first INVITE of the call.
    pub key: Option<RequestKey>,
    /// Its CSeq number, which the ACK repeats.
    pub seq: u32,
    /// Its Contact, the remote target once it is accepted.
    pub contact: Headers,
    /// Whether it is answered.
    pub state: ServerState,
}

/// Whether an INVITE of the peer is answered.
#[derive(Debug)]
pub(super) enum ServerState {
    /// Not yet. The last provisional with a To tag is repeated each minute (§13.3.1.1).
    Unanswered {
        last: Option<(u16, Bytes)>,
        repeat_at: Option<Instant>,
    },
    /// The 2xx is repeated until its ACK (§13.3.1.4).
    Answered {
        response: Bytes,
        interval: Duration,
        repeat_at: Instant,
        give_up_at: Instant,
    },
}

/// An INVITE of ours.
#[derive(Debug)]
pub(super) struct ClientInvite {
    /// Its transaction.
    pub transaction: TransactionId,
    /// The request, from which ACK and CANCEL are made.
    pub request: Request,
    /// The user's name for it; `None` for the first INVITE of the call.
    pub key: Option<RequestKey>,
    /// How many 491 were met before.
    pub glares: u8,
    /// Whether a 2xx came and the user owes the ACK.
    pub answered: bool,
}

/// A re-INVITE that will be sent again.
#[derive(Debug)]
pub(super) struct Retry {
    /// When.
    pub at: Instant,
    /// The user's name for it.
    pub key: RequestKey,
    /// Its offer.
    pub body: Option<Body>,
    /// How many 491 were met.
    pub glares: u8,
}

/// A request of the peer, other than INVITE, that waits for our user.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Its transaction.
    pub transaction: TransactionId,
    /// What its responses share.
    pub reply: Reply,
    /// The Contact of an UPDATE, the remote target once it is accepted; `None` for an INFO.
    pub update: Option<Headers>,
}

/// An INVITE of ours as its transaction remembers it after the call is gone: enough to acknowledge
/// and hang up what forks answer.
#[derive(Debug)]
pub(super) struct OutgoingInvite {
    /// The call, which may have ended.
    pub call: CallKey,
    /// The request.
    pub request: Request,
    /// Whether the user gave up.
    pub cancel: Cancel,
    /// The ACKs that were sent, by To tag.
    pub acks: Vec<(String, Bytes)>,
}

/// Whether an INVITE of ours is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancel {
    /// No.
    No,
    /// Yes, but no provisional response allows the CANCEL yet (§9.1).
    Wanted,
    /// The CANCEL was sent.
    Sent,
    /// The call of a re-INVITE is over. No CANCEL, but a final response is not awaited forever: the
    /// peer repeats no 2xx in a call that is over.
    Silent,
}

impl Call {
    /// A call before its first dialog.
    pub fn new(phase: Phase, caller: bool) -> Self {
        Self {
            phase,
            dialogs: Vec::new(),
            server: None,
            client: None,
            retry: None,
            waiting: BTreeMap::new(),
            caller,
            flow_lost: false,
            lost_until: None,
            asked: BTreeMap::new(),
            user: None,
        }
    }

    /// Whether it waits for its peer when the stream closes: who has logged in may come back.
    pub fn is_kept(&self) -> bool {
        self.user.is_some()
    }

    /// The dialog with this name.
    pub fn dialog(&self, id: &DialogId) -> Option<&Dialog> {
        self.dialogs.iter().find(|dialog| dialog.id == *id)
    }

    /// The dialog with this name, to be changed.
    pub fn dialog_mut(&mut self, id: &DialogId) -> Option<&mut Dialog> {
        self.dialogs.iter_mut().find(|dialog| dialog.id == *id)
    }

    /// Whether the first INVITE of the call is answered and our user has not hung up.
    pub fn is_confirmed(&self) -> bool {
        matches!(self.phase, Phase::Confirmed)
    }

    /// The headers of the BYE that waits for the ACK, once our user hung up.
    pub fn hanging_up(&self) -> Option<&ExtraHeaders> {
        match &self.phase {
            Phase::HangingUp { extra } => Some(extra),
            Phase::Incoming | Phase::Outgoing | Phase::Confirmed => None,
        }
    }

    /// The earliest thing that time will bring to this call.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let server = self.server.as_ref().and_then(|server| match server.state {
            ServerState::Unanswered { repeat_at, .. } => repeat_at,
            ServerState::Answered {
                repeat_at,
                give_up_at,
                ..
            } => Some(repeat_at.min(give_up_at)),
        });
        let retry = self.retry.as_ref().map(|retry| retry.at);
        server.into_iter().chain(retry).chain(self.lost_until).min()
    }

    /// The unfinished INVITE of the peer while it has no final response.
    pub fn unanswered(&self) -> Option<&ServerInvite> {
        let unanswered =
            |server: &&ServerInvite| matches!(server.state, ServerState::Unanswered { .. });
        self.server.as_ref().filter(unanswered)
    }
}
