//! The lite side of ICE (RFC 8445 §2.5): announces an address, answers the checks of the peer, and
//! sends where the peer nominates. It sends no checks and needs no timer of its own.
//!
//! | input | condition | what follows |
//! |---|---|---|
//! | check | fragment or integrity wrong | refused, unanswered |
//! | check | valid | answered; its source is a known address of the peer; consent (RFC 7675) |
//! | valid check with USE-CANDIDATE | of the session in use | its source is nominated |
//! | valid check with USE-CANDIDATE | of a restart | its session is in use, its source nominated |
//! | restart | | the new session is checked beside the old one, packets go on to the old pair |
//!
//! The crate's own agent is not used for this: in its lite mode it pings the peer and follows no
//! nomination after the first, so that a browser which changes networks would be lost. Nothing is
//! learned from what stands after MESSAGE-INTEGRITY.

use std::net::SocketAddr;

use rtc::crypto::RTCCryptoProvider;
use rtc::stun::attributes::{ATTR_MESSAGE_INTEGRITY, ATTR_USE_CANDIDATE};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message};
use rtc::stun::xoraddr::XorMappedAddress;

use super::super::command::IceCredentials;
use super::demux;

/// Addresses of one peer: interfaces times NATs. The one that was checked longest ago goes, but
/// never the nominated one.
const ADDRESSES_MAX: usize = 16;

/// One set of credentials.
struct Session {
    local: IceCredentials,
    /// Unknown until the peer's description is here.
    remote_ufrag: Option<String>,
}

/// The lite agent of one leg.
pub(in super::super) struct IceLite {
    session: Session,
    /// After a restart, until the peer nominates in it.
    next: Option<Session>,
    nominated: Option<SocketAddr>,
    /// Addresses that have been validated, the one checked last at the end.
    known: Vec<SocketAddr>,
}

/// What a valid check changed.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Checked {
    /// The answer, for the address that the check came from.
    pub(in super::super) answer: Vec<u8>,
    /// An address that is known no more.
    pub(in super::super) forgotten: Option<SocketAddr>,
    /// A fragment of ours that a restart has replaced.
    pub(in super::super) retired: Option<String>,
}

impl IceLite {
    /// An agent whose peer is not known.
    pub(in super::super) fn new(local: IceCredentials) -> IceLite {
        IceLite {
            session: Session {
                local,
                remote_ufrag: None,
            },
            next: None,
            nominated: None,
            known: Vec::new(),
        }
    }

    /// Takes what was negotiated. Other credentials of ours are a restart; returns the fragment of
    /// an earlier restart that the peer has not used and that this one replaces.
    pub(in super::super) fn update(
        &mut self,
        local: &IceCredentials,
        remote_ufrag: &str,
    ) -> Option<String> {
        let remote_ufrag = Some(remote_ufrag.to_owned());
        let sessions = [Some(&mut self.session), self.next.as_mut()];
        for session in sessions.into_iter().flatten() {
            if session.local == *local {
                session.remote_ufrag = remote_ufrag;
                return None;
            }
        }
        let local = local.clone();
        let replaced = self.next.replace(Session {
            local,
            remote_ufrag,
        });
        replaced.map(|session| session.local.ufrag)
    }

    /// Our fragments: that of the session in use, and that of a restart.
    pub(in super::super) fn ufrags(&self) -> impl Iterator<Item = &str> {
        let sessions = [Some(&self.session), self.next.as_ref()];
        sessions
            .into_iter()
            .flatten()
            .map(|session| session.local.ufrag.as_str())
    }

    /// Where packets go; nothing before the first nomination.
    pub(in super::super) fn nominated(&self) -> Option<SocketAddr> {
        self.nominated
    }

    /// Addresses that have been validated.
    pub(in super::super) fn known(&self) -> &[SocketAddr] {
        &self.known
    }

    /// Takes a check; nothing when it is not valid.
    pub(in super::super) fn handle_check(
        &mut self,
        provider: &dyn RTCCryptoProvider,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Option<Checked> {
        let (ours, theirs) = demux::user_name(datagram)?;
        let is_next = self
            .next
            .as_ref()
            .is_some_and(|next| next.local.ufrag == ours);
        let session = match &self.next {
            Some(next) if is_next => next,
            Some(_) | None => &self.session,
        };
        let known_remote = session.remote_ufrag.as_deref();
        if session.local.ufrag != ours || known_remote.is_some_and(|known| known != theirs) {
            return None;
        }
        let mut request = Message::new();
        request.unmarshal_binary(datagram).ok()?;
        let key = session.local.pwd.as_bytes();
        MessageIntegrity::check(&mut request, key, provider.crypto()).ok()?;
        let covered = request
            .attributes
            .0
            .iter()
            .take_while(|attribute| attribute.typ != ATTR_MESSAGE_INTEGRITY);
        let nominates = covered
            .into_iter()
            .any(|attribute| attribute.typ == ATTR_USE_CANDIDATE);
        if request.typ != BINDING_REQUEST {
            return None;
        }
        let answer = answer(provider, &request, from, &session.local.pwd)?;
        let mut retired = None;
        if nominates {
            self.nominated = Some(from);
            if is_next && let Some(next) = self.next.take() {
                let old = std::mem::replace(&mut self.session, next);
                retired = Some(old.local.ufrag);
            }
        }
        Some(Checked {
            answer,
            forgotten: self.know(from),
            retired,
        })
    }

    /// Puts an address last among the known ones; which had to go for it.
    fn know(&mut self, address: SocketAddr) -> Option<SocketAddr> {
        if let Some(at) = self.known.iter().position(|known| *known == address) {
            self.known.remove(at);
            self.known.push(address);
            return None;
        }
        let full = self.known.len() >= ADDRESSES_MAX;
        let oldest = self
            .known
            .iter()
            .position(|known| Some(*known) != self.nominated)
            .filter(|_| full);
        let forgotten = oldest.map(|at| self.known.remove(at));
        self.known.push(address);
        forgotten
    }
}

fn answer(
    provider: &dyn RTCCryptoProvider,
    request: &Message,
    from: SocketAddr,
    pwd: &str,
) -> Option<Vec<u8>> {
    let (ip, port) = (from.ip().to_canonical(), from.port());
    let integrity = MessageIntegrity::new_raw_integrity_with_provider(pwd, provider.crypto());
    let mut answer = Message::new();
    let built = answer.build(&[
        Box::new(request.clone()),
        Box::new(BINDING_SUCCESS),
        Box::new(XorMappedAddress { ip, port }),
        Box::new(integrity),
        Box::new(FINGERPRINT),
    ]);
    built.ok().map(|()| answer.raw)
}
