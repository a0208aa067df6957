//! The INVITE server transaction (RFC 3261 §17.2.1 with the Accepted state of RFC 6026 §7.1).
//!
//! | state | input | next | outputs |
//! |---|---|---|---|
//! | Proceeding | INVITE again | Proceeding | last provisional again, none before the first |
//! | Proceeding | 1xx of the user | Proceeding | sent |
//! | Proceeding | 2xx of the user | Accepted | sent; L = 64·T1 |
//! | Proceeding | 3xx–6xx of the user | Completed | sent; G = T1 (unreliable only), H = 64·T1 |
//! | Completed | INVITE again | Completed | final again |
//! | Completed | G | Completed | final again; G doubles up to T2 |
//! | Completed | ACK | Confirmed, Terminated when reliable | I = T4 |
//! | Completed | H | Terminated | timeout |
//! | Confirmed | INVITE or ACK | Confirmed | none |
//! | Confirmed | I | Terminated | none |
//! | Accepted | INVITE again | Accepted | none: the user repeats its 2xx (RFC 6026 §8.7) |
//! | Accepted | ACK | Accepted | told |
//! | Accepted | L | Terminated | none |

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Steps, T1, T1_X64, T2, T4, Tell};

/// One INVITE that was received.
#[derive(Debug)]
pub struct InviteServer {
    reliable: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Proceeding {
        last: Option<Bytes>,
    },
    Completed {
        last: Bytes,
        interval: Duration,
        timer_g: Option<Instant>,
        timer_h: Instant,
    },
    Confirmed {
        timer_i: Instant,
    },
    Accepted {
        timer_l: Instant,
    },
    Terminated,
}

impl InviteServer {
    /// Starts in Proceeding; `reliable` is whether the transport repeats nothing.
    pub fn new(reliable: bool) -> Self {
        Self {
            reliable,
            state: State::Proceeding { last: None },
        }
    }

    /// The user sends a response with status `code`, written in `bytes`. A second final response is
    /// dropped.
    pub fn respond(&mut self, now: Instant, code: u16, bytes: Bytes) -> Steps {
        let State::Proceeding { last } = &mut self.state else {
            return Steps::none();
        };
        match code {
            0..200 => *last = Some(bytes.clone()),
            200..300 => {
                self.state = State::Accepted {
                    timer_l: now + T1_X64,
                }
            }
            300.. => {
                self.state = State::Completed {
                    last: bytes.clone(),
                    interval: T1,
                    timer_g: (!self.reliable).then_some(now + T1),
                    timer_h: now + T1_X64,
                }
            }
        }
        Steps::send(bytes)
    }

    /// The INVITE came again.
    pub fn handle_request(&mut self) -> Steps {
        match &self.state {
            State::Proceeding { last: Some(bytes) } | State::Completed { last: bytes, .. } => {
                Steps::send(bytes.clone())
            }
            State::Proceeding { last: None }
            | State::Confirmed { .. }
            | State::Accepted { .. }
            | State::Terminated => Steps::none(),
        }
    }

    /// An ACK that matches this transaction came.
    pub fn handle_ack(&mut self, now: Instant) -> Steps {
        match self.state {
            State::Completed { .. } => {
                self.state = match self.reliable {
                    true => State::Terminated,
                    false => State::Confirmed { timer_i: now + T4 },
                };
                Steps::none()
            }
            State::Accepted { .. } => Steps::tell(Tell::Ack),
            State::Proceeding { .. } | State::Confirmed { .. } | State::Terminated => Steps::none(),
        }
    }

    /// The earliest of the running timers.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Proceeding { .. } | State::Terminated => None,
            State::Completed {
                timer_g, timer_h, ..
            } => Some(timer_g.map_or(timer_h, |timer_g| timer_g.min(timer_h))),
            State::Confirmed { timer_i } => Some(timer_i),
            State::Accepted { timer_l } => Some(timer_l),
        }
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> Steps {
        match &mut self.state {
            State::Completed { timer_h, .. } if *timer_h <= now => {
                self.state = State::Terminated;
                Steps::tell(Tell::Timeout)
            }
            State::Completed {
                last,
                interval,
                timer_g: Some(timer_g),
                ..
            } if *timer_g <= now => {
                *interval = (*interval * 2).min(T2);
                *timer_g = now + *interval;
                Steps::send(last.clone())
            }
            State::Confirmed { timer_i: at } | State::Accepted { timer_l: at } if *at <= now => {
                self.state = State::Terminated;
                Steps::none()
            }
            State::Proceeding { .. }
            | State::Completed { .. }
            | State::Confirmed { .. }
            | State::Accepted { .. }
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
            State::Proceeding { .. } => "Proceeding",
            State::Completed { .. } => "Completed",
            State::Confirmed { .. } => "Confirmed",
            State::Accepted { .. } => "Accepted",
            State::Terminated => "Terminated",
        }
    }
}
