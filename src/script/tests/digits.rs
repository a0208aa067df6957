//! `digits`: how a collection ends, and what becomes of one that another takes the place of.

use super::super::{Event, LegEvent, Place};
use super::{World, disconnected, incoming};

/// A leg on which `digits` collects with the given options.
fn collecting(options: &str) -> World {
    let mut world = World::new(&format!(
        "fn on_incoming(e) {{ digits(e.leg, #{{ {options} }}, \"done\");
             e.leg.on(\"disconnected\", \"gone\"); }}
         fn done(e) {{ log(`${{e.leg.id}} ${{e.digits}} ${{e.reason}}`); }}
         fn gone(e) {{ log(\"gone\"); }}
         fn unused(e) {{ e.leg.say(\"other\"); }}"
    ));
    world.incoming(incoming(1, "phone", "a", &[]));
    world
}

#[test]
fn digits_end_by_terminator_number_silence_or_hangup() {
    let mut world = collecting("terminator: \"#\"");
    world.press(1, '1');
    assert_eq!(world.press(1, '#')[2], "log l1 1 terminator");

    let mut world = collecting("max: 2");
    world.press(1, '1');
    assert_eq!(
        world.press(1, '#')[2],
        "log l1 1# max",
        "without a terminator # is a digit"
    );

    let mut world = collecting("first_timeout_s: 3");
    assert_eq!(
        world.timer(100),
        ["l1 detect false false false", "log l1  timeout"]
    );

    let mut world = collecting("clear: \"*\", inter_digit_timeout_s: 2.5, first_timeout_s: 3");
    assert_eq!(world.press(1, '1'), ["t100 cancel", "t101 after 2500"]);
    assert_eq!(world.press(1, '*'), ["t101 cancel", "t102 after 3000"]);
    assert_eq!(world.timer(101), [""; 0]);
    world.press(1, '7');
    assert_eq!(world.timer(103)[1], "log l1 7 timeout");

    let mut world = collecting("prompt: \"hello\"");
    assert_eq!(world.leg(1, disconnected()), ["log l1  hangup", "log gone"]);
}

#[test]
fn digit_detection_that_the_script_wants_stays_on() {
    let mut world = World::new(
        "fn on_incoming(e) { e.leg.detect_digits(true); digits(e.leg, #{max: 1}, \"done\"); }
         fn done(e) { log(e.digits); }",
    );
    assert_eq!(
        world.incoming(incoming(1, "phone", "a", &[])),
        ["l1 detect true true true", "t100 after 10000"]
    );
    assert_eq!(world.press(1, '5'), ["t100 cancel", "log 5"]);
}

#[test]
fn prompt_that_is_replaced_or_stopped_lets_the_timeout_run() {
    for (change, command) in [
        ("e.leg.stop_playback()", "l1 stop playback"),
        ("e.leg.say(\"x\")", "l1 say \"x\""),
    ] {
        let mut world = World::new(&format!(
            "fn on_incoming(e) {{ digits(e.leg, #{{prompt: \"p\"}}, \"done\");
                 e.leg.on(\"hold\", \"change\"); }}
             fn change(e) {{ {change}; }}
             fn done(e) {{ log(e.reason); }}"
        ));
        world.incoming(incoming(1, "phone", "a", &[]));
        assert_eq!(world.leg(1, LegEvent::Hold), [command, "t100 after 10000"]);
        assert_eq!(
            world.press(1, '1'),
            ["t100 cancel", "t101 after 5000"],
            "nothing is stopped"
        );
    }
}

/// What a leg logs when `digits` collects for `first` and the `hold` handler does `change`.
fn replacing(first: &str, change: &str) -> World {
    let mut world = World::new(&format!(
        "fn on_incoming(e) {{ digits(e.leg, #{{ {first} }}, \"first\");
             e.leg.on(\"hold\", \"change\"); e.leg.on(\"hold\", \"later\");
             e.leg.on(\"disconnected\", \"change\"); }}
         fn change(e) {{ {change}; log(\"changed\"); }}
         fn later(e) {{ log(\"later\"); }}
         fn first(e) {{ log(`first [${{e.digits}}] ${{e.reason}}`); }}
         fn second(e) {{ log(`second [${{e.digits}}] ${{e.reason}}`); }}
         fn again(e) {{ log(`again ${{e.reason}}`); digits(e.leg, #{{max: 1}}, \"again\"); }}
         fn once(e) {{ log(`once ${{e.reason}}`); digits(e.leg, #{{max: 1}}, \"second\"); }}
         fn unused(e) {{ again(e); once(e); first(e); second(e); }}"
    ));
    world.incoming(incoming(1, "phone", "a", &[]));
    world
}

/// Only what was logged.
fn logged(commands: Vec<String>) -> Vec<String> {
    let lines = commands.iter().filter_map(|line| line.strip_prefix("log "));
    lines.map(str::to_owned).collect()
}

const SECOND: &str = "digits(e.leg, #{max: 1}, \"second\")";

#[test]
fn handler_of_digits_that_are_replaced_is_called_before_anything_else() {
    let mut world = replacing("", SECOND);
    world.press(1, '7');
    assert_eq!(
        world.leg(1, LegEvent::Hold),
        [
            "t101 cancel",
            "l1 detect true true true",
            "t102 after 10000",
            "log changed",
            "log first [7] replaced",
            "log later",
        ]
    );
    assert_eq!(logged(world.press(1, '9')), ["second [9] max"]);
    assert_eq!(world.press(1, '9'), [""; 0], "each handler is called once");
    assert_eq!(world.timer(101), [""; 0]);
}

#[test]
fn prompt_of_digits_that_are_replaced_stops() {
    let rows = [
        (SECOND, "l1 stop playback"),
        (
            "digits(e.leg, #{prompt: \"q\"}, \"second\")",
            "l1 detect true true true",
        ),
    ];
    for (change, first) in rows {
        let mut world = replacing("prompt: \"p\"", change);
        assert_eq!(world.leg(1, LegEvent::Hold)[0], first, "{change}");
    }
}

#[test]
fn digits_begun_while_others_end_are_collected_or_told() {
    // tidy: table
    let rows: [(&str, &[&str], &[&str]); 3] = [
        (
            "digits(e.leg, #{max: 1}, \"once\"); digits(e.leg, #{max: 1}, \"first\")",
            &[
                "changed",
                "first [] replaced",
                "once replaced",
                "first [] replaced",
                "later",
            ],
            &["second [5] max"],
        ),
        // The last of two that are replaced comes into force.
        (
            "digits(e.leg, #{max: 1}, \"first\"); digits(e.leg, #{max: 1}, \"once\")",
            &["changed", "first [] replaced", "first [] replaced", "later"],
            &["once max"],
        ),
        (
            "digits(e.leg, #{max: 1, terminator: \"##\"}, \"second\")",
            &[],
            &["first [5] max"],
        ),
    ];
    for (change, then, at_last) in rows {
        let mut world = replacing("max: 1", change);
        assert_eq!(logged(world.leg(1, LegEvent::Hold)), then, "{change}");
        assert_eq!(logged(world.press(1, '5')), at_last, "{change}");
    }
}

#[test]
fn digits_that_replace_each_other_for_ever_are_stopped() {
    let mut world = replacing("", "digits(e.leg, #{}, \"again\"); again(e)");
    let told = logged(world.leg(1, LegEvent::Hold));
    assert_eq!(
        told.iter().filter(|line| *line == "again replaced").count(),
        9
    );
    assert!(
        world
            .error()
            .contains("more than 10 `digits` took each other's place in one event"),
        "{}",
        world.error()
    );
}

#[test]
fn leg_that_ends_while_digits_are_collected_gives_them() {
    let mut world = replacing("", SECOND);
    world.press(1, '4');
    let told = logged(world.leg(1, disconnected()));
    assert_eq!(told, ["first [4] hangup", "changed"]);
    let mut world = replacing("", "e.leg.hangup()");
    world.leg(1, LegEvent::Hold);
    let told = logged(world.leg(1, disconnected()));
    assert_eq!(told, ["first [] hangup", "changed"]);
}

#[test]
fn refusal_may_replace_digits_too() {
    let mut world = World::new(
        "fn on_incoming(e) { this.leg = e.leg; digits(e.leg, #{}, \"first\"); }
         fn first(e) { log(e.reason); }
         fn on_error(e) { digits(this.leg, #{}, \"first\"); }",
    );
    world.incoming(incoming(1, "phone", "a", &[]));
    let refused = Event::Refused {
        code: "x".into(),
        text: "x".into(),
        leg: None,
        place: Place::default(),
    };
    assert_eq!(logged(world.tell(&refused)), ["replaced"]);
}
