//! All transactions of an endpoint: found by key, fired in order of time, bounded in number.
//!
//! It does not send and does not know who its users are: a transaction carries an owner value `O`,
//! which the endpoint reads when the transaction has something to tell.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::{InviteClient, InviteServer, Key, Merged, NonInviteClient, NonInviteServer, Steps};
use crate::deadlines::Deadlines;
use crate::id::FlowId;
use crate::sip::flow::Flow;

/// Number of a transaction, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransactionId(u64);

/// One of the four machines.
#[derive(Debug)]
pub enum Machine {
    /// An INVITE that came.
    InviteServer(InviteServer),
    /// Another request that came.
    NonInviteServer(NonInviteServer),
    /// An INVITE of ours.
    InviteClient(InviteClient),
    /// Another request of ours.
    NonInviteClient(NonInviteClient),
}

impl Machine {
    /// The earliest of the running timers.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Machine::InviteServer(machine) => machine.poll_timeout(),
            Machine::NonInviteServer(machine) => machine.poll_timeout(),
            Machine::InviteClient(machine) => machine.poll_timeout(),
            Machine::NonInviteClient(machine) => machine.poll_timeout(),
        }
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> Steps {
        match self {
            Machine::InviteServer(machine) => machine.handle_timeout(now),
            Machine::NonInviteServer(machine) => machine.handle_timeout(now),
            Machine::InviteClient(machine) => machine.handle_timeout(now),
            Machine::NonInviteClient(machine) => machine.handle_timeout(now),
        }
    }

    /// The request of a server transaction came again.
    pub fn handle_request(&mut self) -> Steps {
        match self {
            Machine::InviteServer(machine) => machine.handle_request(),
            Machine::NonInviteServer(machine) => machine.handle_request(),
            Machine::InviteClient(_) | Machine::NonInviteClient(_) => Steps::default(),
        }
    }

    /// Whether nothing is left to do.
    pub fn is_terminated(&self) -> bool {
        match self {
            Machine::InviteServer(machine) => machine.is_terminated(),
            Machine::NonInviteServer(machine) => machine.is_terminated(),
            Machine::InviteClient(machine) => machine.is_terminated(),
            Machine::NonInviteClient(machine) => machine.is_terminated(),
        }
    }
}

/// A machine with its place in the network and its user.
#[derive(Debug)]
pub struct Transaction<O> {
    /// The machine.
    pub machine: Machine,
    /// Where its messages go.
    pub flow: Flow,
    /// Who hears of it.
    pub owner: O,
}

#[derive(Debug)]
struct Entry<O> {
    transaction: Transaction<O>,
    key: Key,
    merged: Option<Merged>,
}

/// There is no room for another transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room for another transaction")]
pub struct Full;

/// A timer that fired.
#[derive(Debug)]
pub struct Fired {
    /// Whose timer.
    pub id: TransactionId,
    /// What it caused.
    pub steps: Steps,
}

/// The transactions of one endpoint.
#[derive(Debug)]
pub struct Layer<O> {
    entries: BTreeMap<TransactionId, Entry<O>>,
    by_key: BTreeMap<Key, TransactionId>,
    by_merged: BTreeMap<Merged, TransactionId>,
    by_stream: BTreeSet<(FlowId, TransactionId)>,
    deadlines: Deadlines<TransactionId>,
    next_id: u64,
    max: usize,
}

impl<O> Layer<O> {
    /// Holds at most `max` transactions.
    pub fn new(max: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            by_key: BTreeMap::new(),
            by_merged: BTreeMap::new(),
            by_stream: BTreeSet::new(),
            deadlines: Deadlines::default(),
            next_id: 0,
            max,
        }
    }

    /// Number of living transactions.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no living transaction.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether [`Layer::insert`] would fail.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= self.max
    }

    /// Takes a transaction in. One whose machine is already terminated is not kept, its id names
    /// nothing.
    ///
    /// # Errors
    /// [`Full`] when `max` transactions live.
    pub fn insert(
        &mut self,
        key: Key,
        merged: Option<Merged>,
        transaction: Transaction<O>,
    ) -> Result<TransactionId, Full> {
        if self.is_full() {
            return Err(Full);
        }
        let id = TransactionId(self.next_id);
        self.next_id += 1;
        if transaction.machine.is_terminated() {
            return Ok(id);
        }
        self.by_key.insert(key.clone(), id);
        if let Some(merged) = &merged {
            self.by_merged.entry(merged.clone()).or_insert(id);
        }
        if transaction.flow.is_stream() {
            self.by_stream.insert((transaction.flow.id, id));
        }
        self.deadlines.set(id, transaction.machine.poll_timeout());
        self.entries.insert(
            id,
            Entry {
                transaction,
                key,
                merged,
            },
        );
        Ok(id)
    }

    /// The transaction with this key.
    pub fn find(&self, key: &Key) -> Option<TransactionId> {
        self.by_key.get(key).copied()
    }

    /// Whether a request of the same origin is being served in another transaction.
    pub fn is_merged(&self, merged: &Merged) -> bool {
        self.by_merged.contains_key(merged)
    }

    /// The transaction, for its owner and state.
    pub fn get(&self, id: TransactionId) -> Option<&Transaction<O>> {
        self.entries.get(&id).map(|entry| &entry.transaction)
    }

    /// The transaction, to change its owner. Inputs to the machine go through [`Layer::drive`].
    pub fn get_mut(&mut self, id: TransactionId) -> Option<&mut Transaction<O>> {
        self.entries
            .get_mut(&id)
            .map(|entry| &mut entry.transaction)
    }

    /// Gives an input to a machine and arms its deadline again. A terminated machine stays until
    /// [`Layer::settle`], so that its owner can still be asked. `None` when the transaction is
    /// gone.
    pub fn drive(
        &mut self,
        id: TransactionId,
        input: impl FnOnce(&mut Transaction<O>) -> Steps,
    ) -> Option<Steps> {
        let entry = self.entries.get_mut(&id)?;
        let steps = input(&mut entry.transaction);
        self.deadlines
            .set(id, entry.transaction.machine.poll_timeout());
        Some(steps)
    }

    /// Forgets the transaction when it is terminated.
    pub fn settle(&mut self, id: TransactionId) {
        if self
            .get(id)
            .is_some_and(|transaction| transaction.machine.is_terminated())
        {
            self.remove(id);
        }
    }

    /// Forgets the transaction in any state.
    pub fn remove(&mut self, id: TransactionId) -> Option<Transaction<O>> {
        let entry = self.entries.remove(&id)?;
        self.deadlines.set(id, None);
        self.by_stream.remove(&(entry.transaction.flow.id, id));
        if self.by_key.get(&entry.key) == Some(&id) {
            self.by_key.remove(&entry.key);
        }
        if let Some(merged) = &entry.merged
            && self.by_merged.get(merged) == Some(&id)
        {
            self.by_merged.remove(merged);
        }
        Some(entry.transaction)
    }

    /// The earliest deadline of all.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Fires the earliest timer that is due at `now`; `None` when none is left. [`Layer::settle`]
    /// is due after.
    pub fn fire(&mut self, now: Instant) -> Option<Fired> {
        let id = self.deadlines.pop(now)?;
        let steps = self.drive(id, |transaction| transaction.machine.handle_timeout(now))?;
        Some(Fired { id, steps })
    }

    /// The transactions whose messages go over a stream, oldest first.
    pub fn on_stream(&self, flow: FlowId) -> Vec<TransactionId> {
        let first = (flow, TransactionId(0));
        let last = (flow, TransactionId(u64::MAX));
        self.by_stream
            .range(first..=last)
            .map(|(_, id)| *id)
            .collect()
    }
}
