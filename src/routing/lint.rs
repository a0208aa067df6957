//! The search for rules that cannot work as meant.
//!
//! It compares rules with each other and with the scenario files that the caller found; it opens
//! nothing and compiles nothing. "Covers" is judged only where it is certain, so a finding is never
//! a guess, and silence is no proof.

use std::collections::BTreeMap;
use std::fmt;

use super::rule::{Rule, Ruleset, Source};

/// Conference names of the shipped rules, tried on patterns to see who can reach them.
const CONFERENCE_NAMES: [&str; 3] = ["conf_1", "conf_1234", "conf_Ab12"];

/// Destinations that no conference has; a pattern that matches all of them is taken for a
/// catch-all.
const ORDINARY_DESTINATIONS: [&str; 4] = ["alice", "31201234567", "+15550100", "100"];

/// The scenario files that exist, by their name relative to the scripts directory: `Ok` when the
/// file compiles, otherwise the compiler's message.
pub type ScenarioFiles = BTreeMap<String, Result<(), String>>;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Works, but most likely not as meant.
    Warning,
    /// Cannot work, or opens what must stay closed; such a file is not to be saved.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// Something that the lint found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The rule's name.
    pub rule: String,
    /// The rule's line in its file, from 1.
    pub line: usize,
    /// What was found, as a sentence without the rule's name.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: {}: rule \"{}\": {}",
            self.line, self.severity, self.rule, self.text
        )
    }
}

/// Finds what is wrong with a set of rules. Findings come in the order of the rules; none means
/// that nothing was found.
pub fn lint(ruleset: &Ruleset, scenarios: &ScenarioFiles) -> Vec<Finding> {
    let mut report = Report {
        findings: Vec::new(),
    };
    for (index, rule) in ruleset.rules.iter().enumerate() {
        let rule: &Rule = rule;
        if !rule.enabled {
            report.add(Severity::Warning, rule, "is disabled and never matches");
            continue;
        }
        check_scenarios(rule, scenarios, &mut report);
        let before = ruleset.rules.iter().take(index).map(AsRef::as_ref);
        if let Some(earlier) = before
            .filter(|earlier| earlier.enabled)
            .find(|e| shadows(e, rule))
        {
            let text = format!(
                "never matches: rule \"{}\" (line {}) takes every call that it would take",
                earlier.name, earlier.line
            );
            report.add(Severity::Warning, rule, text);
        }
        let mut later = ruleset.rules.iter().skip(index + 1).map(AsRef::as_ref);
        if is_catch_all(rule)
            && later.any(|later: &Rule| later.enabled && share_source(rule, later))
        {
            let text = "takes every destination but is not the last rule for its sources";
            report.add(Severity::Warning, rule, text);
        }
        check_reach(rule, ruleset, &mut report);
    }
    report.findings
}

struct Report {
    findings: Vec<Finding>,
}

impl Report {
    fn add(&mut self, severity: Severity, rule: &Rule, text: impl Into<String>) {
        let (rule, line) = (rule.name.clone(), rule.line);
        self.findings.push(Finding {
            severity,
            rule,
            line,
            text: text.into(),
        });
    }
}

fn check_scenarios(rule: &Rule, scenarios: &ScenarioFiles, report: &mut Report) {
    if rule.scenarios.is_empty() {
        report.add(
            Severity::Error,
            rule,
            "has no scenarios, so the calls that it takes cannot run",
        );
    }
    for file in &rule.scenarios {
        match scenarios.get(file) {
            None => report.add(
                Severity::Error,
                rule,
                format!("scenario {file} does not exist"),
            ),
            Some(Err(error)) => {
                report.add(
                    Severity::Error,
                    rule,
                    format!("scenario {file} does not compile: {error}"),
                );
            }
            Some(Ok(())) => {}
        }
    }
}

/// Whether every call that `later` would take is certainly taken by `earlier`.
fn shadows(earlier: &Rule, later: &Rule) -> bool {
    let sources = Source::ALL
        .iter()
        .all(|s| !later.takes(*s) || earlier.takes(*s));
    let caller = match (&earlier.caller, &later.caller) {
        (None, _) => true,
        (Some(earlier), Some(later)) => earlier.covers(later),
        // Only `.*` also takes the anonymous caller, whose user part is empty.
        (Some(earlier), None) => earlier.text() == ".*",
    };
    let headers = earlier.headers.iter().all(|(name, pattern)| {
        later.headers.iter().any(|(other_name, other_pattern)| {
            name.eq_ignore_ascii_case(other_name) && pattern.covers(other_pattern)
        })
    });
    let schedule = earlier.schedule.is_none() || earlier.schedule == later.schedule;
    sources && caller && headers && schedule && earlier.pattern.covers(&later.pattern)
}

fn is_catch_all(rule: &Rule) -> bool {
    rule.pattern.matches_all()
        && rule.caller.is_none()
        && rule.headers.is_empty()
        && rule.schedule.is_none()
}

fn share_source(one: &Rule, other: &Rule) -> bool {
    Source::ALL
        .iter()
        .any(|source| one.takes(*source) && other.takes(*source))
}

/// A conference session is shared by all who call its name from inside. One that an outsider starts
/// by dialling the name would be a private session without the others, and without the PIN.
fn check_reach(rule: &Rule, ruleset: &Ruleset, report: &mut Report) {
    let outsiders = [Source::Phone, Source::Web, Source::Api];
    let reached: Vec<&str> = outsiders
        .iter()
        .filter(|source| rule.takes(**source))
        .map(|source| source.label())
        .collect();
    if reached.is_empty() {
        return;
    }
    let reached = reached.join(", ");
    let matches_ordinary = ORDINARY_DESTINATIONS
        .iter()
        .all(|name| rule.pattern.matches(name));
    let conference = CONFERENCE_NAMES
        .iter()
        .find(|name| rule.pattern.matches(name));
    if let Some(name) = conference
        && !matches_ordinary
    {
        let text = format!(
            "matches the conference name {name} for calls from {reached}; conferences are for \
             source = [\"internal\"]"
        );
        report.add(Severity::Error, rule, text);
        return;
    }
    let internal = ruleset.rules.iter().find(|other| {
        other.is_internal_only() && other.enabled && other.scenarios.last() == rule.scenarios.last()
    });
    if let (Some(other), Some(scenario)) = (internal, rule.scenarios.last()) {
        let text = format!(
            "runs {scenario} for calls from {reached}, which rule \"{}\" keeps for internal calls",
            other.name
        );
        report.add(Severity::Error, rule, text);
    }
    let conferences_exist = ruleset
        .rules
        .iter()
        .any(|other| other.enabled && other.is_internal_only());
    if conferences_exist && matches_ordinary && rule.takes(Source::Internal) {
        let text = "also takes internal calls with a conference name that no other rule matches; \
                    name its sources";
        report.add(Severity::Warning, rule, text);
    }
}
