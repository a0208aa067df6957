//! The headers of one message: received values unchanged, in their order. Storage is `rsip`'s; this
//! is the only file that knows it. What a value means is in [`views`](super::views). RFC 3261 §7.3.

use super::error::{HeaderError, SipParseError};
use super::text;
use rsip::headers::UntypedHeader;
use std::fmt;

/// The longest header line that is read or written, name and colon included.
pub const LINE_BYTES_MAX: usize = 8 * 1024;

/// Compact names, RFC 3261 §7.3.3 and the registry of header fields.
const COMPACT_NAMES: [(&str, &str); 20] = [
    ("a", "Accept-Contact"),
    ("b", "Referred-By"),
    ("c", "Content-Type"),
    ("d", "Request-Disposition"),
    ("e", "Content-Encoding"),
    ("f", "From"),
    ("i", "Call-ID"),
    ("j", "Reject-Contact"),
    ("k", "Supported"),
    ("l", "Content-Length"),
    ("m", "Contact"),
    ("n", "Identity-Info"),
    ("o", "Event"),
    ("r", "Refer-To"),
    ("s", "Subject"),
    ("t", "To"),
    ("u", "Allow-Events"),
    ("v", "Via"),
    ("x", "Session-Expires"),
    ("y", "Identity"),
];

macro_rules! header_names {
    ($($variant:ident $name:literal;)*) => {
        fn name_of(header: &rsip::Header) -> &str {
            match header {
                $(rsip::Header::$variant(_) => $name,)*
                rsip::Header::Other(name, _) => name,
            }
        }

        fn value_of(header: &rsip::Header) -> &str {
            match header {
                $(rsip::Header::$variant(value) => value.value(),)*
                rsip::Header::Other(_, value) => value,
            }
        }

        fn replace_value(header: &mut rsip::Header, new: String) {
            match header {
                $(rsip::Header::$variant(value) => value.replace(new),)*
                rsip::Header::Other(_, value) => *value = new,
            }
        }

        fn build(name: &str, value: String) -> rsip::Header {
            let compact = COMPACT_NAMES.iter().find(|(short, _)| short.eq_ignore_ascii_case(name));
            let name = compact.map_or(name, |(_, long)| *long);
            $(if name.eq_ignore_ascii_case($name) {
                return rsip::Header::$variant(rsip::headers::$variant::new(value));
            })*
            rsip::Header::Other(name.to_owned(), value)
        }
    };
}

header_names! {
    Accept "Accept";
    AcceptEncoding "Accept-Encoding";
    AcceptLanguage "Accept-Language";
    AlertInfo "Alert-Info";
    Allow "Allow";
    AuthenticationInfo "Authentication-Info";
    Authorization "Authorization";
    CSeq "CSeq";
    CallId "Call-ID";
    CallInfo "Call-Info";
    Contact "Contact";
    ContentDisposition "Content-Disposition";
    ContentEncoding "Content-Encoding";
    ContentLanguage "Content-Language";
    ContentLength "Content-Length";
    ContentType "Content-Type";
    Date "Date";
    ErrorInfo "Error-Info";
    Event "Event";
    Expires "Expires";
    From "From";
    InReplyTo "In-Reply-To";
    MaxForwards "Max-Forwards";
    MimeVersion "MIME-Version";
    MinExpires "Min-Expires";
    Organization "Organization";
    Priority "Priority";
    ProxyAuthenticate "Proxy-Authenticate";
    ProxyAuthorization "Proxy-Authorization";
    ProxyRequire "Proxy-Require";
    RecordRoute "Record-Route";
    ReplyTo "Reply-To";
    Require "Require";
    RetryAfter "Retry-After";
    Route "Route";
    Server "Server";
    Subject "Subject";
    SubscriptionState "Subscription-State";
    Supported "Supported";
    Timestamp "Timestamp";
    To "To";
    Unsupported "Unsupported";
    UserAgent "User-Agent";
    Via "Via";
    Warning "Warning";
    WwwAuthenticate "WWW-Authenticate";
}

/// Header lines in their order. Names are compared without regard to case and compact names stand
/// for the long ones; values are as received, unfolded, without white space at their ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(rsip::Headers);

impl Headers {
    /// No headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of the first line of this name. Nothing when there is none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The values of all lines of this name, one for each line.
    pub fn values<'h>(&'h self, name: &str) -> impl Iterator<Item = &'h str> {
        self.iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The elements of all lines of this name: lines are split at commas outside of quotes and
    /// angle brackets. Lines without a value have no elements.
    ///
    /// # Errors
    /// An unterminated quote or bracket, an empty element.
    pub fn list(&self, name: &'static str) -> Result<Vec<&str>, SipParseError> {
        let mut elements = Vec::new();
        for line in self.values(name).filter(|line| !line.is_empty()) {
            let parts = text::split(line, ',').map_err(|fault| fault.at(name))?;
            if parts.iter().any(|part| part.is_empty()) {
                return Err(super::Fault::EmptyElement.at(name));
            }
            elements.extend(parts);
        }
        Ok(elements)
    }

    /// Name and value of each line, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|header| (name_of(header), value_of(header)))
    }

    /// The number of lines.
    pub fn len(&self) -> usize {
        self.0.iter().count()
    }

    /// Whether there are no lines.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a line at the end.
    ///
    /// # Errors
    /// Refuses a name that is no token, CR, LF and NUL in the value, and a line longer than
    /// [`LINE_BYTES_MAX`].
    pub fn push(&mut self, name: &str, value: impl fmt::Display) -> Result<(), HeaderError> {
        let value = checked(name, value.to_string())?;
        self.0.push(build(name, value));
        Ok(())
    }

    /// Adds a line before all others.
    ///
    /// # Errors
    /// As [`Headers::push`].
    pub fn push_first(&mut self, name: &str, value: impl fmt::Display) -> Result<(), HeaderError> {
        let value = checked(name, value.to_string())?;
        let mut lines = Vec::from(std::mem::take(&mut self.0));
        lines.insert(0, build(name, value));
        self.0 = lines.into();
        Ok(())
    }

    /// Replaces all lines of this name by one, in the place of the first or at the end.
    ///
    /// # Errors
    /// As [`Headers::push`].
    pub fn set(&mut self, name: &str, value: impl fmt::Display) -> Result<(), HeaderError> {
        let mut value = Some(checked(name, value.to_string())?);
        let new = build(name, String::new());
        let name = name_of(&new);
        let mut lines = Vec::from(std::mem::take(&mut self.0));
        lines.retain_mut(|line| {
            if !name_of(line).eq_ignore_ascii_case(name) {
                return true;
            }
            value
                .take()
                .map(|value| replace_value(line, value))
                .is_some()
        });
        lines.extend(value.map(|value| build(name, value)));
        self.0 = lines.into();
        Ok(())
    }

    /// Replaces the first element of the first line of this name and leaves the rest of the line;
    /// `None` takes it away. For the topmost Via and Route. Does nothing when there is none.
    ///
    /// # Errors
    /// As [`Headers::push`]; the headers are unchanged then.
    pub fn set_topmost(
        &mut self,
        name: &str,
        element: Option<&dyn fmt::Display>,
    ) -> Result<(), HeaderError> {
        let element = element.map(|e| checked(name, e.to_string())).transpose()?;
        let Some(line) = self.first_mut(name) else {
            return Ok(());
        };
        let mut elements = text::split(value_of(line), ',').unwrap_or_default();
        match &element {
            Some(element) if elements.is_empty() => elements.push(element),
            Some(element) => elements.splice(..1, [element.as_str()]).for_each(drop),
            None => elements.drain(..elements.len().min(1)).for_each(drop),
        }
        let value = elements.join(", ");
        if value.is_empty() {
            let at = self
                .0
                .iter()
                .position(|line| name_of(line).eq_ignore_ascii_case(name));
            let mut index = 0..;
            self.0.retain(|_| index.next() != at);
        } else {
            replace_value(line, value);
        }
        Ok(())
    }

    /// Appends to the value of the first line of this name, `;tag=…` to To. What is there stays as
    /// received. Does nothing when there is none.
    ///
    /// # Errors
    /// As [`Headers::push`]; the headers are unchanged then.
    pub fn append(&mut self, name: &str, suffix: &str) -> Result<(), HeaderError> {
        let suffix = checked(name, suffix.to_owned())?;
        if let Some(line) = self.first_mut(name) {
            let value = format!("{}{suffix}", value_of(line));
            replace_value(line, value);
        }
        Ok(())
    }

    /// Takes all lines of this name away.
    pub fn remove(&mut self, name: &str) {
        self.0
            .retain(|line| !name_of(line).eq_ignore_ascii_case(name));
    }

    /// Adds all lines of this name that another message has, as they are.
    pub fn copy_all(&mut self, from: &Headers, name: &str) {
        let lines = from
            .0
            .iter()
            .filter(|line| name_of(line).eq_ignore_ascii_case(name));
        self.0.extend(lines.cloned().collect());
    }

    /// Adds the first line of this name that another message has, as it is.
    pub fn copy_first(&mut self, from: &Headers, name: &str) {
        let line = from
            .0
            .iter()
            .find(|line| name_of(line).eq_ignore_ascii_case(name));
        self.0.extend(line.cloned().into_iter().collect());
    }

    /// Adds a received line. It may hold an escaped NUL, which is legal in a quoted string and must
    /// be sent back.
    pub(super) fn push_received(&mut self, name: &str, value: String) {
        self.0.push(build(name, value));
    }

    fn first_mut(&mut self, name: &str) -> Option<&mut rsip::Header> {
        self.0
            .iter_mut()
            .find(|line| name_of(line).eq_ignore_ascii_case(name))
    }
}

fn checked(name: &str, value: String) -> Result<String, HeaderError> {
    if !text::is_token(name) {
        return Err(HeaderError::BadName);
    }
    if value.contains(['\r', '\n', '\0']) {
        return Err(HeaderError::ControlCharacter);
    }
    if name.len() + value.len() + 2 > LINE_BYTES_MAX {
        return Err(HeaderError::TooLong);
    }
    let trimmed = value.trim_matches(text::is_white);
    Ok(if trimmed.len() == value.len() {
        value
    } else {
        trimmed.to_owned()
    })
}

#[cfg(test)]
mod tests;
