//! Which SSRC a leg listens to (RFC 3550 §8, appendix A.1). Owns the memory of the source before
//! and of the one that may be next; knows no addresses, which are `latch`'s.
//!
//! | packet of | is |
//! |---|---|
//! | nobody so far | taken, and its source is the current one |
//! | the current source | taken |
//! | the source before, for a second | refused: a late one of the old stream |
//! | another source, the first time | refused, and remembered |
//! | that source again, next in sequence | taken, and its source is the current one |
//!
//! So one stray packet with another SSRC costs the stream nothing.

use std::time::{Duration, Instant};

use crate::rtp::{RtpPacket, SeqNo, Ssrc};

/// Packets of the source before a change are late ones for this long.
const OLD_FOR: Duration = Duration::from_secs(1);

/// The source of a leg's received stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Source {
    current: Option<Ssrc>,
    old: Option<(Ssrc, Instant)>,
    /// Who may be next, and the sequence number that proves it.
    next: Option<(Ssrc, SeqNo)>,
}

impl Source {
    /// Whether the packet belongs to the stream.
    pub(super) fn accept(&mut self, now: Instant, packet: &RtpPacket<'_>) -> bool {
        if self.current == Some(packet.ssrc) {
            return true;
        }
        let is_old = |(ssrc, since)| ssrc == packet.ssrc && now < since + OLD_FOR;
        if self.old.is_some_and(is_old) {
            return false;
        }
        if self.current.is_some() && self.next != Some((packet.ssrc, packet.seq)) {
            self.next = Some((packet.ssrc, packet.seq.next()));
            return false;
        }
        self.old = self.current.map(|ssrc| (ssrc, now));
        self.current = Some(packet.ssrc);
        self.next = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::{Header, PayloadType, RtpTimestamp};

    #[test]
    fn another_source_is_followed_from_its_second_packet_on() {
        // Milliseconds, SSRC, sequence number, taken.
        let rows = [
            (0, 1, 10, true),
            (20, 1, 11, true),
            (25, 2, 500, false),
            (30, 3, 7, false),
            (35, 2, 501, false),
            (40, 1, 12, true),
            (60, 4, 65_535, false),
            (80, 4, 0, true),
            (90, 1, 13, false),
            (100, 4, 1, true),
            (1100, 1, 14, false),
            (1120, 1, 15, true),
        ];
        let start = Instant::now();
        let mut source = Source::default();
        for (ms, ssrc, seq, taken) in rows {
            let mut bytes = Vec::new();
            Header {
                payload_type: PayloadType(0),
                marker: false,
                seq: SeqNo(seq),
                timestamp: RtpTimestamp(0),
                ssrc: Ssrc(ssrc),
            }
            .write(&mut bytes);
            let packet = RtpPacket::parse(&bytes).expect("RTP");
            let now = start + Duration::from_millis(ms);
            assert_eq!(source.accept(now, &packet), taken, "{ms} ms");
        }
    }
}
