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
//! A `Session` owns what is its own and handles one input at a time; it never sees
//! another session. What it has for another one is a delivery, which the engine carries. The engine
//! keeps the sessions and the limits over all; indices tell it whose an input is.
//!
//! Files. The engine: `dispatch` (who gets an input), `arrival` (calls that need a session),
//! `unrouted` (those that get none), `context` (what sessions share), `io` (inputs and outputs),
//! `limits` (settings), `catalog` (rules with their programs). Values: `leg`, `exchange`, `unit`,
//! `bridge`, `alarm`, `delivery`, `refused`, `trace_id`, `notice` (facts that are told), `ended`
//! (those about legs that wait). A session: `session` (its life and its script), `execute`,
//! `leg_command` and `membership` (commands of scenarios), `refusal` (those that are not carried
//! out), `leg_event`, `call_in` (SIP calls), `internal_call`, `direct` (calls between users), `end`
//! (of any leg), `sound` (playing and recording), `message` (INFO), `digits`, `timeout`.

mod alarm;
mod arrival;
mod bridge;
mod call_in;
mod catalog;
mod context;
mod delivery;
mod digits;
mod direct;
mod dispatch;
mod end;
mod ended;
mod exchange;
mod execute;
mod internal_call;
mod io;
mod leg;
mod leg_command;
mod leg_event;
mod limits;
mod membership;
mod message;
pub mod notice;
mod refusal;
mod refused;
mod session;
mod sound;
mod timeout;
mod trace_id;
mod unit;
mod unrouted;

pub use catalog::{Application, Catalog};
pub use dispatch::Engine;
pub use io::{Input, Output, Recorded, ScriptDone, ScriptJob, Stats};
pub use limits::{GUEST_PREFIX, Settings};
pub use notice::Notice;
pub use trace_id::TraceId;
