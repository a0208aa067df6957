//! One integration binary.

mod calls;
mod loopback_media;
mod loopback_net;
mod loopback_ws;
mod tidy;
