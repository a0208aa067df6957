//! Text of SIP messages: tokens, quoted strings, lists, escapes, and octets that are not UTF-8.
//!
//! Header values are `String`s, yet peers send Latin-1. Each octet that is no part of valid UTF-8
//! becomes one character of a private range ([`decode`]) and that very octet again when written
//! ([`encode`]), so a value passes through unchanged whatever it holds. [`readable`] shows such
//! characters as Latin-1, for people; what it returns is not for sending on. RFC 3261 §7.3, §25.1.

use super::error::Fault;
use std::borrow::Cow;

/// Octet `b` (0x80 and above) that is not UTF-8 is the character `RAW_OCTET + b`.
const RAW_OCTET: u32 = 0xF700;

fn raw_octet(c: char) -> Option<u8> {
    let octet = u32::from(c).checked_sub(RAW_OCTET)?;
    u8::try_from(octet).ok().filter(|octet| *octet >= 0x80)
}

fn push_raw_octet(text: &mut String, octet: u8) {
    text.extend(char::from_u32(RAW_OCTET + u32::from(octet)));
}

/// Reads received octets as text without losing any: the reverse of [`encode`] for every input.
pub fn decode(octets: &[u8]) -> String {
    if let Ok(text) = str::from_utf8(octets)
        && !text.chars().any(|c| raw_octet(c).is_some())
    {
        return text.to_owned();
    }
    let mut text = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            // A received character of the private range is escaped itself, else it would be written
            // as one octet.
            if raw_octet(c).is_some() {
                c.encode_utf8(&mut [0; 4])
                    .bytes()
                    .for_each(|b| push_raw_octet(&mut text, b));
            } else {
                text.push(c);
            }
        }
        chunk
            .invalid()
            .iter()
            .for_each(|octet| push_raw_octet(&mut text, *octet));
    }
    text
}

/// Appends the octets of `text` as they were received.
pub fn encode(text: &str, out: &mut Vec<u8>) {
    for c in text.chars() {
        match raw_octet(c) {
            Some(octet) => out.push(octet),
            None => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// The text for people: octets that were not UTF-8 are shown as Latin-1.
pub fn readable(text: &str) -> Cow<'_, str> {
    if text.chars().any(|c| raw_octet(c).is_some()) {
        text.chars()
            .map(|c| raw_octet(c).map_or(c, char::from))
            .collect::<String>()
            .into()
    } else {
        text.into()
    }
}

/// Whether `text` is a `token` of RFC 3261 §25.1.
pub fn is_token(text: &str) -> bool {
    let of_token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
    !text.is_empty() && text.bytes().all(of_token)
}

/// Whether `c` is space or tab, the white space inside of a line.
pub fn is_white(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// Whether `c` ends or breaks a URI or a parameter: white space, a control character, a quote or a
/// bracket.
pub(super) fn is_delimiter(c: char) -> bool {
    c.is_ascii_control() || matches!(c, ' ' | '"' | '<' | '>')
}

/// A decimal number of any number of digits.
///
/// # Errors
/// [`Fault::NotANumber`] for anything but digits, [`Fault::NumberTooLarge`] above `max`.
pub(super) fn number(text: &str, max: u32) -> Result<u32, Fault> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::NotANumber);
    }
    let mut value = 0u32;
    for digit in text.bytes().map(|b| u32::from(b - b'0')) {
        let next = value.checked_mul(10).and_then(|v| v.checked_add(digit));
        value = next.filter(|v| *v <= max).ok_or(Fault::NumberTooLarge)?;
    }
    Ok(value)
}

/// Walks over `text` and reports each character that is outside of quoted strings.
struct Unquoted<'t> {
    chars: std::str::CharIndices<'t>,
    quoted: bool,
}

impl<'t> Unquoted<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            chars: text.char_indices(),
            quoted: false,
        }
    }
}

impl Iterator for Unquoted<'_> {
    type Item = (usize, char);

    fn next(&mut self) -> Option<(usize, char)> {
        loop {
            let (at, c) = self.chars.next()?;
            match (self.quoted, c) {
                (true, '\\') => drop(self.chars.next()),
                (true, '"') => self.quoted = false,
                (true, _) => {}
                (false, '"') => self.quoted = true,
                (false, c) => return Some((at, c)),
            }
        }
    }
}

/// Cuts `text` at the first `mark` outside of quoted strings: what is before it and what follows
/// it.
///
/// # Errors
/// [`Fault::UnterminatedQuote`] when a quoted string before the mark does not end.
pub(super) fn cut(text: &str, mark: char) -> Result<Option<(&str, &str)>, Fault> {
    let mut unquoted = Unquoted::new(text);
    let found = unquoted.find(|(_, c)| *c == mark);
    match found {
        Some((at, _)) => Ok(text.get(..at).zip(text.get(at + mark.len_utf8()..))),
        None if unquoted.quoted => Err(Fault::UnterminatedQuote),
        None => Ok(None),
    }
}

/// Splits at every `mark` outside of quoted strings and angle brackets. The parts are trimmed and
/// may be empty.
///
/// # Errors
/// A quoted string or an angle bracket that does not end.
pub(super) fn split(text: &str, mark: char) -> Result<Vec<&str>, Fault> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut bracketed = false;
    let mut unquoted = Unquoted::new(text);
    for (at, c) in unquoted.by_ref() {
        match c {
            '<' => bracketed = true,
            '>' => bracketed = false,
            c if c == mark && !bracketed => {
                parts.push(
                    text.get(start..at)
                        .unwrap_or_default()
                        .trim_matches(is_white),
                );
                start = at + mark.len_utf8();
            }
            _ => {}
        }
    }
    if unquoted.quoted {
        return Err(Fault::UnterminatedQuote);
    }
    if bracketed {
        return Err(Fault::UnbalancedBrackets);
    }
    parts.push(text.get(start..).unwrap_or_default().trim_matches(is_white));
    Ok(parts)
}

/// Cuts a leading quoted string off: its content without quotes and escapes, and what follows it.
/// Nothing when `text` does not start with a quote.
///
/// # Errors
/// [`Fault::UnterminatedQuote`].
pub(super) fn quoted(text: &str) -> Result<Option<(String, &str)>, Fault> {
    let Some(inner) = text.strip_prefix('"') else {
        return Ok(None);
    };
    let mut content = String::new();
    let mut chars = inner.chars();
    loop {
        match chars.next() {
            Some('"') => return Ok(Some((content, chars.as_str()))),
            Some('\\') => content.extend(chars.next()),
            Some(c) => content.push(c),
            None => return Err(Fault::UnterminatedQuote),
        }
    }
}

/// Appends `text` as a quoted string.
pub(super) fn quote(text: &str, out: &mut impl std::fmt::Write) -> std::fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        if c == '"' || c == '\\' {
            out.write_char('\\')?;
        }
        out.write_char(c)?;
    }
    out.write_char('"')
}

/// Undoes `%` escapes once. A `%` that is not followed by two hexadecimal digits stays.
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return text.into();
    }
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        encode(before, &mut octets);
        let digits = after
            .get(..2)
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(octet) => {
                octets.push(octet);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                octets.push(b'%');
                rest = after;
            }
        }
    }
    encode(rest, &mut octets);
    decode(&octets).into()
}
