//! What can be wrong with a received message, and where. The texts become reason phrases of 400
//! responses, so they never quote what the peer sent.

use std::borrow::Cow;

/// A received message, header or URI that cannot be read: where and what. Prints as `CSeq: number
/// too large`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct SipParseError {
    /// The header's name, `Request-URI`, `start line`, `message` or `header line <n>`.
    pub place: Cow<'static, str>,
    /// What is wrong there.
    pub fault: Fault,
}

impl SipParseError {
    /// Names a fault and its place.
    pub fn new(place: impl Into<Cow<'static, str>>, fault: Fault) -> Self {
        Self {
            place: place.into(),
            fault,
        }
    }

    /// The status of the response that refuses a request for this error: 505 for another version of
    /// SIP, else 400.
    pub fn status(&self) -> u16 {
        if self.fault == Fault::Version {
            505
        } else {
            400
        }
    }
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A header or element that must be there is not.
    #[error("missing")]
    Missing,
    /// A header that may stand once stands twice.
    #[error("given more than once")]
    Repeated,
    /// A value is empty where it may not be.
    #[error("empty")]
    Empty,
    /// Something other than decimal digits stands where a number must be.
    #[error("not a number")]
    NotANumber,
    /// A number is above its range.
    #[error("number too large")]
    NumberTooLarge,
    /// A quoted string does not end.
    #[error("unterminated quoted string")]
    UnterminatedQuote,
    /// A `<` without its `>`, or the reverse.
    #[error("unbalanced angle brackets")]
    UnbalancedBrackets,
    /// Two commas with nothing between, or a comma at an end.
    #[error("empty list element")]
    EmptyElement,
    /// Two semicolons with nothing between, or a semicolon at the end.
    #[error("empty parameter")]
    EmptyParameter,
    /// A parameter's name or value has characters it may not have.
    #[error("malformed parameter")]
    BadParameter,
    /// A display name that is neither tokens nor one quoted string.
    #[error("malformed display name")]
    BadDisplayName,
    /// A character that may not stand there.
    #[error("character not allowed")]
    BadCharacter,
    /// White space that may not stand there.
    #[error("white space not allowed")]
    WhiteSpace,
    /// No URI scheme, or one with characters it may not have.
    #[error("no URI scheme")]
    NoScheme,
    /// Not a host name, IPv4 address or bracketed IPv6 address.
    #[error("malformed host")]
    BadHost,
    /// Not a port from 0 to 65535.
    #[error("malformed port")]
    BadPort,
    /// Not a telephone number of RFC 3966.
    #[error("malformed telephone number")]
    BadNumber,
    /// URI headers where they may not be, or a `?` in a URI without angle brackets.
    #[error("URI headers not allowed")]
    UriHeaders,
    /// A version of SIP other than 2.0.
    #[error("version not supported")]
    Version,
    /// A status code outside of 100 to 699.
    #[error("not a status code")]
    BadStatus,
    /// Not of the form that the grammar asks for.
    #[error("malformed")]
    Malformed,
    /// A header line without a colon.
    #[error("no colon")]
    NoColon,
    /// CR, LF or NUL inside of a line.
    #[error("control character in a line")]
    ControlCharacter,
    /// Longer than our limit.
    #[error("too long")]
    TooLong,
    /// More of them than our limit.
    #[error("too many")]
    TooMany,
    /// The empty line after the headers is missing.
    #[error("header section does not end")]
    NoEmptyLine,
    /// Content-Length names more octets than the message has.
    #[error("larger than the message")]
    BodyTooShort,
}

impl Fault {
    /// The error of this fault at `place`.
    pub fn at(self, place: impl Into<Cow<'static, str>>) -> SipParseError {
        SipParseError::new(place, self)
    }
}

/// Why a header was not taken into a message that we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The name is not a token.
    #[error("not a header name")]
    BadName,
    /// The value holds CR, LF or NUL, which would let its author write headers of his own.
    #[error("header value holds CR, LF or NUL")]
    ControlCharacter,
    /// Name and value together are longer than a line may be.
    #[error("header line too long")]
    TooLong,
}
