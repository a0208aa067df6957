//! The order of one tick: what everyone says, the sums, what everyone is sent, recordings, reports
//! of players. Runs over the lists of one slot, which `plan.rs` has made.

use super::command::RecordSource;
use super::decode::decode;
use super::encode::encode;
use super::graph::{Kind, Node};
use super::output::Output;
use super::plan::Slot;
use super::rtp_leg::SILENCE_DBOV;
use super::tick::Tick;
use super::units::Units;

/// Ticks for which an end of a wire stays a source after its clip, while what was lowered comes
/// back.
const ANNOUNCER_TICKS: u8 = 3;

/// Runs one tick of a slot.
pub(super) fn run(units: &mut Units, slot: &Slot, tick: &mut Tick<'_>) {
    for node in &slot.legs {
        let due = units.claim(*node, tick.period);
        let Some(leg) = units.legs.get_mut(*node) else {
            continue;
        };
        leg.seat.due = due;
        if due {
            decode(leg, tick);
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
        encode(leg, bus, tick);
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
