//! The machine for samples: packets in, jitter buffer, decode, mix, encode, packets out, at a 20 ms
//! tick.

mod command;
mod graph;

pub use command::{
    Command, DigitKind, Event, LegStats, Quality, RecordSource, StreamParams, TelephoneEventParams,
};
