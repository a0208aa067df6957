use super::*;

/// Text, user, password, host, port, parameters, headers.
type Parts = (
    Option<&'static str>,
    Option<&'static str>,
    &'static str,
    Option<u16>,
    &'static str,
);

#[test]
fn parts_are_kept_as_received_and_printed_again() {
    let rows: &[(&str, Parts)] = &[
        (
            "sip:alice@example.com",
            (Some("alice"), None, "example.com", None, ""),
        ),
        (
            "sips:alice:pa:ss@h:5061",
            (Some("alice"), Some("pa:ss"), "h", Some(5061), ""),
        ),
        (
            "sip:example.com;lr",
            (None, None, "example.com", None, ";lr"),
        ),
        (
            "sip:a;b=c?d@h;e=f?g=h&i",
            (Some("a;b=c?d"), None, "h", None, ";e=f"),
        ),
        ("sip:%61%ZZ%@h", (Some("%61%ZZ%"), None, "h", None, "")),
        (
            "sip:[2001:DB8::1]:5070;transport=tcp",
            (None, None, "[2001:DB8::1]", Some(5070), ";transport=tcp"),
        ),
        ("sip:u@[::1]", (Some("u"), None, "[::1]", None, "")),
        (
            "sip:#31#+49(0)30@192.0.2.1:0",
            (Some("#31#+49(0)30"), None, "192.0.2.1", Some(0), ""),
        ),
        (
            "sip:жук@h_1.example.",
            (Some("жук"), None, "h_1.example.", None, ""),
        ),
        (
            "tel:+1-201-555-0123",
            (Some("+1-201-555-0123"), None, "", None, ""),
        ),
        (
            "tel:*21#;phone-context=+1",
            (Some("*21#"), None, "", None, ";phone-context=+1"),
        ),
        ("isbn:2983792873", (None, None, "", None, "")),
        ("urn:service:sos;x?y@z", (None, None, "", None, "")),
    ];
    for (input, (user, password, host, port, params)) in rows {
        let uri = Uri::parse(input).unwrap_or_else(|fault| panic!("{input}: {fault}"));
        assert_eq!(uri.user.as_deref(), *user, "{input}");
        assert_eq!(uri.password.as_deref(), *password, "{input}");
        assert_eq!(uri.host.as_str(), *host, "{input}");
        assert_eq!(uri.port, *port, "{input}");
        assert_eq!(uri.params.to_string(), *params, "{input}");
        assert_eq!(uri.to_string(), *input);
        assert_eq!(Uri::parse(&uri.to_string()).as_ref(), Ok(&uri), "{input}");
    }
}

#[test]
fn malformed_uris_name_their_fault() {
    for (input, fault) in [
        ("", Fault::NoScheme),
        ("alice@example.com", Fault::NoScheme),
        ("1sip:alice@example.com", Fault::NoScheme),
        ("sip:", Fault::BadHost),
        ("sip:@example.com", Fault::Empty),
        ("sip::pw@example.com", Fault::Empty),
        ("sip:alice@", Fault::BadHost),
        ("sip:alice@good.example@evil.example", Fault::BadHost),
        ("sip:alice@ex ample.com", Fault::WhiteSpace),
        ("sip:alice@example.com; lr", Fault::WhiteSpace),
        ("sip:a\"b@example.com", Fault::BadCharacter),
        ("<sip:alice@example.com>", Fault::BadCharacter),
        ("sip:a\0b@example.com", Fault::BadCharacter),
        ("sip:2001:db8::10", Fault::BadPort),
        ("sip:[2001:db8::10", Fault::BadHost),
        ("sip:[fe80::1%25eth0]", Fault::BadHost),
        ("sip:[192.0.2.1]", Fault::BadHost),
        ("sip:h:", Fault::BadPort),
        ("sip:h:65536", Fault::BadPort),
        ("sip:h:+5060", Fault::BadPort),
        ("sip:h;;lr", Fault::EmptyParameter),
        ("sip:h;", Fault::EmptyParameter),
        ("sip:h;=x", Fault::BadParameter),
        ("tel:", Fault::BadNumber),
        ("tel:+", Fault::BadNumber),
        ("tel:alice", Fault::BadNumber),
        ("name:", Fault::Empty),
    ] {
        assert_eq!(Uri::parse(input), Err(fault), "{input:?}");
    }
}

// tidy: table
#[test]
fn equality_follows_the_examples_of_rfc_3261_and_rfc_3966() {
    for (one, other, equal) in [
        (
            "sip:%61lice@atlanta.com;transport=TCP",
            "sip:alice@AtlanTa.CoM;Transport=tcp",
            true,
        ),
        (
            "sip:carol@chicago.com",
            "sip:carol@chicago.com;newparam=5",
            true,
        ),
        (
            "sip:carol@chicago.com;newparam=5",
            "sip:carol@chicago.com;security=on",
            true,
        ),
        (
            "sip:carol@chicago.com;security=on",
            "sip:carol@chicago.com;security=off",
            false,
        ),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            true,
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            true,
        ),
        (
            "SIP:ALICE@AtLanTa.CoM;Transport=udp",
            "sip:alice@AtLanTa.CoM;Transport=UDP",
            false,
        ),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false),
        (
            "sip:bob@biloxi.com",
            "sip:bob@biloxi.com;transport=udp",
            false,
        ),
        (
            "sip:bob@biloxi.com",
            "sip:bob@biloxi.com:6000;transport=tcp",
            false,
        ),
        (
            "sip:carol@chicago.com",
            "sip:carol@chicago.com?Subject=next%20meeting",
            false,
        ),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com", false),
        ("sip:bob@biloxi.com", "sip:biloxi.com", false),
        ("sip:bob@biloxi.com", "sip:bob:pw@biloxi.com", false),
        ("sip:bob@[2001:DB8:0::1]", "sip:bob@[2001:db8::1]", true),
        (
            "sip:bob@biloxi.com;maddr=1.2.3.4",
            "sip:bob@biloxi.com",
            false,
        ),
        ("sip:bob@x;a=1;A=2", "sip:bob@x;a=1", true),
        ("sip:bob@x;a=1;A=2", "sip:bob@x;a=2", false),
        ("tel:+1-201-555-0123", "tel:+12015550123", true),
        ("tel:+1(201)555.0123", "TEL:+12015550123", true),
        (
            "tel:863;a=b;phone-context=x",
            "tel:8-63;PHONE-context=X;a=b",
            true,
        ),
        ("tel:863;phone-context=x", "tel:863;phone-context=y", false),
        ("tel:863", "tel:863;a=b", false),
        ("isbn:1", "ISBN:1", true),
        ("isbn:1", "isbn:2", false),
        ("isbn:1", "issn:1", false),
    ] {
        let (a, b) = (Uri::parse(one).unwrap(), Uri::parse(other).unwrap());
        assert_eq!(a.equivalent(&b), equal, "{one} and {other}");
        assert_eq!(b.equivalent(&a), equal, "{other} and {one}");
        assert!(a.equivalent(&a), "{one}");
    }
}

#[test]
fn escapes_are_undone_once_and_only_where_they_are_escapes() {
    for (user, unescaped) in [
        ("alice", "alice"),
        ("I%20have%20spaces", "I have spaces"),
        ("%2541", "%41"),
        ("%Z%45%", "%ZE%"),
        ("%4", "%4"),
        ("%00", "\0"),
        ("%C3%A9", "é"),
    ] {
        let uri = Uri::sip(Some(user), Host::parse("h").unwrap(), None);
        assert_eq!(uri.user_unescaped().as_deref(), Some(unescaped), "{user}");
        assert_eq!(uri.to_string(), format!("sip:{user}@h"));
    }
    let latin = Uri::parse("sip:%E9@h").unwrap().user_unescaped().unwrap();
    assert_eq!(text::readable(&latin), "é");
    for user in ["alice", "100%", "a b", "é", "a@b:c", "#31", "x\r\ny"] {
        let escaped = Uri::escape_user(user);
        let uri = Uri::parse(&format!("sip:{escaped}@h")).unwrap();
        assert_eq!(uri.user_unescaped().as_deref(), Some(user));
    }
}

#[test]
fn addresses_print_with_the_brackets_that_a_uri_needs() {
    for (address, printed) in [("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "[2001:db8::1]")] {
        let host = Host::from(address.parse::<IpAddr>().unwrap());
        assert_eq!(host.to_string(), printed);
        assert_eq!(Host::parse(printed), Ok(host));
    }
    assert_eq!(
        Host::parse("[::ffff:192.0.2.1]").unwrap().as_str(),
        "[::ffff:192.0.2.1]"
    );
    assert_ne!(Host::parse("192.0.2.1"), Host::parse("a.example"));
}
