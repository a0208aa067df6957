//! Reception of one source as RFC 3550 appendix A.3 (loss) and A.8 (jitter) measures it.

use std::time::{Duration, Instant};

use super::super::{ExtendedSeq, RtpPacket, RtpTimestamp, SeqUnwrapper, Ssrc};
use super::{NtpTime, ReportBlock};

/// Statistics of one received source, for report blocks and for our own view of quality.
#[derive(Clone, Debug)]
pub struct Reception {
    clock_rate_hz: u32,
    source: Option<Source>,
    sender_report: Option<(u32, Instant)>,
    jitter_max: f64,
}

#[derive(Clone, Debug)]
struct Source {
    ssrc: Ssrc,
    unwrapper: SeqUnwrapper,
    first: ExtendedSeq,
    received: u64,
    expected_before: u64,
    received_before: u64,
    last_at: Instant,
    last_timestamp: RtpTimestamp,
    jitter: f64,
}

impl Reception {
    /// Statistics of a stream with this RTP clock.
    pub fn new(clock_rate_hz: u32) -> Self {
        Reception {
            clock_rate_hz: clock_rate_hz.max(1),
            source: None,
            sender_report: None,
            jitter_max: 0.0,
        }
    }

    /// Counts a packet that arrived at `now`, duplicates included (A.3). Another SSRC, or a place
    /// in the sequence more than 3000 ahead or 100 behind, starts the count anew.
    pub fn handle_packet(&mut self, now: Instant, packet: &RtpPacket<'_>) {
        self.count(now, packet, true);
    }

    /// Counts a packet whose timestamp says nothing of when it was sent, such as one of the many
    /// with which a telephone-event goes on (RFC 4733 §2.2.1).
    pub fn handle_untimed_packet(&mut self, now: Instant, packet: &RtpPacket<'_>) {
        self.count(now, packet, false);
    }

    fn count(&mut self, now: Instant, packet: &RtpPacket<'_>, timed: bool) {
        match &mut self.source {
            Some(source) if source.accepts(packet) => {
                let _ = source.unwrapper.unwrap(packet.seq);
                source.received += 1;
                if timed {
                    source.learn_jitter(now, packet.timestamp, self.clock_rate_hz);
                    self.jitter_max = self.jitter_max.max(source.jitter);
                }
            }
            Some(_) | None => {
                if self
                    .source
                    .as_ref()
                    .is_some_and(|source| source.ssrc != packet.ssrc)
                {
                    self.sender_report = None;
                }
                self.source = Some(Source::new(now, packet));
            }
        }
    }

    /// Notes the sender report of that source, for LSR and DLSR.
    pub fn handle_sender_report(&mut self, now: Instant, ntp: NtpTime) {
        self.sender_report = Some((ntp.middle(), now));
    }

    /// The block to report at `now`, and the start of the next interval. Nothing before the first
    /// packet.
    pub fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        let (last_sender_report, delay_since_last) = match self.sender_report {
            Some((middle, at)) => (middle, units_of_65536(now.saturating_duration_since(at))),
            None => (0, 0),
        };
        let source = self.source.as_mut()?;
        let fraction_lost = source.close_interval();
        let lost = source
            .expected()
            .cast_signed()
            .saturating_sub(source.received.cast_signed());
        Some(ReportBlock {
            ssrc: source.ssrc,
            fraction_lost,
            cumulative_lost: i32::try_from(lost.clamp(-(1 << 23), (1 << 23) - 1)).unwrap_or(0),
            highest_seq: source.highest().report_bits(),
            jitter: source.jitter as u32,
            last_sender_report,
            delay_since_last,
        })
    }

    /// Interarrival jitter in milliseconds (§6.4.1); 0 before the second packet.
    pub fn jitter_ms(&self) -> f32 {
        self.milliseconds(self.source.as_ref().map_or(0.0, |source| source.jitter))
    }

    /// The largest that [`Reception::jitter_ms`] has been.
    pub fn jitter_ms_max(&self) -> f32 {
        self.milliseconds(self.jitter_max)
    }

    /// Packets received of the current source, duplicates included.
    pub fn received(&self) -> u64 {
        self.source.as_ref().map_or(0, |source| source.received)
    }

    /// Packets of the current source that are missing so far.
    pub fn lost(&self) -> u64 {
        self.source.as_ref().map_or(0, |source| {
            source.expected().saturating_sub(source.received)
        })
    }

    fn milliseconds(&self, units: f64) -> f32 {
        (units * 1_000.0 / f64::from(self.clock_rate_hz)) as f32
    }
}

impl Source {
    fn new(now: Instant, packet: &RtpPacket<'_>) -> Self {
        let mut unwrapper = SeqUnwrapper::default();
        let first = unwrapper.unwrap(packet.seq);
        Source {
            ssrc: packet.ssrc,
            unwrapper,
            first,
            received: 1,
            expected_before: 0,
            received_before: 0,
            last_at: now,
            last_timestamp: packet.timestamp,
            jitter: 0.0,
        }
    }

    fn accepts(&self, packet: &RtpPacket<'_>) -> bool {
        let mut unwrapper = self.unwrapper;
        let (highest, seq) = (self.highest().0, unwrapper.unwrap(packet.seq).0);
        self.ssrc == packet.ssrc && seq < highest + 3_000 && seq + 100 > highest
    }

    fn highest(&self) -> ExtendedSeq {
        self.unwrapper.highest().unwrap_or(self.first)
    }

    fn expected(&self) -> u64 {
        self.highest().0.saturating_sub(self.first.0) + 1
    }

    fn learn_jitter(&mut self, now: Instant, timestamp: RtpTimestamp, clock_rate_hz: u32) {
        let arrival = now.saturating_duration_since(self.last_at).as_secs_f64();
        let media = f64::from(timestamp.distance_from(self.last_timestamp));
        let variation = (arrival * f64::from(clock_rate_hz) - media).abs();
        // A step of a second is a new media timeline, not jitter.
        if variation < f64::from(clock_rate_hz) {
            self.jitter += (variation - self.jitter) / 16.0;
        }
        self.last_at = now;
        self.last_timestamp = timestamp;
    }

    /// Fraction lost since the last call, in units of 1/256.
    fn close_interval(&mut self) -> u8 {
        let expected = self.expected() - self.expected_before;
        let received = self.received - self.received_before;
        self.expected_before = self.expected();
        self.received_before = self.received;
        match expected.checked_sub(received) {
            Some(lost) if expected > 0 => u8::try_from(lost * 256 / expected).unwrap_or(u8::MAX),
            Some(_) | None => 0,
        }
    }
}

fn units_of_65536(passed: Duration) -> u32 {
    u32::try_from(passed.as_nanos() * 65_536 / 1_000_000_000).unwrap_or(u32::MAX)
}
