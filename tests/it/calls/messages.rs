//! The JSON side of the conference: a peer over plain SIP plays a web participant.

use std::time::Duration;

use serde_json::{Value, json};
use talkpath::codec::g711;
use talkpath::sim::{PhoneId, PhoneState, World};

use super::{Tested, assert_empty, assert_hears, expect, world_of};

/// The shipped conference, and a gatekeeper for web participants that are really phones.
fn world() -> Tested {
    let rules = r#"
[[rule]]
name = "phones dial in"
pattern = "31201234567"
source = ["phone"]
scenarios = ["pstn_gatekeeper.rhai"]

[[rule]]
name = "web stand-in"
pattern = "web[0-9]+"
source = ["phone"]
scenarios = ["web.rhai"]

[[rule]]
name = "conference"
pattern = "conf_[A-Za-z0-9]+"
source = ["internal"]
scenarios = ["conference.rhai"]
"#;
    let web = include_str!("../../../fixtures/scenarios/web_stand_in.rhai");
    let gatekeeper = include_str!("../../../scripts/pstn_gatekeeper.rhai");
    let conference = include_str!("../../../scripts/conference.rhai");
    world_of(
        rules,
        &[
            ("web.rhai", web),
            ("pstn_gatekeeper.rhai", gatekeeper),
            ("conference.rhai", conference),
        ],
    )
}

fn web(world: &mut World, name: &str) -> PhoneId {
    let phone = world.phone_with(name, &g711::PCMU, |_| {});
    world.dial(phone, "web1234");
    expect(world.expect_state(phone, PhoneState::Connected));
    expect(world.expect_said(phone, "You have joined"));
    world.advance(Duration::from_secs(3));
    phone
}

fn messages(world: &World, phone: PhoneId) -> Vec<Value> {
    let parse = |text: &String| {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    };
    world.at(phone).messages.iter().map(parse).collect()
}

fn last_roster(world: &World, phone: PhoneId) -> Value {
    let rosters = messages(world, phone)
        .into_iter()
        .rev()
        .find(|it| it.get("peers").is_some());
    rosters.unwrap_or_else(|| panic!("no roster\n{}", world.timeline()))
}

#[test]
fn rosters_and_phone_messages_reach_every_web_participant() {
    let mut world = world();
    let alice = web(&mut world, "alice");
    let bob = web(&mut world, "bob");
    let phone = world.phone("+15550100");
    super::join(&mut world, phone, "1234");
    for web in [alice, bob] {
        let roster = last_roster(&world, web);
        let ids: Vec<_> = roster["peers"]
            .as_array()
            .expect("an array")
            .iter()
            .map(|peer| peer["callerid"].clone())
            .collect();
        assert_eq!(ids, [json!("alice"), json!("bob")]);
        assert_eq!(
            roster["pstnCalls"],
            json!([{"callerid": "+1****100", "id": "phone-1"}])
        );
        let connected = json!({
            "type": "CALL_PARTICIPANT_CONNECTED", "number": "+1****100", "inbound": true
        });
        assert!(
            messages(&world, web).contains(&connected),
            "{}",
            world.timeline()
        );
    }
    // Web participants hear phones, phones hear web participants, web participants not each other.
    assert_hears(
        &mut world,
        &[alice, bob, phone],
        &[
            &[false, false, true],
            &[false, false, true],
            &[true, true, false],
        ],
    );
    world.hang_up(phone);
    world.advance(Duration::from_secs(1));
    let gone = messages(&world, alice);
    let gone = gone
        .iter()
        .find(|it| it["type"] == "CALL_PARTICIPANT_DISCONNECTED");
    assert_eq!(gone.expect("the message")["number"], json!("+1****100"));
    assert_eq!(last_roster(&world, bob)["pstnCalls"], json!([]));
    world.hang_up(alice);
    world.hang_up(bob);
    assert_empty(&mut world);
}

#[test]
fn ice_failed_goes_to_the_named_caller_only() {
    let mut world = world();
    let alice = web(&mut world, "alice");
    let bob = web(&mut world, "bob");
    let carol = web(&mut world, "carol");
    let text = json!({
        "type": "ICE_FAILED", "caller": "sip:alice@example.org", "callee": "bob",
        "displayName": "Bob"
    });
    world.message(bob, &text.to_string());
    world.advance(Duration::from_secs(1));
    let expected = json!({"type": "ICE_FAILED", "callee": "bob", "displayName": "Bob"});
    assert!(
        messages(&world, alice).contains(&expected),
        "{}",
        world.timeline()
    );
    for other in [bob, carol] {
        let got = messages(&world, other);
        assert!(!got.iter().any(|it| it["type"] == "ICE_FAILED"), "{got:?}");
    }
}

#[test]
fn garbage_and_unknown_messages_are_answered_and_harm_nobody() {
    let mut world = world();
    let alice = web(&mut world, "alice");
    let bob = web(&mut world, "bob");
    let before = world.at(bob).messages.len();
    for text in [
        "{not json",
        "[]",
        "{}",
        r#"{"type":"NO_SUCH_TYPE"}"#,
        "null",
        "\"x\"",
    ] {
        let count = world.at(alice).messages.len();
        world.message(alice, text);
        world.advance(Duration::from_secs(1));
        let got = messages(&world, alice);
        assert!(
            got.len() > count,
            "no answer to {text}\n{}",
            world.timeline()
        );
        assert_eq!(
            got.last().expect("a message")["type"],
            "ERROR",
            "{text}: {got:?}"
        );
    }
    assert_eq!(world.at(bob).messages.len(), before);
    assert_eq!(world.at(alice).state, PhoneState::Connected);
}

#[test]
fn the_same_caller_again_replaces_the_old_leg() {
    let mut world = world();
    let old = web(&mut world, "alice");
    let bob = web(&mut world, "bob");
    let new = web(&mut world, "alice");
    expect(world.expect_state(old, PhoneState::Ended(200)));
    let peers = last_roster(&world, bob)["peers"].clone();
    let ids: Vec<_> = peers
        .as_array()
        .expect("an array")
        .iter()
        .map(|peer| &peer["callerid"])
        .collect();
    assert_eq!(ids.len(), 2, "{peers}");
    assert_eq!(world.at(new).state, PhoneState::Connected);
}

#[test]
fn a_message_that_is_too_long_gets_413_and_the_call_goes_on() {
    let mut world = world();
    let alice = web(&mut world, "alice");
    world.message(alice, &"x".repeat(8193));
    world.advance(Duration::from_secs(1));
    assert!(world.timeline().contains("413"), "{}", world.timeline());
    assert_eq!(world.at(alice).state, PhoneState::Connected);
}

/// Says that bob cannot reach alice, as often, and lets the time of one failure pass.
fn fail_directly(world: &mut World, bob: PhoneId, times: usize) {
    let text = json!({"type": "ICE_FAILED", "caller": "alice", "callee": "bob"});
    for _ in 0..times {
        world.message(bob, &text.to_string());
        world.advance(Duration::from_secs(5));
    }
}

#[test]
fn a_relayed_pair_hears_each_other_again_after_one_came_back() {
    let mut world = world();
    let alice = web(&mut world, "alice");
    let bob = web(&mut world, "bob");
    let silence: &[&[bool]] = &[&[false, false], &[false, false]];
    let relayed: &[&[bool]] = &[&[false, true], &[true, false]];
    fail_directly(&mut world, bob, 1);
    assert_hears(&mut world, &[alice, bob], silence);
    fail_directly(&mut world, bob, 1);
    assert_hears(&mut world, &[alice, bob], relayed);

    let alice = web(&mut world, "alice");
    assert_hears(&mut world, &[alice, bob], silence);
    fail_directly(&mut world, bob, 1);
    assert_hears(&mut world, &[alice, bob], relayed);
    let text = json!({"type": "ICE_CONNECTED", "caller": "alice", "callee": "bob"});
    world.message(alice, &text.to_string());
    assert_hears(&mut world, &[alice, bob], silence);
}
