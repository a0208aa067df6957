//! What an endpoint has seen since its start. Plain numbers; names are the labels of the metrics.

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// Counters of one endpoint; each only grows.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: u64,)*
        }

        impl Counters {
            /// Name, meaning and value of each counter.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$((
                    concat!("sip_", stringify!($name)),
                    concat!($($doc),+).trim_ascii(),
                    self.$name,
                ),)*]
                .into_iter()
            }
        }
    };
}

counters! {
    /// Messages handed in.
    messages,
    /// Messages that could not be parsed.
    garbage,
    /// Unparsable requests that were answered with 400 or 505.
    refused_unparsable,
    /// Requests that came again and were absorbed by their transaction.
    retransmissions,
    /// ACKs that belong to nothing.
    stray_acks,
    /// Responses that belong to nothing, or that carry another number of Via values than one.
    stray_responses,
    /// New requests answered with 503 because of a limit or while draining.
    shed,
    /// Calls that came in and were given to the user.
    calls_in,
    /// Calls that were placed.
    calls_out,
    /// Answered calls whose ACK never came.
    no_ack,
    /// Requests of ours that nobody answered.
    timeouts,
    /// 2xx responses that were repeated for want of an ACK.
    repeated_answers,
    /// Further answers of a forked INVITE that were acknowledged and hung up.
    forks_ended,
    /// Digest logins that were right.
    logins,
    /// Digest logins with a wrong password or of an unknown user.
    logins_failed,
    /// Digest logins that were not looked at after too many wrong ones.
    logins_blocked,
    /// Requests in the name of another user than the one that logged in.
    login_spoofs,
}
