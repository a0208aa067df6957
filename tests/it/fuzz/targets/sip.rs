//! SIP: messages, streams of them, bodies of several parts.

use std::fmt::{Debug, Display};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use talkpath::id::FlowId;
use talkpath::sip::digest::{Challenge, Credentials};
use talkpath::sip::endpoint::{Endpoint, Event, Output, Settings};
use talkpath::sip::wire::{HEADERS_MAX, MESSAGE_BYTES_MAX};
use talkpath::sip::{
    Fault, Flow, Framed, Framing, Headers, Message, NameAddr, SipParseError, StreamFramer,
    Transport, Uri, Via, wire,
};

/// What is read and written is read again as the same, and written not much longer; so are the
/// parts of its headers. The answer to what cannot be read can be read.
pub fn message(input: &[u8]) {
    for framing in [Framing::Datagram, Framing::Stream] {
        match wire::parse(Bytes::copy_from_slice(input), framing) {
            Ok(message) => parsed(input, &message),
            Err(unparsable) => {
                let _ = unparsable.to_string();
                let Some(refusal) = unparsable.refusal else {
                    continue;
                };
                assert!((400..=699).contains(&refusal.code));
                let written = wire::write(&refusal);
                assert!(written.len() <= 8 * input.len() + 1024);
                // It repeats headers of the request, with their faults.
                let _ = wire::parse(written, Framing::Datagram);
            }
        }
    }
}

fn parsed(input: &[u8], message: &Message) {
    // Compact names become long ones.
    let written = wire::write(message);
    assert!(written.len() <= 8 * input.len() + 1024);
    match wire::parse(written.clone(), Framing::Stream) {
        Ok(again) => {
            assert_eq!(again.body(), message.body());
            assert_eq!(wire::write(&again), written);
        }
        Err(error) => {
            let longer = written.len() > MESSAGE_BYTES_MAX
                || message.headers().len() >= HEADERS_MAX
                || error.error.fault == Fault::TooLong;
            assert!(longer, "{error}: {}", String::from_utf8_lossy(&written));
        }
    }
    headers(message.headers());
    if let Message::Request(request) = message {
        same(&request.uri, Uri::parse);
        assert!(request.uri.equivalent(&request.uri), "{}", request.uri);
    }
}

fn headers(headers: &Headers) {
    for via in headers.vias().into_iter().flatten() {
        same(&via, Via::parse);
        let _ = (via.branch(), via.received(), via.rport());
    }
    let lists = [
        headers.contacts(),
        headers.record_routes(),
        headers.routes(),
    ];
    let lists = lists.into_iter().flatten().flatten();
    let single = [headers.from(), headers.to()].into_iter().flatten();
    let refer_to = headers.refer_to().into_iter().flatten();
    for address in lists.chain(single).chain(refer_to) {
        same(&address.uri, Uri::parse);
        let again = NameAddr::parse(&address.to_string()).expect("an address that was written");
        assert_eq!((again.uri, again.params), (address.uri, address.params));
    }
    for name in ["Authorization", "Proxy-Authorization"] {
        for value in headers.values(name) {
            let _ = Credentials::parse(value);
            let _ = Challenge::parse(value);
        }
    }
    numbers(headers);
    let _ = (headers.accept(), headers.content_type(), headers.allow());
    let _ = (headers.require(), headers.supported(), headers.reasons());
    let _ = (headers.replaces(), headers.session_expires());
}

fn numbers(headers: &Headers) {
    let read: [Result<Option<u32>, SipParseError>; 5] = [
        headers.expires(),
        headers.retry_after(),
        headers.min_se(),
        headers.rseq(),
        headers.content_length(),
    ];
    let _ = (read, headers.rack(), headers.max_forwards(), headers.cseq());
}

/// What is read is read again from how it is written.
fn same<T: Display + Debug + PartialEq>(value: &T, parse: fn(&str) -> Result<T, Fault>) {
    let written = value.to_string();
    assert_eq!(parse(&written).as_ref(), Ok(value), "{written}");
}

/// A stream is cut into the same messages however it arrives, and never into more than there is.
pub fn stream(input: &[u8]) {
    let whole = cut(input, input.len().max(1));
    let longest = whole.0.iter().map(Bytes::len).sum::<usize>();
    assert!(longest <= input.len());
    for size in [1, 7, 64] {
        assert_eq!(cut(input, size), whole, "in pieces of {size}");
    }
    for message in whole.0 {
        let _ = wire::parse(message, Framing::Stream);
    }
}

/// The messages of a stream that arrives in pieces, and whether it failed.
fn cut(input: &[u8], size: usize) -> (Vec<Bytes>, bool) {
    let mut framer = StreamFramer::new();
    let mut messages = Vec::new();
    for piece in input.chunks(size) {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(Some(Framed::Message(message))) => messages.push(message),
                Ok(Some(Framed::Ping | Framed::Pong)) => {}
                Ok(None) => break,
                Err(_) => return (messages, true),
            }
        }
    }
    (messages, false)
}

/// The session description of a body of several parts is a part of that body. The first line of
/// the input is the value of Content-Type, or a boundary.
pub fn multipart(input: &[u8]) {
    let split = input.iter().position(|byte| *byte == b'\n');
    let (kind, body) = input.split_at(split.map_or(0, |at| at + 1));
    let kind = String::from_utf8_lossy(kind);
    let kind = kind.trim_end();
    let kind = match kind.contains('/') {
        true => kind.to_owned(),
        false => format!("multipart/mixed;boundary={kind}"),
    };
    let head = format!(
        "INVITE sip:100@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.1;branch=z9hG4bK1\r\n\
         From: <sip:1@10.1.0.1>;tag=1\r\nTo: <sip:100@10.0.0.1>\r\nCall-ID: 1\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:1@10.1.0.1>\r\nContent-Type: {kind}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let message = [head.as_bytes(), body].concat();
    let mut endpoint = Endpoint::new(Settings::default(), [3; 32]);
    let mut now = Instant::now();
    endpoint.handle_message(now, FLOW, message.into());
    let mut sent = 0;
    while let Some(output) = endpoint.poll_output() {
        match output {
            Output::Send { .. } => sent += 1,
            Output::Event(Event::Invite { call, request, .. }) => {
                assert!(contains(body, &request.body));
                let rejected = endpoint.reject(now, call, 486, None, Vec::new());
                assert_eq!(rejected, Ok(()));
            }
            Output::Event(_) => {}
        }
    }
    assert!((1..=2).contains(&sent), "{sent} answers");
    while let Some(at) = endpoint.poll_timeout() {
        now = at.max(now);
        endpoint.handle_timeout(now);
        while endpoint.poll_output().is_some() {}
        assert!(now - at < Duration::from_secs(1));
    }
    assert!(endpoint.leftovers().iter().all(|(_, count)| *count == 0));
}

fn contains(whole: &[u8], part: &[u8]) -> bool {
    part.is_empty() || whole.windows(part.len()).any(|window| window == part)
}

const FLOW: Flow = Flow {
    id: FlowId(1),
    transport: Transport::Udp,
    local: SocketAddr::new(
        std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)),
        5060,
    ),
    remote: SocketAddr::new(
        std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 0, 1)),
        5060,
    ),
};
