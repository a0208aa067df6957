//! Which bodies an INVITE or UPDATE may bring, and which the peer takes (RFC 3261 §8.2.3, §20.1,
//! RFC 5621).

use bytes::Bytes;

use crate::sip::headers::Headers;
use crate::sip::message::Request;

/// The one body type that INVITE carries here.
pub(in crate::sip) const SDP: &str = "application/sdp";
/// Most parts of a multipart body that are looked at.
const PARTS_MAX: usize = 16;
/// Longest boundary between parts (RFC 2046 §5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

/// Reduces the body of an INVITE to its session description: a `multipart/mixed` body with one
/// `application/sdp` part is replaced by that part. False when there is a body and no such part:
/// 415.
pub(in crate::sip) fn reduce_to_sdp(request: &mut Request) -> bool {
    if request.body.is_empty() {
        return true;
    }
    let encoded = request.headers.get("Content-Encoding");
    if encoded.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return false;
    }
    match request.headers.content_type() {
        Ok(None) => true,
        Ok(Some(kind)) if kind.essence == SDP => true,
        Ok(Some(kind)) if kind.essence.starts_with("multipart/") => {
            let part = kind
                .params
                .unquoted("boundary")
                .and_then(|boundary| sdp_part(&request.body, &boundary));
            let Some(part) = part else { return false };
            request.body = part;
            request.headers.set("Content-Type", SDP).is_ok()
        }
        Ok(Some(_)) | Err(_) => false,
    }
}

/// Whether the peer takes a session description in answer: no Accept, or one that names it (406
/// otherwise).
pub(in crate::sip) fn accepts_sdp(headers: &Headers) -> bool {
    match headers.accept() {
        Ok(None) => true,
        Ok(Some(ranges)) => ranges
            .iter()
            .any(|range| matches!(range.essence.as_str(), SDP | "application/*" | "*/*")),
        // A malformed Accept that nobody needs refuses no call (RFC 4475 §3.1.2.12 on Date, by
        // analogy).
        Err(_) => true,
    }
}

/// The first part of type `application/sdp` without a transfer encoding. Delimiters stand at the
/// start of a line, so that no two of them lie over each other.
fn sdp_part(body: &Bytes, boundary: &str) -> Option<Bytes> {
    if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX {
        return None;
    }
    let delimiter = format!("--{boundary}");
    let starts_line = |at: &usize| *at == 0 || body.get(at - 1) == Some(&b'\n');
    let starts = places(body, delimiter.as_bytes()).filter(starts_line);
    let starts: Vec<usize> = starts.take(PARTS_MAX).collect();
    for pair in starts.windows(2) {
        let &[start, end] = pair else { continue };
        let Some(part) = body.get(start + delimiter.len()..end) else {
            continue;
        };
        let part = body.slice_ref(part);
        let Some(head_end) = places(&part, b"\r\n\r\n").next() else {
            continue;
        };
        let head = String::from_utf8_lossy(part.get(..head_end)?).to_ascii_lowercase();
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        let is_sdp = lines.any(|(name, value)| {
            name.trim() == "content-type" && value.split(';').next().map(str::trim) == Some(SDP)
        });
        if is_sdp && !head.contains("content-transfer-encoding: base64") {
            let content = part.slice(head_end + 4..);
            let length = content.strip_suffix(b"\r\n").unwrap_or(&content).len();
            return Some(content.slice(..length));
        }
    }
    None
}

/// Where `needle` stands.
fn places<'b>(body: &'b [u8], needle: &'b [u8]) -> impl Iterator<Item = usize> + 'b {
    let windows = body.windows(needle.len().max(1)).enumerate();
    windows
        .filter(move |(_, window)| *window == needle)
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: &str = "\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n";

    #[test]
    fn parts_lie_between_delimiters_at_the_start_of_lines() {
        for (boundary, body, expected) in [
            ("b", format!("--b{PART}--b--\r\n"), Some("v=0")),
            ("b", format!("before\r\n--b{PART}--b--"), Some("v=0")),
            ("b", format!("--b{PART}--b"), Some("v=0")),
            ("b", format!("--b{PART}"), None),
            ("b", format!("--b{PART}x--b--"), None),
            ("b", format!("x--b{PART}--b--"), None),
            // Delimiters that would lie over each other.
            ("", "----\r\n\r\n--".to_owned(), None),
            ("", format!("--{PART}--"), None),
            ("-", "-----".to_owned(), None),
            ("--", "--------\r\n------".to_owned(), None),
            ("-", format!("---{PART}-----"), Some("v=0")),
            (
                &"b".repeat(71),
                format!("--{0}{PART}--{0}--", "b".repeat(71)),
                None,
            ),
        ] {
            let body = Bytes::from(body);
            let part = sdp_part(&body, boundary);
            assert_eq!(
                part.as_deref(),
                expected.map(str::as_bytes),
                "{boundary} {body:?}"
            );
        }
    }
}
