//! What a core does with its WebRTC legs beside mixing: datagrams of the socket that they share,
//! ICE restarts, their end. The maps are `webrtc::demux`'s, the protocols `webrtc_leg`'s.

use std::net::SocketAddr;
use std::time::Instant;

use super::command::{WebRtcParams, WebRtcReady};
use super::core::Core;
use super::graph::{GraphError, Node};
use super::refused::Refused;
use super::rtp_leg::{RtpLeg, Transport};
use super::webrtc::Checked;
use super::webrtc_leg::{Received, settle};
use crate::id::UnitId;

impl Core {
    /// Takes a datagram of the socket that all WebRTC legs share.
    pub fn handle_shared_packet(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let node = self.shared.find(from, bytes);
        let taken = node.is_some_and(|node| self.handle_shared(now, node, from, bytes));
        self.count_packet(taken);
    }

    fn handle_shared(&mut self, now: Instant, node: Node, from: SocketAddr, bytes: &[u8]) -> bool {
        let wall = self.wall;
        let Some(leg) = self.units.legs.get_mut(node) else {
            return false;
        };
        let unit = leg.unit;
        let Some(webrtc) = leg.webrtc() else {
            return false;
        };
        let received = webrtc.recv(now, from, bytes);
        settle(unit, webrtc, (&mut self.outbox, &mut self.outputs));
        match received {
            Received::Rtp(plain) | Received::Rtcp(plain) => {
                leg.handle_packet(now, from, &plain, wall)
            }
            Received::Checked(checked) => {
                self.take_addresses(now, (node, from), checked);
                true
            }
            Received::Taken => true,
            Received::Refused => {
                leg.stats.refused += 1;
                false
            }
        }
    }

    /// Gives the source of a valid check to its leg. An address that another leg hears from is not
    /// taken from it: whoever may send checks for one leg could forge the source of another.
    fn take_addresses(&mut self, now: Instant, (node, from): (Node, SocketAddr), checked: Checked) {
        let Checked {
            answer: _,
            forgotten,
            retired,
        } = checked;
        if let Some(address) = forgotten {
            self.shared.forget(address, node);
        }
        let owner = self.shared.owner(from).filter(|owner| *owner != node);
        let owner = owner.and_then(|owner| self.units.legs.get_mut(owner));
        let used = owner
            .and_then(RtpLeg::webrtc)
            .is_some_and(|webrtc| webrtc.is_heard(now));
        if !used {
            self.shared.learn(from, node);
        }
        if let Some(ufrag) = retired {
            self.shared.release_ufrag(&ufrag, node);
        }
    }

    /// What the peer of a leg must be told beside its address.
    pub(super) fn webrtc_ready(&self, leg: &RtpLeg) -> Option<WebRtcReady> {
        let identity = self.settings.identity.as_ref()?;
        match leg.transport {
            Transport::Plain { .. } => None,
            Transport::WebRtc(_) => Some(WebRtcReady {
                fingerprint: identity.fingerprint().to_owned(),
            }),
        }
    }

    /// Takes what was negotiated for ICE and DTLS.
    pub(super) fn update_webrtc(
        &mut self,
        now: Instant,
        unit: UnitId,
        params: Option<&WebRtcParams>,
    ) -> Result<(), Refused> {
        let node = self.units.graph.node(unit).ok_or(GraphError::Unknown)?;
        let leg = self.units.legs.get_mut(node).ok_or(Refused::WrongKind)?;
        let (webrtc, params) = match (leg.webrtc(), params) {
            (Some(webrtc), Some(params)) => (webrtc, params),
            (None, None) => return Ok(()),
            (Some(_), None) | (None, Some(_)) => return Err(Refused::WrongKind),
        };
        if !self.shared.claim_ufrag(&params.local.ufrag, node) {
            return Err(Refused::Ufrag);
        }
        let replaced = webrtc.update(now, params);
        settle(unit, webrtc, (&mut self.outbox, &mut self.outputs));
        if let Some(ufrag) = replaced {
            self.shared.release_ufrag(&ufrag, node);
        }
        Ok(())
    }

    /// Ends the association of a leg and forgets its peer.
    pub(super) fn close_webrtc(&mut self, now: Instant, node: Node, leg: &mut RtpLeg) {
        let unit = leg.unit;
        let Some(webrtc) = leg.webrtc() else { return };
        webrtc.close(now);
        settle(unit, webrtc, (&mut self.outbox, &mut self.outputs));
        for ufrag in webrtc.ufrags() {
            self.shared.release_ufrag(ufrag, node);
        }
        for address in webrtc.addresses() {
            self.shared.forget(*address, node);
        }
    }
}
