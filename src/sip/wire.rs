//! Bytes to messages and messages to bytes. Owns the line and header grammar, the limits, the
//! multiplicity of headers, Content-Length, and the response that refuses what cannot be read. It
//! does not decide about methods, dialogs or transactions. RFC 3261 §7, §8.2.6, §18.3, §20, §25;
//! RFC 4475 shows what peers send.
//!
//! Lenient where a receiver may be: leading empty lines, folded lines, compact names, white space
//! before the colon and around the parts of the start line, RFC 2543 requests. Strict where two
//! readers could see two messages: single headers given twice, Content-Length, CR, LF and NUL
//! inside of lines, start line parts.

use super::error::{Fault, SipParseError};
use super::headers::{Headers, LINE_BYTES_MAX};
use super::message::{Message, Method, Request, Response, reason_phrase};
use super::text;
use super::uri::Uri;
use bytes::{BufMut, Bytes, BytesMut};
use std::borrow::Cow;

/// The longest message that is read, with its body. A longer one is dropped; a stream that carries
/// it is closed.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// The most header lines of one message. A request with more is refused.
pub const HEADERS_MAX: usize = 128;

/// Headers that may stand once.
const SINGLE: [&str; 6] = [
    "Call-ID",
    "CSeq",
    "From",
    "To",
    "Content-Length",
    "Max-Forwards",
];

/// How the bytes of one message were delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One datagram or WebSocket frame: without Content-Length the body is the rest, octets after
    /// it are ignored.
    Datagram,
    /// Cut from a stream by [`StreamFramer`](super::StreamFramer): without Content-Length there is
    /// no body.
    Stream,
}

/// Why bytes are no message, and what to answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Unparsable {
    /// Where and what.
    pub error: SipParseError,
    /// The 400 or 505 to send back, without a To tag of ours. Nothing when the bytes are a
    /// response, an ACK, or no request with a Via.
    pub refusal: Option<Response>,
}

/// Reads one message.
///
/// # Errors
/// [`Unparsable`] when it breaks the grammar or a limit, lacks Via, From, To, Call-ID or CSeq, or
/// repeats a single header. The view errors of Via (topmost), From, To, Call-ID, CSeq, Max-Forwards
/// and, in requests, Contact are found here; other headers are read when they are asked for.
pub fn parse(datagram: Bytes, framing: Framing) -> Result<Message, Box<Unparsable>> {
    let unanswered = |error| {
        Box::new(Unparsable {
            error,
            refusal: None,
        })
    };
    if datagram.len() > MESSAGE_BYTES_MAX {
        return Err(unanswered(Fault::TooLong.at("message")));
    }
    let mut input: &[u8] = &datagram;
    while let Some(rest) = input.strip_prefix(b"\r\n") {
        input = rest;
    }
    if input.is_empty() {
        return Err(unanswered(Fault::Empty.at("message")));
    }
    let draft = Draft::read(input);
    match draft.finish(&datagram, framing) {
        Ok(message) => Ok(message),
        Err(error) => Err(Box::new(Unparsable {
            refusal: draft.refuse(&error),
            error,
        })),
    }
}

/// The start line, whatever headers could be read, and the first fault: enough for a message or its
/// refusal.
struct Draft<'d> {
    start: String,
    headers: Headers,
    rest: &'d [u8],
    fault: Option<SipParseError>,
}

impl<'d> Draft<'d> {
    fn read(input: &'d [u8]) -> Self {
        let Some((start, mut rest)) = cut_line(input) else {
            let fault = Some(Fault::NoEmptyLine.at("message"));
            return Self {
                start: text::decode(input),
                headers: Headers::new(),
                rest: b"",
                fault,
            };
        };
        let mut headers = Headers::new();
        let mut fault = check_line(start).err().map(|fault| fault.at("start line"));
        for number in 1.. {
            if let Some(body) = rest.strip_prefix(b"\r\n") {
                rest = body;
                break;
            }
            let Some((line, after)) = cut_line(rest) else {
                fault.get_or_insert(Fault::NoEmptyLine.at("message"));
                break;
            };
            rest = after;
            if number > HEADERS_MAX {
                fault.get_or_insert(Fault::TooMany.at("header lines"));
                break;
            }
            match read_header(line) {
                Ok((name, value)) => headers.push_received(&name, value),
                Err(found) => {
                    fault.get_or_insert_with(|| found.at(format!("header line {number}")));
                }
            }
        }
        Self {
            start: text::decode(start),
            headers,
            rest,
            fault,
        }
    }

    fn finish(&self, datagram: &Bytes, framing: Framing) -> Result<Message, SipParseError> {
        let start = read_start(&self.start)?;
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        check_headers(&self.headers, matches!(start, Start::Request { .. }))?;
        let body = datagram.slice_ref(self.body(framing)?);
        let headers = self.headers.clone();
        Ok(match start {
            Start::Request { method, uri } => Message::Request(Request {
                method,
                uri,
                headers,
                body,
            }),
            Start::Response { code, reason } => Message::Response(Response {
                code,
                reason,
                headers,
                body,
            }),
        })
    }

    fn body(&self, framing: Framing) -> Result<&'d [u8], SipParseError> {
        match (self.headers.content_length()?, framing) {
            (Some(length), Framing::Datagram | Framing::Stream) => usize::try_from(length)
                .ok()
                .and_then(|length| self.rest.get(..length))
                .ok_or(Fault::BodyTooShort.at("Content-Length")),
            (None, Framing::Datagram) => Ok(self.rest),
            (None, Framing::Stream) => Ok(&[]),
        }
    }

    fn refuse(&self, error: &SipParseError) -> Option<Response> {
        let method = self.start.trim_start_matches(' ').split(' ').next()?;
        let answerable = text::is_token(method) && method != "ACK" && !is_status_line(&self.start);
        if !answerable || self.headers.get("Via").is_none() {
            return None;
        }
        let status = error.status();
        let text = error.to_string();
        let reason = if status == 400 {
            &text
        } else {
            reason_phrase(status)
        };
        Some(Response::to_request(&self.headers, status, Some(reason)))
    }
}

/// Cuts the first logical line off, with its folds, and the CRLF that ends it.
pub(super) fn cut_line(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let at = from
            + input
                .get(from..)?
                .windows(2)
                .position(|pair| pair == b"\r\n")?;
        if !matches!(input.get(at + 2), Some(b' ' | b'\t')) {
            return Some((input.get(..at)?, input.get(at + 2..)?));
        }
        from = at + 2;
    }
}

/// Splits a logical line into name and value. Folds in the value become one space.
pub(super) fn read_header(line: &[u8]) -> Result<(String, String), Fault> {
    let line = unfold(line);
    check_line(&line)?;
    let colon = line.iter().position(|b| *b == b':').ok_or(Fault::NoColon)?;
    let name = text::decode(line.get(..colon).unwrap_or_default());
    let name = name.trim_end_matches(text::is_white);
    if !text::is_token(name) {
        return Err(Fault::BadCharacter);
    }
    let value = text::decode(trim_white(line.get(colon + 1..).unwrap_or_default()));
    Ok((name.to_owned(), value))
}

fn trim_white(mut line: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = line {
        line = rest;
    }
    line
}

fn unfold(line: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = line.windows(2).position(|pair| pair == b"\r\n") else {
        return Cow::Borrowed(line);
    };
    let mut unfolded = Vec::with_capacity(line.len());
    unfolded.extend_from_slice(trim_white(line.get(..first).unwrap_or_default()));
    let mut rest = line.get(first..).unwrap_or_default();
    while let Some(fold) = rest.strip_prefix(b"\r\n") {
        let end = fold
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .unwrap_or(fold.len());
        unfolded.push(b' ');
        unfolded.extend_from_slice(trim_white(fold.get(..end).unwrap_or_default()));
        rest = fold.get(end..).unwrap_or_default();
    }
    Cow::Owned(unfolded)
}

/// Length, and no CR, LF or NUL; but NUL may stand escaped in a quoted string.
fn check_line(line: &[u8]) -> Result<(), Fault> {
    if line.len() > LINE_BYTES_MAX {
        return Err(Fault::TooLong);
    }
    let mut before = b'\0';
    for octet in line.iter().copied() {
        if matches!(octet, b'\r' | b'\n') || (octet == b'\0' && before != b'\\') {
            return Err(Fault::ControlCharacter);
        }
        before = octet;
    }
    Ok(())
}

enum Start {
    Request { method: Method, uri: Uri },
    Response { code: u16, reason: String },
}

fn is_status_line(line: &str) -> bool {
    line.get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("SIP/"))
}

fn read_start(line: &str) -> Result<Start, SipParseError> {
    if is_status_line(line) {
        read_status_line(line)
    } else {
        read_request_line(line)
    }
}

fn read_status_line(line: &str) -> Result<Start, SipParseError> {
    let malformed = || Fault::Malformed.at("start line");
    let (version, rest) = line.split_once(' ').ok_or_else(malformed)?;
    check_version(version)?;
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let three_digits = code.len() == 3;
    let code = text::number(code, 699)
        .ok()
        .filter(|code| three_digits && *code >= 100);
    let code = code.and_then(|code| u16::try_from(code).ok());
    let code = code.ok_or_else(|| Fault::BadStatus.at("start line"))?;
    Ok(Start::Response {
        code,
        reason: reason.to_owned(),
    })
}

/// Runs of spaces between and after the three parts are read as one (RFC 4475 §3.1.2.9, §3.1.2.10).
fn read_request_line(line: &str) -> Result<Start, SipParseError> {
    let mut parts = line.split(' ').filter(|part| !part.is_empty());
    let method = parts.next().and_then(Method::from_token);
    let method = method.ok_or_else(|| Fault::Malformed.at("start line"))?;
    let (Some(uri), Some(version)) = (parts.next(), parts.next()) else {
        return Err(Fault::Malformed.at("start line"));
    };
    if parts.next().is_some() {
        return Err(Fault::WhiteSpace.at("Request-URI"));
    }
    check_version(version)?;
    let uri = Uri::parse(uri).map_err(|fault| fault.at("Request-URI"))?;
    if uri.headers.is_some() {
        return Err(Fault::UriHeaders.at("Request-URI"));
    }
    Ok(Start::Request { method, uri })
}

fn check_version(version: &str) -> Result<(), SipParseError> {
    let malformed = || Fault::Malformed.at("start line");
    let (name, number) = version.split_once('/').ok_or_else(malformed)?;
    let (major, minor) = number.split_once('.').ok_or_else(malformed)?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !name.eq_ignore_ascii_case("SIP") || !is_number(major) || !is_number(minor) {
        return Err(malformed());
    }
    if number == "2.0" {
        Ok(())
    } else {
        Err(Fault::Version.at("start line"))
    }
}

fn check_headers(headers: &Headers, request: bool) -> Result<(), SipParseError> {
    for name in SINGLE {
        if headers.values(name).nth(1).is_some() {
            return Err(Fault::Repeated.at(name));
        }
    }
    headers.via()?;
    headers.from()?;
    headers.to()?;
    headers.call_id()?;
    headers.cseq()?;
    headers.max_forwards()?;
    if request {
        headers.contacts()?;
    }
    Ok(())
}

/// A message to be written.
#[derive(Clone, Copy, Debug)]
pub enum Outgoing<'m> {
    /// A request.
    Request(&'m Request),
    /// A response.
    Response(&'m Response),
}

impl<'m> From<&'m Request> for Outgoing<'m> {
    fn from(request: &'m Request) -> Self {
        Self::Request(request)
    }
}

impl<'m> From<&'m Response> for Outgoing<'m> {
    fn from(response: &'m Response) -> Self {
        Self::Response(response)
    }
}

impl<'m> From<&'m Message> for Outgoing<'m> {
    fn from(message: &'m Message) -> Self {
        match message {
            Message::Request(request) => Self::Request(request),
            Message::Response(response) => Self::Response(response),
        }
    }
}

/// Writes a message: headers in their order with long names, Content-Length last and always that of
/// the body.
pub fn write<'m>(message: impl Into<Outgoing<'m>>) -> Bytes {
    let (start, headers, body) = match message.into() {
        Outgoing::Request(r) => (
            format!("{} {} SIP/2.0", r.method, r.uri),
            &r.headers,
            &r.body,
        ),
        Outgoing::Response(r) => (
            format!("SIP/2.0 {} {}", r.code, r.reason),
            &r.headers,
            &r.body,
        ),
    };
    // A reason phrase or a URI may come from a script; header values were checked when they were
    // pushed.
    let start = start.replace(['\r', '\n', '\0'], " ");
    let mut head = Vec::with_capacity(1024);
    text::encode(&start, &mut head);
    head.extend_from_slice(b"\r\n");
    for (name, value) in headers.iter().filter(|(name, _)| *name != "Content-Length") {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        text::encode(value, &mut head);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    let mut bytes = BytesMut::with_capacity(head.len() + body.len());
    bytes.put_slice(&head);
    bytes.put_slice(body);
    bytes.freeze()
}

#[cfg(test)]
mod tests;
