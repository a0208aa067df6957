//! The DTLS association of one leg (RFC 5764): handshake in the role that was negotiated, the
//! check of the peer's certificate against its description (RFC 8122), the keys for SRTP.
//!
//! The association belongs to the peer and not to an address: ICE may move it. To the endpoint,
//! which tells associations apart by address, the peer therefore is always [`PEER`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc::crypto::constant_time_eq;
use rtc::dtls::endpoint::{Endpoint, EndpointEvent};
use rtc::shared::TransportProtocol;

use super::identity::{self, Identity};
use super::srtp::{Srtp, SrtpKeys};

/// What the peer is called.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
/// Time for the handshake once the peer can be reached.
const HANDSHAKE_FOR: Duration = Duration::from_secs(20);
/// Datagrams in one flight that are sent on; the certificate of a peer fits two.
const FLIGHT_MAX: usize = 32;

/// How far the association has come.
enum State {
    /// Nothing may be sent yet.
    Waiting,
    /// Since then.
    Handshake(Instant),
    Established,
    /// Failed or closed.
    Over,
}

/// What a datagram or a deadline led to.
pub(in super::super) enum DtlsOutcome {
    Nothing,
    /// The peer is who its description says; media can flow.
    Secured(Box<Srtp>),
    /// The peer is somebody else, or does not come to an end.
    Failed(&'static str),
    /// The peer has closed the association.
    Closed,
}

/// The association of one leg.
pub(in super::super) struct Dtls {
    identity: Identity,
    endpoint: Endpoint,
    state: State,
    is_client: bool,
    fingerprint_sha256: [u8; 32],
}

impl Dtls {
    /// An association that waits to be started.
    pub(in super::super) fn new(
        identity: Identity,
        is_client: bool,
        fingerprint_sha256: [u8; 32],
    ) -> Dtls {
        let server = (!is_client).then(|| identity.server.clone());
        Dtls {
            endpoint: Endpoint::new(PEER, TransportProtocol::UDP, server),
            identity,
            state: State::Waiting,
            is_client,
            fingerprint_sha256,
        }
    }

    /// Whether this is the association that these terms ask for.
    pub(in super::super) fn suits(&self, is_client: bool, fingerprint_sha256: &[u8; 32]) -> bool {
        self.is_client == is_client && self.fingerprint_sha256 == *fingerprint_sha256
    }

    /// Starts the handshake, once: the peer can be reached.
    pub(in super::super) fn start(&mut self, now: Instant) -> DtlsOutcome {
        let State::Waiting = self.state else {
            return DtlsOutcome::Nothing;
        };
        self.state = State::Handshake(now);
        if !self.is_client {
            return DtlsOutcome::Nothing;
        }
        let client = self.identity.client.clone();
        match self.endpoint.connect(now, PEER, client, None) {
            Ok(()) => DtlsOutcome::Nothing,
            Err(error) => {
                tracing::debug!(%error, "DTLS could not be started");
                self.fail(now, "cannot be started")
            }
        }
    }

    /// Takes a datagram.
    pub(in super::super) fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &[u8],
    ) -> DtlsOutcome {
        match self.state {
            State::Handshake(_) | State::Established => {}
            State::Waiting | State::Over => return DtlsOutcome::Nothing,
        }
        let events = match self
            .endpoint
            .read(now, PEER, None, BytesMut::from(datagram))
        {
            Ok(events) => events,
            // It may be forged: a handshake that does not come to its end has a deadline.
            Err(error) => {
                tracing::debug!(%error, "DTLS datagram refused");
                return DtlsOutcome::Nothing;
            }
        };
        let mut outcome = DtlsOutcome::Nothing;
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => outcome = self.complete(now),
                EndpointEvent::PeerClosed if matches!(self.state, State::Established) => {
                    self.state = State::Over;
                    return DtlsOutcome::Closed;
                }
                // Data channels are not negotiated; an unproved peer may say what it likes.
                EndpointEvent::ApplicationData(_) | EndpointEvent::PeerClosed => {}
                _ => {}
            }
        }
        outcome
    }

    /// When [`Dtls::handle_timeout`] wants to be called.
    pub(in super::super) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Handshake(since) => {
                let deadline = since + HANDSHAKE_FOR;
                let again = self.endpoint.poll_timeout(&PEER);
                Some(again.map_or(deadline, |again| again.min(deadline)))
            }
            State::Waiting | State::Established | State::Over => None,
        }
    }

    /// Repeats a flight, or gives up.
    pub(in super::super) fn handle_timeout(&mut self, now: Instant) -> DtlsOutcome {
        let State::Handshake(since) = self.state else {
            return DtlsOutcome::Nothing;
        };
        if now >= since + HANDSHAKE_FOR {
            return self.fail(now, "does not come to an end");
        }
        if self
            .endpoint
            .poll_timeout(&PEER)
            .is_some_and(|again| now >= again)
            && let Err(error) = self.endpoint.handle_timeout(PEER, now)
        {
            tracing::debug!(%error, "DTLS flight could not be repeated");
        }
        DtlsOutcome::Nothing
    }

    /// Says that the association ends.
    pub(in super::super) fn close(&mut self, now: Instant) {
        self.state = State::Over;
        self.endpoint.stop(now, PEER);
    }

    /// Hands over the datagrams to send.
    pub(in super::super) fn drain(&mut self, mut send: impl FnMut(&[u8])) {
        for _ in 0..FLIGHT_MAX {
            let Some(transmit) = self.endpoint.poll_transmit() else {
                return;
            };
            send(&transmit.message);
        }
        while self.endpoint.poll_transmit().is_some() {}
    }

    fn fail(&mut self, now: Instant, problem: &'static str) -> DtlsOutcome {
        self.close(now);
        DtlsOutcome::Failed(problem)
    }

    /// The handshake is over: the peer holds the key of its certificate. Is it the one?
    fn complete(&mut self, now: Instant) -> DtlsOutcome {
        let Some(state) = self.endpoint.get_connection_state(PEER) else {
            return self.fail(now, "has no state");
        };
        let provider = self.identity.provider();
        let certificate = state.peer_certificates.first();
        let hash = certificate.and_then(|der| identity::sha256(provider.as_ref(), der));
        let is_the_peer =
            hash.is_some_and(|hash| constant_time_eq(&hash, &self.fingerprint_sha256));
        if !is_the_peer {
            return self.fail(now, "certificate is not the one of the description");
        }
        let srtp = SrtpKeys::of(state).and_then(|keys| Srtp::new(provider, keys));
        match srtp {
            Some(srtp) => {
                self.state = State::Established;
                DtlsOutcome::Secured(Box::new(srtp))
            }
            None => self.fail(now, "gives no keys for SRTP"),
        }
    }
}
