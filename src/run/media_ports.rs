//! UDP ports for RTP and RTCP: even and odd neighbours from one range (RFC 3550 §11). A freed pair
//! is held back for a while, so that late packets of one call do not reach the next.

use std::collections::{BTreeSet, VecDeque};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// How long a freed pair is held back.
pub const HELD_BACK: Duration = Duration::from_secs(5);

/// Two bound sockets that do not block.
#[derive(Debug)]
pub struct PortPair {
    /// On an even port.
    pub rtp: UdpSocket,
    /// On the port above it.
    pub rtcp: UdpSocket,
    /// The port of `rtp`.
    pub port: u16,
}

/// The ports of one worker. Two workers have ranges of their own.
#[derive(Debug)]
pub struct PortPool {
    address: IpAddr,
    first: u16,
    pairs: u16,
    next: u16,
    used: BTreeSet<u16>,
    held: VecDeque<(Instant, u16)>,
}

/// Why there is no pair.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Every pair of the range is used, by us or by another program, or held back.
    #[error("no free pair of ports in {first} to {last}")]
    Exhausted {
        /// First port of the range.
        first: u16,
        /// Last port of the range.
        last: u16,
    },
    /// The address cannot be bound at all.
    #[error("cannot bind {address}: {error}")]
    Address {
        /// What was tried.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
}

impl PortPool {
    /// A pool over `first` to `last`, both included. An odd `first` and an even `last` are left
    /// out; a range without a pair gives no ports.
    pub fn new(address: IpAddr, first: u16, last: u16) -> Self {
        let even = u32::from(first.max(2)).next_multiple_of(2);
        let pairs = (u32::from(last) + 1).saturating_sub(even) / 2;
        // Past the end there are no pairs, so that neither conversion changes a value that is used.
        let first = u16::try_from(even).unwrap_or(u16::MAX);
        let pairs = u16::try_from(pairs).unwrap_or(u16::MAX);
        PortPool {
            address,
            first,
            pairs,
            next: 0,
            used: BTreeSet::new(),
            held: VecDeque::new(),
        }
    }

    /// Binds the next free pair, walking the range at most once.
    ///
    /// # Errors
    /// [`PortError`].
    pub fn bind(&mut self, now: Instant) -> Result<PortPair, PortError> {
        self.let_go(now);
        for _ in 0..self.pairs {
            let port = self.first + 2 * self.next;
            self.next = (self.next + 1) % self.pairs;
            if self.used.contains(&port) {
                continue;
            }
            if let Some(pair) = self.bind_pair(port)? {
                self.used.insert(port);
                return Ok(pair);
            }
        }
        let last = self
            .first
            .saturating_add(self.pairs.saturating_mul(2))
            .saturating_sub(1);
        Err(PortError::Exhausted {
            first: self.first,
            last,
        })
    }

    /// Takes a pair back. Its sockets are closed here.
    pub fn release(&mut self, now: Instant, pair: PortPair) {
        self.held.push_back((now + HELD_BACK, pair.port));
    }

    /// Pairs that are in use or held back.
    pub fn taken(&self) -> usize {
        self.used.len()
    }

    fn let_go(&mut self, now: Instant) {
        while let Some((until, port)) = self.held.front().copied()
            && until <= now
        {
            self.held.pop_front();
            self.used.remove(&port);
        }
    }

    /// Nothing when one of the two is in use by another program.
    fn bind_pair(&self, port: u16) -> Result<Option<PortPair>, PortError> {
        let bind = |port: u16| {
            let address = SocketAddr::new(self.address, port);
            let bound = UdpSocket::bind(address).and_then(|socket| {
                socket.set_nonblocking(true)?;
                Ok(socket)
            });
            match bound {
                Ok(socket) => Ok(Some(socket)),
                Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(None),
                Err(error) => Err(PortError::Address { address, error }),
            }
        };
        let Some(rtp) = bind(port)? else {
            return Ok(None);
        };
        let rtcp = bind(port + 1)?;
        Ok(rtcp.map(|rtcp| PortPair { rtp, rtcp, port }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    /// A range of `pairs` pairs that were free a moment ago.
    fn free_range(pairs: u16) -> u16 {
        for first in (20_000..60_000).step_by(2 * usize::from(pairs)) {
            let first = first as u16;
            let bind = |port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port));
            if (first..first + 2 * pairs)
                .map(bind)
                .collect::<Result<Vec<_>, _>>()
                .is_ok()
            {
                return first;
            }
        }
        panic!("no free ports on the loopback interface");
    }

    #[test]
    fn pairs_are_even_and_odd_walk_the_range_and_are_held_back() {
        let first = free_range(4);
        let mut pool = PortPool::new(Ipv4Addr::LOCALHOST.into(), first - 1, first + 8);
        let now = Instant::now();
        let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, first + 3)).expect("another program");
        let mut pairs: Vec<_> = (0..3).map(|_| pool.bind(now).expect("a pair")).collect();
        let ports: Vec<_> = pairs.iter().map(|pair| pair.port - first).collect();
        assert_eq!(ports, [0, 4, 6], "the second pair is half in use");
        for pair in &pairs {
            assert_eq!(pair.rtcp.local_addr().expect("bound").port(), pair.port + 1);
        }
        let error = pool.bind(now).expect_err("exhausted").to_string();
        assert_eq!(
            error,
            format!("no free pair of ports in {first} to {}", first + 7)
        );
        drop(other);
        assert_eq!(pool.bind(now).expect("free again").port, first + 2);
        pool.release(now, pairs.remove(1));
        let almost = now + HELD_BACK - Duration::from_millis(1);
        assert!(pool.bind(almost).is_err(), "held back");
        assert_eq!(pool.bind(now + HELD_BACK).expect("let go").port, first + 4);
    }

    #[test]
    fn ranges_without_a_pair_and_strange_addresses_give_errors() {
        for (first, last) in [(0, 0), (65_535, 65_535), (10_000, 9_000), (10_001, 10_002)] {
            let mut pool = PortPool::new(Ipv4Addr::LOCALHOST.into(), first, last);
            assert!(
                matches!(pool.bind(Instant::now()), Err(PortError::Exhausted { .. })),
                "{first}"
            );
        }
        let mut pool = PortPool::new(Ipv4Addr::new(192, 0, 2, 1).into(), 10_000, 10_100);
        let error = pool.bind(Instant::now()).expect_err("not ours").to_string();
        assert!(
            error.starts_with("cannot bind 192.0.2.1:10000: "),
            "{error}"
        );
    }
}
