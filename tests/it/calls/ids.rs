//! Names that are seen outside: no run of an engine names anything as another one does.

use std::collections::BTreeSet;
use std::time::Duration;

use talkpath::engine::Notice;
use talkpath::sim::PhoneState;

use super::{ONE_RULE, expect, setup_of, tested};

const SCRIPT: &str = r#"
fn on_incoming(e) {
    e.leg.on("connected", "begin");
    e.leg.answer();
}
fn begin(e) {
    let room = create_conference("room");
    e.leg.send_media_to(room);
    let recorder = e.leg.record();
    recorder.on("record_stopped", |e| log(e.url));
    for one in [session.id, e.leg.id, room.id, recorder.id] { log(one); }
}
"#;

/// What a scenario sees of one call: ids of a session, leg, conference and recorder, and the URL of
/// a recording. The notices have the same.
fn names(started_ms: u64, seed: u64) -> BTreeSet<String> {
    let mut setup = setup_of(ONE_RULE, &[("main.rhai", SCRIPT)]);
    (setup.started_ms, setup.seed) = (started_ms, seed);
    let mut world = tested(setup);
    let phone = world.phone("+31612345678");
    world.dial(phone, "100");
    expect(world.expect_state(phone, PhoneState::Connected));
    world.advance(Duration::from_secs(3));
    world.hang_up(phone);
    world.advance(Duration::from_secs(3));
    let names: BTreeSet<String> = world.logs.iter().cloned().collect();
    assert_eq!(names.len(), 5, "{names:?}");
    let run = world.run();
    let mut told = BTreeSet::new();
    for notice in &world.notices {
        if let Notice::SessionStarted(it) = notice {
            told.insert(run.name(it.session).to_string());
        } else if let Notice::LegEnded(it) = notice {
            told.insert(run.name(it.leg).to_string());
        } else if let Notice::ConferenceOpened(it) = notice {
            told.insert(run.name(it.conference).to_string());
        } else if let Notice::RecordingBegun(it) = notice {
            told.insert(run.name(it.recorder).to_string());
            told.insert(it.url.clone());
        }
    }
    assert_eq!(names, told);
    names
}

#[test]
fn engines_of_other_starts_or_seeds_name_nothing_alike() {
    const START: u64 = 1_767_268_800_000;
    let runs = [(START, 1), (START, 2), (START + 1, 1), (START + 60_000, 2)];
    let of_each = runs.map(|(started_ms, seed)| names(started_ms, seed));
    let all: BTreeSet<&String> = of_each.iter().flatten().collect();
    let count: usize = of_each.iter().map(BTreeSet::len).sum();
    assert_eq!(all.len(), count, "{of_each:?}");
    assert_eq!(names(START, 1), of_each[0], "the same run names the same");
}
