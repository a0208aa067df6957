//! Whether earlier rules take every call that a rule would take, decided source by source, over the
//! minutes of a week and over all values of the patterns.
//!
//! Callers, headers and time zones are compared rule by rule: an earlier rule counts only where it
//! wants nothing of them that the later one does not want too. So a cover that is found is one, and
//! of covers that are split by callers or headers nothing is said.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use chrono_tz::Tz;

use super::language::{Decider, Language, TooLarge};
use super::pattern::Pattern;
use super::rule::{Rule, Source};
use super::schedule::{MINUTES_PER_WEEK, Schedule, Zone};

/// Earlier rules with schedules that are compared with one rule.
const SCHEDULES_MAX: usize = 64;

/// Languages of patterns, each made once, and the decider over them.
pub(super) struct Languages {
    decider: Decider,
    made: BTreeMap<String, Result<Rc<Language>, TooLarge>>,
}

impl Languages {
    pub(super) fn new() -> Result<Self, TooLarge> {
        Ok(Self {
            decider: Decider::new()?,
            made: BTreeMap::new(),
        })
    }

    fn of(&mut self, pattern: &Pattern) -> Result<Rc<Language>, TooLarge> {
        self.of_expression(&pattern.to_string())
    }

    fn of_expression(&mut self, expression: &str) -> Result<Rc<Language>, TooLarge> {
        if let Some(made) = self.made.get(expression) {
            return made.clone();
        }
        let made = Language::of(expression).map(Rc::new);
        self.made.insert(expression.to_owned(), made.clone());
        made
    }

    /// The shortest value of a pattern; `None` when it never matches.
    pub(super) fn example(&mut self, pattern: &Pattern) -> Result<Option<String>, TooLarge> {
        let of = self.of(pattern)?;
        self.decider.example(&of, &[])
    }

    /// The shortest value of a pattern that is one of an anchored expression too.
    pub(super) fn example_in(
        &mut self,
        pattern: &Pattern,
        expression: &str,
    ) -> Result<Option<String>, TooLarge> {
        let (of, other) = (self.of(pattern)?, self.of_expression(expression)?);
        self.decider.example(&of, &[&other])
    }

    /// Whether every value of a pattern is one of an anchored expression.
    pub(super) fn is_within(
        &mut self,
        pattern: &Pattern,
        expression: &str,
    ) -> Result<bool, TooLarge> {
        let (of, other) = (self.of(pattern)?, self.of_expression(expression)?);
        self.decider.is_within(&of, &other)
    }

    /// Whether a pattern matches every value of an anchored expression.
    pub(super) fn has_all(
        &mut self,
        pattern: &Pattern,
        expression: &str,
    ) -> Result<bool, TooLarge> {
        let (of, other) = (self.of_expression(expression)?, self.of(pattern)?);
        self.decider.is_within(&of, &other)
    }

    fn covers(&mut self, earlier: &Pattern, later: &Pattern) -> Result<bool, TooLarge> {
        if earlier == later {
            return Ok(true);
        }
        self.is_within(later, &earlier.to_string())
    }
}

/// What the minutes of a schedule count: those of UTC, or local ones of a zone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Frame {
    Utc,
    Local(Tz),
}

/// A rule that may stand before others, with its minutes.
pub(super) struct Earlier<'a> {
    pub(super) rule: &'a Rule,
    /// The file of another application; `None` in its own.
    pub(super) file: Option<&'a str>,
    open: Option<(Frame, Vec<bool>)>,
}

impl<'a> Earlier<'a> {
    pub(super) fn new(rule: &'a Rule, file: Option<&'a str>) -> Self {
        let open = rule.schedule.as_ref().and_then(open_minutes);
        Self { rule, file, open }
    }

    /// Sessions call conference names of their own application only.
    fn is_asked(&self, source: Source) -> bool {
        self.rule.takes(source) && (self.file.is_none() || source != Source::Internal)
    }

    fn is_open(&self, minute: usize) -> bool {
        match &self.open {
            None => true,
            Some((_, week)) => week.get(minute).copied().unwrap_or_default(),
        }
    }
}

/// The minutes of a week in which a schedule is open; `None` when that is all of them.
fn open_minutes(schedule: &Schedule) -> Option<(Frame, Vec<bool>)> {
    let mut week = schedule.week();
    if week.iter().all(|open| *open) {
        return None;
    }
    match schedule.zone() {
        Zone::Named(tz) => Some((Frame::Local(tz), week)),
        Zone::Offset(ahead) => {
            let ahead = i64::from(ahead).rem_euclid(MINUTES_PER_WEEK as i64);
            week.rotate_left(ahead as usize);
            Some((Frame::Utc, week))
        }
    }
}

/// The rules, by their place among the earlier ones, that take every call that `rule` would take;
/// `None` when a call may reach it. Its pattern must not be empty.
pub(super) fn takers(
    languages: &mut Languages,
    rule: &Rule,
    earlier: &[Earlier<'_>],
) -> Result<Option<BTreeSet<usize>>, TooLarge> {
    let mut candidates = Vec::new();
    for (index, other) in earlier.iter().enumerate() {
        let shares = Source::ALL
            .iter()
            .any(|source| rule.takes(*source) && other.is_asked(*source));
        if shares && wants_no_more(languages, other.rule, rule)? {
            candidates.push(index);
        }
    }
    if candidates.is_empty() {
        return Ok(None);
    }
    let later = Earlier::new(rule, None);
    if let Some(alone) = alone(languages, &later, earlier, &candidates)? {
        return Ok(Some(BTreeSet::from([alone])));
    }
    let mut takers = BTreeSet::new();
    for source in Source::ALL.into_iter().filter(|source| rule.takes(*source)) {
        let asked = |index: &&usize| earlier.get(**index).is_some_and(|e| e.is_asked(source));
        let asked: Vec<usize> = candidates.iter().filter(asked).copied().collect();
        match together(languages, &later, earlier, &asked)? {
            Some(found) => takers.extend(found),
            None => return Ok(None),
        }
    }
    Ok(Some(takers))
}

/// Whether `earlier` is content with every caller and all headers that `later` is content with.
fn wants_no_more(
    languages: &mut Languages,
    earlier: &Rule,
    later: &Rule,
) -> Result<bool, TooLarge> {
    let caller = match (&earlier.caller, &later.caller) {
        (None, _) => true,
        (Some(earlier), Some(later)) => languages.covers(earlier, later)?,
        (Some(earlier), None) => languages.has_all(earlier, ANYTHING)?,
    };
    if !caller {
        return Ok(false);
    }
    for (name, pattern) in &earlier.headers {
        let mut wanted = false;
        for (other_name, other_pattern) in &later.headers {
            wanted |= name.eq_ignore_ascii_case(other_name)
                && languages.covers(pattern, other_pattern)?;
        }
        if !wanted {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Every value.
pub(super) const ANYTHING: &str = r"^(?:(?s).*)$";

/// The first rule that takes every call by itself.
fn alone(
    languages: &mut Languages,
    later: &Earlier<'_>,
    earlier: &[Earlier<'_>],
    candidates: &[usize],
) -> Result<Option<usize>, TooLarge> {
    let example = languages.example(&later.rule.pattern)?.unwrap_or_default();
    for index in candidates {
        let Some(other) = earlier.get(*index) else {
            continue;
        };
        let mut sources = Source::ALL
            .iter()
            .filter(|source| later.rule.takes(**source));
        let open = match (&other.open, &later.open) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some((frame, week)), Some((later_frame, later_week))) => {
                frame == later_frame && week.iter().zip(later_week).all(|(e, l)| *e || !*l)
            }
        };
        if open
            && sources.all(|source| other.is_asked(*source))
            && other.rule.pattern.matches(&example)
            && languages.covers(&other.rule.pattern, &later.rule.pattern)?
        {
            return Ok(Some(*index));
        }
    }
    Ok(None)
}

/// Rules that together take every call, whenever the later one is open.
fn together(
    languages: &mut Languages,
    later: &Earlier<'_>,
    earlier: &[Earlier<'_>],
    asked: &[usize],
) -> Result<Option<BTreeSet<usize>>, TooLarge> {
    let frame_of = |e: &Earlier<'_>| e.open.as_ref().map(|(frame, _)| *frame);
    let mut frames: Vec<Frame> = Vec::new();
    match frame_of(later) {
        Some(frame) => frames.push(frame),
        None => {
            for frame in asked
                .iter()
                .filter_map(|index| frame_of(earlier.get(*index)?))
            {
                if !frames.contains(&frame) {
                    frames.push(frame);
                }
            }
        }
    }
    if frames.is_empty() {
        frames.push(Frame::Utc);
    }
    'frames: for frame in frames {
        let comparable: Vec<usize> = asked
            .iter()
            .filter(|index| {
                let other = earlier.get(**index);
                other.is_some_and(|e| frame_of(e).is_none_or(|other| other == frame))
            })
            .copied()
            .collect();
        let mut takers = BTreeSet::new();
        for open in cells(later, earlier, &comparable)? {
            match together_in(languages, later.rule, earlier, &open)? {
                Some(found) => takers.extend(found),
                None => continue 'frames,
            }
        }
        return Ok(Some(takers));
    }
    Ok(None)
}

fn together_in(
    languages: &mut Languages,
    later: &Rule,
    earlier: &[Earlier<'_>],
    open: &[usize],
) -> Result<Option<BTreeSet<usize>>, TooLarge> {
    let of = languages.of(&later.pattern)?;
    let mut others = Vec::with_capacity(open.len());
    for index in open {
        if let Some(other) = earlier.get(*index) {
            others.push(languages.of(&other.rule.pattern)?);
        }
    }
    let others: Vec<&Language> = others.iter().map(AsRef::as_ref).collect();
    let covered = languages.decider.covered(&of, &others)?;
    let index_of = |first: &usize| open.get(*first).copied();
    Ok(covered.map(|first| first.iter().filter_map(index_of).collect()))
}

/// The sets of rules that are open at the same time at some minute when `later` is open.
fn cells(
    later: &Earlier<'_>,
    earlier: &[Earlier<'_>],
    among: &[usize],
) -> Result<BTreeSet<Vec<usize>>, TooLarge> {
    let rules = among
        .iter()
        .filter_map(|index| Some((*index, earlier.get(*index)?)));
    let (timed, always): (Vec<_>, Vec<_>) = rules.partition(|(_, rule)| rule.open.is_some());
    if timed.len() > SCHEDULES_MAX {
        return Err(TooLarge);
    }
    let always: Vec<usize> = always.into_iter().map(|(index, _)| index).collect();
    if timed.is_empty() {
        return Ok(BTreeSet::from([always]));
    }
    let changes = |minute: usize| {
        let mut all = timed.iter().map(|(_, rule)| *rule).chain([later]);
        minute == 0 || all.any(|rule| rule.is_open(minute) != rule.is_open(minute - 1))
    };
    let open_at = |minute: usize| -> Vec<usize> {
        let open = timed.iter().filter(|(_, rule)| rule.is_open(minute));
        let mut open: Vec<usize> = open
            .map(|(index, _)| *index)
            .chain(always.clone())
            .collect();
        open.sort_unstable();
        open
    };
    Ok((0..MINUTES_PER_WEEK)
        .filter(|minute| changes(*minute) && later.is_open(*minute))
        .map(open_at)
        .collect())
}
