//! A recorder: 20 ms per tick of what is connected to it, or of one leg, at one rate from its first
//! frame to its last. Samples leave as outputs; files are the shell's.

use super::command::RecordSource;
use super::mixer::Bus;
use super::rtp_leg::Tap;
use super::signal::Signal;
use crate::audio::{Rate, mix};
use crate::id::UnitId;

/// The least rate of a recording, so that one that begins with a telephone is good enough for who
/// joins later.
const RATE_MIN: Rate = Rate::Hz16000;

/// What a recorder has.
pub(super) struct Recorder {
    pub(super) unit: UnitId,
    pub(super) source: RecordSource,
    /// Left is what a leg says, or the sum of what is connected; right is what the leg hears.
    left: Signal,
    right: Signal,
    stereo: bool,
    rate: Option<Rate>,
    /// Nothing is taken.
    pub(super) paused: bool,
    /// The bus that it hears, by its place; of an end of a wire what that says, and what it hears.
    pub(super) buses: [Option<u32>; 2],
}

impl Recorder {
    /// A recorder that has begun.
    pub(super) fn new(unit: UnitId, source: RecordSource, stereo: bool) -> Recorder {
        Recorder {
            unit,
            source,
            left: Signal::new(RATE_MIN),
            right: Signal::new(RATE_MIN),
            stereo,
            rate: None,
            paused: false,
            buses: [None; 2],
        }
    }

    /// The rate of its samples: fixed from the first frame on, when `needed` is the highest of its
    /// sources.
    pub(super) fn rate(&self, needed: Rate) -> Rate {
        self.rate.unwrap_or(needed.max(RATE_MIN))
    }

    /// 1, or 2 when it was made stereo.
    pub(super) fn channels(&self) -> u8 {
        if self.stereo { 2 } else { 1 }
    }

    /// Takes the sum of a bus; silence without one.
    pub(super) fn take_bus(
        &mut self,
        bus: Option<&mut Bus>,
        scratch: &mut Vec<i32>,
    ) -> (Rate, Vec<i16>) {
        self.hear(0, bus, scratch);
        let rate = self.rate(RATE_MIN);
        let channels = usize::from(self.channels());
        let frame = self.left.at(rate);
        let mut samples = Vec::with_capacity(frame.len() * channels);
        for sample in frame {
            samples.push(*sample);
            if self.stereo {
                samples.push(*sample);
            }
        }
        (rate, samples)
    }

    /// Takes both sides of a leg whose codec has `leg_rate`.
    pub(super) fn take_leg(
        &mut self,
        tap: &Tap,
        leg_rate: Rate,
        scratch: &mut Vec<i32>,
    ) -> (Rate, Vec<i16>) {
        for (signal, samples) in [(&mut self.left, &tap.said), (&mut self.right, &tap.heard)] {
            signal.set_rate(leg_rate);
            signal.put(|out| out.extend_from_slice(samples));
        }
        self.rate = Some(self.rate(leg_rate));
        self.take_both(scratch)
    }

    /// Hears on one side, 0 left and 1 right, the sum of a bus; silence without one.
    pub(super) fn hear(&mut self, side: usize, bus: Option<&mut Bus>, scratch: &mut Vec<i32>) {
        let rate = self.rate(bus.as_ref().map_or(RATE_MIN, |bus| bus.rate()));
        self.rate.get_or_insert(rate);
        let signal = match side {
            0 => &mut self.left,
            _ => &mut self.right,
        };
        match bus {
            Some(bus) => {
                signal.set_rate(bus.rate());
                signal.put(|out| out.extend_from_slice(bus.pcm(scratch)));
            }
            None => {
                signal.put(|_| ());
            }
        }
    }

    /// Takes both sides: beside each other, or their sum.
    pub(super) fn take_both(&mut self, scratch: &mut Vec<i32>) -> (Rate, Vec<i16>) {
        let rate = self.rate(RATE_MIN);
        let channels = usize::from(self.channels());
        let (said, heard) = (self.left.at(rate), self.right.at(rate));
        let mut samples = Vec::with_capacity(said.len() * channels);
        if self.stereo {
            samples.extend(
                said.iter()
                    .zip(heard)
                    .flat_map(|(said, heard)| [*said, *heard]),
            );
        } else {
            scratch.clear();
            scratch.extend(said.iter().map(|sample| i32::from(*sample)));
            mix::add(scratch, heard);
            mix::clip(scratch, &mut samples);
        }
        (rate, samples)
    }
}
