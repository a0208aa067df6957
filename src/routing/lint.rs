//! The search for rules that cannot work as meant.
//!
//! It compares rules with each other and with the scenario files that the caller found; it opens
//! nothing and compiles nothing. Patterns are compared by the values that they match, all of them;
//! where that takes too much, a note says so.

use std::collections::BTreeMap;
use std::fmt;

use super::cover::{Earlier, Languages, takers};
use super::language::TooLarge;
use super::pattern::Pattern;
use super::rule::{Rule, Ruleset, Source};

/// Conference names; a rule that calls from outside can reach with one of them is refused.
const CONFERENCES: &str = r"^conf_.*$";

/// Destinations as people dial them. A pattern that has all of them is taken for a catch-all, and
/// not for one that was made for conferences.
const ORDINARY: &str = r"^.{3,32}$";

/// Every destination but the empty one.
const SOMETHING: &str = r"^.+$";

/// Whole URIs, where a user part is wanted.
const URIS: &str = r"^(?:(?:sips?|tel):.*|.*@.*)$";

/// Values with a backslash.
const BACKSLASHES: &str = r"^.*\\.*$";

/// The scenario files that exist, by their name relative to the scripts directory: `Ok` when the
/// file compiles, otherwise the compiler's message.
pub type ScenarioFiles = BTreeMap<String, Result<(), String>>;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Could not be decided.
    Note,
    /// Works, but most likely not as meant.
    Warning,
    /// Cannot work, or opens what must stay closed; such a file is not to be saved.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Note => "note",
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

/// Finds what is wrong with a set of rules, some of whose calls the rules of the sets `before` may
/// take. Findings come in the order of the rules; none means that nothing was found. Rules that are
/// kept out have been reported by whoever read them.
pub fn lint(before: &[&Ruleset], ruleset: &Ruleset, scenarios: &ScenarioFiles) -> Vec<Finding> {
    let mut report = Report {
        findings: Vec::new(),
    };
    let Ok(mut languages) = Languages::new() else {
        return report.findings;
    };
    let works = |rule: &&Rule| rule.enabled && !rule.kept_out;
    let mut earlier: Vec<Earlier<'_>> = Vec::new();
    for set in before {
        let rules = set.rules.iter().map(AsRef::as_ref).filter(works);
        earlier.extend(rules.map(|rule| Earlier::new(rule, Some(&set.file))));
    }
    for (index, rule) in ruleset.rules.iter().enumerate() {
        let rule: &Rule = rule;
        if rule.kept_out {
            continue;
        }
        if !rule.enabled {
            report.add(Severity::Warning, rule, "is disabled and never matches");
            continue;
        }
        check_scenarios(rule, scenarios, &mut report);
        let later = ruleset.rules.iter().skip(index + 1).map(AsRef::as_ref);
        let later: Vec<&Rule> = later.filter(works).collect();
        let decided = check_patterns(rule, &mut languages, &mut report)
            .and_then(|()| check_order(rule, &earlier, &later, &mut languages, &mut report))
            .and_then(|()| check_reach(rule, ruleset, &mut languages, &mut report));
        if decided == Err(TooLarge) {
            let text = "has patterns that are too large to be compared with those of other rules";
            report.add(Severity::Note, rule, text);
        }
        earlier.push(Earlier::new(rule, None));
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

/// Patterns that match nothing, or nothing that a call can have.
fn check_patterns(
    rule: &Rule,
    languages: &mut Languages,
    report: &mut Report,
) -> Result<(), TooLarge> {
    let users = [
        Some(("pattern", &rule.pattern)),
        rule.caller.as_ref().map(|c| ("caller", c)),
    ];
    let headers = rule.headers.iter().map(|(_, pattern)| ("headers", pattern));
    for (key, pattern) in users.into_iter().flatten().chain(headers) {
        if languages.example(pattern)?.is_none() {
            let text = format!(
                "never matches: {key} {:?} fits no value at all",
                pattern.text()
            );
            report.add(Severity::Error, rule, text);
        } else if key != "headers" && languages.is_within(pattern, URIS)? {
            let text = format!(
                "never matches: {key} {:?} is compared with the user part alone, without `sip:` \
                 and without `@` and host",
                pattern.text()
            );
            report.add(Severity::Warning, rule, text);
        } else if key != "headers" && languages.is_within(pattern, BACKSLASHES)? {
            let text = format!(
                "never matches: {key} '{}' wants a backslash; in single quotes \\d is written with \
                 one",
                pattern.text()
            );
            report.add(Severity::Warning, rule, text);
        }
    }
    Ok(())
}

/// Rules that no call reaches, and catch-alls before others.
fn check_order(
    rule: &Rule,
    earlier: &[Earlier<'_>],
    later: &[&Rule],
    languages: &mut Languages,
    report: &mut Report,
) -> Result<(), TooLarge> {
    if languages.example(&rule.pattern)?.is_none() {
        return Ok(());
    }
    if let Some(takers) = takers(languages, rule, earlier)? {
        let taker = |index: &usize| earlier.get(*index).map(name);
        let names: Vec<String> = takers.iter().filter_map(taker).collect();
        let text = match names.as_slice() {
            [one] => format!("never matches: rule {one} takes every call that it would take"),
            many => format!(
                "never matches: the rules {} together take every call that it would take",
                many.join(", ")
            ),
        };
        report.add(Severity::Warning, rule, text);
    }
    let takes_all = rule.caller.is_none() && rule.headers.is_empty() && rule.schedule.is_none();
    if takes_all
        && later.iter().any(|later| share_source(rule, later))
        && languages.has_all(&rule.pattern, SOMETHING)?
    {
        let text = "takes every destination but is not the last rule for its sources";
        report.add(Severity::Warning, rule, text);
    }
    Ok(())
}

fn name(earlier: &Earlier<'_>) -> String {
    let Rule { name, line, .. } = earlier.rule;
    match earlier.file {
        Some(file) => format!("\"{name}\" ({file}:{line})"),
        None => format!("\"{name}\" (line {line})"),
    }
}

fn share_source(one: &Rule, other: &Rule) -> bool {
    Source::ALL
        .iter()
        .any(|source| one.takes(*source) && other.takes(*source))
}

/// A conference session is shared by all who call its name from inside. One that an outsider starts
/// by dialling the name would be a private session without the others, and without the PIN.
fn check_reach(
    rule: &Rule,
    ruleset: &Ruleset,
    languages: &mut Languages,
    report: &mut Report,
) -> Result<(), TooLarge> {
    let outsiders = [Source::Phone, Source::Web, Source::Api];
    let reached: Vec<&str> = outsiders
        .iter()
        .filter(|source| rule.takes(**source))
        .map(|source| source.label())
        .collect();
    if reached.is_empty() {
        return Ok(());
    }
    let reached = reached.join(", ");
    let is_catch_all = languages.has_all(&rule.pattern, ORDINARY)?;
    if !is_catch_all && let Some(name) = conference_name(&rule.pattern, languages)? {
        let text = format!(
            "matches the conference name {name} for calls from {reached}; conferences are for \
             source = [\"internal\"]"
        );
        report.add(Severity::Error, rule, text);
        return Ok(());
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
    if conferences_exist && is_catch_all && rule.takes(Source::Internal) {
        let text = "also takes internal calls with a conference name that no other rule matches; \
                    name its sources";
        report.add(Severity::Warning, rule, text);
    }
    Ok(())
}

/// A conference name that the pattern matches, a short one that looks like one if there is one.
fn conference_name(
    pattern: &Pattern,
    languages: &mut Languages,
) -> Result<Option<String>, TooLarge> {
    match languages.example_in(pattern, r"^conf_[0-9A-Za-z]+$")? {
        Some(name) => Ok(Some(name)),
        None => languages.example_in(pattern, CONFERENCES),
    }
}
