//! What goes into the engine, written down, and fed in again. The engine is told the time and all
//! chance from outside, so the same entries make the same outputs, turn by turn.
//!
//! ```text
//! shells ── Input ──► Feed ──► Engine          Replay ── the same inputs ──► Engine
//!                      └── Entry ──► file ──────┘
//! ```
//!
//! A script turn is written as "the turn of session n is done": the replay runs the job itself. A
//! sound is written with its length, not with its samples. Above the media core nothing else is
//! left out; what the media core did with packets is not part of it.

mod entry;
mod feed;
mod replay;

pub use entry::{Entry, Header, Input};
pub use feed::Feed;
pub use replay::{Diverged, Replay};
