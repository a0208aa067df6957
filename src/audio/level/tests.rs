//! Levels of known signals, and frames by level through the two detectors.

use super::*;
use crate::audio::{Rate, Tone, ToneSource};

#[test]
fn levels_are_counted_from_overload() {
    let rows: [(&str, Vec<i16>, i8); 7] = [
        ("no samples", vec![], -127),
        ("digital silence", vec![0; 160], -127),
        ("square wave at full scale", [32_767, -32_767].repeat(80), 0),
        ("loudest samples", vec![i16::MIN; 160], 0),
        ("a tenth of it", [3_277, -3_277].repeat(80), -20),
        ("least sample", vec![1; 960], -90),
        (
            "one least sample in a frame",
            [vec![1], vec![0; 959]].concat(),
            -120,
        ),
    ];
    for (name, samples, level) in rows {
        assert_eq!(level_dbov(&samples), level, "{name}");
    }
    let mut frame = vec![0; 960];
    ToneSource::steady(Rate::Hz48000, Tone::single(400.0, -3.01)).fill(&mut frame);
    assert_eq!(level_dbov(&frame), -3, "a sine at full scale");
}

/// Levels with how many frames they last.
type Levels<'a> = &'a [(i8, usize)];

/// When talk started (`+frame`) and stopped (`-frame`).
fn changes(levels: Levels<'_>) -> Vec<i32> {
    let mut detector = TalkDetector::new();
    let frames = levels
        .iter()
        .flat_map(|&(level, count)| std::iter::repeat_n(level, count));
    frames
        .enumerate()
        .filter_map(|(frame, level)| match detector.handle_frame(level)? {
            Talk::Started(_) => Some(frame as i32),
            Talk::Stopped(_) => Some(-(frame as i32)),
        })
        .collect()
}

#[test]
fn talk_starts_and_stops_once() {
    let rows: [(&str, Levels<'_>, &[i32]); 9] = [
        ("silence", &[(-127, 300)], &[]),
        ("quiet noise", &[(-60, 300)], &[]),
        (
            "steady noise is background",
            &[(-45, 3), (-46, 300)],
            &[2, -104],
        ),
        ("a click", &[(-70, 100), (-10, 2), (-70, 100)], &[]),
        ("a word", &[(-70, 100), (-25, 20), (-70, 100)], &[102, -149]),
        (
            "words with pauses are one talk",
            &[(-70, 50), (-25, 20), (-70, 25), (-25, 20), (-70, 100)],
            &[52, -144],
        ),
        (
            "quiet speech over quiet",
            &[(-75, 200), (-42, 20), (-75, 100)],
            &[202, -249],
        ),
        (
            "speech over noise",
            &[(-45, 300), (-25, 20), (-45, 100)],
            &[2, -104, 302, -349],
        ),
        (
            "a loud tone does not become background",
            &[(-70, 50), (-20, 1_000)],
            &[52],
        ),
    ];
    for (name, levels, expected) in rows {
        assert_eq!(changes(levels), expected, "{name}");
    }
}

#[test]
fn talk_tells_its_loudest_level() {
    let mut detector = TalkDetector::new();
    let levels = [-60, -30, -30, -30, -20, -25].into_iter().chain([-70; 40]);
    let told: Vec<_> = levels
        .filter_map(|level| detector.handle_frame(level))
        .collect();
    assert_eq!(told, [Talk::Started(-30), Talk::Stopped(-20)]);
    assert!(!detector.is_talking());
}

#[test]
fn the_gate_opens_at_once_and_closes_late() {
    // Levels, and how many frames pass in all.
    let rows: [(&str, Levels<'_>, usize); 7] = [
        ("silence", &[(-127, 100)], 0),
        ("idle channel noise", &[(-66, 100)], 0),
        (
            "one frame of quiet speech",
            &[(-80, 50), (-51, 1), (-80, 100)],
            20,
        ),
        (
            "a very quiet beginning over silence",
            &[(-80, 50), (-58, 1), (-80, 100)],
            20,
        ),
        ("speech", &[(-80, 50), (-26, 30), (-80, 100)], 49),
        (
            "pauses between words",
            &[(-26, 10), (-80, 15), (-26, 10), (-80, 100)],
            54,
        ),
        ("loud noise is heard all the time", &[(-45, 500)], 500),
    ];
    for (name, levels, passed) in rows {
        let mut gate = ActivityGate::new();
        let frames = levels
            .iter()
            .flat_map(|&(level, count)| std::iter::repeat_n(level, count));
        assert_eq!(
            frames.filter(|&level| gate.is_active(level)).count(),
            passed,
            "{name}"
        );
    }
}

#[test]
fn quiet_background_closes_the_gate_but_speech_over_it_passes() {
    let mut gate = ActivityGate::new();
    let active: Vec<bool> = (0..400).map(|_| gate.is_active(-57)).collect();
    assert!(
        active[399..].iter().all(|&active| !active),
        "−57 dBov is background by then"
    );
    assert!(gate.is_active(-51));
}
