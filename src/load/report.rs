//! What a load run found, and how it is told.

use std::fmt;
use std::time::Duration;

/// The findings of one run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Calls that were to stand.
    pub legs: usize,
    /// Calls that stood during the whole window.
    pub up: usize,
    /// Calls that failed, with their status; 0: no answer at all.
    pub failed: Vec<u16>,
    /// Length of the window.
    pub window: Duration,
    /// From INVITE to 200: median and 99th percentile.
    pub answer_p50_p99: (Duration, Duration),
    /// RTP packets received in the window.
    pub received: u64,
    /// RTP packets missing in the window, by sequence number.
    pub lost: u64,
    /// Distance of interarrival gaps from 20 ms, in µs: median, 99th percentile, greatest.
    pub jitter_us: (u32, u32, u32),
    /// From a talker's packet to the listener's, sorted.
    pub mouth_to_ear: Vec<Duration>,
    /// Pairs (listener, talker) that should hear and do.
    pub heard: usize,
    /// Pairs that should hear and do not.
    pub missed: usize,
    /// Pairs that should not hear (oneself, other rooms) and do.
    pub leaked: usize,
    /// CPU milliseconds of the engine per leg and second.
    pub cpu_ms_per_leg_s: Option<f64>,
    /// Resident memory of the engine in KiB before, in the window, and after the last BYE.
    pub resident_kib: Option<(u64, u64, u64)>,
}

impl Report {
    /// Whether every call stood and everybody heard just whom they should.
    pub fn is_clean(&self) -> bool {
        self.up == self.legs && self.missed == 0 && self.leaked == 0
    }

    /// Lost packets, 0 to 1.
    pub fn loss(&self) -> f64 {
        self.lost as f64 / (self.received + self.lost).max(1) as f64
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "legs            {} of {} up", self.up, self.legs)?;
        if !self.failed.is_empty() {
            writeln!(f, "failed          {:?}", self.failed)?;
        }
        let (p50, p99) = self.answer_p50_p99;
        writeln!(f, "answer          p50 {p50:.1?}, p99 {p99:.1?}")?;
        let loss = self.loss() * 100.0;
        writeln!(
            f,
            "RTP             {} received, {} lost ({loss:.3} %)",
            self.received, self.lost
        )?;
        let (p50, p99, max) = self.jitter_us;
        writeln!(
            f,
            "gap off 20 ms   p50 {p50} µs, p99 {p99} µs, max {max} µs"
        )?;
        let (heard, missed, leaked) = (self.heard, self.missed, self.leaked);
        writeln!(
            f,
            "who hears whom  {heard} right, {missed} missed, {leaked} leaked"
        )?;
        let count = self.mouth_to_ear.len();
        if let (Some(p50), Some(p99)) = (
            self.mouth_to_ear.get(count / 2),
            self.mouth_to_ear.get(count * 99 / 100),
        ) {
            writeln!(
                f,
                "mouth to ear    p50 {p50:.1?}, p99 {p99:.1?} ({count} times)"
            )?;
        }
        if let Some(cpu) = self.cpu_ms_per_leg_s {
            writeln!(f, "CPU             {cpu:.3} ms per leg-second")?;
        }
        if let Some((before, during, after)) = self.resident_kib {
            let per_leg = during.saturating_sub(before) as f64 / self.legs.max(1) as f64;
            writeln!(
                f,
                "resident        {before} → {during} → {after} KiB ({per_leg:.1} per leg)"
            )?;
        }
        Ok(())
    }
}
