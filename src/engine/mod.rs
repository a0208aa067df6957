//! The machine for decisions: signalling, negotiation, routing, sessions, membership. Pure: it is
//! handed [`Input`]s with the time and leaves [`Output`]s; it never sees samples, sockets or the
//! script language.
//!
//! ```text
//! SIP message ─┐                        ┌─ SIP message
//! media fact ──┤                        ├─ media command
//! script turn ─┼─ Engine::handle(now) ──┼─ script job (the session's state travels with it)
//! clip, file ──┤                        ├─ clip wanted, recording opened
//! time ────────┘                        └─ (poll_timeout)
//! ```
//!
//! An event of a session becomes a [`ScriptJob`]; its commands come back in a [`ScriptDone`] and
//! are executed in order. While a job is out, further events of that session wait in its queue, so
//! that a session sees one event at a time and other sessions never wait for it.
//!
//! Files: `border` (inputs and outputs), `dispatch` (who gets an input), `session`, `leg`,
//! `execute` and `leg_command` (commands of scenarios), `refused` (those that are not carried out),
//! `call_in` (SIP calls), `internal_call`, `direct` (calls between users), `end` (of any leg),
//! `sound` (playing and recording), `message` (INFO and digits), `alarm` (deadlines), `catalog`
//! (rules with their programs).

mod alarm;
mod border;
mod call_in;
mod call_log;
mod catalog;
mod direct;
mod dispatch;
mod end;
mod execute;
mod internal_call;
mod leg;
mod leg_command;
mod limits;
mod message;
mod refused;
mod session;
mod sound;

pub use border::{Input, Output, Recorded, ScriptDone, ScriptJob, Stats};
pub use catalog::{Application, Catalog};
pub use dispatch::Engine;
pub use limits::{GUEST_PREFIX, Settings};
