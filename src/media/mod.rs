//! The machine for samples: packets in, jitter buffer, decode, mix, encode, packets out, at a 20 ms
//! tick.
//!
//! | file | holds |
//! |---|---|
//! | `command` | what engine and media tell each other |
//! | `core`, `execute`, `output` | the machine of one worker, its commands, what it leaves |
//! | `graph`, `plan`, `units` | who is connected to whom, and the lists for the tick that follow |
//! | `clock`, `pipeline`, `tick` | when, in which order, and with what |
//! | `decode`, `mixer`, `encode` | what everyone says, the sums, what everyone is sent |
//! | `rtp_leg`, `latch`, `receiver`, `sender`, `reports`, `digits` | an RTP leg and its parts |
//! | `webrtc_leg`, `webrtc`, `port` | what carries a leg to a browser, and their one socket |
//! | `signal`, `playback`, `record` | sources, clips, recordings |
//!
//! **Invariants**: time is a parameter; a packet costs no allocation once its leg has settled; a
//! leg that nobody hears is not decoded; one encode serves all who get the same; nobody hears
//! themselves.

mod clock;
mod command;
mod core;
mod decode;
mod digits;
mod encode;
mod execute;
mod graph;
mod latch;
mod mixer;
mod outbox;
mod output;
mod pipeline;
mod plan;
mod playback;
mod port;
mod receiver;
mod record;
mod refused;
mod reports;
mod rtp_leg;
mod sender;
mod signal;
mod slab;
mod source;
mod tail;
#[cfg(test)]
mod tests;
mod tick;
mod units;
mod watch;
mod webrtc;
mod webrtc_leg;

pub use crate::audio::Clip;

pub use self::core::Core;
pub use command::{
    Command, DigitKind, Event, IceCredentials, LegKind, LegStats, Loss, Quality, RecordSource,
    StreamParams, TelephoneEventParams, WebRtcParams, WebRtcReady,
};
pub use outbox::Channel;
pub use output::{Counters, MediaSettings, Output};
pub use webrtc::{Identity, IdentityError};
