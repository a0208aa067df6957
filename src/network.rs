//! What counts as one address wherever something is counted by address, and which lines of the log
//! an address may cause.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::pii::ClientAddress;

/// An IPv4 address, or an IPv6 network of 64 bits: every home has as many addresses of one such
/// network as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// The network that an address is in. An IPv4 address in IPv6 form is the IPv4 address.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// For logs: as [`ClientAddress`].
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ClientAddress(self.0).fmt(f)
    }
}

/// From the first line of an address until it may cause as many again.
const WINDOW: Duration = Duration::from_secs(60);
/// Networks that have lines of their own; all further ones share one.
const NETWORKS_MAX: usize = 1024;

/// Decides for one kind of line in the log which ones are written: the first ones of a network in a
/// minute. The next one that is written says how many there were in between.
#[derive(Debug)]
pub struct Repeats {
    per_window: u32,
    windows: BTreeMap<Network, Window>,
    others: Option<Window>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Instant,
    written: u32,
    unwritten: u64,
}

/// One line a minute.
impl Default for Repeats {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Repeats {
    /// Lets a network cause `per_minute` lines.
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_window: per_minute,
            windows: BTreeMap::new(),
            others: None,
        }
    }

    /// Counts one. Gives how many the line to be written stands for, this one included; nothing
    /// when none is to be written.
    pub fn note(&mut self, now: Instant, network: Network) -> Option<u64> {
        let over = |window: &Window| now.saturating_duration_since(window.began) >= WINDOW;
        if self.windows.len() >= NETWORKS_MAX && !self.windows.contains_key(&network) {
            self.windows.retain(|_, window| !over(window));
        }
        let fresh = Window {
            began: now,
            written: 0,
            unwritten: 0,
        };
        let full = self.windows.len() >= NETWORKS_MAX && !self.windows.contains_key(&network);
        let window = match full {
            true => self.others.get_or_insert(fresh),
            false => self.windows.entry(network).or_insert(fresh),
        };
        if over(window) {
            (window.began, window.written) = (now, 0);
        }
        window.unwritten += 1;
        if window.written >= self.per_window {
            return None;
        }
        window.written += 1;
        Some(std::mem::take(&mut window.unwritten))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_of_64_bits_counts_as_one_address() {
        for (one, other, same) in [
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::1", "2001:db8::ffff:2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let [one, other] = [one, other].map(|text| text.parse().expect("an address"));
            assert_eq!(
                Network::of(one) == Network::of(other),
                same,
                "{one} {other}"
            );
        }
    }

    #[test]
    fn the_first_line_is_written_and_then_one_a_minute() {
        let start = Instant::now();
        let mut repeats = Repeats::new(1);
        let network = |n: u32| Network::of(IpAddr::from(n.to_be_bytes()));
        for (second, of, written) in [
            (0, 1, Some(1)),
            (1, 1, None),
            (2, 2, Some(1)),
            (59, 1, None),
            (60, 1, Some(3)),
            (61, 1, None),
            (200, 1, Some(2)),
        ] {
            let now = start + Duration::from_secs(second);
            assert_eq!(repeats.note(now, network(of)), written, "{of} at {second}");
        }
        let mut three = Repeats::new(3);
        let written = (0..10).filter_map(|_| three.note(start, network(1)));
        assert_eq!(written.collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!(three.note(start + WINDOW, network(1)), Some(8));
        let now = start + Duration::from_secs(1000);
        let lines = (0..100_000).filter_map(|n| repeats.note(now, network(n)));
        assert_eq!(lines.count(), NETWORKS_MAX + 1, "the others share a line");
        assert_eq!(repeats.windows.len(), NETWORKS_MAX);
    }
}
