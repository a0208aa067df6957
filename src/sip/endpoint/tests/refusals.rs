//! What is answered without a call: every status that the module text of `arrive` names.

use super::bench::Bench;
use crate::sip::endpoint::Settings;
use crate::sip::flow::Transport;
use crate::sip::message::Message;

#[test]
fn requests_outside_of_dialogs_get_their_status() {
    for (input, outputs) in [
        ("OPTIONS out", "200 OPTIONS"),
        ("REGISTER out", "401 REGISTER"),
        ("SUBSCRIBE out", "405 SUBSCRIBE"),
        ("PUBLISH out", "405 PUBLISH"),
        ("MESSAGE out", "405 MESSAGE"),
        ("NOTIFY out", "405 NOTIFY"),
        ("REFER out", "405 REFER"),
        ("PRACK out", "405 PRACK"),
        ("FROB out", "501 FROB"),
        ("BYE out", "481 BYE"),
        ("INFO out", "481 INFO"),
        ("UPDATE out", "481 UPDATE"),
        ("CANCEL", "481 CANCEL"),
        ("ACK out", ""),
        ("OPTIONS out {Require: timer}", "420 OPTIONS"),
        ("OPTIONS out {Proxy-Require: sec-agree}", "200 OPTIONS"),
        ("INVITE out {Require: 100rel, timer}", "420 INVITE"),
        ("INVITE out {Accept: text/plain}", "406 INVITE"),
        (
            "INVITE out {Accept: text/plain, application/*}",
            "100 INVITE, Invite",
        ),
        ("INVITE out sdp {Content-Type: text/plain}", "415 INVITE"),
        (
            "INVITE out sdp {Content-Type: multipart/mixed;boundary=x}",
            "415 INVITE",
        ),
        ("INVITE out sdp {Content-Encoding: gzip}", "415 INVITE"),
    ] {
        let mut bench = Bench::udp();
        bench.run(input, &format!("0 | {input} | {outputs}"));
    }
}

#[test]
fn requests_inside_unknown_dialogs_get_481() {
    for method in ["INVITE", "BYE", "INFO", "UPDATE", "OPTIONS"] {
        let mut bench = Bench::udp();
        bench.run(
            method,
            "0 | INVITE sdp  | 100 INVITE, Invite+
             1 | .reject 486 | 486 INVITE
             2 | ACK         |",
        );
        bench.run(method, &format!("3 | {method} | 481 {method}"));
    }
}

#[test]
fn refusals_say_what_would_be_accepted() {
    for (input, name, value) in [
        (
            "MESSAGE out",
            "Allow",
            "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REGISTER",
        ),
        (
            "FROB out",
            "Allow",
            "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REGISTER",
        ),
        (
            "OPTIONS out",
            "Allow",
            "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REGISTER",
        ),
        ("OPTIONS out", "Accept", "application/sdp"),
        ("OPTIONS out", "Contact", "<sip:192.0.2.1:5060>"),
        (
            "INVITE out {Require: 100rel, timer}",
            "Unsupported",
            "100rel, timer",
        ),
        (
            "INVITE out sdp {Content-Type: text/plain}",
            "Accept",
            "application/sdp",
        ),
    ] {
        let mut bench = Bench::udp();
        bench.answer(input);
        let (_, message, _) = bench.sent.last().expect("an answer");
        assert_eq!(message.headers().get(name), Some(value), "{input}");
        assert!(
            message.headers().to().is_ok_and(|to| to.tag().is_some()),
            "{input}: To tag"
        );
        assert!(message.headers().get("Server").is_some(), "{input}: Server");
    }
}

#[test]
fn max_forwards_0_refuses_an_invite_and_no_options() {
    for (method, outputs) in [("INVITE", "483 INVITE"), ("OPTIONS", "200 OPTIONS")] {
        let mut bench = Bench::udp();
        let text = format!(
            "{method} sip:room@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
             Max-Forwards: 0\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:room@192.0.2.1>\r\nCall-ID: 1\r\n\
             CSeq: 1 {method}\r\n\r\n"
        );
        bench.receive(text.into(), 1);
        bench.run(method, &format!("0 | | {outputs}"));
    }
}

#[test]
fn a_uri_of_another_scheme_gets_416_and_tel_is_taken() {
    for (uri, outputs) in [
        ("mailto:room@192.0.2.1", "416 INVITE"),
        ("tel:+15550100", "100 INVITE, Invite"),
        ("sips:room@192.0.2.1", "100 INVITE, Invite"),
    ] {
        let mut bench = Bench::udp();
        let text = format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:a@b>;tag=1\r\nTo: <{uri}>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:a@192.0.2.9>\r\n\r\n"
        );
        bench.receive(text.into(), 1);
        bench.run(uri, &format!("0 | | {outputs}"));
    }
}

#[test]
fn the_same_request_over_another_path_gets_482() {
    let mut bench = Bench::udp();
    bench.run(
        "merged",
        "0  | INVITE out sdp         | 100 INVITE, Invite+
         10 | INVITE out sdp seq=101 | 482 INVITE
         20 | ACK                    |
         30 | INVITE out sdp seq=101 tag=other | 100 INVITE, Invite+",
    );
}

#[test]
fn a_full_or_draining_endpoint_takes_no_new_call_and_serves_the_old() {
    let settings = Settings {
        calls_max: 1,
        ..Settings::default()
    };
    let mut bench = Bench::new(Transport::Udp, settings);
    bench.run(
        "calls_max",
        "0  | INVITE sdp     | 100 INVITE, Invite+
         0  | .accept sdp    | 200 INVITE+
         10 | ACK 2xx        | Acked
         20 | INVITE out sdp tag=x | 503 INVITE
         30 | ACK out tag=x  |
         35 | OPTIONS out    | 200 OPTIONS
         40 | BYE            | 200 BYE, Bye
         50 | INVITE out sdp | 100 INVITE, Invite+
         60 | CANCEL         | 200 CANCEL, 487 INVITE, Cancelled
         65 | ACK out        |
         70 | .drain         |
         80 | INVITE out sdp | 503 INVITE
         85 | ACK out        |",
    );
    let refused = bench
        .sent
        .iter()
        .filter_map(|(_, message, _)| match message {
            Message::Response(response) if response.code == 503 => Some(&response.headers),
            Message::Response(_) | Message::Request(_) => None,
        });
    assert_eq!(
        refused.filter(|h| h.retry_after() == Ok(Some(10))).count(),
        2
    );
    assert_eq!(bench.endpoint.counters().shed, 2);
    bench.run_out("calls_max");
}

#[test]
fn without_free_transactions_new_requests_get_503_and_calls_still_end() {
    let settings = Settings {
        transactions_max: 3,
        ..Settings::default()
    };
    let mut bench = Bench::new(Transport::Udp, settings);
    bench.run(
        "transactions_max",
        "0  | INVITE sdp     | 100 INVITE, Invite+
         0  | .accept sdp    | 200 INVITE+
         10 | ACK 2xx        | Acked
         20 | OPTIONS out    | 200 OPTIONS
         21 | OPTIONS out    | 200 OPTIONS
         22 | OPTIONS out    | 503 OPTIONS
         22 | again          | 503 OPTIONS
         23 | INVITE out sdp tag=x | 503 INVITE
         24 | INFO           | 500 INFO
         25 | OPTIONS        | 200 OPTIONS
         26 | INVITE sdp     | 503 INVITE
         30 | BYE            | 200 BYE, Bye
         31 | again          | 481 BYE
         40 | .invite sdp    | Failed 503",
    );
    assert_eq!(bench.endpoint.transactions(), 3);
    bench.run_out("transactions_max");
}

#[test]
fn garbage_and_strays_are_counted() {
    let mut bench = Bench::udp();
    bench.receive("hello\r\n\r\n".into(), 1);
    bench.run(
        "garbage",
        "0 | | 
         0 | ACK out | 
         0 | .invite sdp | INVITE+
         0 | 200 INVITE {Via: SIP/2.0/UDP 192.0.2.3;branch=z9hG4bKother} | ",
    );
    let counters = bench.endpoint.counters();
    let counted = (
        counters.messages,
        counters.garbage,
        counters.stray_acks,
        counters.stray_responses,
    );
    assert_eq!(counted, (3, 1, 1, 1));
}
