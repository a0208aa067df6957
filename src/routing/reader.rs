//! The grammar of `rules/<application>.toml`: a text in, rules and everything that is wrong out.
//!
//! Unknown keys are refused. It does not look whether scenarios exist or whether rules make sense
//! together: that is the lint's. What cannot be read of a rule is taken as widely as it may have
//! been meant, and the rule is kept out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::excerpt::SourceError;
use super::pattern::Pattern;
use super::rule::{
    Limits, RULES_MAX, RULESET_BYTES_MAX, Rule, Ruleset, SCENARIOS_MAX, Source, Variable,
};
use super::schedule::{Part, Schedule, ScheduleError, Zone};

/// Errors that are named of one file.
const ERRORS_MAX: usize = 50;

const RULE_KEYS: &[&str] = &[
    "name",
    "pattern",
    "caller",
    "source",
    "headers",
    "schedule",
    "enabled",
    "scenarios",
    "variables",
    "limits",
];
const SCHEDULE_KEYS: &[&str] = &["days", "from", "to", "tz", "utc_offset"];

/// The rule that stands for what comes after an error of syntax.
const REST: &str = "(the rest of the file)";

type Value<'a> = Spanned<DeValue<'a>>;

impl Ruleset {
    /// Reads the text of a rules file.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place in `text`.
    pub fn parse(application: &str, file: &str, text: &str) -> Result<Self, Vec<SourceError>> {
        let (ruleset, errors) = Self::read(application, file, text);
        if errors.is_empty() {
            Ok(ruleset)
        } else {
            Err(errors)
        }
    }

    /// Reads as much of a rules file as can be read, and what is wrong with the rest. Rules with
    /// errors are kept out; a rule that takes every call stands for rules that cannot be told.
    pub fn read(application: &str, file: &str, text: &str) -> (Self, Vec<SourceError>) {
        let (rules, errors) = read(file, text);
        let ruleset = Self {
            application: application.to_owned(),
            file: file.to_owned(),
            rules: rules.into_iter().map(Arc::new).collect(),
        };
        (ruleset, errors)
    }
}

/// Reads a file. The errors come in the order of their places.
fn read(file: &str, text: &str) -> (Vec<Rule>, Vec<SourceError>) {
    let mut reader = Reader {
        file,
        text,
        errors: Vec::new(),
    };
    let rules = reader.rules();
    let mut errors = reader.errors;
    errors.sort_by_key(|error| (error.line, error.column));
    errors.truncate(ERRORS_MAX);
    (rules, errors)
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    errors: Vec<SourceError>,
}

impl Reader<'_> {
    fn error(&mut self, span: Range<usize>, message: impl Into<String>) {
        let error = SourceError::at(self.file, self.text, span, message);
        self.errors.push(error);
    }

    fn line(&self, offset: usize) -> usize {
        SourceError::at(self.file, self.text, offset..offset, "").line
    }

    fn rules(&mut self) -> Vec<Rule> {
        let text = self.text;
        if text.len() > RULESET_BYTES_MAX {
            let bytes = text.len();
            let message =
                format!("the file is {bytes} bytes, at most {RULESET_BYTES_MAX} are allowed");
            self.error(0..0, message);
            return vec![Rule::kept_out(REST, 1)];
        }
        let (table, faults) = DeTable::parse_recoverable(text);
        let mut broken_at = self.syntax(&faults);
        let mut written: Vec<&Value<'_>> = Vec::new();
        for (key, value) in table.get_ref() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("rule", DeValue::Array(rules)) => written.extend(rules.iter()),
                ("rule", _) => {
                    let message = "a rule begins with [[rule]], in double brackets";
                    self.error(value.span(), message);
                    broken_at = Some(0);
                }
                // An error of syntax may leave half a word behind.
                _ if broken_at.is_some() => {}
                (other, _) => self.unknown(other, key.span(), &["rule"]),
            }
        }
        if written.is_empty() && self.errors.is_empty() {
            self.error(0..0, "the file has no [[rule]]");
        }
        if let Some(surplus) = written.get(RULES_MAX) {
            let message = format!("at most {RULES_MAX} rules are allowed");
            self.error(surplus.span(), message);
            written.truncate(RULES_MAX);
            broken_at = broken_at.or(Some(text.len()));
        }
        // Of the rule that an error of syntax stands in, nothing is certain.
        let certain = match broken_at {
            None => written.len(),
            Some(at) => {
                let before = written.iter().filter(|rule| rule.span().start < at).count();
                before.saturating_sub(usize::from(at < text.len()))
            }
        };
        written.truncate(certain);
        let mut names = BTreeSet::new();
        let mut rules: Vec<Rule> = written
            .into_iter()
            .map(|value| self.rule(value, &mut names))
            .collect();
        if let Some(at) = broken_at {
            rules.push(Rule::kept_out(REST, self.line(at)));
        } else if rules.is_empty() {
            rules.push(Rule::kept_out(REST, 1));
        }
        rules
    }

    /// Notes errors of syntax, the first of each rule, because one draws others after it. Gives the
    /// offset of the first of all.
    fn syntax(&mut self, faults: &[toml::de::Error]) -> Option<usize> {
        let place = |fault: &toml::de::Error| fault.span().unwrap_or(0..0);
        let mut faults: Vec<(Range<usize>, &str)> = faults
            .iter()
            .map(|fault| (place(fault), fault.message()))
            .collect();
        faults.sort_by_key(|(span, _)| span.start);
        let text = self.text;
        let mut noted: Option<usize> = None;
        for (span, message) in &faults {
            let since = noted.and_then(|noted| text.get(noted..span.start));
            if since.is_none_or(|since| since.contains("\n[[rule]]")) {
                self.error(span.clone(), in_words(message));
                noted = Some(span.start);
            }
        }
        faults.first().map(|(span, _)| span.start)
    }

    fn rule(&mut self, value: &Value<'_>, names: &mut BTreeSet<String>) -> Rule {
        let faults = self.errors.len();
        let line = self.line(value.span().start);
        let mut rule = Rule::kept_out(&format!("(line {line})"), line);
        let Some(table) = self.table("rule", value) else {
            return rule;
        };
        for key in ["name", "pattern"] {
            if !table.keys().any(|name| name.get_ref() == key) {
                self.error(value.span(), format!("missing field `{key}`"));
            }
        }
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "name" => self.name(value, names, &mut rule),
                "pattern" => rule.pattern = self.pattern("pattern", value).unwrap_or(rule.pattern),
                "caller" => rule.caller = self.pattern("caller", value),
                "source" => rule.sources = self.sources(value),
                "headers" => rule.headers = self.headers(value),
                "schedule" => rule.schedule = self.schedule(value),
                "enabled" => rule.enabled = self.flag("enabled", value).unwrap_or(true),
                "scenarios" => rule.scenarios = self.scenarios(value),
                "variables" => rule.variables = self.variables(value),
                "limits" => rule.limits = self.limits(value),
                other => self.unknown(other, key.span(), RULE_KEYS),
            }
        }
        rule.kept_out = self.errors.len() > faults;
        rule
    }

    fn name(&mut self, value: &Value<'_>, names: &mut BTreeSet<String>, rule: &mut Rule) {
        rule.line = self.line(value.span().start);
        let Some(text) = self.string("name", value) else {
            return;
        };
        let name = text.trim();
        if name.is_empty() || name.chars().any(char::is_control) {
            self.error(value.span(), "name: empty, or it holds a control character");
        } else if !names.insert(name.to_owned()) {
            self.error(
                value.span(),
                format!("name: another rule is called {name:?}"),
            );
        } else {
            rule.name = name.to_owned();
        }
    }

    fn pattern(&mut self, key: &str, value: &Value<'_>) -> Option<Pattern> {
        let text = self.string(key, value)?;
        let fault = match Pattern::new(text) {
            Ok(pattern) => return Some(pattern),
            Err(fault) => fault,
        };
        let whole = value.span();
        let inside = whole.start + 1..whole.end.saturating_sub(1);
        // With escapes or long quotes, offsets in the value are not offsets in the file.
        let same = self.text.get(inside.clone()) == Some(text);
        let span = match fault.offset {
            Some(offset) if same => inside.start + offset..inside.start + offset + 1,
            _ => whole,
        };
        self.error(span, format!("{key}: {fault}"));
        None
    }

    fn sources(&mut self, value: &Value<'_>) -> Vec<Source> {
        let items = self.list("source", value);
        if items.is_some_and(<[_]>::is_empty) {
            let message = "source: the list is empty; leave the key out to take every source";
            self.error(value.span(), message);
        }
        let mut sources = Vec::new();
        for item in items.unwrap_or_default() {
            let word = self.string("source", item);
            let source = Source::ALL.into_iter().find(|s| Some(s.label()) == word);
            match (source, word) {
                (Some(source), _) => sources.push(source),
                (None, Some(word)) => {
                    let message = format!("source: {word:?} is not phone, web, internal or api");
                    self.error(item.span(), message);
                    // Any source may have been meant.
                    return Vec::new();
                }
                (None, None) => return Vec::new(),
            }
        }
        sources
    }

    fn headers(&mut self, value: &Value<'_>) -> Vec<(String, Pattern)> {
        let mut headers = Vec::new();
        for (key, value) in self.table("headers", value).into_iter().flatten() {
            let name = key.get_ref();
            if name.is_empty() || !name.bytes().all(is_token_byte) {
                let message = format!("headers: {name:?} is not a header name");
                self.error(key.span(), message);
            } else if let Some(pattern) = self.pattern("headers", value) {
                headers.push((name.to_string(), pattern));
            }
        }
        headers
    }

    fn schedule(&mut self, value: &Value<'_>) -> Option<Schedule> {
        let faults = self.errors.len();
        let table = self.table("schedule", value)?;
        let (mut days, mut from, mut to) = (Vec::new(), "00:00", "24:00");
        let (mut tz, mut utc_offset) = (None, None);
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "days" => days = self.days(value),
                "from" => from = self.string("schedule.from", value).unwrap_or(from),
                "to" => to = self.string("schedule.to", value).unwrap_or(to),
                "tz" => tz = self.string("schedule.tz", value),
                "utc_offset" => utc_offset = self.string("schedule.utc_offset", value),
                other => self.unknown(other, key.span(), SCHEDULE_KEYS),
            }
        }
        if self.errors.len() > faults {
            return None;
        }
        let span = |key: &str| {
            let found = table.iter().find(|(name, _)| name.get_ref() == key);
            found.map(|(_, value)| value.span())
        };
        let zone = match (tz, utc_offset) {
            (Some(_), Some(_)) => {
                let message = "schedule: write tz or utc_offset, not both";
                self.error(span("utc_offset").unwrap_or(0..0), message);
                return None;
            }
            (Some(tz), None) => Zone::named(tz),
            (None, Some(offset)) => Zone::offset(offset),
            (None, None) => Ok(Zone::Offset(0)),
        };
        let built = zone.and_then(|zone| Schedule::new(&days, from, to, zone));
        let fault: ScheduleError = match built {
            Ok(schedule) => return Some(schedule),
            Err(fault) => fault,
        };
        let (key, span) = match fault.part {
            Part::Days => ("days", span("days")),
            Part::From => ("from", span("from")),
            Part::To => ("to", span("to").or(span("from"))),
            Part::UtcOffset => ("utc_offset", span("utc_offset")),
            Part::Tz => ("tz", span("tz")),
        };
        self.error(span.unwrap_or(0..0), format!("schedule.{key}: {fault}"));
        None
    }

    fn days<'a>(&mut self, value: &'a Value<'_>) -> Vec<&'a str> {
        let items = self.list("schedule.days", value);
        if items.is_some_and(<[_]>::is_empty) {
            let message = "schedule.days: the list is empty; leave the key out for every day, or \
                           write enabled = false for none";
            self.error(value.span(), message);
        }
        let items = items.unwrap_or_default().iter();
        items
            .filter_map(|item| self.string("schedule.days", item))
            .collect()
    }

    fn scenarios(&mut self, value: &Value<'_>) -> Vec<String> {
        let items = self.list("scenarios", value).unwrap_or_default();
        if let Some(surplus) = items.get(SCENARIOS_MAX) {
            let message = format!("scenarios: at most {SCENARIOS_MAX} files are allowed");
            self.error(surplus.span(), message);
        }
        let mut files: Vec<String> = Vec::with_capacity(items.len());
        for item in items.iter().take(SCENARIOS_MAX) {
            let Some(name) = self.string("scenarios", item) else {
                continue;
            };
            let fault = if !is_scenario_file(name) {
                "is not the name of a .rhai file inside the scripts directory"
            } else if files.iter().any(|file| file == name) {
                "stands twice"
            } else {
                files.push(name.to_owned());
                continue;
            };
            self.error(item.span(), format!("scenarios: {name:?} {fault}"));
        }
        files
    }

    fn variables(&mut self, value: &Value<'_>) -> BTreeMap<String, Variable> {
        let mut variables = BTreeMap::new();
        for (key, value) in self.table("variables", value).into_iter().flatten() {
            let name = key.get_ref();
            if !is_identifier(name) {
                let message = format!("variables: {name:?} is not an identifier");
                self.error(key.span(), message);
                continue;
            }
            let variable = match value.get_ref() {
                DeValue::String(text) => Some(Variable::Text(text.to_string())),
                DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                    .ok()
                    .map(Variable::Integer),
                DeValue::Float(number) => {
                    let number = number.as_str().parse::<f64>().ok();
                    number.filter(|n| n.is_finite()).map(Variable::Float)
                }
                DeValue::Boolean(value) => Some(Variable::Bool(*value)),
                DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
            };
            match variable {
                Some(variable) => drop(variables.insert(name.to_string(), variable)),
                None => self.error(
                    value.span(),
                    "variables: only texts, finite numbers, true and false are allowed",
                ),
            }
        }
        variables
    }

    fn limits(&mut self, value: &Value<'_>) -> Limits {
        let mut limits = Limits::default();
        for (key, value) in self.table("limits", value).into_iter().flatten() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("sessions_max", DeValue::Integer(number)) => {
                    let number = u32::from_str_radix(number.as_str(), number.radix());
                    match number {
                        Ok(number) if number > 0 => limits.sessions_max = Some(number),
                        _ => self.error(
                            value.span(),
                            format!("limits.sessions_max: from 1 to {} is allowed", u32::MAX),
                        ),
                    }
                }
                ("sessions_max", other) => {
                    let message =
                        format!("limits.sessions_max: a whole number, not {}", kind(other));
                    self.error(value.span(), message);
                }
                (other, _) => self.unknown(other, key.span(), &["sessions_max"]),
            }
        }
        limits
    }

    fn unknown(&mut self, key: &str, span: Range<usize>, known: &[&str]) {
        let known: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
        let expected = match known.as_slice() {
            [one] => format!("expected {one}"),
            many => format!("expected one of {}", many.join(", ")),
        };
        self.error(span, format!("unknown field `{key}`, {expected}"));
    }

    fn string<'v>(&mut self, key: &str, value: &'v Value<'_>) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            let message = format!("{key}: a text in quotes, not {}", kind(value.get_ref()));
            self.error(value.span(), message);
        }
        text
    }

    fn flag(&mut self, key: &str, value: &Value<'_>) -> Option<bool> {
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            let message = format!("{key}: true or false, not {}", kind(value.get_ref()));
            self.error(value.span(), message);
        }
        flag
    }

    fn list<'v, 'i>(&mut self, key: &str, value: &'v Value<'i>) -> Option<&'v [Value<'i>]> {
        let list = value.get_ref().as_array();
        if list.is_none() {
            let message = match value.get_ref().as_str() {
                Some(text) => format!("{key}: a list, not a text: write [{text:?}]"),
                None => format!("{key}: a list, not {}", kind(value.get_ref())),
            };
            self.error(value.span(), message);
        }
        list.map(|list| &**list)
    }

    fn table<'v, 'i>(&mut self, key: &str, value: &'v Value<'i>) -> Option<&'v DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            let message = format!("{key}: a table, not {}", kind(value.get_ref()));
            self.error(value.span(), message);
        }
        table
    }
}

/// The words of the TOML crate, with the cure where people trip.
fn in_words(message: &str) -> String {
    if message.contains("escape") {
        return format!(
            "{message}; write patterns in single quotes, where \\ is a plain character"
        );
    }
    message.to_owned()
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
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
