//! RFC 4475 and RFC 5118 against the whole endpoint: the reaction that
//! `fixtures/sip-torture/INDEX.tsv` names.
//!
//! Nobody is logged in, so a REGISTER that a registrar would process gets 401: it was understood.

use std::path::PathBuf;

use bytes::Bytes;

use super::bench::Bench;
use crate::sip::endpoint::Settings;
use crate::sip::flow::Transport;
use crate::sip::framing::{Framed, StreamFramer};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/sip-torture")
}

/// Name and octets of each message of the index.
pub fn messages() -> Vec<(String, Vec<u8>)> {
    let index = std::fs::read_to_string(folder().join("INDEX.tsv")).expect("the index");
    let rows = index
        .lines()
        .filter(|row| !row.starts_with('#') && !row.is_empty());
    rows.map(|row| {
        let name = row.split('\t').next().expect("a name").to_owned();
        let text = std::fs::read(folder().join(&name)).expect("a message");
        (name, text)
    })
    .collect()
}

// tidy: table
const ROWS: &[(&str, &str)] = &[
    ("rfc4475/wsinv.dat", "481 INVITE"),
    (
        "rfc4475/intmeth.dat",
        "501 !interesting-Method0123456789_*+`.%indeed'~",
    ),
    ("rfc4475/esc01.dat", "100 INVITE, Invite+"),
    ("rfc4475/escnull.dat", "401 REGISTER"),
    ("rfc4475/esc02.dat", "501 RE%47IST%45R"),
    ("rfc4475/lwsdisp.dat", "200 OPTIONS"),
    ("rfc4475/longreq.dat", "100 INVITE, Invite+"),
    ("rfc4475/dblreq.dat", "401 REGISTER"),
    ("rfc4475/semiuri.dat", "200 OPTIONS"),
    ("rfc4475/transports.dat", "200 OPTIONS"),
    ("rfc4475/mpart01.dat", "405 MESSAGE"),
    ("rfc4475/unreason.dat", "stray"),
    ("rfc4475/noreason.dat", "stray"),
    ("rfc4475/badinv01.dat", "400 as received"),
    ("rfc4475/clerr.dat", "400 INVITE"),
    ("rfc4475/ncl.dat", "400 INVITE"),
    ("rfc4475/scalar02.dat", "400 as received"),
    ("rfc4475/scalarlg.dat", "garbage"),
    ("rfc4475/quotbal.dat", "400 as received"),
    ("rfc4475/ltgtruri.dat", "400 INVITE"),
    ("rfc4475/lwsruri.dat", "400 INVITE"),
    ("rfc4475/lwsstart.dat", "100 INVITE, Invite+"),
    ("rfc4475/trws.dat", "200 OPTIONS"),
    ("rfc4475/escruri.dat", "400 INVITE"),
    ("rfc4475/baddate.dat", "100 INVITE, Invite+"),
    ("rfc4475/regbadct.dat", "400 REGISTER"),
    ("rfc4475/badaspec.dat", "200 OPTIONS"),
    ("rfc4475/baddn.dat", "200 OPTIONS"),
    ("rfc4475/badvers.dat", "505 OPTIONS"),
    ("rfc4475/mismatch01.dat", "400 INVITE"),
    ("rfc4475/mismatch02.dat", "501 INVITE"),
    ("rfc4475/bigcode.dat", "garbage"),
    ("rfc4475/badbranch.dat", "200 OPTIONS"),
    ("rfc4475/insuf.dat", "400 as received"),
    ("rfc4475/unkscm.dat", "416 OPTIONS"),
    ("rfc4475/novelsc.dat", "416 OPTIONS"),
    ("rfc4475/unksm2.dat", "401 REGISTER"),
    ("rfc4475/bext01.dat", "420 OPTIONS"),
    ("rfc4475/invut.dat", "415 INVITE"),
    ("rfc4475/regaut01.dat", "401 REGISTER"),
    ("rfc4475/multi01.dat", "400 INVITE"),
    ("rfc4475/mcl01.dat", "400 OPTIONS"),
    ("rfc4475/bcast.dat", "stray"),
    ("rfc4475/zeromf.dat", "200 OPTIONS"),
    ("rfc4475/cparam01.dat", "401 REGISTER"),
    ("rfc4475/cparam02.dat", "401 REGISTER"),
    ("rfc4475/regescrt.dat", "401 REGISTER"),
    ("rfc4475/sdp01.dat", "406 INVITE"),
    ("rfc4475/inv2543.dat", "100 INVITE, Invite+"),
    ("rfc5118/ipv6-good.dat", "401 REGISTER"),
    ("rfc5118/ipv6-bad.dat", "400 REGISTER"),
    ("rfc5118/port-ambiguous.dat", "401 REGISTER"),
    ("rfc5118/port-unambiguous.dat", "401 REGISTER"),
    ("rfc5118/via-received-param-with-delim.dat", "481 BYE"),
    ("rfc5118/via-received-param-no-delim.dat", "200 OPTIONS"),
    ("rfc5118/ipv6-in-sdp.dat", "100 INVITE, Invite+"),
    ("rfc5118/mult-ip-in-header.dat", "481 BYE"),
    ("rfc5118/mult-ip-in-sdp.dat", "100 INVITE, Invite+"),
    ("rfc5118/ipv4-mapped-ipv6.dat", "100 INVITE, Invite+"),
    ("rfc5118/ipv6-bug-abnf-3-colons.dat", "200 OPTIONS"),
    ("rfc5118/ipv6-correct-abnf-2-colons.dat", "200 OPTIONS"),
];

/// What came out, or how the message was counted when nothing did.
fn reaction(bench: &mut Bench) -> String {
    let outputs = bench.outputs();
    let counters = bench.endpoint.counters();
    match (
        outputs.is_empty(),
        counters.stray_responses,
        counters.garbage,
    ) {
        (false, _, _) => outputs,
        (true, 1, 0) => "stray".into(),
        (true, 0, 1) => "garbage".into(),
        (true, _, _) => "nothing".into(),
    }
}

#[test]
fn every_torture_message_gets_its_reaction() {
    let messages = messages();
    let names: Vec<&str> = messages.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ROWS.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );
    assert_eq!(messages.len(), 61);
    for ((name, text), (_, expected)) in messages.iter().zip(ROWS) {
        let mut bench = Bench::udp();
        bench.receive(Bytes::from(text.clone()), 1);
        assert_eq!(reaction(&mut bench), *expected, "{name}");
        if expected.contains("Invite") {
            bench.answer(".reject 486");
        }
        bench.run_out(name);
    }
}

#[test]
fn what_the_refusals_name_is_what_the_index_asks_for() {
    for (name, header, value) in [
        (
            "bext01",
            "Unsupported",
            "nothingSupportsThis, nothingSupportsThisEither",
        ),
        ("invut", "Accept", "application/sdp"),
        (
            "intmeth",
            "Allow",
            "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REGISTER",
        ),
    ] {
        let mut bench = Bench::udp();
        let text = std::fs::read(folder().join(format!("rfc4475/{name}.dat"))).expect("a message");
        bench.receive(Bytes::from(text), 1);
        bench.outputs();
        let (_, message, _) = bench.sent.last().expect("an answer");
        let joined = message
            .headers()
            .values(header)
            .collect::<Vec<_>>()
            .join(", ");
        assert_eq!(joined, value, "{name}");
    }
}

#[test]
fn over_a_stream_the_framing_decides_what_arrives() {
    for (name, expected) in [
        ("rfc4475/lwsdisp.dat", "200 OPTIONS"),
        (
            "rfc4475/dblreq.dat",
            "401 REGISTER; 100 INVITE, Invite+; garbage",
        ),
        ("rfc4475/clerr.dat", "waits"),
        ("rfc4475/ncl.dat", "framing"),
        ("rfc4475/mcl01.dat", "framing"),
        ("rfc4475/mpart01.dat", "405 MESSAGE"),
        ("rfc4475/transports.dat", "200 OPTIONS"),
    ] {
        let text = std::fs::read(folder().join(name)).expect("a message");
        let mut bench = Bench::new(Transport::Tcp, Settings::default());
        let mut framer = StreamFramer::new();
        let mut seen = Vec::new();
        for chunk in text.chunks(100) {
            framer.push(chunk);
            loop {
                match framer.next() {
                    Ok(Some(Framed::Message(bytes))) => {
                        bench.receive(bytes, 1);
                        seen.push(reaction(&mut bench));
                    }
                    Ok(Some(Framed::Ping | Framed::Pong)) => seen.push("keepalive".into()),
                    Ok(None) => break,
                    Err(_) => {
                        seen.push("framing".into());
                        break;
                    }
                }
            }
            if seen.last().is_some_and(|last| last == "framing") {
                break;
            }
        }
        let seen = if seen.is_empty() {
            "waits".into()
        } else {
            seen.join("; ")
        };
        assert_eq!(seen, expected, "{name}");
    }
}
