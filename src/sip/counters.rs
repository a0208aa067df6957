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
    /// Digest logins that were right.
    pub logins: u64,
    /// Digest logins with a wrong password or of an unknown user.
    pub logins_failed: u64,
    /// Digest logins that were not looked at after too many wrong ones.
    pub logins_blocked: u64,
    /// Requests in the name of another user than the one that logged in.
    pub login_spoofs: u64,
}

impl Counters {
    /// Name, meaning and value of each counter.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        [
            ("sip_messages", "Messages handed in.", self.messages),
            ("sip_garbage", "Messages that could not be parsed.", self.garbage),
            ("sip_refused_unparsable", "Unparsable requests that were answered with 400 or 505.", self.refused_unparsable),
            ("sip_retransmissions", "Requests that came again and were absorbed by their transaction.", self.retransmissions),
            ("sip_stray_acks", "ACKs that belong to nothing.", self.stray_acks),
            ("sip_stray_responses", "Responses that belong to nothing, or that carry another number of Via values than one.", self.stray_responses),
            ("sip_shed", "New requests answered with 503 because of a limit or while draining.", self.shed),
            ("sip_calls_in", "Calls that came in and were given to the user.", self.calls_in),
            ("sip_calls_out", "Calls that were placed.", self.calls_out),
            ("sip_no_ack", "Answered calls whose ACK never came.", self.no_ack),
            ("sip_timeouts", "Requests of ours that nobody answered.", self.timeouts),
            ("sip_repeated_answers", "2xx responses that were repeated for want of an ACK.", self.repeated_answers),
            ("sip_forks_ended", "Further answers of a forked INVITE that were acknowledged and hung up.", self.forks_ended),
            ("sip_logins", "Digest logins that were right.", self.logins),
            ("sip_logins_failed", "Digest logins with a wrong password or of an unknown user.", self.logins_failed),
            ("sip_logins_blocked", "Digest logins that were not looked at after too many wrong ones.", self.logins_blocked),
            ("sip_login_spoofs", "Requests in the name of another user than the one that logged in.", self.login_spoofs),
        ]
        .into_iter()
    }
}
