//! Who hears whom, measured in what comes out; and what it costs in encodes.

use super::*;

/// A conference of `codecs`, each saying its own tone, through mixer 100.
fn conference(codecs: &[&str]) -> World {
    let mut world = World::new();
    world.mixer(100);
    for (index, name) in codecs.iter().enumerate() {
        let id = index as u64 + 1;
        world.phone(id, name, Some(index));
        world.join(&[(id, 100)]);
    }
    world
}

fn others(count: usize, own: usize) -> Vec<usize> {
    (0..count).filter(|index| *index != own).collect()
}

#[test]
fn everyone_hears_all_others_and_never_itself() {
    for codecs in [
        &["PCMU", "PCMU"][..],
        &["PCMU", "PCMA", "PCMU"],
        &["PCMU"; 5],
        &["G722", "G722", "G722"],
        &["opus", "opus", "opus"],
        &["PCMU", "PCMA", "G722", "opus"],
        &["PCMU", "opus"],
        &["G722", "opus", "G722"],
    ] {
        let mut world = conference(codecs);
        world.run(1000);
        world.listen(1000);
        for own in 0..codecs.len() {
            let about = format!("{codecs:?}");
            world.assert_hears(own as u64 + 1, &others(codecs.len(), own), &about);
            let packets = world.peer(own as u64 + 1).headers.len();
            assert_eq!(packets, 50, "{about}");
        }
    }
}

#[test]
fn a_phone_behind_wires_hears_and_is_heard_as_if_it_were_there() {
    let mut world = World::new();
    world.mixer(100);
    for id in 1..=3 {
        world.phone(id, "PCMU", Some(id as usize - 1));
    }
    for (a, b) in [(11, 12), (21, 22), (23, 24)] {
        world.tell(Command::AddWire {
            a: unit(a),
            b: unit(b),
        });
    }
    // Phone 1 behind one gatekeeper, phone 2 behind two, phone 3 in the conference itself.
    world.join(&[(1, 11), (12, 100), (2, 21), (22, 23), (24, 100), (3, 100)]);
    world.run(500);
    world.listen(1000);
    for own in 0..3 {
        world.assert_hears(own as u64 + 1, &others(3, own), "wires");
    }
    assert_eq!(
        world.core.hears(),
        [
            (unit(1), vec![unit(2), unit(3)]),
            (unit(2), vec![unit(1), unit(3)]),
            (unit(3), vec![unit(1), unit(2)]),
        ]
    );
    world.tell(Command::Close { unit: unit(24) });
    world.run(500);
    world.listen(500);
    world.assert_hears(2, &[], "the wire is cut");
    world.assert_hears(1, &[2], "the wire is cut");
}

#[test]
fn web_hears_phones_only_and_phones_hear_all_others() {
    let mut world = World::new();
    let (videoconf, pstnconf) = (100, 101);
    world.mixer(videoconf);
    world.mixer(pstnconf);
    for (id, name) in [(1, "opus"), (2, "opus"), (3, "PCMU"), (4, "PCMA")] {
        world.phone(id, name, Some(id as usize - 1));
    }
    for web in [1, 2] {
        world.connect(&[(videoconf, web), (web, pstnconf)]);
    }
    for phone in [3, 4] {
        world.connect(&[(pstnconf, phone), (phone, pstnconf), (phone, videoconf)]);
    }
    world.run(1000);
    world.listen(1000);
    world.assert_hears(1, &[2, 3], "web 1");
    world.assert_hears(2, &[2, 3], "web 2");
    world.assert_hears(3, &[0, 1, 3], "phone 1");
    world.assert_hears(4, &[0, 1, 2], "phone 2");
}

#[test]
fn two_phones_hear_each_other_sample_by_sample() {
    let mut world = World::new();
    world.phone(1, "PCMU", Some(0));
    world.phone(2, "PCMU", Some(4));
    world.join(&[(1, 2)]);
    world.run(500);
    world.listen(1000);
    for (listener, speaker) in [(1, 4), (2, 0)] {
        let mut said = vec![0; 8000 * 4];
        tone(Rate::Hz8000, TONES[speaker]).fill(&mut said);
        let mut bytes = Vec::new();
        (g711::PCMU.encoder)().encode(&said, &mut bytes);
        let mut expected = Vec::new();
        // Samples, not bytes: µ-law has two codes for zero.
        let mut decoder = (g711::PCMU.decoder)();
        bytes
            .chunks(160)
            .for_each(|chunk| decoder.decode(chunk, &mut expected).unwrap());
        let heard = &world.peer(listener).heard;
        let found = expected.windows(heard.len()).any(|window| window == heard);
        assert!(found, "{listener} hears samples that {speaker} did not say");
    }
}

#[test]
fn who_begins_and_stops_to_speak_hears_the_others_without_a_seam() {
    let mut world = World::new();
    world.mixer(100);
    world.phone(1, "PCMU", None);
    world.phone(2, "PCMA", Some(1));
    world.phone(3, "PCMU", None);
    world.join(&[(1, 100), (2, 100), (3, 100)]);
    world.run(500);
    world.listen(0);
    for round in 0..4 {
        world.peer(1).voice = (round % 2 == 0).then(|| tone(Rate::Hz8000, TONES[5]));
        world.run(700);
    }
    let mut said = vec![0; 8000 * 5];
    tone(Rate::Hz8000, TONES[1]).fill(&mut said);
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    for (from, to) in [
        (codec("PCMA"), codec("PCMA")),
        (codec("PCMU"), codec("PCMU")),
    ] {
        bytes.clear();
        (from.encoder)().encode(&said, &mut bytes);
        expected.clear();
        let mut decoder = (to.decoder)();
        bytes
            .chunks(160)
            .for_each(|chunk| decoder.decode(chunk, &mut expected).unwrap());
        said.copy_from_slice(&expected);
    }
    let heard = &world.peers[&1].heard;
    assert!(heard.len() >= 8000 * 2);
    assert!(expected.windows(heard.len()).any(|window| window == heard));
    assert!(world.level(3, TONES[5]) > -30.0, "the third hears both");
}

#[test]
fn a_sum_of_g711_is_exact() {
    let mut direct = World::new();
    direct.phone(1, "PCMU", Some(0));
    direct.phone(2, "PCMU", Some(1));
    direct.phone(3, "PCMU", None);
    direct.phone(4, "PCMU", None);
    direct.phone(5, "PCMU", None);
    direct.mixer(100);
    direct.connect(&[(1, 3), (2, 4), (1, 100), (2, 100), (100, 5)]);
    direct.run(500);
    direct.listen(400);
    let sum: Vec<i16> = direct.peers[&3]
        .heard
        .iter()
        .zip(&direct.peers[&4].heard)
        .map(|(a, b)| a + b)
        .collect();
    let mut expected = Vec::new();
    (g711::PCMU.encoder)().encode(&sum, &mut expected);
    assert!(direct.level(5, TONES[0]) > -23.0);
    assert_eq!(direct.peers[&5].payloads.concat(), expected);
}

#[test]
fn listeners_share_one_encode_per_codec() {
    for (name, per_tick_max) in [("PCMU", 4), ("G722", 4), ("opus", 4)] {
        let mut world = World::new();
        world.mixer(1000);
        for id in 1..=103 {
            world.phone(id, name, (id <= 3).then_some(id as usize - 1));
            world.peer(id).sends = id <= 3;
            world.join(&[(id, 1000)]);
        }
        world.run(600);
        let before = world.core.counters();
        world.listen(200);
        let after = world.core.counters();
        let ticks = (after.ticks - before.ticks).max(1);
        assert_eq!(ticks, 10, "one conference is one slot");
        let encodes = after.encodes - before.encodes;
        assert!(
            encodes <= ticks * per_tick_max,
            "{name}: {encodes} encodes in {ticks} ticks"
        );
        assert_eq!(after.shared - before.shared, ticks * 99, "{name}");
        world.assert_hears(50, &[0, 1, 2], name);
        world.assert_hears(2, &[0, 2], name);
        assert_eq!(world.peers[&50].payloads, world.peers[&51].payloads);
    }
}

#[test]
fn who_is_not_heard_is_not_decoded() {
    let mut world = World::new();
    world.mixer(100);
    world.phone(1, "PCMU", Some(0));
    world.phone(2, "PCMU", Some(1));
    world.phone(3, "PCMU", Some(2));
    world.connect(&[(1, 100), (2, 100), (100, 3)]);
    world.tell(Command::Silence {
        unit: unit(2),
        muted: true,
        deafened: false,
    });
    // Leg 4 is alone in its conference: a source of what it hears itself, and of nothing else.
    world.mixer(101);
    world.phone(4, "PCMU", Some(3));
    world.join(&[(4, 101)]);
    world.run(500);
    let before = world.core.counters().decoded;
    world.listen(1000);
    assert_eq!(
        world.core.counters().decoded - before,
        50,
        "only leg 1 is heard"
    );
    world.assert_hears(3, &[0], "2 is muted");
    world.tell(Command::Silence {
        unit: unit(2),
        muted: false,
        deafened: false,
    });
    world.run(500);
    world.listen(500);
    world.assert_hears(3, &[0, 1], "2 is heard again");
    world.tell(Command::Silence {
        unit: unit(3),
        muted: false,
        deafened: true,
    });
    world.run(500);
    let before = world.core.counters().decoded;
    world.listen(500);
    world.assert_hears(3, &[], "3 is deaf");
    assert_eq!(world.core.counters().decoded, before);
    assert_eq!(
        world.peer(3).headers.len(),
        25,
        "it gets packets of silence"
    );
}

#[test]
fn gain_changes_what_is_said_and_what_is_heard() {
    let mut world = conference(&["PCMU", "PCMU", "PCMU"]);
    world.tell(Command::Gain {
        unit: unit(1),
        in_db: -10.0,
        out_db: 0.0,
    });
    world.tell(Command::Gain {
        unit: unit(3),
        in_db: 0.0,
        out_db: 6.0,
    });
    world.run(500);
    world.listen(1000);
    let rows = [
        (2, 0, -30.0),
        (2, 2, -20.0),
        (3, 0, -24.0),
        (3, 1, -14.0),
        (1, 1, -20.0),
    ];
    for (listener, tone, expected) in rows {
        let level = world.level(listener, TONES[tone]);
        assert!(
            (level - expected).abs() < 1.0,
            "{listener} hears {tone} at {level}"
        );
    }
}

#[test]
fn joining_and_leaving_leaves_no_trace_in_the_others() {
    let mut world = conference(&["PCMU", "PCMU"]);
    world.run(500);
    world.listen(1000);
    for id in 10..20 {
        world.phone(id, "PCMU", None);
        world.join(&[(id, 100)]);
        world.run(37);
    }
    for id in 10..20 {
        world.tell(Command::Close { unit: unit(id) });
        world.run(41);
    }
    let peer = world.peer(1);
    let steps = peer.headers.windows(2).all(|pair| {
        let [(_, first), (_, second)] = pair else {
            return false;
        };
        second.seq == first.seq.next() && second.timestamp.distance_from(first.timestamp) == 160
    });
    assert!(steps, "sequence and timestamps go on");
    world.assert_hears(1, &[1], "all the while");
}

#[test]
fn when_conferences_merge_every_leg_still_has_one_frame_per_period() {
    for offset_ms in 0..20 {
        let mut world = World::new();
        for id in 1..=8 {
            world.phone(id, "PCMU", Some(id as usize - 1));
        }
        // Three components in slots of their own; the smaller ones move to that of the largest.
        world.join(&[(1, 2), (3, 4), (5, 6), (6, 7), (7, 8)]);
        world.run(200);
        world.listen(100 + offset_ms);
        world.join(&[(2, 5), (4, 8)]);
        world.run(300);
        let ms = 400 + offset_ms;
        for id in 1..=8 {
            let peer = world.peer(id);
            let packets = peer.headers.len() as u64;
            assert!(
                packets.abs_diff(ms / 20) <= 1,
                "{id}: {packets} packets in {ms} ms"
            );
            for pair in peer.headers.windows(2) {
                let step = pair[1].1.timestamp.distance_from(pair[0].1.timestamp);
                assert_eq!(step, 160, "{id}, merged after {offset_ms} ms");
            }
        }
    }
}

#[test]
fn silence_is_sent_from_the_cache() {
    let mut world = World::new();
    world.mixer(100);
    for (id, name) in [(1, "PCMU"), (2, "PCMA"), (3, "G722"), (4, "opus")] {
        world.phone(id, name, None);
        world.join(&[(id, 100)]);
    }
    world.phone(5, "PCMU", None);
    world.run(500);
    let before = world.core.counters().encodes;
    world.listen(1000);
    assert_eq!(world.core.counters().encodes, before);
    for id in 1..=5 {
        let peer = world.peer(id);
        assert_eq!(peer.headers.len(), 50);
        let loudest = peer.heard.iter().map(|sample| sample.abs()).max();
        assert!(loudest <= Some(16), "{id}: {loudest:?}");
    }
}

#[test]
fn nothing_ticks_when_there_is_nothing_to_send() {
    let mut world = World::new();
    world.mixer(100);
    assert_eq!(world.core.poll_timeout(), None);
    world.tell(Command::OpenLeg {
        unit: unit(1),
        kind: LegKind::Rtp,
    });
    world.join(&[(1, 100)]);
    assert_eq!(world.core.poll_timeout(), None, "a leg without a stream");
    world.phone(2, "PCMU", None);
    assert!(world.core.poll_timeout().is_some());
    world.run(1000);
    world.tell(Command::Close { unit: unit(2) });
    world.run(50);
    assert_eq!(world.core.poll_timeout(), None);
    let ticks = world.core.counters().ticks;
    world.run(5000);
    assert_eq!(world.core.counters().ticks, ticks);
    world.phone(3, "PCMU", None);
    world.listen(1000);
    assert_eq!(world.peer(3).headers.len(), 50);
    assert_eq!(
        world.core.counters().skipped_periods,
        0,
        "rest is not lateness"
    );
}

#[test]
fn late_ticks_are_caught_up_to_five_and_then_skipped() {
    let mut world = conference(&["PCMU", "PCMU"]);
    world.run(1000);
    world.listen(0);
    for (stall_ms, packets) in [(60, 3), (100, 5), (1000, 5)] {
        world.listen(0);
        world.now += Duration::from_millis(stall_ms);
        world.core.handle_timeout(world.now);
        world.collect();
        let sent = world.peer(1).headers.len();
        assert!(sent.abs_diff(packets) <= 1, "{stall_ms} ms: {sent} packets");
        world.run(200);
    }
    let counters = world.core.counters();
    assert!(counters.skipped_periods.abs_diff(45) <= 1, "{counters:?}");
    assert!(counters.late_ticks >= 10);
}

#[test]
fn legs_beyond_the_limit_are_refused() {
    let settings = MediaSettings {
        legs_max: 2,
        ..MediaSettings::default()
    };
    let mut core = Core::new(settings, Instant::now(), [0; 32]);
    for id in 1..=3 {
        core.handle_command(
            Instant::now(),
            Command::OpenLeg {
                unit: unit(id),
                kind: LegKind::Rtp,
            },
        );
    }
    let outputs: Vec<Output> = std::iter::from_fn(|| core.poll_output()).collect();
    assert_eq!(
        outputs[..2],
        [
            Output::Bind {
                unit: unit(1),
                shared: false
            },
            Output::Bind {
                unit: unit(2),
                shared: false
            }
        ]
    );
    let failed = matches!(
        &outputs[2],
        Output::Event(Event::LegFailed {
            unit: UnitId(3),
            ..
        })
    );
    assert!(failed, "{outputs:?}");
    assert_eq!(core.counters().refused_commands, 1);
}
