//! Prompts, players, what plays on mixers and wires; their events.

use super::*;

/// Events of playbacks as `started 1` with their time, without those of other kinds.
fn playbacks(world: &World) -> Vec<(u64, String)> {
    let told = |event: &Event| match event {
        Event::PlaybackStarted { playback, .. } => Some(format!("started {}", playback.0)),
        Event::PlaybackFinished { playback, .. } => Some(format!("finished {}", playback.0)),
        _ => None,
    };
    world
        .events
        .iter()
        .filter_map(|(ms, event)| Some((*ms, told(event)?)))
        .collect()
}

fn names(world: &World) -> Vec<String> {
    playbacks(world).into_iter().map(|(_, name)| name).collect()
}

fn pair(first: &str, second: &str) -> World {
    let mut world = World::new();
    world.phone(1, first, Some(0));
    world.phone(2, second, Some(1));
    world.join(&[(1, 2)]);
    world.run(500);
    world
}

fn assert_level(world: &World, id: u64, tone: usize, expected: f32, about: &str) {
    let level = world.level(id, TONES[tone]);
    assert!(
        (level - expected).abs() < 1.5,
        "{about}: {id} hears {tone} at {level} dBov"
    );
}

#[test]
fn a_prompt_is_heard_by_its_leg_alone_over_the_lowered_rest() {
    for (first, clip_rate) in [
        ("PCMU", Rate::Hz8000),
        ("PCMU", Rate::Hz48000),
        ("G722", Rate::Hz8000),
        ("opus", Rate::Hz16000),
    ] {
        let mut world = pair(first, "PCMA");
        world.play(1, 1, tone_clip(clip_rate, TONES[6], 2000), false);
        world.run(100);
        world.listen(1000);
        assert_level(&world, 1, 6, -20.0, first);
        assert_level(&world, 1, 1, -32.0, first);
        world.assert_hears(2, &[0], first);
        world.run(1500);
        world.listen(1000);
        world.assert_hears(1, &[1], "after the prompt");
        assert_eq!(names(&world), ["started 1", "finished 1"]);
    }
}

#[test]
fn the_end_is_told_when_the_last_frame_has_gone_out() {
    for (ms, later_ms) in [(100, 80), (90, 80), (20, 0), (0, 0)] {
        let mut world = pair("PCMU", "PCMU");
        world.play(1, 1, tone_clip(Rate::Hz8000, 1000.0, ms), false);
        world.run(500);
        let told = playbacks(&world);
        assert_eq!(told.len(), 2, "{ms}: {told:?}");
        assert_eq!(told[1].0 - told[0].0, later_ms, "{ms}");
    }
}

#[test]
fn a_clip_is_replaced_or_stopped_without_an_end() {
    let mut world = pair("PCMU", "PCMU");
    world.play(1, 1, tone_clip(Rate::Hz8000, TONES[5], 1000), true);
    world.run(1000);
    world.listen(500);
    assert_level(&world, 1, 5, -20.0, "looped");
    world.play(1, 2, tone_clip(Rate::Hz8000, TONES[6], 3000), false);
    world.run(100);
    world.listen(500);
    assert_level(&world, 1, 6, -20.0, "replaced");
    assert!(world.level(1, TONES[5]) < -70.0);
    world.tell(Command::StopPlay { unit: unit(1) });
    world.run(100);
    world.listen(500);
    world.assert_hears(1, &[1], "stopped");
    world.run(3000);
    assert_eq!(names(&world), ["started 1", "started 2"]);
}

#[test]
fn a_clip_on_a_mixer_is_heard_by_all_beside_the_others() {
    let mut world = World::new();
    world.mixer(100);
    for (id, name) in [(1, "PCMU"), (2, "G722"), (3, "opus")] {
        world.phone(id, name, (id == 1).then_some(0));
        world.join(&[(id, 100)]);
    }
    world.play(100, 9, tone_clip(Rate::Hz48000, TONES[3], 2000), false);
    world.run(300);
    assert!(
        world
            .core
            .hears()
            .contains(&(unit(1), vec![unit(2), unit(3), unit(100)]))
    );
    world.listen(1000);
    world.assert_hears(1, &[3], "mixer");
    world.assert_hears(2, &[0, 3], "mixer");
    world.assert_hears(3, &[0, 3], "mixer");
    world.run(2000);
    assert_eq!(names(&world), ["started 9", "finished 9"]);
    assert!(
        world
            .core
            .hears()
            .contains(&(unit(1), vec![unit(2), unit(3)]))
    );
}

#[test]
fn a_player_is_heard_by_whoever_it_is_connected_to_and_can_be_held() {
    let mut world = World::new();
    world.tell(Command::AddPlayer { unit: unit(50) });
    for id in 1..=3 {
        world.phone(id, "PCMU", None);
    }
    world.connect(&[(50, 1), (50, 2)]);
    world.play(50, 1, tone_clip(Rate::Hz16000, TONES[2], 1000), false);
    world.run(100);
    world.listen(500);
    world.assert_hears(1, &[2], "player");
    world.assert_hears(2, &[2], "player");
    world.assert_hears(3, &[], "player");
    world.tell(Command::Pause {
        unit: unit(50),
        paused: true,
    });
    world.run(100);
    world.listen(2000);
    world.assert_hears(1, &[], "held");
    assert_eq!(names(&world), ["started 1"]);
    world.tell(Command::Pause {
        unit: unit(50),
        paused: false,
    });
    world.run(1000);
    assert_eq!(names(&world), ["started 1", "finished 1"]);
}

#[test]
fn a_clip_goes_to_its_end_though_nobody_listens() {
    let mut world = World::new();
    world.mixer(100);
    world.play(100, 1, tone_clip(Rate::Hz8000, 1000.0, 200), false);
    assert!(world.core.poll_timeout().is_some());
    world.run(500);
    assert_eq!(names(&world), ["started 1", "finished 1"]);
    assert_eq!(world.core.poll_timeout(), None);
}

#[test]
fn a_greeting_on_an_end_of_a_wire_is_heard_at_the_other_end_only() {
    let mut world = World::new();
    world.mixer(100);
    for id in 1..=2 {
        world.phone(id, "PCMU", Some(id as usize - 1));
    }
    world.tell(Command::AddWire {
        a: unit(11),
        b: unit(12),
    });
    world.join(&[(1, 11), (12, 100), (2, 100)]);
    world.run(500);
    world.play(12, 7, tone_clip(Rate::Hz8000, TONES[6], 2000), false);
    world.run(300);
    world.listen(1000);
    assert_level(&world, 1, 6, -20.0, "greeting");
    assert_level(&world, 1, 1, -32.0, "greeting");
    world.assert_hears(2, &[0], "greeting");
    assert!(
        world
            .core
            .hears()
            .contains(&(unit(1), vec![unit(2), unit(12)]))
    );
    world.run(1500);
    world.listen(1000);
    world.assert_hears(1, &[1], "after the greeting");
    assert_eq!(names(&world), ["started 7", "finished 7"]);
}

#[test]
fn a_deaf_leg_hears_its_prompt() {
    let mut world = pair("PCMU", "PCMU");
    world.tell(Command::Silence {
        unit: unit(1),
        muted: false,
        deafened: true,
    });
    world.play(1, 1, tone_clip(Rate::Hz8000, TONES[4], 2000), false);
    world.run(100);
    world.listen(1000);
    world.assert_hears(1, &[4], "deaf");
    world.assert_hears(2, &[0], "deaf, not mute");
}

#[test]
fn early_media_plays_before_anything_has_come_in() {
    let mut world = World::new();
    world.tell(Command::OpenLeg {
        unit: unit(1),
        kind: LegKind::Rtp,
    });
    world.play(1, 1, tone_clip(Rate::Hz8000, TONES[4], 1000), false);
    world.run(500);
    assert_eq!(names(&world), [""; 0], "without a stream it waits");
    world.core = Core::new(MediaSettings::default(), world.now, [1; 32]);
    world.start = world.now;
    world.phone(1, "PCMU", None);
    world.peer(1).sends = false;
    world.play(1, 1, tone_clip(Rate::Hz8000, TONES[4], 1000), false);
    world.listen(1000);
    world.assert_hears(1, &[4], "early media");
}
