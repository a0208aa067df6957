//! Pairs in `fixtures/sdp`, sequences of exchanges, malformed bodies, and bodies nobody meant to
//! write.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::codec::{CODECS, g711};

const SESSION_ID: u64 = 4711;

fn local() -> Local {
    Local {
        rtp: address("203.0.113.5:30000"),
        rtcp: address("203.0.113.5:30001"),
        webrtc: None,
    }
}

fn local_v6() -> Local {
    Local {
        rtp: address("[2001:db8::5]:30000"),
        rtcp: address("[2001:db8::5]:30001"),
        webrtc: None,
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn negotiation() -> Negotiation {
    Negotiation::new(SESSION_ID, CODECS)
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/sdp")
}

/// The names of the files in `fixtures/sdp`.
pub(super) fn fixture_names() -> Vec<String> {
    let names = std::fs::read_dir(directory()).expect("fixtures/sdp");
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("ASCII names")
    };
    names.map(name).collect()
}

pub(super) fn fixture(name: &str) -> Vec<u8> {
    let path = directory().join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `PCMU 0/0 event 101/101@8000 rtp rtcp direction [mux] [hold] [ptime]`, numbers out/in.
fn summary(agreed: &Agreed) -> String {
    let mut words = format!(
        "{} {}/{}",
        agreed.codec.name, agreed.payload_type_out, agreed.payload_type_in
    );
    if let Some(event) = agreed.telephone_event {
        let (out, in_) = (event.payload_type_out, event.payload_type_in);
        words += &format!(" event {out}/{in_}@{}", event.clock_rate_hz);
    }
    words += &format!(" {} {}", agreed.remote_rtp, agreed.remote_rtcp);
    words += &format!(" {}", agreed.direction.attribute());
    for (word, said) in [(" mux", agreed.rtcp_mux), (" hold", agreed.remote_hold)] {
        words += if said { word } else { "" };
    }
    if let Some(ms) = agreed.remote_ptime_ms {
        words += &format!(" ptime {ms}");
    }
    words
}

/// A body from lines joined by `|`, with CRLF.
fn body(lines: &str) -> Vec<u8> {
    lines
        .split('|')
        .map(|line| format!("{line}\r\n"))
        .collect::<String>()
        .into_bytes()
}

const HEAD: &str = "v=0|o=- 1 1 IN IP4 192.0.2.1|s=-|c=IN IP4 192.0.2.1|t=0 0|";

fn offer_of(media: &str) -> Vec<u8> {
    body(&format!("{HEAD}{media}"))
}

pub(super) fn text(body: &[u8]) -> String {
    String::from_utf8(body.to_vec()).expect("ours are UTF-8")
}

/// The version in the o= line.
fn version(body: &[u8]) -> u64 {
    let text = text(body);
    let origin = text
        .lines()
        .find(|line| line.starts_with("o="))
        .expect("ours have one");
    origin
        .split(' ')
        .nth(2)
        .and_then(|field| field.parse().ok())
        .expect("a number")
}

/// The m= lines without `m=`.
fn media_lines(body: &[u8]) -> Vec<String> {
    text(body)
        .lines()
        .filter_map(|line| line.strip_prefix("m="))
        .map(str::to_string)
        .collect()
}

/// What is agreed, or status and text of the refusal, for each offer in `fixtures/sdp`.
const OUTCOMES: &[(&str, &str)] = &[
    (
        "asterisk",
        "PCMA 8/8 event 101/101@8000 192.0.2.13:16432 192.0.2.13:16433 sendrecv ptime 20",
    ),
    (
        "baresip",
        "opus 96/96 event 97/97@48000 192.0.2.10:10002 192.0.2.10:10003 sendrecv ptime 20",
    ),
    (
        "careless",
        "PCMU 0/0 192.0.2.27:5004 192.0.2.27:5005 sendonly",
    ),
    (
        "events-48000-and-8000",
        "opus 111/111 event 110/110@48000 192.0.2.22:40000 192.0.2.22:40001 sendrecv ptime 60",
    ),
    (
        "freeswitch",
        "opus 102/102 event 103/103@48000 192.0.2.14:24680 192.0.2.14:24681 sendrecv ptime 20",
    ),
    (
        "g722-only",
        "G722 9/9 event 101/101@8000 192.0.2.23:5042 192.0.2.23:5043 sendrecv ptime 20",
    ),
    (
        "hold-inactive-session",
        "PCMU 0/0 192.0.2.15:5004 192.0.2.15:5005 inactive hold",
    ),
    (
        "hold-sendonly",
        "PCMA 8/8 event 101/101@8000 192.0.2.13:16432 192.0.2.13:16433 recvonly hold",
    ),
    (
        "hold-zero-address",
        "PCMU 0/0 event 101/101@8000 0.0.0.0:18044 0.0.0.0:18045 recvonly hold ptime 20",
    ),
    (
        "host-name",
        "488 line 4: address \"media.example.com\" is not an IP address",
    ),
    (
        "ipv6",
        "PCMA 8/8 [2001:db8::2:1]:49170 [2001:db8::2:2]:53020 sendrecv ptime 30",
    ),
    (
        "linphone",
        "opus 96/96 event 101/101@48000 192.0.2.12:7078 192.0.2.12:7079 sendrecv",
    ),
    (
        "many-lines",
        "PCMU 0/0 event 101/101@8000 192.0.2.20:50004 192.0.2.20:50005 sendrecv",
    ),
    (
        "no-common-codec",
        "488 line 6: no codec in common with this audio line",
    ),
    (
        "opus-96-mux",
        "opus 96/96 event 101/101@8000 192.0.2.21:62500 192.0.2.21:62500 sendrecv mux",
    ),
    (
        "port-0-first",
        "PCMA 8/8 event 96/96@8000 192.0.2.17:49172 192.0.2.17:49173 sendrecv",
    ),
    ("port-0-only", NO_AUDIO),
    (
        "resume",
        "PCMA 8/8 event 101/101@8000 192.0.2.13:16432 192.0.2.13:16433 sendrecv",
    ),
    ("savp-only", NO_AUDIO),
    ("sipp", "PCMU 0/0 192.0.2.11:6000 192.0.2.11:6001 sendrecv"),
];

const NO_AUDIO: &str = "488 no audio line of RTP/AVP or RTP/AVPF with a port other than 0";

#[test]
fn offers_in_fixtures_get_the_answer_that_lies_beside_them() {
    let mut outcomes: BTreeMap<&str, &str> = OUTCOMES.iter().copied().collect();
    for name in fixture_names() {
        let Some(case) = name.strip_suffix(".offer.sdp") else {
            continue;
        };
        if case.starts_with("webrtc-") {
            continue;
        }
        let local = if case == "ipv6" { local_v6() } else { local() };
        let expected = outcomes
            .remove(case)
            .unwrap_or_else(|| panic!("{case} has no outcome"));
        let answer = directory().join(format!("{case}.answer.sdp"));
        match negotiation().answer(&fixture(&name), &local, Direction::SendRecv) {
            Ok((body, agreed)) => {
                assert_eq!(summary(&agreed), expected, "{case}");
                assert_eq!(
                    text(&body),
                    text(&fixture(&format!("{case}.answer.sdp"))),
                    "{case}"
                );
            }
            Err(refusal) => {
                assert_eq!(
                    format!("{} {refusal}", refusal.sip_status()),
                    expected,
                    "{case}"
                );
                assert!(!answer.exists(), "{case} is refused and has an answer");
            }
        }
    }
    assert!(outcomes.is_empty(), "no fixtures for {outcomes:?}");
}

#[test]
fn late_offer_names_every_codec_and_takes_the_answer() {
    let mut negotiation = negotiation();
    let offer = negotiation.offer(&local(), Direction::SendRecv);
    assert_eq!(text(&offer), text(&fixture("late-offer.own-offer.sdp")));
    assert!(negotiation.current().is_none());
    let agreed = negotiation.accept_answer(&fixture("late-offer.peer-answer.sdp"));
    let expected = "PCMA 8/8 event 96/101@8000 192.0.2.26:5010 192.0.2.26:5011 sendrecv ptime 20";
    assert_eq!(summary(&agreed.expect("a good answer")), expected);
    assert_eq!(summary(negotiation.current().expect("agreed")), expected);
    assert_eq!(negotiation.current_local(), Some(offer.as_slice()));
}

#[test]
fn hold_and_resume_count_the_version_and_keep_the_session() {
    let mut negotiation = negotiation();
    let mut rows = Vec::new();
    for name in [
        "asterisk",
        "asterisk",
        "hold-sendonly",
        "hold-sendonly",
        "resume",
    ] {
        let offer = fixture(&format!("{name}.offer.sdp"));
        let (body, agreed) = negotiation
            .answer(&offer, &local(), Direction::SendRecv)
            .expect("a good offer");
        assert!(
            text(&body).contains(&format!("o=- {SESSION_ID} ")),
            "{name}"
        );
        rows.push((version(&body), agreed.direction, agreed.remote_hold));
    }
    let expected = [
        (1, Direction::SendRecv, false),
        (1, Direction::SendRecv, false),
        (2, Direction::RecvOnly, true),
        (2, Direction::RecvOnly, true),
        (3, Direction::SendRecv, false),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn direction_of_the_answer_is_what_both_sides_want() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    // offered, wanted by us, answered, we are held
    let rows = [
        (SendRecv, SendRecv, SendRecv, false),
        (SendRecv, SendOnly, SendOnly, false),
        (SendRecv, RecvOnly, RecvOnly, false),
        (SendRecv, Inactive, Inactive, false),
        (SendOnly, SendRecv, RecvOnly, true),
        (SendOnly, SendOnly, Inactive, true),
        (RecvOnly, SendRecv, SendOnly, false),
        (RecvOnly, RecvOnly, Inactive, false),
        (Inactive, SendRecv, Inactive, true),
    ];
    for (offered, want, answered, held) in rows {
        let offer = offer_of(&format!("m=audio 5004 RTP/AVP 0|a={}", offered.attribute()));
        let (body, agreed) = negotiation()
            .answer(&offer, &local(), want)
            .expect("a good offer");
        assert_eq!(
            (agreed.direction, agreed.remote_hold),
            (answered, held),
            "{offered:?} {want:?}"
        );
        assert!(text(&body).contains(&format!("a={}\r\n", answered.attribute())));
    }
    // offered by us, answered by the peer, what we do, we are held
    let rows = [
        (SendRecv, SendRecv, SendRecv, false),
        (SendRecv, SendOnly, RecvOnly, true),
        (SendRecv, RecvOnly, SendOnly, false),
        (SendRecv, Inactive, Inactive, true),
        (SendOnly, RecvOnly, SendOnly, false),
        (SendOnly, SendRecv, SendOnly, false),
        (SendOnly, Inactive, Inactive, true),
        (RecvOnly, SendOnly, RecvOnly, false),
        (Inactive, Inactive, Inactive, false),
    ];
    for (want, answered, ours, held) in rows {
        let mut negotiation = negotiation();
        negotiation.offer(&local(), want);
        let answer = offer_of(&format!(
            "m=audio 5004 RTP/AVP 0|a={}",
            answered.attribute()
        ));
        let agreed = negotiation.accept_answer(&answer).expect("a good answer");
        assert_eq!(
            (agreed.direction, agreed.remote_hold),
            (ours, held),
            "{want:?} {answered:?}"
        );
    }
}

/// The media part of an offer from 192.0.2.1, and what is agreed.
const AUDIO_LINES: &[(&str, &str)] = &[
    // static types need no rtpmap, and the offer's order decides
    (
        "m=audio 5004 RTP/AVP 8 0",
        "PCMA 8/8 192.0.2.1:5004 192.0.2.1:5005 sendrecv",
    ),
    (
        "m=audio 5004 RTP/AVP 18 9 0",
        "G722 9/9 192.0.2.1:5004 192.0.2.1:5005 sendrecv",
    ),
    // any number may be dynamic, names have no case
    (
        "m=audio 5004 RTP/AVP 120|a=rtpmap:120 pcmU/8000",
        "PCMU 120/120 192.0.2.1:5004 192.0.2.1:5005 sendrecv",
    ),
    // an rtpmap overrules the static meaning
    (
        "m=audio 5004 RTP/AVP 0 8|a=rtpmap:0 G726-32/8000",
        "PCMA 8/8 192.0.2.1:5004 192.0.2.1:5005 sendrecv",
    ),
    // Opus has two channels and 48 kHz, else it is not Opus
    (
        "m=audio 5004 RTP/AVP 96 0|a=rtpmap:96 opus/48000",
        "PCMU 0/0 192.0.2.1:5004 192.0.2.1:5005 sendrecv",
    ),
    // telephone-event of a clock that is neither the codec's nor 8000 is of no use
    (
        "m=audio 5004 RTP/AVP 0 99|a=rtpmap:99 telephone-event/16000",
        "PCMU 0/0 192.0.2.1:5004 192.0.2.1:5005 sendrecv",
    ),
    // the c= of the media wins; RTCP where a=rtcp says
    (
        "m=audio 5004 RTP/AVP 0|c=IN IP4 192.0.2.7|a=rtcp:9000",
        "PCMU 0/0 192.0.2.7:5004 192.0.2.7:9000 sendrecv",
    ),
    (
        "m=audio 5004 RTP/AVP 0|a=rtcp:9000 IN IP4 192.0.2.8",
        "PCMU 0/0 192.0.2.1:5004 192.0.2.8:9000 sendrecv",
    ),
    // an a=rtcp that cannot be read, or that points at a crowd, is as none
    (
        "m=audio 5004 RTP/AVP 0|a=rtcp:ninety",
        "PCMU 0/0 192.0.2.1:5004 192.0.2.1:5005 sendrecv",
    ),
    (
        "m=audio 65535 RTP/AVP 0|a=rtcp:9000 IN IP4 224.0.0.1",
        "PCMU 0/0 192.0.2.1:65535 192.0.2.1:9000 sendrecv",
    ),
    (
        "m=audio 65535 RTP/AVP 0",
        "PCMU 0/0 192.0.2.1:65535 192.0.2.1:65535 sendrecv",
    ),
    // a payload type that looks like RTCP cannot share its port
    (
        "m=audio 5004 RTP/AVP 72|a=rtpmap:72 PCMU/8000|a=rtcp-mux",
        "PCMU 72/72 192.0.2.1:5004 192.0.2.1:5005 sendrecv",
    ),
    // packet times of 10 to 60 ms are heeded
    (
        "m=audio 5004 RTP/AVP 0|a=ptime:10",
        "PCMU 0/0 192.0.2.1:5004 192.0.2.1:5005 sendrecv ptime 10",
    ),
    (
        "m=audio 5004 RTP/AVP 0|a=ptime:9",
        "PCMU 0/0 192.0.2.1:5004 192.0.2.1:5005 sendrecv",
    ),
    (
        "m=audio 5004 RTP/AVP 0|a=ptime:61",
        "PCMU 0/0 192.0.2.1:5004 192.0.2.1:5005 sendrecv",
    ),
    (
        "m=audio 5004 RTP/AVP 0|a=ptime:-1",
        "PCMU 0/0 192.0.2.1:5004 192.0.2.1:5005 sendrecv",
    ),
    // a line that cannot be used gives way to one that can
    (
        "m=audio 5004 RTP/AVP 18|m=audio 5006 RTP/AVP 0",
        "PCMU 0/0 192.0.2.1:5006 192.0.2.1:5007 sendrecv",
    ),
    (
        "m=audio 5004 RTP/AVP 0|c=IN IP4 host.invalid|m=audio 5006 RTP/AVP 0",
        "PCMU 0/0 192.0.2.1:5006 192.0.2.1:5007 sendrecv",
    ),
    // hold in both old and new words
    (
        "m=audio 5004 RTP/AVP 0|c=IN IP4 0.0.0.0|a=sendonly",
        "PCMU 0/0 0.0.0.0:5004 0.0.0.0:5005 recvonly hold",
    ),
    (
        "m=audio 5004 RTP/AVP 0|c=IN IP4 0.0.0.0|a=inactive",
        "PCMU 0/0 0.0.0.0:5004 0.0.0.0:5005 inactive hold",
    ),
    // an IPv4 address in the clothes of IPv6
    (
        "m=audio 5004 RTP/AVP 0|c=IN IP6 ::ffff:192.0.2.9",
        "PCMU 0/0 192.0.2.9:5004 192.0.2.9:5005 sendrecv",
    ),
];

#[test]
fn audio_lines_mean_what_the_table_says() {
    for (media, expected) in AUDIO_LINES {
        let answered = negotiation().answer(&offer_of(media), &local(), Direction::SendRecv);
        let (_, agreed) = answered.unwrap_or_else(|refusal| panic!("{media}: {refusal}"));
        assert_eq!(summary(&agreed), *expected, "{media}");
    }
}

/// The media part of an offer from 192.0.2.1, status and text of its refusal. The m= line is line
/// 6.
const REFUSED_MEDIA: &[(&str, &str)] = &[
    ("m=audio", "400 Missing field Media port in line 6"),
    (
        "m=audio five RTP/AVP 0",
        "400 Invalid field formatting in line 6 at Media port",
    ),
    (
        "m=audio 70000 RTP/AVP 0",
        "400 Invalid field formatting in line 6 at Media port",
    ),
    ("m=audio 5004", "400 Missing field Media proto in line 6"),
    (
        "m=audio 5004 RTP/AVP",
        "400 Missing field Media fmt in line 6",
    ),
    (
        "m=audio 5004 RTP/AVP 0|c=IN IP4",
        "400 Missing field Connection connection-address in line 7",
    ),
    (
        "m=audio 5004 RTP/AVP 0|no equals sign",
        "400 Invalid formatted line 7: \"Line not in key=value format\"",
    ),
    (
        "m=audio 5004 RTP/AVP 0|a=to\0ol",
        "400 Invalid formatted line 7: \"Line contains NUL or CR\"",
    ),
    ("a=no-media", NO_AUDIO),
    ("m=video 5004 RTP/AVP 31", NO_AUDIO),
    ("m=audio 0 RTP/AVP 0", NO_AUDIO),
    ("m=audio 5004 RTP/SAVPF 0", NO_AUDIO),
    ("m=audio 5004 udp 0", NO_AUDIO),
    ("m=audio 5004 RTP/AVP *", NO_COMMON_CODEC),
    ("m=audio 5004 RTP/AVP 300 -1 128", NO_COMMON_CODEC),
    (
        "m=audio 5004 RTP/AVP 101|a=rtpmap:101 telephone-event/8000",
        NO_COMMON_CODEC,
    ),
    ("m=audio 5004 RTP/AVP 96", NO_COMMON_CODEC),
    // the first line that could carry audio says why
    (
        "m=audio 5004 RTP/AVP 18|m=audio 5006 RTP/AVP 0|c=IN IP4 nowhere",
        NO_COMMON_CODEC,
    ),
    (
        "m=audio 5004 RTP/AVP 0|a=x|c=IN IP4 224.2.1.1/127",
        "488 line 8: address \"224.2.1.1/127\" is not of one host",
    ),
    (
        "m=audio 5004 RTP/AVP 0|c=IN IP4 255.255.255.255",
        "488 line 7: address \"255.255.255.255\" is not of one host",
    ),
    (
        "m=audio 5004 RTP/AVP 0|c=IN IP6 2001:db8::1",
        "488 line 7: address \"2001:db8::1\" is of the other IP version than ours",
    ),
];

const NO_COMMON_CODEC: &str = "488 line 6: no codec in common with this audio line";

#[test]
fn bodies_that_cannot_be_used_are_refused_with_status_line_and_reason() {
    let many_lines = ["m=audio 5004 RTP/AVP 0"; 33].join("|");
    let many_formats = format!("m=audio 5004 RTP/AVP{}", " 0".repeat(257));
    let long = format!("m=audio 5004 RTP/AVP 0|a=x:{}", "y".repeat(BODY_BYTES_MAX));
    let mut rows: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "400 No version line"),
        (b"\r\n\r\n".to_vec(), "400 No version line"),
        (
            b"hello".to_vec(),
            "400 Invalid formatted line 1: \"Line not in key=value format\"",
        ),
        (
            body("s=-|c=IN IP4 192.0.2.1|m=audio 5004 RTP/AVP 0"),
            "400 No version line",
        ),
        (body("v=1|s=-"), "400 Invalid version at line 1: 1"),
        (
            body("v=0|m=audio 5004 RTP/AVP 0"),
            "488 line 2: this audio line has no c= line",
        ),
        (
            offer_of(&many_lines),
            "400 line 38: more than 32 media lines",
        ),
        (offer_of(&many_formats), "400 line 6: more than 256 formats"),
        (
            offer_of(&long),
            "400 body of 65629 bytes, at most 65536 are read",
        ),
    ];
    rows.extend(
        REFUSED_MEDIA
            .iter()
            .map(|(media, expected)| (offer_of(media), *expected)),
    );
    for (offer, expected) in rows {
        let mut negotiation = negotiation();
        let refused = negotiation.answer(&offer, &local(), Direction::SendRecv);
        let refusal = refused.expect_err(expected);
        let shown = format!("{} {refusal}", refusal.sip_status());
        assert_eq!(shown.replace("not a session description: ", ""), expected);
        assert!(negotiation.current().is_none() && negotiation.current_local().is_none());
    }
}

#[test]
fn the_most_lines_and_formats_are_still_read() {
    let most_lines = ["m=video 5004 RTP/AVP 31"; 31].join("|") + "|m=audio 5004 RTP/AVP 0";
    let most_formats = format!("m=audio 5004 RTP/AVP{} 0", " 18".repeat(255));
    for media in [most_lines, most_formats] {
        let answered = negotiation().answer(&offer_of(&media), &local(), Direction::SendRecv);
        assert_eq!(answered.expect("within the limits").1.codec.name, "PCMU");
    }
}

#[test]
fn the_unspecified_address_is_hold_in_both_families() {
    for (zero, family, local) in [("0.0.0.0", "IP4", local_v6()), ("::", "IP6", local_v6())] {
        let offer = offer_of(&format!("m=audio 5004 RTP/AVP 0|c=IN {family} {zero}"));
        let (_, agreed) = negotiation()
            .answer(&offer, &local, Direction::SendRecv)
            .expect("an old way to hold");
        assert_eq!(
            (agreed.direction, agreed.remote_hold),
            (Direction::RecvOnly, true)
        );
    }
}

#[test]
fn a_refused_offer_leaves_what_was_agreed() {
    let mut negotiation = negotiation();
    let offer = fixture("asterisk.offer.sdp");
    let (body, agreed) = negotiation
        .answer(&offer, &local(), Direction::SendRecv)
        .expect("a good offer");
    for refused in ["no-common-codec", "savp-only", "port-0-only"] {
        let offer = fixture(&format!("{refused}.offer.sdp"));
        negotiation
            .answer(&offer, &local(), Direction::SendRecv)
            .expect_err(refused);
        assert_eq!(negotiation.current().map(summary), Some(summary(&agreed)));
        assert_eq!(negotiation.current_local(), Some(body.as_slice()));
    }
}

#[test]
fn answers_that_do_not_fit_the_offer_are_refused_and_the_offer_waits_on() {
    let rows = [
        (
            "m=audio 5004 RTP/AVP 18",
            "488 line 6: the answer has no codec that was offered",
        ),
        (
            "m=audio 5004 RTP/AVP 97|a=rtpmap:97 AMR/8000",
            "488 line 6: the answer has no codec that was offered",
        ),
        (
            "m=audio 5004 RTP/AVP 8",
            "488 line 6: the answer has no codec that was offered",
        ),
        ("m=audio 0 RTP/AVP 0", NO_AUDIO),
        ("m=audio 5004 RTP/SAVP 0", NO_AUDIO),
        (
            "m=video 5004 RTP/AVP 31",
            "488 the answer's media lines are not those of the offer",
        ),
        (
            "a=no-media",
            "488 the answer's media lines are not those of the offer",
        ),
        (
            "m=audio 5004 RTP/AVP 0|c=IN IP4 phone.local",
            "488 line 7: address \"phone.local\" is not an IP address",
        ),
    ];
    static PCMU_ONLY: &[&CodecInfo] = &[&g711::PCMU];
    for (media, expected) in rows {
        let mut negotiation = Negotiation::new(SESSION_ID, PCMU_ONLY);
        negotiation.offer(&local(), Direction::SendRecv);
        let refusal = negotiation
            .accept_answer(&offer_of(media))
            .expect_err(media);
        assert_eq!(format!("{} {refusal}", refusal.sip_status()), expected);
        assert!(negotiation.current().is_none());
        negotiation
            .accept_answer(&offer_of("m=audio 5004 RTP/AVP 0"))
            .expect("a good answer");
    }
}

#[test]
fn answers_use_our_numbers_in_and_theirs_out() {
    let rows = [
        // the peer renumbers Opus and the event
        (
            "m=audio 5004 RTP/AVP 96 97|a=rtpmap:96 opus/48000/2|a=rtpmap:97 telephone-event/48000",
            "opus 96/111 event 97/110@48000 192.0.2.1:5004 192.0.2.1:5005 sendrecv",
        ),
        // the peer leaves out the rtpmap of a number that is ours
        (
            "m=audio 5004 RTP/AVP 111 101",
            "opus 111/111 event 101/101@8000 192.0.2.1:5004 192.0.2.1:5005 sendrecv",
        ),
        // several codecs: the first
        (
            "m=audio 5004 RTP/AVP 18 0 8",
            "PCMU 0/0 192.0.2.1:5004 192.0.2.1:5005 sendrecv",
        ),
        // rtcp-mux that was not offered is not agreed
        (
            "m=audio 5004 RTP/AVP 0|a=rtcp-mux",
            "PCMU 0/0 192.0.2.1:5004 192.0.2.1:5005 sendrecv",
        ),
        // refused lines that the answerer dropped or added do not matter
        (
            "m=audio 5004 RTP/AVP 0|m=video 0 RTP/AVP 31",
            "PCMU 0/0 192.0.2.1:5004 192.0.2.1:5005 sendrecv",
        ),
    ];
    for (media, expected) in rows {
        let mut negotiation = negotiation();
        negotiation.offer(&local(), Direction::SendRecv);
        let agreed = negotiation.accept_answer(&offer_of(media)).expect(media);
        assert_eq!(summary(&agreed), expected, "{media}");
    }
}

#[test]
fn our_second_offer_keeps_lines_numbers_profile_and_mux() {
    let mut negotiation = negotiation();
    let offer = offer_of(
        "m=video 5000 RTP/AVPF 97|m=audio 5004 RTP/AVPF 0 101 111 110\
         |a=rtpmap:101 AMR/8000|a=rtpmap:111 telephone-event/8000|a=rtpmap:110 opus/48000/2\
         |a=rtcp-mux",
    );
    let (answer, _) = negotiation
        .answer(&offer, &local(), Direction::SendRecv)
        .expect("a good offer");
    assert_eq!(
        media_lines(&answer),
        ["video 0 RTP/AVPF 97", "audio 30000 RTP/AVPF 0 111"]
    );
    let hold = negotiation.offer(&local(), Direction::SendOnly);
    assert_eq!(
        media_lines(&hold),
        [
            "video 0 RTP/AVPF 97",
            "audio 30000 RTP/AVPF 0 110 9 8 127 111"
        ],
        "PCMU stays first; 127 is telephone-event/48000, for which 110 is taken"
    );
    assert!(text(&hold).contains("a=rtpmap:127 telephone-event/48000\r\n"));
    assert!(text(&hold).contains("a=rtcp-mux\r\n") && text(&hold).contains("a=sendonly\r\n"));
    assert_eq!((version(&answer), version(&hold)), (1, 2));
    let answer = offer_of("m=video 0 RTP/AVPF 97|m=audio 5004 RTP/AVPF 0|a=rtcp-mux|a=recvonly");
    let agreed = negotiation.accept_answer(&answer).expect("a good answer");
    let expected = "PCMU 0/0 192.0.2.1:5004 192.0.2.1:5004 sendonly mux";
    assert_eq!(summary(&agreed), expected);
    assert_eq!(
        version(&negotiation.offer(&local(), Direction::SendOnly)),
        2,
        "nothing changed"
    );
}

#[test]
fn an_offer_that_was_refused_is_rolled_back_and_its_version_is_not_used_again() {
    let mut negotiation = negotiation();
    let offer = fixture("asterisk.offer.sdp");
    let (first, agreed) = negotiation
        .answer(&offer, &local(), Direction::SendRecv)
        .expect("a good offer");
    negotiation.offer(&local(), Direction::SendOnly);
    let glare = negotiation.answer(&offer, &local(), Direction::SendRecv);
    assert_eq!(glare.expect_err("ours waits").sip_status(), 491);
    negotiation.rollback();
    assert_eq!(negotiation.current().map(summary), Some(summary(&agreed)));
    assert_eq!(negotiation.current_local(), Some(first.as_slice()));
    assert_eq!(
        negotiation.accept_answer(&offer).expect_err("gone"),
        Refusal::NoOffer
    );
    let (third, _) = negotiation
        .answer(&offer, &local(), Direction::SendRecv)
        .expect("a good offer");
    assert_eq!((version(&first), version(&third)), (1, 3));
}

#[test]
fn a_second_answer_to_the_same_offer_replaces_the_first_until_the_peer_offers() {
    let mut negotiation = negotiation();
    negotiation.offer(&local(), Direction::SendRecv);
    let early = negotiation
        .accept_answer(&offer_of("m=audio 5004 RTP/AVP 0"))
        .expect("183");
    let fork = negotiation
        .accept_answer(&offer_of("m=audio 6004 RTP/AVP 8"))
        .expect("200");
    assert_eq!((early.codec.name, fork.codec.name), ("PCMU", "PCMA"));
    assert_eq!(
        negotiation.current().map(|agreed| agreed.remote_rtp.port()),
        Some(6004)
    );
    let offer = fixture("hold-sendonly.offer.sdp");
    negotiation
        .answer(&offer, &local(), Direction::SendRecv)
        .expect("a good offer");
    let late = negotiation.accept_answer(&offer_of("m=audio 5004 RTP/AVP 0"));
    assert_eq!(late.expect_err("a stray answer"), Refusal::NoOffer);
}

#[test]
fn a_new_local_address_changes_the_version_but_not_the_origin() {
    let mut negotiation = negotiation();
    let offer = fixture("sipp.offer.sdp");
    let moved = Local {
        rtp: address("203.0.113.9:40000"),
        rtcp: address("203.0.113.9:40007"),
        webrtc: None,
    };
    negotiation
        .answer(&offer, &local(), Direction::SendRecv)
        .expect("a good offer");
    let (body, _) = negotiation
        .answer(&offer, &moved, Direction::SendRecv)
        .expect("a good offer");
    let body = text(&body);
    assert!(
        body.contains(&format!("o=- {SESSION_ID} 2 IN IP4 203.0.113.5\r\n")),
        "{body}"
    );
    assert!(body.contains("c=IN IP4 203.0.113.9\r\n"), "{body}");
    assert!(body.contains("a=rtcp:40007\r\n"), "{body}");
    let apart = Local {
        rtcp: address("203.0.113.10:40007"),
        ..moved
    };
    let (body, _) = negotiation
        .answer(&offer, &apart, Direction::SendRecv)
        .expect("a good offer");
    assert!(text(&body).contains("a=rtcp:40007 IN IP4 203.0.113.10\r\n"));
}

#[test]
fn numbers_run_out_without_harm() {
    let mut negotiation = negotiation();
    let numbers: String = (1..128).map(|number| format!(" {number}")).collect();
    let rtpmaps: String = (1..128)
        .map(|number| format!("|a=rtpmap:{number} AMR/8000"))
        .collect();
    let offer = offer_of(&format!("m=audio 5004 RTP/AVP 0{numbers}{rtpmaps}"));
    negotiation
        .answer(&offer, &local(), Direction::SendRecv)
        .expect("PCMU is there");
    let offer = negotiation.offer(&local(), Direction::SendRecv);
    assert_eq!(media_lines(&offer), ["audio 30000 RTP/AVP 0"]);
}

#[test]
fn every_codec_is_offered_answered_and_agreed_with_itself() {
    for codec in CODECS {
        let only: &'static [&'static CodecInfo] = vec![*codec].leak();
        let (mut caller, mut callee) = (Negotiation::new(1, only), negotiation());
        let offer = caller.offer(&local(), Direction::SendRecv);
        let answered = callee.answer(&offer, &local(), Direction::SendRecv);
        let (answer, theirs) = answered.expect("our own offer");
        let ours = caller.accept_answer(&answer).expect("our own answer");
        assert_eq!(summary(&ours), summary(&theirs));
        assert_eq!(ours.codec.name, codec.name);
        let event = ours.telephone_event.expect("both have it");
        assert_eq!(event.clock_rate_hz, codec.clock_rate_hz);
    }
}

fn any_fixture() -> impl Strategy<Value = Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = OUTCOMES
        .iter()
        .map(|(case, _)| fixture(&format!("{case}.offer.sdp")))
        .collect();
    bodies.push(fixture("late-offer.peer-answer.sdp"));
    proptest::sample::select(bodies)
}

/// Changes bytes, copies and drops lines.
fn mutate(body: Vec<u8>, changes: Vec<(usize, u8, u8)>) -> Vec<u8> {
    let mut body = body;
    for (place, kind, byte) in changes {
        let place = place % body.len().max(1);
        match kind % 4 {
            0 if place < body.len() => body[place] = byte,
            1 => body.insert(place, byte),
            2 if place < body.len() => _ = body.remove(place),
            _ => {
                let mut lines: Vec<Vec<u8>> = body
                    .split_inclusive(|&byte| byte == b'\n')
                    .map(<[u8]>::to_vec)
                    .collect();
                let from = usize::from(byte) % lines.len().max(1);
                if let Some(line) = lines.get(from).cloned() {
                    lines.insert(place % lines.len(), line);
                }
                body = lines.concat();
            }
        }
    }
    body
}

fn exchange(body: &[u8]) {
    let mut negotiation = negotiation();
    if let Ok((answer, agreed)) = negotiation.answer(body, &local(), Direction::SendRecv) {
        let theirs = description::Description::parse(body).expect("it was answered");
        let ours = description::Description::parse(&answer).expect("our own body");
        assert_eq!(theirs.media.len(), ours.media.len());
        assert_eq!(ours.media.iter().filter(|media| media.port != 0).count(), 1);
        assert!(!agreed.remote_rtp.ip().is_multicast());
    }
    negotiation.rollback();
    negotiation.offer(&local(), Direction::SendRecv);
    if negotiation.accept_answer(body).is_ok() {
        negotiation.offer(&local(), Direction::SendOnly);
    }
}

/// A line of a known type with any value, or a likely m= line.
const LINE: &str = "[vosctma]=[ -~]{0,40}|m=audio [0-9]{1,5} RTP/AVP( [0-9]{1,3}){0,9}";

proptest! {
    #[test]
    fn random_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        exchange(&body);
    }

    #[test]
    fn random_lines_never_panic(
        lines in proptest::collection::vec(LINE, 0..30)
    ) {
        exchange(format!("v=0\r\n{}", lines.join("\r\n")).as_bytes());
    }

    #[test]
    fn mutated_bodies_never_panic(
        body in any_fixture(),
        changes in proptest::collection::vec((any::<usize>(), any::<u8>(), any::<u8>()), 0..12),
    ) {
        exchange(&mutate(body, changes));
    }
}
