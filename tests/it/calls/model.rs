//! Whatever happens, against a model: random steps in the world of the shipped rules and scenarios,
//! with everything outside the engine late, and a list of steps that fails made as short as it can
//! be.
//!
//! [`step`] says what may happen, [`reference`] what the world must be like then, [`play`] does the
//! one and compares the other: who is in which room, who hears whom by the tones that arrive, which
//! messages came, who was told of whom, and at the end that nothing is left in any table, although
//! nobody but the callers hung up.
//!
//! `make test` plays the same cases each time; `PROPTEST_CASES=1000` plays so many others. Lists
//! that have found something are rows of [`known`] and always played.

mod known;
mod play;
mod reference;
mod step;

use std::path::Path;

use proptest::test_runner::{Config, FileFailurePersistence, TestError, TestRng, TestRunner};
use talkpath::sim::Setup;

use super::setup_of;
use play::Play;

/// As many as take 8 s of a processor.
const CASES: u32 = 20;

/// Seeds of cases that failed.
const SEEDS: &str = "tests/it/calls/model/seeds.txt";

/// The number of the scenario that does what it is told.
const COMMANDS: &str = "300";
const COMMANDS_RULE: &str = r#"
[[rule]]
name = "commands"
pattern = '300'
source = ["phone"]
scenarios = ["surface.rhai"]
"#;

/// The shipped rules, with rooms that are soon full.
fn setup() -> Setup {
    let rules = include_str!("../../../rules/videoconf.toml");
    let rules = rules.replace("web_max = 12", &format!("web_max = {}", reference::WEB_MAX));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let script = |name| {
        let text = std::fs::read_to_string(folder.join(name)).expect("a scenario");
        (name, text)
    };
    let scripts = ["conference", "gatekeeper", "pstn_gatekeeper", "p2p"];
    let names = scripts.map(|name| format!("{name}.rhai"));
    let texts = names.each_ref().map(|name| script(name.as_str()));
    let mut all: Vec<(&str, &str)> = texts
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    all.push(("surface.rhai", include_str!("model/surface.rhai")));
    setup_of(&format!("{rules}{COMMANDS_RULE}"), &all)
}

#[test]
fn what_was_found_once_stays_mended() {
    for (what, case) in known::cases() {
        if let Err(why) = Play::run(&case) {
            panic!("{what}: {case:?}\n{why}");
        }
    }
}

#[test]
fn whatever_happens_the_world_is_as_it_must_be() {
    let more = std::env::var_os("PROPTEST_CASES").is_some();
    let mut config = Config {
        max_shrink_iters: 2000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(SEEDS))),
        ..Config::default()
    };
    if !more {
        config.cases = CASES;
    }
    let random = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = match more {
        true => TestRunner::new(config),
        false => TestRunner::new_with_rng(config, random),
    };
    let played = std::cell::Cell::new(0);
    let result = runner.run(&step::cases(), |case| {
        played.set(played.get() + 1);
        Play::run(&case).map_err(proptest::test_runner::TestCaseError::fail)
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => panic!("{case:?} after {} plays\n{why}", played.get()),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}
