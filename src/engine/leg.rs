//! One leg: a SIP dialog with its negotiation and media, or one end of an internal call.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::id::{LegId, PlaybackId, UnitId};
use crate::media::{self, WebRtcParams, WebRtcReady};
use crate::routing::Source;
use crate::script::{Headers, LegInfo, Place};
use crate::sdp::{Agreed, IceCredentials, Local, LocalWebRtc, RemoteWebRtc, Setup};
use crate::sip::{Body, CallKey, NameAddr, Request, RequestKey, Uri};

use super::exchange::Exchange;
use super::notice::Parties;
use super::trace_id::TraceId;

/// A leg.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) id: LegId,
    pub(super) incoming: bool,
    pub(super) link: Link,
    pub(super) state: LegState,
    pub(super) begun: Instant,
    pub(super) parties: Parties,
    /// What all notices of its caller have.
    pub(super) trace: TraceId,
    pub(super) digits: DigitChoice,
    /// Its media is missing, and may come back.
    pub(super) away: bool,
    pub(super) muted: bool,
    pub(super) deafened: bool,
    pub(super) playing: Option<Playing>,
    pub(super) recorders: Vec<UnitId>,
    /// Where its last command stands, for refusals that come later.
    pub(super) place: Place,
}

/// What is behind a leg.
#[derive(Debug)]
pub(super) enum Link {
    /// A SIP dialog.
    Sip(Box<SipLink>),
    /// The other end of an internal call, and how many internal calls led here.
    Internal { peer: LegId, hops: u8 },
}

/// The SIP side of a leg.
#[derive(Debug)]
pub(super) struct SipLink {
    pub(super) call: CallKey,
    pub(super) sip_call_id: String,
    /// Our address as the peer reached it.
    pub(super) reached_at: IpAddr,
    /// What a direct call passes on; absent when From or To cannot be read.
    pub(super) invite: Option<Box<Invite>>,
    pub(super) exchange: Exchange,
    pub(super) media: MediaState,
    /// What the script has asked for and waits for the sockets.
    pub(super) wanted: Option<Wanted>,
    /// The script has told the media core something about the leg.
    pub(super) has_orders: bool,
    /// The peer is a browser: ICE and DTLS carry its media.
    pub(super) over_dtls: bool,
    /// What a leg that is being opened will tell its peer.
    pub(super) ice: Option<IceCredentials>,
    pub(super) remote_rtp: Option<SocketAddr>,
    pub(super) on_hold: bool,
    pub(super) outbox: VecDeque<Outgoing>,
    pub(super) in_flight: Option<(RequestKey, Place)>,
    /// Messages that were sent, which numbers them.
    pub(super) sent: u64,
    /// The highest number of a message that the peer has sent.
    pub(super) heard: u64,
}

/// The parts of an INVITE that are passed on when the call is forwarded.
#[derive(Clone, Debug)]
pub(super) struct Invite {
    pub(super) uri: Uri,
    pub(super) from: NameAddr,
    pub(super) to: NameAddr,
    /// `X-…` only.
    pub(super) headers: Headers,
    pub(super) body: Option<Body>,
}

impl Invite {
    pub(super) fn of(request: &Request) -> Option<Box<Invite>> {
        Some(Box::new(Invite {
            uri: request.uri.clone(),
            from: request.headers.from().ok()?,
            to: request.headers.to().ok()?,
            headers: x_headers(&request.headers),
            body: Body::of(&request.headers, &request.body),
        }))
    }
}

/// The `X-…` headers, which pass in both directions.
pub(super) fn x_headers(headers: &crate::sip::Headers) -> Headers {
    headers
        .iter()
        .filter(|(name, _)| {
            name.get(..2)
                .is_some_and(|head| head.eq_ignore_ascii_case("x-"))
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// An INFO that waits for its turn.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) mime: String,
    pub(super) body: String,
    pub(super) headers: Headers,
    pub(super) place: Place,
    /// When it is too old to be sent.
    pub(super) until: Instant,
}

/// Whether the sockets of a SIP leg are there. They are asked for when the call comes in, so that
/// the media core and the script work at the same time.
#[derive(Debug)]
pub(super) enum MediaState {
    /// Not asked for, or given up because the call was forwarded.
    Closed,
    /// The media core was asked for them.
    Opening,
    /// It has none: the leg ends when the script wants to use them.
    Failed,
    /// Bound, at these addresses.
    Ready(Box<Local>),
}

/// What waits for the sockets.
#[derive(Debug)]
pub(super) enum Wanted {
    /// 183 with the answer.
    EarlyMedia,
    /// 200 with the answer or offer.
    Answer(Headers, Place),
}

/// How far a leg has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LegState {
    /// Nobody has answered.
    Alerting,
    /// Media flows, nobody has answered.
    Early,
    /// 200 is on its way, ACK is not here.
    Answered,
    /// Both sides have it.
    Connected(Instant),
}

/// Which digits become events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DigitChoice {
    pub(super) telephone_event: bool,
    pub(super) in_band: bool,
    pub(super) info: bool,
}

/// What plays on a leg or unit, or is being loaded for it.
#[derive(Debug)]
pub(super) struct Playing {
    pub(super) id: PlaybackId,
    pub(super) source: String,
    pub(super) looped: bool,
    pub(super) gain_db: f32,
}

impl SipLink {
    /// The script has answered, or asked for early media.
    pub(super) fn is_taken(&self) -> bool {
        self.wanted.is_some() || self.exchange.has_begun()
    }

    /// Our side of ICE and DTLS at `address`, with the credentials of the next restart. `own` is
    /// our address towards other machines: Firefox does not send to loopback, and behind a proxy
    /// on our machine every browser looks like one of ours.
    pub(super) fn local_webrtc(
        &mut self,
        ready: Option<(WebRtcReady, IceCredentials)>,
        address: SocketAddr,
        own: Option<IpAddr>,
    ) -> Option<LocalWebRtc> {
        let (ready, restart) = ready?;
        let is_wanted =
            |own: &IpAddr| address.ip().is_loopback() && own.is_ipv4() == address.is_ipv4();
        let second = own.filter(is_wanted);
        let second = second.map(|own| SocketAddr::new(own, address.port()));
        Some(LocalWebRtc {
            ice: self.ice.take()?,
            restart,
            fingerprint: ready.fingerprint,
            candidates: [Some(address), second].into_iter().flatten().collect(),
        })
    }

    /// Puts `fresh` credentials in the place of those that a restart of ICE has used.
    pub(super) fn note_restart(&mut self, agreed: &Agreed, fresh: Option<IceCredentials>) {
        let MediaState::Ready(local) = &mut self.media else {
            return;
        };
        let Some(local) = &mut local.webrtc else {
            return;
        };
        let used = agreed.webrtc.as_ref().map(|webrtc| &webrtc.local_ice);
        if let Some(fresh) = fresh.filter(|_| used == Some(&local.restart)) {
            local.restart = fresh;
        }
    }
}

/// Credentials as the media core takes them.
pub(super) fn media_ice(ice: &IceCredentials) -> media::IceCredentials {
    media::IceCredentials {
        ufrag: ice.ufrag.clone(),
        pwd: ice.pwd.clone(),
    }
}

/// What was agreed for ICE and DTLS, as the media core takes it.
pub(super) fn webrtc_params(agreed: &RemoteWebRtc) -> Box<WebRtcParams> {
    Box::new(WebRtcParams {
        local: media_ice(&agreed.local_ice),
        remote: media_ice(&agreed.ice),
        fingerprint_sha256: agreed.fingerprint_sha256,
        dtls_client: agreed.setup == Setup::Passive,
        audio_level_extension: agreed.audio_level_extension,
    })
}

impl Leg {
    /// A leg that begins now.
    pub(super) fn new(
        now: Instant,
        info: &LegInfo,
        link: Link,
        (trace, source): (TraceId, Source),
    ) -> Leg {
        Leg {
            id: info.id,
            incoming: info.incoming,
            link,
            state: LegState::Alerting,
            begun: now,
            parties: Parties::of(source, info),
            trace,
            digits: DigitChoice::default(),
            away: false,
            muted: false,
            deafened: false,
            playing: None,
            recorders: Vec::new(),
            place: Place::default(),
        }
    }

    pub(super) fn unit(&self) -> UnitId {
        self.id.unit()
    }

    pub(super) fn is_connected(&self) -> bool {
        matches!(self.state, LegState::Connected(_))
    }

    pub(super) fn sip(&self) -> Option<&SipLink> {
        match &self.link {
            Link::Sip(sip) => Some(sip),
            Link::Internal { .. } => None,
        }
    }

    pub(super) fn sip_mut(&mut self) -> Option<&mut SipLink> {
        match &mut self.link {
            Link::Sip(sip) => Some(sip),
            Link::Internal { .. } => None,
        }
    }

    pub(super) fn peer(&self) -> Option<LegId> {
        match &self.link {
            Link::Sip(_) => None,
            Link::Internal { peer, .. } => Some(*peer),
        }
    }
}
