//! What scenarios ask of legs: what comes too late, what comes before the answer, and each command
//! on each kind of leg.

use std::time::Duration;

use talkpath::sim::{PhoneState, World};

use super::{ONE_RULE, assert_empty, expect, world_of};

/// Asserts that the scenario has logged these lines, in this order.
fn assert_logged(world: &World, what: &str, expected: &[&str]) {
    let mut logs = world.logs.iter();
    for line in expected {
        assert!(
            logs.any(|log| log.contains(line)),
            "{what}: {line:?} is missing in {:#?}",
            world.logs
        );
    }
}

/// What it is, what the scenario does when its first caller hangs up, what it logs then.
const TOO_LATE: &[(&str, &str, &[&str])] = &[
    (
        "stop of the recorder that ended with its leg",
        "this.rec.stop(); this.rec.stop();",
        &["rec record_stopped"],
    ),
    (
        "pause of that recorder",
        "this.rec.pause(); this.rec.resume();",
        &["rec record_stopped"],
    ),
    (
        "a player that was stopped before",
        "this.player.stop(); this.player.stop(); this.player.start(); this.player.pause();",
        &[],
    ),
    (
        "record of the leg that has just ended",
        "let r = e.leg.record(); r.on(\"record_failed\", |e| log(`none ${e.error}`));
             r.stop();",
        &["none it had ended before"],
    ),
    (
        "record of a conference that was stopped",
        "this.room.stop(); let r = this.room.record();
             r.on(\"record_failed\", |e| log(`none ${e.error}`));",
        &["none it had ended before"],
    ),
    (
        "everything that a leg can be told",
        "e.leg.mute(true); e.leg.gain(1, 1); e.leg.say(\"x\"); e.leg.send_message(\"x\");
             e.leg.hangup(); e.leg.answer(); e.leg.reject(486); e.leg.send_media_to(this.room);
             e.leg.detect_digits(true); e.leg.send_digits(\"1\"); e.leg.stop_playback();
             e.leg.digits(#{}, |e| 1); e.leg.ring(); forward_to_user_direct(e.leg);",
        &[],
    ),
];

#[test]
fn a_command_that_comes_too_late_is_forgiven_and_ends_no_session() {
    for (what, late, expected) in TOO_LATE {
        let script = format!(
            r#"
fn on_started(e) {{ this.room = create_conference("room"); this.player = create_player("a.wav"); }}
fn on_incoming(e) {{
    e.leg.on("connected", "begin");
    e.leg.on("disconnected", "late");
    e.leg.answer();
}}
fn begin(e) {{
    this.rec = e.leg.record();
    this.rec.on("record_stopped", |e| log("rec record_stopped"));
    this.player.send_media_to(e.leg);
    // Keeps the session while its caller goes.
    call_conference("other");
}}
fn late(e) {{ {late} after(1000, |e| log("alive")); }}
"#
        );
        let rules = format!(
            "{ONE_RULE}\n[[rule]]\nname = \"other\"\npattern = \"other\"\nsource = [\"internal\"]\n\
             scenarios = [\"other.rhai\"]\n"
        );
        let other = "fn on_incoming(e) { e.leg.answer(); after(30000, \"terminate\"); }";
        let mut world = world_of(&rules, &[("main.rhai", &script), ("other.rhai", other)]);
        let a = world.phone("+15550100");
        world.dial(a, "100");
        expect(world.expect_state(a, PhoneState::Connected));
        world.advance(Duration::from_secs(2));
        world.hang_up(a);
        world.advance(Duration::from_secs(3));
        assert_logged(&world, what, expected);
        assert_logged(&world, what, &["alive"]);
        assert_eq!(
            world.stats().refused_commands,
            0,
            "{what}: {:#?}",
            world.logs
        );
        assert_empty(&mut world);
    }
}

#[test]
fn a_call_that_is_refused_fails_for_its_scenario_and_is_told_once() {
    let script = r#"
fn on_incoming(e) { e.leg.on("connected", "reach"); e.leg.answer(); }
fn reach(e) {
    this.other = call_conference("other");
    this.other.on("failed", |e| log(`failed ${e.code} ${e.reason} ${e.leg.state}`));
    after(1000, |e| log("alive"));
}
"#;
    let mut setup = super::setup_of(ONE_RULE, &[("main.rhai", script)]);
    setup.engine.internal_hops_max = 0;
    let mut world = super::tested(setup);
    let a = world.phone("+15550100");
    world.dial(a, "100");
    world.advance(Duration::from_secs(2));
    let expected = ["too-many-hops", "failed 503 limit-reached ended", "alive"];
    assert_logged(&world, "call_conference", &expected);
    assert_eq!(world.at(a).state, PhoneState::Connected);
    let told = world.logs.iter().filter(|line| line.contains("too-many"));
    assert_eq!(told.count(), 1, "{:#?}", world.logs);
    world.hang_up(a);
    assert_empty(&mut world);
}

#[test]
fn a_full_conference_is_told_once_with_the_leg_that_stays_outside() {
    let script = r#"
fn on_started(e) { this.room = create_conference("room"); this.room.max_members(1); }
fn on_incoming(e) { e.leg.on("connected", "join"); e.leg.answer(); }
fn join(e) { this.last = e.leg; send_media_between(e.leg, this.room); }
fn on_error(e) {
    log(`on_error ${e.kind} ${e.code} ${e.leg == this.last}`);
    e.leg.say("It is full");
}
"#;
    let rules = ONE_RULE
        .replace("\"100\"", "\"room\"")
        .replace("phone", "internal");
    let gate = r#"
fn on_incoming(e) {
    this.phone = e.leg;
    e.leg.on("disconnected", "terminate");
    e.leg.on("connected", "reach");
    e.leg.answer();
}
fn reach(e) { this.far = call_conference("room"); send_media_between(this.phone, this.far); }
"#;
    let rules = format!(
        "{rules}{}",
        ONE_RULE.replace("main", "gate").replace("test", "gate")
    );
    let mut world = world_of(&rules, &[("main.rhai", script), ("gate.rhai", gate)]);
    let (a, b) = (world.phone("+15550100"), world.phone("+15550101"));
    world.dial(a, "100");
    world.advance(Duration::from_secs(1));
    world.dial(b, "100");
    expect(world.expect_said(b, "It is full"));
    let lines = |part: &str| world.logs.iter().filter(|log| log.contains(part)).count();
    assert_eq!(
        lines("on_error refused conference-full true"),
        1,
        "{:#?}",
        world.logs
    );
    assert_eq!(lines("conference-full"), 2, "{:#?}", world.logs);
    world.hang_up(a);
    world.hang_up(b);
    assert_empty(&mut world);
}
