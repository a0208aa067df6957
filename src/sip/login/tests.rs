use std::net::{Ipv4Addr, SocketAddr};
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
        let mut logins = Logins::new(DEFAULT_REALM, &Algorithm::ALL, clock, [3; 32]);
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
        let values = self.logins.challenges(self.at(after_s), true, false);
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
    let challenge = bench.challenge(302, Algorithm::Md5);
    let [wrong, value] = ["guess", "secret"].map(|word| bench.value(&challenge, "alice", word));
    let both = ["Unknown a=b", &wrong, &value];
    assert_eq!(bench.check(302, &both), granted, "one of several headers");
}

impl Bench {
    /// A login with this password, over MD5, from an address.
    fn log_in(&mut self, after_s: u64, from: Ipv4Addr, name: &str, password: &str) -> Login {
        let challenge = self.challenge(after_s, Algorithm::Md5);
        let value = self.value(&challenge, name, password);
        self.flow.remote = SocketAddr::from((from, 5070));
        self.check(after_s, &[&value])
    }
}

const OFFICE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);

fn phone(name: &str) -> User {
    let hash = Algorithm::Md5.ha1(name, DEFAULT_REALM, "secret");
    User {
        name: name.to_owned(),
        display_name: String::new(),
        ha1: vec![Ha1 {
            hash,
            ..ha1(Algorithm::Md5, "", None)
        }],
    }
}

#[test]
fn a_wrong_password_makes_its_name_wait_ever_longer_at_its_address() {
    let mut bench = Bench::new(true);
    let mut looked_at = Vec::new();
    for second in 0..1200 {
        let seen = bench.log_in(second, OFFICE, "alice", "guess");
        if seen == Login::Wrong {
            looked_at.push(second);
        } else {
            assert!(matches!(seen, Login::Blocked(1..=300)), "{seen:?}");
        }
    }
    // Five for nothing, then pauses of 1, 2, 4 … 256 and 300 seconds; one failure in 600 s fades.
    assert_eq!(
        looked_at,
        [
            0, 1, 2, 3, 4, 5, 6, 8, 12, 20, 36, 68, 132, 260, 516, 816, 1116
        ]
    );
    // The right password waits as well, and is good when the pause is over.
    assert_eq!(
        bench.log_in(1399, OFFICE, "alice", "secret"),
        Login::Blocked(17)
    );
    let granted = Login::Granted("alice".to_owned());
    assert_eq!(bench.log_in(1416, OFFICE, "alice", "secret"), granted);
    assert_eq!(bench.log_in(1417, OFFICE, "alice", "guess"), Login::Wrong);
}

#[test]
fn forty_phones_log_in_beside_one_with_a_wrong_password() {
    let mut bench = Bench::new(true);
    let names: Vec<String> = (0..40).map(|n| format!("phone{n}")).collect();
    for name in &names {
        bench.logins.put(phone(name));
    }
    for second in 0..3600 {
        let wrong = bench.log_in(second, OFFICE, "alice", "guess");
        assert!(
            matches!(wrong, Login::Wrong | Login::Blocked(_)),
            "{wrong:?}"
        );
        let name = &names[second as usize % names.len()];
        let granted = Login::Granted(name.clone());
        assert_eq!(
            bench.log_in(second, OFFICE, name, "secret"),
            granted,
            "{second}"
        );
    }
}

#[test]
fn an_address_that_tries_many_names_waits_and_those_who_are_known_there_do_not() {
    let mut bench = Bench::new(true);
    bench.logins.put(phone("bob"));
    let granted = |name: &str| Login::Granted(name.to_owned());
    assert_eq!(bench.log_in(0, OFFICE, "alice", "secret"), granted("alice"));
    let tried = |n: u32| format!("name{n}");
    for n in 0..25 {
        // The 21st name makes the address wait for a second, the 22nd for two, and so on.
        let seen = bench.log_in(1, OFFICE, &tried(n), "guess");
        assert_eq!(seen == Login::Blocked(1), n > 20, "{n} {seen:?}");
    }
    assert_eq!(
        bench.log_in(1, OFFICE, "bob", "secret"),
        Login::Blocked(1),
        "never here"
    );
    assert_eq!(bench.log_in(1, OFFICE, "alice", "secret"), granted("alice"));
    let elsewhere = Ipv4Addr::new(198, 51, 100, 1);
    assert_eq!(bench.log_in(1, elsewhere, "bob", "secret"), granted("bob"));
    // In an hour no more than this many names are looked at.
    let hour = 2..3602;
    let looked_at = hour.filter(|second| {
        let name = tried(100 + *second as u32);
        bench.log_in(*second, OFFICE, &name, "guess") == Login::Wrong
    });
    assert_eq!(looked_at.count(), 19);
    assert_eq!(
        bench.log_in(3602, OFFICE, "alice", "secret"),
        granted("alice")
    );
}

#[test]
fn ten_thousand_guesses_from_as_many_addresses_find_nothing_and_the_owner_gets_in() {
    let mut bench = Bench::new(true);
    let granted = Login::Granted("alice".to_owned());
    assert_eq!(bench.log_in(0, OFFICE, "alice", "secret"), granted);
    let mut looked_at = 0;
    for n in 0..10_000u32 {
        // Ten a second, and one of them is right.
        let from = Ipv4Addr::from_bits(0x0a00_0000 + n);
        let password = if n == 7_777 { "secret" } else { "guess" };
        let seen = bench.log_in(u64::from(n / 10), from, "alice", password);
        looked_at += u32::from(seen == Login::Wrong);
        let nothing = matches!(seen, Login::Wrong | Login::Blocked(_));
        assert!(nothing, "{n} {seen:?}");
        if n % 100 == 0 {
            let second = u64::from(n / 10);
            assert_eq!(
                bench.log_in(second, OFFICE, "alice", "secret"),
                granted,
                "{n}"
            );
        }
    }
    assert!((20..=31).contains(&looked_at), "{looked_at}");
}

#[test]
fn an_ipv6_network_is_one_address() {
    let mut bench = Bench::new(true);
    let challenge = bench.challenge(0, Algorithm::Md5);
    let wrong = bench.value(&challenge, "ALICE", "guess");
    for guess in 0..10u16 {
        let ip = [0x2001, 0xdb8, 0, 1, 1, 2, 3, guess];
        bench.flow.remote = SocketAddr::from((ip, 5070));
        let blocked = guess > 5;
        assert_eq!(bench.check(1, &[&wrong]) == Login::Blocked(1), blocked);
    }
}

#[test]
fn phones_are_offered_what_is_configured_in_its_order_and_browsers_md5_last() {
    use Algorithm::{Md5, Sha256};
    for (digest, web, offered) in [
        (&[Md5, Sha256][..], false, &[Md5, Sha256][..]),
        (&[Md5, Sha256], true, &[Sha256, Md5]),
        (&[Sha256, Md5], false, &[Sha256, Md5]),
        (&[Sha256, Md5], true, &[Sha256, Md5]),
        (&[Sha256], false, &[Sha256]),
        (&[Md5], true, &[Md5]),
    ] {
        let mut bench = Bench::new(true);
        bench.logins.digest = digest.to_vec();
        let values = bench.logins.challenges(bench.start, web, true);
        let read = values.iter().map(|value| {
            let read = Challenge::parse(value).expect("well formed");
            let read = read.expect("Digest");
            assert!(read.stale && read.auth);
            read.algorithm
        });
        assert_eq!(read.collect::<Vec<_>>(), offered, "{digest:?} {web}");
        // Another algorithm than those is as good as no login.
        let mut challenge = bench.challenge(0, offered[0]);
        challenge.algorithm = Sha256;
        let value = bench.value(&challenge, "alice", "secret");
        let taken = bench.check(0, &[&value]) != Login::Missing;
        assert_eq!(taken, digest.contains(&Sha256));
    }
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
