//! The random numbers of a session: a seed and how many were drawn, so that a session written down
//! and restored goes on with the numbers that it would have drawn.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// Words of the stream that one draw takes.
const WORDS_PER_DRAW: u128 = 2;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Random {
    seed: u64,
    drawn: u64,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random { seed, drawn: 0 }
    }

    /// The next 64 bits.
    pub(super) fn draw(&mut self) -> u64 {
        let mut stream = ChaCha8Rng::seed_from_u64(self.seed);
        stream.set_word_pos(u128::from(self.drawn) * WORDS_PER_DRAW);
        self.drawn += 1;
        stream.next_u64()
    }

    /// A number from `low` to `high`, both included; the two may be given in either order.
    pub(super) fn between(&mut self, a: i64, b: i64) -> i64 {
        let (low, high) = (a.min(b), a.max(b));
        let span = u128::from(high.abs_diff(low)) + 1;
        let offset = (u128::from(self.draw()) * span) >> 64;
        low.wrapping_add_unsigned(u64::try_from(offset).unwrap_or(u64::MAX))
    }

    /// A version 4 UUID (RFC 9562 §5.4).
    pub(super) fn uuid(&mut self) -> String {
        let (a, b) = (self.draw(), self.draw());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            0x8000 | ((b >> 48) & 0x3fff),
            b & 0xffff_ffff_ffff,
        )
    }
}
