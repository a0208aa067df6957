//! When a rule is open: weekdays and a span of local time, in a time zone of the IANA database,
//! whose daylight saving time is followed, or at a fixed distance from UTC.
//!
//! It has no clock: the caller brings unix seconds. The rules of the zones are those of the crate
//! `chrono-tz`, so they are as new as the build.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, Offset as _, TimeZone as _, Utc};
use chrono_tz::Tz;

const MINUTES_PER_DAY: u16 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Minutes of a week.
pub(super) const MINUTES_PER_WEEK: usize = 7 * MINUTES_PER_DAY as usize;

/// Largest distance from UTC, in minutes.
const OFFSET_MINUTES_MAX: u16 = 14 * 60;

/// What local time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// Minutes ahead of UTC.
    Offset(i16),
    /// A zone of the IANA database.
    Named(Tz),
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Zone::Named(tz) => f.write_str(tz.name()),
            Zone::Offset(minutes) => {
                let sign = if *minutes < 0 { '-' } else { '+' };
                let minutes = minutes.unsigned_abs();
                write!(f, "UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

/// The hours in which a rule matches. A span that ends before it begins goes over midnight and
/// belongs to the day on which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Open days from Monday to Sunday.
    days: [bool; 7],
    from_min: u16,
    to_min: u16,
    zone: Zone,
    shown: String,
}

impl Schedule {
    /// Builds a schedule from its parts as written: days such as `mon` or `mon-fri` (none means
    /// every day), local times `HH:MM` (24:00 is the end of the day) and what local time is.
    ///
    /// # Errors
    /// The part that cannot be read, with what would be right.
    pub fn new(days: &[&str], from: &str, to: &str, zone: Zone) -> Result<Self, ScheduleError> {
        let mut open = [days.is_empty(); 7];
        for range in days {
            mark_days(range, &mut open).ok_or_else(|| {
                ScheduleError::new(Part::Days, range, "mon … sun, or a range: mon-fri")
            })?;
        }
        let from_min = minutes(from, MINUTES_PER_DAY - 1)
            .ok_or_else(|| ScheduleError::new(Part::From, from, "00:00 to 23:59"))?;
        let to_min = minutes(to, MINUTES_PER_DAY)
            .ok_or_else(|| ScheduleError::new(Part::To, to, "00:00 to 24:00"))?;
        if from_min == to_min {
            return Err(ScheduleError::new(Part::To, to, "a time other than `from`"));
        }
        let days = if days.is_empty() {
            "every day".to_owned()
        } else {
            days.join(",")
        };
        let shown = format!("{days} {from}-{to} ({zone})");
        Ok(Self {
            days: open,
            from_min,
            to_min,
            zone,
            shown,
        })
    }

    /// What local time is.
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// Whether the rule is open at `unix_s`, in seconds since 1970 UTC.
    pub fn is_open(&self, unix_s: i64) -> bool {
        let (day, minute) = self.local(unix_s);
        self.is_open_at(day, minute)
    }

    /// Whether it is open in each minute of a local week, from Monday 00:00.
    pub(super) fn week(&self) -> Vec<bool> {
        let day = usize::from(MINUTES_PER_DAY);
        (0..MINUTES_PER_WEEK)
            .map(|minute| self.is_open_at(minute / day, (minute % day) as u16))
            .collect()
    }

    fn is_open_at(&self, day: usize, minute: u16) -> bool {
        let open = |day: usize| self.days.get(day).copied().unwrap_or_default();
        if self.from_min < self.to_min {
            return open(day) && (self.from_min..self.to_min).contains(&minute);
        }
        (open(day) && minute >= self.from_min) || (open((day + 6) % 7) && minute < self.to_min)
    }

    /// The local time of `unix_s` as the schedule sees it, such as `sun 12:30`.
    pub fn local_time(&self, unix_s: i64) -> String {
        let (day, minute) = self.local(unix_s);
        let day = DAYS.get(day).copied().unwrap_or_default();
        format!("{day} {:02}:{:02}", minute / 60, minute % 60)
    }

    /// Weekday from Monday = 0, and minute of the day.
    fn local(&self, unix_s: i64) -> (usize, u16) {
        let minutes = unix_s
            .div_euclid(60)
            .saturating_add(self.zone.ahead_min(unix_s));
        let day = minutes.div_euclid(i64::from(MINUTES_PER_DAY));
        let minute = minutes.rem_euclid(i64::from(MINUTES_PER_DAY));
        // 1 January 1970 was a Thursday.
        ((day + 3).rem_euclid(7) as usize, minute as u16)
    }
}

impl Zone {
    /// The distance from UTC such as `+01:00`.
    ///
    /// # Errors
    /// It cannot be read, or is more than fourteen hours.
    pub fn offset(text: &str) -> Result<Self, ScheduleError> {
        let error = || ScheduleError::new(Part::UtcOffset, text, "-14:00 to +14:00, sign included");
        offset(text).map(Zone::Offset).ok_or_else(error)
    }

    /// The zone of a name such as `Europe/Berlin`.
    ///
    /// # Errors
    /// There is no such zone.
    pub fn named(text: &str) -> Result<Self, ScheduleError> {
        let error =
            |_| ScheduleError::new(Part::Tz, text, "the name of a time zone: Europe/Berlin");
        text.parse().map(Zone::Named).map_err(error)
    }

    /// Minutes that local time is ahead of UTC at `unix_s`.
    fn ahead_min(self, unix_s: i64) -> i64 {
        match (self, DateTime::<Utc>::from_timestamp(unix_s, 0)) {
            (Zone::Offset(minutes), _) => i64::from(minutes),
            (Zone::Named(tz), Some(at)) => {
                let offset = tz.offset_from_utc_datetime(&at.naive_utc()).fix();
                i64::from(offset.local_minus_utc()).div_euclid(60)
            }
            // Beyond the calendar, in 262,000 years.
            (Zone::Named(_), None) => 0,
        }
    }

    /// The seconds since 1970 UTC of a local time. Of one that the clocks show twice, the first.
    fn unix_s(self, local: NaiveDateTime) -> Option<i64> {
        match self {
            Zone::Offset(minutes) => Some(local.and_utc().timestamp() - i64::from(minutes) * 60),
            Zone::Named(tz) => Some(tz.from_local_datetime(&local).earliest()?.timestamp()),
        }
    }
}

/// Reads a moment: `2026-12-24T18:00`, in local time of `zone`; with `Z`, `+01:00` or
/// `[Europe/Berlin]` at its end it says itself what local time is. Gives seconds since 1970 UTC and
/// the zone that was used.
///
/// # Errors
/// What is wrong with it.
pub fn moment(text: &str, zone: Zone) -> Result<(i64, Zone), String> {
    let form = "write 2026-12-24T18:00, with Z, +01:00 or [Europe/Berlin] after it if need be";
    let (local, rest) = text
        .split_at_checked("2026-12-24T18:00".len())
        .ok_or_else(|| form.to_owned())?;
    let local = NaiveDateTime::parse_from_str(local, "%Y-%m-%dT%H:%M")
        .map_err(|error| format!("{error}; {form}"))?;
    let named = rest
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let zone = match (rest, named) {
        ("", _) => Ok(zone),
        ("Z", _) => Ok(Zone::Offset(0)),
        (_, Some(name)) => Zone::named(name),
        (offset, None) => Zone::offset(offset),
    };
    let zone = zone.map_err(|error| error.to_string())?;
    let at = zone.unix_s(local);
    at.map(|at| (at, zone))
        .ok_or_else(|| format!("the clocks in {zone} never show {local}"))
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// The part of a schedule that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `days`
    Days,
    /// `from`
    From,
    /// `to`
    To,
    /// `utc_offset`
    UtcOffset,
    /// `tz`
    Tz,
}

/// A part of a schedule that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not {expected}")]
pub struct ScheduleError {
    /// The part.
    pub part: Part,
    /// What was written.
    pub value: String,
    /// What may stand there.
    pub expected: &'static str,
}

impl ScheduleError {
    fn new(part: Part, value: &str, expected: &'static str) -> Self {
        Self {
            part,
            value: value.to_owned(),
            expected,
        }
    }
}

fn mark_days(range: &str, open: &mut [bool; 7]) -> Option<()> {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let index = |name: &str| DAYS.iter().position(|day| *day == name);
    let (first, last) = (index(first)?, index(last)?);
    let length = (last + 7 - first) % 7 + 1;
    for step in 0..length {
        *open.get_mut((first + step) % 7)? = true;
    }
    Some(())
}

fn minutes(text: &str, max: u16) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let total = two_digits(hours)? * 60 + two_digits(minutes).filter(|minutes| *minutes < 60)?;
    (total <= max).then_some(total)
}

fn two_digits(text: &str) -> Option<u16> {
    let plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn offset(text: &str) -> Option<i16> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    Some(sign * i16::try_from(minutes(rest, OFFSET_MINUTES_MAX)?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::{Schedule, ScheduleError, Zone, moment};

    fn schedule(
        days: &[&str],
        from: &str,
        to: &str,
        offset: &str,
    ) -> Result<Schedule, ScheduleError> {
        Schedule::new(days, from, to, Zone::offset(offset)?)
    }

    /// Monday 5 January 2026, 00:00 UTC.
    const MONDAY: i64 = 1_767_571_200;

    fn at(day: i64, hour: i64, minute: i64) -> i64 {
        MONDAY + day * 86_400 + hour * 3_600 + minute * 60
    }

    #[test]
    fn opens_and_closes_by_local_day_and_time() {
        let office = (&["mon-fri"][..], "08:00", "18:00", "+01:00");
        let night = (&["fri"][..], "22:00", "06:00", "+00:00");
        let always = (&[][..], "00:00", "24:00", "-05:00");
        let weekend = (&["sat-mon"][..], "00:00", "24:00", "+00:00");
        for (parts, now, open) in [
            (office, at(0, 7, 0), true),
            (office, at(0, 6, 59), false),
            (office, at(0, 16, 59), true),
            (office, at(0, 17, 0), false),
            (office, at(5, 12, 0), false),
            (night, at(4, 23, 0), true),
            (night, at(5, 5, 59), true),
            (night, at(5, 6, 0), false),
            (night, at(4, 5, 0), false),
            (always, at(6, 4, 0), true),
            (weekend, at(0, 23, 59), true),
            (weekend, at(1, 0, 0), false),
            (weekend, at(6, 0, 0), true),
            (office, -4 * 86_400 + 12 * 3_600, false),
        ] {
            let (days, from, to, offset) = parts;
            let schedule = schedule(days, from, to, offset).expect("the row is valid");
            assert_eq!(
                schedule.is_open(now),
                open,
                "{schedule} at {}",
                schedule.local_time(now)
            );
        }
    }

    #[test]
    fn local_time_shifts_the_day_too() {
        let schedule = schedule(&[], "00:00", "24:00", "-05:30").expect("valid");
        assert_eq!(schedule.local_time(at(0, 1, 0)), "sun 19:30");
    }

    #[test]
    fn bad_parts_are_named() {
        let good = (&["mon"][..], "08:00", "18:00", "+01:00");
        for (parts, error) in [
            (
                (&["mo"][..], good.1, good.2, good.3),
                "`mo` is not mon … sun, or a range: mon-fri",
            ),
            (
                (&["mon-"][..], good.1, good.2, good.3),
                "`mon-` is not mon … sun, or a range: mon-fri",
            ),
            (
                (good.0, "24:00", good.2, good.3),
                "`24:00` is not 00:00 to 23:59",
            ),
            (
                (good.0, "8:00", good.2, good.3),
                "`8:00` is not 00:00 to 23:59",
            ),
            (
                (good.0, "08:60", good.2, good.3),
                "`08:60` is not 00:00 to 23:59",
            ),
            (
                (good.0, good.1, "24:01", good.3),
                "`24:01` is not 00:00 to 24:00",
            ),
            (
                (good.0, good.1, "08:00", good.3),
                "`08:00` is not a time other than `from`",
            ),
            (
                (good.0, good.1, good.2, "01:00"),
                "`01:00` is not -14:00 to +14:00, sign included",
            ),
            (
                (good.0, good.1, good.2, "+15:00"),
                "`+15:00` is not -14:00 to +14:00, sign included",
            ),
            (
                (good.0, good.1, good.2, "+é1:0"),
                "`+é1:0` is not -14:00 to +14:00, sign included",
            ),
        ] {
            let (days, from, to, offset) = parts;
            let found = schedule(days, from, to, offset).expect_err("the row is bad");
            assert_eq!(found.to_string(), error);
        }
    }

    #[test]
    fn a_named_zone_follows_daylight_saving_time() {
        let berlin = Zone::named("Europe/Berlin").expect("it exists");
        let office = Schedule::new(&["mon-fri"], "08:00", "18:00", berlin).expect("valid");
        assert_eq!(office.to_string(), "mon-fri 08:00-18:00 (Europe/Berlin)");
        for (utc, local, open) in [
            ("2026-01-05T06:59Z", "mon 07:59", false),
            ("2026-01-05T07:00Z", "mon 08:00", true),
            ("2026-01-05T17:00Z", "mon 18:00", false),
            ("2026-07-06T06:00Z", "mon 08:00", true),
            ("2026-07-06T16:00Z", "mon 18:00", false),
            ("2026-03-29T00:59Z", "sun 01:59", false),
            ("2026-03-29T01:00Z", "sun 03:00", false),
            ("2026-10-25T00:30Z", "sun 02:30", false),
            ("2026-10-25T01:30Z", "sun 02:30", false),
        ] {
            let (at, _) = moment(utc, berlin).expect("the row is valid");
            assert_eq!(
                (office.local_time(at).as_str(), office.is_open(at)),
                (local, open),
                "{utc}"
            );
        }
        assert!(
            !office.local_time(i64::MAX).is_empty(),
            "beyond the calendar"
        );
    }

    #[test]
    fn moments_are_read_in_their_zone() {
        let berlin = Zone::named("Europe/Berlin").expect("it exists");
        for (text, read) in [
            ("2026-01-05T00:00Z", Ok(MONDAY)),
            ("2026-01-05T01:00", Ok(MONDAY)),
            ("2026-01-05T01:00+01:00", Ok(MONDAY)),
            ("2026-01-04T19:00[America/New_York]", Ok(MONDAY)),
            ("2026-10-25T02:30", Ok(1_792_888_200)),
            (
                "2026-03-29T02:30",
                Err("the clocks in Europe/Berlin never show 2026-03-29 02:30:00"),
            ),
            (
                "2026-01-05",
                Err(
                    "write 2026-12-24T18:00, with Z, +01:00 or [Europe/Berlin] after it if need be",
                ),
            ),
            (
                "2026-13-05T01:00",
                Err(
                    "input is out of range; write 2026-12-24T18:00, with Z, +01:00 or \
                     [Europe/Berlin] after it if need be",
                ),
            ),
            (
                "2026-01-05T01:00[Berlin]",
                Err("`Berlin` is not the name of a time zone: Europe/Berlin"),
            ),
            (
                "2026-01-05T01:00 CET",
                Err("` CET` is not -14:00 to +14:00, sign included"),
            ),
            (
                "é",
                Err(
                    "write 2026-12-24T18:00, with Z, +01:00 or [Europe/Berlin] after it if need be",
                ),
            ),
        ] {
            let found = moment(text, berlin).map(|(at, _)| at);
            assert_eq!(found, read.map_err(str::to_owned), "{text:?}");
        }
    }
}
