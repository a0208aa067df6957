//! Reports as bytes, and reception against the arithmetic of RFC 3550 appendix A.

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::rtp::{PayloadType, RtpPacket, SeqNo};

fn block() -> ReportBlock {
    ReportBlock {
        ssrc: Ssrc(2),
        fraction_lost: 64,
        cumulative_lost: -5,
        highest_seq: 0x0001_0003,
        jitter: 77,
        last_sender_report: 0x1234_5678,
        delay_since_last: 65_536,
    }
}

#[test]
fn a_compound_is_read_as_it_was_written() {
    let info = SenderInfo {
        ntp: NtpTime(0x0102_0304_0506_0708),
        rtp_timestamp: RtpTimestamp(9),
        packets: 10,
        octets: 11,
    };
    let mut bytes = Vec::new();
    write_sender_report(&mut bytes, Ssrc(1), &info, &[block()]);
    assert_eq!(bytes.len(), 52);
    write_receiver_report(&mut bytes, Ssrc(1), &[block(), block()]);
    for cname in ["a", "abc", "leg@talkpath"] {
        write_source_description(&mut bytes, Ssrc(1), cname);
    }
    write_goodbye(&mut bytes, Ssrc(1), "");
    write_goodbye(&mut bytes, Ssrc(1), "call over");
    let description = |cname: &str| Report::Description(vec![(Ssrc(1), Some(cname.to_owned()))]);
    let expected = vec![
        Report::Sender {
            ssrc: Ssrc(1),
            info,
            blocks: vec![block()],
        },
        Report::Receiver {
            ssrc: Ssrc(1),
            blocks: vec![block(); 2],
        },
        description("a"),
        description("abc"),
        description("leg@talkpath"),
        Report::Goodbye(vec![Ssrc(1)]),
        Report::Goodbye(vec![Ssrc(1)]),
    ];
    assert_eq!(parse(&bytes), Ok(expected));
}

#[test]
fn malformed_compounds_are_refused() {
    let truncated = |what| RtpError::Truncated { what };
    let rows: [(&str, &[u8], RtpError); 9] = [
        ("empty", &[], truncated("RTCP header")),
        ("three bytes", &[0x80, 200, 0], truncated("RTCP header")),
        ("version 0", &[0x00, 201, 0, 0], RtpError::Version(0)),
        (
            "length past the end",
            &[0x80, 201, 0, 1],
            truncated("RTCP packet"),
        ),
        (
            "sender report without body",
            &[0x80, 200, 0, 0],
            truncated("RTCP packet"),
        ),
        (
            "a block that is not there",
            &[0x81, 201, 0, 1, 0, 0, 0, 1],
            truncated("RTCP packet"),
        ),
        (
            "padding of zero",
            &[0xa0, 201, 0, 1, 0, 0, 0, 0],
            RtpError::Padding(0),
        ),
        (
            "padding over the body",
            &[0xa0, 201, 0, 1, 0, 0, 0, 5],
            RtpError::Padding(5),
        ),
        (
            "item past its chunk",
            &[0x81, 202, 0, 2, 0, 0, 0, 1, 1, 9, 0, 0],
            truncated("SDES item"),
        ),
    ];
    for (name, bytes, error) in rows {
        assert_eq!(parse(bytes), Err(error), "{name}");
    }
    let many = [0x80, 206, 0, 0].repeat(17);
    assert_eq!(parse(&many), Err(RtpError::TooMany(16)));
    assert_eq!(
        parse(&many[..8]),
        Ok(vec![Report::Other { packet_type: 206 }; 2])
    );
}

#[test]
fn ntp_time_counts_from_1900() {
    let time = NtpTime::from_unix(Duration::from_millis(1_500));
    assert_eq!(time.0 >> 32, 2_208_988_801);
    assert_eq!(time.0 & 0xffff_ffff, 0x8000_0000);
    assert_eq!(time.middle(), 0x7e81_8000);
}

#[test]
fn round_trip_is_what_remains_of_the_way() {
    // The example of RFC 3550 §6.4.1 figure 2: 6.125 s.
    let example = ReportBlock {
        last_sender_report: 0xb705_2000,
        delay_since_last: 0x0005_4000,
        ..block()
    };
    let arrival = NtpTime(0xb710_8000 << 16);
    assert_eq!(
        example.round_trip(arrival),
        Some(Duration::from_millis(6_125))
    );
    let none = ReportBlock {
        last_sender_report: 0,
        ..example
    };
    assert_eq!(none.round_trip(arrival), None);
    let negative = ReportBlock {
        delay_since_last: 0x000f_0000,
        ..example
    };
    assert_eq!(
        negative.round_trip(arrival),
        None,
        "the peer held it longer than it was away"
    );
}

fn packet(ssrc: u32, seq: u16, timestamp: u32) -> RtpPacket<'static> {
    RtpPacket {
        payload_type: PayloadType(0),
        marker: false,
        seq: SeqNo(seq),
        timestamp: RtpTimestamp(timestamp),
        ssrc: Ssrc(ssrc),
        csrcs: &[],
        extension: None,
        payload: &[],
    }
}

#[test]
fn loss_is_counted_by_interval_and_in_all() {
    // Sequence numbers received in an interval; fraction lost, cumulative lost, highest after it.
    let rows: [(&[u16], u8, i32, u32); 5] = [
        (&[65_530, 65_531, 65_532, 65_533], 0, 0, 65_533),
        (&[65_535, 0, 1], 64, 1, 65_537),
        (&[3, 2, 4], 0, 1, 65_540),
        (&[5, 5, 5], 0, -1, 65_541),
        (&[9], 192, 2, 65_545),
    ];
    let (now, mut reception) = (Instant::now(), Reception::new(8_000));
    assert_eq!(reception.report_block(now), None);
    for (received, fraction, cumulative, highest) in rows {
        for &seq in received {
            reception.handle_packet(now, &packet(1, seq, 0));
        }
        let block = reception.report_block(now).expect("packets came");
        let got = (
            block.fraction_lost,
            block.cumulative_lost,
            block.highest_seq,
        );
        assert_eq!(got, (fraction, cumulative, highest), "{received:?}");
    }
    reception.handle_packet(now, &packet(2, 100, 0));
    let block = reception.report_block(now).expect("packets came");
    assert_eq!(
        (block.ssrc, block.cumulative_lost),
        (Ssrc(2), 0),
        "another source counts anew"
    );
}

#[test]
fn jitter_follows_appendix_a8() {
    let (start, mut reception) = (Instant::now(), Reception::new(8_000));
    let mut expected = 0.0f64;
    for (index, late_ms) in [0u64, 0, 10, 0, 3, 3].into_iter().enumerate() {
        let at = start + Duration::from_millis(20 * index as u64 + late_ms);
        reception.handle_packet(at, &packet(1, index as u16, 160 * index as u32));
        let before = [0u64, 0, 0, 10, 0, 3][index];
        if index > 0 {
            expected += (8.0 * late_ms.abs_diff(before) as f64 - expected) / 16.0;
        }
    }
    assert!((f64::from(reception.jitter_ms()) - expected / 8.0).abs() < 1e-3);
    let highest = reception.jitter_ms_max();
    assert!(
        highest >= reception.jitter_ms() && highest < 2.0,
        "{highest}"
    );
}

#[test]
fn a_key_press_beside_audio_is_received_without_jitter() {
    let (start, mut reception) = (Instant::now(), Reception::new(8_000));
    for index in 0..50u16 {
        let at = start + Duration::from_millis(20 * u64::from(index));
        let audio = packet(1, 2 * index, 160 * u32::from(index));
        reception.handle_packet(at, &audio);
        // All packets of the event carry the timestamp of its beginning.
        reception.handle_untimed_packet(at, &packet(1, 2 * index + 1, 0));
    }
    assert_eq!((reception.received(), reception.lost()), (100, 0));
    assert_eq!(reception.jitter_ms_max(), 0.0);
}

#[test]
fn the_last_sender_report_comes_back_with_its_age() {
    let (start, mut reception) = (Instant::now(), Reception::new(8_000));
    reception.handle_packet(start, &packet(1, 1, 0));
    let block = reception.report_block(start).expect("a packet came");
    assert_eq!((block.last_sender_report, block.delay_since_last), (0, 0));
    reception.handle_sender_report(start, NtpTime(0xb705_2000 << 16));
    let block = reception
        .report_block(start + Duration::from_millis(5_250))
        .expect("it came");
    assert_eq!(
        (block.last_sender_report, block.delay_since_last),
        (0xb705_2000, 0x0005_4000)
    );
}

proptest! {
    #[test]
    fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn parsing_never_panics_behind_a_good_header(
        head in (0x80u8..0xc0, 200u8..208),
        body in proptest::collection::vec(any::<u8>(), 0..30),
    ) {
        let mut bytes = vec![head.0, head.1, 0, body.len() as u8];
        bytes.extend(body.iter().flat_map(|&byte| [byte, byte.wrapping_mul(3), 0, 1]));
        let _ = parse(&bytes);
    }

    #[test]
    fn reception_never_panics(
        packets in proptest::collection::vec((0u32..2, any::<u16>(), any::<u32>()), 0..100)
    ) {
        let (now, mut reception) = (Instant::now(), Reception::new(0));
        for (ssrc, seq, timestamp) in packets {
            reception.handle_packet(now, &packet(ssrc, seq, timestamp));
            let _ = reception.report_block(now);
        }
    }
}
