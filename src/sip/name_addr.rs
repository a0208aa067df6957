//! `name-addr` and `addr-spec` with header parameters: the values of From, To, Contact, Route and
//! their like. RFC 3261 §20.10, §25.1.

use super::error::Fault;
use super::params::Params;
use super::text;
use super::uri::Uri;
use std::fmt;

/// A URI with an optional display name and header parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name for people: without quotes and escapes, Latin-1 octets shown as their
    /// characters. Nothing when it is absent or empty.
    pub display_name: Option<String>,
    /// The URI.
    pub uri: Uri,
    /// Header parameters (`tag`, `expires`, `q` …), not those of the URI.
    pub params: Params,
}

impl NameAddr {
    /// A URI without display name and parameters.
    pub fn new(uri: Uri) -> Self {
        Self {
            display_name: None,
            uri,
            params: Params::new(),
        }
    }

    /// Reads one value. A `<` inside of a quoted display name is part of the name. Without angle
    /// brackets the URI ends at the first semicolon, the rest are header parameters. Spaces next to
    /// the angle brackets are dropped, a display name with a comma or colon is taken as if it were
    /// quoted.
    ///
    /// # Errors
    /// An unterminated quote, a `<` without `>`, a malformed URI or parameter, a `?` in a URI
    /// without angle brackets.
    pub fn parse(input: &str) -> Result<Self, Fault> {
        let input = input.trim_matches(text::is_white);
        if input.is_empty() {
            return Err(Fault::Empty);
        }
        if let Some((name, rest)) = text::quoted(input)? {
            let rest = rest.trim_start_matches(text::is_white);
            let rest = rest.strip_prefix('<').ok_or(Fault::BadDisplayName)?;
            return Self::parse_bracketed(&name, rest);
        }
        match text::cut(input, '<')? {
            Some((name, _)) if name.contains(['"', '>']) => Err(Fault::BadDisplayName),
            Some((name, rest)) => {
                Self::parse_bracketed(name.trim_end_matches(text::is_white), rest)
            }
            None => Self::parse_addr_spec(input),
        }
    }

    fn parse_bracketed(name: &str, rest: &str) -> Result<Self, Fault> {
        let (uri, params) = rest.split_once('>').ok_or(Fault::UnbalancedBrackets)?;
        let name = Some(text::readable(name).into_owned()).filter(|name| !name.is_empty());
        Ok(Self {
            display_name: name,
            uri: Uri::parse(uri.trim_matches(text::is_white))?,
            params: Params::parse_header(params)?,
        })
    }

    fn parse_addr_spec(input: &str) -> Result<Self, Fault> {
        let params_at = input.find(';').unwrap_or(input.len());
        let uri = input
            .get(..params_at)
            .unwrap_or_default()
            .trim_end_matches(text::is_white);
        if uri.contains('?') {
            return Err(Fault::UriHeaders);
        }
        if uri.contains(',') {
            return Err(Fault::BadCharacter);
        }
        let params = Params::parse_header(input.get(params_at..).unwrap_or_default())?;
        Ok(Self {
            display_name: None,
            uri: Uri::parse(uri)?,
            params,
        })
    }

    /// The `tag` parameter. Nothing when there is none, as RFC 2543 clients leave it out.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }
}

/// Always with angle brackets, so that URI and header parameters stay apart.
impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.display_name {
            text::quote(name, f)?;
            f.write_str(" ")?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

#[cfg(test)]
mod tests;
