//! The registrar's bindings (RFC 3261 §10): at which contacts, and over which flows, a user is
//! reached. It owns the bindings and their ends; who may change them is the endpoint's to ask.
//!
//! | REGISTER | what happens |
//! |---|---|
//! | no Contact | the bindings are listed |
//! | `*` with Expires 0 | all bindings go |
//! | `*` otherwise, or beside others | 400 |
//! | expiry above [`EXPIRES_MAX_S`] | it is cut to that |
//! | expiry from 1 to below [`EXPIRES_MIN_S`] | 423 with Min-Expires |
//! | CSeq not above that of the binding, same Call-ID | 500, nothing is changed |
//! | same `+sip.instance` and `reg-id` (RFC 5626), else an equal URI | the binding is replaced |
//! | an eleventh contact | the one that was refreshed the longest ago goes |
//! | more than ten contacts at once | 403 |
//!
//! A binding over a stream is gone when the stream closes, so the `.invalid` contact of a
//! WebSocket client (RFC 7118 §5) is as good as any: requests go over the flow.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::dialog::ROUTES_MAX;
use super::flow::Flow;
use super::headers::Headers;
use super::name_addr::NameAddr;
use super::params::Params;
use super::text;
use super::uri::Uri;
use crate::id::FlowId;

/// Contacts of one user.
pub const BINDINGS_MAX: usize = 10;
/// The longest expiry, and the one of a client that names none, in seconds.
pub const EXPIRES_MAX_S: u32 = 3600;
/// The shortest expiry, in seconds. Low, since phones behind NAT refresh by REGISTER.
pub const EXPIRES_MIN_S: u32 = 10;

/// One contact of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Where the user says it is: the Request-URI of requests to it.
    pub contact: Uri,
    /// The way that the registration came, and that requests go.
    pub flow: Flow,
    /// Route values for requests to it (RFC 3327), the first hop first.
    pub path: Vec<String>,
    /// The device (`+sip.instance`), as received.
    pub instance: Option<String>,
    /// Which of the device's flows this is (RFC 5626 §4.2).
    pub reg_id: Option<u32>,
    /// When it ends.
    pub expires_at: Instant,
    params: Params,
    call_id: String,
    seq: u32,
    refreshed_at: Instant,
}

impl Binding {
    fn is_same(&self, new: &Binding) -> bool {
        match (&self.instance, &new.instance) {
            (Some(mine), Some(theirs)) => mine == theirs && self.reg_id == new.reg_id,
            (Some(_), None) | (None, Some(_)) | (None, None) => {
                self.contact.equivalent(&new.contact)
            }
        }
    }

    /// The Contact value that lists it.
    fn listed(&self, now: Instant) -> String {
        let left = self.expires_at.saturating_duration_since(now);
        let left = left.as_millis().div_ceil(1000).to_string();
        let mut listed = NameAddr::new(self.contact.clone());
        listed.params = self.params.clone();
        listed.params.set("expires", Some(&left));
        listed.to_string()
    }
}

/// A REGISTER that changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Contact, CSeq or Path cannot be read, or `*` does not stand alone with Expires 0.
    Malformed,
    /// More contacts than there may be.
    TooMany,
    /// An expiry that is too short.
    TooBrief,
    /// An older request than the one that made the binding.
    OutOfOrder,
}

impl Refusal {
    pub fn code(self) -> u16 {
        match self {
            Refusal::Malformed => 400,
            Refusal::TooMany => 403,
            Refusal::TooBrief => 423,
            Refusal::OutOfOrder => 500,
        }
    }
}

/// All bindings.
#[derive(Debug, Default)]
pub(super) struct Registrar {
    bindings: BTreeMap<String, Vec<Binding>>,
    by_end: BTreeSet<(Instant, String)>,
    by_stream: BTreeSet<(FlowId, String)>,
}

impl Registrar {
    /// The bindings of a user, in the order in which they were made.
    pub fn of(&self, user: &str) -> &[Binding] {
        self.bindings.get(user).map_or(&[], Vec::as_slice)
    }

    /// The Contact values that list them.
    pub fn list(&self, now: Instant, user: &str) -> Vec<String> {
        self.of(user).iter().map(|one| one.listed(now)).collect()
    }

    /// Does what a REGISTER of `user` asks for, all of it or nothing. `flow` is where the answer
    /// goes.
    pub fn register(
        &mut self,
        now: Instant,
        user: &str,
        headers: &Headers,
        flow: Flow,
    ) -> Result<(), Refusal> {
        let old = self.of(user);
        let wanted = Wanted::read(now, headers, flow)?;
        let in_order = |one: &Binding| one.call_id != wanted.call_id || one.seq < wanted.seq;
        let mut new = old.to_vec();
        match wanted.changes {
            Changes::RemoveAll => {
                if !old.iter().all(in_order) {
                    return Err(Refusal::OutOfOrder);
                }
                new.clear();
            }
            Changes::Contacts(contacts) => {
                let known = |one: &&Binding| contacts.iter().any(|new| one.is_same(new));
                if !old.iter().filter(known).all(in_order) {
                    return Err(Refusal::OutOfOrder);
                }
                for contact in contacts {
                    apply(&mut new, contact, now);
                }
            }
        }
        self.replace(user, new);
        Ok(())
    }

    /// Forgets all bindings of a user.
    pub fn remove(&mut self, user: &str) {
        self.replace(user, Vec::new());
    }

    /// A stream is closed, and with it the bindings over it.
    pub fn remove_flow(&mut self, flow: FlowId) {
        let first = (flow, String::new());
        let users = self.by_stream.range(first..);
        let users: Vec<String> = users
            .take_while(|(id, _)| *id == flow)
            .map(|(_, user)| user.clone())
            .collect();
        for user in users {
            self.retain(&user, |binding| binding.flow.id != flow);
        }
    }

    /// Forgets what has ended.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, user)) = self.by_end.first()
            && *at <= now
        {
            let user = user.clone();
            self.retain(&user, |binding| binding.expires_at > now);
        }
    }

    /// When the next binding ends.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.by_end.first().map(|(at, _)| *at)
    }

    fn retain(&mut self, user: &str, keep: impl Fn(&Binding) -> bool) {
        let mut left = self.of(user).to_vec();
        left.retain(keep);
        self.replace(user, left);
    }

    /// Puts `new` in the place of a user's bindings, here and in the orders by end and by stream.
    fn replace(&mut self, user: &str, new: Vec<Binding>) {
        for gone in self.bindings.remove(user).into_iter().flatten() {
            self.by_end.remove(&(gone.expires_at, user.to_owned()));
            self.by_stream.remove(&(gone.flow.id, user.to_owned()));
        }
        for binding in &new {
            self.by_end.insert((binding.expires_at, user.to_owned()));
            if binding.flow.is_stream() {
                self.by_stream.insert((binding.flow.id, user.to_owned()));
            }
        }
        if !new.is_empty() {
            self.bindings.insert(user.to_owned(), new);
        }
    }
}

fn apply(bindings: &mut Vec<Binding>, new: Binding, now: Instant) {
    bindings.retain(|one| !one.is_same(&new));
    if new.expires_at <= now {
        return;
    }
    if bindings.len() >= BINDINGS_MAX {
        let ages = bindings.iter().enumerate();
        let oldest = ages.min_by_key(|(_, one)| one.refreshed_at);
        if let Some(index) = oldest.map(|(index, _)| index) {
            bindings.remove(index);
        }
    }
    bindings.push(new);
}

/// What a REGISTER asks for.
struct Wanted {
    changes: Changes,
    call_id: String,
    seq: u32,
}

enum Changes {
    RemoveAll,
    /// To be set; those that end at once are to be removed.
    Contacts(Vec<Binding>),
}

impl Wanted {
    fn read(now: Instant, headers: &Headers, flow: Flow) -> Result<Self, Refusal> {
        let malformed = |_| Refusal::Malformed;
        let call_id = headers.call_id().map_err(malformed)?.to_owned();
        let seq = headers.cseq().map_err(malformed)?.seq;
        // A malformed Expires counts as none (§20.19, §10.2.1.1).
        let expires = headers.expires().ok().flatten();
        if headers.is_contact_star() {
            let changes = Changes::RemoveAll;
            return match expires {
                Some(0) => Ok(Self {
                    changes,
                    call_id,
                    seq,
                }),
                Some(_) | None => Err(Refusal::Malformed),
            };
        }
        let contacts = headers.contacts().map_err(malformed)?;
        let path = headers.list("Path").map_err(malformed)?;
        if contacts.len() > BINDINGS_MAX || path.len() > ROUTES_MAX {
            return Err(Refusal::TooMany);
        }
        let path: Vec<String> = path.into_iter().map(str::to_owned).collect();
        let mut bindings = Vec::new();
        for contact in contacts {
            let seconds = expiry(&contact.params, expires)?;
            let params = contact.params;
            bindings.push(Binding {
                contact: contact.uri,
                flow,
                path: path.clone(),
                instance: params.get("+sip.instance").map(str::to_owned),
                reg_id: params.get("reg-id").and_then(|id| id.parse().ok()),
                expires_at: now + Duration::from_secs(u64::from(seconds)),
                params,
                call_id: call_id.clone(),
                seq,
                refreshed_at: now,
            });
        }
        Ok(Self {
            changes: Changes::Contacts(bindings),
            call_id,
            seq,
        })
    }
}

/// Seconds from the contact's own parameter, else from the Expires header, else our longest.
fn expiry(params: &Params, header: Option<u32>) -> Result<u32, Refusal> {
    let own = params.get("expires").map(|value| {
        use super::error::Fault;
        match text::number(value, u32::MAX) {
            Ok(seconds) => seconds,
            Err(Fault::NumberTooLarge) => u32::MAX,
            Err(_) => EXPIRES_MAX_S,
        }
    });
    match own.or(header).unwrap_or(EXPIRES_MAX_S) {
        1..EXPIRES_MIN_S => Err(Refusal::TooBrief),
        seconds => Ok(seconds.min(EXPIRES_MAX_S)),
    }
}

#[cfg(test)]
mod tests;
