//! Parameters after semicolons, of headers and of URIs: ordered, values as received. RFC 3261
//! §7.3.1, §19.1.1.

use super::error::Fault;
use super::text;
use std::fmt;

/// Parameters in their order. Names are compared without regard to case; values are as received,
/// quotes and `%` escapes included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// No parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the parameters of a header, `;a=b;c`, from the first semicolon on. White space around
    /// `;` and `=` is dropped.
    ///
    /// # Errors
    /// An empty parameter, a name that is no token, a value with white space or brackets outside of
    /// quotes.
    pub fn parse_header(input: &str) -> Result<Self, Fault> {
        Self::parse(input, text::is_token, is_header_value)
    }

    /// Reads the parameters of a URI, `;a=b;c`, from the first semicolon on.
    ///
    /// # Errors
    /// An empty parameter, or a character that a URI cannot hold.
    pub fn parse_uri(input: &str) -> Result<Self, Fault> {
        let part = |part: &str| !part.is_empty() && !part.contains(text::is_delimiter);
        Self::parse(input, part, |value| !value.contains(text::is_delimiter))
    }

    fn parse(
        input: &str,
        is_name: impl Fn(&str) -> bool,
        is_value: impl Fn(&str) -> bool,
    ) -> Result<Self, Fault> {
        let input = input.trim_matches(text::is_white);
        if input.is_empty() {
            return Ok(Self::new());
        }
        let input = input.strip_prefix(';').ok_or(Fault::BadParameter)?;
        let mut params = Vec::new();
        for part in text::split(input, ';')? {
            if part.is_empty() {
                return Err(Fault::EmptyParameter);
            }
            let (name, value) = match text::cut(part, '=')? {
                Some((name, value)) => (name, Some(value.trim_matches(text::is_white))),
                None => (part, None),
            };
            let name = name.trim_matches(text::is_white);
            if !is_name(name) || !value.is_none_or(&is_value) {
                return Err(Fault::BadParameter);
            }
            params.push((name.to_owned(), value.map(str::to_owned)));
        }
        Ok(Self(params))
    }

    /// The value of the first parameter of this name as received, empty when it has none. Nothing
    /// when there is no such parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.unwrap_or_default())
    }

    /// Like [`Params::get`], without the quotes and escapes of a quoted string.
    pub fn unquoted(&self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        match text::quoted(value) {
            Ok(Some((content, _))) => Some(content),
            Ok(None) | Err(_) => Some(value.to_owned()),
        }
    }

    /// Whether there is a parameter of this name.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Name and value of each parameter, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// Gives the parameter a value (`None`: a parameter without `=`), in its place or at the end.
    /// The caller answers for the characters; a header with CR, LF or NUL is refused when it is
    /// pushed.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        match self
            .0
            .iter_mut()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
        {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Takes all parameters of this name away.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A complete quoted string, or anything without white space, quotes and brackets: hosts, tokens,
/// and the `=` and `:` that clients put into branches and tags.
fn is_header_value(value: &str) -> bool {
    match text::quoted(value) {
        Ok(Some((_, rest))) => rest.is_empty(),
        Ok(None) => !value.contains(|c| text::is_delimiter(c) || c == ','),
        Err(_) => false,
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.iter() {
            write!(f, ";{name}")?;
            if let Some(value) = value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}
