//! The units of one core: the graph, and what each node has beside its edges.

use super::graph::{Graph, Node};
use super::mixer::Bus;
use super::playback::Player;
use super::record::Recorder;
use super::rtp_leg::RtpLeg;
use super::slab::Slab;
use super::watch::Watch;

/// The units, by node.
#[derive(Default)]
pub(super) struct Units {
    pub(super) graph: Graph,
    pub(super) legs: Slab<RtpLeg>,
    /// What plays on players and mixers, and on ends of wires while it does.
    pub(super) players: Slab<Player>,
    pub(super) recorders: Slab<Recorder>,
    /// Where talk is watched: mixers and ends of wires.
    pub(super) watches: Slab<Watch>,
    pub(super) buses: Vec<Bus>,
    /// The last period of each node, so that one that changes its slot has neither two frames in a
    /// period nor none.
    periods: Vec<u64>,
}

impl Units {
    /// Whether the node has not had its tick of `period`; it has then.
    pub(super) fn claim(&mut self, node: Node, period: u64) -> bool {
        let index = node as usize;
        if index >= self.periods.len() {
            self.periods
                .resize(self.graph.nodes_end().max(index + 1), 0);
        }
        // Stored plus one, so that zero is never.
        match self.periods.get_mut(index) {
            Some(last) if *last <= period => {
                *last = period + 1;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Forgets what was noted about a node, which is used again.
    pub(super) fn forget(&mut self, node: Node) {
        if let Some(last) = self.periods.get_mut(node as usize) {
            *last = 0;
        }
        self.legs.remove(node);
        self.players.remove(node);
        self.recorders.remove(node);
        self.watches.remove(node);
    }
}
