//! What an endpoint has seen since its start. Plain numbers; names are the labels of the metrics.

/// Counters of one endpoint; each only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages handed in.
    pub messages: u64,
    /// Messages that could not be parsed.
    pub garbage: u64,
    /// Unparsable requests that were answered with 400 or 505.
    pub refused_unparsable: u64,
    /// Requests that came again and were absorbed by their transaction.
    pub retransmissions: u64,
    /// ACKs that belong to nothing.
    pub stray_acks: u64,
    /// Responses that belong to nothing, or that carry another number of Via values than one.
    pub stray_responses: u64,
    /// New requests answered with 503 because of a limit or while draining.
    pub shed: u64,
    /// Calls that came in and were given to the user.
    pub calls_in: u64,
    /// Calls that were placed.
    pub calls_out: u64,
    /// Answered calls whose ACK never came.
    pub no_ack: u64,
    /// Requests of ours that nobody answered.
    pub timeouts: u64,
    /// 2xx responses that were repeated for want of an ACK.
    pub repeated_answers: u64,
    /// Further answers of a forked INVITE that were acknowledged and hung up.
    pub forks_ended: u64,
}
