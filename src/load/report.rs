//! What a load run found, and how it is told.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A telephone: SIP over UDP and PCMU over RTP.
    Phone,
    /// A browser: SIP over WebSocket and Opus over SRTP.
    Browser,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Phone => "phone",
            Kind::Browser => "browser",
        })
    }
}

/// Times of the same thing, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times(Vec<Duration>);

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Times {
        let mut times: Vec<Duration> = times.into_iter().collect();
        times.sort_unstable();
        Times(times)
    }
}

impl Times {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The time that this part (0 to 1) of all does not exceed; zero when there are none.
    pub fn part(&self, at: f64) -> Duration {
        part(&self.0, at)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99, count) = (self.part(0.5), self.part(0.99), self.count());
        write!(f, "p50 {p50:.1?}, p99 {p99:.1?} ({count} times)")
    }
}

/// The value at a part (0 to 1) of sorted values; zero when there are none.
pub(super) fn part<T: Copy + Default>(sorted: &[T], at: f64) -> T {
    let index = ((sorted.len() as f64 - 1.0).max(0.0) * at).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

/// Times from talkers of one kind to listeners of one kind.
#[derive(Clone, Debug)]
pub struct Way {
    /// Who speaks.
    pub from: Kind,
    /// Who listens.
    pub to: Kind,
    /// From the sending of the first packet of a tone to the arrival of the first that has it. The
    /// 20 ms that a packet holds are not in it.
    pub times: Times,
}

/// Legs of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Those that were to stand.
    pub planned: usize,
    /// Those that stood during the whole window, with media.
    pub up: usize,
}

/// The findings of one run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The phones.
    pub phones: Standing,
    /// The browsers.
    pub browsers: Standing,
    /// Calls that failed, with their status; 0: no answer at all, or a BYE of the engine's.
    pub failed: Vec<u16>,
    /// Why the media of browsers does not flow, each reason once.
    pub problems: Vec<String>,
    /// Length of the window.
    pub window: Duration,
    /// From INVITE to 200.
    pub answers: Times,
    /// Browsers: from asking to join by HTTP until media could flow.
    pub joins: Times,
    /// Browsers: from INVITE until media could flow.
    pub secured: Times,
    /// RTP packets received in the window.
    pub received: u64,
    /// RTP packets missing in the window, by sequence number.
    pub lost: u64,
    /// Distance of interarrival gaps from 20 ms, in µs: median, 99th percentile, greatest.
    pub jitter_us: (u32, u32, u32),
    /// From talkers to listeners.
    pub mouth_to_ear: Vec<Way>,
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
        let stands = |kind: &Standing| kind.up == kind.planned;
        stands(&self.phones) && stands(&self.browsers) && self.missed == 0 && self.leaked == 0
    }

    /// Lost packets, 0 to 1.
    pub fn loss(&self) -> f64 {
        self.lost as f64 / (self.received + self.lost).max(1) as f64
    }

    /// What the legs are called together.
    fn leg(&self) -> String {
        match (self.phones.planned, self.browsers.planned) {
            (_, 0) => Kind::Phone.to_string(),
            (0, _) => Kind::Browser.to_string(),
            (_, _) => "leg".to_owned(),
        }
    }

    fn fmt_legs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [("phones", self.phones), ("browsers", self.browsers)];
        for (name, Standing { planned, up }) in kinds {
            if planned > 0 {
                writeln!(f, "{name:<15} {up} of {planned} up")?;
            }
        }
        let mut counts = BTreeMap::<u16, usize>::new();
        for status in &self.failed {
            *counts.entry(*status).or_default() += 1;
        }
        for (status, count) in counts {
            let words = words_of(status);
            writeln!(f, "failed          {count} with {status}: {words}")?;
        }
        for problem in &self.problems {
            writeln!(f, "no media        {problem}")?;
        }
        if self.answers.count() > 0 {
            writeln!(f, "answer          {}", self.answers)?;
        }
        if self.browsers.planned > 0 {
            writeln!(f, "join to media   {}", self.joins)?;
            writeln!(f, "INVITE to media {}", self.secured)?;
        }
        Ok(())
    }
}

/// What usually is behind a status of [`Report::failed`].
fn words_of(status: u16) -> &'static str {
    match status {
        0 => "the engine hung up, or the connection was lost",
        401 | 403 => "not let in",
        404 => "no rule takes the number that was dialled",
        408 => "no answer; is the engine listening at --target?",
        486 | 600 => "the room is full",
        488 => "no codec in common",
        503 => "the engine is full (sip.calls_max, media.ports) or is stopping",
        _ => "the log of the engine says why",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_legs(f)?;
        if self.phones.up + self.browsers.up == 0 {
            return Ok(());
        }
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
        for Way { from, to, times } in &self.mouth_to_ear {
            writeln!(f, "mouth to ear    {from} to {to} {times}")?;
        }
        if let Some(cpu) = self.cpu_ms_per_leg_s {
            writeln!(f, "CPU             {cpu:.3} ms per leg-second")?;
        }
        if let Some((before, during, after)) = self.resident_kib {
            let legs = self.phones.planned + self.browsers.planned;
            let per_leg = during.saturating_sub(before) as f64 / legs.max(1) as f64;
            writeln!(
                f,
                "resident        {before} → {during} → {after} KiB ({per_leg:.1} per {})",
                self.leg()
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_clean_when_all_stood_and_heard_whom_they_should() {
        let standing = |planned, up| Standing { planned, up };
        for (phones, browsers, missed, leaked, clean) in [
            (standing(2, 2), standing(3, 3), 0, 0, true),
            (standing(0, 0), standing(3, 3), 0, 0, true),
            (standing(2, 1), standing(3, 3), 0, 0, false),
            (standing(2, 2), standing(3, 2), 0, 0, false),
            (standing(2, 2), standing(3, 3), 1, 0, false),
            (standing(2, 2), standing(3, 3), 0, 1, false),
        ] {
            let report = Report {
                phones,
                browsers,
                missed,
                leaked,
                ..Report::default()
            };
            assert_eq!(report.is_clean(), clean, "{report:?}");
        }
    }

    #[test]
    fn memory_is_told_per_kind_when_there_is_one_kind() {
        let standing = |planned| Standing {
            planned,
            up: planned,
        };
        for (phones, browsers, told) in [
            (4, 0, "(25.0 per phone)"),
            (0, 4, "(25.0 per browser)"),
            (2, 2, "(25.0 per leg)"),
        ] {
            let report = Report {
                phones: standing(phones),
                browsers: standing(browsers),
                resident_kib: Some((1000, 1100, 1050)),
                ..Report::default()
            };
            let text = report.to_string();
            assert!(text.contains(told), "{text}");
            assert_eq!(text.contains("join to media"), browsers > 0, "{text}");
        }
    }

    #[test]
    fn calls_that_failed_are_told_in_words_and_nothing_else_where_none_stood() {
        let report = Report {
            phones: Standing { planned: 3, up: 0 },
            failed: vec![408, 503, 408],
            ..Report::default()
        };
        assert_eq!(
            report.to_string(),
            "phones          0 of 3 up\n\
             failed          2 with 408: no answer; is the engine listening at --target?\n\
             failed          1 with 503: the engine is full (sip.calls_max, media.ports) or is \
             stopping\n"
        );
    }

    #[test]
    fn parts_of_times() {
        let times: Times = (1..=101).rev().map(Duration::from_millis).collect();
        for (at, ms) in [(0.0, 1), (0.5, 51), (0.99, 100), (1.0, 101)] {
            assert_eq!(times.part(at), Duration::from_millis(ms));
        }
        assert_eq!(Times::default().part(0.5), Duration::ZERO);
        assert_eq!(times.to_string(), "p50 51.0ms, p99 100.0ms (101 times)");
    }
}
