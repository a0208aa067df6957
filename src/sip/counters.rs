//! What an endpoint has seen since its start. Plain numbers; names are the labels of the metrics.

macro_rules! counters {
    ($($name:ident $label:literal $help:literal;)*) => {
        /// Counters of one endpoint; each only grows.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $(#[doc = $help] pub $name: u64,)*
        }

        impl Counters {
            /// Name, meaning and value of each counter.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$(($label, $help, self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    messages "sip_messages" "Messages handed in.";
    garbage "sip_garbage" "Messages that could not be parsed.";
    refused_unparsable "sip_refused_unparsable"
        "Unparsable requests that were answered with 400 or 505.";
    retransmissions "sip_retransmissions"
        "Requests that came again and were absorbed by their transaction.";
    stray_acks "sip_stray_acks" "ACKs that belong to nothing.";
    stray_responses "sip_stray_responses"
        "Responses that belong to nothing, or that carry another number of Via values than one.";
    shed "sip_shed" "New requests answered with 503 because of a limit or while draining.";
    calls_in "sip_calls_in" "Calls that came in and were given to the user.";
    calls_out "sip_calls_out" "Calls that were placed.";
    no_ack "sip_no_ack" "Answered calls whose ACK never came.";
    timeouts "sip_timeouts" "Requests of ours that nobody answered.";
    repeated_answers "sip_repeated_answers" "2xx responses that were repeated for want of an ACK.";
    forks_ended "sip_forks_ended"
        "Further answers of a forked INVITE that were acknowledged and hung up.";
    logins "sip_logins" "Digest logins that were right.";
    logins_failed "sip_logins_failed" "Digest logins with a wrong password or of an unknown user.";
    logins_blocked "sip_logins_blocked"
        "Digest logins that were not looked at after too many wrong ones.";
    login_spoofs "sip_login_spoofs"
        "Requests in the name of another user than the one that logged in.";
}
