//! Where a peer's RTP comes from and where ours goes (symmetric RTP, RFC 4961). The address in the
//! session description is only a proposal: the first source that sends what was negotiated is
//! answered, and once it has settled nobody else is heard. Owns no packets; the caller has checked
//! that they are RTP of the stream.
//!
//! | state | packet from | → |
//! |---|---|---|
//! | signalled | anyone | learning that source |
//! | learning | that source | locks after [`LOCK_PACKETS`] packets, or [`LOCK_AFTER`] and two |
//! | learning | the signalled address | learning that one instead |
//! | learning | another, the first silent for [`LOCK_AFTER`] | learning that one instead |
//! | learning, locked | another | refused |

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Packets from one source that settle it.
const LOCK_PACKETS: u32 = 5;
/// Time from the first packet of a source after which its next one settles it.
const LOCK_AFTER: Duration = Duration::from_millis(100);

/// The state of one stream's latching.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Latch {
    /// No packet yet: we send to the signalled address.
    #[default]
    Signalled,
    /// A source is answered but may still be replaced.
    Learning {
        source: SocketAddr,
        first_at: Instant,
        last_at: Instant,
        packets: u32,
    },
    /// Only this source is heard.
    Locked { source: SocketAddr },
}

impl Latch {
    /// Whether a valid packet of the stream from `from` is taken.
    pub(super) fn accept(&mut self, now: Instant, from: SocketAddr, signalled: SocketAddr) -> bool {
        let learning = Latch::Learning {
            source: from,
            first_at: now,
            last_at: now,
            packets: 1,
        };
        match *self {
            Latch::Signalled => *self = learning,
            Latch::Learning {
                source,
                first_at,
                packets,
                ..
            } if source == from => {
                let packets = packets + 1;
                *self = if packets >= LOCK_PACKETS || now >= first_at + LOCK_AFTER {
                    Latch::Locked { source }
                } else {
                    Latch::Learning {
                        source,
                        first_at,
                        last_at: now,
                        packets,
                    }
                };
            }
            Latch::Learning { last_at, .. } => {
                if from != signalled && now < last_at + LOCK_AFTER {
                    return false;
                }
                *self = learning;
            }
            Latch::Locked { source } => return source == from,
        }
        true
    }

    /// The source that is answered, if one has been seen.
    pub(super) fn source(&self) -> Option<SocketAddr> {
        match self {
            Latch::Signalled => None,
            Latch::Learning { source, .. } | Latch::Locked { source } => Some(*source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of words `ms:from`, with an `x` behind it when the packet is refused; who is answered
    /// in the end, and whether that is settled. Source 1 is the signalled address.
    #[test]
    fn the_first_source_is_answered_and_locks() {
        for (name, words, answered, locked) in [
            ("five lock", "0:2 1:2 2:2 3:2 4:2 5:3x 9:1x", 2, true),
            ("time locks", "0:2 100:2 101:1x", 2, true),
            (
                "a single packet does not",
                "0:2 20:3x 100:3 120:2x",
                3,
                false,
            ),
            (
                "the signalled address goes first",
                "0:2 10:1 20:2x",
                1,
                false,
            ),
            (
                "a flood does not replace",
                "0:2 20:3x 40:2 120:3x 130:2 900:3x",
                2,
                true,
            ),
        ] {
            let now = Instant::now();
            let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
            let mut latch = Latch::default();
            assert_eq!(latch.source(), None);
            for word in words.split(' ') {
                let (ms, from) = word.split_once(':').unwrap();
                let (from, taken) = (from.trim_end_matches('x'), !from.ends_with('x'));
                let at = now + Duration::from_millis(ms.parse().unwrap());
                let from = address(from.parse().unwrap());
                assert_eq!(latch.accept(at, from, address(1)), taken, "{name}: {word}");
            }
            assert_eq!(latch.source(), Some(address(answered)), "{name}");
            assert_eq!(matches!(latch, Latch::Locked { .. }), locked, "{name}");
        }
    }
}
