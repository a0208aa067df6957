//! The session descriptions of a browser: the offer that it makes, and what it reads in the answer
//! (RFC 8829; an agent with ICE that meets a lite one).

use std::net::SocketAddr;

/// The payload type of Opus.
pub(super) const OPUS: u8 = 111;
/// The id of the audio level in header extensions (RFC 6464).
pub(super) const LEVEL_ID: u8 = 1;
const LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

/// Name and password of one side of ICE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) ufrag: String,
    pub(super) pwd: String,
}

/// The description of a browser whose media comes to `local`.
pub(super) fn offer(local: SocketAddr, ssrc: u32, ice: &Credentials, fingerprint: &str) -> String {
    let (ip, port) = (local.ip(), local.port());
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    let Credentials { ufrag, pwd } = ice;
    format!(
        "v=0\r\no=- {ssrc} 2 IN {family} {ip}\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=audio {port} UDP/TLS/RTP/SAVPF {OPUS}\r\nc=IN {family} {ip}\r\n\
         a=candidate:1 1 udp 2130706431 {ip} {port} typ host\r\na=end-of-candidates\r\n\
         a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\na=fingerprint:sha-256 {fingerprint}\r\n\
         a=setup:actpass\r\na=mid:0\r\na=extmap:{LEVEL_ID} {LEVEL_URI}\r\na=sendrecv\r\n\
         a=msid:- load\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:{OPUS} opus/48000/2\r\n\
         a=fmtp:{OPUS} minptime=10;useinbandfec=1\r\na=ssrc:{ssrc} cname:load\r\n"
    )
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) ice: Credentials,
    /// In hexadecimal with colons, upper case.
    pub(super) fingerprint: String,
    pub(super) candidate: SocketAddr,
    /// Packets may say how loud they are.
    pub(super) tells_level: bool,
}

/// Reads an answer.
///
/// # Errors
/// What it lacks, in words.
pub(super) fn parse_answer(text: &str) -> Result<Answer, &'static str> {
    let attribute = |name: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix("a=")?.strip_prefix(name))
    };
    let media = text.lines().find_map(|line| line.strip_prefix("m=audio "));
    let takes_opus = media.is_some_and(|media| {
        let mut words = media.split_whitespace().skip(2);
        words.any(|word| word.parse() == Ok(OPUS))
    });
    if !takes_opus {
        return Err("the answer has no Opus");
    }
    if attribute("setup:") != Some("passive") {
        return Err("the answer does not leave DTLS to the browser");
    }
    let credential = |name| attribute(name).map(str::to_owned);
    let (ufrag, pwd) = (credential("ice-ufrag:"), credential("ice-pwd:"));
    let (Some(ufrag), Some(pwd)) = (ufrag, pwd) else {
        return Err("the answer has no credentials for ICE");
    };
    let fingerprint = attribute("fingerprint:sha-256 ");
    let candidate = attribute("candidate:").and_then(|candidate| {
        let words: Vec<&str> = candidate.split_whitespace().collect();
        let (ip, port) = (words.get(4)?.parse().ok()?, words.get(5)?.parse().ok()?);
        Some(SocketAddr::new(ip, port))
    });
    let level = format!("{LEVEL_ID} {LEVEL_URI}");
    Ok(Answer {
        ice: Credentials { ufrag, pwd },
        fingerprint: fingerprint
            .ok_or("the answer has no SHA-256 fingerprint")?
            .to_ascii_uppercase(),
        candidate: candidate.ok_or("the answer has no candidate")?,
        tells_level: attribute("extmap:").is_some_and(|map| map.starts_with(&level)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = include_str!("../../../fixtures/sdp/webrtc-chrome-audio.answer.sdp");

    #[test]
    fn an_answer_is_read() {
        let answer = parse_answer(ANSWER).expect("a good answer");
        assert_eq!(answer.ice.ufrag, "OurFrag1");
        assert_eq!(answer.ice.pwd, "OurPasswordIsTwentyFour1");
        assert_eq!(answer.candidate.to_string(), "203.0.113.5:10000");
        assert!(answer.fingerprint.starts_with("00:01:02:"), "{answer:?}");
        assert!(answer.tells_level);
    }

    #[test]
    fn what_an_answer_lacks_is_said() {
        for (from, to, problem) in [
            ("SAVPF 111", "SAVPF 0", "the answer has no Opus"),
            (
                "setup:passive",
                "setup:active",
                "the answer does not leave DTLS to the browser",
            ),
            ("a=ice-pwd", "a=x", "the answer has no credentials for ICE"),
            ("a=candidate", "a=x", "the answer has no candidate"),
            ("sha-256", "sha-1", "the answer has no SHA-256 fingerprint"),
        ] {
            assert!(ANSWER.contains(from), "{from}");
            assert_eq!(parse_answer(&ANSWER.replace(from, to)), Err(problem));
        }
        let plain = ANSWER.replace("a=extmap", "a=x");
        assert!(!parse_answer(&plain).expect("without levels").tells_level);
    }
}
