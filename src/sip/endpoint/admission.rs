//! Who may do what (RFC 3261 §22.1–22.2, §10): users, the login that a request needs, the registrar
//! behind it.
//!
//! | request | needs |
//! |---|---|
//! | REGISTER | a login; To names the same user; the Request-URI our domain when one is set |
//! | OPTIONS outside of dialogs | nothing |
//! | any other outside of dialogs, from a browser | a login, and From names the same user |
//! | any other outside of dialogs | nothing: rules and scenarios decide about phones |
//! | inside a dialog, over the flow that the dialog used last | nothing |
//! | inside a dialog of a user, or from a browser, over another flow | a login as that user |
//! | CANCEL from a browser | the flow of its INVITE |
//!
//! A login is a digest, or a WebSocket that is somebody's: by the token with which it was opened,
//! or by an earlier digest over it. Without one the answer is 401; with that of another user it is
//! 403, and so it is with Retry-After after too many wrong passwords.

use std::time::Instant;

use super::{Arrival, Endpoint};
use crate::sip::flow::Flow;
use crate::sip::invite::Call;
use crate::sip::login::{Login, User};
use crate::sip::message::Method;
use crate::sip::name_addr::NameAddr;
use crate::sip::registrar::{Binding, EXPIRES_MIN_S, Refusal};

/// Option tags that a REGISTER may require: RFC 3327 and RFC 5626.
const REGISTRAR_TAGS: [&str; 2] = ["path", "outbound"];

impl Endpoint {
    /// Adds a user, or replaces the one of the same name with its passwords. Its bindings and flows
    /// stay.
    pub fn put_user(&mut self, user: User) {
        self.logins.put(user);
    }

    /// Forgets a user: its bindings are gone, its flows are nobody's, its calls go on over the
    /// flows that they use. Nothing happens when there is no such user.
    pub fn remove_user(&mut self, name: &str) {
        self.logins.remove(name);
        self.registrar.remove(&name.to_ascii_lowercase());
    }

    /// Where a user is registered, in the order in which the bindings were made; empty when it is
    /// nowhere.
    pub fn bindings(&self, user: &str) -> Vec<Binding> {
        self.registrar.of(&user.to_ascii_lowercase()).to_vec()
    }

    /// A stream was opened; `identity` is the user that it has already proved to be. It counts only
    /// when there is such a user at this moment. Flows that nobody speaks for need not be told.
    pub fn handle_flow_opened(&mut self, now: Instant, flow: Flow, identity: Option<String>) {
        let Some(identity) = identity else { return };
        if !self.logins.bind_flow(flow.id, &identity) {
            tracing::debug!(flow = %flow.id, ?now, "A token names no user");
        }
    }

    /// Whether a new request outside of dialogs must come from a user.
    pub(super) fn needs_login(&self, arrival: &Arrival) -> bool {
        let method = &arrival.request.method;
        let web = arrival.flow.transport.is_web();
        *method == Method::Register || (web && *method != Method::Options)
    }

    /// The user that a request comes from. `None` when it must not be served: it is answered.
    pub(super) fn admit(&mut self, now: Instant, arrival: &Arrival) -> Option<String> {
        let user = self.login(now, arrival)?;
        let from = arrival.request.headers.from();
        let honest = from.is_ok_and(|from| names(&from, &user));
        if arrival.flow.transport.is_web() && !honest {
            self.counters.login_spoofs += 1;
            self.answer(now, arrival, 403, &[]);
            return None;
        }
        Some(user)
    }

    /// Whether a request inside a dialog may be served. If not, it is answered.
    pub(super) fn admit_inside(
        &mut self,
        now: Instant,
        arrival: &Arrival,
        expected: Option<String>,
    ) -> bool {
        let Some(user) = self.login(now, arrival) else {
            return false;
        };
        let same = expected.is_some_and(|expected| expected == user);
        if !same {
            self.counters.login_spoofs += 1;
            self.answer(now, arrival, 403, &[]);
        }
        same
    }

    /// Whether a request of this dialog may come over this flow without a login.
    pub(in crate::sip) fn is_of(&self, call: &Call, used: Flow, flow: &Flow) -> bool {
        let guarded = call.user.is_some() || flow.transport.is_web();
        let owner = self.logins.owner(flow.id);
        !guarded || used.id == flow.id || (owner.is_some() && owner == call.user.as_ref())
    }

    /// The user of a flow or of a digest. `None` when the request is answered for want of one.
    fn login(&mut self, now: Instant, arrival: &Arrival) -> Option<String> {
        let web = arrival.flow.transport.is_web();
        if let Some(owner) = self.logins.owner(arrival.flow.id) {
            return Some(owner.clone());
        }
        match self.logins.check(now, &arrival.request, &arrival.flow) {
            Login::Granted(user) => {
                self.counters.logins += 1;
                if web {
                    self.logins.bind_flow(arrival.flow.id, &user);
                }
                Some(user)
            }
            Login::Missing => self.challenge(now, arrival, false),
            Login::Stale => self.challenge(now, arrival, true),
            Login::Wrong => {
                self.counters.logins_failed += 1;
                self.challenge(now, arrival, false)
            }
            Login::Blocked(seconds) => {
                self.counters.logins_blocked += 1;
                let seconds = seconds.to_string();
                self.answer(now, arrival, 403, &[("Retry-After", &seconds)]);
                None
            }
        }
    }

    fn challenge(&mut self, now: Instant, arrival: &Arrival, stale: bool) -> Option<String> {
        let web = arrival.flow.transport.is_web();
        let challenges = self.logins.challenges(now, web, stale);
        let extra: Vec<(&str, &str)> = challenges
            .iter()
            .map(|challenge| ("WWW-Authenticate", challenge.as_str()))
            .collect();
        self.answer(now, arrival, 401, &extra);
        None
    }

    /// A REGISTER of a user that is who it says.
    pub(super) fn handle_register(&mut self, now: Instant, arrival: &Arrival, user: &str) {
        let headers = &arrival.request.headers;
        let host = arrival.request.uri.host.as_str();
        let domain = self.settings.domain.as_deref();
        if domain.is_some_and(|domain| !domain.eq_ignore_ascii_case(host)) {
            return self.answer(now, arrival, 404, &[]);
        }
        if !headers.to().is_ok_and(|to| names(&to, user)) {
            self.counters.login_spoofs += 1;
            return self.answer(now, arrival, 403, &[]);
        }
        if let Err(refusal) = self.registrar.register(now, user, headers, arrival.back) {
            let min = EXPIRES_MIN_S.to_string();
            let extra = [("Min-Expires", min.as_str())];
            let extra = match refusal {
                Refusal::TooBrief => &extra[..],
                Refusal::Malformed | Refusal::TooMany | Refusal::OutOfOrder => &[],
            };
            return self.answer(now, arrival, refusal.code(), extra);
        }
        self.follow_registration(now, user, arrival.back);
        let contacts = self.registrar.list(now, user);
        let mut extra: Vec<(&str, &str)> = contacts
            .iter()
            .map(|contact| ("Contact", contact.as_str()))
            .collect();
        extra.extend(headers.values("Path").map(|path| ("Path", path)));
        extra.push(("Supported", "path, outbound"));
        if wants_outbound(arrival) {
            extra.push(("Require", "outbound"));
        }
        self.answer(now, arrival, 200, &extra);
    }
}

/// Whether an option tag may be required of us in a request of this method.
pub(super) fn is_supported(method: &Method, tag: &str) -> bool {
    *method == Method::Register
        && REGISTRAR_TAGS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(tag))
}

/// Whether the client learns that its flow is used (RFC 5626 §6).
fn wants_outbound(arrival: &Arrival) -> bool {
    let headers = &arrival.request.headers;
    let supported = headers.supported().unwrap_or_default();
    let contacts = headers.contacts().unwrap_or_default();
    supported
        .iter()
        .any(|tag| tag.eq_ignore_ascii_case("outbound"))
        && contacts.iter().any(|one| one.params.has("reg-id"))
}

fn names(address: &NameAddr, user: &str) -> bool {
    let named = address.uri.user_unescaped();
    named.is_some_and(|named| named.eq_ignore_ascii_case(user))
}
