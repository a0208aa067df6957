//! The non-INVITE client transaction (RFC 3261 §17.1.2).
//!
//! | state | input | next | outputs |
//! |---|---|---|---|
//! | – | start | Trying | request; E = T1 (unreliable only), F = 64·T1 (unless patient) |
//! | Trying | E | Trying | request again; E doubles up to T2 |
//! | Trying, Proceeding | 1xx | Proceeding | told |
//! | Proceeding | E | Proceeding | request again; E = T2 |
//! | Trying, Proceeding | F | Terminated | timeout |
//! | Trying, Proceeding | final | Completed, Terminated when reliable | told; K = T4 |
//! | Completed | any response | Completed | none |
//! | Completed | K | Terminated | none |

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Steps, T1, T1_X64, T2, T4, Tell};

/// One request of ours other than INVITE and ACK.
#[derive(Debug)]
pub struct NonInviteClient {
    reliable: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Trying {
        request: Bytes,
        interval: Duration,
        timer_e: Option<Instant>,
        timer_f: Option<Instant>,
    },
    Proceeding {
        request: Bytes,
        timer_e: Option<Instant>,
        timer_f: Option<Instant>,
    },
    Completed {
        timer_k: Instant,
    },
    Terminated,
}

impl NonInviteClient {
    /// Starts in Trying; the caller sends `request` the first time.
    pub fn new(now: Instant, reliable: bool, request: Bytes) -> Self {
        let state = State::Trying {
            request,
            interval: T1,
            timer_e: (!reliable).then_some(now + T1),
            timer_f: Some(now + T1_X64),
        };
        Self { reliable, state }
    }

    /// A request over a stream whose answer is waited for as long as the stream is there: it has
    /// no Timer F. Whoever started it ends it.
    pub fn patient(request: Bytes) -> Self {
        let state = State::Trying {
            request,
            interval: T1,
            timer_e: None,
            timer_f: None,
        };
        let reliable = true;
        Self { reliable, state }
    }

    /// A response with status `code` came.
    pub fn handle_response(&mut self, now: Instant, code: u16) -> Steps {
        match (&self.state, code) {
            (
                State::Trying {
                    request,
                    timer_e,
                    timer_f,
                    ..
                },
                0..200,
            ) => {
                let (request, timer_e, timer_f) = (request.clone(), *timer_e, *timer_f);
                self.state = State::Proceeding {
                    request,
                    timer_e,
                    timer_f,
                };
                Steps::tell(Tell::Response)
            }
            (State::Proceeding { .. }, 0..200) => Steps::tell(Tell::Response),
            (State::Trying { .. } | State::Proceeding { .. }, 200..) => {
                self.state = match self.reliable {
                    true => State::Terminated,
                    false => State::Completed { timer_k: now + T4 },
                };
                Steps::tell(Tell::Response)
            }
            (State::Completed { .. } | State::Terminated, _) => Steps::none(),
        }
    }

    /// The earliest of the running timers.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Trying {
                timer_e, timer_f, ..
            }
            | State::Proceeding {
                timer_e, timer_f, ..
            } => timer_e.into_iter().chain(timer_f).min(),
            State::Completed { timer_k } => Some(timer_k),
            State::Terminated => None,
        }
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> Steps {
        match &mut self.state {
            State::Trying { timer_f, .. } | State::Proceeding { timer_f, .. }
                if timer_f.is_some_and(|at| at <= now) =>
            {
                self.state = State::Terminated;
                Steps::tell(Tell::Timeout)
            }
            State::Trying {
                request,
                interval,
                timer_e: Some(timer_e),
                ..
            } if *timer_e <= now => {
                *interval = (*interval * 2).min(T2);
                *timer_e = now + *interval;
                Steps::send(request.clone())
            }
            State::Proceeding {
                request,
                timer_e: Some(timer_e),
                ..
            } if *timer_e <= now => {
                *timer_e = now + T2;
                Steps::send(request.clone())
            }
            State::Completed { timer_k } if *timer_k <= now => {
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
