//! One matcher of a rule: a regular expression over a whole value.
//!
//! The expressions are those of the `regex` crate, so matching takes linear time whatever the
//! pattern. They work on bytes in ASCII: `\d` is 0 to 9 and nothing else, because what matches may
//! be dialled.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

/// Longest pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 1024;

/// Largest compiled form of one pattern, in bytes; `(\d{1,100}){1,100}` is refused by it.
const COMPILED_BYTES_MAX: usize = 256 * 1024;

/// Memory that the matcher may use for its cache, per pattern and thread, in bytes.
const CACHE_BYTES_MAX: usize = 128 * 1024;

/// A pattern that must match a whole value, from its first to its last byte.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

/// Why a pattern cannot be used, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PatternError {
    /// What is wrong.
    pub message: String,
    /// Byte offset in the pattern where it is wrong, when that is known.
    pub offset: Option<usize>,
}

impl Pattern {
    /// Compiles a pattern. A leading `+?` is read as `\+?`, the usual way to write "with or without
    /// plus" in rules for telephone numbers.
    ///
    /// # Errors
    /// [`PatternError`] when the pattern is empty, longer than [`PATTERN_BYTES_MAX`], not a regular
    /// expression, or too large when compiled.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::plain("the pattern is empty".to_owned()));
        }
        if text.len() > PATTERN_BYTES_MAX {
            let message = format!(
                "the pattern is {} bytes, at most {PATTERN_BYTES_MAX} are allowed",
                text.len()
            );
            return Err(PatternError::plain(message));
        }
        let (expression, added) = match text.strip_prefix("+?") {
            Some(rest) => (format!(r"\+?{rest}"), 1),
            None => (text.to_owned(), 0),
        };
        // Alone first: `a)|(b` would be a valid expression inside the anchoring group, and escape
        // it.
        compile(&expression).map_err(|error| {
            PatternError::from_regex(&error, &expression, added).with_cure(text)
        })?;
        let regex = compile(&format!("^(?:{expression})$"))
            .map_err(|error| PatternError::from_regex(&error, &expression, added))?;
        Ok(Self {
            text: text.to_owned(),
            regex,
        })
    }

    /// The pattern that matches every value.
    pub(super) fn any() -> Self {
        let text = "(?s).*";
        let regex = compile(r"^(?:(?s).*)$").expect("the expression is constant and valid");
        Self {
            text: text.to_owned(),
            regex,
        }
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the pattern matches the whole of `value`.
    pub fn matches(&self, value: &str) -> bool {
        self.regex.is_match(value.as_bytes())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.regex.as_str())
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl PatternError {
    fn plain(message: String) -> Self {
        Self {
            message,
            offset: None,
        }
    }

    /// Says how to write what was most likely meant: in telephone numbers a plus is a plus.
    fn with_cure(mut self, text: &str) -> Self {
        let Some((before, from)) = self.offset.and_then(|offset| text.split_at_checked(offset))
        else {
            return self;
        };
        if self.message == "repetition operator missing expression" && from.starts_with('+') {
            self.message = format!("a plus sign is written with a backslash: '{before}\\{from}'");
        }
        self
    }

    /// Takes the last line of the crate's drawing as message, and its caret as offset; `added`
    /// bytes at the front of `expression` do not stand in the user's pattern.
    fn from_regex(error: &regex::Error, expression: &str, added: usize) -> Self {
        if let regex::Error::CompiledTooBig(limit) = error {
            return Self::plain(format!(
                "the pattern takes more than {limit} bytes when compiled"
            ));
        }
        let drawing = error.to_string();
        let lines: Vec<&str> = drawing.lines().collect();
        let offset = match lines.as_slice() {
            [_, quoted, caret, ..] if quoted.trim_start() == expression => {
                let indent = quoted.len() - quoted.trim_start().len();
                caret
                    .find('^')
                    .and_then(|column| column.checked_sub(indent + added))
            }
            _ => None,
        };
        let last = lines.last().copied().unwrap_or("not a regular expression");
        Self {
            message: last.trim_start_matches("error: ").to_owned(),
            offset,
        }
    }
}

fn compile(expression: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(expression)
        .unicode(false)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(CACHE_BYTES_MAX)
        .build()
}
