//! `talkpath load`: many phones at once against a running engine, with real SIP and RTP. Talkers
//! send a tone each, everyone listens; the report says what it cost and who heard whom.
//!
//! One thread, one SIP socket, one RTP socket per call. It is a measuring tool: it retransmits and
//! acknowledges as a phone would, and leaves out everything else.

mod call;
mod cost;
mod report;
mod run;

use std::net::SocketAddr;
use std::time::Duration;

pub use report::Report;
pub use run::run;

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The engine's SIP address, UDP.
    pub target: SocketAddr,
    /// What to dial.
    pub number: String,
    /// Digits to send after the answer, such as `1234#`; `{room}` stands for the room's number.
    /// Empty: none.
    pub digits: String,
    /// Calls at once.
    pub legs: usize,
    /// How many of each room's calls speak; the others send silence.
    pub talkers: usize,
    /// The calls are spread over so many rooms.
    pub rooms: usize,
    /// New calls per second.
    pub calls_per_s: f64,
    /// How long to measure once every call stands.
    pub window: Duration,
    /// The engine's process, for CPU and memory; absent: these are not measured.
    pub pid: Option<u32>,
}
