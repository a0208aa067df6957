//! One integration binary.

mod loopback_media;
mod loopback_net;
