//! Why a description is not accepted, with the status and the reason that follow from it.

use super::SdpError;
use crate::termination::Reason;

/// Why an offer or an answer is not accepted. The text says what and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body is not a session description.
    #[error("not a session description: {0}")]
    Unparsable(#[from] SdpError),
    /// No audio line over plain RTP with a port.
    #[error("no audio line of RTP/AVP or RTP/AVPF with a port other than 0")]
    NoAudio,
    /// The audio line names no codec of ours.
    #[error("line {line}: no codec in common with this audio line")]
    NoCommonCodec {
        /// Line of the m= line.
        line: usize,
    },
    /// Neither the media nor the session has a c= line.
    #[error("line {line}: this audio line has no c= line")]
    NoAddress {
        /// Line of the m= line.
        line: usize,
    },
    /// The c= line is of no use to us.
    #[error("line {line}: address {address:?} {problem}")]
    Address {
        /// Line of the c= line.
        line: usize,
        /// What it says.
        address: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The answer names no codec that we offered.
    #[error("line {line}: the answer has no codec that was offered")]
    CodecNotOffered {
        /// Line of the m= line.
        line: usize,
    },
    /// The answer has no audio line where the offer has one.
    #[error("the answer's media lines are not those of the offer")]
    AnswerMismatch,
    /// The audio line over DTLS cannot be used.
    #[error("line {line}: this audio line over DTLS {problem}")]
    WebRtc {
        /// Line of the m= line.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An offer while ours waits for its answer.
    #[error("an offer of ours waits for its answer")]
    OfferPending,
    /// An answer though we offered nothing.
    #[error("there is no offer to answer")]
    NoOffer,
}

impl Refusal {
    /// The final response that is owed for an offer that is refused so.
    pub fn sip_status(&self) -> u16 {
        match self {
            Refusal::Unparsable(_) => 400,
            Refusal::OfferPending => 491,
            Refusal::NoAudio
            | Refusal::NoCommonCodec { .. }
            | Refusal::NoAddress { .. }
            | Refusal::Address { .. }
            | Refusal::CodecNotOffered { .. }
            | Refusal::AnswerMismatch
            | Refusal::WebRtc { .. }
            | Refusal::NoOffer => 488,
        }
    }

    /// Why a leg ends that cannot go on without this description.
    pub fn reason(&self) -> Reason {
        match self {
            Refusal::NoCommonCodec { .. } | Refusal::CodecNotOffered { .. } => {
                Reason::NoCommonCodec
            }
            Refusal::Unparsable(_)
            | Refusal::NoAudio
            | Refusal::NoAddress { .. }
            | Refusal::Address { .. }
            | Refusal::AnswerMismatch
            | Refusal::WebRtc { .. }
            | Refusal::OfferPending
            | Refusal::NoOffer => Reason::BadOffer,
        }
    }
}
