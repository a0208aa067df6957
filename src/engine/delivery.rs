//! What one session has for another one, and what one side of a call tells the other.

use crate::id::{LegId, SessionId};
use crate::script::{Headers, LegInfo};
use crate::termination::Reason;

use super::trace_id::TraceId;

/// What one session has for another one. The engine delivers it when the session has finished with
/// its input, in the order in which deliveries were made.
#[derive(Debug)]
pub(super) enum Delivery {
    /// A call to the conference of a name, which may have to be opened first.
    CallConference(Box<ConferenceCall>),
    /// For the session of this leg, from the other end of its internal call. Dropped when the leg
    /// has ended.
    ToPeer(LegId, FromPeer),
}

/// A call to a conference, with the leg that the conference gets.
#[derive(Debug)]
pub(super) struct ConferenceCall {
    pub(super) caller: SessionId,
    /// The caller's end.
    pub(super) own: LegId,
    /// The far end; its destination is the conference's name.
    pub(super) far: LegInfo,
    /// How many internal calls led here, this one included.
    pub(super) hops: u8,
    pub(super) trace: TraceId,
}

/// What one end of an internal call tells the other.
#[derive(Debug)]
pub(super) enum FromPeer {
    Ringing,
    /// It has answered, with these `X-…` headers.
    Answered(Headers),
    Message(String),
    Info {
        mime: String,
        body: String,
        headers: Headers,
    },
    Digit(char),
    /// It has ended.
    Gone(Reason, Farewell),
    /// There is no conference of the name that was called.
    NeverThere(Reason),
}

/// What one side of a call tells the other one when it ends it.
#[derive(Clone, Debug, Default)]
pub(super) struct Farewell {
    /// The status of a refusal.
    pub(super) code: Option<u16>,
    /// A sentence; may be empty.
    pub(super) text: String,
    /// `X-…` only.
    pub(super) headers: Headers,
}
