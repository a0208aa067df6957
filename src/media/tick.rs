//! What one tick works with, and its order: what everyone says, the sums, what everyone is sent,
//! recordings, reports of players. Runs over the lists of one slot, which `plan.rs` has made.

use std::collections::VecDeque;
use std::time::Instant;

use rand_chacha::ChaCha8Rng;

use super::command::{Event, RecordSource};
use super::core::{Counters, MediaSettings, Output};
use super::deliver::deliver;
use super::graph::{Kind, Node};
use super::hear::hear;
use super::outbox::Outbox;
use super::plan::Slot;
use super::playback::Progress;
use super::reports::WallClock;
use super::rtp_leg::SILENCE_DBOV;
use super::sender::Silence;
use super::units::Units;
use crate::audio::Gain;
use crate::id::UnitId;

/// Outputs that may wait; the shell takes them after each call. The newest are dropped and counted.
const OUTPUTS_MAX: usize = 262_144;
/// Ticks for which an end of a wire stays a source after its clip, while what was lowered comes
/// back.
const ANNOUNCER_TICKS: u8 = 3;

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

/// Runs one tick of a slot.
pub(super) fn run(units: &mut Units, slot: &Slot, tick: &mut Tick<'_>) {
    for node in &slot.legs {
        let due = units.claim(*node, tick.period);
        let Some(leg) = units.legs.get_mut(*node) else {
            continue;
        };
        leg.seat.due = due;
        if due {
            hear(leg, tick);
        } else {
            leg.signal.silence();
            leg.level_dbov = SILENCE_DBOV;
        }
    }
    for node in &slot.watches {
        if let (Some(watch), Some(unit)) = (units.watches.get_mut(*node), units.graph.unit(*node)) {
            watch.run(unit, &units.legs, tick);
        }
    }
    for node in &slot.players {
        if units.claim(*node, tick.period)
            && let Some(player) = units.players.get_mut(*node)
        {
            player.advance();
        }
    }
    for bus in &slot.buses {
        if let Some(bus) = units.buses.get_mut(*bus as usize) {
            bus.mix(
                &mut units.legs,
                &mut units.players,
                tick.ducking,
                tick.counters,
            );
        }
    }
    for node in &slot.legs {
        let Some(leg) = units.legs.get_mut(*node).filter(|leg| leg.seat.due) else {
            continue;
        };
        let bus = leg
            .seat
            .bus
            .and_then(|bus| units.buses.get_mut(bus as usize));
        deliver(leg, bus, tick);
    }
    for node in &slot.recorders {
        record(units, *node, tick);
    }
    for bus in &slot.buses {
        if let Some(bus) = units.buses.get_mut(*bus as usize) {
            bus.settle();
        }
    }
    for node in &slot.players {
        report(units, *node, tick);
    }
}

fn record(units: &mut Units, node: Node, tick: &mut Tick<'_>) {
    let due = units.claim(node, tick.period);
    let Some(recorder) = units.recorders.get_mut(node).filter(|r| due && !r.paused) else {
        return;
    };
    let scratch = &mut tick.scratch.sum;
    let (unit, source) = (recorder.unit, recorder.source);
    let [said, heard] = recorder.buses;
    let tapped = match source {
        RecordSource::Connected => None,
        RecordSource::Leg(leg) => units.graph.node(leg),
    };
    let is_wire = |node: Node| matches!(units.graph.kind(node), Some(Kind::Wire { .. }));
    let taken = match (source, tapped.filter(|node| !is_wire(*node))) {
        (RecordSource::Leg(_), Some(leg)) => units.legs.get(leg).and_then(|leg| {
            let (rate, tap) = leg.rate().zip(leg.tap.as_deref())?;
            Some(recorder.take_leg(tap, rate, scratch))
        }),
        // The leg has gone.
        (RecordSource::Leg(_), None) if tapped.is_none() => None,
        (RecordSource::Leg(_), None) => {
            let buses = &mut units.buses;
            recorder.hear(0, said.and_then(|bus| buses.get_mut(bus as usize)), scratch);
            recorder.hear(
                1,
                heard.and_then(|bus| buses.get_mut(bus as usize)),
                scratch,
            );
            Some(recorder.take_both(scratch))
        }
        (RecordSource::Connected, _) => {
            let bus = said.and_then(|bus| units.buses.get_mut(bus as usize));
            Some(recorder.take_bus(bus, scratch))
        }
    };
    if let Some((rate, samples)) = taken {
        let channels = recorder.channels();
        tick.outputs.push(Output::Record {
            unit,
            rate,
            samples,
            channels,
        });
    }
}

/// Reports what a player did, and ends the announcement of a wire when it is over.
fn report(units: &mut Units, node: Node, tick: &mut Tick<'_>) {
    let Some(unit) = units.graph.unit(node) else {
        return;
    };
    let Some(player) = units.players.get_mut(node) else {
        return;
    };
    let progress = player.take_progress();
    tick.progress(unit, progress);
    let over = player.idle_ticks >= ANNOUNCER_TICKS && !player.plays();
    if over && matches!(units.graph.kind(node), Some(Kind::Wire { .. })) {
        units.graph.set_sounding(node, false);
        units.players.remove(node);
    }
}
