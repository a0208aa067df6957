//! The SIP user agent core (RFC 3261 §8, §12–15): messages and requests of its user go in, messages
//! and [`Event`]s come out, in virtual time and without sockets.
//!
//! It owns the transactions, the dialogs and the calls, and answers by itself what needs no
//! decision: OPTIONS, CANCEL, BYE, retransmissions, and every request that must be refused. What an
//! INVITE means, and which body answers it, is its user's. It is the registrar of the users that it
//! is given, and asks browsers for their login (`admission`). It does not read session
//! descriptions, resolve names, open connections, or register anywhere.
//!
//! Order of use: `handle_message`, `handle_timeout` or a request of the user; then `poll_output`
//! until it returns nothing; then wait until `poll_timeout`.
//!
//! **A call** is named by a [`CallKey`] from its INVITE on and ends with exactly one of
//! `Cancelled`, `Bye`, `NoAck`, `Failed`, `Ended`, or an accepted `reject` or `bye` of the user.
//! After that its key names nothing.
//!
//! **A closed stream** ends at once what waits on it: unanswered calls (`Ended`), requests of ours
//! (503). An answered call stays, because its phone may come back: the first request inside the
//! dialog that arrives over another flow moves the call there. When the user needs the lost flow
//! first, `bye` succeeds silently and any other request ends the call with `PeerGone`.
//!
//! A call of a user who logged in is kept for [`Settings::reconnect`], since browsers do come back:
//! what is to be sent waits, and goes out when the same user returns. The rows are in
//! `invite/reconnect`.
//!
//! **Limits.** Calls and transactions are bounded by [`Settings`]. A new INVITE over the limit of
//! calls, or any new request outside of dialogs over the limit of transactions, gets 503 with
//! Retry-After. ACK, BYE, CANCEL and requests inside dialogs are always served, without absorbing
//! their retransmissions when no transaction is free.

mod admission;
mod arrival;
mod arrive;
mod emit;
mod reply;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};

pub(super) use arrival::Arrival;
pub(super) use arrive::RETRY_AFTER_S;
pub(super) use emit::{add_contact, add_extra, bad, overload};
pub(super) use reply::Reply;

use super::counters::Counters;
use super::dialog::DialogId;
use super::digest::Algorithm;
use super::flow::Flow;
use super::headers::Headers;
use super::invite::{Call, OutgoingInvite};
use super::login::{DEFAULT_REALM, Logins};
use super::message::{Message, Request, Response};
use super::registrar::Registrar;
use super::transaction::{Layer, Machine, Tell, TransactionId};
use super::wire;
use crate::deadlines::Deadlines;
use crate::id::FlowId;
use crate::termination::Reason;

/// What an endpoint needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Value of Server and User-Agent.
    pub user_agent: String,
    /// Most calls at once, both ways together.
    pub calls_max: usize,
    /// Most transactions at once. A finished one lives for 32 s over UDP, so this is about 64 times
    /// the calls per second that can be served.
    pub transactions_max: usize,
    /// The realm of all logins, without quotes and backslashes.
    pub realm: String,
    /// The hash functions of logins, in the order in which phones are offered them; no other one is
    /// taken.
    pub digest: Vec<Algorithm>,
    /// The only domain that can be registered at; `None` for any.
    pub domain: Option<String>,
    /// How long the call of a user waits for it after its stream was closed.
    pub reconnect: Duration,
    /// An instant with its Unix time in milliseconds, for passwords that end. Without it these are
    /// never right.
    pub clock: Option<(Instant, u64)>,
}

impl Default for Settings {
    fn default() -> Self {
        let user_agent = concat!("talkpath/", env!("CARGO_PKG_VERSION")).to_owned();
        Self {
            user_agent,
            calls_max: 10_000,
            transactions_max: 262_144,
            realm: DEFAULT_REALM.to_owned(),
            digest: vec![Algorithm::Md5, Algorithm::Sha256],
            domain: None,
            reconnect: Duration::from_secs(60),
            clock: None,
        }
    }
}

/// One INVITE usage, incoming or outgoing. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallKey(pub u64);

/// One request inside a dialog that waits for its answer, the peer's or ours. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestKey(pub u64);

impl fmt::Debug for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call{}", self.0)
    }
}

impl fmt::Debug for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request{}", self.0)
    }
}

/// A message body with its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Value of Content-Type.
    pub content_type: String,
    /// The octets.
    pub bytes: Bytes,
}

impl Body {
    /// The body of a message; `None` when it is empty. Without a Content-Type it counts as
    /// `application/sdp`, as RFC 2543 clients mean it.
    pub fn of(headers: &Headers, bytes: &Bytes) -> Option<Self> {
        let content_type = headers
            .get("Content-Type")
            .unwrap_or("application/sdp")
            .to_owned();
        (!bytes.is_empty()).then(|| Self {
            content_type,
            bytes: bytes.clone(),
        })
    }
}

/// Headers that the user adds: name and value. Those that the endpoint writes itself are refused.
pub type ExtraHeaders = Vec<(String, String)>;

/// A request of the user that was not done. The code is stable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refused {
    /// `unknown-call`, `unknown-request`, `wrong-state`, `request-pending`, `bad-header`,
    /// `reserved-header`, `bad-status`, `flow-lost`, `too-many-requests`, `overload`.
    pub code: &'static str,
    /// What was wrong, for a log.
    pub message: String,
}

impl Refused {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// What the endpoint wants done.
#[expect(
    clippy::large_enum_variant,
    reason = "moved once, on its way out of the queue"
)]
#[derive(Debug)]
pub enum Output {
    /// Put one message on a flow.
    Send {
        /// Where.
        flow: Flow,
        /// The whole message.
        bytes: Bytes,
    },
    /// Tell the user.
    Event(Event),
}

/// What the user must hear. Requests and responses are whole, so that the user may read their
/// headers.
#[derive(Debug)]
pub enum Event {
    /// A call comes in; 100 is already sent. Owed: `accept` or `reject`. A multipart body is
    /// reduced to its session description; an empty one means that the offer is ours.
    Invite {
        /// Its name from here on.
        call: CallKey,
        /// The INVITE.
        request: Request,
        /// How it came.
        flow: Flow,
        /// The user that logged in; `None` for phones, which need not.
        user: Option<String>,
    },
    /// The caller gave up before the answer; 487 is sent.
    Cancelled {
        /// Which call.
        call: CallKey,
    },
    /// The ACK to a 2xx of ours came, the first one or that of a re-INVITE.
    Acked {
        /// Which call.
        call: CallKey,
        /// The answer, when the offer was ours.
        body: Option<Body>,
    },
    /// The ACK never came in 32 s; BYE is sent.
    NoAck {
        /// Which call.
        call: CallKey,
    },
    /// The peer wants to change the session, by INVITE or by UPDATE with a body (see
    /// `request.method`). Owed:
    /// `respond`. An empty body means that the offer is ours.
    Reinvite {
        /// Which call.
        call: CallKey,
        /// The name to answer to.
        key: RequestKey,
        /// The request.
        request: Request,
    },
    /// The peer took back a re-INVITE by CANCEL before it was answered; 487 is sent and its key
    /// names nothing. The call goes on unchanged.
    ReinviteCancelled {
        /// Which call.
        call: CallKey,
        /// Which re-INVITE.
        key: RequestKey,
    },
    /// An INFO. Owed: `respond`.
    Info {
        /// Which call.
        call: CallKey,
        /// The name to answer to.
        key: RequestKey,
        /// The request.
        request: Request,
    },
    /// The peer hung up; 200 is sent.
    Bye {
        /// Which call.
        call: CallKey,
        /// The BYE, for its Reason header.
        request: Request,
    },
    /// A provisional response other than 100 to our INVITE.
    Provisional {
        /// Which call.
        call: CallKey,
        /// The response.
        response: Response,
    },
    /// Our INVITE is answered. Owed: `ack`.
    Answered {
        /// Which call.
        call: CallKey,
        /// The response.
        response: Response,
    },
    /// Our INVITE failed.
    Failed {
        /// Which call.
        call: CallKey,
        /// 300–699: that of the response; 408 when none came, 503 when the flow closed or no
        /// transaction is free, 487 when we gave up.
        code: u16,
        /// The response; `None` when none came.
        response: Option<Response>,
    },
    /// Our re-INVITE or INFO is answered. A 2xx to a re-INVITE without offer waits for `ack` with
    /// the answer.
    RequestAnswered {
        /// Which call.
        call: CallKey,
        /// Which request.
        key: RequestKey,
        /// 200–699: that of the response; 408 when none came, 503 when the flow closed for good.
        response_code: u16,
        /// The response; `None` when none came.
        response: Option<Response>,
    },
    /// The stream of an answered call of a user is closed; `FlowBack` or the end of the call
    /// follows. Requests of ours wait meanwhile.
    FlowLost {
        /// Which call.
        call: CallKey,
    },
    /// The user is back, over another stream.
    FlowBack {
        /// Which call.
        call: CallKey,
    },
    /// The call is over without a word of the peer.
    Ended {
        /// Which call.
        call: CallKey,
        /// Why.
        reason: Reason,
    },
}

impl Event {
    /// The call that it is about.
    pub fn call(&self) -> CallKey {
        match self {
            Event::Invite { call, .. }
            | Event::Cancelled { call }
            | Event::Acked { call, .. }
            | Event::NoAck { call }
            | Event::Reinvite { call, .. }
            | Event::ReinviteCancelled { call, .. }
            | Event::Info { call, .. }
            | Event::Bye { call, .. }
            | Event::Provisional { call, .. }
            | Event::Answered { call, .. }
            | Event::Failed { call, .. }
            | Event::RequestAnswered { call, .. }
            | Event::FlowLost { call }
            | Event::FlowBack { call }
            | Event::Ended { call, .. } => *call,
        }
    }
}

/// Whom a transaction tells.
#[derive(Debug)]
pub(super) enum Owner {
    /// Nobody: its message is the last of its kind.
    Nobody,
    /// The call that an INVITE of the peer belongs to.
    Incoming(CallKey),
    /// A request of the peer that waits for our user.
    Waiting(CallKey, RequestKey),
    /// An INVITE of ours.
    Invite(Box<OutgoingInvite>),
    /// A request of ours inside a dialog.
    Request(CallKey, RequestKey),
}

/// The user agent core.
#[derive(Debug)]
pub struct Endpoint {
    pub(super) settings: Settings,
    pub(super) rng: ChaCha12Rng,
    pub(super) layer: Layer<Owner>,
    pub(super) calls: BTreeMap<CallKey, Call>,
    pub(super) dialogs: BTreeMap<DialogId, CallKey>,
    pub(super) requests: BTreeMap<RequestKey, CallKey>,
    pub(super) streams: BTreeSet<(FlowId, CallKey)>,
    pub(super) of_user: BTreeSet<(String, CallKey)>,
    pub(super) deadlines: Deadlines<CallKey>,
    pub(super) counters: Counters,
    pub(super) logins: Logins,
    pub(super) registrar: Registrar,
    pub(super) draining: bool,
    outputs: VecDeque<Output>,
    next_key: u64,
    tag_seed: u64,
}

impl Endpoint {
    /// An endpoint without calls and users. Tags, branches and the key of nonces are drawn from
    /// `seed`, which must be secret.
    pub fn new(settings: Settings, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha12Rng::from_seed(seed);
        let tag_seed = rng.next_u64();
        let mut nonce_key = [0; 32];
        rng.fill_bytes(&mut nonce_key);
        Self {
            logins: Logins::new(&settings.realm, &settings.digest, settings.clock, nonce_key),
            registrar: Registrar::default(),
            layer: Layer::new(settings.transactions_max),
            settings,
            rng,
            calls: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            requests: BTreeMap::new(),
            streams: BTreeSet::new(),
            of_user: BTreeSet::new(),
            deadlines: Deadlines::default(),
            counters: Counters::default(),
            draining: false,
            outputs: VecDeque::new(),
            next_key: 0,
            tag_seed,
        }
    }

    /// Takes in one framed message. It never fails: what is unreadable is answered or dropped, and
    /// counted.
    pub fn handle_message(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        self.counters.messages += 1;
        match wire::parse(bytes, flow.transport.framing()) {
            Ok(Message::Request(request)) => self.handle_request(now, flow, request),
            Ok(Message::Response(response)) => self.handle_response(now, response),
            Err(unparsable) => self.handle_unparsable(flow, *unparsable),
        }
    }

    /// A stream is closed; see the module text. Nothing happens for UDP flows.
    pub fn handle_flow_closed(&mut self, now: Instant, flow: FlowId) {
        for id in self.layer.on_stream(flow) {
            let owner = self.layer.remove(id).map(|transaction| transaction.owner);
            self.handle_silence(now, id, owner, 503);
        }
        self.lose_flow(now, flow);
        self.registrar.remove_flow(flow);
        self.logins.forget_flow(flow);
    }

    /// Fires every timer that is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(fired) = self.layer.fire(now) {
            if self.step(fired.id, fired.steps) == Some(Tell::Timeout) {
                let owner = self
                    .layer
                    .remove(fired.id)
                    .map(|transaction| transaction.owner);
                self.handle_silence(now, fired.id, owner, 408);
            }
            self.layer.settle(fired.id);
        }
        while let Some(call) = self.deadlines.pop(now) {
            self.handle_call_timeout(now, call);
        }
        self.registrar.handle_timeout(now);
    }

    /// When `handle_timeout` is due next; `None` when nothing runs.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.layer
            .poll_timeout()
            .into_iter()
            .chain(self.deadlines.next())
            .chain(self.registrar.poll_timeout())
            .min()
    }

    /// The next thing to do, in order; `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// While draining, each INVITE outside of dialogs gets 503 with Retry-After; calls go on.
    pub fn set_draining(&mut self, draining: bool) {
        self.draining = draining;
    }

    /// Whether new calls are refused.
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// What was seen since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The Call-ID header of a call, for logs; `None` when the call has ended.
    pub fn sip_call_id(&self, call: CallKey) -> Option<&str> {
        let call = self.calls.get(&call)?;
        let dialog = call
            .dialogs
            .first()
            .map(|dialog| dialog.id.call_id.as_str());
        dialog.or_else(|| call.client.as_ref()?.request.headers.get("Call-ID"))
    }

    /// Number of calls at this moment.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Number of transactions at this moment.
    pub fn transactions(&self) -> usize {
        self.layer.len()
    }

    /// Number of dialogs at this moment.
    pub fn dialogs(&self) -> usize {
        self.dialogs.len()
    }

    /// Entries of each table that speaks of calls.
    pub fn leftovers(&self) -> [(&'static str, usize); 7] {
        [
            ("SIP calls", self.calls.len()),
            ("dialogs", self.dialogs.len()),
            ("SIP requests", self.requests.len()),
            ("streams of calls", self.streams.len()),
            ("calls of users", self.of_user.len()),
            ("deadlines of calls", self.deadlines.len()),
            ("transactions", self.layer.len()),
        ]
    }

    /// A request of ours, or one that waited for our user, will not be answered: `code` says why.
    fn handle_silence(&mut self, now: Instant, id: TransactionId, owner: Option<Owner>, code: u16) {
        match owner {
            Some(Owner::Invite(invite)) => {
                self.counters.timeouts += u64::from(code == 408);
                self.fail_invite(now, id, &invite, code, None);
            }
            Some(Owner::Request(call, key)) if code == 503 && self.waits_again(call, key) => {}
            Some(Owner::Request(call, key)) => {
                self.counters.timeouts += u64::from(code == 408);
                self.finish_request(now, call, key, code, None);
            }
            Some(Owner::Waiting(call, key)) => self.forget_waiting(call, key),
            Some(Owner::Nobody | Owner::Incoming(_)) | None => {}
        }
    }

    /// Whether a request whose stream was closed waits for the return of its user.
    fn waits_again(&mut self, call: CallKey, key: RequestKey) -> bool {
        let call = self.calls.get_mut(&call);
        let asked = call.and_then(|call| call.asked.get_mut(&key));
        asked.map(|asked| asked.transaction = None).is_some()
    }

    /// A response came: to its transaction, and what is new to its owner.
    fn handle_response(&mut self, now: Instant, response: Response) {
        let Some(id) = self.transaction_of(&response) else {
            self.counters.stray_responses += 1;
            return;
        };
        let code = response.code;
        let steps = self.layer.drive(id, |transaction| {
            match (&mut transaction.machine, &transaction.owner) {
                (Machine::InviteClient(machine), Owner::Invite(invite)) => {
                    machine.handle_response(now, code, || invite.ack_failure(&response))
                }
                (Machine::InviteClient(machine), _) => {
                    machine.handle_response(now, code, Bytes::new)
                }
                (Machine::NonInviteClient(machine), _) => machine.handle_response(now, code),
                (Machine::InviteServer(_) | Machine::NonInviteServer(_), _) => Default::default(),
            }
        });
        if self.step(id, steps.unwrap_or_default()) == Some(Tell::Response) {
            self.handle_news(now, id, response);
        }
        self.layer.settle(id);
    }

    fn handle_news(&mut self, now: Instant, id: TransactionId, response: Response) {
        let Some(transaction) = self.layer.get(id) else {
            return;
        };
        match &transaction.owner {
            Owner::Invite(_) => self.handle_invite_response(now, id, response),
            Owner::Request(call, key) if response.code >= 200 => {
                let (call, key) = (*call, *key);
                self.finish_request(now, call, key, response.code, Some(response));
            }
            Owner::Request(..) | Owner::Waiting(..) | Owner::Incoming(_) | Owner::Nobody => {}
        }
    }

    /// The client transaction of a response. `None` for one with several Via values: at a user
    /// agent that is somebody else's (§8.1.3.3).
    fn transaction_of(&self, response: &Response) -> Option<TransactionId> {
        let vias = response.headers.vias().ok()?;
        let [via] = vias.as_slice() else { return None };
        let cseq = response.headers.cseq().ok()?;
        self.layer.find(&super::transaction::Key::client(
            via.branch()?,
            &cseq.method,
        ))
    }
}
