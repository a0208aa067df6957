//! Tables: packets in, presses out; digits in, packets out; and the two against each other over a
//! lossy network.

use proptest::prelude::*;

use super::*;
use crate::rtp::PayloadType;

fn packet(seq: u16, timestamp: u32, marker: bool, payload: &[u8]) -> RtpPacket<'_> {
    RtpPacket {
        payload_type: PayloadType(101),
        marker,
        seq: SeqNo(seq),
        timestamp: RtpTimestamp(timestamp),
        ssrc: Ssrc(7),
        csrcs: &[],
        extension: None,
        payload,
    }
}

/// A received packet: ms of arrival, sequence number, timestamp, marker, code, end bit, duration in
/// units.
type Row = (u64, u16, u32, bool, u8, bool, u16);

const M: bool = true;
const E: bool = true;

/// `1` for a press, `1:100` for its release after 100 ms.
fn heard(rows: &[Row], until_ms: u64) -> String {
    let (start, mut receiver) = (Instant::now(), Receiver::new(8_000));
    let at = |ms: u64| start + Duration::from_millis(ms);
    let mut rows = rows.iter().peekable();
    for ms in 0..=until_ms {
        receiver.handle_timeout(at(ms));
        while let Some(&(_, seq, timestamp, marker, code, end, units)) =
            rows.next_if(|row| row.0 <= ms)
        {
            let [d0, d1] = units.to_be_bytes();
            let payload = [code, if end { 0x8a } else { 0x0a }, d0, d1];
            receiver.handle_packet(at(ms), &packet(seq, timestamp, marker, &payload));
        }
    }
    let facts = std::iter::from_fn(|| receiver.poll_output()).map(|heard| match heard {
        Heard::Pressed { digit } => digit.to_string(),
        Heard::Released { digit, duration_ms } => format!("{digit}:{duration_ms}"),
    });
    facts.collect::<Vec<_>>().join(" ")
}

#[test]
fn one_event_is_one_press() {
    // tidy: table
    let rows: [(&str, &[Row], &str); 15] = [
        (
            "whole event",
            &[
                (0, 1, 0, M, 1, false, 160),
                (20, 2, 0, false, 1, false, 320),
                (40, 3, 0, false, 1, E, 480),
                (40, 4, 0, false, 1, E, 480),
                (40, 5, 0, false, 1, E, 480),
            ],
            "1 1:60",
        ),
        (
            "first packets lost",
            &[
                (40, 3, 0, false, 11, false, 480),
                (60, 4, 0, false, 11, E, 640),
            ],
            "# #:80",
        ),
        (
            "all but the last end lost",
            &[(60, 5, 0, false, 10, E, 800)],
            "* *:100",
        ),
        (
            "all ends lost",
            &[
                (0, 1, 0, M, 5, false, 160),
                (20, 2, 0, false, 5, false, 320),
            ],
            "5 5:40",
        ),
        (
            "an end after silence is not a press",
            &[(0, 1, 0, M, 5, false, 160), (500, 9, 0, false, 5, E, 800)],
            "5 5:20",
        ),
        (
            "ends lost, the same digit again",
            &[
                (0, 1, 0, M, 5, false, 160),
                (160, 9, 1_280, M, 5, false, 160),
            ],
            "5 5:20 5 5:20",
        ),
        (
            "ends lost, marker packet of the next lost",
            &[
                (0, 1, 0, M, 5, false, 160),
                (180, 10, 1_280, false, 5, false, 320),
            ],
            "5 5:20 5 5:40",
        ),
        (
            "two digits, end of the first repeated after the second began",
            &[
                (0, 1, 0, M, 1, false, 160),
                (20, 2, 0, false, 1, E, 320),
                (60, 4, 480, M, 2, false, 160),
                (65, 3, 0, false, 1, E, 320),
                (80, 5, 480, false, 2, E, 320),
            ],
            "1 1:40 2 2:40",
        ),
        (
            "a packet of a digit that was never heard comes after the next began",
            &[(60, 4, 480, M, 2, false, 160), (65, 3, 0, false, 1, E, 320)],
            "2 2:20",
        ),
        (
            "a long press in segments",
            &[
                (0, 1, 0, M, 9, false, 160),
                (100, 410, 0, false, 9, false, 65_440),
                (120, 411, 65_535, false, 9, false, 160),
                (140, 412, 65_535, false, 9, E, 800),
            ],
            "9 9:8291",
        ),
        (
            "a long press, last packet of the segment lost",
            &[
                (0, 1, 0, M, 9, false, 65_000),
                (20, 5, 65_535, false, 9, false, 480),
                (40, 6, 65_535, false, 9, E, 800),
            ],
            "9 9:8291",
        ),
        (
            "a segment is known when its end is repeated",
            &[
                (0, 1, 0, M, 9, false, 65_535),
                (20, 2, 65_535, false, 9, E, 800),
                (40, 3, 65_535, false, 9, E, 800),
                (60, 4, 0, false, 9, false, 65_535),
            ],
            "9 9:8291",
        ),
        (
            "a sender that moves the timestamp within the event",
            &[
                (0, 1, 0, M, 3, false, 160),
                (20, 2, 160, false, 3, false, 320),
                (40, 3, 320, false, 3, E, 480),
            ],
            "3 3:100",
        ),
        (
            "flash and other codes are ignored",
            &[(0, 1, 0, M, 16, false, 160), (20, 2, 500, M, 255, E, 160)],
            "",
        ),
        (
            "all sixteen codes",
            &[
                (0, 1, 0, M, 0, E, 160),
                (50, 2, 900, M, 12, E, 160),
                (90, 3, 1800, M, 15, E, 160),
            ],
            "0 0:20 A A:20 D D:20",
        ),
    ];
    for (name, packets, expected) in rows {
        assert_eq!(heard(packets, 1_000), expected, "{name}");
    }
}

#[test]
fn short_payloads_are_ignored() {
    let mut receiver = Receiver::new(8_000);
    for length in 0..4 {
        receiver.handle_packet(
            Instant::now(),
            &packet(1, 0, true, &[1, 0x80, 0, 160][..length]),
        );
    }
    assert_eq!(receiver.poll_output(), None);
    assert_eq!(receiver.poll_timeout(), None);
}

/// Runs a sender to its end: each tick as text.
fn ticks(sender: &mut Sender, units_per_tick: u32) -> Vec<String> {
    let mut rows = Vec::new();
    for tick in 0u32..200 {
        let row = match sender.poll_tick(RtpTimestamp(1_000 + tick * units_per_tick)) {
            Tick::Idle => break,
            Tick::Gap => "gap".to_owned(),
            Tick::Finished => "finished".to_owned(),
            Tick::Packet(EventPacket {
                payload: [code, flags, d0, d1],
                marker,
                timestamp,
            }) => {
                let marker = if marker { " M" } else { "" };
                let end = if flags & 0x80 != 0 { " E" } else { "" };
                format!(
                    "{code} @{} {}{marker}{end}",
                    timestamp.0,
                    u16::from_be_bytes([d0, d1])
                )
            }
        };
        rows.push(row);
    }
    rows
}

#[test]
fn a_digit_is_sent_as_the_drawing_says() {
    let mut sender = Sender::new(8_000);
    sender.push("1#").expect("two digits");
    let expected = [
        "1 @1000 160 M",
        "1 @1000 320",
        "1 @1000 480",
        "1 @1000 640",
        "1 @1000 800 E",
        "1 @1000 800 E",
        "1 @1000 800 E",
        "gap",
        "11 @2280 160 M",
        "11 @2280 320",
        "11 @2280 480",
        "11 @2280 640",
        "11 @2280 800 E",
        "11 @2280 800 E",
        "11 @2280 800 E",
        "gap",
        "finished",
    ];
    assert_eq!(ticks(&mut sender, 160), expected);
    assert!(sender.is_idle());
}

#[test]
fn durations_count_in_the_clock_of_the_event() {
    let mut sender = Sender::with_lengths(48_000, 40, 40);
    sender.push("p0").expect("a pause and a digit");
    let rows = ticks(&mut sender, 960);
    assert_eq!(rows[..25], vec!["gap"; 25]);
    let expected = [
        "0 @25000 960 M",
        "0 @25000 1920 E",
        "0 @25000 1920 E",
        "0 @25000 1920 E",
        "finished",
    ];
    assert_eq!(rows[25..], expected);
}

#[test]
fn what_is_no_digit_is_refused_whole() {
    let mut sender = Sender::new(8_000);
    assert_eq!(sender.push("12x"), Err(DigitError::NotADigit('x')));
    assert_eq!(sender.push(&"1".repeat(257)), Err(DigitError::TooMany(256)));
    assert!(sender.is_idle());
    assert_eq!(sender.poll_tick(RtpTimestamp(0)), Tick::Idle);
}

#[test]
fn every_digit_has_a_code_and_back() {
    for (code, digit) in "0123456789*#ABCD".chars().enumerate() {
        assert_eq!(code_of(digit), u8::try_from(code).ok());
        assert_eq!(code_of(digit.to_ascii_lowercase()), u8::try_from(code).ok());
    }
    assert_eq!(
        (code_of('p'), code_of('E'), digit_of(16)),
        (None, None, None)
    );
}

proptest! {
    #[test]
    fn any_one_packet_of_each_event_is_enough(
        digits in "[0-9*#A-D]{1,12}",
        kept in proptest::collection::vec(0usize..7, 12),
        also in proptest::collection::vec(any::<bool>(), 12 * 8),
    ) {
        let (start, mut receiver) = (Instant::now(), Receiver::new(8_000));
        let mut sender = Sender::new(8_000);
        sender.push(&digits).expect("digits");
        let mut pressed = String::new();
        for tick in 0..8 * digits.len() {
            let now = start + Duration::from_millis(20 * tick as u64);
            receiver.handle_timeout(now);
            let Tick::Packet(event) = sender.poll_tick(RtpTimestamp(tick as u32 * 160)) else {
                continue;
            };
            if tick % 8 == kept[tick / 8] || also[tick] {
                let mut row = packet(tick as u16, 0, event.marker, &event.payload);
                row.timestamp = event.timestamp;
                receiver.handle_packet(now, &row);
            }
            while let Some(heard) = receiver.poll_output() {
                if let Heard::Pressed { digit } = heard {
                    pressed.push(digit);
                }
            }
        }
        prop_assert_eq!(pressed, digits);
    }

    #[test]
    fn receiving_never_panics(
        packets in proptest::collection::vec(any::<(u16, u32, bool, [u8; 9], u8)>(), 0..60)
    ) {
        let (now, mut receiver) = (Instant::now(), Receiver::new(0));
        for (seq, timestamp, marker, bytes, length) in packets {
            let payload = &bytes[..usize::from(length % 10)];
            receiver.handle_packet(now, &packet(seq, timestamp, marker, payload));
            while receiver.poll_output().is_some() {}
        }
    }
}
