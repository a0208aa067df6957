//! One integration binary.

mod calls;
mod loopback_media;
mod loopback_net;
mod tidy;
