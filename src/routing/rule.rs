//! A rule, and the rules of one application in their order.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::pattern::Pattern;
use super::schedule::Schedule;

/// Most rules in one file.
pub const RULES_MAX: usize = 1000;

/// Largest rules file, in bytes.
pub const RULESET_BYTES_MAX: usize = 1024 * 1024;

/// Most scenario files of one rule.
pub const SCENARIOS_MAX: usize = 32;

/// Where a call comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A telephone or trunk over SIP.
    Phone,
    /// A browser.
    Web,
    /// A call that a session of this engine places to a conference name.
    Internal,
    /// A call started through the HTTP API.
    Api,
}

impl Source {
    /// Every source.
    pub const ALL: [Source; 4] = [Source::Phone, Source::Web, Source::Internal, Source::Api];

    /// The word used in rules, scripts and traces.
    pub fn label(self) -> &'static str {
        match self {
            Source::Phone => "phone",
            Source::Web => "web",
            Source::Internal => "internal",
            Source::Api => "api",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// A value that a rule hands to its scenarios.
#[derive(Clone, Debug, PartialEq)]
pub enum Variable {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// True or false.
    Bool(bool),
}

/// Limits that a rule carries; the engine enforces them, the router does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Most sessions of this rule at the same time, at least 1. `None`: no limit of its own.
    pub sessions_max: Option<u32>,
}

/// One rule. All its matchers must match; several values in one matcher are alternatives.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Unique in its file.
    pub name: String,
    /// Line of the file, from 1, on which the name stands.
    pub line: usize,
    /// Matched against the whole dialled user part.
    pub pattern: Pattern,
    /// Matched against the caller's user part. `None` takes every caller.
    pub caller: Option<Pattern>,
    /// The sources that the rule takes. Empty takes every source.
    pub sources: Vec<Source>,
    /// Header names, compared in any case, with the pattern that one of their values must match.
    pub headers: Vec<(String, Pattern)>,
    /// When the rule is open. `None` is always.
    pub schedule: Option<Schedule>,
    /// A disabled rule never matches.
    pub enabled: bool,
    /// Scenario files, relative to the scripts directory, that run in this order in one scope.
    pub scenarios: Vec<String>,
    /// Values for the scenarios, by name.
    pub variables: BTreeMap<String, Variable>,
    /// Limits that the engine keeps.
    pub limits: Limits,
    /// The rule, or a scenario of it, has to be mended. It matches as far as it can be read, so
    /// that its calls do not fall through to a rule that was not meant for them, and they are
    /// refused.
    pub kept_out: bool,
}

impl Rule {
    /// A rule that takes every call and is kept out.
    pub(super) fn kept_out(name: &str, line: usize) -> Self {
        Self {
            name: name.to_owned(),
            line,
            pattern: Pattern::any(),
            caller: None,
            sources: Vec::new(),
            headers: Vec::new(),
            schedule: None,
            enabled: true,
            scenarios: Vec::new(),
            variables: BTreeMap::new(),
            limits: Limits::default(),
            kept_out: true,
        }
    }

    /// Whether the rule takes calls from `source`.
    pub fn takes(&self, source: Source) -> bool {
        self.sources.is_empty() || self.sources.contains(&source)
    }

    /// Whether only internal calls are taken.
    pub fn is_internal_only(&self) -> bool {
        !self.sources.is_empty()
            && self
                .sources
                .iter()
                .all(|source| *source == Source::Internal)
    }
}

/// The rules of one application, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruleset {
    /// The application: the file's name without `.toml`.
    pub application: String,
    /// The file's name as it was given, for findings and traces.
    pub file: String,
    /// At most [`RULES_MAX`] rules, at least one when there was no error. Sessions keep the rule
    /// that they started with.
    pub rules: Vec<Arc<Rule>>,
}

impl Ruleset {
    /// Stands for a file that cannot be read at all: every call to it is kept out.
    pub fn unreadable(application: &str, file: &str) -> Self {
        Self {
            application: application.to_owned(),
            file: file.to_owned(),
            rules: vec![Arc::new(Rule::kept_out("(unreadable)", 1))],
        }
    }
}
