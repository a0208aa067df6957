//! The INVITE client transaction (RFC 3261 §17.1.1 with the Accepted state of RFC 6026 §7.2).
//!
//! | state | input | next | outputs |
//! |---|---|---|---|
//! | – | start | Calling | INVITE; A = T1 (unreliable only), B = 64·T1 |
//! | Calling | A | Calling | INVITE again; A doubles |
//! | Calling | B | Terminated | timeout |
//! | Calling, Proceeding | 1xx | Proceeding | told |
//! | Calling, Proceeding | 2xx | Accepted | told; M = 64·T1 |
//! | Calling, Proceeding | 3xx–6xx | Completed, Terminated when reliable | ACK, told; D = 32 s |
//! | Proceeding | CANCEL was sent | Proceeding | 64·T1 to a final response (RFC 3261 §9.1) |
//! | Proceeding | that time is over | Terminated | timeout |
//! | Completed | 3xx–6xx | Completed | ACK again |
//! | Completed | D | Terminated | none |
//! | Accepted | 2xx | Accepted | told: the user repeats its ACK or serves a fork |
//! | Accepted | M | Terminated | none |

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Steps, T1, T1_X64, Tell};

/// Timer D, at least 32 seconds for unreliable transports.
const TIMER_D: Duration = Duration::from_secs(32);

/// One INVITE of ours.
#[derive(Debug)]
pub struct InviteClient {
    reliable: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Calling {
        invite: Bytes,
        interval: Duration,
        timer_a: Option<Instant>,
        timer_b: Instant,
    },
    Proceeding {
        cancelled: Option<Instant>,
    },
    Completed {
        ack: Bytes,
        timer_d: Instant,
    },
    Accepted {
        timer_m: Instant,
    },
    Terminated,
}

impl InviteClient {
    /// Starts in Calling; the caller sends `invite` the first time.
    pub fn new(now: Instant, reliable: bool, invite: Bytes) -> Self {
        let state = State::Calling {
            invite,
            interval: T1,
            timer_a: (!reliable).then_some(now + T1),
            timer_b: now + T1_X64,
        };
        Self { reliable, state }
    }

    /// A response with status `code` came; `ack` writes the ACK to a final response other than 2xx.
    pub fn handle_response(
        &mut self,
        now: Instant,
        code: u16,
        ack: impl FnOnce() -> Bytes,
    ) -> Steps {
        match (&self.state, code) {
            (State::Calling { .. }, 0..200) => {
                self.state = State::Proceeding { cancelled: None };
                Steps::tell(Tell::Response)
            }
            (State::Calling { .. } | State::Proceeding { .. }, 200..300) => {
                self.state = State::Accepted {
                    timer_m: now + T1_X64,
                };
                Steps::tell(Tell::Response)
            }
            (State::Calling { .. } | State::Proceeding { .. }, 300..) => {
                let ack = ack();
                self.state = match self.reliable {
                    true => State::Terminated,
                    false => State::Completed {
                        ack: ack.clone(),
                        timer_d: now + TIMER_D,
                    },
                };
                Steps {
                    send: Some(ack),
                    tell: Some(Tell::Response),
                }
            }
            (State::Proceeding { .. }, 0..200) | (State::Accepted { .. }, 200..300) => {
                Steps::tell(Tell::Response)
            }
            (State::Completed { ack, .. }, 300..) => Steps::send(ack.clone()),
            (State::Completed { .. }, 0..300)
            | (State::Accepted { .. }, 0..200 | 300..)
            | (State::Terminated, _) => Steps::none(),
        }
    }

    /// A CANCEL was sent for this INVITE: without a final response the transaction ends in 64·T1.
    pub fn handle_cancelled(&mut self, now: Instant) {
        if let State::Proceeding { cancelled } = &mut self.state {
            cancelled.get_or_insert(now + T1_X64);
        }
    }

    /// The earliest of the running timers.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Calling {
                timer_a, timer_b, ..
            } => Some(timer_a.map_or(timer_b, |timer_a| timer_a.min(timer_b))),
            State::Proceeding { cancelled } => cancelled,
            State::Completed { timer_d, .. } => Some(timer_d),
            State::Accepted { timer_m } => Some(timer_m),
            State::Terminated => None,
        }
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> Steps {
        match &mut self.state {
            State::Calling { timer_b: at, .. }
            | State::Proceeding {
                cancelled: Some(at),
            } if *at <= now => {
                self.state = State::Terminated;
                Steps::tell(Tell::Timeout)
            }
            State::Calling {
                invite,
                interval,
                timer_a: Some(timer_a),
                ..
            } if *timer_a <= now => {
                *interval *= 2;
                *timer_a = now + *interval;
                Steps::send(invite.clone())
            }
            State::Completed { timer_d: at, .. } | State::Accepted { timer_m: at }
                if *at <= now =>
            {
                self.state = State::Terminated;
                Steps::none()
            }
            State::Calling { .. }
            | State::Proceeding { .. }
            | State::Completed { .. }
            | State::Accepted { .. }
            | State::Terminated => Steps::none(),
        }
    }

    /// Whether a provisional response came and no final one: a CANCEL may be sent.
    pub fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// Whether a final response is still expected.
    pub fn is_pending(&self) -> bool {
        matches!(self.state, State::Calling { .. } | State::Proceeding { .. })
    }

    /// Whether nothing is left to do.
    pub fn is_terminated(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    /// The name of the state, for logs and tests.
    pub fn state(&self) -> &'static str {
        match self.state {
            State::Calling { .. } => "Calling",
            State::Proceeding { .. } => "Proceeding",
            State::Completed { .. } => "Completed",
            State::Accepted { .. } => "Accepted",
            State::Terminated => "Terminated",
        }
    }
}
