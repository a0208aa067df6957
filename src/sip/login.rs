//! Who a peer is: the users with their hashed passwords, the judgement over an Authorization
//! header, the challenge that asks for one, and which flows are somebody's.
//!
//! It decides nothing about what a user may do; that is the endpoint's (`endpoint/admission`). A
//! user may have several passwords at once, each with its end: an account's own and the tokens of
//! its invitations. RFC 3261 §22, RFC 8760 §2.

mod failures;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tracing::info;

use super::digest::nonce::{Freshness, Nonces};
use super::digest::{Algorithm, Challenge, Credentials};
use super::flow::Flow;
use super::message::Request;
use crate::id::FlowId;
use crate::network::{Network, Repeats};
use crate::pii::Pii;
use failures::{Failures, Try};

/// The realm where none is configured. HA1 values hold it, so changing it voids all passwords.
pub const DEFAULT_REALM: &str = "talkpath";
/// Passwords of one user; the ones that were given first are dropped for more.
pub const HA1S_MAX: usize = 16;
/// Authorization headers of one request that are looked at.
const CREDENTIALS_MAX: usize = 4;
/// Sent with each challenge; clients send it back and it says nothing.
const OPAQUE: &str = "talkpath";

/// Somebody who can log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user part of its address-of-record; compared without regard to case.
    pub name: String,
    /// For people; may be empty.
    pub display_name: String,
    /// Its passwords, hashed; at most [`HA1S_MAX`], the last ones count.
    pub ha1: Vec<Ha1>,
}

/// One hashed password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ha1 {
    /// The hash function.
    pub algorithm: Algorithm,
    /// The realm that is hashed in.
    pub realm: String,
    /// [`Algorithm::ha1`] of name, realm and password, in hexadecimal.
    pub hash: String,
    /// When it ends, in seconds of Unix time; `None` for never.
    pub expires_unix_s: Option<u64>,
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            algorithm,
            expires_unix_s,
            ..
        } = self;
        write!(f, "Ha1({algorithm}, until {expires_unix_s:?})")
    }
}

/// What an Authorization header is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// This user.
    Granted(String),
    /// Nothing to judge: no header, another scheme, realm or algorithm, a nonce of another run.
    Missing,
    /// The password is right and the nonce is used up.
    Stale,
    /// The password is wrong, or there is no such user.
    Wrong,
    /// Not looked at after too many wrong ones; to be tried again after so many seconds.
    Blocked(u64),
}

/// The users and the flows that are theirs.
#[derive(Debug)]
pub(super) struct Logins {
    realm: String,
    /// The algorithms that are offered and taken, in this order.
    digest: Vec<Algorithm>,
    /// An instant with its Unix time in milliseconds.
    clock: Option<(Instant, u64)>,
    users: BTreeMap<String, User>,
    /// Bounded by the connections that are open: an entry goes with its flow.
    flows: BTreeMap<FlowId, String>,
    nonces: Nonces,
    failures: Failures,
    lines: Repeats,
}

impl Logins {
    pub fn new(
        realm: &str,
        digest: &[Algorithm],
        clock: Option<(Instant, u64)>,
        key: [u8; 32],
    ) -> Self {
        Self {
            realm: realm.to_owned(),
            digest: digest.to_vec(),
            clock,
            users: BTreeMap::new(),
            flows: BTreeMap::new(),
            nonces: Nonces::new(key),
            failures: Failures::default(),
            lines: Repeats::default(),
        }
    }

    /// Adds a user or replaces the one of the same name.
    pub fn put(&mut self, mut user: User) {
        user.name = user.name.to_ascii_lowercase();
        let surplus = user.ha1.len().saturating_sub(HA1S_MAX);
        user.ha1.drain(..surplus);
        for ha1 in &mut user.ha1 {
            ha1.hash.make_ascii_lowercase();
        }
        self.users.insert(user.name.clone(), user);
    }

    /// Forgets a user; its flows are nobody's from here on.
    pub fn remove(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        self.users.remove(&name);
        self.flows.retain(|_, user| *user != name);
        self.failures.forget_user(&name);
    }

    /// Makes a flow somebody's. False when there is no such user.
    pub fn bind_flow(&mut self, flow: FlowId, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let known = self.users.contains_key(&name);
        if known {
            self.flows.insert(flow, name);
        }
        known
    }

    pub fn forget_flow(&mut self, flow: FlowId) {
        self.flows.remove(&flow);
    }

    /// Whose a flow is.
    pub fn owner(&self, flow: FlowId) -> Option<&String> {
        self.flows.get(&flow)
    }

    /// Judges the Authorization headers of a request that came over `flow`.
    pub fn check(&mut self, now: Instant, request: &Request, flow: &Flow) -> Login {
        let mut worst = Login::Missing;
        let values = request.headers.values("Authorization");
        let values: Vec<&str> = values.take(CREDENTIALS_MAX).collect();
        for value in values {
            let Ok(Some(credentials)) = Credentials::parse(value) else {
                continue;
            };
            match self.judge(now, &credentials, request, flow.remote.ip()) {
                Login::Missing => {}
                Login::Granted(user) => return Login::Granted(user),
                other @ (Login::Stale | Login::Wrong | Login::Blocked(_)) => worst = other,
            }
        }
        worst
    }

    fn judge(
        &mut self,
        now: Instant,
        given: &Credentials,
        request: &Request,
        address: IpAddr,
    ) -> Login {
        let usable = given.realm == self.realm && given.qop.eq_ignore_ascii_case("auth");
        let algorithm = given.algorithm.filter(|one| self.digest.contains(one));
        let (true, Some(algorithm), Some(count)) = (usable, algorithm, given.count()) else {
            return Login::Missing;
        };
        let freshness = self.nonces.judge(now, &given.nonce);
        if freshness == Freshness::Foreign {
            return Login::Missing;
        }
        let name = given.username.to_ascii_lowercase();
        let this = Try::new(address, &name);
        let wait = self.failures.wait(now, this);
        let right = wait.is_none()
            && given.is_for(&request.uri)
            && self.proves(now, &name, given, algorithm, request);
        if !right {
            self.log_failure(now, address, &name, wait);
        }
        if let Some(wait) = wait {
            return Login::Blocked(wait);
        }
        if !right {
            self.failures.note(now, this);
            return Login::Wrong;
        }
        // A count that came before is a replay or a client that does not count; a new nonce makes
        // the first one useless and costs the second one round trip.
        if freshness == Freshness::Stale || !self.nonces.take(now, &given.nonce, count) {
            return Login::Stale;
        }
        self.failures.note_success(now, this);
        Login::Granted(name)
    }

    fn log_failure(&mut self, now: Instant, from: IpAddr, name: &str, wait: Option<u64>) {
        let network = Network::of(from);
        if let Some(times) = self.lines.note(now, network) {
            let user = Pii(name);
            info!(%network, %user, times, pause_s = wait, "Logins fail: wrong password or name");
        }
    }

    /// Tries every password of the user. An unknown user costs as much as one with one password.
    fn proves(
        &self,
        now: Instant,
        name: &str,
        given: &Credentials,
        algorithm: Algorithm,
        request: &Request,
    ) -> bool {
        let method = &request.method;
        let Some(user) = self.users.get(name) else {
            given.prove(algorithm, "", method);
            return false;
        };
        user.ha1.iter().any(|ha1| {
            ha1.algorithm == algorithm
                && ha1.realm == self.realm
                && self.is_valid(now, ha1)
                && given.prove(algorithm, &ha1.hash, method)
        })
    }

    /// Without a clock nothing that ends is believed.
    fn is_valid(&self, now: Instant, ha1: &Ha1) -> bool {
        ha1.expires_unix_s.is_none_or(|end| {
            self.clock.is_some_and(|(epoch, unix_ms)| {
                let passed = now.saturating_duration_since(epoch).as_millis() as u64;
                end > (unix_ms + passed) / 1000
            })
        })
    }

    /// The WWW-Authenticate values of a 401, one for each algorithm in the order of the settings,
    /// which clients may take for a preference (RFC 8760 §2.3). For a WebSocket MD5 is last: JsSIP
    /// and SIP.js keep the last header alone and know MD5 alone.
    pub fn challenges(&mut self, now: Instant, web: bool, stale: bool) -> Vec<String> {
        let nonce = self.nonces.issue(now);
        let challenge = |algorithm| Challenge {
            realm: self.realm.clone(),
            nonce: nonce.clone(),
            opaque: Some(OPAQUE.to_owned()),
            algorithm,
            auth: true,
            stale,
        };
        let mut offered = self.digest.clone();
        if web {
            offered.sort_by_key(|one| *one == Algorithm::Md5);
        }
        let offered = offered.into_iter();
        offered.map(|one| challenge(one).to_string()).collect()
    }
}

#[cfg(test)]
mod tests;
