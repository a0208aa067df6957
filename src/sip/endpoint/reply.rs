//! The answer to one request: what every response to it has in common, and where it goes
//! (RFC 3261 §8.2.6, §18.2.2, RFC 3581).

use std::net::SocketAddr;

use crate::sip::error::{HeaderError, SipParseError};
use crate::sip::flow::Flow;
use crate::sip::headers::Headers;
use crate::sip::message::{Request, Response, reason_phrase};

/// Where a response goes on UDP when the Via names no port (RFC 3261 §18.2.2).
const DEFAULT_PORT: u16 = 5060;

/// What all responses to one request share.
#[derive(Clone, Debug)]
pub(in crate::sip) struct Reply {
    head: Headers,
    record_routes: Headers,
    /// Where the responses go.
    pub flow: Flow,
}

impl Reply {
    /// Takes Via, From, To, Call-ID and CSeq of the request; To gets `tag` unless it has one.
    pub fn new(request: &Request, tag: &str, flow: Flow) -> Result<Self, HeaderError> {
        let mut head = Response::to_request(&request.headers, 200, None).headers;
        if head.to().is_ok_and(|to| to.tag().is_none()) {
            head.append("To", &format!(";tag={tag}"))?;
        }
        let mut record_routes = Headers::new();
        record_routes.copy_all(&request.headers, "Record-Route");
        Ok(Self {
            head,
            record_routes,
            flow,
        })
    }

    /// A response without body; no `reason` means the usual one.
    pub fn response(&self, code: u16, reason: Option<&str>) -> Response {
        let reason = reason.unwrap_or_else(|| reason_phrase(code)).to_owned();
        Response {
            code,
            reason,
            headers: self.head.clone(),
            body: bytes::Bytes::new(),
        }
    }

    /// The same with the Record-Route values of the request, for responses that make or refresh a
    /// dialog (§12.1.1).
    pub fn dialog_response(&self, code: u16, reason: Option<&str>) -> Response {
        let mut response = self.response(code, reason);
        response
            .headers
            .copy_all(&self.record_routes, "Record-Route");
        response
    }
}

/// Notes in the topmost Via where the message came from, and returns the flow for the responses:
/// the same stream, or on UDP the source address with the source port if the Via asked for it by
/// `rport`, else the port of the Via. `maddr` is not followed, it would let a sender aim our
/// responses.
///
/// # Errors
/// When the Via is missing, malformed, or too long to be written again.
pub(in crate::sip) fn receive(headers: &mut Headers, flow: Flow) -> Result<Flow, Unanswerable> {
    let mut via = headers.via()?;
    let source = flow.remote.ip().to_canonical();
    let wants_port = via.has_rport();
    if wants_port {
        via.set_rport(flow.remote.port());
    }
    let named = via.host.ip().map(|ip| ip.to_canonical());
    if wants_port || named != Some(source) || via.params.has("received") {
        via.set_received(source);
        headers.set_topmost("Via", Some(&via))?;
    }
    if flow.is_stream() || wants_port {
        return Ok(flow);
    }
    let port = via.port.filter(|port| *port != 0).unwrap_or(DEFAULT_PORT);
    Ok(Flow {
        remote: SocketAddr::new(flow.remote.ip(), port),
        ..flow
    })
}

/// A request to which no response can be written.
#[derive(Debug, thiserror::Error)]
pub(in crate::sip) enum Unanswerable {
    /// A header that routes the response cannot be read.
    #[error(transparent)]
    Unreadable(#[from] SipParseError),
    /// A header that routes the response cannot be written.
    #[error(transparent)]
    Unwritable(#[from] HeaderError),
}
