//! The transport of a WebRTC leg: ICE lite, DTLS and SRTP behind `recv`, `timeout`, `drain` and
//! `protect`. What is inside the packets is the same as on any RTP leg and lives there.
//!
//! | state | input | what follows |
//! |---|---|---|
//! | no description of the peer | valid check | answered, address known |
//! | | DTLS of a known address | queued, [`QUEUED_MAX`] datagrams |
//! | description, no nomination | DTLS of a known address | queued |
//! | description and nomination | | the handshake starts, the queue goes in |
//! | handshake complete | certificate of the description | [`Fact::Connected`]; SRTP flows |
//! | | another certificate | [`Fact::Lost`] |
//! | connected | SRTP, SRTCP | decrypted, if the SSRC and the integrity are good |
//! | description, not connected | nothing valid for [`CONSENT_FOR`] | [`Fact::Lost`] |
//! | connected | nothing valid for [`CONSENT_FOR`] | [`Fact::Silent`]; nothing is sent |
//! | silent | a valid check or packet | [`Fact::Back`] |
//! | connected | close_notify | [`Fact::Lost`] |
//!
//! Addresses in and out are the peer's as our socket sees them. Time is a parameter; the bytes of a
//! handshake are not a function of the seed, since keys and nonces come from the crypto provider.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::command::{Event, IceCredentials, Loss, WebRtcParams};
use super::outbox::{Channel, Outbox};
use super::output::{Output, Outputs};
use super::webrtc::demux::Kind;
use super::webrtc::{Checked, Dtls, DtlsOutcome, IceLite, Identity, Protected, Srtp};
use crate::id::UnitId;

/// Silence of the network after which the peer no longer consents to be sent to (RFC 7675 takes 30
/// s; a browser checks every few seconds). The others are told of a browser that has vanished
/// within 15 s, and a network that is back after 10 s ends nothing.
const CONSENT_FOR: Duration = Duration::from_secs(13);
/// Silence after which an address of the peer may turn out to be another's: NATs use ports again.
const OWN_FOR: Duration = Duration::from_secs(5);
/// DTLS datagrams that wait for the peer's description or nomination; more are dropped, and
/// repeated by the peer.
const QUEUED_MAX: usize = 8;
/// Datagrams of DTLS are not longer; the handshake of browsers has less than 1500 bytes each.
const QUEUED_BYTES_MAX: usize = 2048;

/// What a datagram was.
pub(super) enum Received {
    /// Nothing of this peer.
    Refused,
    /// Taken, and over.
    Taken,
    /// A valid check, which makes its source the peer's: what else it changed about the peer's
    /// addresses and our fragments.
    Checked(Checked),
    /// A genuine RTP packet, plain.
    Rtp(BytesMut),
    /// A genuine RTCP packet, plain.
    Rtcp(BytesMut),
}

/// What the leg is to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// Media can flow.
    Connected,
    /// The peer is not heard any more.
    Silent,
    /// It is heard again.
    Back,
    /// It never will again.
    Lost(Loss),
}

/// ICE, DTLS and SRTP of one leg.
pub(super) struct WebRtcLeg {
    identity: Identity,
    ice: IceLite,
    /// Since the peer's description is known.
    dtls: Option<Dtls>,
    srtp: Option<Box<Srtp>>,
    queued: Vec<Vec<u8>>,
    answers: Vec<(SocketAddr, Vec<u8>)>,
    facts: VecDeque<Fact>,
    heard_at: Option<Instant>,
    silent: bool,
    lost: bool,
}

impl WebRtcLeg {
    /// A leg whose peer is not known. `local` is what the peer is told.
    pub(super) fn new(identity: Identity, local: IceCredentials) -> WebRtcLeg {
        WebRtcLeg {
            identity,
            ice: IceLite::new(local),
            dtls: None,
            srtp: None,
            queued: Vec::new(),
            answers: Vec::new(),
            facts: VecDeque::new(),
            heard_at: None,
            silent: false,
            lost: false,
        }
    }

    /// Takes what was negotiated; a fragment of ours that is of no use any more. Another
    /// certificate or role is another association.
    pub(super) fn update(&mut self, now: Instant, params: &WebRtcParams) -> Option<String> {
        let replaced = self.ice.update(&params.local, &params.remote.ufrag);
        self.heard_at.get_or_insert(now);
        let (is_client, fingerprint) = (params.dtls_client, params.fingerprint_sha256);
        let suits = |dtls: &Dtls| dtls.suits(is_client, &fingerprint);
        if !self.dtls.as_ref().is_some_and(suits) {
            let dtls = Dtls::new(self.identity.clone(), is_client, fingerprint);
            self.dtls = Some(dtls);
            self.srtp = None;
        }
        self.start(now);
        replaced
    }

    /// Our fragments.
    pub(super) fn ufrags(&self) -> impl Iterator<Item = &str> {
        self.ice.ufrags()
    }

    /// The peer's addresses.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        self.ice.known()
    }

    /// The peer has been heard lately.
    pub(super) fn is_heard(&self, now: Instant) -> bool {
        let lately = |heard_at: Instant| now < heard_at + OWN_FOR;
        !self.lost && self.heard_at.is_some_and(lately)
    }

    /// Where media goes; nothing before it can flow.
    pub(super) fn target(&self) -> Option<SocketAddr> {
        let flows = self.srtp.is_some() && !self.silent;
        self.ice.nominated().filter(|_| flows)
    }

    /// Takes a datagram that was found to be this leg's. [`WebRtcLeg::drain`] and
    /// [`WebRtcLeg::poll_fact`] are to be called after it.
    pub(super) fn recv(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Received {
        if self.lost {
            return Received::Refused;
        }
        match Kind::of(datagram) {
            Kind::Stun => self.recv_check(now, from, datagram),
            Kind::Dtls => self.recv_dtls(now, from, datagram),
            Kind::Rtp => match self.unprotect(now, Protected::Rtp, datagram) {
                Some(plain) => Received::Rtp(plain),
                None => Received::Refused,
            },
            Kind::Rtcp => match self.unprotect(now, Protected::Rtcp, datagram) {
                Some(plain) => Received::Rtcp(plain),
                None => Received::Refused,
            },
            Kind::Other => Received::Refused,
        }
    }

    /// When [`WebRtcLeg::timeout`] wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.lost {
            return None;
        }
        let heard_at = self.heard_at.filter(|_| !self.silent);
        let consent = heard_at.map(|heard_at| heard_at + CONSENT_FOR);
        let dtls = self.dtls.as_ref().and_then(Dtls::poll_timeout);
        consent.into_iter().chain(dtls).min()
    }

    /// Repeats what was lost, and gives up on who is gone.
    pub(super) fn timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return;
        }
        let silent = |heard_at: Instant| now >= heard_at + CONSENT_FOR;
        if !self.silent && self.heard_at.is_some_and(silent) {
            match self.srtp {
                Some(_) => {
                    self.silent = true;
                    self.facts.push_back(Fact::Silent);
                }
                None => self.lose(Loss::Consent),
            }
            return;
        }
        if let Some(dtls) = &mut self.dtls {
            let outcome = dtls.handle_timeout(now);
            self.take(outcome);
        }
    }

    /// Hands over the packets of ICE and DTLS.
    pub(super) fn drain(&mut self, mut send: impl FnMut(SocketAddr, &[u8])) {
        for (to, answer) in self.answers.drain(..) {
            send(to, &answer);
        }
        if let Some((dtls, to)) = self.dtls.as_mut().zip(self.ice.nominated()) {
            dtls.drain(|datagram| send(to, datagram));
        }
    }

    /// What has happened.
    pub(super) fn poll_fact(&mut self) -> Option<Fact> {
        self.facts.pop_front()
    }

    /// Protects the packet that `packet` holds from `start` on. What cannot be protected is taken
    /// out.
    pub(super) fn protect(&mut self, kind: Protected, packet: &mut Vec<u8>, start: usize) {
        let done = self
            .srtp
            .as_mut()
            .is_some_and(|srtp| srtp.protect(kind, packet, start));
        if !done {
            packet.truncate(start);
        }
    }

    /// Tells the peer that it is over.
    pub(super) fn close(&mut self, now: Instant) {
        if let Some(dtls) = &mut self.dtls {
            dtls.close(now);
        }
        self.lost = true;
    }

    fn recv_check(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Received {
        let provider = self.identity.provider();
        let Some(mut checked) = self.ice.handle_check(provider.as_ref(), from, datagram) else {
            return Received::Refused;
        };
        // Before the peer's description is here its time is not counted.
        if self.heard_at.is_some() {
            self.hear(now);
        }
        self.answers
            .push((from, std::mem::take(&mut checked.answer)));
        self.start(now);
        Received::Checked(checked)
    }

    fn recv_dtls(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Received {
        if !self.ice.known().contains(&from) {
            return Received::Refused;
        }
        match &mut self.dtls {
            Some(dtls) if self.ice.nominated().is_some() => {
                let outcome = dtls.handle_datagram(now, datagram);
                self.take(outcome);
            }
            Some(_) | None => {
                if self.queued.len() >= QUEUED_MAX || datagram.len() > QUEUED_BYTES_MAX {
                    return Received::Refused;
                }
                self.queued.push(datagram.to_vec());
            }
        }
        Received::Taken
    }

    fn unprotect(&mut self, now: Instant, kind: Protected, datagram: &[u8]) -> Option<BytesMut> {
        let plain = self.srtp.as_mut()?.unprotect(kind, datagram)?;
        self.hear(now);
        Some(plain)
    }

    fn hear(&mut self, now: Instant) {
        self.heard_at = Some(now);
        if std::mem::take(&mut self.silent) {
            self.facts.push_back(Fact::Back);
        }
    }

    /// Starts the handshake when the peer is known and can be reached.
    fn start(&mut self, now: Instant) {
        if self.ice.nominated().is_none() {
            return;
        }
        let Some(dtls) = &mut self.dtls else { return };
        let outcome = dtls.start(now);
        self.take(outcome);
        for datagram in std::mem::take(&mut self.queued) {
            let Some(dtls) = &mut self.dtls else { return };
            let outcome = dtls.handle_datagram(now, &datagram);
            self.take(outcome);
        }
    }

    fn take(&mut self, outcome: DtlsOutcome) {
        match outcome {
            DtlsOutcome::Nothing => {}
            DtlsOutcome::Secured(srtp) => {
                self.srtp = Some(srtp);
                self.facts.push_back(Fact::Connected);
            }
            DtlsOutcome::Failed(problem) => self.lose(Loss::Dtls(problem.into())),
            DtlsOutcome::Closed => self.lose(Loss::Closed),
        }
    }

    fn lose(&mut self, loss: Loss) {
        if !std::mem::replace(&mut self.lost, true) {
            self.srtp = None;
            self.facts.push_back(Fact::Lost(loss));
        }
    }
}

/// Sends what ICE and DTLS have to say, and tells what has happened to them.
pub(super) fn settle(
    unit: UnitId,
    webrtc: &mut WebRtcLeg,
    (outbox, outputs): (&mut Outbox, &mut Outputs),
) {
    webrtc.drain(|to, bytes| {
        outbox.push(unit, Channel::Shared, to, |out| {
            out.extend_from_slice(bytes)
        });
    });
    while let Some(fact) = webrtc.poll_fact() {
        let event = match fact {
            Fact::Connected => Event::IceConnected { unit },
            Fact::Silent => Event::MediaTimeout { unit },
            Fact::Back => Event::MediaBack { unit },
            Fact::Lost(loss) => Event::LegLost { unit, loss },
        };
        outputs.push(Output::Event(event));
    }
}
