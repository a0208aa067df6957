//! What one tick works with beside the units.

use std::time::Instant;

use rand_chacha::ChaCha8Rng;

use super::command::Event;
use super::outbox::Outbox;
use super::output::{Counters, MediaSettings, Output, Outputs};
use super::playback::Progress;
use super::reports::WallClock;
use super::sender::Silence;
use crate::audio::Gain;
use crate::id::UnitId;

/// Buffers that are used again in every tick.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) sum: Vec<i32>,
    pub(super) pcm: Vec<i16>,
    pub(super) converted: Vec<i16>,
    pub(super) mixed: Vec<i16>,
    pub(super) payload: Vec<u8>,
    pub(super) tone: Vec<i16>,
}

/// Everything that a tick needs beside the units.
pub(super) struct Tick<'a> {
    pub(super) now: Instant,
    pub(super) period: u64,
    pub(super) settings: &'a MediaSettings,
    pub(super) ducking: Gain,
    pub(super) wall: WallClock,
    pub(super) cname: &'a str,
    pub(super) random: &'a mut ChaCha8Rng,
    pub(super) outbox: &'a mut Outbox,
    pub(super) outputs: &'a mut Outputs,
    pub(super) counters: &'a mut Counters,
    pub(super) silence: &'a mut Silence,
    pub(super) scratch: &'a mut Scratch,
}

impl Tick<'_> {
    /// Reports a fact.
    pub(super) fn event(&mut self, event: Event) {
        self.outputs.push(Output::Event(event));
    }

    /// Reports the start and the end of a clip.
    pub(super) fn progress(&mut self, unit: UnitId, progress: Progress) {
        if let Some(playback) = progress.started {
            self.event(Event::PlaybackStarted { unit, playback });
        }
        if let Some(playback) = progress.finished {
            self.event(Event::PlaybackFinished { unit, playback });
        }
    }
}
