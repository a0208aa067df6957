//! The script host: the only place that knows Rhai. Compiles the scenario files of a rule into a
//! program, keeps each session's state, runs one event of one session at a time within limits.
//!
//! A [`Host`] is made once. [`Program::compile`] turns the files of a rule into a program or a list
//! of [`Diagnostic`]s. Each session has an [`Instance`]; [`Host::handle`] tells it of an [`Event`]
//! and gives [`Command`]s. Nothing here waits, reads a clock or touches the network.

mod absorb;
mod api;
mod check;
mod collector;
mod command;
mod compile;
mod diagnostic;
mod error;
mod event;
mod handle;
mod host;
mod instance;
mod limits;
mod parser;
mod program;
mod random;
mod reference;
mod spelling;
mod support;
mod trace;
mod turn;

#[cfg(test)]
mod tests;

pub use command::{
    CallOptions, Command, Event, Headers, LegCommand, LegEvent, LegInfo, Place, Placed,
    RecordOptions, Sound, UnitCommand, UnitEvent, VoiceChoice,
};
pub use compile::{Idle, Source, check_idle, check_syntax};
pub use diagnostic::Diagnostic;
pub use error::ScriptError;
pub use host::{Host, Outcome, Turn};
pub use instance::{Instance, SessionInfo};
pub use limits::Limits;
pub use program::Program;
pub use reference::reference;
pub use support::{COLUMNS, LegKind, SUPPORT, Support, support};
