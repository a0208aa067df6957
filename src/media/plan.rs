//! Turns what the graph resolved into the lists that a tick runs over. Made anew when the graph has
//! changed, before the next tick and never during one; a bus that stays keeps its encoders.

use std::collections::BTreeMap;

use super::command::RecordSource;
use super::graph::{BusKey, BusPlan, Kind, Node, SLOTS};
use super::mixer::{Bus, Members};
use super::rtp_leg::{Seat, Tap};
use super::units::Units;
use super::watch::Member;
use crate::audio::Rate;

/// What one slot of the tick serves.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Legs with a stream.
    pub(super) legs: Vec<Node>,
    pub(super) players: Vec<Node>,
    pub(super) recorders: Vec<Node>,
    /// Where talk is watched.
    pub(super) watches: Vec<Node>,
    /// Places in [`Units::buses`].
    pub(super) buses: Vec<u32>,
}

/// Makes the lists of all slots.
pub(super) fn make(units: &mut Units) -> [Slot; SLOTS] {
    units.graph.assign_slots();
    let mut slots: [Slot; SLOTS] = Default::default();
    seat_units(units, &mut slots);
    let mut old: BTreeMap<BusKey, Bus> = units
        .buses
        .drain(..)
        .map(|bus| (bus.key().to_vec(), bus))
        .collect();
    for plan in units.graph.resolve() {
        for plan in split(units, plan) {
            let Some(first) = plan.sinks.first() else {
                continue;
            };
            let slot = units.graph.slot(*first).unwrap_or(0);
            let mut bus = old.remove(&plan.key).unwrap_or_else(|| Bus::new(&plan));
            let place = units.buses.len() as u32;
            let (members, source_rate) = members(units, &plan);
            let rate = seat_sinks(units, &plan, place, source_rate);
            bus.set_members(members, rate);
            units.buses.push(bus);
            if let Some(slot) = slots.get_mut(usize::from(slot)) {
                slot.buses.push(place);
            }
        }
    }
    tap_legs(units);
    watch_legs(units, &mut slots);
    slots
}

/// Gives each unit its place in the lists; nobody hears anybody yet.
fn seat_units(units: &mut Units, slots: &mut [Slot; SLOTS]) {
    let graph = &units.graph;
    let slot_of = |node| usize::from(graph.slot(node).unwrap_or(0));
    for (node, leg) in units.legs.iter_mut() {
        leg.seat = Seat {
            muted: graph.muted(node),
            ..Seat::default()
        };
        if leg.stream.is_some()
            && let Some(slot) = slots.get_mut(slot_of(node))
        {
            slot.legs.push(node);
        }
    }
    for (node, _) in units.players.iter_mut() {
        if let Some(slot) = slots.get_mut(slot_of(node)) {
            slot.players.push(node);
        }
    }
    for (node, recorder) in units.recorders.iter_mut() {
        recorder.buses = [None; 2];
        if let Some(slot) = slots.get_mut(slot_of(node)) {
            slot.recorders.push(node);
        }
    }
}

/// Leaves out the sinks that take nothing, and gives each recorder a bus of its own, whose rate is
/// not that of the legs.
fn split(units: &Units, plan: BusPlan) -> Vec<BusPlan> {
    let BusPlan {
        key,
        sources,
        sinks,
        heard,
    } = plan;
    let (legs, recorders): (Vec<Node>, Vec<Node>) = sinks
        .into_iter()
        .partition(|sink| units.graph.kind(*sink) == Some(Kind::Leg));
    let mut plans = Vec::new();
    for recorder in recorders {
        let running = units
            .recorders
            .get(recorder)
            .is_some_and(|recorder| !recorder.paused);
        if let Some(unit) = units.graph.unit(recorder).filter(|_| running) {
            let key = key.iter().copied().chain([(unit, 0)]).collect();
            plans.push(BusPlan {
                key,
                sources: sources.clone(),
                sinks: vec![recorder],
                heard,
            });
        }
    }
    let sinks: Vec<Node> = legs
        .into_iter()
        .filter(|sink| units.legs.get(*sink).is_some_and(|leg| leg.sends()))
        .collect();
    if !sinks.is_empty() {
        plans.push(BusPlan {
            key,
            sources,
            sinks,
            heard,
        });
    }
    plans
}

/// The sources by kind, and the highest rate of the legs among them.
fn members(units: &mut Units, plan: &BusPlan) -> (Members, Rate) {
    let mut members = Members::default();
    let mut rate = Rate::Hz8000;
    for source in &plan.sources {
        match units.graph.kind(source.node) {
            Some(Kind::Leg) => {
                let Some(leg) = units.legs.get_mut(source.node) else {
                    continue;
                };
                rate = rate.max(leg.rate().unwrap_or(Rate::Hz8000));
                leg.seat.heard |= plan.sinks.len() > 1 || plan.sinks.first() != Some(&source.node);
                members.legs.push(*source);
            }
            Some(Kind::Mixer | Kind::Player) => members.players.push(*source),
            Some(Kind::Wire { .. }) => members.announcers.push(*source),
            Some(Kind::Recorder { .. }) | None => {}
        }
    }
    (members, rate)
}

/// Tells the sinks their bus; the highest rate that one of them needs.
fn seat_sinks(units: &mut Units, plan: &BusPlan, place: u32, source_rate: Rate) -> Rate {
    let mut rate = Rate::Hz8000;
    for sink in &plan.sinks {
        if let Some(leg) = units.legs.get_mut(*sink) {
            leg.seat.bus = Some(place);
            let own = plan
                .sources
                .binary_search_by_key(sink, |source| source.node);
            leg.seat.in_bus = own.ok().and_then(|at| Some(plan.sources.get(at)?.gain));
            rate = rate.max(leg.rate().unwrap_or(Rate::Hz8000));
        } else if let Some(recorder) = units.recorders.get_mut(*sink) {
            recorder.buses[usize::from(plan.heard)] = Some(place);
            rate = rate.max(recorder.rate(source_rate));
        }
    }
    rate
}

/// Taps the legs that are recorded, and only those.
fn tap_legs(units: &mut Units) {
    let graph = &units.graph;
    let mut tapped: Vec<Node> = units
        .recorders
        .iter_mut()
        .filter(|(_, recorder)| !recorder.paused)
        .filter_map(|(_, recorder)| match recorder.source {
            RecordSource::Leg(leg) => graph.node(leg),
            RecordSource::Connected => None,
        })
        .collect();
    tapped.sort_unstable();
    for (node, leg) in units.legs.iter_mut() {
        if tapped.binary_search(&node).is_err() {
            leg.tap = None;
        } else if leg.tap.is_none() {
            leg.tap = Some(Box::new(Tap::default()));
        }
    }
}

/// Says whose levels are watched: of a wire the legs behind it, of a mixer who is sent to it.
fn watch_legs(units: &mut Units, slots: &mut [Slot; SLOTS]) {
    let graph = &units.graph;
    for (node, watch) in units.watches.iter_mut() {
        let member = |of: Node, muted| {
            let legs = graph.talkers(of, muted);
            graph.unit(of).map(|unit| Member { unit, legs })
        };
        watch.members = match graph.kind(node) {
            Some(Kind::Mixer) => {
                let speaks =
                    |of: &&Node| matches!(graph.kind(**of), Some(Kind::Leg | Kind::Wire { .. }));
                let inputs = graph.inputs(node).iter().filter(speaks);
                inputs.filter_map(|of| member(*of, false)).collect()
            }
            Some(Kind::Wire { .. }) => member(node, true).into_iter().collect(),
            Some(Kind::Leg | Kind::Player | Kind::Recorder { .. }) | None => Vec::new(),
        };
        for leg in watch.members.iter().flat_map(|member| &member.legs) {
            if let Some(leg) = units.legs.get_mut(*leg) {
                leg.seat.heard = true;
            }
        }
        let slot = usize::from(graph.slot(node).unwrap_or(0));
        if let Some(slot) = slots.get_mut(slot) {
            slot.watches.push(node);
        }
    }
}
