//! `/metrics` as Prometheus reads it: the rules of the text format, and what is counted.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::server::Server;

/// The values by name and label. Fails where the text breaks a rule that `promtool check metrics`
/// knows: help and type before the numbers of a name, all of them together, `_total` for counters
/// and for nothing else, no number twice.
fn read(text: &str) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    let (mut help, mut kind) = ("", ("", ""));
    let mut families = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, words) = rest.split_once(' ').expect("words of help");
            assert!(words.len() > 3 && !families.contains(&name), "{line}");
            families.push(name);
            help = name;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            kind = rest.split_once(' ').expect("a type");
            assert_eq!(kind.0, help, "{line}");
            assert!(matches!(kind.1, "counter" | "gauge"), "{line}");
            let total = kind.0.ends_with("_total");
            assert_eq!(total, kind.1 == "counter", "{line}");
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            assert_eq!(name, kind.0, "{line}");
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(name.chars().all(plain), "{line}");
            assert!(labels == "}" || labels.ends_with("\"}"), "{line}");
            let value = value.parse().expect("a number");
            let before = values.insert(series.to_owned(), value);
            assert_eq!(before, None, "{line} twice");
        }
    }
    values
}

#[test]
fn numbers_are_served_in_both_formats_and_say_what_was_refused() {
    let server = Server::start(&["api.key=the-key-of-this-test", "api.joins_per_minute=2"]);
    let json = "Content-Type: application/json\r\n";
    for (path, body) in [
        ("/api/v1/rooms/1234/join", r#"{"name":"Zoë"}"#),
        ("/api/v1/rooms/12/join", r#"{"name":"Zoë"}"#),
        ("/api/v1/rooms/1234/join", r#"{"name":"Zoë"}"#),
    ] {
        server.ask("POST", path, json, body);
    }
    server.get("/api/v1/users");
    let (head, text) = server.answer("GET", "/metrics", "", "");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    let values = read(&text);
    for (series, value) in [
        ("talkpath_joins_total{result=\"admitted\"}", 1.0),
        ("talkpath_joins_total{result=\"invalid-room\"}", 1.0),
        ("talkpath_joins_total{result=\"too-many-joins\"}", 1.0),
        ("talkpath_http_refused_total{code=\"api-key-missing\"}", 1.0),
        ("talkpath_legs_ended_total{reason=\"caller-hangup\"}", 0.0),
        ("talkpath_sip_logins_failed_total", 0.0),
        ("talkpath_sip_logins_blocked_total", 0.0),
        ("talkpath_net_connections_refused_total", 0.0),
        ("talkpath_http_connections_refused_total", 0.0),
        ("talkpath_rooms", 0.0),
        ("talkpath_participants", 0.0),
        ("talkpath_websockets", 0.0),
    ] {
        assert_eq!(values.get(series), Some(&value), "{series} in\n{text}");
    }
    let version = format!(
        "talkpath_build_info{{version=\"{}\"}}",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(values.get(&version), Some(&1.0));
    assert!(values["process_start_time_seconds"] > Duration::from_secs(1 << 30).as_secs_f64());

    let open = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let (head, text) = server.answer("GET", "/metrics", open, "");
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    assert!(text.ends_with("# EOF\n"), "{text}");
}
