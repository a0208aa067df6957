//! One integration binary.

mod loopback_net;
mod tidy;
