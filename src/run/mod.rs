//! The shells around the pure machines: threads, files, programs. They carry values across the border and
//! decide nothing about calls.

pub mod cache;
pub mod clips;
pub mod decode;
pub mod recordings;
pub mod script_pool;
pub mod speech;
pub mod voice_program;
