//! One audio line: what the peer's says, and how ours is written. Which line is taken and what
//! follows from it is decided in `offer_answer`.

use std::net::{IpAddr, SocketAddr};

use super::description::{Attribute, Connection, Description, Media};
use super::format::Formats;
use super::media_line::{is_audio, is_plain, value_of};
use super::webrtc_line::{self, OurWebRtc};
use super::{Direction, Local, Refusal};

/// The packet time that we send and ask for, in milliseconds.
const PTIME_MS: u32 = 20;
/// The packet times of a peer that we heed, in milliseconds.
const REMOTE_PTIME_MS: std::ops::RangeInclusive<u32> = 10..=60;
/// Payload types that look like RTCP on a shared port (RFC 5761 §4).
const RTCP_LIKE: std::ops::RangeInclusive<u8> = 64..=95;

/// What the peer says about its side of the stream.
#[derive(Clone, Debug)]
pub(super) struct RemoteAudio {
    pub rtp: SocketAddr,
    /// Where RTCP goes unless both sides want it on the port of RTP.
    pub rtcp_alone: SocketAddr,
    pub rtcp_mux: bool,
    /// The peer's own; a peer at the unspecified address does not receive.
    pub direction: Direction,
    pub ptime_ms: Option<u32>,
}

/// What an audio line of ours is carried by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Transport<'a> {
    Plain { rtcp_mux: bool },
    WebRtc(&'a OurWebRtc),
}

/// Whether a line is audio, not refused by port 0, and over what `local` has: plain RTP, or DTLS.
pub(super) fn is_usable(media: &Media, local: &Local) -> bool {
    match local.webrtc {
        Some(_) => is_audio(media) && webrtc_line::is_profile(&media.protocol),
        None => is_plain(media),
    }
}

impl RemoteAudio {
    /// Reads a usable line of `description`.
    ///
    /// # Errors
    /// [`Refusal::NoAddress`] and [`Refusal::Address`].
    pub fn read(description: &Description, media: &Media, local: &Local) -> Result<Self, Refusal> {
        let connection = media
            .connection
            .as_ref()
            .or(description.connection.as_ref());
        let is_webrtc = local.webrtc.is_some();
        let address = if is_webrtc {
            // Before its candidates are known a browser writes 0.0.0.0 and port 9 (RFC 9429
            // §5.2.1), which holds nobody; and no candidate of the peer's is of use to a lite
            // agent.
            webrtc_line::unknown_address(local.rtp)
        } else {
            let connection = connection.ok_or(Refusal::NoAddress { line: media.line })?;
            address(connection, local.rtp.ip())?
        };
        let rtp = SocketAddr::new(address, media.port);
        let rtcp_mux = value_of(&media.attributes, "rtcp-mux").is_some();
        let announced = value_of(&media.attributes, "rtcp");
        let rtcp_alone = rtcp_address(announced, rtp);
        let said = direction(&media.attributes).or(direction(&description.attributes));
        let said = said.unwrap_or(Direction::SendRecv);
        // RFC 2543 hold, which RFC 3264 §8.4 keeps alive.
        let hears = said.receive() && (is_webrtc || !address.is_unspecified());
        let ptime_ms = value_of(&media.attributes, "ptime")
            .and_then(|value| value.trim().parse().ok())
            .filter(|ptime_ms| REMOTE_PTIME_MS.contains(ptime_ms));
        let direction = Direction::new(said.send(), hears);
        Ok(Self {
            rtp,
            rtcp_alone,
            rtcp_mux,
            direction,
            ptime_ms,
        })
    }

    /// Where RTCP goes.
    pub fn rtcp(&self, rtcp_mux: bool) -> SocketAddr {
        if rtcp_mux { self.rtp } else { self.rtcp_alone }
    }
}

/// Whether a payload type can live on a port that RTCP shares.
pub(super) fn suits_rtcp_mux(payload_type: u8) -> bool {
    !RTCP_LIKE.contains(&payload_type)
}

/// Writes our audio line.
pub(super) fn write(
    profile: &str,
    formats: &Formats,
    local: &Local,
    direction: Direction,
    transport: Transport<'_>,
) -> Media {
    let mut attributes = formats.attributes();
    match transport {
        Transport::Plain { rtcp_mux } => {
            attributes.extend(rtcp_attribute(local));
            attributes.extend(rtcp_mux.then(|| Attribute::property("rtcp-mux")));
        }
        Transport::WebRtc(ours) => attributes.extend(ours.attributes()),
    }
    attributes.push(Attribute::new("ptime", PTIME_MS.to_string()));
    attributes.push(Attribute::property(direction.attribute()));
    Media {
        kind: "audio".to_string(),
        port: local.rtp.port(),
        protocol: profile.to_string(),
        formats: formats.numbers(),
        connection: None,
        attributes,
        line: 0,
    }
}

/// Only where RTCP is not on the next port (RFC 3605 §2.1).
fn rtcp_attribute(local: &Local) -> Option<Attribute> {
    let (rtp, rtcp) = (local.rtp, local.rtcp);
    if rtcp.ip() != rtp.ip() {
        let family = if rtcp.is_ipv4() { "IP4" } else { "IP6" };
        let value = format!("{} IN {family} {}", rtcp.port(), rtcp.ip());
        return Some(Attribute::new("rtcp", value));
    }
    let is_next = rtp.port().checked_add(1) == Some(rtcp.port());
    (!is_next).then(|| Attribute::new("rtcp", rtcp.port().to_string()))
}

fn direction(attributes: &[Attribute]) -> Option<Direction> {
    attributes
        .iter()
        .find_map(|attribute| Direction::from_attribute(&attribute.name))
}

fn address(connection: &Connection, local: IpAddr) -> Result<IpAddr, Refusal> {
    let refuse = |problem| Refusal::Address {
        line: connection.line,
        address: connection.address.clone(),
        problem,
    };
    let text = connection.address.split('/').next().unwrap_or_default();
    let address = text
        .parse::<IpAddr>()
        .map_err(|_| refuse("is not an IP address"))?;
    let address = address.to_canonical();
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    if address.is_multicast() || is_broadcast {
        return Err(refuse("is not of one host"));
    }
    if address.is_ipv4() != local.is_ipv4() && !address.is_unspecified() {
        return Err(refuse("is of the other IP version than ours"));
    }
    Ok(address)
}

/// `a=rtcp:port [IN IP4 address]` (RFC 3605 §2.1), else the port after RTP's. An attribute that
/// cannot be read is as none: reports are not worth a call.
fn rtcp_address(announced: Option<&str>, rtp: SocketAddr) -> SocketAddr {
    let next = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
    let Some(announced) = announced else {
        return next;
    };
    let fields: Vec<&str> = announced.split_ascii_whitespace().collect();
    let (port, address) = match fields.as_slice() {
        [port] => (*port, None),
        [port, _, _, address] => (*port, address.parse::<IpAddr>().ok()),
        _ => return next,
    };
    let Some(port) = port.parse::<u16>().ok().filter(|&port| port != 0) else {
        return next;
    };
    let same_family = |address: &IpAddr| address.is_ipv4() == rtp.is_ipv4();
    let is_host = |address: &IpAddr| !address.is_multicast() && !address.is_unspecified();
    let address = address.map(|address| address.to_canonical());
    let address = address
        .filter(same_family)
        .filter(is_host)
        .unwrap_or(rtp.ip());
    SocketAddr::new(address, port)
}
