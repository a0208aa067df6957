//! What stands in the messages that go out, and where they go.

use std::net::SocketAddr;

use bytes::Bytes;

use super::bench::{Bench, SDP, flow};
use crate::sip::endpoint::Settings;
use crate::sip::flow::{Flow, Transport};
use crate::sip::message::Message;

fn invite(via: &str, more: &str) -> Bytes {
    Bytes::from(format!(
        "INVITE sip:room@192.0.2.1 SIP/2.0\r\nVia: {via}\r\n\
         Via: SIP/2.0/UDP far.example;branch=z9hG4bKf\r\n\
         Max-Forwards: 70\r\nFrom: <sip:peer@192.0.2.9>;tag=peer\r\nTo: <sip:room@192.0.2.1>\r\n\
         Call-ID: call-1@192.0.2.9\r\nCSeq: 1 INVITE\r\nContact: <sip:peer@192.0.2.77:5099>\r\n\
         {more}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    ))
}

#[test]
fn responses_over_udp_go_to_rport_or_to_the_port_of_the_via() {
    for (via, port, noted) in [
        (
            "SIP/2.0/UDP 192.0.2.9:5099;branch=z9hG4bK1;rport",
            5070,
            "SIP/2.0/UDP 192.0.2.9:5099;branch=z9hG4bK1;rport=5070;received=192.0.2.9",
        ),
        ("SIP/2.0/UDP 192.0.2.9:5099;branch=z9hG4bK1", 5099, ""),
        ("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1", 5060, ""),
        (
            "SIP/2.0/UDP 10.0.0.7:5099;branch=z9hG4bK1",
            5099,
            "SIP/2.0/UDP 10.0.0.7:5099;branch=z9hG4bK1;received=192.0.2.9",
        ),
        (
            "SIP/2.0/UDP phone.example;branch=z9hG4bK1;received=1.2.3.4",
            5060,
            "SIP/2.0/UDP phone.example;branch=z9hG4bK1;received=192.0.2.9",
        ),
        (
            "SIP/2.0/UDP 192.0.2.9;maddr=192.0.2.200;branch=z9hG4bK1",
            5060,
            "",
        ),
    ] {
        let mut bench = Bench::udp();
        bench.receive(invite(via, ""), 1);
        bench.run(via, "0 | | 100 INVITE, Invite+");
        let (way, message, _) = bench.sent.last().expect("a 100");
        assert_eq!(
            way.remote,
            SocketAddr::from(([192, 0, 2, 9], port)),
            "{via}"
        );
        let vias: Vec<&str> = message.headers().values("Via").collect();
        let top = if noted.is_empty() { via } else { noted };
        assert_eq!(
            vias,
            [top, "SIP/2.0/UDP far.example;branch=z9hG4bKf"],
            "{via}"
        );
    }
}

#[test]
fn responses_over_streams_go_back_the_same_way() {
    let mut bench = Bench::new(Transport::Tcp, Settings::default());
    bench.receive(invite("SIP/2.0/TCP 192.0.2.9:5099;branch=z9hG4bK1", ""), 3);
    bench.run("stream", "0 | | 100 INVITE, Invite+");
    assert_eq!(bench.sent.last().expect("a 100").0, flow(Transport::Tcp, 3));
}

#[test]
fn all_responses_to_an_invite_carry_one_to_tag_and_its_routes() {
    let mut bench = Bench::udp();
    let routes = "Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>\r\n";
    bench.receive(invite("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1", routes), 1);
    bench.run(
        "tags",
        "0 | | 100 INVITE, Invite+
         1 | .provisional 180 | 180 INVITE
         2 | .provisional 183 sdp | 183 INVITE+
         3 | .accept sdp {X-Room: a} | 200 INVITE+",
    );
    let mut tags = Vec::new();
    for (_, message, _) in bench.sent.iter().skip(1) {
        let headers = message.headers();
        tags.push(headers.to().expect("a To").tag().expect("a tag").to_owned());
        assert_eq!(
            headers.get("Record-Route"),
            Some("<sip:p2.example;lr>, <sip:p1.example;lr>")
        );
        assert_eq!(headers.get("Contact"), Some("<sip:192.0.2.1:5060>"));
        assert!(headers.get("Allow").is_some());
    }
    assert_eq!(tags.len(), 3);
    assert!(tags.iter().all(|tag| *tag == tags[0]));
    assert_eq!(
        bench.sent[0].1.headers().to().expect("a To").tag(),
        None,
        "100 has no tag"
    );
    assert_eq!(bench.sent[3].1.headers().get("X-Room"), Some("a"));
}

#[test]
fn the_487_carries_the_tag_of_the_180() {
    for last in ["CANCEL", "BYE"] {
        let mut bench = Bench::udp();
        bench.run(
            "487",
            "0 | INVITE sdp | 100 INVITE, Invite+\n1 | .provisional 180 | 180 INVITE",
        );
        bench.answer(last);
        let tag = |code: u16| {
            bench.sent.iter().find_map(|(_, message, _)| match message {
                Message::Response(response) if response.code == code => {
                    response.headers.to().ok()?.tag().map(str::to_owned)
                }
                Message::Response(_) | Message::Request(_) => None,
            })
        };
        assert!(tag(180).is_some());
        assert_eq!(tag(180), tag(487), "{last}");
        assert_eq!(tag(180), tag(200), "{last}");
    }
}

#[test]
fn retransmitted_responses_are_the_same_bytes() {
    let mut bench = Bench::udp();
    bench.run(
        "bytes",
        "0 | INVITE sdp | 100 INVITE, Invite+
         1 | .reject 486 | 486 INVITE
         2 | again | 486 INVITE
         3 | ACK |
         4 | OPTIONS out | 200 OPTIONS
         5 | again | 200 OPTIONS",
    );
    let bytes: Vec<&Bytes> = bench.sent.iter().map(|(_, _, bytes)| bytes).collect();
    assert_eq!(bytes[1], bytes[2]);
    assert_eq!(bytes[3], bytes[4]);
}

#[test]
fn requests_of_ours_follow_the_route_set_to_the_target() {
    for (routes, uri, expected) in [
        ("", "sip:peer@192.0.2.77:5099", vec![]),
        (
            "Record-Route: <sip:p2.example;lr>\r\nRecord-Route: <sip:p1.example;lr>\r\n",
            "sip:peer@192.0.2.77:5099",
            vec!["<sip:p2.example;lr>", "<sip:p1.example;lr>"],
        ),
        (
            "Record-Route: <sip:strict.example>, <sip:p1.example;lr>\r\n",
            "sip:strict.example",
            vec!["<sip:p1.example;lr>", "<sip:peer@192.0.2.77:5099>"],
        ),
    ] {
        let mut bench = Bench::udp();
        bench.receive(
            invite("SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1", routes),
            1,
        );
        bench.run(
            routes,
            "0 | | 100 INVITE, Invite+
             0 | .accept sdp | 200 INVITE+
             1 | ACK 2xx seq=1 | Acked
             2 | .bye | BYE",
        );
        let (way, message, _) = bench.sent.last().expect("a BYE");
        let Message::Request(bye) = message else {
            panic!("a request")
        };
        assert_eq!(bye.uri.to_string(), uri);
        assert_eq!(bye.headers.values("Route").collect::<Vec<_>>(), expected);
        assert_eq!(
            bye.headers
                .get("From")
                .expect("a From")
                .split(";tag=")
                .next(),
            Some("<sip:room@192.0.2.1>")
        );
        assert_eq!(bye.headers.get("To"), Some("<sip:peer@192.0.2.9>;tag=peer"));
        assert_eq!(bye.headers.get("CSeq"), Some("1 BYE"));
        assert_eq!(
            way.remote,
            flow(Transport::Udp, 1).remote,
            "symmetric, not to the Contact"
        );
        assert!(bye.headers.via().expect("a Via").has_rport());
    }
}

#[test]
fn the_route_set_of_a_call_of_ours_is_reversed_and_its_target_refreshed() {
    let mut bench = Bench::udp();
    bench.run(
        "routes",
        "0 | .invite sdp | INVITE+
         1 | 200 INVITE sdp {Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr>} | Answered
         2 | .ack | ACK
         3 | UPDATE | 200 UPDATE
         4 | .bye | BYE",
    );
    let routed = |method: &str| {
        bench.sent.iter().find_map(|(_, message, _)| match message {
            Message::Request(request) if request.method.as_str() == method => {
                let routes = request
                    .headers
                    .values("Route")
                    .collect::<Vec<_>>()
                    .join(", ");
                Some((request.uri.to_string(), routes))
            }
            Message::Request(_) | Message::Response(_) => None,
        })
    };
    let routes = "<sip:p2.example;lr>, <sip:p1.example;lr>".to_owned();
    assert_eq!(
        routed("ACK"),
        Some(("sip:peer@192.0.2.9:5070".into(), routes.clone()))
    );
    assert_eq!(
        routed("BYE"),
        Some(("sip:peer@192.0.2.9:5070".into(), routes))
    );
}

#[test]
fn ack_and_cancel_belong_to_the_transaction_of_the_invite() {
    let mut bench = Bench::udp();
    bench.run(
        "branch",
        "0 | .invite sdp | INVITE+
         1 | 180 INVITE | Provisional 180
         2 | .cancel | CANCEL
         3 | 487 INVITE | ACK, Failed 487",
    );
    let [invite, cancel, ack] = bench.sent.as_slice() else {
        panic!("three requests")
    };
    for (_, message, _) in [cancel, ack] {
        assert_eq!(message.headers().get("Via"), invite.1.headers().get("Via"));
        assert_eq!(
            message.headers().get("From"),
            invite.1.headers().get("From")
        );
        assert!(
            message
                .headers()
                .get("CSeq")
                .is_some_and(|cseq| cseq.starts_with("1 "))
        );
    }
    assert_eq!(cancel.1.headers().get("To"), invite.1.headers().get("To"));
    assert!(ack.1.headers().to().is_ok_and(|to| to.tag().is_some()));
}

#[test]
fn the_contact_names_transport_and_scheme() {
    for (transport, uri, contact) in [
        (Transport::Udp, "sip:room@192.0.2.1", "<sip:192.0.2.1:5060>"),
        (
            Transport::Tcp,
            "sip:room@192.0.2.1",
            "<sip:192.0.2.1:5060;transport=tcp>",
        ),
        (
            Transport::Tls,
            "sips:room@192.0.2.1",
            "<sips:192.0.2.1:5060;transport=tls>",
        ),
        (
            Transport::Wss,
            "sip:room@192.0.2.1",
            "<sip:192.0.2.1:5060;transport=wss>",
        ),
    ] {
        let mut bench = Bench::new(transport, Settings::default());
        let text = invite("SIP/2.0/X 192.0.2.9;branch=z9hG4bK1", "");
        let text = String::from_utf8(text.to_vec()).expect("text");
        bench.receive(text.replacen("sip:room@192.0.2.1", uri, 1).into(), 1);
        bench.run(
            contact,
            "0 | | 100 INVITE, Invite+\n1 | .accept sdp | 200 INVITE+",
        );
        let (_, message, _) = bench.sent.last().expect("a 200");
        assert_eq!(message.headers().get("Contact"), Some(contact));
    }
}

#[test]
fn a_redirect_may_bring_its_contact_and_no_header_may_break_the_line() {
    let mut bench = Bench::udp();
    bench.run(
        "redirect",
        "0 | INVITE sdp | 100 INVITE, Invite+
         1 | .reject 302 {Contact: <sip:other@192.0.2.5>} | 302 INVITE",
    );
    let (_, message, _) = bench.sent.last().expect("a 302");
    assert_eq!(
        message.headers().get("Contact"),
        Some("<sip:other@192.0.2.5>")
    );
    let mut bench = Bench::udp();
    bench.run(
        "injection",
        "0 | INVITE sdp | 100 INVITE, Invite+
         1 | .accept sdp {X: a\rVia: b} | !bad-header
         2 | .accept sdp | 200 INVITE+",
    );
}

#[test]
fn a_multipart_invite_is_reduced_to_its_session_description() {
    let part = "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n\
                --b\r\nContent-Type: application/sdp\r\n\r\n";
    let body = format!("{part}{SDP}\r\n--b--\r\n");
    let text = invite("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1", "");
    let text = String::from_utf8(text.to_vec()).expect("text");
    let head = text.split_once("Content-Type").expect("a head").0;
    let mut bench = Bench::udp();
    let text = format!(
        "{head}Content-Type: multipart/mixed; boundary=\"b\"\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let now = bench.now;
    bench
        .endpoint
        .handle_message(now, flow(Transport::Udp, 1), text.into());
    let mut seen = None;
    while let Some(output) = bench.endpoint.poll_output() {
        if let crate::sip::endpoint::Output::Event(event) = output {
            let crate::sip::endpoint::Event::Invite { request, .. } = event else {
                panic!("INVITE")
            };
            seen = Some(request);
        }
    }
    let request = seen.expect("an Invite event");
    assert_eq!(request.body, SDP);
    assert_eq!(request.headers.get("Content-Type"), Some("application/sdp"));
}

#[test]
fn our_requests_follow_a_peer_behind_a_nat_to_its_new_port() {
    let mut bench = Bench::udp();
    bench.run(
        "nat",
        "0  | INVITE sdp  | 100 INVITE, Invite+
         0  | .accept sdp | 200 INVITE+
         10 | ACK 2xx     | Acked",
    );
    let text = bench
        .text_of("INFO")
        .replacen(";branch", ";rport;branch", 1);
    let remote = SocketAddr::from(([198, 51, 100, 7], 4321));
    let way = Flow {
        remote,
        ..flow(Transport::Udp, 1)
    };
    let now = bench.now;
    bench.endpoint.handle_message(now, way, text.into());
    bench.run("nat", "20 |      | Info\n30 | .bye | BYE, 487 INFO");
    let last: Vec<SocketAddr> = bench
        .sent
        .iter()
        .rev()
        .take(2)
        .map(|(way, ..)| way.remote)
        .collect();
    assert_eq!(last, [remote, remote]);
}

#[test]
fn the_remote_target_moves_with_what_is_accepted() {
    let theirs = "0  | INVITE sdp contact=old | 100 INVITE, Invite+
                  0  | .accept sdp            | 200 INVITE+
                  10 | ACK 2xx                | Acked\n";
    for (rows, target) in [
        (
            "20 | INFO contact=new | Info\n30 | .respond 200 | 200 INFO",
            "old",
        ),
        (
            "20 | INVITE sdp contact=new | 100 INVITE, Reinvite INVITE+
             30 | .respond 200 sdp       | 200 INVITE+
             40 | ACK 2xx                | Acked",
            "new",
        ),
        (
            "20 | INVITE sdp contact=new | 100 INVITE, Reinvite INVITE+
             30 | .respond 488           | 488 INVITE
             40 | ACK                    |",
            "old",
        ),
        ("20 | UPDATE contact=new | 200 UPDATE", "new"),
        (
            "20 | UPDATE sdp contact=new | Reinvite UPDATE+
             30 | .respond 200 sdp       | 200 UPDATE+",
            "new",
        ),
        (
            "20 | UPDATE sdp contact=new | Reinvite UPDATE+
             30 | .respond 488           | 488 UPDATE",
            "old",
        ),
        (
            "20 | .reinvite sdp              | INVITE+
             30 | 200 INVITE sdp contact=new | ACK, RequestAnswered 200",
            "new",
        ),
    ] {
        let mut bench = Bench::udp();
        bench.run(rows, &format!("{theirs}{rows}\n50 | .bye | BYE"));
        let (_, message, _) = bench.sent.last().expect("a BYE");
        let Message::Request(bye) = message else {
            panic!("a request")
        };
        assert_eq!(
            bye.uri.to_string(),
            format!("sip:{target}@192.0.2.9:5070"),
            "{rows}"
        );
    }
}
