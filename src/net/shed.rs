//! The stateless refusal of a new UDP request that the engine has no time for (RFC 3261 §21.5.4,
//! §8.2.7). It is made from the request alone; the same request gets the same To tag.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::sip::flow::Transport;
use crate::sip::wire::{self, Framing};
use crate::sip::{Message, Method, Response};

use super::incoming::Received;

/// What the caller is told to wait, in seconds.
const RETRY_AFTER_S: u32 = 5;
const DEFAULT_PORT: u16 = 5060;

/// The 503 and where it goes. Nothing for what cannot be read, for ACK and responses, and inside a
/// dialog, where the peer's repetition is better than an end.
pub(super) fn refuse(received: &Received) -> Option<(SocketAddr, Bytes)> {
    debug_assert_eq!(received.flow.transport, Transport::Udp);
    let parsed = wire::parse(received.bytes.clone(), Framing::Datagram).ok()?;
    let Message::Request(request) = parsed else {
        return None;
    };
    if request.method == Method::Ack || request.headers.to().ok()?.tag().is_some() {
        return None;
    }
    let remote = received.flow.remote;
    let mut via = request.headers.via().ok()?;
    let seed = format!(
        "{}{}",
        via.branch().unwrap_or_default(),
        request.headers.call_id().ok()?
    );
    let port = if via.has_rport() {
        via.set_rport(remote.port());
        remote.port()
    } else {
        via.port.filter(|port| *port != 0).unwrap_or(DEFAULT_PORT)
    };
    via.set_received(remote.ip().to_canonical());
    let mut response = Response::to_request(&request.headers, 503, None);
    response.headers.set_topmost("Via", Some(&via)).ok()?;
    response
        .headers
        .append("To", &format!(";tag=busy-{:x}", tag(seed.as_bytes())))
        .ok()?;
    response.headers.set("Retry-After", RETRY_AFTER_S).ok()?;
    Some((SocketAddr::new(remote.ip(), port), wire::write(&response)))
}

fn tag(seed: &[u8]) -> u64 {
    seed.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::FlowId;
    use crate::sip::flow::Flow;

    fn request(method: &str, via: &str, to: &str) -> Received {
        let text = format!(
            "{method} sip:room@talkpath.example SIP/2.0\r\n\
         Via: {via}\r\n\
         From: <sip:a@b.example>;tag=1\r\n\
             To: {to}\r\nCall-ID: 1@b\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n\
             Contact: <sip:a@b.example>\r\nContent-Length: 0\r\n\r\n"
        );
        let local = "192.0.2.1:5060".parse().expect("an address");
        let remote = "192.0.2.9:40000".parse().expect("an address");
        let flow = Flow {
            id: FlowId(1),
            transport: Transport::Udp,
            local,
            remote,
        };
        Received {
            flow,
            bytes: Bytes::from(text),
        }
    }

    #[test]
    fn only_new_requests_are_refused_and_where_their_via_says() {
        let rport = "SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;rport";
        let port = "SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1";
        let none = "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1";
        let (new, dialog) = (
            "<sip:room@talkpath.example>",
            "<sip:room@talkpath.example>;tag=2",
        );
        for (method, via, to, destination) in [
            ("INVITE", rport, new, Some("192.0.2.9:40000")),
            ("OPTIONS", port, new, Some("192.0.2.9:5070")),
            ("REGISTER", none, new, Some("192.0.2.9:5060")),
            ("INVITE", rport, dialog, None),
            ("ACK", rport, new, None),
            ("INVITE", "nonsense", new, None),
        ] {
            let refusal = refuse(&request(method, via, to));
            let sent_to = refusal.as_ref().map(|(to, _)| to.to_string());
            assert_eq!(sent_to.as_deref(), destination, "{method} {via} {to}");
            let Some((_, bytes)) = refusal else { continue };
            let parsed = wire::parse(bytes.clone(), Framing::Datagram).expect("our own response");
            let Message::Response(response) = parsed else {
                panic!("a request")
            };
            assert_eq!(
                (response.code, response.headers.get("Retry-After")),
                (503, Some("5"))
            );
            assert!(response.headers.to().expect("To").tag().is_some());
            let again = refuse(&request(method, via, to)).expect("the same");
            assert_eq!(again.1, bytes, "a repeated request gets the same refusal");
        }
    }
}
