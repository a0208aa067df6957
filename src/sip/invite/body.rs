//! Which bodies an INVITE or UPDATE may bring, and which the peer takes (RFC 3261 §8.2.3, §20.1,
//! RFC 5621).

use bytes::Bytes;

use crate::sip::headers::Headers;
use crate::sip::message::Request;

/// The one body type that INVITE carries here.
pub(in crate::sip) const SDP: &str = "application/sdp";
/// Most parts of a multipart body that are looked at.
const PARTS_MAX: usize = 16;

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

/// The first part of type `application/sdp` without a transfer encoding.
fn sdp_part(body: &Bytes, boundary: &str) -> Option<Bytes> {
    let delimiter = format!("--{boundary}");
    let starts = find_all(body, delimiter.as_bytes());
    for pair in starts.windows(2) {
        let &[start, end] = pair else { continue };
        let part = body.slice(start + delimiter.len()..end);
        let Some(head_end) = find_all(&part, b"\r\n\r\n").first().copied() else {
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

/// Where `needle` stands at the start of a line or inside, at most [`PARTS_MAX`] places.
fn find_all(body: &[u8], needle: &[u8]) -> Vec<usize> {
    let places = body.windows(needle.len().max(1)).enumerate();
    places
        .filter(|(_, w)| *w == needle)
        .map(|(at, _)| at)
        .take(PARTS_MAX)
        .collect()
}
