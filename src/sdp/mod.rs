//! Session descriptions: what an offer of audio says, what we answer, and what was agreed.
//!
//! [`Negotiation`] is the offer/answer state of one dialog (RFC 3264) over RFC 4566 bodies. It
//! knows PCMU, PCMA, G.722, Opus and whatever else stands in [`CODECS`](crate::codec::CODECS),
//! telephone-event (RFC 4733), static and dynamic payload types (RFC 3551), `a=rtcp` (RFC 3605) and
//! `a=rtcp-mux` (RFC 5761).
//!
//! A peer with ICE and DTLS (a browser) is met where [`Local::webrtc`] is given: audio over
//! UDP/TLS/RTP/SAVPF (RFC 5764, RFC 8829), we as a lite agent (RFC 8839); [`wants_webrtc`] tells
//! beforehand. Otherwise such lines are refused with port 0.
//!
//! It does not know sockets, dialogs or timers; it resolves no names. `docs/sdp.md` lists what is
//! done, by section.
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
mod media_line;
mod offer_answer;
mod refusal;
mod webrtc_line;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod webrtc_tests;

pub use description::{BODY_BYTES_MAX, FORMATS_MAX, MEDIA_LINES_MAX, SdpError};
pub use offer_answer::Negotiation;
pub use refusal::Refusal;
pub use webrtc_line::wants_webrtc;

/// Where we receive, as the peer must see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// RTP; its address is that of the c= line.
    pub rtp: SocketAddr,
    /// RTCP; unused once rtcp-mux is agreed.
    pub rtcp: SocketAddr,
    /// ICE and DTLS instead of plain RTP; it stays so for the whole dialog.
    pub webrtc: Option<LocalWebRtc>,
}

/// Our side of ICE and DTLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalWebRtc {
    /// What the first exchange says.
    pub ice: IceCredentials,
    /// What the answer to the next ICE restart says (RFC 8445 §9). Whoever finds it agreed
    /// ([`RemoteWebRtc::local_ice`]) puts another here.
    pub restart: IceCredentials,
    /// Hash and value of our certificate: `sha-256 AA:BB…`.
    pub fingerprint: String,
    /// Our host candidates, the preferred first.
    pub candidates: Vec<SocketAddr>,
}

/// User name fragment and password of one ICE session (RFC 8445 §5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// 4 to 256 ice-chars.
    pub ufrag: String,
    /// 22 to 256 ice-chars.
    pub pwd: String,
}

impl IceCredentials {
    /// Makes 8 and 24 ice-chars of 192 random bits.
    pub fn from_random(random: [u64; 3]) -> Self {
        const CHARS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        // Ten characters of six bits are taken from each number, and two of what is left of all.
        let mut text = String::with_capacity(32);
        let mut left = 0;
        for number in random {
            for place in 0..10 {
                text.push(char::from(CHARS[(number >> (6 * place)) as usize & 63]));
            }
            left = left << 4 | (number >> 60) as usize;
        }
        text.push(char::from(CHARS[left & 63]));
        text.push(char::from(CHARS[left >> 6 & 63]));
        let pwd = text.split_off(8);
        IceCredentials { ufrag: text, pwd }
    }
}

impl std::fmt::Debug for IceCredentials {
    /// Leaves the password out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IceCredentials({})", self.ufrag)
    }
}

/// Which side opens the DTLS association (RFC 8842 §5, the names of RFC 4145).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// Either.
    Actpass,
    /// The one who says it.
    Active,
    /// The other one.
    Passive,
}

impl Setup {
    /// The value of its attribute.
    pub fn attribute(self) -> &'static str {
        match self {
            Setup::Actpass => "actpass",
            Setup::Active => "active",
            Setup::Passive => "passive",
        }
    }

    fn from_attribute(value: &str) -> Option<Self> {
        [Setup::Actpass, Setup::Active, Setup::Passive]
            .into_iter()
            .find(|setup| setup.attribute() == value)
    }
}

/// What was agreed with a peer over ICE and DTLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteWebRtc {
    /// The peer's.
    pub ice: IceCredentials,
    /// Ours that the peer was told with it: [`LocalWebRtc::ice`], after a restart the
    /// [`LocalWebRtc::restart`] of that time.
    pub local_ice: IceCredentials,
    /// SHA-256 of the peer's certificate.
    pub fingerprint_sha256: [u8; 32],
    /// The peer's role, settled: active or passive.
    pub setup: Setup,
    /// The id of the header extension with the level of the audio (RFC 6464), 1 to 14; nothing
    /// when the peer does not send it.
    pub audio_level_extension: Option<u8>,
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
    /// ICE and DTLS; nothing over plain RTP. `remote_rtp` says nothing where it is given: the
    /// address comes from ICE.
    pub webrtc: Option<Box<RemoteWebRtc>>,
}
