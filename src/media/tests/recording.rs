//! What recorders take.

use super::*;

fn channel(record: &(Rate, u8, Vec<i16>), which: usize) -> Vec<i16> {
    record
        .2
        .iter()
        .skip(which)
        .step_by(usize::from(record.1))
        .copied()
        .collect()
}

fn assert_level(samples: &[i16], rate: Rate, tone: usize, expected: f32, about: &str) {
    let level = tone_level(samples, rate, TONES[tone]);
    assert!(
        (level - expected).abs() < 1.5,
        "{about}: tone {tone} at {level} dBov"
    );
}

fn conference() -> World {
    let mut world = World::new();
    world.mixer(100);
    for (id, name) in [(1, "PCMU"), (2, "opus")] {
        world.phone(id, name, Some(id as usize - 1));
        world.join(&[(id, 100)]);
    }
    world.run(1000);
    world
}

#[test]
fn a_conference_is_recorded_at_the_rate_of_its_best_member() {
    let mut world = conference();
    let source = RecordSource::Connected;
    world.tell(Command::AddRecorder {
        unit: unit(200),
        source,
        stereo: false,
    });
    world.connect(&[(100, 200)]);
    world.run(2000);
    world.tell(Command::Close { unit: unit(200) });
    let record = &world.records[&200];
    assert_eq!((record.0, record.1), (Rate::Hz48000, 1));
    assert!(
        record.2.len().abs_diff(96_000) <= 2 * 960,
        "{}",
        record.2.len()
    );
    assert_level(&record.2, record.0, 0, -20.0, "mix");
    assert_level(&record.2, record.0, 1, -20.0, "mix");
    assert!(
        world
            .outputs
            .contains(&Output::RecordEnd { unit: unit(200) })
    );
    assert_eq!(world.core.hears().len(), 2, "the recorder is gone");
}

#[test]
fn a_leg_is_recorded_with_what_it_says_left_and_what_it_hears_right() {
    for (name, rate) in [("PCMU", Rate::Hz16000), ("G722", Rate::Hz16000)] {
        let mut world = World::new();
        world.phone(1, name, Some(0));
        world.phone(2, "PCMU", Some(1));
        world.join(&[(1, 2)]);
        world.run(1000);
        for (id, stereo) in [(200, true), (201, false)] {
            let source = RecordSource::Leg(unit(1));
            world.tell(Command::AddRecorder {
                unit: unit(id),
                source,
                stereo,
            });
        }
        world.run(2000);
        let stereo = &world.records[&200];
        assert_eq!((stereo.0, stereo.1), (rate, 2));
        let (left, right) = (channel(stereo, 0), channel(stereo, 1));
        assert_level(&left, rate, 0, -20.0, "left");
        assert_level(&right, rate, 1, -20.0, "right");
        assert!(tone_level(&left, rate, TONES[1]) < -65.0);
        assert!(tone_level(&right, rate, TONES[0]) < -65.0);
        let mono = &world.records[&201];
        assert_eq!((mono.0, mono.1), (rate, 1));
        assert_level(&mono.2, rate, 0, -20.0, "mono");
        assert_level(&mono.2, rate, 1, -20.0, "mono");
    }
}

#[test]
fn a_leg_that_hears_a_prompt_or_nobody_is_recorded_all_the_same() {
    let mut world = World::new();
    world.phone(1, "PCMU", Some(0));
    let source = RecordSource::Leg(unit(1));
    world.tell(Command::AddRecorder {
        unit: unit(200),
        source,
        stereo: true,
    });
    world.play(1, 1, tone_clip(Rate::Hz8000, TONES[4], 1000), false);
    world.run(2000);
    let record = &world.records[&200];
    assert!(
        record.2.len().abs_diff(64_000) <= 2 * 640,
        "{}",
        record.2.len()
    );
    let (left, right) = (channel(record, 0), channel(record, 1));
    assert_level(&left[8000..], record.0, 0, -20.0, "said");
    assert_level(&right[1600..14_000], record.0, 4, -20.0, "prompt");
    assert!(right[20_000..].iter().all(|sample| sample.abs() < 16));
    world.run(0);
}

#[test]
fn a_paused_recorder_takes_nothing() {
    let mut world = conference();
    let source = RecordSource::Connected;
    world.tell(Command::AddRecorder {
        unit: unit(200),
        source,
        stereo: false,
    });
    world.connect(&[(100, 200)]);
    world.run(500);
    world.tell(Command::Pause {
        unit: unit(200),
        paused: true,
    });
    world.run(100);
    let taken = world.records[&200].2.len();
    world.run(1000);
    assert_eq!(world.records[&200].2.len(), taken);
    world.tell(Command::Pause {
        unit: unit(200),
        paused: false,
    });
    world.run(500);
    assert!(world.records[&200].2.len() > taken);
}
