//! The SIP transports: sockets in, whole messages out, and back. Owns every socket, connection and
//! deadline of SIP; knows where a message ends and which may be shed, not what it means. RFC 3261
//! §18, RFC 5626 §3.5.1, RFC 7118.
//!
//! Policies, each with its limit beside it:
//!
//! - The queue to the engine is full: streams are not read until there is room; a new UDP request
//!   gets a stateless 503, the rest of UDP is dropped and counted; responses, ACK, BYE and CANCEL
//!   have places of their own (`incoming`).
//! - A connection's share of that queue is full: that connection is not read.
//! - A connection's write queue is full, or its write deadline over: the connection is closed.
//! - A UDP socket's send buffer is full: the datagram is dropped and counted; timers repeat it.
//! - There are too many connections, in all or per address: a new one is closed at once.

mod connections;
mod counters;
mod flow_id;
mod incoming;
mod local_address;
mod shed;
mod stream;
mod transports;
mod udp;
mod websocket;

pub use counters::{Counters, CountersRead};
pub use incoming::{Incoming, IncomingQueue, Received};
pub use local_address::own_address;
pub use stream::StreamDeadlines;
pub use transports::{BindError, Listen, NetSettings, NoFlow, Transports};
pub use websocket::{
    FRAME_BYTES_MAX, Frame, FrameReader, FrameWriter, Outgoing, WsDeadlines, WsLink,
};
