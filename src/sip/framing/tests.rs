use super::super::torture::corpus;
use super::*;
use proptest::prelude::*;

const A: &str = "OPTIONS sip:a SIP/2.0\r\nContent-Length: 5\r\n\r\nab\r\n\r";
const B: &str = "BYE sip:b SIP/2.0\r\nX: y\r\n\r\n";
const FOLDED: &str = "INVITE sip:c SIP/2.0\r\nL \t:\r\n  0003\r\n\r\n\r\n\r";

/// Pushes in chunks of `size` and takes all out after each, pongs left out: they depend on the
/// chunks.
fn cut_in_chunks(stream: &[u8], size: usize) -> (Vec<Framed>, Option<FramingError>) {
    let mut framer = StreamFramer::new();
    let mut framed = Vec::new();
    for chunk in stream.chunks(size) {
        framer.push(chunk);
        loop {
            match framer.next() {
                Ok(Some(Framed::Pong)) => {}
                Ok(Some(found)) => framed.push(found),
                Ok(None) => break,
                Err(error) => {
                    framer.push(chunk);
                    assert_eq!(framer.next(), Err(error), "an error stays");
                    return (framed, Some(error));
                }
            }
        }
    }
    (framed, None)
}

fn message(text: &str) -> Framed {
    Framed::Message(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn streams_are_cut_the_same_in_chunks_of_any_size() {
    let ping = || Framed::Ping;
    let bad = |fault| Some(FramingError::ContentLength(fault));
    let rows: Vec<(String, Vec<Framed>, Option<FramingError>)> = vec![
        (String::new(), vec![], None),
        (A.into(), vec![message(A)], None),
        (
            format!("{A}{B}{FOLDED}{A}"),
            vec![message(A), message(B), message(FOLDED), message(A)],
            None,
        ),
        (
            format!("\r\n\r\n{A}\r\n\r\n"),
            vec![ping(), message(A), ping()],
            None,
        ),
        (
            format!("\r\n{A}\r\n{B}\r\n"),
            vec![message(A), message(B)],
            None,
        ),
        (format!("\r\n\r\n\r\n{A}"), vec![ping(), message(A)], None),
        ("\r\n".repeat(6), vec![ping(), ping(), ping()], None),
        (A[..A.len() - 1].into(), vec![], None),
        (B[..B.len() - 1].into(), vec![], None),
        (
            "X\r\nl: 1\r\nl: 1\r\n\r\n".into(),
            vec![],
            bad(Fault::Repeated),
        ),
        ("X\r\nl: -1\r\n\r\n".into(), vec![], bad(Fault::NotANumber)),
        ("X\r\nl: 1,1\r\n\r\n".into(), vec![], bad(Fault::NotANumber)),
        (
            "X\r\nl: 4294967296\r\n\r\n".into(),
            vec![],
            bad(Fault::NumberTooLarge),
        ),
        (
            format!("{B}X\r\nl: 65536\r\n\r\n{B}"),
            vec![message(B)],
            Some(FramingError::TooLong),
        ),
        (
            "x".repeat(MESSAGE_BYTES_MAX + 100),
            vec![],
            Some(FramingError::TooLong),
        ),
    ];
    for (stream, framed, error) in rows {
        for size in [1, 2, 3, 5, 7, 64, 1000, 60_000] {
            // The long row is slow octet by octet and shows nothing more.
            let size = if stream.len() > 10_000 {
                size.max(1000)
            } else {
                size
            };
            let cut = cut_in_chunks(stream.as_bytes(), size);
            assert_eq!(
                cut,
                (framed.clone(), error),
                "{stream:.60?} in chunks of {size}"
            );
        }
    }
}

#[test]
fn a_lone_crlf_is_a_pong_at_once_and_may_become_a_ping() {
    let mut framer = StreamFramer::new();
    for (chunk, expected) in [
        ("\r", vec![]),
        ("\n", vec![Framed::Pong]),
        ("\r\n", vec![Framed::Ping]),
        ("\r\n", vec![Framed::Pong]),
        (B, vec![message(B)]),
        ("\r\n", vec![Framed::Pong]),
        ("\r", vec![]),
        ("\n\r\n", vec![Framed::Ping, Framed::Pong]),
    ] {
        framer.push(chunk.as_bytes());
        let mut found = Vec::new();
        while let Some(framed) = framer.next().unwrap() {
            found.push(framed);
        }
        assert_eq!(found, expected, "{chunk:?}");
    }
}

#[test]
fn what_waits_to_be_cut_is_bounded() {
    let mut framer = StreamFramer::new();
    let pings = "\r\n".repeat(BUFFER_BYTES_MAX / 2);
    framer.push(pings.as_bytes());
    assert_eq!(framer.next(), Ok(Some(Framed::Ping)));
    framer.push(b"12345");
    assert_eq!(framer.next(), Err(FramingError::TooLong));
    assert_eq!(framer.buffer.capacity(), 0);
}

#[test]
fn the_longest_message_is_cut() {
    let head = "X y SIP/2.0\r\nContent-Length: 65000\r\n";
    let fill = MESSAGE_BYTES_MAX - 65_000 - head.len() - "X: \r\n\r\n".len();
    for (fill, cut) in [(fill, 1), (fill + 1, 0)] {
        let stream = format!(
            "{head}X: {}\r\n\r\n{}",
            "y".repeat(fill),
            "b".repeat(65_000)
        );
        assert_eq!(cut_in_chunks(stream.as_bytes(), 4096).0.len(), cut);
    }
}

#[test]
fn messages_of_the_corpus_with_a_right_length_follow_each_other() {
    let whole: Vec<Bytes> = corpus()
        .into_iter()
        .filter(|octets| {
            cut_in_chunks(octets, 9999) == (vec![Framed::Message(octets.clone())], None)
        })
        .collect();
    assert!(whole.len() > 45, "{}", whole.len());
    let framed: Vec<Framed> = whole.iter().cloned().map(Framed::Message).collect();
    for size in [1, 13, 4096] {
        assert_eq!(cut_in_chunks(&whole.concat(), size), (framed.clone(), None));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_streams_are_cut_the_same_in_any_chunks(
        parts in proptest::collection::vec(
            prop_oneof![
                Just(A), Just(B), Just(FOLDED), Just("\r\n"), Just("\r\n\r\n"), Just("\r"),
                Just("l: 7\r\n"), Just("x"), Just("\n"),
            ],
            0..12,
        ),
        size in 1..40usize,
    ) {
        let stream = parts.concat();
        prop_assert_eq!(
            cut_in_chunks(stream.as_bytes(), size),
            cut_in_chunks(stream.as_bytes(), 100_000)
        );
    }
}
