//! Reading: text and overrides in, a checked [`Config`] or an error that names key, place and
//! allowed values out.

use std::io;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::{Config, Fault};
use crate::routing::SourceError;

/// Largest configuration file, in bytes.
const CONFIG_BYTES_MAX: usize = 1024 * 1024;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{file}: {error}")]
    Unreadable {
        /// The file's path.
        file: String,
        /// What the system said.
        error: io::Error,
    },
    /// Something in the file is wrong.
    #[error("{0}")]
    File(Box<SourceError>),
    /// Something in an override is wrong.
    #[error("--set {override_text}: {message}")]
    Override {
        /// The override as it was given.
        override_text: String,
        /// What is wrong with it.
        message: String,
    },
}

impl Config {
    /// Reads the file, or takes the defaults when there is none, and applies the overrides.
    ///
    /// # Errors
    /// [`ConfigError`] for the first thing that is wrong.
    pub fn read(path: Option<&Path>, overrides: &[String]) -> Result<Self, ConfigError> {
        let Some(path) = path else {
            return Self::parse("defaults", "", overrides);
        };
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&file, &text, overrides),
            Err(error) => Err(ConfigError::Unreadable { file, error }),
        }
    }

    /// Reads the text of a configuration file, applies overrides of the form `key=value` in order,
    /// and checks every value. Keys are dotted paths; a value is TOML, or else a list of
    /// plain texts when it stands in brackets, or else a plain text.
    ///
    /// # Errors
    /// [`ConfigError`] for the first thing that is wrong.
    pub fn parse(file: &str, text: &str, overrides: &[String]) -> Result<Self, ConfigError> {
        let at = |span: Range<usize>, message: String| {
            ConfigError::File(Box::new(SourceError::at(file, text, span, message)))
        };
        if text.len() > CONFIG_BYTES_MAX {
            let message = format!(
                "the file is {} bytes, at most {CONFIG_BYTES_MAX} are allowed",
                text.len()
            );
            return Err(at(0..0, message));
        }
        let mut config: Config = toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            match key_at(text, &span) {
                Some(path) => at(span, described(&path, error.message())),
                None => at(span, error.message().to_owned()),
            }
        })?;
        let mut table: Table =
            toml::from_str(text).map_err(|error| at(0..0, error.message().to_owned()))?;
        for override_text in overrides {
            config = apply(&mut table, override_text).map_err(|message| ConfigError::Override {
                override_text: override_text.clone(),
                message,
            })?;
        }
        let Some(Fault { path, message }) = config.faults().into_iter().next() else {
            return Ok(config);
        };
        let message = described(&path, &message);
        match culprit(overrides, &path) {
            Some(text) => Err(ConfigError::Override {
                override_text: text.clone(),
                message,
            }),
            None => Err(at(span_of(text, &path).unwrap_or(0..0), message)),
        }
    }
}

/// The override that set `path`: the last one for the key itself, otherwise the last one in the
/// same table, for keys that depend on each other.
fn culprit<'a>(overrides: &'a [String], path: &str) -> Option<&'a String> {
    let key_of = |text: &'a String| text.split_once('=').map_or("", |(key, _)| key.trim());
    let table = path.split('.').next().unwrap_or_default();
    let sets = |key: &str| {
        path == key
            || path
                .strip_prefix(key)
                .is_some_and(|rest| rest.starts_with('.'))
    };
    let beside = |key: &str| key.split('.').next() == Some(table);
    let last_first = || overrides.iter().rev();
    last_first()
        .find(|text| sets(key_of(text)))
        .or_else(|| last_first().find(|t| beside(key_of(t))))
}

/// The message with its key in front and the allowed values behind.
fn described(path: &str, message: &str) -> String {
    let sections = Config::sections();
    let key = sections
        .iter()
        .flat_map(|section| &section.keys)
        .find(|key| key.path == path);
    match key {
        Some(key) => format!("{path}: {message}; allowed: {}", key.allowed),
        None => format!("{path}: {message}"),
    }
}

/// Sets one key and reads the whole tree again.
fn apply(table: &mut Table, override_text: &str) -> Result<Config, String> {
    let Some((key, value)) = override_text.split_once('=') else {
        return Err("not of the form key=value".to_owned());
    };
    let key = key.trim();
    insert(table, key, toml_value(value.trim()))?;
    Config::deserialize(Value::Table(table.clone()))
        .map_err(|error| described(key, error.message()))
}

fn insert(table: &mut Table, key: &str, value: Value) -> Result<(), String> {
    let mut names: Vec<&str> = key.split('.').collect();
    let last = names.pop().unwrap_or_default();
    let mut target = table;
    for name in names {
        let entry = target
            .entry(name)
            .or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(inner) = entry else {
            return Err(format!("{key}: {name} is not a table"));
        };
        target = inner;
    }
    target.insert(last.to_owned(), value);
    Ok(())
}

fn toml_value(text: &str) -> Value {
    let read: Option<Table> = toml::from_str(&format!("value = {text}")).ok();
    match read
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
    {
        Some(value) => value,
        None => match text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
        {
            Some(items) => bare_list(items),
            None => Value::String(text.to_owned()),
        },
    }
}

/// A list whose quotes a shell has taken: `udp:127.0.0.1:5070, tcp:127.0.0.1:5070`.
fn bare_list(items: &str) -> Value {
    let items = items.split(',').map(str::trim);
    let items = items.filter(|item| !item.is_empty());
    Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
}

/// The dotted path of the key whose name or value stands at `span`.
fn key_at(text: &str, span: &Range<usize>) -> Option<String> {
    let root = DeTable::parse(text).ok()?;
    let mut table = root.get_ref();
    let mut path: Option<String> = None;
    let holds = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    loop {
        // The span of a [table] is its header only, so look below it before looking at it.
        let found = table.iter().find(|(key, value)| {
            holds(key.span()) || holds(value.span()) || holds_below(value.get_ref(), span)
        });
        let Some((key, value)) = found else {
            return path;
        };
        path = Some(match path {
            Some(parent) => format!("{parent}.{}", key.get_ref()),
            None => key.get_ref().to_string(),
        });
        let DeValue::Table(inner) = value.get_ref() else {
            return path;
        };
        table = inner;
    }
}

fn holds_below(value: &DeValue<'_>, span: &Range<usize>) -> bool {
    let DeValue::Table(table) = value else {
        return false;
    };
    table.iter().any(|(key, value)| {
        [key.span(), value.span()]
            .iter()
            .any(|s| s.start <= span.start && span.end <= s.end)
            || holds_below(value.get_ref(), span)
    })
}

/// Where the value of a key stands, or the name of the nearest table around it when it is not set.
fn span_of(text: &str, path: &str) -> Option<Range<usize>> {
    let root = DeTable::parse(text).ok()?;
    let mut table = root.get_ref();
    let mut around = None;
    for name in path.split('.') {
        let Some((key, value)) = table.get_key_value(name) else {
            return around;
        };
        let DeValue::Table(inner) = value.get_ref() else {
            return Some(value.span());
        };
        around = Some(key.span());
        table = inner;
    }
    around
}
