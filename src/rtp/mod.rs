//! RTP as bytes and time: packets (RFC 3550 §5, RFC 3551), reports (RFC 3550 §6 and appendix A),
//! the jitter buffer, telephone-events (RFC 4733) and the rule that makes one press one digit. RTP
//! and RTCP may share a port (RFC 5761) and a source address is where answers go (RFC 4961):
//! [`is_rtcp`] tells the two apart, latching is the caller's. Nothing here knows codecs, samples,
//! sockets or calls.

mod digit;
mod jitter_buffer;
mod jitter_target;
mod packet;
pub mod rtcp;
mod seq;
pub mod telephone_event;

pub use digit::{DigitMerger, DigitSource};
pub use jitter_buffer::{
    BufferedPacket, JitterBuffer, JitterConfig, JitterCounters, Popped, PushOutcome,
};
pub use packet::{Extension, Header, PayloadType, RtpError, RtpPacket, Ssrc, is_rtcp};
pub use seq::{ExtendedSeq, RtpTimestamp, SeqNo, SeqUnwrapper};
