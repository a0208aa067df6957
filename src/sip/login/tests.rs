use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::sip::digest::{Secret, answer};
use crate::sip::flow::Transport;
use crate::sip::message::Method;
use crate::sip::uri::Uri;

const UNIX_S: u64 = 1_000_000;

fn ha1(algorithm: Algorithm, password: &str, expires_unix_s: Option<u64>) -> Ha1 {
    let hash = algorithm.ha1("alice", DEFAULT_REALM, password);
    Ha1 {
        algorithm,
        realm: DEFAULT_REALM.to_owned(),
        hash: hash.to_uppercase(),
        expires_unix_s,
    }
}

fn alice() -> User {
    let other_realm = Ha1 {
        realm: "elsewhere".to_owned(),
        ..ha1(Algorithm::Md5, "elsewhere", None)
    };
    User {
        name: "Alice".to_owned(),
        display_name: String::new(),
        ha1: vec![
            ha1(Algorithm::Md5, "secret", None),
            ha1(Algorithm::Sha256, "secret", None),
            ha1(Algorithm::Sha256, "token", Some(UNIX_S + 60)),
            other_realm,
        ],
    }
}

struct Bench {
    logins: Logins,
    start: Instant,
    flow: Flow,
    count: u32,
}

impl Bench {
    fn new(clock: bool) -> Self {
        let start = Instant::now();
        let clock = clock.then_some((start, UNIX_S * 1000));
        let mut logins = Logins::new(DEFAULT_REALM, clock, [3; 32]);
        logins.put(alice());
        let address = SocketAddr::from(([192, 0, 2, 9], 5070));
        let flow = Flow {
            id: FlowId(1),
            transport: Transport::Wss,
            local: address,
            remote: address,
        };
        Self {
            logins,
            start,
            flow,
            count: 0,
        }
    }

    fn at(&self, after_s: u64) -> Instant {
        self.start + Duration::from_secs(after_s)
    }

    /// The challenge for an algorithm, asked for `after_s` seconds.
    fn challenge(&mut self, after_s: u64, algorithm: Algorithm) -> Challenge {
        let values = self.logins.challenges(self.at(after_s), false);
        let mut read = values.iter().map(|value| {
            Challenge::parse(value)
                .expect("well formed")
                .expect("Digest")
        });
        read.find(|one| one.algorithm == algorithm)
            .expect("offered")
    }

    fn value(&mut self, challenge: &Challenge, username: &str, password: &str) -> String {
        self.count += 1;
        let uri = Uri::parse("sip:talkpath.example").expect("a URI");
        let secret = Secret { username, password };
        let counted = ("cnonce", self.count);
        answer(challenge, secret, &Method::Register, &uri, counted).expect("qop=auth is offered")
    }

    fn check(&mut self, after_s: u64, values: &[&str]) -> Login {
        let mut request = Request {
            method: Method::Register,
            uri: Uri::parse("sip:talkpath.example").expect("a URI"),
            headers: crate::sip::Headers::new(),
            body: Bytes::new(),
        };
        for value in values {
            request.headers.push("Authorization", value).expect("fits");
        }
        let (now, flow) = (self.at(after_s), self.flow);
        self.logins.check(now, &request, &flow)
    }
}

#[test]
fn every_password_of_a_user_opens_until_its_end() {
    let granted = || Login::Granted("alice".to_owned());
    for (username, password, algorithm, after_s, login) in [
        ("alice", "secret", Algorithm::Md5, 0, granted()),
        ("alice", "secret", Algorithm::Sha256, 0, granted()),
        ("alice", "Secret", Algorithm::Md5, 0, Login::Wrong),
        ("alice", "", Algorithm::Md5, 0, Login::Wrong),
        ("alice", "token", Algorithm::Sha256, 0, granted()),
        ("alice", "token", Algorithm::Sha256, 59, granted()),
        ("alice", "token", Algorithm::Sha256, 60, Login::Wrong),
        ("alice", "token", Algorithm::Md5, 0, Login::Wrong),
        ("alice", "elsewhere", Algorithm::Md5, 0, Login::Wrong),
        ("mallory", "secret", Algorithm::Md5, 0, Login::Wrong),
        ("", "", Algorithm::Md5, 0, Login::Wrong),
    ] {
        let mut bench = Bench::new(true);
        let challenge = bench.challenge(after_s, algorithm);
        let value = bench.value(&challenge, username, password);
        let seen = bench.check(after_s, &[&value]);
        assert_eq!(seen, login, "{username} {password} {algorithm} {after_s}");
    }
    let mut bench = Bench::new(false);
    let challenge = bench.challenge(0, Algorithm::Sha256);
    let value = bench.value(&challenge, "alice", "token");
    assert_eq!(bench.check(0, &[&value]), Login::Wrong, "no clock");
}

#[test]
fn replays_old_nonces_and_foreign_headers_are_told_apart() {
    let mut bench = Bench::new(true);
    let challenge = bench.challenge(0, Algorithm::Md5);
    let value = bench.value(&challenge, "alice", "secret");
    let again = bench.value(&challenge, "alice", "secret");
    let wrong = bench.value(&challenge, "alice", "guess");
    let old_wrong = bench.value(&challenge, "alice", "guess");
    let no_qop = value.replace("qop=auth", "qop=none");
    let other_realm = value.replace(DEFAULT_REALM, "elsewhere");
    let other_uri = value.replace("talkpath.example", "elsewhere.example");
    let foreign = Challenge {
        nonce: Nonces::new([9; 32]).issue(bench.start),
        ..challenge.clone()
    };
    let foreign = bench.value(&foreign, "alice", "secret");
    let granted = Login::Granted("alice".to_owned());
    for (what, after_s, values, login) in [
        ("no header", 0, &[][..], Login::Missing),
        ("a scheme", 0, &["Unknown a=b"], Login::Missing),
        ("garbage", 0, &["Digest \"", "Digest ,,"], Login::Missing),
        ("no qop", 0, &[&no_qop], Login::Missing),
        ("a realm", 0, &[&other_realm], Login::Missing),
        ("a nonce of another run", 0, &[&foreign], Login::Missing),
        ("another URI", 0, &[&other_uri], Login::Wrong),
        ("the first use", 0, &[&value], granted.clone()),
        ("a replay", 1, &[&value], Login::Stale),
        ("the next count", 2, &[&again], granted.clone()),
        ("a wrong password", 2, &[&wrong], Login::Wrong),
        ("an old nonce", 301, &[&value], Login::Stale),
        ("an old nonce, wrong", 301, &[&old_wrong], Login::Wrong),
    ] {
        assert_eq!(bench.check(after_s, values), login, "{what}");
    }
    let value = bench.value(&challenge, "alice", "secret");
    let both = ["Unknown a=b", &wrong, &value];
    assert_eq!(bench.check(3, &both), granted, "one of several headers");
}

#[test]
fn after_ten_wrong_passwords_an_address_waits_for_the_minute_to_end() {
    let mut bench = Bench::new(true);
    let challenge = bench.challenge(0, Algorithm::Md5);
    for second in 0..10 {
        let value = bench.value(&challenge, &format!("user{second}"), "guess");
        assert_eq!(bench.check(second, &[&value]), Login::Wrong);
    }
    let right = bench.value(&challenge, "alice", "secret");
    assert_eq!(bench.check(10, &[&right]), Login::Blocked(51));
    assert_eq!(bench.check(59, &[&right]), Login::Blocked(2));
    bench.flow.remote = SocketAddr::from(([192, 0, 2, 10], 5070));
    let granted = Login::Granted("alice".to_owned());
    assert_eq!(bench.check(59, &[&right]), granted, "another address");
    bench.flow.remote = SocketAddr::from(([192, 0, 2, 9], 9999));
    let right = bench.value(&challenge, "alice", "secret");
    assert_eq!(bench.check(60, &[&right]), granted, "the minute is over");
}

#[test]
fn a_name_is_guessed_thirty_times_from_many_addresses_and_no_more() {
    let mut bench = Bench::new(true);
    let challenge = bench.challenge(0, Algorithm::Md5);
    let wrong = bench.value(&challenge, "ALICE", "guess");
    for guess in 0..40u16 {
        // Another network of 64 bits each time, and other bits below, which do not count.
        let ip = [0x2001, 0xdb8, 0, guess, 1, 2, 3, guess];
        bench.flow.remote = SocketAddr::from((ip, 5070));
        let blocked = guess >= 30;
        assert_eq!(bench.check(1, &[&wrong]) == Login::Blocked(61), blocked);
    }
    bench.flow.remote = SocketAddr::from(([192, 0, 2, 1], 1));
    let other = bench.value(&challenge, "bob", "guess");
    assert_eq!(bench.check(1, &[&other]), Login::Wrong, "another name");
}

#[test]
fn the_stronger_hash_is_offered_first_and_md5_last() {
    let mut bench = Bench::new(true);
    let values = bench.logins.challenges(bench.start, true);
    let read = values.iter().map(|value| {
        let read = Challenge::parse(value).expect("well formed");
        let read = read.expect("Digest");
        (read.algorithm, read.stale, read.auth)
    });
    let wanted = [Algorithm::Sha256, Algorithm::Md5].map(|algorithm| (algorithm, true, true));
    assert_eq!(read.collect::<Vec<_>>(), wanted);
}

#[test]
fn only_the_last_passwords_count_and_none_is_printed() {
    let mut bench = Bench::new(true);
    let mut user = alice();
    for _ in 0..HA1S_MAX {
        user.ha1.push(ha1(Algorithm::Md5, "last", None));
    }
    let shown = format!("{user:?}");
    assert!(!shown.contains(&user.ha1[0].hash), "{shown}");
    bench.logins.put(user);
    let challenge = bench.challenge(0, Algorithm::Md5);
    let last = bench.value(&challenge, "alice", "last");
    let first = bench.value(&challenge, "alice", "secret");
    assert_eq!(bench.check(0, &[&last]), Login::Granted("alice".to_owned()));
    assert_eq!(bench.check(0, &[&first]), Login::Wrong);
}

#[test]
fn flows_belong_to_users_that_exist() {
    let mut bench = Bench::new(true);
    let flow = FlowId(7);
    assert!(!bench.logins.bind_flow(flow, "nobody"));
    assert!(bench.logins.bind_flow(flow, "ALICE"));
    assert_eq!(bench.logins.owner(flow).map(String::as_str), Some("alice"));
    bench.logins.remove("alice");
    assert_eq!(bench.logins.owner(flow), None);
}
