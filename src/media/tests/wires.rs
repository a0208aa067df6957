//! What commands for legs do at the end of a wire, and for a leg that has no sockets yet.

use super::*;

/// Phone 1 behind the wire 21-22, phone 2 and the end 22 in the mixer 100.
fn behind_a_wire(name: &str) -> World {
    let mut world = World::new();
    world.mixer(100);
    world.phone(1, name, Some(0));
    world.phone(2, "PCMU", Some(1));
    world.phone(3, "PCMU", None);
    world.tell(Command::AddWire {
        a: unit(21),
        b: unit(22),
    });
    world.join(&[(1, 21), (22, 100), (2, 100), (3, 100)]);
    world.run(500);
    world
}

fn gain(world: &mut World, id: u64, in_db: f32, out_db: f32) {
    world.tell(Command::Gain {
        unit: unit(id),
        in_db,
        out_db,
    });
    world.run(100);
}

#[test]
fn gain_on_an_end_of_a_wire_is_heard_on_both_sides_and_nobody_hears_itself() {
    for name in ["PCMU", "G722", "opus"] {
        let mut world = behind_a_wire(name);
        gain(&mut world, 22, -10.0, 6.0);
        world.listen(1000);
        for (listener, tone, expected) in
            [(2, 0, -30.0), (3, 0, -30.0), (3, 1, -20.0), (1, 1, -14.0)]
        {
            let level = world.level(listener, TONES[tone]);
            assert!(
                (level - expected).abs() < 2.0,
                "{name}: {listener} hears {tone} at {level}"
            );
        }
        for (speaker, tone) in [(1, 0), (2, 1)] {
            let level = world.level(speaker, TONES[tone]);
            assert!(level < -62.0, "{name}: {speaker} hears itself at {level}");
        }
        gain(&mut world, 22, 0.0, 0.0);
        world.listen(1000);
        world.assert_hears(3, &[0, 1], name);
    }
}

#[test]
fn gain_of_a_wideband_leg_whose_digits_are_heard_in_band_is_heard() {
    for name in ["PCMU", "G722", "opus"] {
        let mut world = behind_a_wire(name);
        world.tell(Command::DetectDigits {
            unit: unit(1),
            telephone_event: true,
            in_band: true,
        });
        gain(&mut world, 1, -12.0, 0.0);
        world.listen(1000);
        let level = world.level(3, TONES[0]);
        assert!((level + 32.0).abs() < 2.0, "{name}: {level} dBov");
    }
}

/// The events of talk and speakers, without their levels, since `from_ms`.
fn talk(world: &World, from_ms: u64) -> Vec<(u64, &'static str, u64)> {
    let events = world.events.iter().filter(|(at, _)| *at >= from_ms);
    events
        .filter_map(|(at, event)| match event {
            Event::TalkStarted { unit, .. } => Some((*at, "talks", unit.0)),
            Event::TalkStopped { unit, .. } => Some((*at, "stops", unit.0)),
            Event::ActiveSpeaker { speaker, .. } => {
                Some((*at, "speaker", speaker.map_or(0, |unit| unit.0)))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn talk_behind_a_wire_and_the_speaker_of_a_mixer_are_told() {
    let mut world = behind_a_wire("G722");
    for id in [1, 2] {
        world.peer(id).voice = None;
    }
    world.run(2000);
    world.tell(Command::DetectTalk {
        unit: unit(22),
        on: true,
    });
    world.tell(Command::WatchSpeakers {
        unit: unit(100),
        on: true,
    });
    // Nobody but the watches needs to hear phone 1.
    world.tell(Command::Silence {
        unit: unit(3),
        muted: false,
        deafened: true,
    });
    world.run(500);
    let start = world.ms();
    world.peer(1).voice = Some(tone(Rate::Hz16000, TONES[0]));
    world.run(1000);
    world.peer(1).voice = None;
    world.peer(2).voice = Some(tone(Rate::Hz8000, TONES[1]));
    world.run(2000);
    world.peer(2).voice = None;
    world.run(2000);
    let told: Vec<_> = talk(&world, start)
        .into_iter()
        .map(|(_, what, unit)| (what, unit))
        .collect();
    assert_eq!(
        told,
        [
            ("speaker", 22),
            ("talks", 22),
            ("speaker", 2),
            ("stops", 22),
            ("speaker", 0)
        ]
    );
    for (id, speakers) in [(22, false), (100, true)] {
        let unit = unit(id);
        world.tell(if speakers {
            Command::WatchSpeakers { unit, on: false }
        } else {
            Command::DetectTalk { unit, on: false }
        });
    }
    let quiet = world.ms();
    world.peer(1).voice = Some(tone(Rate::Hz16000, TONES[0]));
    world.run(1000);
    assert_eq!(talk(&world, quiet), []);
}

#[test]
fn an_end_of_a_wire_is_recorded_with_what_it_says_left_and_what_it_hears_right() {
    let mut world = behind_a_wire("G722");
    for (id, stereo) in [(200, true), (201, false)] {
        world.tell(Command::AddRecorder {
            unit: unit(id),
            source: RecordSource::Leg(unit(22)),
            stereo,
        });
    }
    world.run(2000);
    let (rate, channels, samples) = &world.records[&200];
    assert_eq!((*rate, *channels), (Rate::Hz16000, 2));
    let side =
        |which: usize| -> Vec<i16> { samples.iter().skip(which).step_by(2).copied().collect() };
    for (which, own, other) in [(0, 0, 1), (1, 1, 0)] {
        let side = side(which);
        let level = tone_level(&side, *rate, TONES[own]);
        assert!((level + 20.0).abs() < 1.5, "{which}: {level}");
        let level = tone_level(&side, *rate, TONES[other]);
        assert!(level < -60.0, "{which}: {level}");
    }
    let (rate, _, mono) = &world.records[&201];
    for tone in [0, 1] {
        let level = tone_level(mono, *rate, TONES[tone]);
        assert!((level + 20.0).abs() < 1.5, "{tone}: {level}");
    }
    for id in [22, 200, 201] {
        world.tell(Command::Close { unit: unit(id) });
    }
    world.run(100);
    for id in [200, 201] {
        assert!(
            world
                .outputs
                .contains(&Output::RecordEnd { unit: unit(id) })
        );
    }
}

#[test]
fn what_a_leg_is_told_before_its_sockets_are_there_holds_from_the_first_packet_on() {
    let mut world = World::new();
    world.phone(2, "PCMU", Some(1));
    world.tell(Command::OpenLeg {
        unit: unit(1),
        kind: LegKind::Rtp,
    });
    world.connect(&[(2, 1), (1, 2)]);
    world.tell(Command::Silence {
        unit: unit(1),
        muted: true,
        deafened: false,
    });
    gain(&mut world, 1, 0.0, -10.0);
    world.tell(Command::DetectTalk {
        unit: unit(1),
        on: true,
    });
    world.tell(Command::AddRecorder {
        unit: unit(200),
        source: RecordSource::Leg(unit(1)),
        stereo: false,
    });
    world.negotiate(World::params(1, codec("PCMU")), 1, Some(0));
    world.run(1000);
    world.listen(1000);
    let level = world.level(1, TONES[1]);
    assert!((level + 30.0).abs() < 2.0, "{level} dBov");
    world.assert_hears(2, &[], "muted");
    assert!(!talk(&world, 0).is_empty());
    assert!(!world.records[&200].2.is_empty());
    assert_eq!(world.core.counters().refused_commands, 0);
}

#[test]
fn what_cannot_be_done_is_told_and_nobody_waits_for_it() {
    let settings = MediaSettings {
        legs_max: 1,
        ..MediaSettings::default()
    };
    let mut world = World::with(settings);
    world.phone(1, "PCMU", None);
    world.mixer(100);
    let playback = PlaybackId(1);
    for command in [
        Command::OpenLeg {
            unit: unit(2),
            kind: LegKind::Rtp,
        },
        Command::Close { unit: unit(2) },
        Command::SendDigits {
            unit: unit(100),
            digits: "1".into(),
        },
        Command::AddRecorder {
            unit: unit(200),
            source: RecordSource::Leg(unit(100)),
            stereo: false,
        },
        Command::WatchSpeakers {
            unit: unit(1),
            on: true,
        },
        Command::Play {
            unit: unit(77),
            playback,
            clip: tone_clip(Rate::Hz8000, 400.0, 20),
            looped: false,
            gain_db: 0.0,
        },
    ] {
        world.tell(command);
    }
    world.run(20);
    let told: Vec<String> = world
        .events
        .iter()
        .map(|(_, event)| match event {
            Event::LegFailed { unit, error } => format!("{unit} failed: {error}"),
            Event::LegClosed { unit, .. } => format!("{unit} closed"),
            Event::Refused { unit, what, error } => format!("{unit} {what}: {error}"),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            "u2 failed: a core has no more than 1 legs",
            "u2 closed",
            "u100 send_digits: the unit is not of the kind for this command",
            "u200 record: the unit is not of the kind for this command",
            "u1 active_speaker: the unit is not of the kind for this command",
            "u77 play: no such unit",
        ]
    );
    let ended = Output::RecordEnd { unit: unit(200) };
    assert!(world.outputs.contains(&ended), "the file is closed");
}
