//! `scripts/conference.rhai`: who hears whom, and who is told what.

use super::{Limits, World, about, connected, disconnected, failed, finished, incoming};

const SCRIPT: &str = include_str!("../../../scripts/conference.rhai");
const GREETING: &str = "say \"You have joined the conference.\"";
/// Ids of the two mixers.
const VIDEOCONF: &str = "u100";
const PSTNCONF: &str = "u101";

fn opened() -> World {
    let mut world = World::new(SCRIPT);
    assert_eq!(
        world.start(),
        ["u100 conference videoconf", "u101 conference pstnconf"]
    );
    world
}

/// Joins up to the end of the greeting; gives what came of being connected.
fn join(world: &mut World, leg: u64, kind: &str, caller_id: &str) -> Vec<String> {
    let info = incoming(leg, "internal", caller_id, &[("X-CLIENTTYPE", kind)]);
    assert_eq!(world.incoming(info), [format!("l{leg} answer")]);
    let told = world.leg(leg, connected());
    world.leg(leg, finished());
    told
}

fn web(world: &mut World, leg: u64, caller_id: &str) -> Vec<String> {
    join(world, leg, "web", caller_id)
}

fn phone(world: &mut World, leg: u64, caller_id: &str) -> Vec<String> {
    join(world, leg, "pstn_inbound", caller_id)
}

fn roster(peers: &[&str], phones: &[&str]) -> String {
    let peer = |id: &&str| format!("{{\"callerid\":\"{id}\",\"displayName\":\"Name of {id}\"}}");
    let peers: Vec<String> = peers.iter().map(peer).collect();
    let phones: Vec<String> = phones
        .iter()
        .map(|id| format!("{{\"callerid\":\"+**55\",\"id\":\"{id}\"}}"))
        .collect();
    format!(
        "message {{\"peers\":[{}],\"pstnCalls\":[{}]}}",
        peers.join(","),
        phones.join(",")
    )
}

fn status(event: &str, number: &str) -> String {
    format!(
        "message {{\"inbound\":true,\"number\":\"{number}\",\"type\":\"CALL_PARTICIPANT_{event}\"}}"
    )
}

#[test]
fn browser_is_greeted_and_then_hears_phones_only() {
    let mut world = opened();
    world.incoming(incoming(1, "internal", "alice", &[("X-ClientType", "web")]));
    assert_eq!(
        world.leg(1, connected()),
        [
            format!("l1 {}", roster(&["alice"], &[])),
            format!("l1 {GREETING}")
        ]
    );
    assert_eq!(
        world.leg(1, finished()),
        [format!("{VIDEOCONF} -> u1"), format!("u1 -> {PSTNCONF}")]
    );
    assert_eq!(
        world.leg(1, finished()),
        [""; 0],
        "later sounds do not join again"
    );
}

#[test]
fn phone_is_greeted_and_then_hears_everybody() {
    let mut world = opened();
    web(&mut world, 1, "alice");
    world.incoming(incoming(
        2,
        "internal",
        "+1555",
        &[("X-ClientType", "pstn_inbound")],
    ));
    assert_eq!(
        world.leg(2, connected()),
        [
            format!("l1 {}", roster(&["alice"], &["phone-1"])),
            format!("l1 {}", status("CONNECTED", "+**55")),
            format!("l2 {GREETING}"),
        ]
    );
    assert_eq!(
        world.leg(2, finished()),
        [
            format!("u2 -> {PSTNCONF}"),
            format!("{PSTNCONF} -> u2"),
            format!("u2 -> {VIDEOCONF}"),
        ]
    );
}

#[test]
fn everybody_gets_the_roster_after_each_change() {
    let mut world = opened();
    web(&mut world, 1, "alice");
    let told = web(&mut world, 2, "bob");
    let both = roster(&["alice", "bob"], &[]);
    assert_eq!(told[..2], [format!("l1 {both}"), format!("l2 {both}")]);
    phone(&mut world, 3, "+1555");
    phone(&mut world, 4, "+1555");
    assert_eq!(
        world.leg(3, disconnected()),
        [
            format!("l1 {}", roster(&["alice", "bob"], &["phone-2"])),
            format!("l2 {}", roster(&["alice", "bob"], &["phone-2"])),
            format!("l1 {}", status("DISCONNECTED", "+**55")),
            format!("l2 {}", status("DISCONNECTED", "+**55")),
        ],
        "two phones with one number: one of them is left"
    );
    assert_eq!(
        world.leg(1, disconnected()),
        [
            format!("l2 {}", roster(&["bob"], &["phone-2"])),
            "t102 after 30000".to_owned(),
        ]
    );
}

/// The roster in what leg 1 was told, and how many bytes it has.
fn roster_of(told: &[String]) -> (serde_json::Value, usize) {
    let texts = told
        .iter()
        .filter_map(|line| line.strip_prefix("l1 message "));
    let text = texts.into_iter().find(|text| text.contains("\"peers\""));
    let text = text.expect("a roster for the first browser");
    (serde_json::from_str(text).expect("JSON"), text.len())
}

/// The longest names, in bytes, and more people than one message can name.
#[test]
fn a_crowd_is_greeted_and_listed_as_far_as_a_message_goes() {
    let mut about = about();
    let many = serde_json::json!(100);
    about.variables.insert("web_max".to_owned(), many);
    let mut world = World::with(Limits::default(), SCRIPT, about);
    world.start();
    let greeted = |leg: u64, told: &[String]| told.contains(&format!("l{leg} {GREETING}"));
    let mut last = Vec::new();
    for leg in 1..=100 {
        let id = format!("guest-{leg:020}");
        let mut info = incoming(leg, "internal", &id, &[("X-ClientType", "web")]);
        info.display_name = "\u{1f600}".repeat(255);
        assert_eq!(world.incoming(info), [format!("l{leg} answer")]);
        last = world.leg(leg, connected());
        assert!(greeted(leg, &last), "browser {leg}: {last:?}");
        world.leg(leg, finished());
    }
    let (roster, bytes) = roster_of(&last);
    assert!(bytes <= 8192, "{bytes}");
    assert_eq!(roster["peers"].as_array().map(Vec::len), Some(100));
    for leg in 101..=400 {
        last = phone(&mut world, leg, &format!("+1555{leg:06}"));
        assert!(greeted(leg, &last), "phone {leg}: {last:?}");
    }
    let (roster, bytes) = roster_of(&last);
    assert!(bytes <= 8192, "{bytes}");
    assert_eq!(roster["peers"].as_array().map(Vec::len), Some(100));
    let listed = roster["pstnCalls"].as_array().map_or(0, Vec::len);
    assert_eq!(roster["morePstnCalls"], 300 - listed);
    assert_eq!(world.error(), "");
}

#[test]
fn thousands_of_telephones_fit_into_one_conference() {
    let mut world = opened();
    for leg in 1..=4000 {
        let info = incoming(
            leg,
            "internal",
            "+1555",
            &[("X-ClientType", "pstn_inbound")],
        );
        assert_eq!(world.incoming(info), [format!("l{leg} answer")]);
        let told = world.leg(leg, connected());
        assert_eq!(told, [format!("l{leg} {GREETING}")]);
        assert_eq!(world.leg(leg, finished()).len(), 3);
    }
    assert_eq!(world.error(), "");
}

#[test]
fn a_few_people_with_long_names_keep_them_and_a_long_list_of_phones_is_cut() {
    let mut world = opened();
    for leg in 1..=5 {
        web(&mut world, leg, &format!("user{leg}"));
    }
    let mut last = Vec::new();
    for leg in 6..=205 {
        last = phone(&mut world, leg, &format!("+1555{leg:06}"));
    }
    let (roster, _) = roster_of(&last);
    assert_eq!(roster["peers"][4]["displayName"], "Name of user5");
    assert_eq!(roster["pstnCalls"].as_array().map(Vec::len), Some(100));
    assert_eq!(roster["morePstnCalls"], 100);
}

#[test]
fn a_room_may_tell_whole_numbers() {
    let mut about = about();
    let full = serde_json::json!("full");
    about.variables.insert("phone_numbers".to_owned(), full);
    let mut world = World::with(Limits::default(), SCRIPT, about);
    world.start();
    web(&mut world, 1, "alice");
    let told = phone(&mut world, 2, "+31612345678").join(" ");
    assert!(told.contains("\"callerid\":\"+31612345678\""), "{told}");
    assert!(told.contains("\"number\":\"+31612345678\""), "{told}");
}

#[test]
fn a_full_conference_takes_no_more_browsers_but_lets_a_lost_one_return() {
    let mut about = about();
    let variables = &mut about.variables;
    variables.insert("web_max".to_owned(), serde_json::json!(2));
    let mut world = World::with(Limits::default(), SCRIPT, about);
    world.start();
    web(&mut world, 1, "alice");
    web(&mut world, 2, "bob");
    let info = |leg, id| incoming(leg, "internal", id, &[("X-ClientType", "web")]);
    assert_eq!(
        world.incoming(info(3, "carol")),
        ["l3 reject 486 The conference is full"]
    );
    assert_eq!(world.incoming(info(4, "bob")), ["l4 answer"]);
    phone(&mut world, 5, "+1555");
    world.leg(4, connected());
    world.leg(1, disconnected());
    assert_eq!(world.incoming(info(6, "carol")), ["l6 answer"]);
}

#[test]
fn a_conference_takes_twelve_browsers_unless_its_rule_says_otherwise() {
    let mut world = opened();
    let info = |leg| {
        let id = format!("user{leg}");
        incoming(leg, "internal", &id, &[("X-ClientType", "web")])
    };
    for leg in 1..=12 {
        assert_eq!(world.incoming(info(leg)), [format!("l{leg} answer")]);
    }
    assert_eq!(
        world.incoming(info(13)),
        ["l13 reject 486 The conference is full"]
    );
}

#[test]
fn phone_that_never_connects_is_never_listed() {
    let mut world = opened();
    web(&mut world, 1, "alice");
    world.incoming(incoming(
        2,
        "internal",
        "+1555",
        &[("X-ClientType", "pstn_inbound")],
    ));
    assert_eq!(world.leg(2, failed(487)), [""; 0]);
    assert_eq!(
        web(&mut world, 3, "bob")[0],
        format!("l1 {}", roster(&["alice", "bob"], &[]))
    );
}

#[test]
fn unknown_client_type_is_rejected() {
    for headers in [vec![("X-ClientType", "robot")], vec![]] {
        let mut world = opened();
        let info = incoming(1, "internal", "x", &headers);
        assert_eq!(world.incoming(info), ["l1 reject 403 Unknown client type"]);
    }
}

#[test]
fn joining_again_replaces_the_old_leg_and_its_end_removes_nobody() {
    let mut world = opened();
    web(&mut world, 1, "alice");
    web(&mut world, 2, "bob");
    let told = web(&mut world, 3, "alice");
    let both = roster(&["bob", "alice"], &[]);
    assert_eq!(
        told,
        [
            "l1 hangup replaced".to_owned(),
            format!("l2 {both}"),
            format!("l3 {both}"),
            format!("l3 {GREETING}"),
        ]
    );
    assert_eq!(world.leg(1, disconnected()), [""; 0]);
    assert_eq!(
        world.leg(2, disconnected()),
        [
            format!("l3 {}", roster(&["alice"], &[])),
            "t102 after 30000".to_owned(),
        ]
    );
    assert_eq!(world.leg(3, disconnected()), [""; 0]);
}

#[test]
fn phones_go_on_without_browsers_unless_the_rule_says_otherwise() {
    let mut world = opened();
    web(&mut world, 1, "alice");
    phone(&mut world, 2, "+1555");
    assert_eq!(world.leg(1, disconnected()), ["t102 after 30000"]);
    assert_eq!(world.leg(2, disconnected()), [""; 0], "alice may come back");
    world.pass(30_000);
    assert_eq!(world.timer(102), ["terminate"]);

    let mut about = about();
    about
        .variables
        .insert("end_with_last_web".into(), serde_json::Value::Bool(true));
    let mut world = World::with(Limits::default(), SCRIPT, about);
    world.start();
    phone(&mut world, 2, "+1555");
    phone(&mut world, 3, "+1556");
    assert_eq!(
        world.leg(3, disconnected()),
        [""; 0],
        "no browser was there to leave"
    );
    web(&mut world, 1, "alice");
    assert_eq!(world.leg(1, disconnected()), ["terminate"]);
}

// tidy: table
#[test]
fn messages_are_relayed_answered_or_refused_and_never_fail() {
    let ice = r#"{"type":"ICE_FAILED","caller":"sip:bob@example.org","callee":"alice",
                  "displayName":"Al","x":1}"#;
    let relayed = r#"l2 message {"callee":"alice","displayName":"Al","type":"ICE_FAILED"}"#;
    let fault = |about: &str, text: &str| {
        format!("l1 message {{\"about\":{about},\"text\":\"{text}\",\"type\":\"ERROR\"}}")
    };
    let rows: &[(&str, &[String])] = &[
        (ice, &[relayed.to_owned()]),
        (
            r#"{"type":"ICE_FAILED","caller":"bob"}"#,
            &[r#"l2 message {"callee":null,"displayName":null,"type":"ICE_FAILED"}"#.to_owned()],
        ),
        (r#"{"type":"ICE_FAILED","caller":"sip:nobody@x"}"#, &[]),
        (
            r#"{"type":"ICE_FAILED"}"#,
            &[fault("\"ICE_FAILED\"", "`caller` is missing")],
        ),
        (
            r#"{"type":"ICE_FAILED","caller":{}}"#,
            &[fault("\"ICE_FAILED\"", "`caller` is missing")],
        ),
        (
            r#"{"type":"CALL_PARTICIPANT","number":"+1"}"#,
            &[fault(
                "\"CALL_PARTICIPANT\"",
                "dialling out is not available yet",
            )],
        ),
        (
            r#"{"type":"DANCE"}"#,
            &[fault("\"DANCE\"", "unknown type of message")],
        ),
        (
            r#"{"type":"chat","data":1,"to":"nobody"}"#,
            &[fault("\"chat\"", "nobody of that name is here")],
        ),
        ("{}", &[fault("null", "unknown type of message")]),
        ("[1]", &[fault("null", "a message is a JSON object")]),
        (
            "\"ICE_FAILED\"",
            &[fault("null", "a message is a JSON object")],
        ),
        (
            "{\"type\":",
            &[fault(
                "null",
                "not JSON: EOF while parsing a value at line 1 column 8",
            )],
        ),
        (
            "",
            &[fault(
                "null",
                "not JSON: EOF while parsing a value at line 1 column 0",
            )],
        ),
    ];
    let mut world = opened();
    web(&mut world, 1, "alice");
    web(&mut world, 2, "bob");
    phone(&mut world, 3, "+1555");
    for (text, told) in rows {
        assert_eq!(world.message(1, text), *told, "{text}");
        assert_eq!(world.error(), "", "{text}");
    }
    let long = "A".repeat(8100);
    let told = world.message(1, &format!("{{\"type\":\"{long}\"}}"));
    let about = format!("\"{}\"", &long[..64]);
    assert_eq!(told, [fault(&about, "unknown type of message")]);
    let told = world.message(1, &format!("{{\"type\":[\"{long}\"]}}"));
    assert_eq!(told, [fault("null", "unknown type of message")]);
    assert_eq!(world.message(3, ice), [""; 0], "phones send no messages");
}

#[test]
fn a_message_of_a_participant_goes_to_all_or_to_one() {
    let mut world = opened();
    web(&mut world, 1, "alice");
    web(&mut world, 2, "bob");
    let chat = |leg: u32, to: &str| {
        let body = "\"displayName\":\"Name of alice\",\"from\":\"alice\"";
        format!("l{leg} message {{\"data\":1,{body}{to},\"type\":\"chat\"}}")
    };
    let to_bob = ",\"to\":\"bob\"";
    assert_eq!(
        world.message(1, r#"{"type":"chat","data":1}"#),
        [chat(1, ""), chat(2, "")]
    );
    assert_eq!(
        world.message(1, r#"{"type":"chat","data":1,"to":"bob"}"#),
        [chat(2, to_bob), chat(1, to_bob)]
    );
}

#[test]
fn the_id_of_a_message_is_passed_on_when_it_is_one() {
    let mut world = opened();
    web(&mut world, 1, "alice");
    let passed = |id: &str| {
        let body = format!("\"from\":\"alice\"{id},\"type\":\"chat\"");
        [format!(
            "l1 message {{\"data\":1,\"displayName\":\"Name of alice\",{body}}}"
        )]
    };
    for (sent, id) in [
        (r#""id":"7f""#.to_owned(), r#","id":"7f""#),
        (r#""id":7"#.to_owned(), ""),
        (format!("\"id\":\"{}\"", "7".repeat(65)), ""),
    ] {
        let text = format!("{{\"type\":\"chat\",\"data\":1,{sent}}}");
        assert_eq!(world.message(1, &text), passed(id), "{sent}");
    }
}

/// With the name of who sends it, a message may become longer than one can be.
#[test]
fn a_message_that_becomes_too_long_is_refused_in_words() {
    let mut world = opened();
    web(&mut world, 1, "alice");
    web(&mut world, 2, "bob");
    let refused = "l1 message {\"about\":\"chat\",\"text\":\"too long\",\"type\":\"ERROR\"}";
    for to in ["", ",\"to\":\"bob\""] {
        let data = "x".repeat(8192 - 40);
        let text = format!("{{\"type\":\"chat\",\"data\":\"{data}\"{to}}}");
        assert_eq!(world.message(1, &text), [refused]);
    }
    assert_eq!(world.error(), "");
}

#[test]
fn the_second_failure_of_a_pair_joins_it_here_until_it_is_connected() {
    let mut world = opened();
    web(&mut world, 1, "alice");
    web(&mut world, 2, "bob");
    let failed = r#"{"type":"ICE_FAILED","caller":"alice","callee":"bob","displayName":"B"}"#;
    let joins = |told: &[String]| told.iter().any(|line| line.contains("->"));
    web(&mut world, 3, "carol");
    for _ in 0..3 {
        let told = world.message(3, failed);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("that is about others"), "{told:?}");
        world.pass(5000);
    }
    assert!(!joins(&world.message(2, failed)));
    assert!(
        !joins(&world.message(1, failed)),
        "the same failure told by the other side"
    );
    world.pass(5000);
    let told = world.message(2, failed);
    assert!(joins(&told), "{told:?}");
    let connected = r#"{"type":"ICE_CONNECTED","caller":"alice","callee":"bob"}"#;
    let refused = world.message(3, connected);
    assert_eq!(refused.len(), 1, "carol has no part in it: {refused:?}");
    assert!(refused[0].contains("that is about others"), "{refused:?}");
    let told = world.message(1, connected);
    assert!(told.iter().any(|line| line.contains("-x")), "{told:?}");
}

#[test]
fn a_guest_that_does_not_come_back_is_deleted() {
    let mut world = opened();
    web(&mut world, 1, "guest-a");
    web(&mut world, 2, "guest-b");
    web(&mut world, 3, "carla");
    world.leg(1, disconnected());
    world.pass(10_000);
    world.leg(2, disconnected());
    world.leg(3, disconnected());
    web(&mut world, 4, "guest-b");
    world.pass(20_000);
    let told = world.timer(102);
    assert!(told.contains(&"remove user guest-a".to_owned()), "{told:?}");
    world.pass(10_000);
    let told = world.timer(103);
    assert!(
        !told.iter().any(|line| line.starts_with("remove")),
        "{told:?}"
    );
}

/// Somebody is on the way in when the last one is given up: the conference stays for it.
#[test]
fn a_conference_waits_for_who_is_coming() {
    for kind in ["web", "pstn_inbound"] {
        let mut world = opened();
        web(&mut world, 1, "guest-a");
        world.leg(1, disconnected());
        world.incoming(incoming(2, "internal", "bob", &[("X-ClientType", kind)]));
        world.pass(30_000);
        let told = world.timer(102);
        assert_eq!(told, ["remove user guest-a"], "{kind}");
        let told = world.leg(2, failed(487));
        assert_eq!(told, ["terminate"], "{kind}");
    }
}
