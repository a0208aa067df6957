//! The shells around the pure machines: threads, files, programs, media sockets. They carry values
//! across the border and decide nothing about calls.

pub mod cache;
pub mod call_log;
pub mod clips;
pub mod decode;
pub mod engine_loop;
mod file_work;
pub mod health;
pub mod identity;
pub mod journal_file;
pub mod media_loop;
pub mod media_ports;
mod media_sockets;
pub mod open_files;
pub mod queues;
pub mod recordings;
pub mod script_pool;
pub mod sounds;
pub mod speech;
pub mod stun_socket;
pub mod tones;
pub mod voice_program;
