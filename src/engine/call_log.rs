//! The lines of the log about a call, from its INVITE over internal calls to its end. All of them
//! have the same `trace`.

use std::time::Instant;

use tracing::{debug, info};

use crate::id::{LegId, SessionId};
use crate::network::{Network, Repeats};
use crate::pii::{ClientAddress, Pii};
use crate::routing::{Source, Trace};
use crate::script::LegInfo;
use crate::sip::Flow;

use super::Stats;
use super::leg::{Leg, Link};
use super::trace_id::TraceId;

/// A call that came in and has a session.
pub(super) fn log_arrival(info: &LegInfo, flow: Flow, sip_call_id: &str, of: (SessionId, &str)) {
    let (session_id, rule) = of;
    info!(
        trace = %TraceId::of(flow, info.id),
        leg_id = %info.id,
        call_id = sip_call_id,
        %session_id,
        rule,
        source = info.source,
        address = %ClientAddress(flow.remote.ip()),
        caller = %Pii(&info.caller_id),
        display_name = %Pii(&info.display_name),
        dialled = %Pii(&info.destination),
        "Call"
    );
}

/// Calls that no rule took, told apart by where they come from.
#[derive(Debug, Default)]
pub(super) struct Unrouted {
    lines: Repeats,
}

impl Unrouted {
    /// Counts one, and writes a line for the first of an address and then one a minute.
    pub fn note(
        &mut self,
        now: Instant,
        info: &LegInfo,
        flow: Flow,
        traces: &[(String, Trace)],
        stats: &mut Stats,
    ) {
        let trace = TraceId::of(flow, info.id);
        let source = match flow.transport.is_web() {
            true => Source::Web,
            false => Source::Phone,
        };
        match source {
            Source::Web => stats.calls_unrouted_web += 1,
            Source::Phone | Source::Internal | Source::Api => stats.calls_unrouted_phone += 1,
        }
        for (application, tried) in traces {
            debug!(%trace, application, tried = %tried.masked(), "No rule matches");
        }
        let address = flow.remote.ip();
        let Some(times) = self.lines.note(now, Network::of(address)) else {
            return;
        };
        let rules: usize = traces.iter().map(|(_, tried)| tried.steps.len()).sum();
        info!(
            %trace,
            dialled = %Pii(&info.destination),
            caller = %Pii(&info.caller_id),
            source = source.label(),
            address = %ClientAddress(address),
            rules,
            times,
            "No rule takes the call; talkpath route says why"
        );
    }
}

/// An internal call from one session and leg to those of a conference.
pub(super) fn log_join(
    trace: TraceId,
    (session_id, leg_id): (SessionId, LegId),
    (to_session, to_leg): (SessionId, LegId),
    info: &LegInfo,
) {
    info!(
        %trace,
        %leg_id,
        %session_id,
        %to_leg,
        %to_session,
        room = %Pii(&info.destination),
        caller = %Pii(&info.caller_id),
        display_name = %Pii(&info.display_name),
        "Internal call"
    );
}

/// The end of an internal call, on the side of the one that was called.
pub(super) fn log_internal_end(
    session_id: SessionId,
    leg: &Leg,
    reason: crate::termination::Reason,
) {
    if leg.incoming && matches!(leg.link, Link::Internal { .. }) {
        info!(trace = %leg.trace, leg_id = %leg.id, %session_id, %reason, "Internal call ended");
    }
}
