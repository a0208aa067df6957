//! What the transports count.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// Totals since the start, written by every socket's task.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub(super) $name: AtomicU64,)*
        }

        /// A reading of [`Counters`].
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct CountersRead {
            $($(#[doc = $doc])+ pub $name: u64,)*
        }

        impl Counters {
            /// The totals.
            pub fn read(&self) -> CountersRead {
                CountersRead { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }

        impl CountersRead {
            /// Name, meaning and value of each counter.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$((
                    concat!("net_", stringify!($name)),
                    concat!($($doc),+).trim_ascii(),
                    self.$name,
                ),)*]
                .into_iter()
            }
        }
    };
}

counters! {
    /// Messages handed to the engine.
    messages_in,
    /// Messages given to a socket or a connection's queue.
    messages_out,
    /// Messages that a full queue to the engine lost.
    shed_dropped,
    /// New requests that a full queue refused with 503.
    shed_refused,
    /// Datagrams that a UDP socket did not take.
    udp_send_failed,
    /// Errors of UDP sockets while reading.
    udp_receive_failed,
    /// Connections that were accepted.
    connections_accepted,
    /// Connections refused because there were as many as there may be.
    connections_refused,
    /// Connections refused because one address had as many as it may have.
    connections_refused_to_address,
    /// Connections that could not be opened.
    connects_failed,
    /// Connections closed because the peer did not read.
    closed_not_reading,
    /// Connections closed because what came is not SIP.
    closed_not_sip,
    /// WebSockets closed because a frame was too large.
    closed_too_large,
    /// Frames of WebSockets that are not SIP.
    not_sip_frames,
    /// Messages for WebSockets that are gone; nobody can open those but the peer.
    unreachable,
    /// Connections closed because nothing, or only half a message, came in time.
    closed_silent,
    /// Failures to accept a connection.
    accept_failed,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
