//! talkpath: a programmable engine for telephone and web conferences.
//!
//! Reading order: the vocabulary ([`id`], [`pii`], [`display_name`], [`deadlines`],
//! [`network`], [`termination`]), then the pure leaves ([`sip`],
//! [`sdp`], [`rtp`], [`audio`], [`codec`], [`stun`],
//! [`routing`]), the pure middle ([`script`], [`media`]),
//! the pure top ([`engine`]), and last the shells that carry bytes, time and files.
//!
//! What `clippy.toml` disallows (clocks, locks, sockets, randomness, hidden state, the order of
//! hashes) is for the shells, each of which says so here.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::iter_over_hash_type,
        reason = "a test begins at the time of its machine; the library without tests is held"
    )
)]

#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod api;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod app;
pub mod audio;
pub mod catalog;
pub mod codec;
pub mod config;
pub mod deadlines;
pub mod display_name;
pub mod engine;
pub mod id;
pub mod journal;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod load;
pub mod media;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod net;
pub mod network;
pub mod pii;
pub mod routing;
pub mod rtp;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod run;
pub mod script;
pub mod sdp;
pub mod sim;
pub mod sip;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod store;
pub mod stun;
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod telemetry;
pub mod termination;
pub mod web;
