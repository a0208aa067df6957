use std::time::{Duration, Instant};

use super::nonce::{Freshness, NONCE_LIFE, Nonces};
use super::*;

fn get() -> Method {
    Method::from_token("GET").expect("a token")
}

/// The examples of RFC 2617 §3.5 and RFC 7616 §3.9.1.
const EXAMPLES: [(Algorithm, &str, &str); 3] = [
    (
        Algorithm::Md5,
        "Circle Of Life",
        "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
         nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", qop=auth, \
         nc=00000001, cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", \
         opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
    ),
    (
        Algorithm::Md5,
        "Circle of Life",
        "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", \
         algorithm=MD5, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
         cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
         response=\"8ca523f5e9506fed4657c9700eebdbec\", \
         opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
    ),
    (
        Algorithm::Sha256,
        "Circle of Life",
        "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", \
         algorithm=SHA-256, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
         cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
         response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\", \
         opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
    ),
];

#[test]
fn the_examples_of_the_rfcs_prove_their_passwords_and_no_others() {
    for (algorithm, password, value) in EXAMPLES {
        let given = Credentials::parse(value)
            .expect("well formed")
            .expect("Digest");
        assert_eq!(given.algorithm, Some(algorithm));
        let ha1 = algorithm.ha1(&given.username, &given.realm, password);
        assert!(given.prove(algorithm, &ha1, &get()), "{value}");
        assert!(!given.prove(algorithm, &ha1, &Method::Invite), "method");
        let wrong = algorithm.ha1(&given.username, &given.realm, "circle of life");
        assert!(!given.prove(algorithm, &wrong, &get()), "password");
        for (what, changed) in [
            ("nc", value.replace("00000001", "00000002")),
            ("uri", value.replace("/dir", "/die")),
            ("cnonce", value.replace("cnonce=\"", "cnonce=\"x")),
            ("nonce", value.replace(" nonce=\"", " nonce=\"x")),
        ] {
            let given = Credentials::parse(&changed).expect("well formed");
            let given = given.expect("Digest");
            assert!(!given.prove(algorithm, &ha1, &get()), "{what}");
        }
        let loud = value.replace("response=\"6629fae", "response=\"6629FAE");
        let given = Credentials::parse(&loud).expect("well formed");
        assert!(given.expect("Digest").prove(algorithm, &ha1, &get()));
    }
}

#[test]
fn credentials_are_read_as_clients_write_them() {
    let full = "username=\"al\\\"ice\",realm=\"a, b\",nonce=n,uri=\"sip:b\",response=\"0\"";
    for (value, read) in [
        (format!("Digest {full}"), "al\\\"ice in `a, b` by MD5"),
        (
            format!("  dIgEsT\t{full},algorithm=sha-256"),
            "al\\\"ice in `a, b` by SHA-256",
        ),
        (
            format!("Digest {full} , algorithm=SHA-512"),
            "al\\\"ice in `a, b` by nothing",
        ),
        (
            format!("Digest {full}, nextnonce = \"x\""),
            "al\\\"ice in `a, b` by MD5",
        ),
        ("Bearer abc".to_owned(), "another scheme"),
        (
            "NoOneKnowsThisScheme opaque-data=here".to_owned(),
            "another scheme",
        ),
        (String::new(), "another scheme"),
        ("Digest".to_owned(), "malformed"),
        ("Digest username=\"a\"".to_owned(), "malformed"),
        (format!("Digest {full},"), "malformed"),
        (format!("Digest {full},username=b"), "malformed"),
        (format!("Digest {full},cnonce=\"open"), "malformed"),
        (format!("Digest {full},cnonce=\"a\"b"), "malformed"),
        (format!("Digest {full},cnonce=a\"b\""), "malformed"),
        (format!("Digest {full}{}", ",x=1".repeat(40)), "malformed"),
    ] {
        let seen = match Credentials::parse(&value) {
            Ok(Some(given)) => {
                let algorithm = given.algorithm.map_or("nothing", Algorithm::as_str);
                format!("{} in `{}` by {algorithm}", given.username, given.realm)
            }
            Ok(None) => "another scheme".to_owned(),
            Err(_) => "malformed".to_owned(),
        };
        assert_eq!(seen, read, "{value}");
    }
}

#[test]
fn the_nonce_count_is_hexadecimal_with_32_bits() {
    for (nc, count) in [
        ("00000001", Some(1)),
        ("0000000a", Some(10)),
        ("0000000F", Some(15)),
        ("ffffffff", Some(u32::MAX)),
        ("1", Some(1)),
        ("", None),
        ("000000001", None),
        ("+1", None),
        ("0000000g", None),
    ] {
        let mut given = Credentials::parse(EXAMPLES[0].2)
            .expect("well formed")
            .expect("Digest");
        given.nc = nc.to_owned();
        assert_eq!(given.count(), count, "{nc}");
    }
}

#[test]
fn the_uri_is_compared_by_user_and_host() {
    let request = Uri::parse("sip:room@Talkpath.example:5061;transport=ws").expect("a URI");
    for (uri, same) in [
        ("sip:room@talkpath.example:5061;transport=ws", true),
        ("sip:room@talkpath.example", true),
        ("sips:room@talkpath.example", true),
        ("sip:r%6Fom@talkpath.example", true),
        ("sip:other@talkpath.example", false),
        ("sip:talkpath.example", false),
        ("sip:room@elsewhere.example", false),
        ("", false),
        ("*", false),
    ] {
        let mut given = Credentials::parse(EXAMPLES[0].2)
            .expect("well formed")
            .expect("Digest");
        given.uri = uri.to_owned();
        assert_eq!(given.is_for(&request), same, "{uri}");
    }
}

#[test]
fn a_challenge_survives_being_written_and_its_answer_proves_the_password() {
    let uri = Uri::parse("sip:trunk.example").expect("a URI");
    let secret = Secret {
        username: "alice",
        password: "wonder land",
    };
    for algorithm in Algorithm::ALL {
        for opaque in [None, Some("o\\\"p".to_owned())] {
            let challenge = Challenge {
                realm: "talkpath".to_owned(),
                nonce: "abc".to_owned(),
                opaque,
                algorithm,
                auth: true,
                stale: algorithm == Algorithm::Md5,
            };
            let read = Challenge::parse(&challenge.to_string()).expect("well formed");
            assert_eq!(read.as_ref(), Some(&challenge));
            let value = answer(&challenge, secret, &Method::Register, &uri, ("c", 10));
            let value = value.expect("qop=auth is offered");
            assert_eq!(value.contains("opaque"), challenge.opaque.is_some());
            let given = Credentials::parse(&value).expect("well formed");
            let given = given.expect("Digest");
            assert_eq!((given.count(), given.is_for(&uri)), (Some(10), true));
            let ha1 = algorithm.ha1("alice", "talkpath", "wonder land");
            assert!(given.prove(algorithm, &ha1, &Method::Register));
            let bare = Challenge {
                auth: false,
                ..challenge
            };
            assert_eq!(
                answer(&bare, secret, &Method::Register, &uri, ("c", 1)),
                None
            );
        }
    }
    for unknown in ["Basic realm=\"a\"", "Digest realm=a,nonce=b,algorithm=X"] {
        assert_eq!(Challenge::parse(unknown), Ok(None), "{unknown}");
    }
}

proptest::proptest! {
    #[test]
    fn reading_never_panics_and_what_is_read_can_be_judged(text in "\\PC*", rest in "\\PC*") {
        let uri = Uri::parse("sip:a@b").expect("a URI");
        let fields = EXAMPLES[2].2.replace("00000001", &rest);
        for value in [&text, &format!("Digest {text}"), &format!("{fields},{rest}"), &fields] {
            if let Ok(Some(given)) = Credentials::parse(value) {
                given.is_for(&uri);
                given.count();
                proptest::prop_assert!(!given.prove(Algorithm::Md5, "", &Method::Invite));
                Nonces::new([0; 32]).judge(Instant::now(), &given.nonce);
            }
            if let Ok(Some(challenge)) = Challenge::parse(value) {
                let again = Challenge::parse(&challenge.to_string());
                proptest::prop_assert_eq!(again, Ok(Some(challenge)));
            }
        }
    }
}

#[test]
fn nonces_are_ours_for_their_life() {
    let start = Instant::now();
    let mut nonces = Nonces::new([1; 32]);
    let nonce = nonces.issue(start);
    assert_ne!(nonces.issue(start), nonce, "two nonces of one instant");
    let mut flipped = nonce.clone();
    flipped.replace_range(0..1, "1");
    let foreign = Nonces::new([2; 32]).issue(start);
    for (given, after, freshness) in [
        (&nonce, Duration::ZERO, Freshness::Fresh),
        (&nonce, NONCE_LIFE, Freshness::Fresh),
        (
            &nonce,
            NONCE_LIFE + Duration::from_millis(1),
            Freshness::Stale,
        ),
        (&flipped, Duration::ZERO, Freshness::Foreign),
        (&foreign, Duration::ZERO, Freshness::Foreign),
        (&nonce.to_uppercase(), Duration::ZERO, Freshness::Foreign),
        (&nonce[..30].to_owned(), Duration::ZERO, Freshness::Foreign),
        (&"ü".repeat(28), Duration::ZERO, Freshness::Foreign),
        (&String::new(), Duration::ZERO, Freshness::Foreign),
    ] {
        assert_eq!(nonces.judge(start + after, given), freshness, "{given}");
    }
}

#[test]
fn a_count_is_taken_once_and_in_a_window() {
    let now = Instant::now();
    let mut nonces = Nonces::new([1; 32]);
    let nonce = nonces.issue(now);
    for (count, taken) in [
        (1, true),
        (1, false),
        (3, true),
        (2, true),
        (2, false),
        (100, true),
        (37, true),
        (36, false),
        (37, false),
        (u32::MAX, true),
        (u32::MAX - 1, true),
        (100, false),
        (u32::MAX, false),
    ] {
        assert_eq!(nonces.take(now, &nonce, count), taken, "{count}");
    }
    assert!(!nonces.take(now, "none of ours", 1));
}

#[test]
fn the_memory_of_counts_is_bounded_and_forgetting_makes_stale() {
    let now = Instant::now();
    let mut nonces = Nonces::new([1; 32]);
    let first = nonces.issue(now);
    assert!(nonces.take(now, &first, 1));
    for _ in 0..10_000 {
        let nonce = nonces.issue(now);
        assert!(nonces.take(now, &nonce, 1));
    }
    assert!(format!("{nonces:?}").contains("used: 8192"), "{nonces:?}");
    assert_eq!(nonces.judge(now, &first), Freshness::Stale);
    let later = now + NONCE_LIFE + Duration::from_secs(1);
    let nonce = nonces.issue(later);
    assert!(nonces.take(later, &nonce, 1));
    assert!(format!("{nonces:?}").contains("used: 1 "), "{nonces:?}");
}
