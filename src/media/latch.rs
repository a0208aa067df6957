//! Where a peer's RTP comes from and where ours goes (symmetric RTP, RFC 4961). The address in the session
//! description is only a proposal: the first source that sends what was negotiated is answered, and once it
//! has settled nobody else is heard. Owns no packets; the caller has checked that they are RTP of the stream.
//!
//! | state | packet from | → |
//! |---|---|---|
//! | signalled | anyone | learning that source |
//! | learning | that source | locked after [`LOCK_PACKETS`] packets, or [`LOCK_AFTER`] and two packets |
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

    #[test]
    fn the_first_source_is_answered_and_locks() {
        let now = Instant::now();
        let at = |ms| now + Duration::from_millis(ms);
        let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let signalled = address(1);
        // (ms, from, taken), and who is answered in the end.
        type Rows = &'static [(u64, u16, bool)];
        let rows: [(&str, Rows, u16, bool); 5] = [
            (
                "five lock",
                &[
                    (0, 2, true),
                    (1, 2, true),
                    (2, 2, true),
                    (3, 2, true),
                    (4, 2, true),
                    (5, 3, false),
                    (9, 1, false),
                ],
                2,
                true,
            ),
            (
                "time locks",
                &[(0, 2, true), (100, 2, true), (101, 1, false)],
                2,
                true,
            ),
            (
                "a single packet does not",
                &[
                    (0, 2, true),
                    (20, 3, false),
                    (100, 3, true),
                    (120, 2, false),
                ],
                3,
                false,
            ),
            (
                "the signalled address goes first",
                &[(0, 2, true), (10, 1, true), (20, 2, false)],
                1,
                false,
            ),
            (
                "a flood does not replace",
                &[
                    (0, 2, true),
                    (20, 3, false),
                    (40, 2, true),
                    (120, 3, false),
                    (130, 2, true),
                    (900, 3, false),
                ],
                2,
                true,
            ),
        ];
        for (name, packets, answered, locked) in rows {
            let mut latch = Latch::default();
            assert_eq!(latch.source(), None);
            for (ms, from, taken) in packets {
                assert_eq!(
                    latch.accept(at(*ms), address(*from), signalled),
                    *taken,
                    "{name}: {ms}"
                );
            }
            assert_eq!(latch.source(), Some(address(answered)), "{name}");
            assert_eq!(matches!(latch, Latch::Locked { .. }), locked, "{name}");
        }
    }
}
