//! Recordings: whoever ends a session that records, its scenario is told where they are. Each world
//! is asked at its end whether anything is left of them.

use std::time::Duration;

use talkpath::engine::Notice;
use talkpath::sim::{Latency, PhoneState};

use super::{ONE_RULE, Tested, expect, setup_of, tested};

/// A scenario that records, and ends as `end` says.
fn voice_mail(end: &str) -> String {
    format!(
        r#"
fn on_started(e) {{ this.room = create_conference("room"); }}
fn on_incoming(e) {{
    e.leg.on("connected", "begin");
    e.leg.on("record_stopped", |e| log(`leg ${{e.duration_ms > 1500}}`));
    e.leg.answer();
}}
fn begin(e) {{
    e.leg.send_media_to(this.room);
    let own = e.leg.record();
    own.on("record_stopped", |e| log(`own ${{e.duration_ms > 1500}}`));
    own.on("record_failed", |e| log("own failed"));
    this.room.on("record_stopped", |e| log(`room ${{e.duration_ms > 1500}}`));
    this.room.record();
    {end}
}}
fn on_terminating(e) {{ log(`over ${{e.reason}}`); }}
"#
    )
}

fn world_with(script: &str, latency: Latency, seed: u64) -> Tested {
    let mut setup = setup_of(ONE_RULE, &[("main.rhai", script)]);
    setup.latency = latency;
    setup.seed = seed;
    tested(setup)
}

/// What ends the session: what the scenario does about it, who hangs up after 4 s, and the reason.
const ENDS: &[(&str, Hand, &str)] = &[
    (
        "e.leg.on(\"disconnected\", \"terminate\");",
        Hand::Caller,
        "script-terminate",
    ),
    ("", Hand::Caller, "session-idle"),
    ("", Hand::Operator, "draining"),
    (
        "after(3000, \"terminate\");",
        Hand::Nobody,
        "script-terminate",
    ),
    (
        "after(3000, |e| { own.stop(); terminate(); });",
        Hand::Nobody,
        "script-terminate",
    ),
    (
        "after(3000, |e| { throw \"no_such_thing\"; });",
        Hand::Nobody,
        "script-error",
    ),
];

#[derive(Clone, Copy)]
enum Hand {
    Caller,
    Operator,
    Nobody,
}

#[test]
fn a_session_that_ends_is_told_the_ends_of_its_recordings_first() {
    let slow = Latency::of(Duration::from_millis(400));
    for (end, hand, reason) in ENDS {
        for (latency, seed) in [(Latency::NONE, 1), (slow, 1), (slow, 2)] {
            let mut world = world_with(&voice_mail(end), latency, seed);
            let a = world.phone("+15550100");
            world.dial(a, "100");
            expect(world.expect_state(a, PhoneState::Connected));
            world.advance(Duration::from_secs(4));
            match hand {
                Hand::Caller => world.hang_up(a),
                Hand::Operator => world.hang_up_all(),
                Hand::Nobody => {}
            }
            world.advance(Duration::from_secs(70));
            let mut logs: Vec<&str> = world.logs.iter().map(String::as_str).collect();
            let last = logs.pop();
            assert_eq!(
                last,
                Some(format!("over {reason}").as_str()),
                "{end} {logs:?}"
            );
            logs.retain(|line| !line.contains("no_such_thing"));
            logs.sort_unstable();
            assert_eq!(
                logs,
                ["leg true", "own true", "room true"],
                "{end} {reason} {seed}"
            );
        }
    }
}

#[test]
fn a_recording_that_does_not_end_keeps_no_session() {
    let script = voice_mail("e.leg.on(\"disconnected\", \"terminate\");");
    let late = Latency {
        recording: Duration::from_secs(100),
        ..Latency::NONE
    };
    for seed in 0..3 {
        let mut world = world_with(&script, late, seed);
        let a = world.phone("+15550100");
        world.dial(a, "100");
        expect(world.expect_state(a, PhoneState::Connected));
        world.advance(Duration::from_secs(4));
        world.hang_up(a);
        world.advance(Duration::from_secs(1));
        assert_eq!(world.stats().sessions, 1, "{:?}", world.logs);
        world.advance(Duration::from_secs(2));
        assert_eq!(world.stats().sessions, 0, "{:?}", world.logs);
        let last = world.logs.last().map(String::as_str);
        assert_eq!(last, Some("over script-terminate"));
    }
}

#[test]
fn a_handler_after_the_end_can_write_to_the_log_and_no_more() {
    let end = "e.leg.on(\"disconnected\", \"terminate\");
        own.on(\"record_stopped\", |e| {
            log(\"last\"); this.room.stop(); create_conference(\"x\"); after(10, \"terminate\");
        });";
    let mut world = world_with(&voice_mail(end), Latency::NONE, 1);
    let a = world.phone("+15550100");
    world.dial(a, "100");
    expect(world.expect_state(a, PhoneState::Connected));
    world.advance(Duration::from_secs(4));
    world.hang_up(a);
    world.advance(Duration::from_secs(1));
    let count = |part: &str| world.logs.iter().filter(|line| line.contains(part)).count();
    assert_eq!(
        (count("last"), count("session-over")),
        (1, 1),
        "{:?}",
        world.logs
    );
    assert!(count("3 commands") == 1, "{:?}", world.logs);
    assert_eq!(
        world.logs.last().map(String::as_str),
        Some("over script-terminate")
    );
}

#[test]
fn a_recording_has_one_name_from_its_begin_on_and_can_be_played() {
    let script = r#"
fn on_incoming(e) { e.leg.on("connected", "begin"); e.leg.answer(); }
fn begin(e) {
    e.leg.on("record_started", |e| { this.url = e.url; e.leg.play(e.url); });
    e.leg.on("playback_finished", |e| log(`played ${e.source == this.url} ${e.error == ()}`));
    e.leg.on("record_stopped", |e| { log(`same ${e.url == this.url}`); e.leg.play(e.url); });
    let recorder = e.leg.record(#{name: "memo"});
    after(1000, |e| recorder.stop());
}
"#;
    let mut world = world_with(script, Latency::NONE, 1);
    let a = world.phone("+15550100");
    world.dial(a, "100");
    expect(world.expect_state(a, PhoneState::Connected));
    world.advance(Duration::from_secs(4));
    // While it grows it is not there yet.
    let expected = ["played true false", "same true", "played true true"];
    assert_eq!(world.logs, expected);
}

/// The session waits for its recordings although nobody is there any more to be told of them.
#[test]
fn a_host_that_panics_costs_no_recording() {
    let script = r#"
fn on_incoming(e) {
    e.leg.on("connected", |e| e.leg.record());
    e.leg.on("message", |e| log(e.text));
    e.leg.answer();
}
"#;
    let mut world = world_with(script, Latency::of(Duration::from_millis(400)), 1);
    let phone = world.phone("+31612345678");
    world.dial(phone, "100");
    expect(world.expect_state(phone, PhoneState::Connected));
    world.advance(Duration::from_secs(3));
    world.host_panics = true;
    world.message(phone, "hello");
    world.advance(Duration::from_secs(20));
    let told = |of: fn(&Notice) -> bool| world.notices.iter().filter(|it| of(it)).count();
    let panicked = told(|notice| matches!(notice, Notice::HostPanicked { .. }));
    assert_eq!(panicked, 1, "{:#?}", world.notices);
    let kept = told(|notice| matches!(notice, Notice::RecordingEnded(it) if it.result.is_ok()));
    assert_eq!(kept, 1, "{:#?}", world.notices);
}
