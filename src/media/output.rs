//! What a core is made with, what it leaves for the shell, and its counters.

use std::collections::VecDeque;
use std::time::Duration;

use super::command::Event;
use super::webrtc::Identity;
use crate::audio::Rate;
use crate::id::UnitId;

/// Outputs that may wait; the shell takes them after each call. The newest are dropped and counted.
const OUTPUTS_MAX: usize = 262_144;
/// What a core is made with.
#[derive(Clone, Debug)]
pub struct MediaSettings {
    /// Silence of the network after which [`Event::MediaTimeout`] is reported, while a leg sends
    /// and receives.
    pub timeout: Duration,
    /// Change of what a leg hears beside its prompt, in dB: negative.
    pub ducking_db: f32,
    /// Legs of this core; one more is refused by [`Event::LegFailed`].
    pub legs_max: usize,
    /// Time since 1970 at the instant that [`new`](super::Core::new) is given, for sender reports.
    pub unix_time: Duration,
    /// Our certificate for WebRTC, one per process; without it there are no such legs.
    pub identity: Option<Identity>,
}

impl Default for MediaSettings {
    fn default() -> Self {
        MediaSettings {
            timeout: Duration::from_secs(30),
            ducking_db: -12.0,
            legs_max: 8192,
            unix_time: Duration::ZERO,
            identity: None,
        }
    }
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Bind the sockets of a leg; answered by [`handle_bound`](super::Core::handle_bound).
    Bind {
        /// The leg.
        unit: UnitId,
        /// It is the socket of all WebRTC legs, whose address is asked for.
        shared: bool,
    },
    /// Close the sockets of a leg, whether they are bound or not, after what
    /// [`drain_packets`](super::Core::drain_packets) gives has been sent: the last packet is a
    /// goodbye.
    Unbind {
        /// The leg.
        unit: UnitId,
    },
    /// A fact for the engine.
    Event(Event),
    /// 20 ms of a recording.
    Record {
        /// The recorder.
        unit: UnitId,
        /// Rate of the samples: the same for all of one recorder.
        rate: Rate,
        /// Samples, those of two channels in turns (left, right).
        samples: Vec<i16>,
        /// 1 or 2.
        channels: u8,
    },
    /// A recording is over.
    RecordEnd {
        /// The recorder.
        unit: UnitId,
    },
}

/// Totals of a core since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Ticks of a slot that had work.
    pub ticks: u64,
    /// Those that were late by a period or more.
    pub late_ticks: u64,
    /// Periods of 20 ms that were not made up for.
    pub skipped_periods: u64,
    /// Datagrams taken.
    pub packets_in: u64,
    /// RTP packets sent.
    pub packets_out: u64,
    /// Datagrams refused.
    pub refused: u64,
    /// Frames of legs that were decoded or concealed.
    pub decoded: u64,
    /// Sums that had an active source.
    pub mixes: u64,
    /// Frames encoded.
    pub encodes: u64,
    /// Packets whose payload had been encoded for another leg.
    pub shared: u64,
    /// Plans made of a changed graph.
    pub plans: u64,
    /// Commands that could not be carried out.
    pub refused_commands: u64,
    /// Packets and outputs that the shell did not take in time.
    pub dropped: u64,
}

impl Counters {
    /// Name, meaning and value of the counters that say how the worker fares.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        [
            ("media_packets_in", "Datagrams taken.", self.packets_in),
            ("media_packets_out", "RTP packets sent.", self.packets_out),
            ("media_refused", "Datagrams refused.", self.refused),
            (
                "media_late_ticks",
                "Ticks that were late by a period or more.",
                self.late_ticks,
            ),
            (
                "media_skipped_periods",
                "Periods of 20 ms that were not made up for.",
                self.skipped_periods,
            ),
            (
                "media_refused_commands",
                "Commands that could not be carried out.",
                self.refused_commands,
            ),
            (
                "media_dropped",
                "Packets and outputs that the shell did not take in time.",
                self.dropped,
            ),
        ]
        .into_iter()
    }
}

/// Outputs that wait for the shell.
#[derive(Default)]
pub(super) struct Outputs {
    queue: VecDeque<Output>,
    /// Outputs that did not fit since the start.
    pub(super) dropped: u64,
}

impl Outputs {
    /// Appends an output.
    pub(super) fn push(&mut self, output: Output) {
        if self.queue.len() >= OUTPUTS_MAX {
            self.dropped += 1;
            return;
        }
        self.queue.push_back(output);
    }

    /// Takes the oldest.
    pub(super) fn pop(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }
}
