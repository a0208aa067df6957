//! A rule and the file it stands in: `rules/<application>.toml`, read into plain values.
//!
//! Owns the grammar and its errors; unknown keys are refused. It does not look whether scenarios
//! exist or whether rules make sense together: that is the lint's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::excerpt::SourceError;
use super::pattern::Pattern;
use super::schedule::{Part, Schedule};

/// Most rules in one file.
pub const RULES_MAX: usize = 1000;

/// Largest rules file, in bytes.
pub const RULESET_BYTES_MAX: usize = 1024 * 1024;

/// Most scenario files of one rule.
pub const SCENARIOS_MAX: usize = 32;

/// Where a call comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
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
}

impl Rule {
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
    /// At least one rule, at most [`RULES_MAX`]. Sessions keep the rule that they started with.
    pub rules: Vec<Arc<Rule>>,
}

impl Ruleset {
    /// Reads the text of a rules file.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place in `text`.
    pub fn parse(application: &str, file: &str, text: &str) -> Result<Self, SourceError> {
        let reader = Reader { file, text };
        if text.len() > RULESET_BYTES_MAX {
            let message = format!(
                "the file is {} bytes, at most {RULESET_BYTES_MAX} are allowed",
                text.len()
            );
            return Err(reader.error(0..0, message));
        }
        let written: FileText = toml::from_str(text).map_err(|error| {
            reader.error(error.span().unwrap_or(0..0), error.message().to_owned())
        })?;
        if written.rule.is_empty() {
            return Err(reader.error(0..0, "the file has no [[rule]]".to_owned()));
        }
        if let Some(surplus) = written.rule.get(RULES_MAX) {
            let message = format!("at most {RULES_MAX} rules are allowed");
            return Err(reader.error(surplus.name.span(), message));
        }
        let mut names = BTreeSet::new();
        let mut rules = Vec::with_capacity(written.rule.len());
        for rule in written.rule {
            let span = rule.name.span();
            let rule = reader.rule(rule)?;
            if !names.insert(rule.name.clone()) {
                let message = format!("name: another rule is called {:?}", rule.name);
                return Err(reader.error(span, message));
            }
            rules.push(Arc::new(rule));
        }
        Ok(Self {
            application: application.to_owned(),
            file: file.to_owned(),
            rules,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    #[serde(default)]
    rule: Vec<RuleText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    name: Spanned<String>,
    pattern: Spanned<String>,
    caller: Option<Spanned<String>>,
    source: Option<Spanned<Vec<Source>>>,
    #[serde(default)]
    headers: BTreeMap<Spanned<String>, Spanned<String>>,
    schedule: Option<ScheduleText>,
    #[serde(default = "enabled_by_default")]
    enabled: bool,
    #[serde(default)]
    scenarios: Vec<Spanned<String>>,
    #[serde(default)]
    variables: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    #[serde(default)]
    limits: LimitsText,
}

fn enabled_by_default() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleText {
    days: Option<Spanned<Vec<String>>>,
    from: Option<Spanned<String>>,
    to: Option<Spanned<String>>,
    utc_offset: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsText {
    sessions_max: Option<Spanned<u32>>,
}

/// Turns what was written into a rule, knowing the text for its errors.
struct Reader<'a> {
    file: &'a str,
    text: &'a str,
}

impl Reader<'_> {
    fn error(&self, span: Range<usize>, message: String) -> SourceError {
        SourceError::at(self.file, self.text, span, message)
    }

    fn rule(&self, written: RuleText) -> Result<Rule, SourceError> {
        let name = written.name.as_ref().trim();
        if name.is_empty() || name.chars().any(char::is_control) {
            let message = "name: empty, or it holds a control character".to_owned();
            return Err(self.error(written.name.span(), message));
        }
        if let Some(source) = &written.source
            && source.as_ref().is_empty()
        {
            let message = "source: the list is empty; leave the key out to take every source";
            return Err(self.error(source.span(), message.to_owned()));
        }
        let mut headers = Vec::with_capacity(written.headers.len());
        for (key, value) in &written.headers {
            if key.as_ref().is_empty() || !key.as_ref().bytes().all(is_token_byte) {
                let message = format!("headers: {:?} is not a header name", key.as_ref());
                return Err(self.error(key.span(), message));
            }
            headers.push((key.as_ref().clone(), self.pattern("headers", value)?));
        }
        let caller = written
            .caller
            .as_ref()
            .map(|caller| self.pattern("caller", caller));
        Ok(Rule {
            name: name.to_owned(),
            line: self.error(written.name.span(), String::new()).line,
            pattern: self.pattern("pattern", &written.pattern)?,
            caller: caller.transpose()?,
            sources: written.source.map(Spanned::into_inner).unwrap_or_default(),
            headers,
            schedule: written
                .schedule
                .map(|schedule| self.schedule(&schedule))
                .transpose()?,
            enabled: written.enabled,
            scenarios: self.scenarios(&written.scenarios)?,
            variables: self.variables(written.variables)?,
            limits: self.limits(&written.limits)?,
        })
    }

    fn pattern(&self, key: &str, written: &Spanned<String>) -> Result<Pattern, SourceError> {
        Pattern::new(written.as_ref()).map_err(|error| {
            let whole = written.span();
            let inside = whole.start + 1..whole.end.saturating_sub(1);
            // With escapes or long quotes, offsets in the value are not offsets in the file.
            let same = self.text.get(inside.clone()) == Some(written.as_ref());
            let span = match error.offset {
                Some(offset) if same => inside.start + offset..inside.start + offset + 1,
                _ => whole,
            };
            self.error(span, format!("{key}: {error}"))
        })
    }

    fn schedule(&self, written: &ScheduleText) -> Result<Schedule, SourceError> {
        let text = |part: &Option<Spanned<String>>, default: &str| {
            part.as_ref()
                .map_or_else(|| default.to_owned(), |part| part.as_ref().clone())
        };
        let days: Vec<&str> = match &written.days {
            Some(days) => days.as_ref().iter().map(String::as_str).collect(),
            None => Vec::new(),
        };
        let from = text(&written.from, "00:00");
        let to = text(&written.to, "24:00");
        let utc_offset = text(&written.utc_offset, "+00:00");
        Schedule::new(&days, &from, &to, &utc_offset).map_err(|error| {
            let spans = [&written.from, &written.to, &written.utc_offset]
                .map(|part| part.as_ref().map(Spanned::span));
            let [from, to, utc_offset] = spans;
            let (key, span) = match error.part {
                Part::Days => ("days", written.days.as_ref().map(Spanned::span)),
                Part::From => ("from", from),
                Part::To => ("to", to.or(from)),
                Part::UtcOffset => ("utc_offset", utc_offset),
            };
            self.error(span.unwrap_or(0..0), format!("schedule.{key}: {error}"))
        })
    }

    fn scenarios(&self, written: &[Spanned<String>]) -> Result<Vec<String>, SourceError> {
        if let Some(surplus) = written.get(SCENARIOS_MAX) {
            let message = format!("scenarios: at most {SCENARIOS_MAX} files are allowed");
            return Err(self.error(surplus.span(), message));
        }
        let mut files: Vec<String> = Vec::with_capacity(written.len());
        for file in written {
            let name = file.as_ref();
            let fault = if !is_scenario_file(name) {
                "is not the name of a .rhai file inside the scripts directory"
            } else if files.contains(name) {
                "stands twice"
            } else {
                files.push(name.clone());
                continue;
            };
            return Err(self.error(file.span(), format!("scenarios: {name:?} {fault}")));
        }
        Ok(files)
    }

    fn variables(
        &self,
        written: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    ) -> Result<BTreeMap<String, Variable>, SourceError> {
        let mut variables = BTreeMap::new();
        for (key, value) in written {
            if !is_identifier(key.as_ref()) {
                let message = format!("variables: {:?} is not an identifier", key.as_ref());
                return Err(self.error(key.span(), message));
            }
            let span = value.span();
            let variable = match value.into_inner() {
                toml::Value::String(text) => Variable::Text(text),
                toml::Value::Integer(number) => Variable::Integer(number),
                toml::Value::Float(number) if number.is_finite() => Variable::Float(number),
                toml::Value::Boolean(value) => Variable::Bool(value),
                toml::Value::Float(_)
                | toml::Value::Datetime(_)
                | toml::Value::Array(_)
                | toml::Value::Table(_) => {
                    let message =
                        "variables: only texts, finite numbers, true and false are allowed";
                    return Err(self.error(span, message.to_owned()));
                }
            };
            variables.insert(key.into_inner(), variable);
        }
        Ok(variables)
    }

    fn limits(&self, written: &LimitsText) -> Result<Limits, SourceError> {
        match &written.sessions_max {
            Some(value) if *value.as_ref() == 0 => {
                let message = "limits.sessions_max: 0 is too low, at least 1 is allowed";
                Err(self.error(value.span(), message.to_owned()))
            }
            value => Ok(Limits {
                sessions_max: value.as_ref().map(|value| *value.as_ref()),
            }),
        }
    }
}

/// RFC 3261 §25.1 `token`.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

fn is_identifier(text: &str) -> bool {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_scenario_file(name: &str) -> bool {
    let part_is_plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    name.len() <= 255 && name.ends_with(".rhai") && name.split('/').all(part_is_plain)
}
