//! The table of all connections of streams and WebSockets, open or being opened.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::stream::Outbox;
use crate::id::FlowId;
use crate::network::{Network, Repeats};
use crate::sip::flow::Flow;

/// What the transports and each connection share.
#[derive(Default)]
pub(super) struct Connections(Mutex<Table>);

#[derive(Default)]
pub(super) struct Table {
    pub connections: HashMap<FlowId, Entry>,
    pub per_address: BTreeMap<Network, usize>,
    pub refusals: Repeats,
}

pub(super) struct Entry {
    pub outbox: Outbox,
    pub flow: Flow,
}

impl Connections {
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection out of the table.
    pub(super) fn forget(&self, flow: Flow) {
        let mut table = self.table();
        table.connections.remove(&flow.id);
        let network = Network::of(flow.remote.ip());
        if let Some(left) = table.per_address.get_mut(&network) {
            *left = left.saturating_sub(1);
            if *left == 0 {
                table.per_address.remove(&network);
            }
        }
    }
}

/// A place among the connections; given back when it is dropped.
pub(super) struct Registered {
    pub connections: Arc<Connections>,
    pub flow: Flow,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.connections.forget(self.flow);
    }
}
