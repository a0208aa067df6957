//! Who is connected to whom, and what follows from it: which sources each sink hears. Pure: no
//! samples, no time. Owns units, edges and the mute and deaf flags; the tick uses only what
//! [`Graph::resolve`] found.
//!
//! A **source** is a leg, a player, or the clip that plays on a mixer or on an end of a wire. A
//! **sink** is a leg or a recorder. A sink hears the union of the sources that reach it through
//! mixers and wires, each once, never itself. What is sent to one end of a wire comes out of the
//! other, with the gains of both ends; a source that comes by several ways is heard by the
//! shortest. Sinks with the same inputs share one **bus**, so that a conference of N legs is one
//! list of N sources and not N lists.

use std::collections::BTreeMap;

use crate::audio::Gain;
use crate::id::UnitId;

/// Slots of 5 ms that the 20 ms tick is spread over.
pub(super) const SLOTS: usize = 4;
/// Units of one core, wires counted twice; a unit more is refused.
pub(super) const UNITS_MAX: usize = 65_536;
/// Edges into or out of one unit; an edge more is refused.
pub(super) const EDGES_MAX: usize = 16_384;

/// Index of a unit, dense, reused after removal.
pub(super) type Node = u32;

/// What a unit is to the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Leg,
    Mixer,
    Player,
    /// A recorder; the leg that it taps, if it does not take what is connected to it.
    Recorder {
        tap: Option<Node>,
    },
    /// One end of a wire; the other one, until that is removed.
    Wire {
        peer: Option<Node>,
    },
}

/// Why an order was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum GraphError {
    #[error("the unit exists")]
    Exists,
    #[error("no such unit")]
    Unknown,
    #[error("a limit of the media graph is reached")]
    Full,
    #[error("a unit cannot be connected to itself")]
    Itself,
}

/// A mixer or source that reaches a sink.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Input {
    pub(super) node: Node,
    /// Of the wires on the way.
    pub(super) gain: Gain,
}

/// The identity of a bus: what feeds its sinks, each with the bits of its gain.
pub(super) type BusKey = Vec<(UnitId, u32)>;

/// What one group of sinks hears.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BusPlan {
    /// Mixers and sources that feed the sinks, sorted.
    pub(super) key: BusKey,
    /// Sources, sorted. A mixer or a wire end stands for the clip that plays on it.
    pub(super) sources: Vec<Input>,
    /// Legs and recorders, sorted. A leg may be among the sources too.
    pub(super) sinks: Vec<Node>,
    /// What the end of a wire hears that its recorder taps, rather than what it says.
    pub(super) heard: bool,
}

#[derive(Debug)]
struct Unit {
    id: UnitId,
    kind: Kind,
    ins: Vec<Node>,
    outs: Vec<Node>,
    muted: bool,
    deafened: bool,
    /// Of an end of a wire: on what comes from it, and on what goes to it.
    gains: (Gain, Gain),
    /// A clip plays on this end of a wire.
    sounding: bool,
    slot: Option<u8>,
}

/// The units of one core and their edges.
#[derive(Debug, Default)]
pub(super) struct Graph {
    index: BTreeMap<UnitId, Node>,
    units: Vec<Option<Unit>>,
    free: Vec<Node>,
    dirty: bool,
}

/// Marks of one walk through the graph, which goes to the nearest first.
struct Walk {
    seen: Vec<u32>,
    round: u32,
    queue: Vec<Input>,
}

/// How far a walk goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Up to the mixers.
    Mixers,
    /// Through them.
    Sources,
}

impl Walk {
    fn new(length: usize) -> Walk {
        Walk {
            seen: vec![0; length],
            round: 0,
            queue: Vec::new(),
        }
    }

    fn begin(&mut self) {
        self.round += 1;
        self.queue.clear();
    }

    fn first_visit(&mut self, node: Node) -> bool {
        match self.seen.get_mut(node as usize) {
            Some(mark) if *mark != self.round => {
                *mark = self.round;
                true
            }
            Some(_) | None => false,
        }
    }

    fn push_all(&mut self, nodes: &[Node], gain: Gain) {
        let inputs = nodes.iter().map(|node| Input { node: *node, gain });
        self.queue.extend(inputs);
    }
}

impl Graph {
    /// The node of a unit.
    pub(super) fn node(&self, unit: UnitId) -> Option<Node> {
        self.index.get(&unit).copied()
    }

    /// The unit of a node.
    pub(super) fn unit(&self, node: Node) -> Option<UnitId> {
        self.at(node).map(|unit| unit.id)
    }

    /// What the node is.
    pub(super) fn kind(&self, node: Node) -> Option<Kind> {
        self.at(node).map(|unit| unit.kind)
    }

    /// Nobody hears what comes from the node.
    pub(super) fn muted(&self, node: Node) -> bool {
        self.at(node).is_some_and(|unit| unit.muted)
    }

    /// Number of units.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// One more than the largest node.
    pub(super) fn nodes_end(&self) -> usize {
        self.units.len()
    }

    /// The slot of the tick that the node has been given by [`Graph::assign_slots`].
    pub(super) fn slot(&self, node: Node) -> Option<u8> {
        self.at(node).and_then(|unit| unit.slot)
    }

    /// Adds a unit without edges.
    pub(super) fn add(&mut self, unit: UnitId, kind: Kind) -> Result<Node, GraphError> {
        if self.index.contains_key(&unit) {
            return Err(GraphError::Exists);
        }
        if self.index.len() >= UNITS_MAX {
            return Err(GraphError::Full);
        }
        let new = Some(Unit {
            id: unit,
            kind,
            ins: Vec::new(),
            outs: Vec::new(),
            muted: false,
            deafened: false,
            gains: (Gain::UNITY, Gain::UNITY),
            sounding: false,
            slot: None,
        });
        let node = match self.free.pop() {
            Some(node) => node,
            None => {
                self.units.push(None);
                self.units.len() as Node - 1
            }
        };
        if let Some(place) = self.units.get_mut(node as usize) {
            *place = new;
        }
        self.index.insert(unit, node);
        self.dirty = true;
        Ok(node)
    }

    /// Adds both ends of a wire.
    pub(super) fn add_wire(&mut self, a: UnitId, b: UnitId) -> Result<(Node, Node), GraphError> {
        if a == b {
            return Err(GraphError::Itself);
        }
        if self.index.contains_key(&b) {
            return Err(GraphError::Exists);
        }
        if self.index.len() + 2 > UNITS_MAX {
            return Err(GraphError::Full);
        }
        let first = self.add(a, Kind::Wire { peer: None })?;
        let second = self.add(b, Kind::Wire { peer: Some(first) })?;
        if let Some(unit) = self.at_mut(first) {
            unit.kind = Kind::Wire { peer: Some(second) };
        }
        Ok((first, second))
    }

    /// Removes a unit with its edges.
    pub(super) fn remove(&mut self, unit: UnitId) -> Option<(Node, Kind)> {
        let node = self.index.remove(&unit)?;
        let gone = self.units.get_mut(node as usize).and_then(Option::take)?;
        for other in gone.ins {
            if let Some(other) = self.at_mut(other) {
                other.outs.retain(|to| *to != node);
            }
        }
        for other in gone.outs {
            if let Some(other) = self.at_mut(other) {
                other.ins.retain(|from| *from != node);
            }
        }
        if let Kind::Wire { peer: Some(peer) } = gone.kind
            && let Some(peer) = self.at_mut(peer)
        {
            peer.kind = Kind::Wire { peer: None };
        }
        for other in self.units.iter_mut().flatten() {
            if other.kind == (Kind::Recorder { tap: Some(node) }) {
                other.kind = Kind::Recorder { tap: None };
            }
        }
        self.free.push(node);
        self.dirty = true;
        Some((node, gone.kind))
    }

    /// Adds an edge; an edge that exists stays one edge.
    pub(super) fn connect(&mut self, from: UnitId, to: UnitId) -> Result<(), GraphError> {
        let source = self.node(from).ok_or(GraphError::Unknown)?;
        let sink = self.node(to).ok_or(GraphError::Unknown)?;
        if source == sink {
            return Err(GraphError::Itself);
        }
        let outs = self.at(source).map_or(0, |unit| unit.outs.len());
        let ins = self.at(sink).map_or(0, |unit| unit.ins.len());
        let exists = if outs <= ins {
            self.at(source)
                .is_some_and(|unit| unit.outs.contains(&sink))
        } else {
            self.at(sink).is_some_and(|unit| unit.ins.contains(&source))
        };
        if exists {
            return Ok(());
        }
        if outs >= EDGES_MAX || ins >= EDGES_MAX {
            return Err(GraphError::Full);
        }
        if let Some(unit) = self.at_mut(source) {
            unit.outs.push(sink);
        }
        if let Some(unit) = self.at_mut(sink) {
            unit.ins.push(source);
        }
        self.dirty = true;
        Ok(())
    }

    /// Removes an edge, if there is one.
    pub(super) fn disconnect(&mut self, from: UnitId, to: UnitId) {
        let (Some(source), Some(sink)) = (self.node(from), self.node(to)) else {
            return;
        };
        if let Some(unit) = self.at_mut(source) {
            unit.outs.retain(|other| *other != sink);
        }
        if let Some(unit) = self.at_mut(sink) {
            unit.ins.retain(|other| *other != source);
        }
        self.dirty = true;
    }

    /// Sets whether nobody hears the unit, and whether the unit hears nothing but its own clip.
    pub(super) fn silence(&mut self, node: Node, muted: bool, deafened: bool) {
        if let Some(unit) = self.at_mut(node)
            && (unit.muted, unit.deafened) != (muted, deafened)
        {
            (unit.muted, unit.deafened) = (muted, deafened);
            self.dirty = true;
        }
    }

    /// Sets the gains of an end of a wire: on what comes from it, and on what goes to it.
    pub(super) fn set_gain(&mut self, node: Node, input: Gain, output: Gain) {
        if let Some(unit) = self.at_mut(node)
            && unit.gains != (input, output)
        {
            unit.gains = (input, output);
            self.dirty = true;
        }
    }

    /// Sets whether a clip plays on an end of a wire.
    pub(super) fn set_sounding(&mut self, node: Node, sounding: bool) {
        if let Some(unit) = self.at_mut(node)
            && unit.sounding != sounding
        {
            unit.sounding = sounding;
            self.dirty = true;
        }
    }

    /// Something changed since the last call.
    pub(super) fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// Finds the buses. Its cost is the number of units and edges, and of the sources of each bus.
    pub(super) fn resolve(&self) -> Vec<BusPlan> {
        let mut walk = Walk::new(self.units.len());
        let mut closures: BTreeMap<Node, Vec<Input>> = BTreeMap::new();
        let mut found: BTreeMap<BusKey, usize> = BTreeMap::new();
        let mut buses: Vec<BusPlan> = Vec::new();
        let mut inputs = Vec::new();
        for (node, unit) in self.iter() {
            inputs.clear();
            match unit.kind {
                Kind::Leg | Kind::Recorder { tap: None } => {
                    self.inputs_of(node, Reach::Mixers, &mut walk, &mut inputs);
                }
                Kind::Recorder { tap: Some(end) } => {
                    buses.extend(self.tapped(node, end, &mut walk));
                }
                Kind::Mixer | Kind::Player | Kind::Wire { .. } => {}
            }
            if inputs.is_empty() {
                continue;
            }
            let key = self.key_of(&mut inputs);
            if let Some(bus) = found.get(&key).and_then(|at| buses.get_mut(*at)) {
                bus.sinks.push(node);
                continue;
            }
            found.insert(key.clone(), buses.len());
            let mut sources = Vec::with_capacity(inputs.len());
            for input in &inputs {
                if self.kind(input.node) != Some(Kind::Mixer) {
                    sources.push(*input);
                    continue;
                }
                let closure = closures.entry(input.node).or_insert_with(|| {
                    let gain = Gain::UNITY;
                    let node = input.node;
                    let mut all = vec![Input { node, gain }];
                    self.inputs_of(node, Reach::Sources, &mut walk, &mut all);
                    all
                });
                sources.extend(closure.iter().map(|source| Input {
                    gain: input.gain.then(source.gain),
                    ..*source
                }));
            }
            sort_once(&mut sources);
            buses.push(BusPlan {
                key,
                sources,
                sinks: vec![node],
                heard: false,
            });
        }
        buses
    }

    /// The legs that are heard through an end of a wire, `muted` or not, or a leg itself.
    pub(super) fn talkers(&self, node: Node, muted: bool) -> Vec<Node> {
        let Some(unit) = self.at(node).filter(|unit| muted || !unit.muted) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        match unit.kind {
            Kind::Leg => return vec![node],
            Kind::Wire { peer: Some(peer) } => {
                let mut walk = Walk::new(self.units.len());
                self.inputs_of(peer, Reach::Sources, &mut walk, &mut found);
            }
            Kind::Wire { peer: None } | Kind::Mixer | Kind::Player | Kind::Recorder { .. } => {}
        }
        let mut legs: Vec<Node> = found.into_iter().map(|input| input.node).collect();
        legs.retain(|node| self.kind(*node) == Some(Kind::Leg));
        legs.sort_unstable();
        legs
    }

    /// What is sent to a node.
    pub(super) fn inputs(&self, node: Node) -> &[Node] {
        self.at(node).map_or(&[], |unit| &unit.ins)
    }

    /// What a recorder hears that taps the end of a wire: what that says, and what it hears.
    fn tapped(&self, recorder: Node, end: Node, walk: &mut Walk) -> Vec<BusPlan> {
        let Some(Kind::Wire { peer: Some(peer) }) = self.kind(end) else {
            return Vec::new();
        };
        let mut plans = Vec::new();
        for (from, heard) in [(end, false), (peer, true)] {
            let mut sources = Vec::new();
            walk.begin();
            if heard {
                // What the end itself says is not what it hears.
                walk.first_visit(end);
            }
            walk.push_all(&[from], Gain::UNITY);
            self.follow(Reach::Sources, walk, &mut sources);
            if sources.is_empty() {
                continue;
            }
            sort_once(&mut sources);
            plans.push(BusPlan {
                key: self.unit(from).map(|unit| (unit, 0)).into_iter().collect(),
                sources,
                sinks: vec![recorder],
                heard,
            });
        }
        plans
    }

    /// Sorts what feeds a bus, and names the bus by it.
    fn key_of(&self, inputs: &mut [Input]) -> BusKey {
        inputs.sort_unstable_by_key(|input| input.node);
        let named = inputs.iter().filter_map(|input| {
            let unit = self.unit(input.node)?;
            Some((unit, input.gain.factor().to_bits()))
        });
        named.collect()
    }

    /// Gives each connected component one slot of the tick: the one that most of it has, else the
    /// least loaded. Called after a change, before the plan is used.
    pub(super) fn assign_slots(&mut self) {
        let roots = self.components();
        let mut votes: BTreeMap<Node, ([usize; SLOTS], usize)> = BTreeMap::new();
        for (node, unit) in self.iter() {
            let root = roots.get(node as usize).copied().unwrap_or(node);
            let (slots, size) = votes.entry(root).or_default();
            *size += 1;
            if let Some(votes) = unit.slot.and_then(|slot| slots.get_mut(usize::from(slot))) {
                *votes += 1;
            }
        }
        let mut load = [0usize; SLOTS];
        let mut chosen: BTreeMap<Node, u8> = BTreeMap::new();
        let settled = |slots: &[usize; SLOTS]| slots.iter().any(|votes| *votes > 0);
        for keep in [true, false] {
            for (root, (slots, size)) in votes.iter().filter(|(_, v)| settled(&v.0) == keep) {
                let best = if keep {
                    first_largest(slots)
                } else {
                    first_smallest(&load)
                };
                if let Some(load) = load.get_mut(best) {
                    *load += size;
                }
                chosen.insert(*root, best as u8);
            }
        }
        for (node, unit) in self.units.iter_mut().enumerate() {
            let root = roots.get(node).copied().unwrap_or(node as Node);
            if let Some(unit) = unit {
                unit.slot = chosen.get(&root).copied();
            }
        }
    }

    /// The root of each node's connected component; edges count in both directions.
    fn components(&self) -> Vec<Node> {
        let mut parent: Vec<Node> = (0..self.units.len() as Node).collect();
        for (node, unit) in self.iter() {
            for other in &unit.outs {
                join(&mut parent, node, *other);
            }
            match unit.kind {
                Kind::Wire { peer: Some(other) } | Kind::Recorder { tap: Some(other) } => {
                    join(&mut parent, node, other);
                }
                Kind::Wire { peer: None }
                | Kind::Recorder { tap: None }
                | Kind::Leg
                | Kind::Mixer
                | Kind::Player => {}
            }
        }
        (0..parent.len() as Node)
            .map(|node| root_of(&mut parent, node))
            .collect()
    }

    /// Appends what is sent to `node`, itself left out: sources and mixers, each once, unsorted.
    fn inputs_of(&self, node: Node, reach: Reach, walk: &mut Walk, out: &mut Vec<Input>) {
        walk.begin();
        walk.first_visit(node);
        if let Some(unit) = self.at(node).filter(|unit| !unit.deafened) {
            walk.push_all(&unit.ins, Gain::UNITY);
        }
        self.follow(reach, walk, out);
    }

    /// Appends what stands in the queue of the walk, and what is behind it.
    fn follow(&self, reach: Reach, walk: &mut Walk, out: &mut Vec<Input>) {
        let mut next = 0;
        while let Some(input) = walk.queue.get(next).copied() {
            next += 1;
            let Input { node, gain } = input;
            if !walk.first_visit(node) {
                continue;
            }
            let Some(unit) = self.at(node).filter(|unit| !unit.muted) else {
                continue;
            };
            match unit.kind {
                Kind::Leg | Kind::Player => out.push(input),
                Kind::Mixer => {
                    out.push(input);
                    if reach == Reach::Sources && !unit.deafened {
                        walk.push_all(&unit.ins, gain);
                    }
                }
                Kind::Wire { peer: Some(peer) } => {
                    let Some(other) = self.at(peer) else { continue };
                    let gain = gain.then(unit.gains.0).then(other.gains.1);
                    if other.sounding {
                        out.push(Input { node: peer, gain });
                    }
                    if !other.deafened {
                        walk.push_all(&other.ins, gain);
                    }
                }
                Kind::Wire { peer: None } | Kind::Recorder { .. } => {}
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = (Node, &Unit)> {
        self.units
            .iter()
            .enumerate()
            .filter_map(|(node, unit)| unit.as_ref().map(|unit| (node as Node, unit)))
    }

    fn at(&self, node: Node) -> Option<&Unit> {
        self.units.get(node as usize).and_then(Option::as_ref)
    }

    fn at_mut(&mut self, node: Node) -> Option<&mut Unit> {
        self.units.get_mut(node as usize).and_then(Option::as_mut)
    }
}

/// Sorts sources; one that is there by several ways stays once, the loudest.
fn sort_once(sources: &mut Vec<Input>) {
    sources.sort_unstable_by(|a, b| {
        let louder = b.gain.factor().total_cmp(&a.gain.factor());
        a.node.cmp(&b.node).then(louder)
    });
    sources.dedup_by_key(|source| source.node);
}

fn root_of(parent: &mut [Node], mut node: Node) -> Node {
    while let Some(up) = parent.get(node as usize).copied()
        && up != node
    {
        let above = parent.get(up as usize).copied().unwrap_or(up);
        if let Some(place) = parent.get_mut(node as usize) {
            *place = above;
        }
        node = above;
    }
    node
}

fn join(parent: &mut [Node], a: Node, b: Node) {
    let (a, b) = (root_of(parent, a), root_of(parent, b));
    if let Some(place) = parent.get_mut(a.max(b) as usize) {
        *place = a.min(b);
    }
}

fn first_largest(values: &[usize; SLOTS]) -> usize {
    (0..SLOTS)
        .rev()
        .max_by_key(|slot| values.get(*slot))
        .unwrap_or(0)
}

fn first_smallest(values: &[usize; SLOTS]) -> usize {
    (0..SLOTS).min_by_key(|slot| values.get(*slot)).unwrap_or(0)
}

#[cfg(test)]
#[path = "graph_tests.rs"]
mod tests;
