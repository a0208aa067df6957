//! The decision: the first rule whose matchers all match takes the call, and a trace says why.
//!
//! Pure: the call, its headers and the time come in as values. It takes no permits and counts
//! nothing.

use std::fmt;
use std::sync::Arc;

use super::rule::{Rule, Ruleset, Source};
use crate::pii::Pii;

/// Longest destination that is tried, in bytes; a longer one matches no rule.
pub const DESTINATION_BYTES_MAX: usize = 1024;

/// Longest value, in characters, that a trace quotes in full.
const QUOTED_CHARACTERS_MAX: usize = 80;

/// What the router knows of a call.
#[derive(Clone, Copy, Debug)]
pub struct CallInfo<'a> {
    /// The dialled user part, without percent-escapes.
    pub destination: &'a str,
    /// The caller's user part, without percent-escapes; empty when the caller is anonymous.
    pub caller: &'a str,
    /// Where the call comes from.
    pub source: Source,
    /// The headers of the call. A name may stand several times.
    pub headers: &'a [(String, String)],
    /// The time in seconds since 1970 UTC, for schedules.
    pub now_unix_s: i64,
}

/// Chooses the rule for a call among the rules of one application.
#[derive(Clone, Debug)]
pub struct Router {
    ruleset: Ruleset,
}

impl Router {
    /// Takes over a set of rules.
    pub fn new(ruleset: Ruleset) -> Self {
        Self { ruleset }
    }

    /// The rules, in order.
    pub fn ruleset(&self) -> &Ruleset {
        &self.ruleset
    }

    /// Gives the first rule that matches, `None` when there is none (the call gets 404), and the
    /// trace of every rule tried up to there.
    pub fn decide(&self, call: &CallInfo<'_>) -> (Option<Arc<Rule>>, Trace) {
        let mut trace = Trace {
            destination: Pii(clipped(call.destination)),
            caller: Pii(clipped(call.caller)),
            source: call.source,
            destination_bytes: call.destination.len(),
            steps: Vec::new(),
        };
        if call.destination.len() > DESTINATION_BYTES_MAX {
            return (None, trace);
        }
        for rule in &self.ruleset.rules {
            let mismatch = mismatch(rule, call);
            let matches = mismatch.is_none();
            trace.steps.push(Step {
                rule: Arc::clone(rule),
                mismatch,
            });
            if matches {
                return (Some(Arc::clone(rule)), trace);
            }
        }
        (None, trace)
    }
}

/// Why a rule does not match, in the order in which matchers are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The rule is switched off.
    Disabled,
    /// The call comes from elsewhere.
    Source,
    /// The pattern does not match the destination.
    Destination,
    /// The caller pattern does not match the caller.
    Caller,
    /// The call has no header of this name.
    HeaderMissing {
        /// Name, as the rule writes it.
        name: String,
    },
    /// No value of the header matches.
    HeaderValue {
        /// Name, as the rule writes it.
        name: String,
        /// The value that the call has, the first one of several.
        value: Pii<String>,
    },
    /// The rule is closed at this time.
    Schedule {
        /// The time of the call, as the rule's schedule sees it.
        local_time: String,
    },
}

/// One rule that was tried.
#[derive(Clone, Debug)]
pub struct Step {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Why it does not match; `None` when it takes the call.
    pub mismatch: Option<Mismatch>,
}

/// How a decision came about. `Display` prints it for the person who writes rules, with the values
/// in clear; [`Trace::masked`] is the form for logs.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The dialled user part, cut when it is very long.
    pub destination: Pii<String>,
    /// The caller's user part, cut when it is very long.
    pub caller: Pii<String>,
    /// Where the call comes from.
    pub source: Source,
    /// The rules tried, in order; only the last one can be the match. None when the destination was
    /// too long to be tried.
    pub steps: Vec<Step>,
    destination_bytes: usize,
}

impl Trace {
    /// The rule that takes the call.
    pub fn matched(&self) -> Option<&Arc<Rule>> {
        self.steps
            .last()
            .filter(|step| step.mismatch.is_none())
            .map(|step| &step.rule)
    }

    /// Says of the step what came out of it: `matches`, or why not, with the values in clear.
    pub fn outcome(&self, step: &Step) -> String {
        self.outcome_text(step, quoted)
    }

    /// The trace with numbers and header values masked.
    pub fn masked(&self) -> impl fmt::Display + '_ {
        Masked(self)
    }

    fn outcome_text(&self, step: &Step, show: Show) -> String {
        let rule = &step.rule;
        match &step.mismatch {
            None if rule.kept_out => "matches, and is kept out until it is mended".to_owned(),
            None => "matches".to_owned(),
            Some(Mismatch::Disabled) => "the rule is disabled".to_owned(),
            Some(Mismatch::Source) => {
                let wanted: Vec<&str> = rule.sources.iter().map(|source| source.label()).collect();
                format!(
                    "source is {}, the rule wants {}",
                    self.source,
                    wanted.join(" or ")
                )
            }
            Some(Mismatch::Destination) => {
                format!(
                    "pattern {} does not match {}",
                    rule.pattern,
                    show(&self.destination)
                )
            }
            Some(Mismatch::Caller) => match &rule.caller {
                Some(_) if self.caller.0.is_empty() => {
                    "the call is anonymous, the rule wants a caller".to_owned()
                }
                Some(caller) => {
                    format!(
                        "caller pattern {caller} does not match {}",
                        show(&self.caller)
                    )
                }
                None => "the caller does not match".to_owned(),
            },
            Some(Mismatch::HeaderMissing { name }) => format!("header {name} is missing"),
            Some(Mismatch::HeaderValue { name, value }) => {
                let wanted = rule.headers.iter().find(|(header, _)| header == name);
                let wanted = wanted
                    .map(|(_, pattern)| pattern.to_string())
                    .unwrap_or_default();
                format!("header {name} is {}, the rule wants {wanted}", show(value))
            }
            Some(Mismatch::Schedule { local_time }) => {
                let schedule = rule
                    .schedule
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                format!("{local_time} is outside {schedule}")
            }
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, show: Show) -> fmt::Result {
        let caller = match self.caller.0.as_str() {
            "" => "an anonymous caller".to_owned(),
            _ => show(&self.caller),
        };
        writeln!(
            f,
            "call to {} from {caller}, source {}",
            show(&self.destination),
            self.source
        )?;
        for (index, step) in self.steps.iter().enumerate() {
            let outcome = self.outcome_text(step, show);
            let Rule { name, line, .. } = step.rule.as_ref();
            writeln!(f, "{:>4}. {name} (line {line}): {outcome}", index + 1)?;
        }
        if self.destination_bytes > DESTINATION_BYTES_MAX {
            let bytes = self.destination_bytes;
            return write!(
                f,
                "no rule tried: the destination is {bytes} bytes, at most {DESTINATION_BYTES_MAX} \
                 are allowed"
            );
        }
        match self.matched() {
            Some(rule) if rule.kept_out => write!(f, "rule \"{}\" is kept out: 503", rule.name),
            Some(rule) => write!(f, "rule \"{}\" takes the call", rule.name),
            None => write!(f, "no rule matches: 404"),
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, quoted)
    }
}

struct Masked<'a>(&'a Trace);

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, masked)
    }
}

/// How a value of the call is written.
type Show = fn(&Pii<String>) -> String;

fn quoted(value: &Pii<String>) -> String {
    format!("{:?}", value.0)
}

fn masked(value: &Pii<String>) -> String {
    format!("\"{value}\"")
}

fn clipped(value: &str) -> String {
    match value.char_indices().nth(QUOTED_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}

fn mismatch(rule: &Rule, call: &CallInfo<'_>) -> Option<Mismatch> {
    if !rule.enabled {
        return Some(Mismatch::Disabled);
    }
    if !rule.takes(call.source) {
        return Some(Mismatch::Source);
    }
    if !rule.pattern.matches(call.destination) {
        return Some(Mismatch::Destination);
    }
    if rule
        .caller
        .as_ref()
        .is_some_and(|caller| !caller.matches(call.caller))
    {
        return Some(Mismatch::Caller);
    }
    for (name, pattern) in &rule.headers {
        let mut values = call
            .headers
            .iter()
            .filter(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str());
        let Some(first) = values.next() else {
            return Some(Mismatch::HeaderMissing { name: name.clone() });
        };
        if !pattern.matches(first) && !values.any(|value| pattern.matches(value)) {
            let value = Pii(clipped(first));
            return Some(Mismatch::HeaderValue {
                name: name.clone(),
                value,
            });
        }
    }
    let schedule = rule.schedule.as_ref()?;
    (!schedule.is_open(call.now_unix_s)).then(|| Mismatch::Schedule {
        local_time: schedule.local_time(call.now_unix_s),
    })
}
