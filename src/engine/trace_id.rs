//! The id by which the log of one caller can be followed.

use std::fmt;

use crate::id::{FlowId, LegId};
use crate::sip::Flow;

/// What the lines about one caller have in common: the WebSocket, with all that goes over it, or
/// the leg of a phone. Internal calls have that of the leg which they were made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceId {
    /// A WebSocket.
    WebSocket(FlowId),
    /// A leg of a phone.
    Phone(LegId),
}

impl TraceId {
    pub(super) fn of(flow: Flow, leg: LegId) -> Self {
        match flow.transport.is_web() {
            true => TraceId::WebSocket(flow.id),
            false => TraceId::Phone(leg),
        }
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TraceId::WebSocket(flow) => flow.fmt(f),
            TraceId::Phone(leg) => leg.fmt(f),
        }
    }
}
