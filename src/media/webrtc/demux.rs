//! Whose a datagram is on the socket that all WebRTC legs share (RFC 7983): what it is by its
//! first byte, STUN by the local user name fragment, everything else by the address that ICE has
//! validated. Owns both maps; no address gets in but by a check with valid integrity.

#![expect(clippy::disallowed_types, reason = "by_address is only looked up")]

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use super::super::graph::Node;
use crate::rtp;

/// What a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
    /// TURN channels, QUIC, ZRTP, noise.
    Other,
}

impl Kind {
    /// Judges the first bytes.
    pub(in super::super) fn of(datagram: &[u8]) -> Kind {
        match datagram.first() {
            Some(0..=3) => Kind::Stun,
            Some(20..=63) => Kind::Dtls,
            Some(128..=191) if rtp::is_rtcp(datagram) => Kind::Rtcp,
            Some(128..=191) => Kind::Rtp,
            Some(_) | None => Kind::Other,
        }
    }
}

/// STUN: header, magic cookie, the attribute USERNAME (RFC 8489 §5, §14.3).
const STUN_HEADER_BYTES: usize = 20;
const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0, 1];
const USERNAME: u16 = 6;

/// Our fragment and the peer's in the user name of a binding request; nothing when the datagram is
/// something else.
pub(in super::super) fn user_name(datagram: &[u8]) -> Option<(&str, &str)> {
    let (header, mut rest) = datagram.split_at_checked(STUN_HEADER_BYTES)?;
    if header.get(..2) != Some(&BINDING_REQUEST) || header.get(4..8) != Some(&STUN_COOKIE) {
        return None;
    }
    while let Some((&[t0, t1, l0, l1], after)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let value = after.get(..length)?;
        if u16::from_be_bytes([t0, t1]) == USERNAME {
            return std::str::from_utf8(value).ok()?.split_once(':');
        }
        rest = after.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// The legs behind the shared socket.
#[derive(Default)]
pub(in super::super) struct Shared {
    by_ufrag: BTreeMap<String, Node>,
    by_address: HashMap<SocketAddr, Node>,
}

impl Shared {
    /// Entries of each table.
    pub(in super::super) fn leftovers(&self) -> [(&'static str, usize); 2] {
        [
            ("ICE fragments", self.by_ufrag.len()),
            ("ICE addresses", self.by_address.len()),
        ]
    }

    /// Gives a fragment to a leg; false when another leg has it.
    pub(in super::super) fn claim_ufrag(&mut self, ufrag: &str, node: Node) -> bool {
        *self.by_ufrag.entry(ufrag.to_owned()).or_insert(node) == node
    }

    /// Whether some leg has a fragment.
    pub(in super::super) fn has_ufrag(&self, ufrag: &str) -> bool {
        self.by_ufrag.contains_key(ufrag)
    }

    /// Takes a fragment back.
    pub(in super::super) fn release_ufrag(&mut self, ufrag: &str, node: Node) {
        if self.by_ufrag.get(ufrag) == Some(&node) {
            self.by_ufrag.remove(ufrag);
        }
    }

    /// The leg that has an address.
    pub(in super::super) fn owner(&self, address: SocketAddr) -> Option<Node> {
        self.by_address.get(&address).copied()
    }

    /// Gives an address to the leg whose peer proved to be there; the leg that had it loses it.
    pub(in super::super) fn learn(&mut self, address: SocketAddr, node: Node) {
        self.by_address.insert(address, node);
    }

    /// Takes an address back.
    pub(in super::super) fn forget(&mut self, address: SocketAddr, node: Node) {
        if self.by_address.get(&address) == Some(&node) {
            self.by_address.remove(&address);
        }
    }

    /// The leg that a datagram is for.
    pub(in super::super) fn find(&self, from: SocketAddr, datagram: &[u8]) -> Option<Node> {
        match Kind::of(datagram) {
            Kind::Stun => self.by_ufrag.get(user_name(datagram)?.0).copied(),
            Kind::Dtls | Kind::Rtp | Kind::Rtcp => self.by_address.get(&from).copied(),
            Kind::Other => None,
        }
    }

    /// Fragments and addresses that are known.
    #[cfg(test)]
    pub(in super::super) fn sizes(&self) -> (usize, usize) {
        (self.by_ufrag.len(), self.by_address.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A binding request with the attributes.
    fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        bytes.resize(STUN_HEADER_BYTES, 7);
        for (kind, value) in attributes {
            bytes.extend_from_slice(&kind.to_be_bytes());
            bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
            bytes.extend_from_slice(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn the_first_byte_tells_the_protocol() {
        let rows: [(&[u8], Kind); 12] = [
            (&[], Kind::Other),
            (&[0, 1], Kind::Stun),
            (&[3], Kind::Stun),
            (&[4], Kind::Other),
            (&[19], Kind::Other),
            (&[20, 254], Kind::Dtls),
            (&[63], Kind::Dtls),
            (&[64], Kind::Other),
            (&[0x80, 111], Kind::Rtp),
            (&[0x80, 0xef], Kind::Rtp),
            (&[0x81, 200], Kind::Rtcp),
            (&[0xc0, 200], Kind::Other),
        ];
        for (datagram, kind) in rows {
            assert_eq!(Kind::of(datagram), kind, "{datagram:?}");
        }
    }

    #[test]
    fn user_names_are_found_in_binding_requests_alone() {
        let good = request(&[(0x8022, b"five5"), (6, b"ours:theirs"), (8, &[0; 20])]);
        assert_eq!(user_name(&good), Some(("ours", "theirs")));
        let mut answer = good.clone();
        answer[0] = 1;
        let mut cookie = good.clone();
        cookie[4] = 0;
        let rows = [
            answer,
            cookie,
            request(&[]),
            request(&[(6, b"no colon")]),
            request(&[(6, b"\xff:x")]),
            request(&[(7, b"ours:theirs")]),
            good[..19].to_vec(),
            good[..38].to_vec(),
        ];
        for (index, row) in rows.iter().enumerate() {
            assert_eq!(user_name(row), None, "row {index}");
        }
        for length in 0..good.len() {
            user_name(&good[..length]);
        }
    }

    #[test]
    fn checks_go_by_fragment_and_all_else_by_address() {
        let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let check = |name: &str| request(&[(6, name.as_bytes())]);
        let mut shared = Shared::default();
        assert!(shared.claim_ufrag("one", 1));
        assert!(shared.claim_ufrag("two", 2));
        assert!(!shared.claim_ufrag("one", 2), "fragments are unique");
        assert!(shared.claim_ufrag("one", 1), "or the leg's own");
        let rtp = [0x80, 111];
        assert_eq!(shared.find(address(5), &rtp), None);
        shared.learn(address(5), 1);
        assert_eq!(shared.find(address(5), &rtp), Some(1));
        assert_eq!(shared.find(address(5), &[22]), Some(1));
        assert_eq!(shared.find(address(6), &rtp), None);
        assert_eq!(shared.find(address(5), &check("two:x")), Some(2));
        assert_eq!(shared.find(address(5), &check("three:x")), None);
        assert_eq!(shared.find(address(5), &[64]), None);
        shared.learn(address(5), 2);
        shared.forget(address(5), 1);
        assert_eq!(shared.find(address(5), &rtp), Some(2), "not 1's to forget");
        shared.release_ufrag("two", 1);
        assert_eq!(shared.find(address(5), &check("two:x")), Some(2));
        shared.release_ufrag("two", 2);
        shared.forget(address(5), 2);
        assert_eq!(shared.sizes(), (1, 0));
    }
}
