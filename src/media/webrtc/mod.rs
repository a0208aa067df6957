//! The parts of a WebRTC leg one layer below a peer connection: the lite side of ICE, DTLS, SRTP,
//! our certificate, and the demultiplexing of the one socket. `webrtc_leg.rs` puts them together.
//! These files and that one are the only ones of the engine that name the crate `rtc`; the browsers
//! of `talkpath load` are the other end.

pub(super) mod demux;
mod dtls;
mod ice;
mod identity;
mod srtp;

pub(super) use dtls::{Dtls, DtlsOutcome};
pub(super) use ice::{Checked, IceLite};
pub use identity::{Identity, IdentityError};
pub(super) use srtp::{Protected, Srtp};
