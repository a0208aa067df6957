//! What the engine is told once, at its start: addresses, limits and times.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sip::Algorithm;

/// How the names of guests begin, and of nobody else.
pub const GUEST_PREFIX: &str = "guest-";

/// Settings of the engine. The defaults are those of the configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Greatest number of calls at once; more get 503.
    pub calls_max: usize,
    /// Greatest number of legs in a session that is not a conference.
    pub session_legs_max: usize,
    /// Events that may wait for one session; one more ends it.
    pub session_events_max: usize,
    /// Greatest length of a message or INFO body, in bytes.
    pub message_bytes_max: usize,
    /// Messages that may wait for one leg's earlier ones to be answered.
    pub messages_waiting_max: usize,
    /// How long a message may wait for its turn; an older one is dropped, and the scenario told.
    pub message_age_max: Duration,
    /// Internal calls that may follow one upon the other.
    pub internal_hops_max: u8,
    /// The address in session descriptions; absent: the one on which the peer reached us.
    pub media_address: Option<IpAddr>,
    /// Our address towards other machines, for browsers that reach us on loopback: Firefox sends
    /// no media there. Absent: there is none.
    pub own_address: Option<IpAddr>,
    /// How long a call may stay unanswered.
    pub unanswered: Duration,
    /// How long media may flow before the answer.
    pub early_media: Duration,
    /// How long a session may live without a leg.
    pub idle: Duration,
    /// How long a call waits for a user whose WebSocket was lost.
    pub reconnect: Duration,
    /// How long the apology after a script error may take.
    pub apology: Duration,
    /// Spoken to the callers of a session whose scenario failed; empty: nothing is said.
    pub apology_text: String,
    /// `User-Agent` and `Server`.
    pub user_agent: String,
    /// The realm of all logins.
    pub realm: String,
    /// The hash functions of logins, in the order in which phones are offered them.
    pub digest: Vec<Algorithm>,
    /// The only domain that users register at; absent: any.
    pub domain: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            calls_max: 10_000,
            session_legs_max: 100,
            session_events_max: 10_000,
            message_bytes_max: 8192,
            messages_waiting_max: 100,
            message_age_max: Duration::from_secs(120),
            internal_hops_max: 10,
            media_address: None,
            own_address: None,
            unanswered: Duration::from_secs(60),
            early_media: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            reconnect: Duration::from_secs(60),
            apology: Duration::from_secs(10),
            apology_text: "We are sorry, something went wrong. Goodbye.".to_owned(),
            realm: crate::sip::DEFAULT_REALM.to_owned(),
            digest: vec![Algorithm::Md5, Algorithm::Sha256],
            domain: None,
            user_agent: concat!("talkpath/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Ids that one script turn may hand out; they are taken from the engine's number space whether
/// used or not.
pub(super) const IDS_PER_TURN: u64 = 1024;

/// How long the end of a leg waits to be told for the totals of its media, which the media core
/// gives at its next tick.
pub(super) const TOTALS_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long a session that ends waits for the ends of its recordings.
pub(super) const RECORDINGS_END_MAX: Duration = Duration::from_secs(2);

/// The shortest period of a repeating timer.
pub(super) const TIMER_PERIOD_MIN_MS: u64 = 10;
