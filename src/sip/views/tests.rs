use super::*;

fn one(name: &str, value: &str) -> Headers {
    let mut headers = Headers::new();
    headers.push(name, value).unwrap();
    headers
}

#[test]
fn via_is_read_with_white_space_wherever_it_may_stand() {
    for (input, printed) in [
        (
            "SIP/2.0/UDP a.example:5060;branch=z9hG4bK1",
            "SIP/2.0/UDP a.example:5060;branch=z9hG4bK1",
        ),
        (
            "SIP / 2.0 / TCP  a : 5060 ; rport ; x = y",
            "SIP/2.0/TCP a:5060;rport;x=y",
        ),
        ("sip/2.0/udp [2001:db8::1]", "SIP/2.0/udp [2001:db8::1]"),
        (
            "SIP/2.0/TLS [::1]:1;received=::2",
            "SIP/2.0/TLS [::1]:1;received=::2",
        ),
        (
            "SIP/2.0/WSS df7jal23ls0d.invalid;branch=a==",
            "SIP/2.0/WSS df7jal23ls0d.invalid;branch=a==",
        ),
    ] {
        let via = Via::parse(input).unwrap_or_else(|fault| panic!("{input}: {fault}"));
        assert_eq!(via.to_string(), printed);
        assert_eq!(Via::parse(printed), Ok(via), "{input}");
    }
    for (input, fault) in [
        ("", Fault::Malformed),
        ("SIP/2.0/UDP", Fault::Malformed),
        ("SIP/2.0 UDP a", Fault::Malformed),
        ("HTTP/2.0/UDP a", Fault::Malformed),
        ("SIP/2.0/U:P a", Fault::Malformed),
        ("SIP/2.0/UDP 2001:db8::1", Fault::BadPort),
        ("SIP/2.0/UDP a b", Fault::BadHost),
        ("SIP/2.0/UDP a:99999", Fault::BadPort),
        ("SIP/2.0/UDP a;;b", Fault::EmptyParameter),
        ("SIP/2.0/UDP a;branch=x y", Fault::BadParameter),
    ] {
        assert_eq!(Via::parse(input), Err(fault), "{input}");
    }
}

#[test]
fn via_parameters_are_read_and_filled_in() {
    for (params, branch, received, rport, has_rport) in [
        ("", None, None, None, false),
        (";branch=z9hG4bK", Some("z9hG4bK"), None, None, false),
        (";branch=;rport", None, None, None, true),
        (
            ";received=192.0.2.1;rport=9",
            None,
            Some("192.0.2.1"),
            Some(9),
            true,
        ),
        (
            ";received=2001:db8::1",
            None,
            Some("2001:db8::1"),
            None,
            false,
        ),
        (
            ";received=[2001:db8::1];rport=70000",
            None,
            Some("2001:db8::1"),
            None,
            true,
        ),
        (";received=a.example", None, None, None, false),
    ] {
        let via = Via::parse(&format!("SIP/2.0/UDP a{params}")).unwrap();
        assert_eq!(via.branch(), branch, "{params}");
        assert_eq!(
            via.received(),
            received.map(|r| r.parse().unwrap()),
            "{params}"
        );
        assert_eq!(
            (via.rport(), via.has_rport()),
            (rport, has_rport),
            "{params}"
        );
    }
    let mut via = Via::parse("SIP/2.0/UDP a;rport;branch=1").unwrap();
    via.set_rport(4000);
    via.set_received("2001:db8::1".parse().unwrap());
    assert_eq!(
        via.to_string(),
        "SIP/2.0/UDP a;rport=4000;branch=1;received=2001:db8::1"
    );
}

#[test]
fn numbers_have_their_ranges() {
    for (value, expected) in [
        ("1 INVITE", Ok((1, "INVITE"))),
        ("0009   INVITE", Ok((9, "INVITE"))),
        ("2147483647 ACK", Ok((2_147_483_647, "ACK"))),
        ("2147483648 ACK", Err(Fault::NumberTooLarge)),
        ("4294967296 ACK", Err(Fault::NumberTooLarge)),
        ("99999999999999999999999 ACK", Err(Fault::NumberTooLarge)),
        ("-1 ACK", Err(Fault::NotANumber)),
        ("+1 ACK", Err(Fault::NotANumber)),
        ("١ ACK", Err(Fault::NotANumber)),
        ("ACK", Err(Fault::Malformed)),
        ("1", Err(Fault::Malformed)),
        ("1 A B", Err(Fault::Malformed)),
    ] {
        let cseq = one("CSeq", value).cseq().map_err(|error| error.fault);
        assert_eq!(
            cseq.as_ref().map(|c| (c.seq, c.method.as_str())),
            expected.as_ref().map(|e| *e)
        );
    }
    for (value, expected) in [
        ("0", Ok(Some(0))),
        ("0068", Ok(Some(68))),
        ("255", Ok(Some(255))),
        ("256", Err(Fault::NumberTooLarge)),
        ("", Err(Fault::NotANumber)),
        ("7 0", Err(Fault::NotANumber)),
    ] {
        let hops = one("Max-Forwards", value)
            .max_forwards()
            .map_err(|error| error.fault);
        assert_eq!(hops, expected, "{value}");
    }
    assert_eq!(Headers::new().max_forwards(), Ok(None));
    for (value, seconds) in [
        ("60", 60),
        ("4294967295", u32::MAX),
        ("99999999999", u32::MAX),
    ] {
        assert_eq!(
            one("Expires", value).expires(),
            Ok(Some(seconds)),
            "{value}"
        );
    }
    for (value, seconds) in [
        ("18000;duration=3600", 18000),
        ("120 (I'm in a meeting)", 120),
    ] {
        assert_eq!(
            one("Retry-After", value).retry_after(),
            Ok(Some(seconds)),
            "{value}"
        );
    }
}

#[test]
fn errors_name_header_and_fault() {
    assert_eq!(
        one("CSeq", "2147483648 ACK")
            .cseq()
            .unwrap_err()
            .to_string(),
        "CSeq: number too large"
    );
    assert_eq!(
        Headers::new().from().unwrap_err().to_string(),
        "From: missing"
    );
    assert_eq!(
        one("Call-ID", "").call_id(),
        Err(Fault::Empty.at("Call-ID"))
    );
    assert_eq!(
        one("Call-ID", "a b").call_id(),
        Err(Fault::WhiteSpace.at("Call-ID"))
    );
}

#[test]
fn contact_is_a_star_or_addresses() {
    for (value, star, users) in [
        ("*", true, Ok(vec![])),
        ("<sip:a@h>, <sip:b@h>;q=1", false, Ok(vec!["a", "b"])),
        ("*, <sip:b@h>", false, Err(Fault::NoScheme)),
    ] {
        let headers = one("Contact", value);
        assert_eq!(headers.is_contact_star(), star, "{value}");
        let read = headers.contacts().map_err(|error| error.fault);
        let read = read.map(|all| all.into_iter().flat_map(|c| c.uri.user).collect::<Vec<_>>());
        assert_eq!(
            read,
            users.map(|u| u.into_iter().map(str::to_owned).collect()),
            "{value}"
        );
    }
}

#[test]
fn the_topmost_via_is_read_even_when_others_are_broken() {
    let headers = one("Via", "SIP/2.0/UDP a;branch=1, nonsense");
    assert_eq!(headers.via().unwrap().branch(), Some("1"));
    assert_eq!(headers.vias().unwrap_err().to_string(), "Via: malformed");
}

#[test]
fn the_headers_of_the_extensions_are_read() {
    let reasons = one("Reason", "Q.850 ;cause=16 ;text=\"Bye, all\", SIP;cause=x")
        .reasons()
        .unwrap();
    assert_eq!(
        reasons,
        [
            Reason {
                protocol: "Q.850".into(),
                cause: Some(16),
                text: Some("Bye, all".into())
            },
            Reason {
                protocol: "SIP".into(),
                cause: None,
                text: None
            },
        ]
    );
    let rack = one("RAck", "776656 1 INVITE").rack().unwrap().unwrap();
    assert_eq!(
        (rack.rseq, rack.cseq.to_string().as_str()),
        (776_656, "1 INVITE")
    );
    let session = one("x", "1800 ;refresher=UAS")
        .session_expires()
        .unwrap()
        .unwrap();
    assert_eq!(
        (session.interval_s, session.refresher.as_deref()),
        (1800, Some("uas"))
    );
    assert_eq!(one("Min-SE", "90;lr").min_se(), Ok(Some(90)));
    assert_eq!(one("RSeq", "5").rseq(), Ok(Some(5)));
    let refer = one("r", "<sip:a@h?Replaces=1%40x>")
        .refer_to()
        .unwrap()
        .unwrap();
    assert_eq!(refer.uri.headers.as_deref(), Some("Replaces=1%40x"));
    let replaces = one("Replaces", "9@h;to-tag=a;from-tag=b;early-only")
        .replaces()
        .unwrap()
        .unwrap();
    assert_eq!(
        (replaces.to_tag.as_str(), replaces.from_tag.as_str()),
        ("a", "b")
    );
    assert!(replaces.early_only && replaces.call_id == "9@h");
    assert_eq!(
        one("Replaces", "9@h;to-tag=a").replaces(),
        Err(Fault::Missing.at("Replaces"))
    );
    let media = one("c", "Application/SDP; charset=\"utf-8\"")
        .content_type()
        .unwrap()
        .unwrap();
    assert_eq!(media.essence, "application/sdp");
    assert_eq!(media.params.unquoted("charset").as_deref(), Some("utf-8"));
    assert_eq!(
        one("c", "sdp").content_type(),
        Err(Fault::Malformed.at("Content-Type"))
    );
    assert_eq!(Headers::new().accept(), Ok(None));
    assert_eq!(one("Accept", "").accept(), Ok(Some(vec![])));
    assert_eq!(one("Allow", "INVITE, FOO").allow().unwrap().len(), 2);
    assert_eq!(
        one("k", "timer,100rel").supported().unwrap(),
        ["timer", "100rel"]
    );
}
