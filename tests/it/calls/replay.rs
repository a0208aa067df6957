//! What went into the engine, fed in again. That it comes to the same whatever happened is a law of
//! the model test; here is what a difference looks like.

use std::time::Duration;

use super::{ONE_RULE, setup_of, tested};

const SCRIPT: &str = "fn on_incoming(e) { e.leg.on(\"connected\", \"greet\"); e.leg.answer(); }
fn greet(e) { e.leg.say(\"Hello\"); log(uuid()); }";

#[test]
fn a_call_comes_to_the_same_again_and_another_scenario_to_something_else() {
    let with_log = SCRIPT.replace("e.leg.say", "log(\"new\"); e.leg.say");
    let with_error = SCRIPT.replace("e.leg.say", "throw \"new\"; e.leg.say");
    let other_text = SCRIPT.replace("Hello", "Good evening");
    let rows = [
        (SCRIPT, ""),
        (with_log.as_str(), "Ran { commands: 3, error: None }"),
        (with_error.as_str(), "new"),
        (other_text.as_str(), "Good evening"),
    ];
    for (script, difference) in rows {
        let mut setup = setup_of(ONE_RULE, &[("main.rhai", SCRIPT)]);
        setup.journal = true;
        let mut world = tested(setup);
        let a = world.phone("+15550100");
        world.dial(a, "100");
        world.advance(Duration::from_secs(5));
        world.hang_up(a);
        world.advance(Duration::from_secs(70));
        let other = setup_of(ONE_RULE, &[("main.rhai", script)]);
        match world.replay_with(&[other.catalog]) {
            Ok(()) => assert_eq!(difference, "", "{script}"),
            Err(why) => assert!(!difference.is_empty() && why.contains(difference), "{why}"),
        }
    }
}

#[test]
fn a_world_without_a_journal_says_so() {
    let mut world = tested(setup_of(ONE_RULE, &[("main.rhai", SCRIPT)]));
    assert_eq!(
        world.replay(),
        Err("the setup asked for no journal".to_owned())
    );
}
