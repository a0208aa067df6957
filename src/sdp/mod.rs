//! Session descriptions: what an offer of audio says, what we answer, and what was agreed.
//!
//! [`Negotiation`] is the offer/answer state of one dialog (RFC 3264) over RFC 4566 bodies. It
//! knows PCMU, PCMA, G.722, Opus and whatever else stands in [`CODECS`](crate::codec::CODECS),
//! telephone-event (RFC 4733), static and dynamic payload types (RFC 3551), `a=rtcp` (RFC 3605) and
//! `a=rtcp-mux` (RFC 5761).
//!
//! It does not know sockets, dialogs or timers; it resolves no names; it does not negotiate
//! encryption or ICE, so lines that demand them are refused with port 0. `docs/sdp.md` lists what
//! is done, by section.
//!
//! | state | input | state | output |
//! |---|---|---|---|
//! | none, agreed | `answer` | agreed | answer body, or a refusal and no change |
//! | none, agreed | `offer` | offered | offer body |
//! | offered | `answer` | offered | refusal 491 (RFC 3261 §14.2) |
//! | offered | `accept_answer` | agreed | what was agreed, or a refusal and no change |
//! | offered | `rollback` | none, agreed | |

use std::net::SocketAddr;

use crate::codec::CodecInfo;

mod audio_line;
mod description;
mod format;
mod offer_answer;
mod refusal;

#[cfg(test)]
mod tests;

pub use description::{BODY_BYTES_MAX, FORMATS_MAX, MEDIA_LINES_MAX, SdpError};
pub use offer_answer::Negotiation;
pub use refusal::Refusal;

/// Where we receive, as the peer must see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// RTP; its address is that of the c= line.
    pub rtp: SocketAddr,
    /// RTCP; unused once rtcp-mux is agreed.
    pub rtcp: SocketAddr,
}

/// Which ways audio flows, seen from whoever says it (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Sends and receives.
    SendRecv,
    /// Sends only.
    SendOnly,
    /// Receives only.
    RecvOnly,
    /// Neither; RTCP goes on.
    Inactive,
}

impl Direction {
    /// The direction that sends and receives as told.
    pub fn new(send: bool, receive: bool) -> Self {
        match (send, receive) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// Whether the one who says it sends.
    pub fn send(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether the one who says it receives.
    pub fn receive(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same seen from the other side.
    pub fn reversed(self) -> Self {
        Direction::new(self.receive(), self.send())
    }

    /// What both allow.
    pub fn limited_to(self, other: Direction) -> Self {
        Direction::new(
            self.send() && other.send(),
            self.receive() && other.receive(),
        )
    }

    /// The name of its attribute.
    pub fn attribute(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    /// The direction whose attribute has this name.
    pub(crate) fn from_attribute(name: &str) -> Option<Self> {
        [
            Direction::SendRecv,
            Direction::SendOnly,
            Direction::RecvOnly,
            Direction::Inactive,
        ]
        .into_iter()
        .find(|direction| direction.attribute() == name)
    }
}

/// telephone-event as it was agreed (RFC 4733 §2.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// In packets that we send.
    pub payload_type_out: u8,
    /// In packets that we receive.
    pub payload_type_in: u8,
    /// Units of the duration field, in Hz: the codec's clock, or 8000 where the peer has no other.
    pub clock_rate_hz: u32,
}

/// What offer and answer agreed for the one audio stream.
#[derive(Clone, Debug)]
pub struct Agreed {
    /// The codec in both directions.
    pub codec: &'static CodecInfo,
    /// Payload type in packets that we send.
    pub payload_type_out: u8,
    /// Payload type in packets that we receive.
    pub payload_type_in: u8,
    /// telephone-event; nothing when the peer does not have it.
    pub telephone_event: Option<TelephoneEvent>,
    /// Where the peer receives RTP. The unspecified address when it wants none (`c=0.0.0.0`).
    pub remote_rtp: SocketAddr,
    /// Where the peer receives RTCP; the same as `remote_rtp` with rtcp-mux.
    pub remote_rtcp: SocketAddr,
    /// RTP and RTCP share the port of RTP, both ways.
    pub rtcp_mux: bool,
    /// Ours: what we may send and should expect.
    pub direction: Direction,
    /// The peer does not want to hear us: it has put us on hold.
    pub remote_hold: bool,
    /// The packet time the peer asks for, 10 to 60 ms; nothing when it names none or another.
    pub remote_ptime_ms: Option<u32>,
}
