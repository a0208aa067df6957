//! `talkpath load`: many phones and browsers at once against a running engine, with real SIP, RTP
//! and WebRTC. Talkers send a tone each, everyone listens; the report says what it cost and who
//! heard whom.
//!
//! A phone has an RTP socket and shares one SIP socket with the others; a browser joins by HTTP,
//! calls over a WebSocket of its own, and has one UDP socket for its media. One thread serves all
//! of them, a second one lets browsers in. It is a measuring tool: it retransmits and acknowledges
//! as a phone would, and leaves out everything else.

mod browser;
mod cost;
mod dialog;
mod entrance;
mod hearing;
mod leg;
mod phone;
mod plan;
mod report;
mod run;

pub use plan::{Browsers, BrowsersHear, Plan, http_authority};
pub use report::{Kind, Report, Standing, Times, Way};
pub use run::run;
