//! Session descriptions: an input is an offer to us, and an answer to our offer.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use talkpath::codec::CODECS;
use talkpath::sdp::{
    Agreed, Direction, IceCredentials, Local, LocalWebRtc, Negotiation, wants_webrtc,
};

const OUR_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5));

fn local(webrtc: bool) -> Local {
    let rtp = SocketAddr::new(OUR_ADDRESS, 30_000);
    let ice = |name: &str| IceCredentials {
        ufrag: name.repeat(4),
        pwd: name.repeat(22),
    };
    let fingerprint = vec!["A5"; 32].join(":");
    Local {
        rtp,
        rtcp: SocketAddr::new(OUR_ADDRESS, 30_001),
        webrtc: webrtc.then(|| LocalWebRtc {
            ice: ice("a"),
            restart: ice("b"),
            fingerprint: format!("sha-256 {fingerprint}"),
            candidates: vec![rtp],
        }),
    }
}

/// The m= lines of a body, each in its words.
fn media_lines(body: &[u8]) -> Vec<Vec<String>> {
    let end = if body.contains(&b'\n') { b'\n' } else { b'\r' };
    let lines = body.split(|byte| *byte == end);
    let media = lines.filter_map(|line| line.strip_prefix(b"m="));
    let text = |line: &[u8]| match std::str::from_utf8(line) {
        Ok(text) => text.to_owned(),
        Err(_) => line.iter().map(|byte| char::from(*byte)).collect(),
    };
    let words = |line: String| {
        let line = line.trim_end_matches(['\r', '\0', ' ', '\t']);
        // A kind may be empty.
        let rest = line.strip_prefix(|c: char| c.is_ascii_whitespace());
        let kind = rest.map(|_| String::new());
        let words = line.split_ascii_whitespace().map(str::to_owned);
        kind.into_iter().chain(words).collect()
    };
    media.map(text).map(words).collect()
}

/// An answer has one line for each of the offer, uses one of them, with formats that were offered
/// there, and a peer like us takes it. What an answer agrees to was offered. A refusal changes
/// nothing.
pub fn negotiate(input: &[u8]) {
    let _ = wants_webrtc(input);
    for webrtc in [false, true] {
        let local = local(webrtc);
        answered(input, &local);
        accepted(input, &local);
    }
}

fn answered(input: &[u8], local: &Local) {
    let mut negotiation = Negotiation::new(4711, CODECS);
    let Ok((answer, agreed)) = negotiation.answer(input, local, Direction::SendRecv) else {
        assert!(negotiation.current().is_none());
        return;
    };
    check_agreed(&agreed);
    check_answer(input, &answer, &agreed);
    assert_eq!(negotiation.current_local(), Some(&answer[..]));
    // A peer like us could have offered it.
    let mut peer = Negotiation::new(1, CODECS);
    let (_, seen) = peer
        .answer(&answer, local, Direction::SendRecv)
        .unwrap_or_else(|refusal| panic!("{refusal}: {}", String::from_utf8_lossy(&answer)));
    assert!(std::ptr::eq(seen.codec, agreed.codec));
    assert_eq!(seen.direction, agreed.direction.reversed());
    // Our own offer keeps the lines, and the same offer gets the same answer.
    let offer = negotiation.offer(local, Direction::SendRecv);
    assert_eq!(media_lines(&offer).len(), media_lines(&answer).len());
    assert!(
        negotiation
            .answer(input, local, Direction::SendRecv)
            .is_err()
    );
    negotiation.rollback();
    let again = negotiation.answer(input, local, Direction::SendRecv);
    let (again, _) = again.expect("it was answered before");
    assert_eq!(media_lines(&again), media_lines(&answer));
}

fn check_agreed(agreed: &Agreed) {
    assert!(!agreed.remote_rtp.ip().is_multicast());
    assert!(agreed.remote_rtp.port() != 0);
    let events = agreed.telephone_event;
    let events = events.map(|event| [event.payload_type_out, event.payload_type_in]);
    let own = [agreed.payload_type_out, agreed.payload_type_in];
    for payload_type in own.into_iter().chain(events.into_iter().flatten()) {
        assert!(payload_type < 128);
    }
    if let Some(ptime_ms) = agreed.remote_ptime_ms {
        assert!((10..=60).contains(&ptime_ms));
    }
}

fn check_answer(offer: &[u8], answer: &[u8], agreed: &Agreed) {
    assert!(answer.len() <= 2 * offer.len() + 4096);
    let (theirs, ours) = (media_lines(offer), media_lines(answer));
    assert_eq!(theirs.len(), ours.len());
    let mut used = 0;
    for (theirs, ours) in theirs.iter().zip(&ours) {
        assert!(
            ours[0].eq_ignore_ascii_case(&theirs[0]) && ours[2] == theirs[2],
            "{ours:?} to {theirs:?}"
        );
        used += usize::from(ours[1] != "0");
        for format in &ours[3..] {
            let number = |text: &String| text.parse::<u8>().ok();
            let offered = theirs[3..]
                .iter()
                .any(|one| one == format || number(one).is_some() && number(one) == number(format));
            assert!(offered, "{format} was not offered");
        }
        if ours[1] != "0" {
            let own = agreed.payload_type_in.to_string();
            assert!(ours[3..].contains(&own));
        }
    }
    assert_eq!(used, 1);
}

fn accepted(input: &[u8], local: &Local) {
    let mut negotiation = Negotiation::new(4711, CODECS);
    assert!(
        negotiation.accept_answer(input).is_err(),
        "nothing was offered"
    );
    let offer = negotiation.offer(local, Direction::SendRecv);
    let offered = media_lines(&offer).concat();
    let Ok(agreed) = negotiation.accept_answer(input) else {
        assert!(negotiation.current().is_none());
        return;
    };
    check_agreed(&agreed);
    let event = agreed.telephone_event.map(|event| event.payload_type_in);
    for number in std::iter::once(agreed.payload_type_in).chain(event) {
        assert!(offered[3..].contains(&number.to_string()), "{number}");
    }
    assert!(
        CODECS
            .iter()
            .any(|codec| std::ptr::eq(*codec, agreed.codec))
    );
    assert_eq!(agreed.webrtc.is_some(), local.webrtc.is_some());
    let next = negotiation.offer(local, Direction::SendOnly);
    assert_eq!(media_lines(&next).len(), 1);
    negotiation.rollback();
    assert!(negotiation.current().is_some());
}
