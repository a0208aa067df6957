//! Scenarios that fail, loop, eat or flood: only their own session ends. And the commands of
//! scenarios that the shipped ones do not use.

use std::time::Duration;

use talkpath::sim::{Latency, PhoneState};

use super::{ACCESS_NUMBER, ONE_RULE, assert_empty, expect, setup_of, tested, world_of};

const APOLOGY: &str = "something went wrong";

/// Every handler answers first, so that there is a caller to apologise to.
fn answered(body: &str) -> String {
    let head = "fn on_incoming(e) { e.leg.on(\"connected\", \"main\"); e.leg.answer(); }";
    format!("{head}\nfn main(e) {{ {body} }}\n")
}

/// The failing scenario on 100, and a healthy one on 200.
fn with_neighbour(script: &str) -> super::Tested {
    let rules = format!(
        "{ONE_RULE}\n[[rule]]\nname = \"neighbour\"\npattern = \"200\"\nsource = [\"phone\"]\n\
         scenarios = [\"good.rhai\"]\n"
    );
    let good = answered("e.leg.say(\"All is well\");");
    world_of(&rules, &[("main.rhai", script), ("good.rhai", &good)])
}

#[test]
fn a_scenario_that_misbehaves_ends_its_own_session_with_an_apology() {
    for (what, body) in [
        ("loops for ever", "loop {}"),
        ("throws", "throw \"on purpose\";"),
        ("eats memory", "let a = \"x\"; loop { a += a; }"),
        ("recurses", "this.again(e);"),
        (
            "sets 10,000 timers",
            "for n in 0..10000 { after(1000, \"tick\"); }",
        ),
        ("indexes past the end", "let a = [1]; let b = a[5];"),
        ("reads bad JSON", "parse_json(\"{\");"),
    ] {
        let script = answered(body) + "fn again(e) { this.again(e); }\nfn tick(e) {}\n";
        let mut world = with_neighbour(&script);
        let (bad, good) = (world.phone("+15550100"), world.phone("+15550101"));
        world.dial(good, "200");
        expect(world.expect_said(good, "All is well"));
        world.dial(bad, "100");
        expect(
            world
                .expect_said(bad, APOLOGY)
                .map_err(|text| format!("{what}: {text}")),
        );
        expect(world.expect_state(bad, PhoneState::Ended(200)));
        assert_eq!(world.at(good).state, PhoneState::Connected, "{what}");
        let named = world.logs.iter().any(|line| line.contains("main.rhai:2:"));
        assert!(named, "{what}: the log names no place: {:?}", world.logs);
        world.hang_up(good);
        assert_empty(&mut world);
    }
}

#[test]
fn an_error_before_the_answer_is_a_500() {
    let mut world = world_of(
        ONE_RULE,
        &[("main.rhai", "fn on_incoming(e) { throw \"no\"; }")],
    );
    let a = world.phone("+15550100");
    world.dial(a, "100");
    expect(world.expect_state(a, PhoneState::Ended(500)));
    assert_empty(&mut world);
}

#[test]
fn on_error_runs_instead_of_the_end() {
    let script = answered("throw \"on purpose\";")
        + "fn on_error(e) { log(`caught at ${e.line}`); this.leg_said(e); }\nfn leg_said(e) {}\n";
    let mut world = world_of(ONE_RULE, &[("main.rhai", &script)]);
    let a = world.phone("+15550100");
    world.dial(a, "100");
    expect(world.expect_state(a, PhoneState::Connected));
    world.advance(Duration::from_secs(5));
    assert_eq!(world.at(a).state, PhoneState::Connected);
    assert!(
        world.logs.iter().any(|line| line.contains("caught at 2")),
        "{:?}",
        world.logs
    );
}

#[test]
fn what_a_leg_can_be_told_is_seen_by_the_caller() {
    // script body, what is waited for
    for (body, said) in [
        ("e.leg.say(\"Good day\");", "Good day"),
        ("e.leg.play(\"music.wav\");", "music.wav"),
        (
            "let p = create_player(\"hold.wav\", #{loop: true}); p.send_media_to(e.leg);",
            "hold.wav",
        ),
        (
            "let c = create_conference(\"c\"); send_media_between(e.leg, c); c.say(\"To all\");",
            "To all",
        ),
    ] {
        let mut world = world_of(ONE_RULE, &[("main.rhai", &answered(body))]);
        let a = world.phone("+15550100");
        world.dial(a, "100");
        expect(
            world
                .expect_said(a, said)
                .map_err(|text| format!("{body}: {text}")),
        );
        world.hang_up(a);
        assert_empty(&mut world);
    }
}

#[test]
fn events_come_back_to_the_scenario() {
    let script = r#"
fn on_started(e) { log("started"); }
fn on_incoming(e) {
    e.leg.on("connected", "greet");
    e.leg.on("disconnected", |e| log(`gone ${e.reason}`));
    e.leg.start_early_media();
    e.leg.on("early_media", |e| { log("early"); e.leg.answer(); });
}
fn greet(e) {
    e.leg.on("playback_started", |e| log(`begins ${e.source}`));
    e.leg.on("playback_finished", "missing");
    e.leg.say("Hello");
}
fn missing(e) {
    log(`ends ${e.source}`);
    e.leg.off("playback_finished");
    e.leg.on("playback_finished", |e| { log(`failed ${e.error != ()}`); this.rec(e); });
    e.leg.play("missing.wav");
}
fn rec(e) {
    e.leg.on("record_stopped", |e| log(`recorded ${e.duration_ms > 900}`));
    e.leg.detect_digits(true);
    e.leg.on("digit", |e| log(`digit ${e.digit}`));
    this.recorder = e.leg.record(#{});
    after(1000, |e| this.recorder.stop());
}
fn on_terminating(e) { log("over"); }
"#;
    let mut world = world_of(ONE_RULE, &[("main.rhai", script)]);
    let a = world.phone("+15550100");
    world.dial(a, "100");
    world.advance(Duration::from_secs(4));
    expect(world.press(a, "5"));
    world.hang_up(a);
    world.advance(Duration::from_secs(61));
    let expected = [
        "started",
        "early",
        "begins Hello",
        "ends Hello",
        "failed true",
        "recorded true",
        "digit 5",
        "gone caller-hangup",
        "over",
    ];
    let mut logs = world.logs.iter();
    for line in expected {
        assert!(
            logs.any(|log| log.contains(line)),
            "{line} is missing in {:?}",
            world.logs
        );
    }
    assert_empty(&mut world);
}

#[test]
fn a_conference_that_fails_lets_go_of_its_callers() {
    let rules = r#"
[[rule]]
name = "gate"
pattern = "31201234567"
source = ["phone"]
scenarios = ["pstn_gatekeeper.rhai"]
[[rule]]
name = "conference"
pattern = "conf_[0-9]+"
source = ["internal"]
scenarios = ["main.rhai"]
"#;
    let gate = include_str!("../../../scripts/pstn_gatekeeper.rhai");
    let broken = "fn on_incoming(e) { throw \"broken\"; }";
    let mut world = world_of(
        rules,
        &[("pstn_gatekeeper.rhai", gate), ("main.rhai", broken)],
    );
    let a = world.phone("+15550100");
    world.dial(a, ACCESS_NUMBER);
    expect(world.expect_said(a, "enter your conference PIN"));
    expect(world.press(a, "1234#"));
    expect(world.expect_state(a, PhoneState::Ended(200)));
    assert!(
        world.at(a).said.len() >= 2,
        "nothing was explained\n{}",
        world.timeline()
    );
    assert_empty(&mut world);
}

#[test]
fn an_answer_waits_for_its_script_and_its_ports_at_the_same_time() {
    let longest = Duration::from_millis(40);
    let scripts = [
        "fn on_incoming(e) { e.leg.answer(); }",
        "fn on_started(e) { this.n = 1; } fn on_incoming(e) { this.n += 1; e.leg.answer(); }",
    ];
    for seed in 0..20 {
        let script = scripts[seed as usize % scripts.len()];
        let mut setup = setup_of(ONE_RULE, &[("main.rhai", script)]);
        setup.latency = Latency::of(longest);
        setup.seed = seed;
        let mut world = tested(setup);
        let a = world.phone("+15550100");
        world.dial(a, "100");
        world.advance(longest);
        assert_eq!(world.at(a).state, PhoneState::Connected, "seed {seed}");
        world.hang_up(a);
        assert_empty(&mut world);
    }
}

#[test]
fn a_call_comes_after_the_start_of_its_session_or_not_at_all() {
    let rows: [(&str, &str, PhoneState, &[&str]); 5] = [
        (
            "log(\"start\");",
            "",
            PhoneState::Connected,
            &["start", "call"],
        ),
        (
            "throw \"broken\";",
            "fn on_error(e) { log(`error ${e.text}`); }",
            PhoneState::Connected,
            &["error broken", "call"],
        ),
        ("throw \"broken\";", "", PhoneState::Ended(500), &[]),
        (
            "terminate();",
            "fn on_terminating(e) { log(\"over\"); }",
            PhoneState::Ended(480),
            &["over"],
        ),
        (
            "after(1, |e| log(\"later\"));",
            "",
            PhoneState::Connected,
            &["call", "later"],
        ),
    ];
    for (started, others, state, logs) in rows {
        for seed in 0..4 {
            let script = format!(
                "fn on_started(e) {{ {started} }} {others}
                 fn on_incoming(e) {{ log(\"call\"); e.leg.answer(); }}"
            );
            let mut setup = setup_of(ONE_RULE, &[("main.rhai", &script)]);
            setup.latency = Latency::of(Duration::from_millis(40));
            setup.seed = seed;
            let mut world = tested(setup);
            let a = world.phone("+15550100");
            world.dial(a, "100");
            world.advance(Duration::from_secs(1));
            assert_eq!(world.at(a).state, state, "{started} {others}");
            let written: Vec<&String> = world
                .logs
                .iter()
                .filter(|line| !line.contains("main.rhai"))
                .collect();
            assert_eq!(written, logs, "{started} {others}");
            world.hang_up(a);
            assert_empty(&mut world);
        }
    }
}

#[test]
fn a_timer_that_is_cancelled_is_gone() {
    let script = r#"
fn on_incoming(e) {
    for n in 0..90 {
        let timer = after(80000000, "never");
        timer.cancel();
    }
    this.clock = every(20000, "tick");
    e.leg.answer();
}
fn tick(e) { log("tick"); }
fn never(e) {}
"#;
    let mut world = world_of(ONE_RULE, &[("main.rhai", script)]);
    let a = world.phone("+15550100");
    world.dial(a, "100");
    world.advance(Duration::from_secs(50));
    let left = world.leftovers();
    assert!(left.contains(&("alarms", 1)), "the clock alone: {left:?}");
    assert_eq!(world.logs.iter().filter(|line| *line == "tick").count(), 2);
    world.hang_up(a);
    assert_empty(&mut world);
}

#[test]
fn every_handler_that_fails_is_counted() {
    // With `on_error` the session goes on; without it the failure ends the session.
    for on_error in ["", "fn on_error(e) { log(e.text); }"] {
        let script = format!(
            "fn on_incoming(e) {{ e.leg.on(\"connected\", \"fail\"); e.leg.answer(); }}
             fn fail(e) {{ throw \"broken\"; }}\n{on_error}"
        );
        let mut world = world_of(ONE_RULE, &[("main.rhai", &script)]);
        let a = world.phone("+15550100");
        world.dial(a, "100");
        world.advance(Duration::from_secs(2));
        assert_eq!(world.stats().script_errors, 1, "{on_error}");
    }
}
