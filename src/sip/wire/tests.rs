use super::super::torture::corpus;
use super::*;
use proptest::prelude::*;

const INVITE: &str = "INVITE sip:bob@example.com SIP/2.0";
const HEADERS: &str = "Via: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n\
    From: <sip:alice@example.com>;tag=1\r\n\
    To: <sip:bob@example.com>\r\n\
    Call-ID: c1\r\n\
    CSeq: 1 INVITE\r\n";

fn message(start: &str, more: &str, body: &str) -> Vec<u8> {
    format!("{start}\r\n{HEADERS}{more}\r\n{body}").into_bytes()
}

fn read(octets: impl Into<Bytes>) -> Result<Message, Box<Unparsable>> {
    parse(octets.into(), Framing::Datagram)
}

fn error_of(octets: impl Into<Bytes>) -> String {
    read(octets).unwrap_err().to_string()
}

#[test]
fn start_lines() {
    for (start, expected) in [
        ("INVITE sip:bob@example.com SIP/2.0", "read"),
        ("INVITE sip:bob@example.com sip/2.0", "read"),
        ("invite sip:bob@example.com SIP/2.0", "read"),
        ("SIP/2.0 200 OK", "read"),
        ("sip/2.0 699", "read"),
        ("SIP/2.0 100 ", "read"),
        ("SIP/2.0 200  two  spaces", "read"),
        ("SIP/2.0 99 x", "start line: not a status code"),
        ("SIP/2.0 0200 x", "start line: not a status code"),
        ("SIP/2.0 700 x", "start line: not a status code"),
        ("SIP/2.0 +20 x", "start line: not a status code"),
        ("SIP/2.0", "start line: malformed"),
        ("SIP/3.0 200 OK", "start line: version not supported"),
        (
            "INVITE sip:bob@example.com SIP/2.1",
            "start line: version not supported",
        ),
        (
            "INVITE sip:bob@example.com SIP/x.0",
            "start line: malformed",
        ),
        (
            "INVITE sip:bob@example.com HTTP/1.1",
            "start line: malformed",
        ),
        ("INVITE sip:bob@example.com", "start line: malformed"),
        ("INVITE", "start line: malformed"),
        (
            "IN(VITE sip:bob@example.com SIP/2.0",
            "start line: malformed",
        ),
        (
            "INVITE\tsip:bob@example.com SIP/2.0",
            "start line: malformed",
        ),
        ("INVITE bob SIP/2.0", "Request-URI: no URI scheme"),
        (
            "INVITE sip:bob@example.com SIP/2.0 x",
            "Request-URI: white space not allowed",
        ),
        (
            "INVITE sip:b\tob@example.com SIP/2.0",
            "Request-URI: white space not allowed",
        ),
        (
            "INVITE sip:bob@example.com\r\n SIP/2.0",
            "Request-URI: white space not allowed",
        ),
        (
            "INVITE sip:b\nob@example.com SIP/2.0",
            "Request-URI: white space not allowed",
        ),
        (
            "SIP/2.0 200 O\nK",
            "start line: control character in a line",
        ),
    ] {
        let found = read(message(start, "", "")).map_or_else(|e| e.to_string(), |_| "read".into());
        assert_eq!(found, expected, "{start:?}");
    }
}

#[test]
fn header_lines() {
    for (line, expected) in [
        ("X-A: b", "read"),
        ("X-A:b", "read"),
        ("X-A \t : b", "read"),
        ("X-A:", "read"),
        ("X-A: b\r\n\tc", "read"),
        ("X-A:\r\n \r\n b", "read"),
        ("X-A: \"a\\\0\"", "read"),
        ("X-A: b\0", "header line 6: control character in a line"),
        ("X-A: b\nc", "header line 6: control character in a line"),
        ("X-A: b\rc", "header line 6: control character in a line"),
        (
            "X-A: b\n\r\n c",
            "header line 6: control character in a line",
        ),
        ("X-A", "header line 6: no colon"),
        (": b", "header line 6: character not allowed"),
        ("X A: b", "header line 6: character not allowed"),
        ("X\u{e9}: b", "header line 6: character not allowed"),
        ("Max-Forwards: 256", "Max-Forwards: number too large"),
        ("Max-Forwards: -1", "Max-Forwards: not a number"),
        (
            "l: 0\r\nContent-Length: 0",
            "Content-Length: given more than once",
        ),
        ("f: <sip:x@y>", "From: given more than once"),
        ("t: <sip:x@y>", "To: given more than once"),
        ("i: c1", "Call-ID: given more than once"),
        ("CSEQ: 1 INVITE", "CSeq: given more than once"),
        (
            "Max-Forwards: 1\r\nMax-Forwards: 1",
            "Max-Forwards: given more than once",
        ),
        ("m: <sip:a@b", "Contact: unbalanced angle brackets"),
        ("l: 4294967296", "Content-Length: number too large"),
        (
            "l: 18446744073709551615",
            "Content-Length: number too large",
        ),
        ("l: 1e1", "Content-Length: not a number"),
        ("l: 4294967295", "Content-Length: larger than the message"),
    ] {
        let octets = message(INVITE, &format!("{line}\r\n"), "");
        let found = read(octets).map_or_else(|e| e.to_string(), |_| "read".into());
        assert_eq!(found, expected, "{line:?}");
    }
}

#[test]
fn folds_become_one_space() {
    for (line, value) in [
        ("X-A: b\r\n\t c \r\n  d", "b c d"),
        ("X-A:\r\n b", "b"),
        ("X-A: b \t", "b"),
        ("X-A: b\r\n ", "b"),
        ("X-A\r\n : b", "b"),
    ] {
        let read = read(message(INVITE, &format!("{line}\r\n"), "")).unwrap();
        assert_eq!(read.headers().get("x-a"), Some(value), "{line:?}");
    }
}

#[test]
fn each_required_header_is_required() {
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let dropped = |line: &&str| !line.starts_with(name);
        let lines: Vec<&str> = HEADERS.split_inclusive("\r\n").filter(dropped).collect();
        let octets = format!("{INVITE}\r\n{}\r\n", lines.concat());
        let unparsable = read(octets).unwrap_err();
        assert_eq!(unparsable.to_string(), format!("{name}: missing"));
        assert_eq!(unparsable.refusal.is_some(), name != "Via", "{name}");
    }
}

#[test]
fn the_body_ends_where_content_length_and_framing_say() {
    for (line, body, framing, expected) in [
        ("", "abc", Framing::Datagram, Some("abc")),
        ("", "", Framing::Stream, Some("")),
        ("", "abc", Framing::Stream, Some("")),
        ("l: 2\r\n", "abc", Framing::Datagram, Some("ab")),
        (
            "Content-Length : 003\r\n",
            "abc",
            Framing::Stream,
            Some("abc"),
        ),
        (
            "Content-Length:\r\n 3\r\n",
            " bc",
            Framing::Stream,
            Some(" bc"),
        ),
        ("l: 4\r\n", "abc", Framing::Datagram, None),
        ("l: 4\r\n", "abc", Framing::Stream, None),
        ("l: \r\n", "", Framing::Datagram, None),
        ("", " abc\r\n\r\n", Framing::Datagram, Some(" abc\r\n\r\n")),
    ] {
        let read = parse(message(INVITE, line, body).into(), framing);
        let read = read
            .ok()
            .map(|m| String::from_utf8(m.body().to_vec()).unwrap());
        assert_eq!(read.as_deref(), expected, "{line:?} {body:?} {framing:?}");
    }
}

#[test]
fn limits_are_kept() {
    let line = |length: usize| format!("X: {}\r\n", "y".repeat(length - 3));
    let lines = |count: usize| "X: y\r\n".repeat(count - 5);
    assert!(read(message(INVITE, &line(LINE_BYTES_MAX), "")).is_ok());
    let long = message(INVITE, &line(LINE_BYTES_MAX + 1), "");
    assert_eq!(error_of(long), "header line 6: too long");
    let long = message(
        &format!("INVITE sip:{}@b SIP/2.0", "a".repeat(9000)),
        "",
        "",
    );
    assert_eq!(error_of(long), "start line: too long");
    assert!(read(message(INVITE, &lines(HEADERS_MAX), "")).is_ok());
    let many = read(message(INVITE, &lines(HEADERS_MAX + 1), "")).unwrap_err();
    assert_eq!(many.to_string(), "header lines: too many");
    assert_eq!(many.refusal.unwrap().headers.len(), 5);
    let fill = MESSAGE_BYTES_MAX - message(INVITE, "", "").len();
    assert!(read(message(INVITE, "", &"b".repeat(fill))).is_ok());
    assert_eq!(
        error_of(message(INVITE, "", &"b".repeat(fill + 1))),
        "message: too long"
    );
}

#[test]
fn only_requests_with_a_via_that_are_no_ack_are_refused() {
    for (octets, answer) in [
        (message(INVITE, "l: x\r\n", ""), Some(400)),
        (
            message("ACK sip:bob@example.com SIP/2.0", "l: x\r\n", ""),
            None,
        ),
        (
            message(" ACK sip:bob@example.com SIP/2.0", "l: x\r\n", ""),
            None,
        ),
        (message("SIP/2.0 200 OK", "l: x\r\n", ""), None),
        (message("SIP/9.0 200 OK", "", ""), None),
        (
            message("BYE sip:bob@example.com SIP/9.0", "", ""),
            Some(505),
        ),
        (message("BYE", "", ""), Some(400)),
        (message("{}", "", ""), None),
        (b"BYE sip:bob@example.com SIP/2.0\r\n\r\n".to_vec(), None),
        (b"hello".to_vec(), None),
        (b"\r\n\r\n".to_vec(), None),
        (Vec::new(), None),
        (HEADERS.as_bytes().to_vec(), None),
        (format!("{INVITE}\r\n{HEADERS}").into_bytes(), Some(400)),
    ] {
        let shown = String::from_utf8_lossy(&octets).into_owned();
        let refusal = read(octets).unwrap_err().refusal;
        assert_eq!(refusal.map(|r| r.code), answer, "{shown:?}");
    }
}

#[test]
fn a_refusal_is_a_message_that_can_be_read() {
    let refusal = read(message(INVITE, "l: x\r\nv: SIP/2.0/TCP b\r\n", ""))
        .unwrap_err()
        .refusal;
    let written = write(&refusal.unwrap());
    assert_eq!(
        written,
        format!(
            "SIP/2.0 400 Content-Length: not a number\r\n\
             Via: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n\
             Via: SIP/2.0/TCP b\r\n{}Content-Length: 0\r\n\r\n",
            HEADERS.split_once("\r\n").unwrap().1
        )
    );
    assert!(read(written).is_ok());
}

#[test]
fn octets_that_are_not_utf_8_pass_unchanged() {
    let private = "\u{f7e9}".as_bytes();
    for value in [
        &b"Andr\xe9"[..],
        b"\xff\xfe\x80",
        "é大\u{e000}".as_bytes(),
        private,
        b"\xef\x9f",
    ] {
        let mut octets = message(INVITE, "", "");
        octets.truncate(octets.len() - 2);
        let line = [b"Subject: ", value, b"\r\nContent-Length: 0\r\n\r\n"].concat();
        octets.extend_from_slice(&line);
        let read = read(octets.clone()).unwrap();
        assert_eq!(write(&read), octets, "{value:?}");
    }
}

#[test]
fn what_a_script_gives_cannot_split_the_start_line() {
    let mut refusal = Response::to_request(&Headers::new(), 486, Some("Busy\r\nX-Evil: 1\r\n\r\n"));
    refusal.headers.push("l", "77").unwrap();
    refusal.body = Bytes::from_static(b"abc");
    assert_eq!(
        write(&refusal),
        "SIP/2.0 486 Busy  X-Evil: 1    \r\nContent-Length: 3\r\n\r\nabc"
    );
}

fn mutated(octets: &Bytes, changes: &[(u8, u16, u8)]) -> Vec<u8> {
    const INSERTS: [&[u8]; 8] = [b"\r\n", b"\r\n ", b"\"", b"<", b";", b",", b"\0", b"\xff"];
    let mut octets = octets.to_vec();
    for (kind, at, with) in changes {
        let at = usize::from(*at) % (octets.len() + 1);
        match kind % 4 {
            0 => octets.insert(at, *with),
            1 => octets.truncate(at.max(40)),
            2 if at < octets.len() => octets[at] = *with,
            2 => {}
            _ => {
                let insert = INSERTS[usize::from(*with) % INSERTS.len()];
                octets.splice(at..at, insert.iter().copied()).for_each(drop);
            }
        }
    }
    octets
}

/// What was read is read again from what is written, and writing that changes nothing.
fn check_stable(octets: Vec<u8>) {
    for framing in [Framing::Datagram, Framing::Stream] {
        match parse(octets.clone().into(), framing) {
            Ok(message) => {
                let written = write(&message);
                let again = parse(written.clone(), Framing::Stream).expect("ours can be read");
                assert_eq!(again.body(), message.body());
                assert_eq!(write(&again), written);
                look_at_all_views(message.headers());
            }
            Err(unparsable) => {
                let Some(refusal) = unparsable.refusal else {
                    continue;
                };
                let written = write(&refusal);
                assert!(written.starts_with(b"SIP/2.0 "));
                assert!(written.ends_with(b"Content-Length: 0\r\n\r\n"));
            }
        }
    }
}

fn look_at_all_views(headers: &Headers) {
    let _ = (
        headers.vias(),
        headers.content_type(),
        headers.accept(),
        headers.allow(),
    );
    let _ = (
        headers.routes(),
        headers.record_routes(),
        headers.supported(),
        headers.require(),
    );
    let _ = (
        headers.reasons(),
        headers.expires(),
        headers.retry_after(),
        headers.rack(),
    );
    let _ = (
        headers.session_expires(),
        headers.min_se(),
        headers.replaces(),
        headers.refer_to(),
    );
    for address in headers
        .contacts()
        .into_iter()
        .flatten()
        .chain(headers.from())
    {
        let printed = address.to_string();
        let again = super::super::NameAddr::parse(&printed).expect("what we print can be read");
        assert_eq!(again.uri, address.uri);
        assert!(again.uri.equivalent(&address.uri));
        let _ = address.uri.user_unescaped();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        check_stable(octets);
    }

    #[test]
    fn changed_messages_of_the_corpus_never_panic_and_are_read_again_as_written(
        file in 0..61usize,
        changes in proptest::collection::vec(any::<(u8, u16, u8)>(), 1..6),
    ) {
        check_stable(mutated(&corpus()[file], &changes));
    }

    #[test]
    fn random_text_is_a_stable_header_value(value in "[ -~\\t\u{e9}\\\\\"<>;,:@?=%]{0,60}") {
        let address = super::super::NameAddr::parse(&value);
        if let Ok(address) = address {
            let again = super::super::NameAddr::parse(&address.to_string());
            prop_assert_eq!(again.map(|a| (a.uri, a.params)), Ok((address.uri, address.params)));
        }
        if let Ok(uri) = Uri::parse(&value) {
            prop_assert_eq!(Uri::parse(&uri.to_string()), Ok(uri));
        }
        if let Ok(via) = super::super::Via::parse(&value) {
            prop_assert_eq!(super::super::Via::parse(&via.to_string()), Ok(via));
        }
    }

    #[test]
    fn any_octets_survive_as_text(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
        let mut again = Vec::new();
        text::encode(&text::decode(&octets), &mut again);
        prop_assert_eq!(again, octets);
    }
}
