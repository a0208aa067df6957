//! How much delay a stream needs: places packets on one media timeline, measures how late each
//! comes against the quickest of the last seconds, and keeps a fading histogram of it. The wait
//! that covers 97 % of it is the target; a packet that came too late raises it at once, and that
//! fades slowly. Clock drift moves the quickest arrival and needs no estimate of its own.
//!
//! Owns no packets; [`super::JitterBuffer`] does.

use std::time::{Duration, Instant};

use super::{RtpTimestamp, SeqNo};

/// Share of the packets that should come in time.
const QUANTILE: f32 = 0.97;
/// Width of a histogram bin.
const BIN_US: i64 = 2_000;
/// Bins: 0 to 200 ms.
const BINS: usize = 100;
/// Growth of the weight from packet to packet: the past fades by half in 350 packets (7 s).
const WEIGHT_GROWTH: f32 = 1.002;
/// Weight at which all is scaled back to 1, far below the precision limit of `f32` sums.
const WEIGHT_MAX: f32 = 10_000.0;
/// The quickest arrival is sought over one to two of these.
const BASE_WINDOW_US: i64 = 2_000_000;
/// A packet this far from where its timestamp says it belongs starts the timeline anew there.
const DISCONTINUITY_US: i64 = 1_000_000;
/// Loss of the extra wait that late packets caused: 10 ms in a second.
const PEAK_DECAY_US_PER_S: i64 = 10_000;
/// Wait that even a stream without jitter gets, against a tick that falls on the arrivals.
const PHASE_MARGIN_US: i64 = 4_000;
/// Longest packet (RFC 3551 §4.2 allows 200 ms; above 120 ms a step is a gap in transmission).
const PACKET_US_MAX: i64 = 120_000;
/// Half of the time for which the delay must be too large.
const EXCESS_WINDOW_US: i64 = 500_000;
/// The caller's tick.
pub(super) const TICK_US: i64 = 20_000;

/// Where a packet stands on the timeline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    /// Media time in microseconds, on the scale of local time.
    pub nominal_us: i64,
    /// How much later it came than the quickest would have.
    pub late_us: i64,
}

/// Fits media time to local time for one stream.
#[derive(Clone, Copy, Debug)]
struct Timeline {
    newest: RtpTimestamp,
    newest_units: i64,
    anchor_units: i64,
    anchor_us: i64,
}

#[derive(Debug)]
pub(super) struct DelayTracker {
    clock_rate_hz: i64,
    wait_min_us: i64,
    wait_max_us: i64,
    epoch: Option<Instant>,
    timeline: Option<Timeline>,
    /// Smallest of arrival minus nominal in the current window and the one before.
    base_us: [i64; 2],
    base_since_us: i64,
    bins: [f32; BINS],
    total: f32,
    weight: f32,
    quantile_us: i64,
    peak_us: i64,
    peak_at_us: i64,
}

impl DelayTracker {
    /// `wait_min_us` and `wait_max_us` bound [`DelayTracker::wait_us`].
    pub fn new(clock_rate_hz: u32, wait_min_us: i64, wait_max_us: i64) -> Self {
        DelayTracker {
            clock_rate_hz: i64::from(clock_rate_hz.max(1)),
            wait_min_us: wait_min_us.max(PHASE_MARGIN_US),
            wait_max_us: wait_max_us.max(wait_min_us.max(PHASE_MARGIN_US)),
            epoch: None,
            timeline: None,
            base_us: [0; 2],
            base_since_us: 0,
            bins: [0.0; BINS],
            total: 0.0,
            weight: 1.0,
            quantile_us: 0,
            peak_us: 0,
            peak_at_us: 0,
        }
    }

    /// Forgets the timeline, keeps what was learnt about the network.
    pub fn restart(&mut self) {
        self.timeline = None;
    }

    /// Local time in microseconds since the first packet.
    pub fn local_us(&self, now: Instant) -> i64 {
        let passed = self
            .epoch
            .map_or(Duration::ZERO, |epoch| now.saturating_duration_since(epoch));
        i64::try_from(passed.as_micros()).unwrap_or(i64::MAX)
    }

    /// Whether the timestamp does not belong where it arrives.
    pub fn is_discontinuous(&self, now: Instant, timestamp: RtpTimestamp) -> bool {
        self.timeline.is_some_and(|timeline| {
            let nominal = self.nominal_us(&timeline, self.units(&timeline, timestamp));
            (self.local_us(now) - nominal - self.base()).abs() > DISCONTINUITY_US
        })
    }

    /// Whether the packet is later than any permitted wait would cover.
    fn is_beyond_reach(&self, local_us: i64, timestamp: RtpTimestamp) -> bool {
        self.timeline.is_some_and(|timeline| {
            let nominal = self.nominal_us(&timeline, self.units(&timeline, timestamp));
            local_us - nominal - self.base() > self.wait_max_us
        })
    }

    /// Places the first packet after starvation. When it comes later than any wait would cover, the
    /// sender has paused without counting the time, or the way has become longer: the timeline
    /// starts anew, lest the whole stream be taken for late. Should it be the first of a burst that
    /// was held up, the others will mend the timeline by coming early.
    pub fn place_after_starvation(&mut self, now: Instant, timestamp: RtpTimestamp) -> Placed {
        let local = self.local_us(now);
        if self.is_beyond_reach(local, timestamp) {
            self.reanchor(local, timestamp);
        }
        self.place(now, timestamp)
    }

    /// Places a packet that arrives at `now`, and learns from its lateness.
    pub fn place(&mut self, now: Instant, timestamp: RtpTimestamp) -> Placed {
        self.epoch.get_or_insert(now);
        let local = self.local_us(now);
        if self.is_discontinuous(now, timestamp) {
            self.reanchor(local, timestamp);
        }
        let Some(mut timeline) = self.timeline else {
            self.base_us = [0; 2];
            self.base_since_us = local;
            self.reanchor(local, timestamp);
            self.learn(0);
            return Placed {
                nominal_us: local,
                late_us: 0,
            };
        };
        let units = self.units(&timeline, timestamp);
        if units > timeline.newest_units {
            timeline.newest_units = units;
            timeline.newest = timestamp;
            self.timeline = Some(timeline);
        }
        let nominal_us = self.nominal_us(&timeline, units);
        self.update_base(local, local - nominal_us);
        let late_us = local - nominal_us - self.base();
        self.learn(late_us);
        Placed {
            nominal_us,
            late_us,
        }
    }

    /// Tells that a packet came after its turn.
    pub fn note_late(&mut self, now: Instant, late_us: i64) {
        let local = self.local_us(now);
        // What no permitted target could have covered says nothing about the target.
        if late_us <= self.wait_max_us && late_us > self.peak(local) {
            self.peak_us = late_us;
            self.peak_at_us = local;
        }
    }

    /// How long the quickest packet should wait for its turn.
    pub fn wait_us(&self, now: Instant) -> i64 {
        let wanted = self.quantile_us.max(self.peak(self.local_us(now)));
        wanted.clamp(self.wait_min_us, self.wait_max_us)
    }

    /// Whether the learnt wait is above the least one, without the margin for the phase of the
    /// tick.
    pub fn learnt_us(&self, now: Instant) -> i64 {
        self.quantile_us.max(self.peak(self.local_us(now)))
    }

    /// Local time when the quickest packet with this media time would have come.
    pub fn earliest_us(&self, nominal_us: i64) -> i64 {
        nominal_us.saturating_add(self.base())
    }

    fn base(&self) -> i64 {
        let [current, before] = self.base_us;
        current.min(before)
    }

    fn peak(&self, local_us: i64) -> i64 {
        let passed_s1000 = (local_us - self.peak_at_us) / 1_000;
        (self.peak_us - passed_s1000 * PEAK_DECAY_US_PER_S / 1_000).max(0)
    }

    fn units(&self, timeline: &Timeline, timestamp: RtpTimestamp) -> i64 {
        timeline.newest_units + i64::from(timestamp.distance_from(timeline.newest))
    }

    fn nominal_us(&self, timeline: &Timeline, units: i64) -> i64 {
        timeline.anchor_us + (units - timeline.anchor_units) * 1_000_000 / self.clock_rate_hz
    }

    fn reanchor(&mut self, local_us: i64, timestamp: RtpTimestamp) {
        let anchor_us = local_us - self.base();
        self.timeline = Some(Timeline {
            newest: timestamp,
            newest_units: 0,
            anchor_units: 0,
            anchor_us,
        });
    }

    fn update_base(&mut self, local_us: i64, delay_us: i64) {
        let age = local_us - self.base_since_us;
        if age >= 2 * BASE_WINDOW_US {
            self.base_us = [delay_us; 2];
            self.base_since_us = local_us;
        } else if age >= BASE_WINDOW_US {
            self.base_us = [delay_us, self.base_us[0]];
            self.base_since_us = local_us;
        } else {
            self.base_us[0] = self.base_us[0].min(delay_us);
        }
    }

    fn learn(&mut self, late_us: i64) {
        // What no permitted target could cover says nothing about the target.
        if late_us > self.wait_max_us {
            return;
        }
        let bin = usize::try_from(late_us / BIN_US).unwrap_or(0).min(BINS - 1);
        if let Some(slot) = self.bins.get_mut(bin) {
            *slot += self.weight;
        }
        self.total += self.weight;
        self.weight *= WEIGHT_GROWTH;
        if self.weight > WEIGHT_MAX {
            let scale = self.weight.recip();
            self.bins.iter_mut().for_each(|slot| *slot *= scale);
            self.total = self.bins.iter().sum();
            self.weight = 1.0;
        }
        self.quantile_us = self.quantile();
    }

    fn quantile(&self) -> i64 {
        let mut sum = 0.0;
        let enough = self.total * QUANTILE;
        let below = self.bins.iter().take_while(|&&slot| {
            sum += slot;
            sum < enough
        });
        match i64::try_from(below.count()) {
            Ok(0) | Err(_) => 0,
            Ok(bin) => (bin + 1) * BIN_US,
        }
    }
}

/// Learns the length of a packet from the timestamps of neighbours.
#[derive(Debug)]
pub(super) struct PacketSteps {
    /// 20 ms before two packets have come.
    pub packet_us: i64,
    last: Option<(SeqNo, i64)>,
    last_step_us: i64,
}

impl Default for PacketSteps {
    fn default() -> Self {
        PacketSteps {
            packet_us: TICK_US,
            last: None,
            last_step_us: TICK_US,
        }
    }
}

impl PacketSteps {
    pub fn forget_last(&mut self) {
        self.last = None;
    }

    pub fn learn(&mut self, seq: SeqNo, nominal_us: i64) {
        if let Some((last, last_us)) = self.last.replace((seq, nominal_us)) {
            let step_us = nominal_us - last_us;
            if last.next() != seq || !(1_000..=PACKET_US_MAX).contains(&step_us) {
                return;
            }
            // One odd step is a pause of the sender; two alike are a new length.
            if (step_us - self.last_step_us).abs() < 1_000 {
                self.packet_us = step_us;
            }
            self.last_step_us = step_us;
        }
    }
}

/// The least lead of the packets popped in the last half to full second: how long the quickest
/// waited.
#[derive(Debug, Default)]
pub(super) struct LeadWindow {
    since_us: i64,
    current_us: Option<i64>,
    before_us: Option<i64>,
    /// Lead of the last packet popped.
    pub last_us: i64,
}

impl LeadWindow {
    pub fn learn(&mut self, local_us: i64, lead_us: i64) {
        self.last_us = lead_us;
        if self.current_us.is_none() {
            self.since_us = local_us;
        }
        if local_us - self.since_us >= EXCESS_WINDOW_US {
            self.before_us = self.current_us.take();
            self.since_us = local_us;
        }
        self.current_us = Some(self.current_us.map_or(lead_us, |least| least.min(lead_us)));
    }

    /// Nothing before half a second has been seen.
    pub fn least_us(&self) -> Option<i64> {
        self.before_us
            .zip(self.current_us)
            .map(|(before, current)| before.min(current))
    }
}
