//! The media core of one worker: commands and packets in, packets, events and recordings out. It
//! owns the units and the clock; the tick itself is in `pipeline.rs`. No sockets: the shell binds,
//! sends and writes files.
//!
//! **Invariant**: legs that are connected, through whatever, tick together; between the ticks
//! nothing is mixed.

use std::net::SocketAddr;
use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

use super::clock::Clock;
use super::command::{Command, Event};
use super::graph::{Kind, Node, SLOTS};
use super::outbox::{Channel, Outbox};
use super::output::{Counters, MediaSettings, Output, Outputs};
use super::pipeline;
use super::plan::{self, Slot};
use super::playback::Player;
use super::reports::WallClock;
use super::rtp_leg::Transport;
use super::sender::Silence;
use super::tick::{Scratch, Tick};
use super::units::Units;
use super::webrtc::demux::Shared;
use crate::audio::Gain;
use crate::id::UnitId;

/// The machine for samples of one worker.
pub struct Core {
    pub(super) settings: MediaSettings,
    pub(super) ducking: Gain,
    pub(super) wall: WallClock,
    pub(super) cname: String,
    pub(super) random: ChaCha8Rng,
    pub(super) clock: Clock,
    pub(super) units: Units,
    pub(super) shared: Shared,
    /// Legs, and those with a stream.
    pub(super) legs: usize,
    pub(super) streams: usize,
    pub(super) slots: [Slot; SLOTS],
    pub(super) work: [bool; SLOTS],
    /// The plan is older than the graph.
    pub(super) changed: bool,
    pub(super) outbox: Outbox,
    pub(super) outputs: Outputs,
    pub(super) counters: Counters,
    pub(super) silence: Silence,
    pub(super) scratch: Scratch,
}

impl Core {
    /// A core without units. `now` is the origin of its ticks; `seed` gives SSRCs and intervals.
    pub fn new(settings: MediaSettings, now: Instant, seed: [u8; 32]) -> Core {
        let mut random = ChaCha8Rng::from_seed(seed);
        Core {
            ducking: Gain::from_db(settings.ducking_db.min(0.0)),
            wall: WallClock {
                origin: now,
                unix: settings.unix_time,
            },
            // RFC 7022 §4.2: a CNAME of 96 random bits names no person and no machine.
            cname: format!(
                "{:016x}{:08x}@talkpath",
                random.next_u64(),
                random.next_u32()
            ),
            random,
            clock: Clock::new(now),
            units: Units::default(),
            shared: Shared::default(),
            legs: 0,
            streams: 0,
            slots: Default::default(),
            work: [false; SLOTS],
            changed: false,
            outbox: Outbox::default(),
            outputs: Outputs::default(),
            counters: Counters::default(),
            silence: Silence::default(),
            scratch: Scratch::default(),
            settings,
        }
    }

    /// Carries out a command, or answers with [`Event::Refused`].
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        let (unit, what) = command.about();
        let opens = matches!(command, Command::OpenLeg { .. });
        let done = self.execute(now, command);
        if let Err(error) = done {
            self.counters.refused_commands += 1;
            tracing::debug!(%unit, what, %error, "Media command refused");
            let error = error.to_string();
            self.outputs.push(Output::Event(if opens {
                Event::LegFailed { unit, error }
            } else {
                let what = what.into();
                Event::Refused { unit, what, error }
            }));
        }
        self.changed |= self.units.graph.take_dirty();
        if !self.changed {
            (0..SLOTS).for_each(|slot| self.refresh_work(slot));
        }
        self.wake(now);
    }

    /// Takes a datagram of a leg.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        unit: UnitId,
        channel: Channel,
        from: SocketAddr,
        bytes: &[u8],
    ) {
        let wall = self.wall;
        let leg = self
            .units
            .graph
            .node(unit)
            .and_then(|node| self.units.legs.get_mut(node));
        let leg = leg.filter(|leg| matches!(leg.transport, Transport::Plain { .. }));
        let taken = leg.is_some_and(|leg| match channel {
            Channel::Rtp => leg.handle_packet(now, from, bytes, wall),
            Channel::Rtcp => leg.handle_rtcp_socket(now, from, bytes, wall),
            Channel::Shared => false,
        });
        self.count_packet(taken);
    }

    pub(super) fn count_packet(&mut self, taken: bool) {
        if taken {
            self.counters.packets_in += 1;
        } else {
            self.counters.refused += 1;
        }
    }

    /// Tells the outcome of [`Output::Bind`]: the addresses of the RTP and the RTCP socket, or why
    /// there are none.
    pub fn handle_bound(
        &mut self,
        _now: Instant,
        unit: UnitId,
        bound: Result<(SocketAddr, SocketAddr), String>,
    ) {
        let node = self.units.graph.node(unit);
        let leg = node.and_then(|node| self.units.legs.get(node));
        let event = match (bound, leg) {
            (Ok((rtp, rtcp)), Some(leg)) => Event::LegReady {
                unit,
                rtp,
                rtcp,
                webrtc: self.webrtc_ready(leg),
            },
            // The leg was closed in the meantime.
            (Ok(_), None) => return self.outputs.push(Output::Unbind { unit }),
            (Err(_), None) => return,
            (Err(error), Some(_)) => Event::LegFailed { unit, error },
        };
        self.outputs.push(Output::Event(event));
    }

    /// Runs the ticks that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.counters.skipped_periods += self.clock.skip_old(now);
        while let Some(due) = self.clock.poll(now) {
            if std::mem::take(&mut self.changed) {
                self.slots = plan::make(&mut self.units);
                self.units.graph.take_dirty();
                self.counters.plans += 1;
                (0..SLOTS).for_each(|slot| self.refresh_work(slot));
            }
            if self.work.get(due.slot) != Some(&true) {
                continue;
            }
            self.counters.ticks += 1;
            self.counters.late_ticks += u64::from(due.late);
            let (units, slots, mut tick) = self.tick_of(now, due.period);
            if let Some(slot) = slots.get(due.slot) {
                pipeline::run(units, slot, &mut tick);
            }
            self.changed |= self.units.graph.take_dirty();
            self.refresh_work(due.slot);
        }
        if !self.changed && !self.work.contains(&true) {
            self.clock.stop();
        }
    }

    /// When [`Core::handle_timeout`] wants to be called; nothing while there is nothing to send.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let work = if self.changed {
            [true; SLOTS]
        } else {
            self.work
        };
        self.clock.due_at(work)
    }

    /// The next thing for the shell to do; nothing when all has been said.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop()
    }

    /// Hands over the packets to send, in order. To be called after each `handle_`.
    pub fn drain_packets(&mut self, send: impl FnMut(UnitId, Channel, SocketAddr, &[u8])) {
        self.outbox.drain(send);
    }

    /// What is left in each table, without those that are empty: nothing when every unit has been
    /// closed.
    pub fn leftovers(&self) -> Vec<(&'static str, usize)> {
        let mut left = vec![
            ("media units", self.units.graph.len()),
            ("media legs", self.legs),
            ("streams", self.streams),
            ("legs by node", self.units.legs.len()),
            ("players", self.units.players.len()),
            ("recorders", self.units.recorders.len()),
        ];
        left.extend(self.shared.leftovers());
        left.retain(|(_, count)| *count > 0);
        left
    }

    /// Totals.
    pub fn counters(&self) -> Counters {
        Counters {
            dropped: self.outbox.dropped() + self.outputs.dropped,
            ..self.counters
        }
    }

    /// Who hears whom: for each leg and recorder the legs and players that reach it, and the mixers
    /// and ends of wires on which a clip plays, each list in the order of ids. Those who hear
    /// nobody are left out.
    pub fn hears(&self) -> Vec<(UnitId, Vec<UnitId>)> {
        let graph = &self.units.graph;
        let mut heard = Vec::new();
        for bus in graph.resolve() {
            let sounds = |node: &Node| {
                graph.kind(*node) == Some(Kind::Leg)
                    || self
                        .units
                        .players
                        .get(*node)
                        .is_some_and(|player| player.runs())
            };
            let sources = bus.sources.iter().map(|source| source.node);
            let sources: Vec<Node> = sources.filter(sounds).collect();
            for sink in &bus.sinks {
                let others = sources.iter().filter(|source| *source != sink);
                let mut others: Vec<UnitId> =
                    others.filter_map(|source| graph.unit(*source)).collect();
                others.sort_unstable();
                if let Some(listener) = graph.unit(*sink).filter(|_| !others.is_empty()) {
                    heard.push((listener, others));
                }
            }
        }
        heard.sort_unstable();
        heard
    }

    /// Lets the clock go or stand, after a change from outside.
    fn wake(&mut self, now: Instant) {
        let runs = |player: &Player| player.runs();
        if self.streams > 0
            || self
                .units
                .players
                .iter_mut()
                .any(|(_, player)| runs(player))
        {
            self.clock.start(now);
        } else {
            self.clock.stop();
        }
    }

    /// Finds out whether a slot has anything to do.
    fn refresh_work(&mut self, slot: usize) {
        let Some(lists) = self.slots.get(slot) else {
            return;
        };
        let players = &self.units.players;
        let work = !lists.legs.is_empty()
            || lists
                .players
                .iter()
                .any(|node| players.get(*node).is_some_and(Player::runs));
        if let Some(place) = self.work.get_mut(slot) {
            *place = work;
        }
    }

    /// The units, and what a tick needs beside them.
    pub(super) fn tick_of(&mut self, now: Instant, period: u64) -> (&mut Units, &[Slot], Tick<'_>) {
        let tick = Tick {
            now,
            period,
            settings: &self.settings,
            ducking: self.ducking,
            wall: self.wall,
            cname: &self.cname,
            random: &mut self.random,
            outbox: &mut self.outbox,
            outputs: &mut self.outputs,
            counters: &mut self.counters,
            silence: &mut self.silence,
            scratch: &mut self.scratch,
        };
        (&mut self.units, &self.slots, tick)
    }
}
