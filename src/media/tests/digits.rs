//! Digits that come and go by telephone-event, as tones and by SIP INFO.

use super::*;
use crate::audio::dtmf;
use crate::rtp::telephone_event::{Sender, Tick, code_of};

const EVENT: TelephoneEventParams = TelephoneEventParams {
    payload_type_out: 97,
    payload_type_in: 101,
    clock_rate_hz: 8000,
};

fn world(negotiated: bool) -> World {
    let mut world = World::new();
    let mut params = World::params(1, codec("PCMU"));
    params.telephone_event = negotiated.then_some(EVENT);
    world.phone_with(params, 1, Some(0));
    world.phone(2, "PCMU", None);
    world.join(&[(1, 2)]);
    world.run(500);
    world
}

/// Lets peer 1 press keys by telephone-event, in place of its audio.
fn press(world: &mut World, digits: &str) {
    let mut sender = Sender::new(EVENT.clock_rate_hz);
    sender.push(digits).unwrap();
    world.peer(1).sends = false;
    loop {
        let peer = world.peer(1);
        let (address, timestamp) = (peer.address, peer.timestamp);
        match sender.poll_tick(timestamp) {
            Tick::Packet(packet) => {
                let bytes = peer.packet_of(101, packet.marker, packet.timestamp, &packet.payload);
                world.send(1, address, 0, bytes);
            }
            Tick::Gap => {}
            Tick::Idle | Tick::Finished => break,
        }
        world.run(20);
    }
    world.peer(1).sends = true;
}

fn note(world: &mut World, digit: char) {
    world.tell(Command::NoteDigit {
        unit: unit(1),
        digit,
        duration_ms: 160,
    });
}

#[test]
fn each_press_by_telephone_event_is_one_digit() {
    let mut world = world(true);
    press(&mut world, "1122*#D");
    assert_eq!(world.digits(), "1122*#D");
    let told: Vec<(u64, &Event)> = world.events.iter().map(|(at, e)| (*at, e)).collect();
    for (pair, digit) in told.chunks(2).zip("1122*#D".chars()) {
        let kind = DigitKind::TelephoneEvent;
        let [(pressed, down), (released, up)] = pair else {
            panic!("{pair:?}")
        };
        assert_eq!(
            **down,
            Event::Digit {
                unit: unit(1),
                digit,
                kind,
                duration_ms: None
            }
        );
        assert_eq!(
            **up,
            Event::DigitReleased {
                unit: unit(1),
                digit,
                kind,
                duration_ms: 100
            }
        );
        assert!(released - pressed >= 80, "the press is told at once");
    }
}

#[test]
fn a_press_that_comes_by_info_too_is_one_digit() {
    let mut world = world(true);
    press(&mut world, "5");
    note(&mut world, '5');
    world.run(300);
    note(&mut world, '6');
    press(&mut world, "6");
    world.run(2000);
    note(&mut world, '6');
    assert_eq!(world.digits(), "566");
}

#[test]
fn others_hear_nothing_while_a_key_is_down() {
    let mut world = world(true);
    world.listen(400);
    world.assert_hears(2, &[0], "before");
    // The peer goes on talking while it sends an event, as some do.
    let peer = world.peer(1);
    let (address, timestamp) = (peer.address, peer.timestamp);
    for _ in 0..25 {
        let payload = [code_of('7').unwrap(), 10, 0, 160];
        let bytes = world.peer(1).packet_of(101, false, timestamp, &payload);
        world.send(1, address, 0, bytes);
        world.run(20);
        if world.ms() == 1000 {
            world.listen(0);
        }
    }
    let heard = &world.peers[&2].heard;
    let loudest = heard[heard.len() - 1600..].iter().map(|s| s.abs()).max();
    assert!(loudest <= Some(8), "{loudest:?}");
    assert_eq!(world.digits(), "7");
}

#[test]
fn tones_are_looked_for_only_when_asked_and_without_telephone_event() {
    for (negotiated, asked, name, expected) in [
        (false, true, "PCMU", "159D"),
        (false, true, "G722", "159D"),
        (false, true, "opus", "159D"),
        (false, false, "PCMU", ""),
        (true, true, "PCMU", ""),
    ] {
        let mut world = World::new();
        let codec = codec(name);
        let mut params = World::params(1, codec);
        params.telephone_event = negotiated.then_some(EVENT);
        world.phone_with(params, 1, None);
        let in_band = asked;
        world.tell(Command::DetectDigits {
            unit: unit(1),
            telephone_event: true,
            in_band,
        });
        world.run(500);
        world.peer(1).voice = Some(dtmf::generate(codec.audio_rate, "159D"));
        world.run(2000);
        assert_eq!(world.digits(), expected, "{name} {negotiated} {asked}");
        let lengths = world.events.iter().filter_map(|(_, event)| match event {
            Event::DigitReleased { duration_ms, .. } => Some(*duration_ms),
            _ => None,
        });
        let lengths: Vec<u32> = lengths.collect();
        assert_eq!(lengths.len(), expected.len(), "{name}");
        assert!(
            lengths.iter().all(|ms| (80..=120).contains(ms)),
            "{lengths:?}"
        );
    }
}

#[test]
fn telephone_events_are_not_told_when_they_are_not_wanted() {
    let mut world = world(true);
    let none = Command::DetectDigits {
        unit: unit(1),
        telephone_event: false,
        in_band: false,
    };
    world.tell(none);
    press(&mut world, "12");
    assert_eq!(world.digits(), "");
}

#[test]
fn digits_are_sent_as_events_in_place_of_audio() {
    let mut world = world(true);
    world.listen(0);
    world.tell(Command::SendDigits {
        unit: unit(1),
        digits: "1p2".into(),
    });
    world.run(2000);
    let peer = world.peer(1);
    let codes: Vec<u8> = peer.events.iter().map(|(_, payload)| payload[0]).collect();
    assert_eq!(codes, [[1u8; 7], [2; 7]].concat());
    let mut expected = true;
    for (header, payload) in &peer.events {
        assert_eq!(header.payload_type, PayloadType(97));
        expected &= payload.len() == 4;
    }
    assert!(expected);
    assert_eq!(
        peer.headers.len() + peer.events.len(),
        100,
        "one packet per tick"
    );
    let mut numbers: Vec<u16> = peer
        .headers
        .iter()
        .map(|(_, header)| header.seq.0)
        .collect();
    numbers.extend(peer.events.iter().map(|(header, _)| header.seq.0));
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
    let sent = world
        .events
        .iter()
        .filter(|(_, e)| *e == Event::DigitsSent { unit: unit(1) });
    assert_eq!(sent.count(), 1);
}

#[test]
fn digits_are_sent_as_tones_where_events_were_not_negotiated() {
    for name in ["PCMU", "G722"] {
        let mut world = World::new();
        world.phone(1, name, None);
        world.run(100);
        world.listen(0);
        world.tell(Command::SendDigits {
            unit: unit(1),
            digits: "36".into(),
        });
        world.tell(Command::SendDigits {
            unit: unit(1),
            digits: "9".into(),
        });
        world.run(2000);
        let peer = world.peer(1);
        let mut heard = Vec::new();
        let mut resampler = crate::audio::Resampler::new(peer.codec.audio_rate, Rate::Hz8000);
        for frame in peer
            .heard
            .chunks_exact(peer.codec.audio_rate.frame_samples())
        {
            resampler.resample(frame, &mut heard);
        }
        let mut detector = dtmf::Detector::new();
        detector.handle_samples(&heard);
        let pressed: String = std::iter::from_fn(|| detector.poll_output())
            .filter_map(|heard| match heard {
                dtmf::Heard::Pressed { digit } => Some(digit),
                dtmf::Heard::Released { .. } => None,
            })
            .collect();
        assert_eq!(pressed, "369", "{name}");
        let sent = world
            .events
            .iter()
            .filter(|(_, e)| *e == Event::DigitsSent { unit: unit(1) });
        assert_eq!(sent.count(), 1, "{name}");
    }
}

#[test]
fn talk_is_told_when_asked() {
    let mut world = World::new();
    world.phone(1, "PCMU", None);
    world.tell(Command::DetectTalk {
        unit: unit(1),
        on: true,
    });
    world.run(1000);
    world.peer(1).voice = Some(tone(Rate::Hz8000, 1000.0));
    world.run(1000);
    world.peer(1).voice = None;
    world.run(2000);
    let told: Vec<&Event> = world.events.iter().map(|(_, event)| event).collect();
    let fits = matches!(
        told[..],
        [
            Event::TalkStarted {
                level_dbov: -21..=-19,
                ..
            },
            Event::TalkStopped { .. }
        ]
    );
    assert!(fits, "{told:?}");
    world.tell(Command::DetectTalk {
        unit: unit(1),
        on: false,
    });
    world.peer(1).voice = Some(tone(Rate::Hz8000, 1000.0));
    world.run(1000);
    assert_eq!(world.events.len(), 2);
}
