//! The script host: the only place that knows Rhai. Compiles the scenario files of a rule into a program,
//! keeps each session's state, runs one event of one session at a time within limits.

mod command;

pub use command::{
    CallOptions, Command, Event, Headers, LegCommand, LegEvent, LegInfo, Place, Placed,
    RecordOptions, Sound, UnitCommand, UnitEvent, VoiceChoice,
};
