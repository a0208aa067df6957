//! The non-INVITE server transaction (RFC 3261 §17.2.2, RFC 4320).
//!
//! | state | input | next | outputs |
//! |---|---|---|---|
//! | Trying | request again | Trying | none |
//! | Trying | the client's E has reached T2 (3.5 s) | Proceeding | the 100 that was given |
//! | Proceeding | request again | Proceeding | 100 again |
//! | Trying, Proceeding | final of the user | Completed; Terminated if reliable | sent; J = 64·T1 |
//! | Trying, Proceeding | the client's F has fired (64·T1) | Terminated | timeout; no late final |
//! | Completed | request again | Completed | final again |
//! | Completed | J | Terminated | none |
//!
//! RFC 4320 §4.1 forbids provisionals other than 100, and the 100 before the client's Timer E is
//! slow enough for it to save a retransmission; §4.2 forbids a 408 and any answer after the
//! client's Timer F.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Steps, T1_X64, Tell};

/// When the Timer E of a client reaches T2: 0.5 + 1 + 2 seconds after its request.
const TRYING_AFTER: Duration = Duration::from_millis(3500);

/// One request other than INVITE and ACK that was received.
#[derive(Debug)]
pub struct NonInviteServer {
    reliable: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Trying {
        trying: Bytes,
        timer_e: Option<Instant>,
        timer_f: Instant,
    },
    Proceeding {
        trying: Bytes,
        timer_f: Instant,
    },
    Completed {
        last: Bytes,
        timer_j: Instant,
    },
    Terminated,
}

impl NonInviteServer {
    /// Starts in Trying; `trying` is the written 100 in case the user needs long. On a reliable
    /// transport the 100 is never sent (RFC 4320 §4.1).
    pub fn new(now: Instant, reliable: bool, trying: Bytes) -> Self {
        let timer_e = (!reliable).then_some(now + TRYING_AFTER);
        Self {
            reliable,
            state: State::Trying {
                trying,
                timer_e,
                timer_f: now + T1_X64,
            },
        }
    }

    /// Starts in Completed with the final response `last`, which the caller has sent.
    pub fn answered(now: Instant, reliable: bool, last: Bytes) -> Self {
        let state = match reliable {
            true => State::Terminated,
            false => State::Completed {
                last,
                timer_j: now + T1_X64,
            },
        };
        Self { reliable, state }
    }

    /// The user sends its final response. A second one, or one after the client gave up, is
    /// dropped.
    pub fn respond(&mut self, now: Instant, bytes: Bytes) -> Steps {
        match self.state {
            State::Trying { .. } | State::Proceeding { .. } => {
                *self = Self::answered(now, self.reliable, bytes.clone());
                Steps::send(bytes)
            }
            State::Completed { .. } | State::Terminated => Steps::none(),
        }
    }

    /// The request came again.
    pub fn handle_request(&mut self) -> Steps {
        match &self.state {
            State::Proceeding { trying: bytes, .. } | State::Completed { last: bytes, .. } => {
                Steps::send(bytes.clone())
            }
            State::Trying { .. } | State::Terminated => Steps::none(),
        }
    }

    /// The earliest of the running timers.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Trying {
                timer_e, timer_f, ..
            } => Some(timer_e.map_or(timer_f, |timer_e| timer_e.min(timer_f))),
            State::Proceeding { timer_f, .. } => Some(timer_f),
            State::Completed { timer_j, .. } => Some(timer_j),
            State::Terminated => None,
        }
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> Steps {
        match &self.state {
            State::Trying { timer_f, .. } | State::Proceeding { timer_f, .. }
                if *timer_f <= now =>
            {
                self.state = State::Terminated;
                Steps::tell(Tell::Timeout)
            }
            State::Trying {
                trying,
                timer_e: Some(timer_e),
                timer_f,
            } if *timer_e <= now => {
                let trying = trying.clone();
                self.state = State::Proceeding {
                    trying: trying.clone(),
                    timer_f: *timer_f,
                };
                Steps::send(trying)
            }
            State::Completed { timer_j, .. } if *timer_j <= now => {
                self.state = State::Terminated;
                Steps::none()
            }
            State::Trying { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Terminated => Steps::none(),
        }
    }

    /// Whether nothing is left to do.
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    /// The name of the state, for logs and tests.
    pub fn state(&self) -> &'static str {
        match self.state {
            State::Trying { .. } => "Trying",
            State::Proceeding { .. } => "Proceeding",
            State::Completed { .. } => "Completed",
            State::Terminated => "Terminated",
        }
    }
}
