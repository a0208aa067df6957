//! talkpath: a programmable engine for telephone and web conferences.
//!
//! Reading order: the vocabulary ([`id`], [`pii`], [`display_name`], [`deadlines`],
//! [`network`], [`termination`]), then the pure leaves ([`sip`],
//! [`sdp`], [`rtp`], [`audio`], [`codec`], [`stun`],
//! [`routing`]), the pure middle ([`script`], [`media`]),
//! the pure top ([`engine`]), and last the shells that carry bytes, time and files.

pub mod api;
pub mod app;
pub mod audio;
pub mod catalog;
pub mod codec;
pub mod config;
pub mod deadlines;
pub mod display_name;
pub mod engine;
pub mod id;
pub mod load;
pub mod media;
pub mod net;
pub mod network;
pub mod pii;
pub mod routing;
pub mod rtp;
pub mod run;
pub mod script;
pub mod sdp;
pub mod sim;
pub mod sip;
pub mod store;
pub mod stun;
pub mod telemetry;
pub mod termination;
pub mod web;
