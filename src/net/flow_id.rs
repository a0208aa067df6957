//! Flow ids. A UDP flow's id is computed from the listener and the peer, so that nothing is kept
//! for it:
//!
//! | bit 63 | bits 62–55 | bits 54–0 |
//! |---|---|---|
//! | 1 (UDP) | listener | hash of the peer's address |
//! | 0 (stream) | number of the connection, from 1 | |

use std::net::{IpAddr, SocketAddr};

use crate::id::FlowId;

/// UDP listeners that an id can tell apart.
pub(super) const LISTENERS_MAX: usize = 128;

const UDP: u64 = 1 << 63;
const LISTENER_SHIFT: u32 = 55;

pub(super) fn of_udp(listener: usize, remote: SocketAddr) -> FlowId {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    match remote.ip() {
        IpAddr::V4(ip) => add(&ip.octets()),
        IpAddr::V6(ip) => add(&ip.octets()),
    }
    add(&remote.port().to_be_bytes());
    // The high bits of the product are the better mixed ones.
    let peer = hash >> (64 - LISTENER_SHIFT);
    FlowId(UDP | ((listener as u64) << LISTENER_SHIFT) | peer)
}

/// The listener of a UDP flow; nothing for a stream.
pub(super) fn udp_listener(id: FlowId) -> Option<usize> {
    (id.0 & UDP != 0).then_some(((id.0 & !UDP) >> LISTENER_SHIFT) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_listener_and_differs_by_peer() {
        let peers = [
            "192.0.2.1:5060",
            "192.0.2.1:5061",
            "192.0.2.2:5060",
            "[2001:db8::1]:5060",
        ];
        let mut ids = Vec::new();
        for listener in [0, 1, LISTENERS_MAX - 1] {
            for peer in peers {
                let id = of_udp(listener, peer.parse().expect("an address"));
                assert_eq!(udp_listener(id), Some(listener), "{peer}");
                assert_eq!(id, of_udp(listener, peer.parse().expect("an address")));
                ids.push(id);
            }
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 12);
        assert_eq!(udp_listener(FlowId(1)), None);
    }
}
