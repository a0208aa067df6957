//! Which of our addresses a peer reaches: the advertised one if there is one, the listener's own if
//! it has one, else what the system's routes say.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use dashmap::DashMap;

/// Peers that are remembered; when they are full, all are forgotten.
const PEERS_MAX: usize = 4096;

/// The address of one listener as peers see it.
pub(super) struct LocalAddress {
    bound: SocketAddr,
    advertised: Option<IpAddr>,
    by_peer: DashMap<IpAddr, IpAddr>,
}

impl LocalAddress {
    pub fn new(bound: SocketAddr, advertised: Option<IpAddr>) -> Self {
        // An advertised address serves the listeners of its family.
        let advertised = advertised.filter(|ip| ip.is_ipv4() == bound.is_ipv4());
        LocalAddress {
            bound,
            advertised,
            by_peer: DashMap::new(),
        }
    }

    pub fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// What stands in Contact and Via for this peer.
    pub fn reached_by(&self, peer: IpAddr) -> SocketAddr {
        let ip = match self.advertised {
            Some(ip) => ip,
            None if !self.bound.ip().is_unspecified() => self.bound.ip(),
            None => self.route_to(peer),
        };
        SocketAddr::new(ip, self.bound.port())
    }

    fn route_to(&self, peer: IpAddr) -> IpAddr {
        if let Some(ip) = self.by_peer.get(&peer) {
            return *ip;
        }
        // The system is asked while no other peer waits; two askers get the same answer.
        let ip = ask_routes(peer).unwrap_or_else(|error| {
            tracing::debug!(%error, "No route tells our address");
            self.bound.ip()
        });
        if self.by_peer.len() >= PEERS_MAX {
            self.by_peer.clear();
        }
        self.by_peer.insert(peer, ip);
        ip
    }
}

/// Our IPv4 address towards other machines, as the default route has it at the moment; absent on a
/// machine without a network.
pub fn own_address() -> Option<IpAddr> {
    let elsewhere = Ipv4Addr::new(198, 51, 100, 1);
    let own = ask_routes(elsewhere.into()).ok()?;
    Some(own).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

/// Connecting a datagram socket sends nothing; it only chooses the source address.
fn ask_routes(peer: IpAddr) -> std::io::Result<IpAddr> {
    let any: IpAddr = match peer {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((peer, 9))?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advertised_then_bound_then_routed() {
        for (bound, advertised, expected) in [
            ("0.0.0.0:5060", Some("203.0.113.7"), "203.0.113.7:5060"),
            ("127.0.0.1:5060", Some("203.0.113.7"), "203.0.113.7:5060"),
            ("127.0.0.1:5060", None, "127.0.0.1:5060"),
            ("0.0.0.0:5061", None, "127.0.0.1:5061"),
            ("127.0.0.1:5060", Some("2001:db8::7"), "127.0.0.1:5060"),
        ] {
            let advertised = advertised.map(|ip| ip.parse().expect("an address"));
            let local = LocalAddress::new(bound.parse().expect("an address"), advertised);
            let reached = local.reached_by(Ipv4Addr::LOCALHOST.into());
            assert_eq!(reached.to_string(), expected, "{bound} {advertised:?}");
        }
    }

    #[test]
    fn the_memory_of_peers_is_bounded() {
        let local = LocalAddress::new("0.0.0.0:5060".parse().expect("an address"), None);
        for peer in 0..PEERS_MAX as u32 + 10 {
            local.reached_by(Ipv4Addr::from(0x7f00_0001 + peer).into());
        }
        assert_eq!(local.by_peer.len(), 10);
    }
}
