use super::*;
use crate::sip::Fault;

fn headers(lines: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    lines
        .iter()
        .for_each(|(name, value)| headers.push(name, value).unwrap());
    headers
}

fn shown(headers: &Headers) -> String {
    headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\n"))
        .collect()
}

#[test]
fn a_value_cannot_bring_headers_of_its_own() {
    for (name, value, error) in [
        (
            "X-Note",
            "a\r\nVia: SIP/2.0/UDP evil",
            HeaderError::ControlCharacter,
        ),
        ("X-Note", "a\nb", HeaderError::ControlCharacter),
        ("X-Note", "a\rb", HeaderError::ControlCharacter),
        ("X-Note", "a\0b", HeaderError::ControlCharacter),
        ("X-Note", "a\r\n folded", HeaderError::ControlCharacter),
        ("X-Note", "ends\r\n", HeaderError::ControlCharacter),
        ("X Note", "a", HeaderError::BadName),
        ("X-Note:", "a", HeaderError::BadName),
        ("X\r\nVia", "a", HeaderError::BadName),
        ("", "a", HeaderError::BadName),
        ("Ünote", "a", HeaderError::BadName),
    ] {
        let mut all = headers(&[("To", "x"), ("X-Note", "y")]);
        let before = all.clone();
        assert_eq!(all.push(name, value), Err(error), "{name:?} {value:?}");
        assert_eq!(
            all.push_first(name, value),
            Err(error),
            "{name:?} {value:?}"
        );
        assert_eq!(all.set(name, value), Err(error), "{name:?} {value:?}");
        assert_eq!(all.append(name, value), Err(error), "{name:?} {value:?}");
        assert_eq!(
            all.set_topmost(name, Some(&value)),
            Err(error),
            "{name:?} {value:?}"
        );
        assert_eq!(all, before, "{name:?} {value:?}");
    }
    let mut all = Headers::new();
    assert_eq!(
        all.push("X", "y".repeat(LINE_BYTES_MAX)),
        Err(HeaderError::TooLong)
    );
    assert_eq!(all.push("X", "y".repeat(LINE_BYTES_MAX - 3)), Ok(()));
}

#[test]
fn names_are_compared_without_case_and_compact_names_are_written_out() {
    let all = headers(&[
        ("v", "1"),
        ("VIA", "2"),
        ("cALL-id", "3"),
        ("x-Own", " 4 "),
        ("x", "5"),
    ]);
    assert_eq!(
        shown(&all),
        "Via: 1\nVia: 2\nCall-ID: 3\nx-Own: 4\nSession-Expires: 5\n"
    );
    assert_eq!(all.get("via"), Some("1"));
    assert_eq!(all.values("Via").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(all.get("X-OWN"), Some("4"));
    assert_eq!(all.get("X-Other"), None);
    assert_eq!((all.len(), all.is_empty()), (5, false));
}

#[test]
fn each_compact_name_stands_for_its_long_name() {
    for (compact, long) in COMPACT_NAMES {
        assert_eq!(
            headers(&[(&compact.to_ascii_uppercase(), "1")]).get(long),
            Some("1"),
            "{long}"
        );
    }
}

#[test]
fn lists_are_split_outside_of_quotes_and_brackets() {
    let contact: fn(&[&str]) -> Result<Vec<String>, SipParseError> = |lines| {
        let all = headers(
            &lines
                .iter()
                .map(|line| ("Contact", *line))
                .collect::<Vec<_>>(),
        );
        Ok(all
            .list("Contact")?
            .into_iter()
            .map(str::to_owned)
            .collect())
    };
    for (lines, elements) in [
        (&["a , b", "c"][..], &["a", "b", "c"][..]),
        (&["\"x, y\" <sip:a,b@c>, d"], &["\"x, y\" <sip:a,b@c>", "d"]),
        (&["\"\\\",\\\"\", d"], &["\"\\\",\\\"\"", "d"]),
        (&["", "a"], &["a"]),
        (&[], &[]),
    ] {
        assert_eq!(contact(lines).unwrap(), elements, "{lines:?}");
    }
    for (line, fault) in [
        ("a,,b", Fault::EmptyElement),
        ("a,", Fault::EmptyElement),
        (",", Fault::EmptyElement),
        ("\"a, b", Fault::UnterminatedQuote),
        ("<a, b", Fault::UnbalancedBrackets),
    ] {
        assert_eq!(contact(&[line]), Err(fault.at("Contact")), "{line}");
    }
}

#[test]
fn lines_are_replaced_in_their_place() {
    let start = [
        ("Via", "a, b"),
        ("To", "t"),
        ("Via", "c"),
        ("X-Own", "1"),
        ("x-own", "2"),
    ];
    type Change = fn(&mut Headers);
    let rows: &[(Change, &str)] = &[
        (
            |h| h.set("x-OWN", "3").unwrap(),
            "Via: a, b\nTo: t\nVia: c\nX-Own: 3\n",
        ),
        (
            |h| h.set("v", "3").unwrap(),
            "Via: 3\nTo: t\nX-Own: 1\nx-own: 2\n",
        ),
        (
            |h| h.set("New", "3").unwrap(),
            "Via: a, b\nTo: t\nVia: c\nX-Own: 1\nx-own: 2\nNew: 3\n",
        ),
        (
            |h| h.push_first("Via", "0").unwrap(),
            "Via: 0\nVia: a, b\nTo: t\nVia: c\nX-Own: 1\nx-own: 2\n",
        ),
        (|h| h.remove("VIA"), "To: t\nX-Own: 1\nx-own: 2\n"),
        (
            |h| h.append("To", ";tag=1").unwrap(),
            "Via: a, b\nTo: t;tag=1\nVia: c\nX-Own: 1\nx-own: 2\n",
        ),
        (
            |h| h.set_topmost("Via", Some(&"z")).unwrap(),
            "Via: z, b\nTo: t\nVia: c\nX-Own: 1\nx-own: 2\n",
        ),
        (
            |h| h.set_topmost("Via", None).unwrap(),
            "Via: b\nTo: t\nVia: c\nX-Own: 1\nx-own: 2\n",
        ),
        (
            |h| (0..2).for_each(|_| h.set_topmost("Via", None).unwrap()),
            "To: t\nVia: c\nX-Own: 1\nx-own: 2\n",
        ),
        (
            |h| (0..9).for_each(|_| h.set_topmost("Via", None).unwrap()),
            "To: t\nX-Own: 1\nx-own: 2\n",
        ),
    ];
    for (change, after) in rows {
        let mut all = headers(&start);
        change(&mut all);
        assert_eq!(shown(&all), *after);
    }
}
