//! A STUN server (RFC 8489): tells whoever asks from which address the question came. Two browsers
//! on different networks learn from it how they may reach each other. It knows binding requests
//! alone, keeps nothing of who asks, authenticates nobody, and is no relay. `run::stun_socket`
//! gives it a socket.
//!
//! That socket is not the one of the WebRTC legs, although RFC 7983 would allow it: Chromium takes
//! whatever comes from the address of its STUN server for answers of that server, and so would
//! never see an ICE check answered.
//!
//! | datagram | answer |
//! |---|---|
//! | binding request | success with XOR-MAPPED-ADDRESS |
//! | the same with an attribute that must be understood and is not | error 420 with its type |
//! | lengths or FINGERPRINT wrong, another class or method, from port 0 | none |
//!
//! An answer is at most 24 bytes longer than its question, so that a forged source gains little.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rtc::stun::attributes::{
    ATTR_FINGERPRINT, ATTR_MESSAGE_INTEGRITY, ATTR_MESSAGE_INTEGRITY_SHA256, ATTR_NONCE,
    ATTR_PRIORITY, ATTR_REALM, ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType,
};
use rtc::stun::error_code::{CODE_UNKNOWN_ATTRIBUTE, ErrorCodeAttribute};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::message::{BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Message, Setter};
use rtc::stun::uattrs::UnknownAttributes;
use rtc::stun::xoraddr::XorMappedAddress;

/// Answers in one second, over all who ask; more questions stay unanswered, and clients repeat
/// theirs (RFC 8489 §6.2.1). It bounds what a flood with a forged source reflects to 120 KB/s.
pub const ANSWERS_PER_S: u32 = 2_000;
/// The longest question: a header and some attributes that we need not know. Longer ones are noise.
pub const QUESTION_BYTES_MAX: usize = 548;
/// Types that one answer names; they are a part of the question, which had 4 bytes for each.
const UNKNOWN_MAX: usize = 8;
const HEADER_BYTES: usize = 20;
/// Types from here on need not be understood (RFC 8489 §14).
const OPTIONAL_FROM: u16 = 0x8000;
/// What we understand, be it only to ignore it: this server authenticates nobody.
const UNDERSTOOD: [AttrType; 7] = [
    ATTR_USERNAME,
    ATTR_MESSAGE_INTEGRITY,
    ATTR_MESSAGE_INTEGRITY_SHA256,
    ATTR_REALM,
    ATTR_NONCE,
    ATTR_PRIORITY,
    ATTR_USE_CANDIDATE,
];

/// The server. It counts its answers; nothing else is kept.
#[derive(Default)]
pub struct StunServer {
    second: Option<Instant>,
    answered: u32,
}

impl StunServer {
    /// The answer for `from`; nothing when the datagram deserves none or too many were given.
    pub fn answer(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
        let is_over = |start: Instant| now.duration_since(start) >= Duration::from_secs(1);
        if self.second.is_none_or(is_over) {
            self.second = Some(now);
            self.answered = 0;
        }
        if self.answered >= ANSWERS_PER_S {
            return None;
        }
        let answer = answer(from, datagram)?;
        self.answered += 1;
        Some(answer)
    }
}

fn answer(from: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
    if from.port() == 0 || from.ip().is_unspecified() || from.ip().is_multicast() {
        return None;
    }
    let announced = datagram.get(2..4)?;
    let announced = usize::from(u16::from_be_bytes([
        *announced.first()?,
        *announced.get(1)?,
    ]));
    let fits = announced.is_multiple_of(4) && HEADER_BYTES + announced == datagram.len();
    if !fits || datagram.len() > QUESTION_BYTES_MAX {
        return None;
    }
    let mut request = Message::new();
    request.unmarshal_binary(datagram).ok()?;
    if request.typ != BINDING_REQUEST {
        return None;
    }
    let has_fingerprint = request.contains(ATTR_FINGERPRINT);
    if has_fingerprint && FINGERPRINT.check(&request).is_err() {
        return None;
    }
    let types = request.attributes.0.iter().map(|attribute| attribute.typ);
    let unknown: Vec<AttrType> = types
        .filter(|typ| typ.value() < OPTIONAL_FROM && !UNDERSTOOD.contains(typ))
        .take(UNKNOWN_MAX)
        .collect();
    let mut parts: Vec<Box<dyn Setter>> = vec![Box::new(request.clone())];
    if unknown.is_empty() {
        // A socket for both families names an IPv4 client by a mapped address.
        let (ip, port) = (from.ip().to_canonical(), from.port());
        parts.push(Box::new(BINDING_SUCCESS));
        parts.push(Box::new(XorMappedAddress { ip, port }));
    } else {
        parts.push(Box::new(BINDING_ERROR));
        parts.push(Box::new(ErrorCodeAttribute {
            code: CODE_UNKNOWN_ATTRIBUTE,
            reason: Vec::new(),
        }));
        parts.push(Box::new(UnknownAttributes(unknown)));
    }
    if has_fingerprint {
        parts.push(Box::new(FINGERPRINT));
    }
    let mut answer = Message::new();
    answer.build(&parts).ok().map(|()| answer.raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rtc::stun::attributes::ATTR_UNKNOWN_ATTRIBUTES;
    use rtc::stun::message::{Getter, TransactionId};

    const CHANGE_REQUEST: u16 = 3;
    const SOFTWARE: u16 = 0x8022;

    fn client(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn question(attributes: &[(u16, &[u8])], fingerprint: bool) -> Vec<u8> {
        let mut message = Message::new();
        let id = TransactionId([7; 12]);
        let built = message.build(&[Box::new(id), Box::new(BINDING_REQUEST)]);
        built.expect("a request");
        for (typ, value) in attributes {
            message.add(AttrType(*typ), value);
        }
        if fingerprint {
            FINGERPRINT.add_to(&mut message).expect("room for it");
        }
        message.raw
    }

    fn read(answer: &[u8]) -> Message {
        let mut message = Message::new();
        message.unmarshal_binary(answer).expect("STUN");
        message
    }

    #[test]
    fn who_asks_is_told_its_address() {
        let rows: [(&str, Vec<u8>); 5] = [
            ("192.0.2.7:4000", question(&[], false)),
            ("[2001:db8::7]:4000", question(&[], false)),
            ("192.0.2.7:1", question(&[(SOFTWARE, b"abcd")], true)),
            (
                "127.0.0.1:65535",
                question(&[(6, b"a:bc"), (8, &[0; 20])], false),
            ),
            ("[::ffff:192.0.2.7]:4000", question(&[], false)),
        ];
        for (from, question) in rows {
            let from = client(from);
            let answer = answer(from, &question).expect("an answer");
            assert!(answer.len() <= question.len() + 24, "{from}");
            let read = read(&answer);
            assert_eq!(read.typ, BINDING_SUCCESS);
            assert_eq!(read.transaction_id.0, [7; 12]);
            let mut mapped = XorMappedAddress::default();
            mapped.get_from(&read).expect("the address");
            let canonical = SocketAddr::new(from.ip().to_canonical(), from.port());
            assert_eq!(SocketAddr::new(mapped.ip, mapped.port), canonical);
            assert_eq!(
                read.contains(ATTR_FINGERPRINT),
                question.len() > 30 && FINGERPRINT.check(&read).is_ok()
            );
        }
    }

    #[test]
    fn what_must_be_understood_and_is_not_is_named() {
        let many: Vec<(u16, &[u8])> = (0x100..0x140).map(|typ| (typ, &[][..])).collect();
        let rows = [
            (question(&[(CHANGE_REQUEST, &[0; 4])], true), 1),
            (question(&many, false), UNKNOWN_MAX),
        ];
        for (question, named) in rows {
            let answer = answer(client("192.0.2.7:4000"), &question).expect("an answer");
            let read = read(&answer);
            assert_eq!(read.typ, BINDING_ERROR);
            let mut code = ErrorCodeAttribute::default();
            code.get_from(&read).expect("a code");
            assert_eq!(code.code.0, 420);
            let types = read.get(ATTR_UNKNOWN_ATTRIBUTES).expect("types");
            assert_eq!(types.len(), 2 * named);
            assert!(answer.len() <= question.len() + 24);
        }
    }

    #[test]
    fn everything_else_stays_unanswered() {
        let good = question(&[], true);
        let with = |at: usize, byte: u8| {
            let mut changed = good.clone();
            changed[at] = byte;
            changed
        };
        let mut longer = good.clone();
        longer.extend_from_slice(&[0; 4]);
        let rows = [
            (with(1, 0x11), "an indication"),
            (with(0, 1), "a response"),
            (with(1, 3), "an allocation"),
            (with(4, 0), "no magic cookie"),
            (with(3, 12), "another length than is there"),
            (
                with(good.len() - 1, good[good.len() - 1] ^ 1),
                "a wrong FINGERPRINT",
            ),
            (longer, "bytes after the end"),
            (good[..19].to_vec(), "half a header"),
            (
                question(&[(SOFTWARE, &[b'a'; 600])], false),
                "longer than any question",
            ),
        ];
        for (datagram, what) in rows {
            assert_eq!(answer(client("192.0.2.7:4000"), &datagram), None, "{what}");
        }
        for from in ["192.0.2.7:0", "0.0.0.0:4000", "224.0.0.1:4000"] {
            assert_eq!(answer(client(from), &good), None, "{from}");
        }
        for length in 0..good.len() {
            assert_eq!(answer(client("192.0.2.7:4000"), &good[..length]), None);
        }
    }

    #[test]
    fn a_flood_gets_no_more_than_the_limit() {
        let (mut server, start) = (StunServer::default(), Instant::now());
        let question = question(&[], false);
        let mut ask = |ms| {
            let now = start + Duration::from_millis(ms);
            server
                .answer(now, client("192.0.2.7:4000"), &question)
                .is_some()
        };
        let answered = (0..10_000).filter(|n| ask(n / 10)).count();
        assert_eq!(answered, ANSWERS_PER_S as usize);
        assert!(!ask(999));
        assert!(ask(1000));
    }
    proptest! {
        #[test]
        fn whatever_comes_is_answered_shortly_or_not_at_all(
            noise in proptest::collection::vec(any::<u8>(), 0..600),
            changes in proptest::collection::vec((0usize..80, any::<u8>()), 0..8),
        ) {
            let mut mutated = question(&[(CHANGE_REQUEST, &[0; 4]), (SOFTWARE, b"abcd")], true);
            for (at, byte) in changes {
                if let Some(place) = mutated.get_mut(at) {
                    *place = byte;
                }
            }
            for datagram in [noise, mutated] {
                if let Some(answer) = answer(client("192.0.2.7:4000"), &datagram) {
                    prop_assert!(answer.len() <= datagram.len() + 24);
                    prop_assert!(answer[0] == 1, "a response");
                }
            }
        }
    }
}
