//! `scripts/pstn_gatekeeper.rhai`, from the caller's side.

use super::super::{Event, LegEvent, Place};
use super::{World, connected, disconnected, failed, finished, incoming};

const SCRIPT: &str = include_str!("../../../scripts/pstn_gatekeeper.rhai");
const ASK: &str = "Please enter your conference PIN, and press pound.";
const WELCOME: &str = "l1 say \"Hello, please enter your conference PIN using the keypad, and \
                       press pound to join the conference.\"";
const DETECT: &str = "l1 detect true true true";
const DETECT_OFF: &str = "l1 detect false false false";

/// A caller who hears the welcome.
fn caller() -> World {
    let mut world = World::new(SCRIPT);
    assert_eq!(world.start(), [""; 0]);
    assert_eq!(
        world.incoming(incoming(1, "phone", "+15550100", &[])),
        ["l1 answer"]
    );
    assert_eq!(world.leg(1, connected()), [DETECT, WELCOME]);
    world
}

/// Presses keys; gives what came of the last one.
fn press_all(world: &mut World, keys: &str) -> Vec<String> {
    keys.chars()
        .map(|key| world.press(1, key))
        .last()
        .unwrap_or_default()
}

#[test]
fn pin_typed_into_the_prompt_joins_the_conference() {
    let mut world = caller();
    assert_eq!(world.press(1, '1'), ["l1 stop playback", "t100 after 5000"]);
    assert_eq!(world.press(1, '2'), ["t100 cancel", "t101 after 5000"]);
    assert_eq!(world.press(1, '3'), ["t101 cancel", "t102 after 5000"]);
    assert_eq!(
        world.press(1, '#'),
        [
            "t102 cancel",
            DETECT_OFF,
            "l103 call conf_123 from +15550100 \"Name of +15550100\" X-ClientType=pstn_inbound",
        ]
    );
    assert_eq!(world.leg(103, connected()), ["u1 -> u103", "u103 -> u1"]);
    assert_eq!(
        world.press(1, '#'),
        [""; 0],
        "later digits belong to nobody"
    );
    assert_eq!(world.press(1, '5'), [""; 0]);
    assert_eq!(world.error(), "");
}

#[test]
fn either_side_ends_the_session() {
    for (leg, event) in [(1, disconnected()), (103, disconnected()), (1, failed(487))] {
        let mut world = caller();
        press_all(&mut world, "123#");
        world.leg(103, connected());
        assert_eq!(world.leg(leg, event), ["terminate"]);
    }
}

#[test]
fn star_starts_over() {
    let mut world = caller();
    press_all(&mut world, "99");
    assert_eq!(world.press(1, '*'), ["t101 cancel", "t102 after 10000"]);
    let last = press_all(&mut world, "4567#");
    assert!(last[2].starts_with("l107 call conf_4567 from"), "{last:?}");
}

#[test]
fn three_short_pins_end_the_call() {
    let mut world = caller();
    for _ in 0..2 {
        let last = press_all(&mut world, "12#");
        assert_eq!(
            last[1..],
            [
                DETECT_OFF,
                DETECT,
                &format!("l1 say \"That PIN is too short. {ASK}\"")
            ]
        );
    }
    let last = press_all(&mut world, "#");
    assert_eq!(
        last,
        [
            "l1 stop playback",
            DETECT_OFF,
            "l1 say \"That PIN is too short. Goodbye.\""
        ]
    );
    assert_eq!(
        world.press(1, '1'),
        [""; 0],
        "nothing is collected any more"
    );
    assert_eq!(world.leg(1, finished()), ["terminate"]);
}

#[test]
fn pin_that_is_long_or_no_number_is_refused_by_voice() {
    let mut world = caller();
    let last = press_all(&mut world, "1234567890123#");
    assert_eq!(last[3], format!("l1 say \"That PIN is too long. {ASK}\""));
    let mut world = caller();
    let last = press_all(&mut world, "12A4#");
    assert_eq!(last[3], format!("l1 say \"A PIN has digits only. {ASK}\""));
    let mut world = caller();
    let last = press_all(&mut world, "123456789012#");
    assert!(last[2].contains("call conf_123456789012 from"), "{last:?}");
}

#[test]
fn silence_is_asked_again_and_then_ends() {
    let mut world = caller();
    assert_eq!(world.leg(1, finished()), ["t100 after 10000"]);
    let again = format!("l1 say \"I did not hear a PIN. {ASK}\"");
    assert_eq!(world.timer(100), [DETECT_OFF, DETECT, &again]);
    assert_eq!(
        world.timer(100),
        [""; 0],
        "a timer that was told twice does nothing"
    );
    assert_eq!(world.leg(1, finished()), ["t101 after 10000"]);
    assert_eq!(world.timer(101), [DETECT_OFF, DETECT, &again]);
    assert_eq!(world.leg(1, finished()), ["t102 after 10000"]);
    assert_eq!(
        world.timer(102),
        [DETECT_OFF, "l1 say \"I did not hear a PIN. Goodbye.\""]
    );
    assert_eq!(world.leg(1, finished()), ["terminate"]);
}

#[test]
fn pin_without_pound_is_taken_after_the_pause() {
    let mut world = caller();
    press_all(&mut world, "123");
    let joined = world.timer(102);
    assert!(
        joined[1].starts_with("l103 call conf_123 from"),
        "{joined:?}"
    );
}

#[test]
fn hanging_up_during_the_prompt_ends_the_session() {
    let mut world = caller();
    assert_eq!(world.leg(1, disconnected()), ["terminate"]);
    assert_eq!(world.error(), "");
}

#[test]
fn unreachable_conference_is_told_to_the_caller() {
    let mut world = caller();
    press_all(&mut world, "123#");
    assert_eq!(
        world.leg(103, failed(404)),
        [
            "warn the conference was not reached: 404 unanswered",
            "l1 say \"Sorry, the conference cannot be reached. Please try again later. Goodbye.\"",
        ]
    );
    assert_eq!(world.leg(1, finished()), ["terminate"]);
}

#[test]
fn pin_is_never_logged() {
    let mut world = caller();
    let mut all = Vec::new();
    for key in "73519#".chars() {
        all.extend(world.press(1, key));
    }
    all.extend(world.leg(105, failed(503)));
    let logged: Vec<&String> = all
        .iter()
        .filter(|line| line.starts_with("log") || line.starts_with("warn"))
        .collect();
    assert_eq!(logged.len(), 1);
    assert!(!logged[0].contains("73519"), "{logged:?}");
}

/// A page whose conference is the leg that it gave.
fn page() -> (World, u64) {
    let (mut world, leg) = calling_page();
    world.leg(leg, connected());
    (world, leg)
}

#[test]
fn page_that_cannot_join_is_told_and_hung_up_on() {
    let rows = [
        (
            486,
            "Sorry, the conference is full. Please try again later.",
            "full",
        ),
        (
            503,
            "Sorry, the conference cannot be reached. Please try again later.",
            "",
        ),
    ];
    for (code, words, reason) in rows {
        let (mut world, leg) = calling_page();
        let told = world.leg(leg, failed(code));
        assert_eq!(told[1], format!("l1 say \"{words}\""), "{told:?}");
        let hangup = format!("l1 hangup {reason}");
        assert_eq!(world.leg(1, finished()), [hangup.trim_end()]);
        assert_eq!(world.leg(1, disconnected()), ["terminate"]);
    }
}

/// A page, and the leg that is on its way to the conference.
fn calling_page() -> (World, u64) {
    let mut world = World::new(include_str!("../../../scripts/gatekeeper.rhai"));
    world.start();
    world.incoming(incoming(1, "web", "alice", &[("X-Conference-Id", "1234")]));
    let called = world.leg(1, connected());
    let call = called.iter().find(|line| line.contains("call conf_1234"));
    let (leg, _) = call.expect("a call").split_once(' ').expect("words");
    let leg = leg.trim_start_matches('l').parse().expect("a number");
    (world, leg)
}

#[test]
fn page_that_sends_too_much_is_told_once_and_heard_again_in_the_next_second() {
    let (mut world, _) = page();
    let passed: Vec<usize> = (0..100).map(|_| world.message(1, "{}").len()).collect();
    assert_eq!(passed[..21], [1; 21], "20 messages and the refusal");
    assert_eq!(passed[21..], [0; 79]);
    world.pass(1000);
    let next = world.message(1, "{}");
    assert!(next[0].ends_with("message {}"), "{next:?}");
    assert_eq!(world.error(), "");
}

fn refused(code: &str) -> Event {
    Event::Refused {
        code: code.into(),
        text: "no".into(),
        leg: None,
        place: Place {
            file: "gatekeeper.rhai".into(),
            line: 1,
            column: 1,
        },
    }
}

#[test]
fn telephone_stays_whatever_is_refused() {
    for code in ["no-such-leg", "not-connected", "message-refused"] {
        let mut world = caller();
        let told = world.tell(&refused(code));
        assert_eq!(told, ["warn gatekeeper.rhai:1: no"], "{code}");
        let joined = press_all(&mut world, "123#");
        assert!(joined[2].contains("call conf_123 from"), "{joined:?}");
        world.leg(103, connected());
        let told = world.tell(&refused(code));
        assert_eq!(told, ["warn gatekeeper.rhai:1: no"], "{code}");
        assert_eq!(world.leg(1, disconnected()), ["terminate"]);
    }
}

#[test]
fn page_stays_whatever_is_refused() {
    for code in ["too-many-messages", "message-refused", "not-connected"] {
        let (mut world, _) = page();
        let told = world.tell(&refused(code));
        assert!(!told.contains(&"terminate".to_owned()), "{code}: {told:?}");
    }
    // Who leaves the offer to us has no early media.
    let mut world = World::new(include_str!("../../../scripts/gatekeeper.rhai"));
    world.start();
    world.incoming(incoming(1, "web", "alice", &[("X-Conference-Id", "1234")]));
    assert_eq!(world.tell(&refused("no-offer")), ["l1 answer"]);
}

#[test]
fn conference_hears_of_a_page_that_is_away() {
    let (mut world, leg) = page();
    for (event, word) in [
        (LegEvent::Reconnecting, "away"),
        (LegEvent::Reconnected, "here"),
    ] {
        let told = world.leg(1, event);
        let info = format!("l{leg} info application/vnd.talkpath.presence {word}");
        assert_eq!(told, [info]);
    }
}
