//! Tables in virtual time: what arrives when, and what each tick brings.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SSRC: Ssrc = Ssrc(7);

fn packet(seq: u16, timestamp: u32, payload: &[u8]) -> RtpPacket<'_> {
    RtpPacket {
        payload_type: PayloadType(0),
        marker: false,
        seq: SeqNo(seq),
        timestamp: RtpTimestamp(timestamp),
        ssrc: SSRC,
        csrcs: &[],
        extension: None,
        payload,
    }
}

/// What arrives: milliseconds, sequence number, timestamp in milliseconds.
type Arrival = (u64, u16, u32);

/// Pops every 20 ms from 10 ms on, and writes each turn: the number popped, `L` lost, `R` lost with
/// its successor there, `.` waiting, `-` empty.
fn turns(arrivals: &[Arrival], ticks: u64) -> (String, JitterBuffer) {
    let (start, mut buffer) = (Instant::now(), JitterBuffer::new(JitterConfig::new(8_000)));
    let mut arrivals = arrivals.iter().peekable();
    let mut turns = Vec::new();
    for tick in 0..ticks {
        let tick_ms = 10 + tick * 20;
        while let Some(&(ms, seq, timestamp_ms)) = arrivals.next_if(|row| row.0 <= tick_ms) {
            let now = start + Duration::from_millis(ms);
            buffer.push(
                now,
                &packet(seq, timestamp_ms.wrapping_mul(8), &[seq as u8]),
            );
        }
        turns.push(match buffer.pop(start + Duration::from_millis(tick_ms)) {
            Popped::Packet(popped) => {
                assert_eq!(popped.payload, [popped.seq.0 as u8]);
                popped.seq.0.to_string()
            }
            Popped::Lost { next: None, .. } => "L".to_owned(),
            Popped::Lost { next: Some(_), .. } => "R".to_owned(),
            Popped::Waiting => ".".to_owned(),
            Popped::Empty => "-".to_owned(),
        });
    }
    (turns.join(" "), buffer)
}

#[test]
fn each_arrival_pattern_brings_its_turns() {
    // tidy: table
    let rows: [(&str, &[Arrival], &str); 15] = [
        ("nothing came yet", &[], ". . ."),
        (
            "steady: each packet at the next tick",
            &[(0, 1, 0), (20, 2, 20), (40, 3, 40), (60, 4, 60)],
            "1 2 3 4",
        ),
        (
            "the number wraps",
            &[(0, 65534, 0), (20, 65535, 20), (40, 0, 40), (60, 1, 60)],
            "65534 65535 0 1",
        ),
        (
            "the timestamp wraps",
            &[(0, 1, u32::MAX / 8 - 19), (20, 2, 0), (40, 3, 20)],
            "1 2 3",
        ),
        (
            "reordered before their turn",
            &[(0, 1, 0), (20, 3, 40), (25, 2, 20), (60, 4, 60)],
            "1 2 3 4",
        ),
        (
            "reordered at the very start",
            &[(0, 2, 20), (2, 1, 0), (40, 3, 40)],
            "1 2 3",
        ),
        (
            "duplicates are dropped",
            &[(0, 1, 0), (1, 1, 0), (20, 2, 20), (35, 1, 0), (40, 3, 40)],
            "1 2 3",
        ),
        (
            "one lost while later ones are held",
            &[(0, 1, 0), (0, 2, 20), (0, 4, 60), (0, 5, 80)],
            "1 2 R 4 5",
        ),
        (
            "two lost in a row",
            &[(0, 1, 0), (0, 2, 20), (0, 5, 80), (0, 6, 100)],
            "1 2 L R 5 6",
        ),
        (
            "one lost while nothing is held: its turn passes empty, the next is on time",
            &[(0, 1, 0), (20, 2, 20), (60, 4, 60), (80, 5, 80)],
            "1 2 - 4 5",
        ),
        (
            "one late: all that follow wait one tick more",
            &[
                (0, 1, 0),
                (20, 2, 20),
                (55, 3, 40),
                (60, 4, 60),
                (80, 5, 80),
                (100, 6, 100),
            ],
            "1 2 - 3 4 5 6",
        ),
        (
            "a pause of the sender is kept as long as it was",
            &[(0, 1, 0), (20, 2, 20), (140, 3, 140), (160, 4, 160)],
            "1 2 - - - - - 3 4",
        ),
        (
            "a number that was skipped without time is not waited for",
            &[(0, 1, 0), (20, 2, 20), (40, 4, 40), (60, 5, 60)],
            "1 2 4 5",
        ),
        (
            "the timestamp jumps by an hour: no stall",
            &[
                (0, 1, 0),
                (20, 2, 20),
                (40, 3, 3_600_040),
                (60, 4, 3_600_060),
            ],
            "1 2 3 4",
        ),
        (
            "another place in the sequence is followed at its second packet",
            &[
                (0, 1, 0),
                (20, 2, 20),
                (40, 9001, 70_000),
                (60, 9002, 70_020),
                (80, 9003, 70_040),
            ],
            "1 2 - 9002 9003",
        ),
    ];
    for (name, arrivals, expected) in rows {
        let ticks = expected.split(' ').count() as u64;
        assert_eq!(turns(arrivals, ticks).0, expected, "{name}");
    }
}

#[test]
fn a_new_source_starts_anew_and_says_so() {
    let (now, mut buffer) = (Instant::now(), JitterBuffer::new(JitterConfig::new(8_000)));
    assert_eq!(buffer.push(now, &packet(1, 0, b"a")), PushOutcome::Stored);
    let other = RtpPacket {
        ssrc: Ssrc(8),
        ..packet(900, 77, b"b")
    };
    assert_eq!(buffer.push(now, &other), PushOutcome::Restarted);
    let Popped::Packet(popped) = buffer.pop(now + Duration::from_millis(10)) else {
        panic!("nothing popped")
    };
    assert_eq!(popped.payload, b"b");
    assert_eq!(buffer.counters().restarts, 1);
}

#[test]
fn late_packet_after_its_turn_is_counted_and_dropped() {
    let arrivals = [
        (0, 1, 0),
        (0, 2, 20),
        (0, 4, 60),
        (0, 5, 80),
        (55, 3, 40),
        (56, 3, 40),
        (60, 6, 100),
    ];
    let (turns, buffer) = turns(&arrivals, 6);
    assert_eq!(turns, "1 2 R 4 5 6");
    let counters = buffer.counters();
    assert_eq!(
        (counters.late, counters.lost, counters.duplicate),
        (1, 0, 1)
    );
}

#[test]
fn packets_without_audio_are_not_missed() {
    let (start, mut buffer) = (Instant::now(), JitterBuffer::new(JitterConfig::new(8_000)));
    let at = |ms: u64| start + Duration::from_millis(ms);
    buffer.push(at(0), &packet(1, 0, b"a"));
    assert!(matches!(buffer.pop(at(10)), Popped::Packet(_)));
    for (index, seq) in (2..10).enumerate() {
        buffer.push_other(SeqNo(seq));
        assert_eq!(buffer.pop(at(30 + 20 * index as u64)), Popped::Empty);
    }
    buffer.push(at(180), &packet(10, 180 * 8, b"b"));
    assert!(matches!(buffer.pop(at(190)), Popped::Packet(_)));
    assert_eq!(buffer.counters().lost, 0);
}

#[test]
fn too_long_and_too_far_packets_are_refused() {
    let (now, mut buffer) = (Instant::now(), JitterBuffer::new(JitterConfig::new(8_000)));
    let long = vec![0; PAYLOAD_BYTES_MAX + 1];
    assert_eq!(
        buffer.push(now, &packet(1, 0, &long)),
        PushOutcome::Oversized
    );
    assert_eq!(buffer.push(now, &packet(1, 0, b"a")), PushOutcome::Stored);
    assert_eq!(
        buffer.push(now, &packet(1 + 512, 0, b"a")),
        PushOutcome::Stray
    );
    assert_eq!(
        buffer.push(now, &packet(1 + 511, 0, b"a")),
        PushOutcome::Stored
    );
    assert_eq!(buffer.counters().refused, 2);
    assert!(buffer.slots.len() <= usize::from(WINDOW_PACKETS));
}

#[test]
fn a_buffer_that_nobody_pops_holds_a_second_at_most() {
    let (start, mut buffer) = (Instant::now(), JitterBuffer::new(JitterConfig::new(8_000)));
    for seq in 0..1_000u16 {
        let now = start + Duration::from_millis(20 * u64::from(seq));
        buffer.push(now, &packet(seq, u32::from(seq) * 160, b"a"));
        assert!(buffer.depth_ms() <= 1_020);
    }
    assert!(buffer.counters().discarded > 900, "{:?}", buffer.counters());
    let Popped::Packet(popped) = buffer.pop(start + Duration::from_secs(20)) else {
        panic!("nothing popped")
    };
    assert!(popped.seq.0 > 940, "the oldest have gone: {}", popped.seq.0);
}

/// A sender on a network, and the caller: pops 20 ms of audio a tick, drops when there is an
/// excess.
struct Simulation {
    packet_ms: u64,
    seconds: u64,
    /// Arrival of the packet sent at this millisecond, in microseconds after it was sent; nothing
    /// when lost.
    network: Box<dyn FnMut(u64) -> Option<u64>>,
    /// The sender's clock against ours, in parts per million.
    drift_ppm: i64,
}

#[derive(Debug, Default)]
struct Outcome {
    /// Ticks at which nothing could be played, after the first second.
    concealed: u64,
    lost_turns: u64,
    dropped: u64,
    /// From sending to playing, in ms, at each packet of the last half, sorted.
    delays_ms: Vec<u64>,
    target_ms: u32,
    counters: JitterCounters,
}

impl Outcome {
    fn delay_ms(&self, percent: usize) -> u64 {
        self.delays_ms[(self.delays_ms.len() - 1) * percent / 100]
    }
}

impl Simulation {
    fn run(mut self) -> Outcome {
        let (start, mut buffer) = (Instant::now(), JitterBuffer::new(JitterConfig::new(8_000)));
        let mut outcome = Outcome::default();
        let scale = |ms: u64| {
            // 1 ppm of a millisecond is a nanosecond.
            ms * 1_000_000
                - (ms as i64 * self.drift_ppm).unsigned_abs() * u64::from(self.drift_ppm > 0)
                + (ms as i64 * self.drift_ppm).unsigned_abs() * u64::from(self.drift_ppm < 0)
        };
        let mut flight: Vec<(u64, u64)> = Vec::new();
        let (mut sent, mut fifo_ms, mut played) = (0u64, 0u64, None::<u64>);
        for tick in 0..self.seconds * 50 {
            let now_ns = tick * 20_000_000 + 13_000_000;
            while scale(sent * self.packet_ms) <= now_ns {
                if let Some(us) = (self.network)(sent * self.packet_ms) {
                    flight.push((scale(sent * self.packet_ms) + us * 1_000, sent));
                }
                sent += 1;
            }
            flight.sort_unstable();
            let arrived = flight.partition_point(|row| row.0 <= now_ns);
            for (at, index) in flight.drain(..arrived) {
                let timestamp = (index * self.packet_ms * 8) as u32;
                let row = packet(index as u16, timestamp, &[1]);
                buffer.push(start + Duration::from_nanos(at), &row);
            }
            let now = start + Duration::from_nanos(now_ns);
            if buffer.excess_ms(now) >= 20
                && let Popped::Packet(_) = buffer.pop(now)
            {
                fifo_ms = (fifo_ms + self.packet_ms).saturating_sub(20);
                outcome.dropped += 1;
            }
            while fifo_ms < 20 {
                match buffer.pop(now) {
                    Popped::Packet(popped) => {
                        let sent_index = u64::from(popped.timestamp.0) / 8 / self.packet_ms;
                        assert!(
                            played.is_none_or(|last| sent_index > last),
                            "order inverted"
                        );
                        played = Some(sent_index);
                        fifo_ms += self.packet_ms;
                        if tick > self.seconds * 25 {
                            let sent_ns = scale(sent_index * self.packet_ms);
                            outcome
                                .delays_ms
                                .push(now_ns.saturating_sub(sent_ns) / 1_000_000);
                        }
                    }
                    Popped::Lost { duration_ms, .. } => {
                        outcome.lost_turns += 1;
                        fifo_ms += u64::from(duration_ms);
                    }
                    Popped::Waiting | Popped::Empty => {
                        outcome.concealed += u64::from(tick > 50);
                        fifo_ms += 20;
                    }
                }
            }
            fifo_ms -= 20;
            outcome.target_ms = buffer.target_ms(now);
        }
        outcome.delays_ms.sort_unstable();
        outcome.counters = *buffer.counters();
        outcome
    }
}

/// Repeatable noise, 0 to 1.
fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[test]
fn without_jitter_the_delay_is_the_least_for_every_packet_length() {
    for packet_ms in [10, 20, 30, 40, 60] {
        let network = Box::new(|_| Some(5_000));
        let outcome = Simulation {
            packet_ms,
            seconds: 20,
            network,
            drift_ppm: 0,
        }
        .run();
        assert_eq!(outcome.concealed, 0, "{packet_ms} ms: {outcome:?}");
        assert_eq!(outcome.lost_turns, 0, "{packet_ms} ms");
        assert_eq!(outcome.target_ms, 20, "{packet_ms} ms");
        // 5 ms are the network's, a packet longer than a tick may wait for its turn.
        assert!(
            outcome.delay_ms(50) <= 30,
            "{packet_ms} ms: {}",
            outcome.delay_ms(50)
        );
    }
}

#[test]
fn jitter_raises_the_target_as_far_as_it_must() {
    // Uniform jitter up to (ms), bounds of the target, concealed ticks per thousand at most, median
    // delay.
    let rows = [
        (3, (20, 30), 2, 25),
        (15, (30, 40), 5, 40),
        (40, (50, 65), 8, 70),
        (100, (110, 130), 12, 140),
        (150, (160, 180), 15, 190),
    ];
    for (jitter_ms, (least, most), concealed_per_thousand, median) in rows {
        let mut noise = noise(jitter_ms);
        let network = Box::new(move |_| Some((noise() * jitter_ms as f64 * 1_000.0) as u64));
        let outcome = Simulation {
            packet_ms: 20,
            seconds: 120,
            network,
            drift_ppm: 0,
        }
        .run();
        let missing = outcome.concealed + outcome.lost_turns;
        assert!(
            (least..=most).contains(&outcome.target_ms),
            "{jitter_ms} ms: target {} {outcome:?}",
            outcome.target_ms
        );
        let allowed = 6 * concealed_per_thousand;
        assert!(
            missing <= allowed,
            "{jitter_ms} ms: {missing} of 6000 missing, {allowed} allowed"
        );
        let delay_ms = outcome.delay_ms(50);
        assert!(delay_ms <= median, "{jitter_ms} ms: median {delay_ms}");
    }
}

#[test]
fn ten_percent_loss_is_concealed_and_adds_no_delay() {
    let mut noise = noise(3);
    let network = Box::new(move |_| (noise() > 0.1).then_some(2_000));
    let outcome = Simulation {
        packet_ms: 20,
        seconds: 60,
        network,
        drift_ppm: 0,
    }
    .run();
    let missing = outcome.concealed + outcome.lost_turns;
    assert!((240..=360).contains(&missing), "{missing} of 3000");
    assert!(outcome.counters.lost.abs_diff(missing) <= 15, "{outcome:?}");
    assert_eq!(outcome.counters.late, 0);
    assert!(outcome.delay_ms(95) <= 25, "{}", outcome.delay_ms(95));
}

#[test]
fn a_freeze_of_the_network_is_caught_up() {
    let network = Box::new(|sent_ms: u64| {
        let frozen = (10_000..10_600).contains(&sent_ms);
        Some(if frozen {
            (10_600 - sent_ms) * 1_000
        } else {
            0
        })
    });
    let outcome = Simulation {
        packet_ms: 20,
        seconds: 60,
        network,
        drift_ppm: 0,
    }
    .run();
    assert!(outcome.concealed <= 32, "{}", outcome.concealed);
    assert!(outcome.dropped >= 25, "{}", outcome.dropped);
    assert!(outcome.delay_ms(95) <= 40, "{}", outcome.delay_ms(95));
}

#[test]
fn a_longer_way_through_the_network_is_taken_as_it_is() {
    // From the tenth second on every packet takes so much longer.
    for longer_ms in [30u64, 100, 170, 300, 500, 900, 1_500] {
        let network = Box::new(move |sent_ms: u64| {
            Some(if sent_ms >= 10_000 {
                longer_ms * 1_000 + 1_000
            } else {
                1_000
            })
        });
        let outcome = Simulation {
            packet_ms: 20,
            seconds: 60,
            network,
            drift_ppm: 0,
        }
        .run();
        let once = longer_ms / 20 + 2;
        assert!(
            outcome.concealed <= once,
            "{longer_ms}: {}",
            outcome.concealed
        );
        assert!(
            outcome.dropped <= 2,
            "{longer_ms}: dropped {}",
            outcome.dropped
        );
        let delay_ms = outcome.delay_ms(95);
        assert!(delay_ms <= longer_ms + 30, "{longer_ms}: {delay_ms} ms");
    }
}

#[test]
fn a_shorter_way_through_the_network_is_used() {
    for shorter_ms in [30u64, 100, 400] {
        let network = Box::new(move |sent_ms: u64| {
            Some(if sent_ms >= 10_000 {
                1_000
            } else {
                shorter_ms * 1_000 + 1_000
            })
        });
        let outcome = Simulation {
            packet_ms: 20,
            seconds: 60,
            network,
            drift_ppm: 0,
        }
        .run();
        assert!(
            outcome.concealed <= 1,
            "{shorter_ms}: {}",
            outcome.concealed
        );
        assert!(
            outcome.delay_ms(95) <= 31,
            "{shorter_ms}: {} ms",
            outcome.delay_ms(95)
        );
    }
}

#[test]
fn an_hour_of_clock_drift_is_followed() {
    // 200 ppm are 720 ms in an hour: 36 ticks too many or too few.
    for (drift_ppm, dropped, concealed) in [(200, 30..=45, 0..=8), (-200, 0..=8, 30..=45)] {
        let network = Box::new(|_| Some(1_000));
        let outcome = Simulation {
            packet_ms: 20,
            seconds: 3_600,
            network,
            drift_ppm,
        }
        .run();
        assert!(
            dropped.contains(&outcome.dropped),
            "{drift_ppm}: dropped {}",
            outcome.dropped
        );
        assert!(
            concealed.contains(&outcome.concealed),
            "{drift_ppm}: {}",
            outcome.concealed
        );
        assert_eq!(outcome.counters.discarded, 0);
        assert!(
            outcome.delay_ms(100) <= 50,
            "{drift_ppm}: {}",
            outcome.delay_ms(100)
        );
    }
}

proptest! {
    #[test]
    fn whatever_comes_the_order_holds_and_nothing_panics(
        steps in proptest::collection::vec(
            (0u64..60, any::<bool>(), 0i32..4, -700i32..700, any::<u32>(), 0u32..40), 1..400
        )
    ) {
        let (start, mut buffer) = (Instant::now(), JitterBuffer::new(JitterConfig::new(8_000)));
        let mut now = start;
        let mut seq = 65_000u16;
        let mut last: Option<SeqNo> = None;
        for (passed, pops, kind, jump, odd, rare) in steps {
            now += Duration::from_millis(passed);
            seq = seq.wrapping_add(if rare == 0 { jump as u16 } else { kind as u16 });
            let timestamp = if rare == 1 { odd } else { u32::from(seq) * 160 };
            if rare == 2 {
                buffer.push_other(SeqNo(seq));
            } else if buffer.push(now, &packet(seq, timestamp, &[1])) == PushOutcome::Restarted {
                last = None;
            }
            if pops
                && let Popped::Packet(popped) = buffer.pop(now) {
                    prop_assert!(last.is_none_or(|last| popped.seq.distance_from(last) > 0));
                    last = Some(popped.seq);
                }
            prop_assert!(buffer.slots.len() <= 512);
            let held = buffer.slots.iter().filter(|slot| slot.kind == Kind::Audio).count();
            prop_assert_eq!(held, buffer.held);
            let _ = (buffer.excess_ms(now), buffer.target_ms(now), buffer.delay_ms());
        }
    }
}
