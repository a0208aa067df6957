//! What an audio line over ICE and DTLS says beside its formats: the peer's side, read and
//! checked, and ours. RFC 5763 and RFC 8842 (fingerprint, setup), RFC 8839 (ICE), RFC 8843
//! (BUNDLE), RFC 5888 (mid), RFC 8285 (extmap).
//!
//! We are a lite agent: we announce our addresses and answer checks, so the peer's candidates and
//! its ice-options are not read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::description::{Attribute, Description, Media};
use super::media_line::{is_audio, is_plain, value_of};
use super::{IceCredentials, LocalWebRtc, Refusal, RemoteWebRtc, Setup};

/// Profiles of SRTP keyed by DTLS. `RTP/SAVPF` is what browsers wrote before RFC 8841.
const PROFILES: [&str; 3] = ["UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF"];
/// The profile of our own first offer.
pub(super) const PROFILE: &str = "UDP/TLS/RTP/SAVPF";
/// RFC 6464.
const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
/// The id of the audio level in our own first offer.
const AUDIO_LEVEL_ID: u8 = 1;
/// Ids of one-byte header extensions (RFC 8285 §4.2).
const EXTENSION_IDS: std::ops::RangeInclusive<u8> = 1..=14;
/// The longest mid that is echoed, in bytes. Browsers write a digit.
const MID_BYTES_MAX: usize = 64;
/// Stream and track that a browser shows our audio as (RFC 8830).
const MSID: &str = "talkpath audio";

/// Whether the offer's first usable audio line is one over ICE and DTLS, so that its leg needs
/// [`Local::webrtc`](super::Local::webrtc). False for what is no session description.
pub fn wants_webrtc(offer: &[u8]) -> bool {
    let Ok(offer) = Description::parse(offer) else {
        return false;
    };
    let is_webrtc = |media: &Media| {
        let said = |name| value(&offer, media, name).is_some();
        is_audio(media) && is_profile(&media.protocol) && said("fingerprint") && said("ice-ufrag")
    };
    let first = offer
        .media
        .iter()
        .find(|media| is_plain(media) || is_webrtc(media));
    first.is_some_and(is_webrtc)
}

/// Whether a profile is one of SRTP keyed by DTLS.
pub(super) fn is_profile(protocol: &str) -> bool {
    PROFILES
        .iter()
        .any(|profile| protocol.eq_ignore_ascii_case(profile))
}

/// What stands for an address that only ICE will tell.
pub(super) fn unknown_address(local: SocketAddr) -> IpAddr {
    match local {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// The peer's side of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Theirs {
    ice: IceCredentials,
    fingerprint_sha256: [u8; 32],
    setup: Option<Setup>,
    mid: Option<String>,
    /// Its mid stands in a BUNDLE group.
    bundled: bool,
    reduced_size: bool,
    /// Id, and the direction that an answer must give it where the offer gives one.
    audio_level: Option<(u8, &'static str)>,
}

/// Our side of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OurWebRtc {
    pub ice: IceCredentials,
    pub setup: Setup,
    fingerprint: String,
    candidates: Vec<SocketAddr>,
    mid: Option<String>,
    bundled: bool,
    reduced_size: bool,
    audio_level: Option<(u8, &'static str)>,
}

impl Theirs {
    /// Reads the line.
    ///
    /// # Errors
    /// [`Refusal::WebRtc`] when it lacks what we cannot do without.
    pub fn read(description: &Description, media: &Media) -> Result<Self, Refusal> {
        let refuse = |problem| Refusal::WebRtc {
            line: media.line,
            problem,
        };
        let said = |name| value(description, media, name).unwrap_or_default().trim();
        let ice = IceCredentials {
            ufrag: said("ice-ufrag").to_string(),
            pwd: said("ice-pwd").to_string(),
        };
        let is_ice = |text: &str, shortest: usize| {
            (shortest..=256).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        };
        if !is_ice(&ice.ufrag, 4) || !is_ice(&ice.pwd, 22) {
            return Err(refuse("has no valid ice-ufrag and ice-pwd"));
        }
        if value_of(&media.attributes, "rtcp-mux").is_none() {
            return Err(refuse("has no rtcp-mux"));
        }
        let mid = value_of(&media.attributes, "mid").map(str::to_string);
        let mid = mid.filter(|mid| (1..=MID_BYTES_MAX).contains(&mid.len()));
        let in_group = |mid: &String| {
            let groups = description.attributes.iter().filter(|a| a.name == "group");
            let mut bundles = groups.filter_map(|group| group.value.strip_prefix("BUNDLE "));
            bundles.any(|mids| mids.split_ascii_whitespace().any(|found| found == mid))
        };
        Ok(Theirs {
            ice,
            fingerprint_sha256: fingerprint(description, media)
                .ok_or_else(|| refuse("has no fingerprint of sha-256"))?,
            setup: Setup::from_attribute(said("setup")),
            bundled: mid.as_ref().is_some_and(in_group),
            mid,
            reduced_size: value_of(&media.attributes, "rtcp-rsize").is_some(),
            audio_level: audio_level(&media.attributes),
        })
    }

    /// Our answer. `current` is what is agreed already: the credentials stay unless the peer
    /// restarts ICE, and so do the roles (RFC 8842 §5.3).
    pub fn answer(&self, local: &LocalWebRtc, current: Option<&RemoteWebRtc>) -> OurWebRtc {
        let restarts = current.is_some_and(|current| current.ice != self.ice);
        let ice = match current {
            Some(_) if restarts => &local.restart,
            Some(current) => &current.local_ice,
            None => &local.ice,
        };
        let setup = match (self.setup, current.map(|current| current.setup)) {
            (Some(Setup::Passive), _) | (None | Some(Setup::Actpass), Some(Setup::Passive)) => {
                Setup::Active
            }
            (None | Some(Setup::Actpass | Setup::Active), _) => Setup::Passive,
        };
        OurWebRtc {
            ice: ice.clone(),
            setup,
            fingerprint: local.fingerprint.clone(),
            candidates: local.candidates.clone(),
            mid: self.mid.clone(),
            bundled: self.bundled,
            reduced_size: self.reduced_size,
            audio_level: self.audio_level,
        }
    }

    /// What is agreed between this and our side.
    pub fn agreed(&self, ours: &OurWebRtc) -> RemoteWebRtc {
        let setup = match (ours.setup, self.setup) {
            (Setup::Active, _) | (Setup::Actpass, Some(Setup::Passive)) => Setup::Passive,
            (Setup::Passive | Setup::Actpass, _) => Setup::Active,
        };
        RemoteWebRtc {
            ice: self.ice.clone(),
            local_ice: ours.ice.clone(),
            fingerprint_sha256: self.fingerprint_sha256,
            setup,
            audio_level_extension: self.audio_level.map(|(id, _)| id),
        }
    }
}

impl OurWebRtc {
    /// Our side of an offer, with what earlier exchanges have settled.
    pub fn offer(local: &LocalWebRtc, earlier: Option<&OurWebRtc>) -> Self {
        let first = OurWebRtc {
            ice: local.ice.clone(),
            setup: Setup::Actpass,
            fingerprint: local.fingerprint.clone(),
            candidates: local.candidates.clone(),
            mid: Some("0".to_string()),
            bundled: true,
            reduced_size: true,
            audio_level: Some((AUDIO_LEVEL_ID, "")),
        };
        match earlier {
            None => first,
            Some(earlier) => OurWebRtc {
                ice: earlier.ice.clone(),
                mid: earlier.mid.clone(),
                bundled: earlier.bundled,
                reduced_size: earlier.reduced_size,
                audio_level: earlier.audio_level,
                ..first
            },
        }
    }

    /// What the session part says.
    pub fn session_attributes(&self) -> Vec<Attribute> {
        let mid = self.mid.as_ref().filter(|_| self.bundled);
        let group = mid.map(|mid| Attribute::new("group", format!("BUNDLE {mid}")));
        let lite = Attribute::property("ice-lite");
        group.into_iter().chain([lite]).collect()
    }

    /// What the audio line says beside formats and direction.
    pub fn attributes(&self) -> Vec<Attribute> {
        let mut lines = Vec::new();
        let mut push = |name: &str, value: &str| {
            lines.push(Attribute::new(name, value.to_string()));
        };
        if let Some(mid) = &self.mid {
            push("mid", mid);
        }
        push("ice-ufrag", &self.ice.ufrag);
        push("ice-pwd", &self.ice.pwd);
        push("fingerprint", &self.fingerprint);
        push("setup", self.setup.attribute());
        for (index, address) in self.candidates.iter().enumerate() {
            push("candidate", &candidate(index, *address));
        }
        push("end-of-candidates", "");
        push("rtcp-mux", "");
        if self.reduced_size {
            push("rtcp-rsize", "");
        }
        if let Some((id, direction)) = self.audio_level {
            push("extmap", &format!("{id}{direction} {AUDIO_LEVEL}"));
        }
        push("msid", MSID);
        lines
    }
}

/// The line with port 0, which keeps its mid so that the peer can tell which it was.
pub(super) fn refused(media: &Media) -> Media {
    let mut refused = media.refused();
    let mid = value_of(&media.attributes, "mid").filter(|mid| mid.len() <= MID_BYTES_MAX);
    let mid = mid.map(|mid| Attribute::new("mid", mid.to_string()));
    refused.attributes.extend(mid);
    refused
}

/// A host candidate of RTP and RTCP together (RFC 8839 §5.1, priority of RFC 8445 §5.1.2.1).
fn candidate(index: usize, address: SocketAddr) -> String {
    let preference = 65_535_u32.saturating_sub(u32::try_from(index).unwrap_or(u32::MAX));
    let priority = (126 << 24) + (preference << 8) + 255;
    let (foundation, ip, port) = (index + 1, address.ip(), address.port());
    format!("{foundation} 1 udp {priority} {ip} {port} typ host")
}

/// An attribute of the line, else of the session.
fn value<'a>(description: &'a Description, media: &'a Media, name: &str) -> Option<&'a str> {
    value_of(&media.attributes, name).or_else(|| value_of(&description.attributes, name))
}

/// The fingerprint of SHA-256, of which a peer may give several hashes (RFC 8122 §5).
fn fingerprint(description: &Description, media: &Media) -> Option<[u8; 32]> {
    let lines = media.attributes.iter().chain(&description.attributes);
    let mut values = lines.filter(|line| line.name == "fingerprint");
    values.find_map(|line| {
        let (hash, hex) = line.value.trim().split_once(' ')?;
        if !hash.eq_ignore_ascii_case("sha-256") {
            return None;
        }
        let bytes = hex.trim().split(':').map(|byte| {
            let is_hex = byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit());
            is_hex.then(|| u8::from_str_radix(byte, 16).ok()).flatten()
        });
        bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
    })
}

/// The id of the audio level where we may receive it, and the direction of our answer.
fn audio_level(attributes: &[Attribute]) -> Option<(u8, &'static str)> {
    let mut lines = attributes.iter().filter(|line| line.name == "extmap");
    lines.find_map(|line| {
        let (id, rest) = line.value.trim().split_once(' ')?;
        let uri = rest.split_ascii_whitespace().next()?;
        let (id, direction) = match id.split_once('/') {
            None => (id, ""),
            Some((id, "sendrecv")) => (id, "/sendrecv"),
            Some((id, "sendonly")) => (id, "/recvonly"),
            Some(_) => return None,
        };
        let id = id.parse().ok().filter(|id| EXTENSION_IDS.contains(id))?;
        (uri == AUDIO_LEVEL).then_some((id, direction))
    })
}
