//! Calls that no rule takes. They cost whoever makes them nothing, so that scanners make many:
//! each is counted, and few become a notice.

use std::time::Instant;

use tracing::debug;

use crate::network::{Network, Repeats};
use crate::routing::{Source, Trace};
use crate::script::LegInfo;
use crate::sip::Flow;

use super::Stats;
use super::arrival::source_of;
use super::notice::{CallUnrouted, Parties};
use super::trace_id::TraceId;

/// Calls that no rule took, told apart by where they come from.
#[derive(Debug, Default)]
pub(super) struct Unrouted {
    told: Repeats,
}

impl Unrouted {
    /// Counts one. Gives a notice for the first of a network and then one a minute, within the
    /// limits of [`Repeats`].
    pub fn note(
        &mut self,
        now: Instant,
        info: &LegInfo,
        flow: Flow,
        tried: Vec<(String, Trace)>,
        stats: &mut Stats,
    ) -> Option<CallUnrouted> {
        let trace = TraceId::of(flow, info.id);
        let source = source_of(flow);
        match source {
            Source::Web => stats.calls_unrouted_web += 1,
            Source::Phone | Source::Internal | Source::Api => stats.calls_unrouted_phone += 1,
        }
        for (application, tried) in &tried {
            debug!(%trace, application, tried = %tried.masked(), "No rule matches");
        }
        let address = flow.remote.ip();
        let times = self.told.note(now, Network::of(address))?;
        Some(CallUnrouted {
            trace,
            address,
            parties: Parties::of(source, info),
            times,
            tried,
        })
    }
}
