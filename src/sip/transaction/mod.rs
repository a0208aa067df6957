//! The transaction layer (RFC 3261 §17, RFC 6026, RFC 4320): four machines, their matching and
//! deadlines.
//!
//! A machine knows no message: it takes status codes and whole written messages and says in
//! [`Steps`] what to send again and what its user must hear. It owns its timers, named by the
//! letters of RFC 3261, and at its end at most one [`bytes::Bytes`]. [`Layer`] owns the machines,
//! finds the one a message belongs to (§17.1.3, §17.2.3) and keeps their deadlines in order of
//! time. Dialogs, routing of messages and what a response means are not known here.

mod invite_client;
mod invite_server;
mod key;
mod layer;
mod non_invite_client;
mod non_invite_server;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;

pub use invite_client::InviteClient;
pub use invite_server::InviteServer;
pub use key::{Key, Merged};
pub use layer::{Fired, Full, Layer, Machine, Transaction, TransactionId};
pub use non_invite_client::NonInviteClient;
pub use non_invite_server::NonInviteServer;

/// Round-trip estimate (RFC 3261 §17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// Longest interval between retransmissions of a non-INVITE request and of a final INVITE response.
pub const T2: Duration = Duration::from_secs(4);
/// Longest time a message stays in the network.
pub const T4: Duration = Duration::from_secs(5);
/// 64 × T1, the life of a transaction without an answer.
pub const T1_X64: Duration = Duration::from_secs(32);

/// What one input of a machine caused.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// A message to put on the transaction's flow.
    pub send: Option<Bytes>,
    /// What the transaction user must hear.
    pub tell: Option<Tell>,
}

/// What a transaction tells its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tell {
    /// Client: the response at hand is new to the user.
    Response,
    /// Server: the ACK at hand belongs to a 2xx.
    Ack,
    /// Timer B, F or H fired, or nothing followed a CANCEL.
    Timeout,
}

impl Steps {
    fn none() -> Self {
        Self::default()
    }

    fn send(bytes: Bytes) -> Self {
        Self {
            send: Some(bytes),
            tell: None,
        }
    }

    fn tell(tell: Tell) -> Self {
        Self {
            send: None,
            tell: Some(tell),
        }
    }
}
