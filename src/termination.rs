//! Why a leg or a session ended: one table gives the class, the SIP status, the Q.850 cause and the
//! words for scripts, logs and metrics. A [`Reason`] is chosen where the end is decided and never
//! guessed again.

use std::fmt;

/// Who or what ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The party that placed the call.
    Caller,
    /// The party that was called, or the scenario on its behalf.
    Callee,
    /// A rule or a limit of ours.
    Policy,
    /// A server or trunk further on.
    Upstream,
    /// RTP, ICE or codecs.
    Media,
    /// A fault of ours or of a script.
    Internal,
}

impl Class {
    /// The word for metrics and scripts.
    pub fn label(self) -> &'static str {
        match self {
            Class::Caller => "caller",
            Class::Callee => "callee",
            Class::Policy => "policy",
            Class::Upstream => "upstream",
            Class::Media => "media",
            Class::Internal => "internal",
        }
    }
}

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    /// Who or what ended it.
    pub class: Class,
    /// Stable word for scripts, logs and metrics.
    pub label: &'static str,
    /// SIP status where a final response is owed.
    pub sip_status: u16,
    /// Q.850 cause for the Reason header (RFC 3326).
    pub q850_cause: u8,
    /// One plain sentence for a person.
    pub text: &'static str,
}

impl Row {
    /// The status of a final refusal, 300 to 699. A reason that ends an answered call has 200 as
    /// its own status; its refusal is 480 Temporarily Unavailable.
    pub fn refusal_status(&self) -> u16 {
        if self.sip_status < 300 {
            480
        } else {
            self.sip_status
        }
    }
}

macro_rules! reasons {
    ($(
        $variant:ident $class:ident $label:literal $status:literal $cause:literal
        $text:literal;
    )*) => {
        /// The reasons, each explained by its [`Row`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = $text] $variant,)*
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)*];

            /// The row of this reason.
            pub fn row(self) -> &'static Row {
                match self {
                    $(Reason::$variant => &Row {
                        class: Class::$class,
                        label: $label,
                        sip_status: $status,
                        q850_cause: $cause,
                        text: $text,
                    },)*
                }
            }
        }
    };
}

reasons! {
    CallerHangup Caller "caller-hangup" 200 16
        "The caller hung up.";
    Cancelled Caller "cancelled" 487 16
        "The caller gave up before the answer.";
    CalleeHangup Callee "callee-hangup" 200 16
        "The called party hung up.";
    ScriptHangup Callee "script-hangup" 200 16
        "The scenario hung up.";
    ScriptTerminate Callee "script-terminate" 200 16
        "The scenario ended its session.";
    Rejected Callee "rejected" 603 21
        "The scenario rejected the call.";
    Busy Callee "busy" 486 17
        "The called party is busy.";
    NotFound Policy "not-found" 404 1
        "No rule matches the destination.";
    Unavailable Callee "unavailable" 480 20
        "The called user is not there.";
    Unanswered Policy "unanswered" 480 19
        "Nobody answered in time.";
    EarlyMediaTimeout Policy "early-media-timeout" 480 19
        "Early media lasted too long.";
    Draining Policy "draining" 503 41
        "The engine is shutting down.";
    Overload Policy "overload" 503 42
        "Too many calls at once.";
    RuleKeptOut Policy "rule-kept-out" 503 41
        "The rule of the call has to be mended.";
    LimitReached Policy "limit-reached" 503 42
        "A limit of the session was reached.";
    NoCommonCodec Media "no-common-codec" 488 88
        "Offer and answer share no codec.";
    BadOffer Media "bad-offer" 488 95
        "The session description cannot be used.";
    NoMediaPort Media "no-media-port" 503 34
        "No media port is free.";
    MediaTimeout Media "media-timeout" 200 31
        "No media arrived for too long.";
    NoAck Caller "no-ack" 408 102
        "The caller never acknowledged the answer.";
    TransactionTimeout Upstream "transaction-timeout" 408 102
        "The other side did not answer a request.";
    PeerGone Upstream "peer-gone" 481 41
        "The other side no longer knows the call.";
    UpstreamError Upstream "upstream-error" 502 38
        "The other side failed.";
    Replaced Callee "replaced" 200 16
        "The same caller joined again.";
    SessionIdle Policy "session-idle" 200 16
        "The session had no call for too long.";
    ScriptError Internal "script-error" 500 41
        "The scenario failed.";
    InternalError Internal "internal-error" 500 41
        "The engine failed.";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().label)
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn labels_are_kebab_case_and_unique_and_status_is_a_sip_status() {
        let mut seen = Vec::new();
        for reason in Reason::ALL {
            let row = reason.row();
            assert!(
                row.label
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c == '-'),
                "{}",
                row.label
            );
            assert!(!seen.contains(&row.label), "{} stands twice", row.label);
            assert!((200..700).contains(&row.sip_status), "{}", row.label);
            assert!(row.text.ends_with('.'), "{}", row.label);
            seen.push(row.label);
        }
    }
}
