//! What a received request meets, in the order of RFC 3261 §8.2: its transaction, the refusals that
//! need no dialog, its dialog, its method.
//!
//! | what is wrong | answer |
//! |---|---|
//! | unreadable | the refusal of the parser, 400 or 505 |
//! | CSeq of another method | 400 |
//! | unknown method | 501 with Allow |
//! | Request-URI neither sip, sips nor tel | 416 |
//! | the same request over another path | 482 |
//! | known method that is not served | 405 with Allow |
//! | REGISTER or a browser's request without a login, or with another's | 401, 403: `admission` |
//! | new INVITE with Max-Forwards 0 | 483 |
//! | Require | 420 with Unsupported: no extension is implemented but the registrar's |
//! | INVITE whose Accept leaves out SDP | 406 |
//! | INVITE or UPDATE with another body | 415 with Accept |
//! | no such dialog | 481 |
//! | CSeq not higher than the last | 500 |
//! | no room | 503 with Retry-After |

use std::time::Instant;

use super::arrival::Arrival;
use super::{Endpoint, admission, reply};
use crate::sip::dialog::DialogId;
use crate::sip::flow::Flow;
use crate::sip::headers::Headers;
use crate::sip::invite::body::{SDP, accepts_sdp, reduce_to_sdp};
use crate::sip::message::{Method, Request};
use crate::sip::transaction::{Key, Merged};
use crate::sip::uri::Scheme;
use crate::sip::wire::{self, Unparsable};

use super::emit::ALLOW;

/// Retry-After of a 503, in seconds.
pub(in crate::sip) const RETRY_AFTER_S: &str = "10";

impl Endpoint {
    pub(super) fn handle_request(&mut self, now: Instant, flow: Flow, mut request: Request) {
        let key = Key::server(&request);
        let back = reply::receive(&mut request.headers, flow);
        let (Ok(key), Ok(back)) = (key, back) else {
            self.counters.garbage += 1;
            return;
        };
        let arrival = Arrival {
            request,
            key,
            flow,
            back,
        };
        if arrival.request.method == Method::Ack {
            self.handle_ack(now, &arrival);
        } else if let Some(id) = self.layer.find(&arrival.key) {
            self.counters.retransmissions += 1;
            let steps = self
                .layer
                .drive(id, |transaction| transaction.machine.handle_request());
            self.step(id, steps.unwrap_or_default());
        } else if arrival.request.method == Method::Cancel {
            self.handle_cancel(now, &arrival);
        } else {
            self.handle_new_request(now, arrival);
        }
    }

    pub(super) fn handle_unparsable(&mut self, flow: Flow, unparsable: Unparsable) {
        self.counters.garbage += 1;
        tracing::debug!(error = %unparsable.error, "Unreadable message");
        let Some(mut refusal) = unparsable.refusal else {
            return;
        };
        // When the Via is what cannot be read, the source is the only address left.
        let back = reply::receive(&mut refusal.headers, flow).unwrap_or(flow);
        let tag = self.stable_tag(&refusal.headers);
        // A To that cannot be read gets no tag: appending to it could only make it worse.
        if refusal.headers.to().is_ok_and(|to| to.tag().is_none())
            && refusal
                .headers
                .append("To", &format!(";tag={tag}"))
                .is_err()
        {
            return;
        }
        self.counters.refused_unparsable += 1;
        self.send(back, wire::write(&refusal));
    }

    fn handle_new_request(&mut self, now: Instant, mut arrival: Arrival) {
        let inside = arrival
            .request
            .headers
            .to()
            .is_ok_and(|to| to.tag().is_some());
        let ends = arrival.request.method == Method::Bye;
        if self.layer.is_full() && !inside && !ends {
            self.counters.shed += 1;
            self.answer_stateless(&arrival, 503, &[("Retry-After", RETRY_AFTER_S)]);
            return;
        }
        if let Some((code, name, value)) = self.refusal(&mut arrival.request, inside) {
            let extra = [(name, value.as_str())];
            let extra = if name.is_empty() { &[][..] } else { &extra[..] };
            self.answer(now, &arrival, code, extra);
        } else if inside {
            self.handle_in_dialog(now, arrival);
        } else {
            self.handle_outside(now, arrival);
        }
    }

    fn handle_outside(&mut self, now: Instant, arrival: Arrival) {
        let mut user = None;
        if self.needs_login(&arrival) {
            user = self.admit(now, &arrival);
            if user.is_none() {
                return;
            }
        }
        match (Act::of(&arrival.request.method), user) {
            (Some(Act::Invite), user) => self.handle_invite(now, arrival, user),
            (Some(Act::Options), _) => self.answer_options(now, &arrival),
            (Some(Act::Register), Some(user)) => self.handle_register(now, &arrival, &user),
            (Some(Act::Register | Act::Bye | Act::Info | Act::Update) | None, _) => {
                self.answer(now, &arrival, 481, &[]);
            }
        }
    }

    /// The refusal that a request outside of our state earns: code, and a header that belongs to it
    /// or "".
    fn refusal(&self, request: &mut Request, inside: bool) -> Option<(u16, &'static str, String)> {
        let plain = |code| Some((code, "", String::new()));
        if let Method::Other(_) = request.method {
            return Some((501, "Allow", ALLOW.to_owned()));
        }
        let headers = &request.headers;
        match headers.cseq() {
            Ok(cseq) if cseq.method == request.method => {}
            Ok(_) | Err(_) => return plain(400),
        }
        if matches!(request.uri.scheme, Scheme::Other(_)) {
            return plain(416);
        }
        if Merged::of(headers).is_some_and(|merged| self.layer.is_merged(&merged)) {
            return plain(482);
        }
        if Act::of(&request.method).is_none() {
            return Some((405, "Allow", ALLOW.to_owned()));
        }
        match headers.max_forwards() {
            Ok(Some(0)) if request.method == Method::Invite && !inside => return plain(483),
            Ok(_) => {}
            Err(_) => return plain(400),
        }
        let required = required(&request.method, headers);
        if !required.is_empty() {
            return Some((420, "Unsupported", required.join(", ")));
        }
        if request.method == Method::Invite && !accepts_sdp(headers) {
            return plain(406);
        }
        if matches!(request.method, Method::Invite | Method::Update) && !reduce_to_sdp(request) {
            return Some((415, "Accept", SDP.to_owned()));
        }
        None
    }

    fn handle_in_dialog(&mut self, now: Instant, arrival: Arrival) {
        let id = DialogId::of_request(&arrival.request.headers);
        let Ok((id, seq)) = id.and_then(|id| Ok((id, arrival.request.headers.cseq()?.seq))) else {
            return self.answer(now, &arrival, 400, &[]);
        };
        let key = self.dialogs.get(&id).copied();
        let dialog = key.and_then(|key| Some((key, self.calls.get(&key)?)));
        let Some((key, call, dialog)) =
            dialog.and_then(|(key, call)| Some((key, call, call.dialog(&id)?)))
        else {
            return self.answer(now, &arrival, 481, &[]);
        };
        let expected = call.user.clone();
        let free = self.is_of(call, dialog.flow, &arrival.flow);
        if !free && !self.admit_inside(now, &arrival, expected) {
            return;
        }
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let hanging_up = call.hanging_up().is_some();
        let Some(dialog) = call.dialog_mut(&id) else {
            return self.answer(now, &arrival, 481, &[]);
        };
        if !dialog.accept_seq(seq) {
            return self.answer(now, &arrival, 500, &[]);
        }
        // Symmetric: what the dialog used last is what a NAT or a reconnected phone listens on.
        self.adopt_flow(now, key, &id, arrival.back);
        match Act::of(&arrival.request.method) {
            Some(Act::Bye) => self.handle_bye(now, key, arrival),
            Some(Act::Options) => self.answer_options(now, &arrival),
            Some(Act::Invite | Act::Update | Act::Info) if hanging_up => {
                self.answer(now, &arrival, 481, &[]);
            }
            Some(Act::Invite) => self.handle_reinvite(now, key, &id, arrival),
            Some(Act::Update) => self.handle_update(now, key, &id, arrival),
            Some(Act::Info) => self.handle_info(now, key, arrival),
            Some(Act::Register) | None => self.answer(now, &arrival, 405, &[("Allow", ALLOW)]),
        }
    }

    fn answer_options(&mut self, now: Instant, arrival: &Arrival) {
        let contact = arrival
            .flow
            .contact(arrival.request.uri.scheme == Scheme::Sips);
        let extra = [
            ("Contact", contact.as_str()),
            ("Allow", ALLOW),
            ("Accept", SDP),
        ];
        self.answer(now, arrival, 200, &extra);
    }
}

/// The methods that are served, without ACK and CANCEL, which belong to another request.
#[derive(Clone, Copy)]
enum Act {
    Invite,
    Bye,
    Options,
    Info,
    Update,
    Register,
}

impl Act {
    fn of(method: &Method) -> Option<Self> {
        match method {
            Method::Invite => Some(Act::Invite),
            Method::Bye => Some(Act::Bye),
            Method::Options => Some(Act::Options),
            Method::Info => Some(Act::Info),
            Method::Update => Some(Act::Update),
            Method::Register => Some(Act::Register),
            Method::Ack
            | Method::Cancel
            | Method::Message
            | Method::Prack
            | Method::Refer
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Other(_) => None,
        }
    }
}

/// The option tags that the sender insists on. Proxy-Require is not for a user agent (RFC 3261
/// §20.29).
fn required(method: &Method, headers: &Headers) -> Vec<String> {
    headers
        .require()
        .into_iter()
        .flatten()
        .filter(|tag| !admission::is_supported(method, tag))
        .map(str::to_owned)
        .collect()
}
