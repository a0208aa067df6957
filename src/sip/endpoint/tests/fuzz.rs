//! Mutated messages: no panic, and nothing grows beyond its limit. The seeds are fixed, so a
//! failure repeats.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};

use super::bench::flow;
use super::torture::messages;
use crate::sip::endpoint::{Endpoint, Event, ExtraHeaders, Output, Settings};
use crate::sip::flow::Transport;

const ROUNDS: usize = 15_000;
const TRANSACTIONS_MAX: usize = 200;
const CALLS_MAX: usize = 50;

/// Pieces that matter to the endpoint, written over what is there.
const PIECES: [&str; 14] = [
    "INVITE",
    "BYE",
    "CANCEL",
    "ACK",
    "UPDATE",
    ";tag=",
    "z9hG4bK",
    "CSeq: 4294967295 ",
    "\r\n",
    "Via: SIP/2.0/UDP a\r\n",
    "Contact: *\r\n",
    "Record-Route: <sip:a>,<sip:b;lr>\r\n",
    "\0",
    "<>,;",
];

fn mutate(rng: &mut ChaCha12Rng, message: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=rng.next_u32() % 4 {
        let at = rng.next_u32() as usize % message.len().max(1);
        match rng.next_u32() % 5 {
            0 => {
                if let Some(byte) = message.get_mut(at) {
                    *byte = rng.next_u32() as u8;
                }
            }
            1 => {
                let end = (at + rng.next_u32() as usize % 20).min(message.len());
                message.drain(at.min(end)..end);
            }
            2 => {
                let piece = PIECES[rng.next_u32() as usize % PIECES.len()];
                message.splice(at.min(message.len())..at.min(message.len()), piece.bytes());
            }
            3 => {
                let from = rng.next_u32() as usize % other.len().max(1);
                message.truncate(at);
                message.extend(&other[from.min(other.len())..]);
            }
            _ => {
                let end = (at + 30).min(message.len());
                let copy = message[at.min(end)..end].to_vec();
                message.extend(copy);
            }
        }
    }
}

#[test]
fn mutated_messages_neither_panic_nor_grow_without_bound() {
    let mut rng = ChaCha12Rng::seed_from_u64(99);
    let settings = Settings {
        calls_max: CALLS_MAX,
        transactions_max: TRANSACTIONS_MAX,
        ..Settings::default()
    };
    let mut endpoint = Endpoint::new(settings, [3; 32]);
    let mut now = Instant::now();
    let mut corpus: Vec<Vec<u8>> = messages().into_iter().map(|(_, text)| text).collect();
    let kept = corpus.len();
    for round in 0..ROUNDS {
        let at = rng.next_u32() as usize % corpus.len();
        let other = corpus[rng.next_u32() as usize % corpus.len()].clone();
        let mut message = corpus[at].clone();
        mutate(&mut rng, &mut message, &other);
        now += Duration::from_millis(u64::from(rng.next_u32() % 200));
        let transport = if round % 2 == 0 {
            Transport::Udp
        } else {
            Transport::Tcp
        };
        let way = flow(transport, u64::from(rng.next_u32() % 3));
        endpoint.handle_timeout(now);
        if round % 100 == 99 {
            endpoint.handle_flow_closed(now, way.id);
        } else {
            endpoint.handle_message(now, way, Bytes::from(message));
        }
        let mut outputs = 0;
        while let Some(output) = endpoint.poll_output() {
            outputs += 1;
            match output {
                // What we say ourselves is material for the next mutations: it has our tags and
                // branches.
                Output::Send { bytes, .. } => match corpus.len() < kept + 40 {
                    true => corpus.push(bytes.to_vec()),
                    false => corpus[kept + rng.next_u32() as usize % 40] = bytes.to_vec(),
                },
                Output::Event(Event::Invite { call, .. }) => {
                    let done = match rng.next_u32() % 3 {
                        0 => endpoint.accept(now, call, ExtraHeaders::new(), None),
                        1 => endpoint.reject(now, call, 486, None, ExtraHeaders::new()),
                        _ => endpoint.provisional(now, call, 180, ExtraHeaders::new(), None),
                    };
                    assert!(done.is_ok(), "{done:?}");
                }
                Output::Event(_) => {}
            }
        }
        assert!(
            outputs <= 3 * (TRANSACTIONS_MAX + CALLS_MAX),
            "{outputs} outputs in round {round}"
        );
        assert!(endpoint.transactions() <= TRANSACTIONS_MAX);
        assert!(endpoint.calls() <= CALLS_MAX);
        assert!(endpoint.dialogs() <= CALLS_MAX);
    }
    assert!(
        endpoint.counters().calls_in > 20,
        "{:?}",
        endpoint.counters()
    );
    assert!(
        endpoint.counters().garbage > 100,
        "{:?}",
        endpoint.counters()
    );
}
