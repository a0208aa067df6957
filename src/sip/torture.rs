//! The messages of RFC 4475 and RFC 5118, one row each: what they must be read as, or how they are
//! refused. `fixtures/sip-torture/INDEX.tsv` tells the right reaction to each; where it leaves a
//! choice, the row is ours.

use super::message::Message;
use super::name_addr::NameAddr;
use super::params::Params;
use super::wire::{Framing, parse, write};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::path::PathBuf;

enum Outcome {
    /// It parses, and these facts hold (see [`fact`]).
    Parses(&'static [(&'static str, &'static str)]),
    /// A request that gets this response.
    Refused(u16, &'static str),
    /// A response that is dropped for this error.
    Dropped(&'static str),
}
use Outcome::{Dropped, Parses, Refused};

mod rows;
use rows::ROWS;

fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sip-torture"))
}

/// The bytes of one message of the corpus.
fn octets(file: &str) -> Bytes {
    std::fs::read(directory().join(file)).unwrap().into()
}

/// All messages of the corpus, for tests that change them.
pub(super) fn corpus() -> Vec<Bytes> {
    ROWS.iter().map(|(file, _)| octets(file)).collect()
}

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn address_fact(address: &NameAddr, key: &str) -> String {
    let uri = &address.uri;
    match key {
        "" => address.to_string(),
        "name" => shown(address.display_name.as_deref()),
        "uri" => uri.to_string(),
        "user" => shown(uri.user.as_deref()),
        "password" => shown(uri.password.as_deref()),
        "unescaped" => shown(uri.user_unescaped()),
        "scheme" => uri.scheme.as_str().to_owned(),
        "host" => uri.host.to_string(),
        "ip" => shown(uri.host.ip()),
        "port" => shown(uri.port),
        "params" => address.params.to_string(),
        "tag" => shown(address.tag()),
        _ => panic!("no fact of an address: {key}"),
    }
}

/// One fact about a message, as text; `none` for what is not there. `via.2.host` is of the third
/// Via.
fn fact(message: &Message, key: &str) -> String {
    let headers = message.headers();
    if let Some(name) = key.strip_prefix("header ") {
        return shown(headers.get(name));
    }
    let (subject, path) = key.split_once('.').unwrap_or((key, ""));
    let (index, path) = match path.split_once('.').unwrap_or((path, "")) {
        (number, path) if number.parse::<usize>().is_ok() => (number.parse().unwrap(), path),
        _ => (0, path),
    };
    match (subject, message) {
        ("method", Message::Request(r)) => r.method.to_string(),
        ("uri", Message::Request(r)) if path.is_empty() => r.uri.to_string(),
        ("uri", Message::Request(r)) if path == "params" => r.uri.params.to_string(),
        ("uri", Message::Request(r)) => address_fact(&NameAddr::new(r.uri.clone()), path),
        ("code", Message::Response(r)) => r.code.to_string(),
        ("reason", Message::Response(r)) => r.reason.clone(),
        ("from", _) => address_fact(&headers.from().unwrap(), path),
        ("to", _) => address_fact(&headers.to().unwrap(), path),
        ("contact", _) => address_fact(&headers.contacts().unwrap()[index], path),
        ("contacts", _) => headers.contacts().unwrap().len().to_string(),
        ("route", _) => headers.routes().unwrap()[index].to_string(),
        ("record-route", _) => headers.record_routes().unwrap()[index].to_string(),
        ("cseq", _) => headers.cseq().unwrap().to_string(),
        ("call-id", _) => headers.call_id().unwrap().to_owned(),
        ("max-forwards", _) => shown(headers.max_forwards().unwrap()),
        ("content-type", _) => shown(headers.content_type().unwrap().map(|t| t.essence)),
        ("require", _) => headers.require().unwrap().join(" "),
        ("accept", _) => headers.accept().unwrap().unwrap()[index].essence.clone(),
        ("accepts", _) => headers.accept().unwrap().unwrap().len().to_string(),
        ("rport", _) if headers.via().unwrap().has_rport() => "asked".to_owned(),
        ("vias", _) => headers.vias().unwrap().len().to_string(),
        ("via", _) => {
            let via = &headers.vias().unwrap()[index];
            match path {
                "" => via.to_string(),
                "transport" => via.transport.clone(),
                "host" => via.host.to_string(),
                "port" => shown(via.port),
                "branch" => shown(via.branch()),
                "received" => shown(via.received()),
                _ => panic!("no fact of a Via: {path}"),
            }
        }
        ("body", _) => message.body().len().to_string(),
        _ => panic!("no such fact: {key}"),
    }
}

#[test]
fn every_message_is_read_or_refused_as_its_row_says() {
    for (file, outcome) in ROWS {
        let parsed = parse(octets(file), Framing::Datagram);
        match (outcome, parsed) {
            (Parses(facts), Ok(message)) => {
                for (key, value) in *facts {
                    assert_eq!(fact(&message, key), *value, "{file}: {key}");
                }
            }
            (Refused(code, reason), Err(unparsable)) => {
                let refusal = unparsable
                    .refusal
                    .unwrap_or_else(|| panic!("{file}: no refusal"));
                assert_eq!(
                    (refusal.code, refusal.reason.as_str()),
                    (*code, *reason),
                    "{file}"
                );
            }
            (Dropped(error), Err(unparsable)) => {
                assert_eq!(unparsable.error.to_string(), *error, "{file}");
                assert_eq!(unparsable.refusal, None, "{file}");
            }
            (_, Ok(message)) => panic!("{file} was read as {message:?}"),
            (Parses(_), Err(unparsable)) => panic!("{file}: {unparsable}"),
        }
    }
}

#[test]
fn the_rows_agree_with_the_class_of_the_index() {
    let index = std::fs::read_to_string(directory().join("INDEX.tsv")).unwrap();
    let mut unlisted: BTreeSet<&str> = ROWS.iter().map(|(file, _)| *file).collect();
    assert_eq!(unlisted.len(), 61);
    for line in index.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let (file, class, reaction) = (columns[0], columns[4], columns[5]);
        assert!(unlisted.remove(file), "{file} has no row or two");
        let outcome = &ROWS.iter().find(|(name, _)| *name == file).unwrap().1;
        let agrees = match (class, outcome) {
            // Version 7.0 is the one message that the application would only answer with an error
            // of the parser's.
            ("A" | "P", Parses(_)) => true,
            ("P", Refused(505, _)) => file == "rfc4475/badvers.dat",
            ("R", Refused(400, _)) => reaction.contains("400"),
            ("R", Dropped(_)) => reaction == "discard",
            ("E", Refused(400, _)) => reaction.starts_with("400"),
            ("E", Parses(_)) => !reaction.starts_with("400 preferred"),
            _ => false,
        };
        assert!(agrees, "{file} is of class {class}: {reaction}");
    }
    assert!(unlisted.is_empty(), "not in the index: {unlisted:?}");
}

#[test]
fn a_refusal_copies_what_the_request_had() {
    for (file, outcome) in ROWS {
        let Refused(..) = outcome else { continue };
        let refusal = parse(octets(file), Framing::Datagram)
            .unwrap_err()
            .refusal
            .unwrap();
        let text = String::from_utf8_lossy(&octets(file)).into_owned();
        assert!(refusal.headers.get("Via").is_some(), "{file}");
        for (name, value) in refusal.headers.iter() {
            assert!(text.contains(value), "{file}: {name}: {value}");
        }
        for name in ["From", "To", "Call-ID", "CSeq"] {
            let expected = usize::from(text.contains(&format!("\n{name}:")));
            assert_eq!(
                refusal.headers.values(name).count(),
                expected,
                "{file}: {name}"
            );
        }
    }
}

#[test]
fn what_was_read_is_read_again_from_what_we_write() {
    for (file, outcome) in ROWS {
        let Parses(facts) = outcome else { continue };
        let message = parse(octets(file), Framing::Datagram).unwrap();
        let written = write(&message);
        let again = parse(written.clone(), Framing::Stream).unwrap();
        assert_eq!(again.body(), message.body(), "{file}");
        for (key, value) in *facts {
            assert_eq!(fact(&again, key), *value, "{file}: {key}");
        }
        assert_eq!(write(&again), written, "{file}");
        let lines = |message: &Message| -> Vec<(String, String)> {
            let all = message
                .headers()
                .iter()
                .filter(|(name, _)| *name != "Content-Length");
            all.map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect()
        };
        assert_eq!(lines(&again), lines(&message), "{file}");
    }
}

#[test]
fn binary_bodies_are_kept_octet_for_octet() {
    let octets = octets("rfc4475/mpart01.dat");
    let message = parse(octets.clone(), Framing::Datagram).unwrap();
    assert_eq!(message.body()[..], octets[octets.len() - 553..]);
    assert!(message.body().contains(&0));
}

#[test]
fn params_of_the_corpus_survive_a_second_reading() {
    for octets in corpus() {
        let Ok(message) = parse(octets, Framing::Datagram) else {
            continue;
        };
        for via in message.headers().vias().unwrap() {
            assert_eq!(
                Params::parse_header(&via.params.to_string()).unwrap(),
                via.params
            );
        }
    }
}
