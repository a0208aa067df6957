//! The record of a leg that has ended, and its line in the log.

use tracing::info;

use crate::id::{SessionId, UnitId};
use crate::media::LegStats;
use crate::pii::Pii;
use crate::termination::Reason;

use super::trace_id::TraceId;

/// What the closing line of a leg still needs when its media totals arrive.
#[derive(Debug)]
pub(super) struct EndedLeg {
    pub(super) trace: TraceId,
    pub(super) session: SessionId,
    pub(super) sip_call_id: String,
    pub(super) caller_id: String,
    pub(super) codec: &'static str,
    pub(super) reason: Reason,
    pub(super) duration_ms: u64,
}

impl EndedLeg {
    /// The closing line of a leg: enough to answer "what happened to that call".
    pub(super) fn report(&self, unit: UnitId, stats: LegStats) {
        info!(
            trace = %self.trace,
            leg_id = %unit.leg(),
            session_id = %self.session,
            call_id = self.sip_call_id,
            caller = %Pii(&self.caller_id),
            reason = %self.reason,
            class = self.reason.row().class.label(),
            duration_ms = self.duration_ms,
            codec = self.codec,
            packets_in = stats.packets_in,
            packets_out = stats.packets_out,
            lost = stats.lost,
            late = stats.late,
            concealed = stats.concealed,
            jitter_ms_max = stats.jitter_ms_max,
            "Leg ended"
        );
    }
}
