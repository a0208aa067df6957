//! The SIP core: messages over bytes, without sockets, clocks or threads.
//!
//! Reading order: [`message`] and [`headers`] are the values, [`uri`], [`name_addr`], [`params`]
//! and [`views`] give header values their meaning on demand, [`wire`] turns bytes into messages and
//! back, [`framing`] cuts a byte stream into messages.

pub mod counters;
pub mod dialog;
pub mod digest;
pub mod endpoint;
pub mod error;
pub mod flow;
pub mod framing;
pub mod headers;
mod invite;
pub mod login;
pub mod message;
pub mod name_addr;
pub mod params;
pub mod registrar;
pub mod text;
pub mod transaction;
pub mod uri;
pub mod views;
pub mod wire;

#[cfg(test)]
mod torture;

pub use counters::Counters;
pub use digest::Algorithm;
pub use endpoint::{
    Body, CallKey, Endpoint, Event, ExtraHeaders, Output, Refused, RequestKey, Settings,
};
pub use error::{Fault, HeaderError, SipParseError};
pub use flow::{Flow, Transport};
pub use framing::{Framed, FramingError, StreamFramer};
pub use headers::Headers;
pub use invite::uac::InviteParams;
pub use login::{DEFAULT_REALM, Ha1, User};
pub use message::{Message, Method, Request, Response, reason_phrase};
pub use name_addr::NameAddr;
pub use params::Params;
pub use registrar::Binding;
pub use uri::{Host, Scheme, Uri};
pub use views::{CSeq, MediaType, RAck, Reason, Replaces, SessionExpires, Via};
pub use wire::{Framing, Unparsable};
