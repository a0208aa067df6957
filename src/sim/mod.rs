//! The simulator: the real rules, scripts, engine and media core against scripted callers, under a
//! virtual clock and without a socket. An hour of call costs only its computing.
//!
//! [`World`] owns the clock and jumps to the next deadline; [`Phone`]s speak SIP and RTP over a
//! network that loses, delays and reorders as told, from a seed; each sends its own marker tone, so
//! that who hears whom is measured in the sound that arrives.

mod ear;
mod files;
mod flows;
mod journal;
mod late;
mod network;
mod phone;
mod sockets;
mod world;

pub use ear::{hears_tone, tone_of};
pub use late::Latency;
pub use network::Faults;
pub use phone::{Phone, PhoneOptions, PhoneState};
pub use world::{Setup, World};

/// Which phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PhoneId(pub usize);
