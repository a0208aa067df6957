//! Cuts the byte stream of a TCP or TLS connection into messages and keepalives. It does not read
//! messages. RFC 3261 §7.5, §18.3; RFC 5626 §3.5.1 for the keepalive.
//!
//! | at the start of a message | gives |
//! |---|---|
//! | CRLF CRLF | [`Framed::Ping`], to be answered with CRLF |
//! | CRLF, nothing behind it yet | [`Framed::Pong`]; if CRLF comes next, then a `Ping` |
//! | CRLF and a message | the message |
//! | headers, empty line, Content-Length octets | [`Framed::Message`]; no Content-Length, no body |
//! | Content-Length twice, not a number; too long | an error, from then on for ever |

use super::error::Fault;
use super::text;
use super::wire::{MESSAGE_BYTES_MAX, cut_line, read_header};
use bytes::{Buf, Bytes, BytesMut};

/// The most octets that wait to be cut: one message and one read of the socket. More is an error:
/// the caller takes all messages out between two reads.
pub const BUFFER_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;

const EMPTY_LINE: &[u8] = b"\r\n\r\n";

/// What a stream carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framed {
    /// The bytes of one message, for [`wire::parse`](super::wire::parse).
    Message(Bytes),
    /// A keepalive to be answered with CRLF.
    Ping,
    /// Perhaps the answer to our keepalive: it may also be the first half of a ping.
    Pong,
}

/// Why no message can be cut from a stream any more. The connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// A message, or what waits to be cut, is longer than its limit.
    #[error("message too long for a stream")]
    TooLong,
    /// Content-Length cannot be read, so that the end of the message is unknown.
    #[error("Content-Length: {0}")]
    ContentLength(Fault),
}

/// The receiving side of one stream.
#[derive(Debug, Default)]
pub struct StreamFramer {
    buffer: BytesMut,
    /// Octets in front that are known to hold no empty line.
    searched: usize,
    /// Octets of the message in front, once its headers are complete.
    message: Option<usize>,
    /// A single CRLF was reported as a pong and may be half of a ping.
    half_ping: bool,
    failed: Option<FramingError>,
}

impl StreamFramer {
    /// For a connection that was just opened.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what was read from the socket. Call [`StreamFramer::next`] until it returns nothing
    /// after each push; octets beyond [`BUFFER_BYTES_MAX`] are dropped and fail the stream.
    pub fn push(&mut self, octets: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        if self.buffer.len() + octets.len() > BUFFER_BYTES_MAX {
            self.fail(FramingError::TooLong);
        } else {
            self.buffer.extend_from_slice(octets);
        }
    }

    /// The next message or keepalive. Nothing until more octets are pushed.
    ///
    /// # Errors
    /// [`FramingError`] when the stream cannot be cut any more; the same on each later call.
    #[expect(
        clippy::should_implement_trait,
        reason = "it is fallible and continues after None"
    )]
    pub fn next(&mut self) -> Result<Option<Framed>, FramingError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.message.is_none()
            && let Some(keepalive) = self.next_keepalive()
        {
            return Ok(Some(keepalive));
        }
        self.next_message().map_err(|error| self.fail(error))
    }

    fn fail(&mut self, error: FramingError) -> FramingError {
        self.failed = Some(error);
        self.buffer = BytesMut::new();
        error
    }

    fn next_keepalive(&mut self) -> Option<Framed> {
        loop {
            if self.buffer.starts_with(EMPTY_LINE) && !self.half_ping {
                self.buffer.advance(EMPTY_LINE.len());
                return Some(Framed::Ping);
            }
            if !self.buffer.starts_with(b"\r\n") {
                // A lone CR may become the end of a ping; anything else starts a message.
                self.half_ping &= self.buffer.is_empty() || self.buffer.as_ref() == b"\r";
                return None;
            }
            self.buffer.advance(2);
            if std::mem::take(&mut self.half_ping) {
                return Some(Framed::Ping);
            }
            if self.buffer.is_empty() || self.buffer.as_ref() == b"\r" {
                self.half_ping = true;
                return Some(Framed::Pong);
            }
        }
    }

    fn next_message(&mut self) -> Result<Option<Framed>, FramingError> {
        let length = match self.message {
            Some(length) => length,
            None => match self.measure()? {
                Some(length) => *self.message.insert(length),
                None => return Ok(None),
            },
        };
        if self.buffer.len() < length {
            return Ok(None);
        }
        self.message = None;
        self.searched = 0;
        Ok(Some(Framed::Message(self.buffer.split_to(length).freeze())))
    }

    /// The length of the message in front. Nothing while its headers are incomplete.
    fn measure(&mut self) -> Result<Option<usize>, FramingError> {
        let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
        let found = unsearched
            .windows(EMPTY_LINE.len())
            .position(|four| four == EMPTY_LINE);
        let Some(at) = found else {
            self.searched = self.buffer.len().saturating_sub(EMPTY_LINE.len() - 1);
            let too_long = self.buffer.len() > MESSAGE_BYTES_MAX;
            return if too_long {
                Err(FramingError::TooLong)
            } else {
                Ok(None)
            };
        };
        let head = self.searched + at + EMPTY_LINE.len();
        let body = content_length(self.buffer.get(..head).unwrap_or_default())?;
        let length = head
            .checked_add(body)
            .filter(|length| *length <= MESSAGE_BYTES_MAX);
        length.map(Some).ok_or(FramingError::TooLong)
    }
}

fn content_length(head: &[u8]) -> Result<usize, FramingError> {
    let mut length = None;
    let mut rest = head;
    while let Some((line, after)) = cut_line(rest) {
        rest = after;
        // Lines that cannot be read are the parser's to refuse.
        let Ok((name, value)) = read_header(line) else {
            continue;
        };
        if name.eq_ignore_ascii_case("Content-Length") || name.eq_ignore_ascii_case("l") {
            let octets = text::number(&value, u32::MAX).map_err(FramingError::ContentLength)?;
            if length.replace(octets).is_some() {
                return Err(FramingError::ContentLength(Fault::Repeated));
            }
        }
    }
    usize::try_from(length.unwrap_or(0)).map_err(|_| FramingError::TooLong)
}

#[cfg(test)]
mod tests;
