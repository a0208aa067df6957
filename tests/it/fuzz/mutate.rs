//! Makes inputs out of those of a corpus: some changes at once, to bytes, words, numbers, lines
//! and lengths, and the head of one input before the tail of another.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// Bytes of numbers at which something often happens.
const EDGES: [&[u8]; 8] = [
    &[0],
    &[0xff],
    &[0x7f],
    &[0x80],
    &[0xff, 0xff],
    &[0, 0, 0, 0],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff],
];
/// Numbers in text at which something often happens.
const NUMBERS: [&str; 8] = [
    "0",
    "-1",
    "255",
    "65536",
    "4294967295",
    "4294967296",
    "18446744073709551616",
    "1e308",
];
/// Most changes of one input after the first.
const CHANGES_MORE_MAX: u32 = 7;

/// The source of inputs; the same seed gives the same ones.
pub struct Mutator<'c> {
    random: ChaCha8Rng,
    corpus: &'c [&'c [u8]],
    tokens: &'c [Vec<u8>],
    bytes_max: usize,
}

impl<'c> Mutator<'c> {
    /// Of a corpus with at least one input.
    pub fn new(
        seed: u64,
        corpus: &'c [&'c [u8]],
        tokens: &'c [Vec<u8>],
        bytes_max: usize,
    ) -> Mutator<'c> {
        Mutator {
            random: ChaCha8Rng::seed_from_u64(seed),
            corpus,
            tokens,
            bytes_max,
        }
    }

    /// The next input, at most as long as was said.
    pub fn next(&mut self) -> Vec<u8> {
        let mut input = self.other().to_vec();
        // Half of the inputs are changed once, half of the others twice, and so on: what is changed
        // often is refused by the first thing that reads it.
        let more = self.random.next_u32().trailing_ones();
        for _ in 0..=more.min(CHANGES_MORE_MAX) {
            self.change(&mut input);
        }
        input.truncate(self.bytes_max);
        input
    }

    fn other(&mut self) -> &'c [u8] {
        self.corpus[self.below(self.corpus.len())]
    }

    /// A number below `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        (self.random.next_u64() % end.max(1) as u64) as usize
    }

    /// A part of an input, more often a short one than a long one.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let longest = 1 << self.below(11);
        let end = (start + 1 + self.below(longest)).min(length);
        start..end.max(start)
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let range = self.range(input.len());
        let at = range.start;
        match self.below(10) {
            0 => {
                let bit = 1 << self.below(8);
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= bit;
                }
            }
            1 => {
                let new = self.random.next_u32() as u8;
                if let Some(byte) = input.get_mut(at) {
                    *byte = new;
                }
            }
            2 => drop(input.drain(range)),
            3 => input.truncate(at),
            4 | 5 => {
                let new = self.word();
                // In place of what is there, or between.
                let end = match self.below(2) {
                    0 => at,
                    _ => (at + new.len()).min(input.len()),
                };
                input.splice(at..end, new);
            }
            6 => {
                let times = 1 + self.below(4) * self.below(8);
                let copy = input[range].repeat(times);
                let to = self.below(input.len() + 1);
                input.splice(to..to, copy);
            }
            7 => {
                let other = self.other();
                let from = self.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            8 => {
                let other = self.other();
                let part = other[self.range(other.len())].to_vec();
                input.splice(at..at, part);
            }
            _ => self.move_line(input),
        }
    }

    /// Takes a line out, and puts it elsewhere or twice.
    fn move_line(&mut self, input: &mut Vec<u8>) {
        let mut lines: Vec<Vec<u8>> = input
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect();
        let from = self.below(lines.len());
        let Some(line) = lines.get(from).cloned() else {
            return;
        };
        if self.below(2) == 0 {
            lines.remove(from);
        }
        let to = self.below(lines.len() + 1);
        lines.insert(to, line);
        *input = lines.concat();
    }

    fn word(&mut self) -> Vec<u8> {
        match self.below(4) {
            0 => EDGES[self.below(EDGES.len())].to_vec(),
            1 => NUMBERS[self.below(NUMBERS.len())].as_bytes().to_vec(),
            _ if self.tokens.is_empty() => vec![self.random.next_u32() as u8],
            _ => self.tokens[self.below(self.tokens.len())].clone(),
        }
    }
}
