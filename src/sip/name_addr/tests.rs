use super::*;

/// Display name, URI, parameters.
type Parts = (Option<&'static str>, &'static str, &'static str);

#[test]
fn name_uri_and_parameters_are_told_apart() {
    let rows: &[(&str, Parts)] = &[
        ("sip:a@b", (None, "sip:a@b", "")),
        ("<sip:a@b>", (None, "sip:a@b", "")),
        ("<sip:a@b;x>;tag=1", (None, "sip:a@b;x", ";tag=1")),
        ("sip:a@b;x;tag=1", (None, "sip:a@b", ";x;tag=1")),
        ("Alice <sip:a@b>", (Some("Alice"), "sip:a@b", "")),
        (
            "Alice B.  C<sip:a@b> ; tag = 1",
            (Some("Alice B.  C"), "sip:a@b", ";tag=1"),
        ),
        ("\"Bob\" <sip:a@b>", (Some("Bob"), "sip:a@b", "")),
        ("\"\" <sip:a@b>", (None, "sip:a@b", "")),
        ("\"a\\\"b\\\\\"<sip:a@b>", (Some("a\"b\\"), "sip:a@b", "")),
        (
            "\"<sip:boss@bank>\" <sip:thief@evil>",
            (Some("<sip:boss@bank>"), "sip:thief@evil", ""),
        ),
        (
            "\"x\\\" <sip:boss@bank>\" <sip:thief@evil>",
            (Some("x\" <sip:boss@bank>"), "sip:thief@evil", ""),
        ),
        ("<sip:a;b=c@d?e=f>", (None, "sip:a;b=c@d?e=f", "")),
        ("<sip:a,b@c>;q=0.5", (None, "sip:a,b@c", ";q=0.5")),
        ("< sip:a@b >;tag=1", (None, "sip:a@b", ";tag=1")),
        (
            "Bell, Alexander <sip:a@b>",
            (Some("Bell, Alexander"), "sip:a@b", ""),
        ),
        ("<tel:+123;ext=4>;tag=x", (None, "tel:+123;ext=4", ";tag=x")),
        ("tel:+123;tag=x", (None, "tel:+123", ";tag=x")),
        (
            "sip:a@b;note=\"x;y<z>\"",
            (None, "sip:a@b", ";note=\"x;y<z>\""),
        ),
        (
            "Ärger <sip:a@[2001:db8::1]:5070>",
            (Some("Ärger"), "sip:a@[2001:db8::1]:5070", ""),
        ),
        (
            "<sip:a@b>;+sip.instance=\"<urn:uuid:1>\"",
            (None, "sip:a@b", ";+sip.instance=\"<urn:uuid:1>\""),
        ),
    ];
    for (input, (name, uri, params)) in rows {
        let address = NameAddr::parse(input).unwrap_or_else(|fault| panic!("{input}: {fault}"));
        assert_eq!(address.display_name.as_deref(), *name, "{input}");
        assert_eq!(address.uri.to_string(), *uri, "{input}");
        assert_eq!(address.params.to_string(), *params, "{input}");
        assert_eq!(
            NameAddr::parse(&address.to_string()).as_ref(),
            Ok(&address),
            "{input}"
        );
    }
}

#[test]
fn malformed_values_name_their_fault() {
    for (input, fault) in [
        ("", Fault::Empty),
        ("  ", Fault::Empty),
        ("\"Bob <sip:a@b>", Fault::UnterminatedQuote),
        ("\"Bob\\\" <sip:a@b>", Fault::UnterminatedQuote),
        ("\"Bob\" sip:a@b", Fault::BadDisplayName),
        ("\"Bob\" jr <sip:a@b>", Fault::BadDisplayName),
        ("Bob \"jr\" <sip:a@b>", Fault::BadDisplayName),
        ("Bob> <sip:a@b>", Fault::BadDisplayName),
        ("<sip:a@b", Fault::UnbalancedBrackets),
        ("<sip:a@b>tag=1", Fault::BadParameter),
        ("<sip:a@b>;;", Fault::EmptyParameter),
        ("<sip:a@b>;tag=a b", Fault::BadParameter),
        ("<sip:a@b>;tag=\"a", Fault::UnterminatedQuote),
        ("<sip:a@b>;tag=\"a\"b", Fault::BadParameter),
        ("<sip:a@b>, <sip:c@d>", Fault::BadParameter),
        ("<sip:a@b>;t=1, <sip:c@d>", Fault::BadParameter),
        ("sip:a@b, sip:c@d", Fault::BadCharacter),
        ("sip:a@b?c=d", Fault::UriHeaders),
        ("sip:alice;x@evil", Fault::BadParameter),
        ("<<sip:a@b>>", Fault::BadCharacter),
        ("Alice", Fault::NoScheme),
    ] {
        assert_eq!(NameAddr::parse(input), Err(fault), "{input:?}");
    }
}

#[test]
fn latin_1_names_are_shown_as_their_characters() {
    let value = text::decode(b"\"Andr\xe9\" <sip:a@b>");
    assert_eq!(
        NameAddr::parse(&value).unwrap().display_name.as_deref(),
        Some("André")
    );
}
