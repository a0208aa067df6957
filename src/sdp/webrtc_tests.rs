//! Browsers' offers in `fixtures/sdp`, and what later exchanges keep and change.

use std::collections::BTreeMap;

use super::tests::{fixture, fixture_names, text};
use super::*;
use crate::codec::CODECS;

const SESSION_ID: u64 = 4711;
const OUR_FINGERPRINT: &str = "sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:\
     10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F";

fn credentials(ufrag: &str, pwd: &str) -> IceCredentials {
    let (ufrag, pwd) = (ufrag.to_string(), pwd.to_string());
    IceCredentials { ufrag, pwd }
}

fn local() -> Local {
    let address: SocketAddr = "203.0.113.5:10000".parse().expect("an address");
    Local {
        rtp: address,
        rtcp: address,
        webrtc: Some(LocalWebRtc {
            ice: credentials("OurFrag1", "OurPasswordIsTwentyFour1"),
            restart: credentials("OurFrag2", "OurPasswordIsTwentyFour2"),
            fingerprint: OUR_FINGERPRINT.to_string(),
            candidates: vec![address],
        }),
    }
}

fn negotiation() -> Negotiation {
    Negotiation::new(SESSION_ID, CODECS)
}

fn answer(negotiation: &mut Negotiation, case: &str) -> (String, Agreed) {
    let offer = fixture(&format!("{case}.offer.sdp"));
    let (body, agreed) = negotiation
        .answer(&offer, &local(), Direction::SendRecv)
        .unwrap_or_else(|refusal| panic!("{case}: {refusal}"));
    (text(&body), agreed)
}

/// `opus 111 event 110@48000 sendrecv yMUw OurFrag1 active level 1 4aadb9b1`.
fn summary(agreed: &Agreed) -> String {
    let webrtc = agreed.webrtc.as_ref().expect("over DTLS");
    assert!(agreed.rtcp_mux);
    let mut words = format!("{} {}", agreed.codec.name, agreed.payload_type_out);
    if let Some(event) = agreed.telephone_event {
        words += &format!(" event {}@{}", event.payload_type_in, event.clock_rate_hz);
    }
    let (theirs, ours) = (&webrtc.ice.ufrag, &webrtc.local_ice.ufrag);
    let (direction, setup) = (agreed.direction.attribute(), webrtc.setup.attribute());
    words += &format!(" {direction} {theirs} {ours} {setup}");
    if let Some(id) = webrtc.audio_level_extension {
        words += &format!(" level {id}");
    }
    let hex: String = webrtc.fingerprint_sha256[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    words += &format!(" {hex}");
    words + if agreed.remote_hold { " hold" } else { "" }
}

const OUTCOMES: &[(&str, &str)] = &[
    (
        "webrtc-chrome-audio",
        "opus 111 event 110@48000 sendrecv yMUw OurFrag1 active level 1 4aadb9b1",
    ),
    (
        "webrtc-chrome-audio-video",
        "opus 111 event 110@48000 sendrecv yMUw OurFrag1 active level 1 4aadb9b1",
    ),
    (
        "webrtc-chrome-hold",
        "opus 111 event 110@48000 recvonly yMUw OurFrag1 active level 1 4aadb9b1 hold",
    ),
    (
        "webrtc-chrome-restart",
        "opus 111 event 110@48000 sendrecv q7Hz OurFrag1 active level 1 4aadb9b1",
    ),
    (
        "webrtc-chrome-trickle",
        "opus 111 event 110@48000 sendrecv yMUw OurFrag1 active level 1 4aadb9b1",
    ),
    (
        "webrtc-firefox-audio",
        "opus 109 event 101@8000 sendrecv 3f0c9e51 OurFrag1 active level 1 0d7b913e",
    ),
    (
        "webrtc-firefox-mdns",
        "opus 109 event 101@8000 sendrecv 6a0d93f2 OurFrag1 active level 1 5c21f07a",
    ),
    (
        "webrtc-passive-pcma",
        "PCMA 8 sendrecv abcd OurFrag1 passive 4aadb9b1",
    ),
];

#[test]
fn browsers_offers_get_the_answer_that_lies_beside_them() {
    let mut outcomes: BTreeMap<&str, &str> = OUTCOMES.iter().copied().collect();
    for name in fixture_names() {
        let Some(case) = name.strip_suffix(".offer.sdp") else {
            continue;
        };
        let offer = fixture(&name);
        assert_eq!(wants_webrtc(&offer), case.starts_with("webrtc-"), "{case}");
        if !case.starts_with("webrtc-") {
            continue;
        }
        let (body, agreed) = answer(&mut negotiation(), case);
        let outcome = outcomes.remove(case);
        assert_eq!(Some(summary(&agreed).as_str()), outcome, "{case}");
        assert_eq!(
            body,
            text(&fixture(&format!("{case}.answer.sdp"))),
            "{case}"
        );
    }
    assert!(outcomes.is_empty(), "no fixtures for {outcomes:?}");
}

#[test]
fn a_restart_of_ice_gets_new_credentials_and_nothing_else_does() {
    let mut negotiation = negotiation();
    // offer, our ufrag, version
    let rows = [
        ("webrtc-chrome-audio", "OurFrag1", 1),
        ("webrtc-chrome-hold", "OurFrag1", 2),
        ("webrtc-chrome-audio", "OurFrag1", 3),
        ("webrtc-chrome-restart", "OurFrag2", 4),
        ("webrtc-chrome-restart", "OurFrag2", 4),
    ];
    for (case, ufrag, version) in rows {
        let (body, agreed) = answer(&mut negotiation, case);
        let webrtc = agreed.webrtc.expect("over DTLS");
        assert_eq!(webrtc.local_ice.ufrag, ufrag, "{case}");
        assert!(body.contains(&format!("a=ice-ufrag:{ufrag}\r\n")), "{body}");
        assert!(
            body.contains(&format!("o=- {SESSION_ID} {version} ")),
            "{body}"
        );
        assert!(body.contains("a=setup:passive\r\n"), "{body}");
    }
    let offer = text(&negotiation.offer(&local(), Direction::SendRecv));
    assert!(offer.contains("a=ice-ufrag:OurFrag2\r\n"), "{offer}");
}

#[test]
fn who_opened_the_association_stays_the_one() {
    let mut negotiation = negotiation();
    let first = text(&fixture("webrtc-chrome-audio.offer.sdp"));
    for (said, ours) in [
        ("passive", "active"),
        ("actpass", "active"),
        ("active", "passive"),
        ("actpass", "passive"),
    ] {
        let offer = first.replace("a=setup:actpass", &format!("a=setup:{said}"));
        let (body, _) = negotiation
            .answer(offer.as_bytes(), &local(), Direction::SendRecv)
            .expect("a good offer");
        assert!(
            text(&body).contains(&format!("a=setup:{ours}\r\n")),
            "{said}"
        );
    }
}

#[test]
fn our_own_offers_are_answered_by_a_browser() {
    let mut ours = negotiation();
    let offer = ours.offer(&local(), Direction::SendRecv);
    assert_eq!(
        text(&offer),
        text(&fixture("webrtc-late-offer.own-offer.sdp"))
    );
    let mut theirs = Negotiation::new(1, CODECS);
    let peer = Local {
        webrtc: Some(LocalWebRtc {
            ice: credentials("PeerFrag", "PeerPasswordIsTwentyFour"),
            ..local().webrtc.expect("over DTLS")
        }),
        ..local()
    };
    for (want, direction) in [
        (Direction::SendRecv, "sendrecv"),
        (Direction::RecvOnly, "sendonly"),
    ] {
        let (answer, _) = theirs.answer(&offer, &peer, want).expect("our own offer");
        let agreed = ours.accept_answer(&answer).expect("a good answer");
        // The peer answered passive, as a browser would not; the roles follow.
        let webrtc = agreed.webrtc.as_ref().expect("over DTLS");
        assert_eq!(webrtc.setup, Setup::Passive);
        assert_eq!(webrtc.ice.ufrag, "PeerFrag");
        assert_eq!(webrtc.local_ice.ufrag, "OurFrag1");
        assert_eq!(agreed.direction.attribute(), direction);
    }
    let again = text(&ours.offer(&local(), Direction::SendRecv));
    assert!(again.contains("UDP/TLS/RTP/SAVPF"), "{again}");
    assert!(again.contains("a=ice-ufrag:OurFrag1\r\n"), "{again}");
    let plain = fixture("sipp.offer.sdp");
    assert_eq!(ours.accept_answer(&plain).err(), Some(Refusal::NoAudio));
}

#[test]
fn lines_over_dtls_that_lack_something_are_refused() {
    let good = text(&fixture("webrtc-chrome-audio.offer.sdp"));
    let hex = "4A:AD:B9:B1";
    let long = format!("a=ice-ufrag:{}", "x".repeat(257));
    let rows = [
        ("a=ice-ufrag:yMUw", "a=ice-ufrag:yMU", "ice-ufrag"),
        ("a=ice-ufrag:yMUw", long.as_str(), "ice-ufrag"),
        ("a=ice-ufrag:yMUw", "a=ice-ufrag:yM w", "ice-ufrag"),
        (
            "a=ice-pwd:4ILAhuWOxRhFVoYbtwGXyW11",
            "a=ice-pwd:short",
            "ice-pwd",
        ),
        ("a=rtcp-mux", "a=x", "rtcp-mux"),
        (
            "a=fingerprint:sha-256",
            "a=fingerprint:sha-1",
            "fingerprint",
        ),
        (hex, "4A:AD:B9", "fingerprint"),
        (hex, "4A:AD:B9:+1", "fingerprint"),
        (hex, "4A:AD:B9:\u{20ac}", "fingerprint"),
    ];
    for (from, to, missing) in rows {
        let offer = good.replace(from, to);
        assert_ne!(offer, good, "{from}");
        let refusal = negotiation()
            .answer(offer.as_bytes(), &local(), Direction::SendRecv)
            .expect_err(to);
        assert_eq!(refusal.sip_status(), 488);
        assert!(refusal.to_string().contains(missing), "{to}: {refusal}");
    }
    let plain = negotiation().answer(&fixture("sipp.offer.sdp"), &local(), Direction::SendRecv);
    assert_eq!(plain.err(), Some(Refusal::NoAudio));
}

#[test]
fn the_level_of_the_audio_is_taken_where_it_may_be_sent_to_us() {
    let good = text(&fixture("webrtc-chrome-audio.offer.sdp"));
    let line = "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level";
    let rows = [
        ("a=extmap:7/sendonly", Some((7, "a=extmap:7/recvonly urn"))),
        (
            "a=extmap:14/sendrecv",
            Some((14, "a=extmap:14/sendrecv urn")),
        ),
        ("a=extmap:3/recvonly", None),
        ("a=extmap:15", None),
        ("a=extmap:0", None),
    ];
    for (said, expected) in rows {
        let offer = good.replace(line, &line.replace("a=extmap:1", said));
        let (body, agreed) = negotiation()
            .answer(offer.as_bytes(), &local(), Direction::SendRecv)
            .expect("a good offer");
        let id = agreed
            .webrtc
            .and_then(|webrtc| webrtc.audio_level_extension);
        assert_eq!(id, expected.map(|(id, _)| id), "{said}");
        let answered = expected.is_none_or(|(_, line)| text(&body).contains(line));
        assert!(answered, "{said}");
        assert_eq!(text(&body).contains("ssrc-audio-level"), id.is_some());
    }
}

#[test]
fn credentials_use_all_their_bits() {
    let zero = IceCredentials::from_random([0; 3]);
    assert_eq!((zero.ufrag.len(), zero.pwd.len()), (8, 24));
    let mut seen = vec![zero];
    for bit in 0..192 {
        let mut random = [0; 3];
        random[bit / 64] = 1_u64 << (bit % 64);
        let made = IceCredentials::from_random(random);
        assert!(!seen.contains(&made), "bit {bit}");
        seen.push(made);
    }
    assert!(!format!("{:?}", seen[1]).contains(&seen[1].pwd));
}
