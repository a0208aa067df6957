//! What is measured and said about one RTP stream: RTCP sender and receiver reports with SDES and
//! BYE (RFC 3550 §6), the round trip, the quality that scripts and people see, and whether media
//! still comes.

use std::time::{Duration, Instant};

use super::command::Quality;
use super::sender::Sender;
use crate::rtp::rtcp::{self, NtpTime, Reception, Report, ReportBlock, SenderInfo};
use crate::rtp::{RtpError, RtpPacket, RtpTimestamp, Ssrc};

/// Mean time between reports; each interval is 0.5 to 1.5 times that (RFC 3550 §6.3.1).
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// Time between two [`super::Event::Quality`].
const QUALITY_EVERY: Duration = Duration::from_secs(10);

/// Wall clock of the core: an instant and the NTP time at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct WallClock {
    pub(super) origin: Instant,
    pub(super) unix: Duration,
}

impl WallClock {
    fn ntp(&self, now: Instant) -> NtpTime {
        NtpTime::from_unix(self.unix + now.saturating_duration_since(self.origin))
    }
}

/// Statistics and timers of one leg's stream.
pub(super) struct Reports {
    reception: Reception,
    remote: Option<Ssrc>,
    report_at: Instant,
    quality_at: Instant,
    heard_at: Instant,
    timed_out: bool,
    /// A lapse was told, and whether a packet has ended it.
    missing: bool,
    back: bool,
    rtt: Option<Duration>,
    sent_packets: u64,
    /// Received and lost packets when quality was told last.
    told: (u64, u64),
    /// Lost packets of earlier sources.
    lost_before: u64,
}

impl Reports {
    /// Starts measuring at `now`; `random` spreads the first report.
    pub(super) fn new(clock_rate_hz: u32, now: Instant, random: u32) -> Reports {
        Reports {
            reception: Reception::new(clock_rate_hz),
            remote: None,
            report_at: now + interval(random) / 2,
            quality_at: now + QUALITY_EVERY,
            heard_at: now,
            timed_out: false,
            missing: false,
            back: false,
            rtt: None,
            sent_packets: 0,
            told: (0, 0),
            lost_before: 0,
        }
    }

    /// The stream goes on with another clock.
    pub(super) fn renegotiate(&mut self, clock_rate_hz: u32) {
        self.lost_before += self.reception.lost();
        self.reception = Reception::new(clock_rate_hz);
        self.told = (0, 0);
    }

    /// Counts from `now` on until media is missed.
    pub(super) fn expect_media(&mut self, now: Instant) {
        self.heard_at = now;
        self.timed_out = false;
    }

    /// Counts an RTP packet; `is_event`: of a telephone-event.
    pub(super) fn handle_packet(&mut self, now: Instant, packet: &RtpPacket<'_>, is_event: bool) {
        if self.remote != Some(packet.ssrc) {
            self.lost_before += self.reception.lost();
            self.told = (0, 0);
            self.remote = Some(packet.ssrc);
        }
        self.expect_media(now);
        self.back |= std::mem::take(&mut self.missing);
        if is_event {
            self.reception.handle_untimed_packet(now, packet);
        } else {
            self.reception.handle_packet(now, packet);
        }
    }

    /// Reads an RTCP datagram.
    ///
    /// # Errors
    /// [`RtpError`] when it is none; nothing is changed then.
    pub(super) fn handle_rtcp(
        &mut self,
        now: Instant,
        bytes: &[u8],
        wall: WallClock,
        sender: Option<&mut Sender>,
    ) -> Result<(), RtpError> {
        let reports = rtcp::parse(bytes)?;
        self.expect_media(now);
        let mut about_us = None;
        let ours = sender.as_ref().map(|sender| sender.ssrc());
        for report in reports {
            let blocks = match report {
                Report::Sender { ssrc, info, blocks } => {
                    if self.remote.is_none_or(|remote| remote == ssrc) {
                        self.reception.handle_sender_report(now, info.ntp);
                    }
                    blocks
                }
                Report::Receiver { blocks, .. } => blocks,
                Report::Description(_) | Report::Goodbye(_) | Report::Other { .. } => continue,
            };
            about_us = blocks
                .into_iter()
                .find(|block| Some(block.ssrc) == ours)
                .or(about_us);
        }
        if let Some((block, sender)) = about_us.zip(sender) {
            self.rtt = block.round_trip(wall.ntp(now)).or(self.rtt);
            sender.set_loss((u32::from(block.fraction_lost) * 100 / 256) as u8);
        }
        Ok(())
    }

    /// Whether no media has come for `timeout`; true once per lapse.
    pub(super) fn poll_timed_out(&mut self, now: Instant, timeout: Duration) -> bool {
        let lapsed = now.saturating_duration_since(self.heard_at) >= timeout;
        let told = lapsed && !std::mem::replace(&mut self.timed_out, lapsed);
        self.missing |= told;
        told
    }

    /// Whether media has come again after a lapse that was told; true once.
    pub(super) fn poll_back(&mut self) -> bool {
        std::mem::take(&mut self.back)
    }

    /// Whether a report is due; the next one is then put off by a random interval.
    pub(super) fn poll_report(&mut self, now: Instant, random: impl FnOnce() -> u32) -> bool {
        let due = now >= self.report_at;
        if due {
            self.report_at = now + interval(random());
        }
        due
    }

    /// Appends a compound: SR when we have sent since the last one, else RR, and the CNAME.
    pub(super) fn write(
        &mut self,
        now: Instant,
        wall: WallClock,
        (sender, timestamp): (&Sender, RtpTimestamp),
        cname: &str,
        out: &mut Vec<u8>,
    ) {
        let block: Option<ReportBlock> = self.reception.report_block(now);
        let blocks = block.as_slice();
        let ssrc = sender.ssrc();
        if sender.packets > self.sent_packets {
            self.sent_packets = sender.packets;
            let info = SenderInfo {
                ntp: wall.ntp(now),
                rtp_timestamp: timestamp,
                packets: sender.packets as u32,
                octets: sender.octets as u32,
            };
            rtcp::write_sender_report(out, ssrc, &info, blocks);
        } else {
            rtcp::write_receiver_report(out, ssrc, blocks);
        }
        rtcp::write_source_description(out, ssrc, cname);
    }

    /// Quality of the last interval when it is due and packets came.
    pub(super) fn poll_quality(&mut self, now: Instant, delay_ms: u32) -> Option<Quality> {
        if now < self.quality_at {
            return None;
        }
        self.quality_at = now + QUALITY_EVERY;
        let (received, lost) = (self.reception.received(), self.reception.lost());
        let came = received.saturating_sub(self.told.0);
        let missed = lost.saturating_sub(self.told.1);
        self.told = (received, lost);
        if came == 0 {
            return None;
        }
        let loss = missed as f32 / (came + missed) as f32;
        let jitter_ms = self.reception.jitter_ms();
        let rtt_ms = self.rtt.map(|rtt| rtt.as_secs_f32() * 1000.0);
        let one_way_ms = rtt_ms.unwrap_or(0.0) / 2.0 + delay_ms as f32 + 20.0;
        Some(Quality {
            loss,
            jitter_ms,
            rtt_ms,
            mos: mos(loss, one_way_ms),
        })
    }

    /// Packets that never came.
    pub(super) fn lost(&self) -> u64 {
        self.lost_before + self.reception.lost()
    }

    /// The largest interarrival jitter, in milliseconds.
    pub(super) fn jitter_ms_max(&self) -> u32 {
        self.reception.jitter_ms_max().round() as u32
    }
}

fn interval(random: u32) -> Duration {
    REPORT_EVERY.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX))
}

/// Mean opinion score from loss (0 to 1) and one-way delay: the E-model (ITU-T G.107) with the
/// impairment by loss of a codec that conceals.
fn mos(loss: f32, one_way_ms: f32) -> f32 {
    let delay = 0.024 * one_way_ms + 0.11 * (one_way_ms - 177.3).max(0.0);
    let percent = loss * 100.0;
    let equipment = 95.0 * percent / (percent + 10.0);
    let r = (93.2 - delay - equipment).clamp(0.0, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opinion_falls_with_loss_and_delay() {
        for (loss, delay, low, high) in [
            (0.0, 20.0, 4.3, 4.5),
            (0.02, 60.0, 3.3, 4.1),
            (0.1, 60.0, 1.8, 2.9),
            (0.0, 400.0, 2.8, 3.8),
            (1.0, 1000.0, 1.0, 1.1),
        ] {
            let mos = mos(loss, delay);
            assert!((low..=high).contains(&mos), "{loss} {delay}: {mos}");
        }
    }

    #[test]
    fn a_lapse_is_told_once_and_again_after_media() {
        let now = Instant::now();
        let at = |s| now + Duration::from_secs(s);
        let mut reports = Reports::new(8000, now, 0);
        let timeout = Duration::from_secs(10);
        assert!(!reports.poll_timed_out(at(9), timeout));
        assert!(reports.poll_timed_out(at(10), timeout));
        assert!(!reports.poll_timed_out(at(20), timeout));
        reports.expect_media(at(21));
        assert!(!reports.poll_timed_out(at(30), timeout));
        assert!(reports.poll_timed_out(at(31), timeout));
    }
}
