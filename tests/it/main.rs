//! One integration binary.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod api;
mod calls;
mod dependencies;
mod front_door;
mod fuzz;
mod loopback_baresip;
mod loopback_drain;
mod loopback_health;
mod loopback_join;
mod loopback_load;
mod loopback_logins;
mod loopback_media;
mod loopback_net;
mod loopback_replay;
mod loopback_sipp;
mod loopback_store;
mod loopback_webrtc;
mod loopback_ws;
mod metrics;
mod server;
mod tidy;
