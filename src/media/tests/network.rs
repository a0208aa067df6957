//! What the network and the peers do: loss, jitter, packet lengths, sources, holds, silence,
//! reports.

use super::*;
use crate::rtp::rtcp::{self, NtpTime, Report, ReportBlock, SenderInfo};

fn pair(name: &str) -> World {
    let mut world = World::new();
    world.phone(1, name, Some(0));
    world.phone(2, "PCMU", Some(1));
    world.join(&[(1, 2)]);
    world
}

fn stats(world: &mut World, id: u64) -> LegStats {
    world.tell(Command::Close { unit: unit(id) });
    let closed = world
        .events
        .iter()
        .rev()
        .find_map(|(_, event)| match event {
            Event::LegClosed { unit, stats } if unit.0 == id => Some(*stats),
            _ => None,
        });
    closed.expect("a closed leg tells its totals")
}

fn update(world: &mut World, id: u64, change: impl FnOnce(&mut StreamParams)) {
    let mut params = World::params(id, world.peers[&id].codec);
    change(&mut params);
    world.tell(Command::UpdateLeg {
        unit: unit(id),
        stream: Box::new(params),
    });
}

#[test]
fn loss_jitter_and_disorder_are_mended() {
    type Network = fn(u64) -> Vec<u64>;
    let rows: [(&str, Network, f32, u64); 4] = [
        (
            "loss of 10 %",
            |n| if n % 10 == 3 { vec![] } else { vec![0] },
            3.0,
            20,
        ),
        ("jitter of 0 to 18 ms", |n| vec![n * 7919 % 19], 1.0, 0),
        (
            "jitter of 0 to 60 ms, in disorder",
            |n| vec![n * 7919 % 61],
            2.0,
            0,
        ),
        ("every packet twice", |_| vec![0, 5], 1.0, 0),
    ];
    for (name, network, off_max, lost_least) in rows {
        for codec in ["PCMU", "opus"] {
            let mut world = pair(codec);
            world.peer(1).network = network;
            world.run(3000);
            world.listen(1000);
            let level = world.level(2, TONES[0]);
            assert!(
                (level - TONE_DBOV).abs() <= off_max,
                "{name}, {codec}: {level} dBov"
            );
            assert_eq!(world.peer(2).headers.len(), 50, "{name}");
            let stats = stats(&mut world, 1);
            assert!(
                stats.lost >= lost_least && stats.lost <= lost_least + 3,
                "{name}: {stats:?}"
            );
            assert!(stats.concealed >= lost_least / 2, "{name}: {stats:?}");
            assert_eq!(stats.refused, 0, "{name}");
        }
    }
}

#[test]
fn packets_of_any_length_are_played() {
    for name in ["PCMU", "PCMA", "G722", "opus"] {
        for ptime_ms in [10, 20, 30, 40, 60] {
            if name == "opus" && ptime_ms == 30 {
                continue;
            }
            let mut world = pair(name);
            world.peer(1).ptime_ms = ptime_ms;
            world.run(1000);
            world.listen(1000);
            let level = world.level(2, TONES[0]);
            let about = format!("{name} in {ptime_ms} ms: {level} dBov");
            assert!((level - TONE_DBOV).abs() <= 1.0, "{about}");
            let stats = stats(&mut world, 1);
            assert_eq!(
                (stats.lost, stats.late, stats.refused),
                (0, 0, 0),
                "{about}"
            );
            assert!(stats.concealed <= 6, "{about}: {stats:?}");
        }
    }
}

#[test]
fn answers_go_where_packets_come_from() {
    let mut world = pair("PCMU");
    world.peer(1).address = address(77);
    world.run(500);
    let strays = world.peer(1).strays.clone();
    assert!(
        strays.len() <= 2 && strays.iter().all(|to| *to == address(1)),
        "{strays:?}"
    );
    world.listen(500);
    world.assert_hears(1, &[1], "behind a translator");
    world.assert_hears(2, &[0], "behind a translator");
}

#[test]
fn a_stranger_is_neither_heard_nor_answered() {
    let mut world = pair("PCMU");
    world.run(500);
    let mut stranger = (g711::PCMU.encoder)();
    let mut voice = tone(Rate::Hz8000, TONES[5]);
    world.listen(0);
    for n in 0..50u16 {
        let mut pcm = [0; 160];
        voice.fill(&mut pcm);
        let mut bytes = Vec::new();
        let header = Header {
            payload_type: PayloadType(0),
            marker: false,
            seq: SeqNo(n),
            timestamp: RtpTimestamp(u32::from(n) * 160),
            ssrc: Ssrc(5),
        };
        header.write(&mut bytes);
        stranger.encode(&pcm, &mut bytes);
        world.send(1, address(99), 0, bytes);
        world.run(20);
    }
    world.assert_hears(2, &[0], "stranger");
    assert_eq!(world.peer(1).strays, []);
    assert_eq!(world.core.counters().refused, 50);
    assert_eq!(stats(&mut world, 1).refused, 50);
}

#[test]
fn latching_starts_anew_when_the_peer_says_so() {
    let mut world = pair("PCMU");
    world.run(500);
    world.peer(1).address = address(55);
    world.listen(500);
    assert_eq!(world.peer(1).headers.len(), 0, "locked to the old address");
    update(&mut world, 1, |params| {
        params.remote_rtp = address(55);
        params.relatch = true;
    });
    world.run(300);
    world.listen(500);
    world.assert_hears(1, &[1], "moved");
    world.assert_hears(2, &[0], "moved");
}

#[test]
fn a_new_ssrc_is_followed_and_late_packets_of_the_old_one_are_refused() {
    let mut world = pair("PCMU");
    world.run(1000);
    let peer = world.peer(1);
    let late = peer.packet_of(0, false, peer.timestamp, &[0x55; 160]);
    let from = peer.address;
    peer.ssrc = Ssrc(123_456);
    peer.seq = SeqNo(7);
    peer.timestamp = RtpTimestamp(99);
    world.run(60);
    world.send(1, from, 0, late);
    world.run(300);
    world.listen(500);
    world.assert_hears(2, &[0], "another SSRC");
    let stats = stats(&mut world, 1);
    // The late one, and the first of the new SSRC, which proved itself by the second.
    assert_eq!(stats.refused, 2);
    assert_eq!(stats.lost, 0);
}

#[test]
fn what_is_not_of_the_stream_is_refused() {
    let mut world = pair("PCMU");
    world.run(100);
    let rows: [(&str, Vec<u8>); 4] = [
        ("not RTP", b"hello, world".to_vec()),
        ("empty", vec![]),
        (
            "payload type 8",
            vec![0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0x55],
        ),
        ("cut RTCP", vec![0x80, 200, 0, 9, 1]),
    ];
    for (name, bytes) in rows {
        let before = world.core.counters().refused;
        world.send(1, address(1), 0, bytes);
        world.run(1);
        assert_eq!(world.core.counters().refused, before + 1, "{name}");
    }
    let unknown = (unit(4711), Channel::Rtp, address(1));
    world
        .core
        .handle_packet(world.now, unknown.0, unknown.1, unknown.2, &[0x80; 40]);
    assert_eq!(world.core.counters().refused, 5);
}

#[test]
fn on_hold_nothing_is_sent_but_reports() {
    let mut world = pair("PCMU");
    world.run(500);
    update(&mut world, 1, |params| {
        params.send = false;
        params.receive = false;
    });
    world.run(100);
    world.peer(1).rtcp.clear();
    world.listen(20_000);
    assert_eq!(world.peer(1).headers.len(), 0);
    assert!(world.peer(1).rtcp.len() >= 2);
    world.assert_hears(2, &[], "held");
    update(&mut world, 1, |_| ());
    world.run(300);
    world.listen(500);
    assert!(world.peer(1).headers.len() == 25);
    world.assert_hears(1, &[1], "resumed");
    world.assert_hears(2, &[0], "resumed");
}

#[test]
fn media_that_stops_is_told_once_per_lapse() {
    let mut world = pair("PCMU");
    world.run(1000);
    let lapses = |world: &World| {
        let lapse = Event::MediaTimeout { unit: unit(1) };
        world
            .events
            .iter()
            .filter(|(_, event)| *event == lapse)
            .count()
    };
    world.peer(1).sends = false;
    world.run(29_000);
    assert_eq!(lapses(&world), 0);
    world.run(2000);
    assert_eq!(lapses(&world), 1);
    world.run(100_000);
    assert_eq!(lapses(&world), 1);
    world.peer(1).sends = true;
    world.run(1000);
    world.peer(1).sends = false;
    world.run(31_000);
    assert_eq!(lapses(&world), 2);
    update(&mut world, 1, |params| params.send = false);
    world.run(100_000);
    assert_eq!(lapses(&world), 2, "on hold the peer may be silent");
}

#[test]
fn reports_say_what_was_sent_and_received() {
    let mut world = pair("PCMU");
    world.peer(1).network = |n| if n % 4 == 0 { vec![] } else { vec![0] };
    world.run(20_000);
    let peer = world.peer(1);
    let times: Vec<u64> = peer.rtcp.iter().map(|(ms, ..)| *ms).collect();
    assert!((2..=8).contains(&times.len()), "{times:?}");
    let between = times
        .windows(2)
        .all(|pair| (2480..=7540).contains(&(pair[1] - pair[0])));
    assert!(between, "{times:?}");
    let (ms, channel, bytes) = peer.rtcp.last().unwrap().clone();
    assert_eq!(channel, Channel::Rtp, "multiplexed");
    let reports = rtcp::parse(&bytes).unwrap();
    let [
        Report::Sender { ssrc, info, blocks },
        Report::Description(chunks),
    ] = &reports[..]
    else {
        panic!("{reports:?}");
    };
    assert!(
        (ms / 20).abs_diff(u64::from(info.packets)) <= 2,
        "{info:?} at {ms}"
    );
    assert_eq!(info.octets, info.packets * 160);
    assert_eq!(blocks.len(), 1);
    assert_eq!(blocks[0].ssrc, peer.ssrc);
    assert!((60..=68).contains(&blocks[0].fraction_lost), "{blocks:?}");
    let [(described, Some(cname))] = &chunks[..] else {
        panic!("{chunks:?}")
    };
    assert_eq!(described, ssrc);
    assert!(cname.ends_with("@talkpath"));
    let near = peer
        .headers
        .iter()
        .min_by_key(|(at, _)| at.abs_diff(ms))
        .unwrap()
        .1;
    assert!(info.rtp_timestamp.distance_from(near.timestamp).abs() <= 160);
}

#[test]
fn the_round_trip_and_the_loss_of_the_peer_are_learnt() {
    let mut world = pair("opus");
    world.run(9000);
    let (sent_at, _, bytes) = world.peer(1).rtcp.last().unwrap().clone();
    let Report::Sender { ssrc, info, .. } = &rtcp::parse(&bytes).unwrap()[0] else {
        panic!()
    };
    let held_ms = world.ms() - sent_at - 80;
    let block = ReportBlock {
        ssrc: *ssrc,
        fraction_lost: 26,
        cumulative_lost: 10,
        highest_seq: 1,
        jitter: 0,
        last_sender_report: info.ntp.middle(),
        delay_since_last: (held_ms * 65_536 / 1000) as u32,
    };
    let mut answer = Vec::new();
    let ours = SenderInfo {
        ntp: NtpTime(1 << 40),
        ..SenderInfo::default()
    };
    rtcp::write_sender_report(&mut answer, world.peers[&1].ssrc, &ours, &[block]);
    let from = world.peers[&1].address;
    world.send(1, from, 0, answer);
    world.run(2000);
    let quality = world.events.iter().find_map(|(_, event)| match event {
        Event::Quality { unit, quality } if unit.0 == 1 => Some(*quality),
        _ => None,
    });
    let quality = quality.expect("after 10 s");
    let rtt_ms = quality.rtt_ms.expect("from the report");
    assert!((rtt_ms - 80.0).abs() < 2.0, "{rtt_ms}");
    assert!(quality.loss < 0.01 && quality.mos > 4.0, "{quality:?}");
}

#[test]
fn a_closed_leg_says_goodbye_and_tells_its_totals() {
    let mut world = pair("PCMU");
    let mut params = World::params(1, codec("PCMU"));
    params.remote_rtcp = address(501);
    world.tell(Command::UpdateLeg {
        unit: unit(1),
        stream: Box::new(params),
    });
    world.run(1000);
    world.peer(1).rtcp.clear();
    let stats = stats(&mut world, 1);
    assert!(
        stats.packets_in.abs_diff(50) <= 1 && stats.packets_out.abs_diff(50) <= 1,
        "{stats:?}"
    );
    let (_, channel, bytes) = world.peer(1).rtcp.last().unwrap().clone();
    assert_eq!(channel, Channel::Rtcp);
    let reports = rtcp::parse(&bytes).unwrap();
    assert!(
        matches!(&reports[2], Report::Goodbye(sources) if sources.len() == 1),
        "{reports:?}"
    );
    assert_eq!(world.outputs, [Output::Unbind { unit: unit(1) }]);
    world.tell(Command::Close { unit: unit(1) });
    assert_eq!(world.outputs.len(), 1, "only once");
}

#[test]
fn another_codec_in_the_midst_of_a_call_is_taken() {
    let mut world = pair("PCMU");
    world.run(500);
    let mut params = World::params(1, codec("G722"));
    params.relatch = false;
    world.tell(Command::UpdateLeg {
        unit: unit(1),
        stream: Box::new(params),
    });
    let peer = world.peer(1);
    peer.change_codec("G722", 0);
    world.run(500);
    world.listen(1000);
    world.assert_hears(1, &[1], "G.722");
    world.assert_hears(2, &[0], "G.722");
    let steps = world.peers[&1].headers.windows(2).all(|pair| {
        pair[1].1.seq == pair[0].1.seq.next()
            && pair[1].1.timestamp.distance_from(pair[0].1.timestamp) == 160
    });
    assert!(steps);
}

#[test]
fn a_leg_whose_sockets_cannot_be_bound_fails() {
    let now = Instant::now();
    let mut core = Core::new(MediaSettings::default(), now, [0; 32]);
    core.handle_command(now, Command::OpenLeg { unit: unit(1) });
    assert_eq!(core.poll_output(), Some(Output::Bind { unit: unit(1) }));
    core.handle_bound(now, unit(1), Err("no port is free".into()));
    let failed = Event::LegFailed {
        unit: unit(1),
        error: "no port is free".into(),
    };
    assert_eq!(core.poll_output(), Some(Output::Event(failed)));
    core.handle_bound(now, unit(2), Ok((address(1), address(2))));
    assert_eq!(core.poll_output(), Some(Output::Unbind { unit: unit(2) }));
}
