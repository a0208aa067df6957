//! One integration binary.

mod calls;
mod loopback_net;
mod tidy;
