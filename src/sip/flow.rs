//! Flows: the way a message came and the way the answer goes (RFC 3261 §18, RFC 3581, RFC 5626, RFC
//! 7118).
//!
//! A [`Flow`] is a name and two addresses; sockets belong to `net`. For a stream the [`FlowId`]
//! alone says where bytes go. For UDP it names the listener, and the bytes go to [`Flow::remote`],
//! which for a response may be another port than the request came from.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::wire::Framing;
use crate::id::FlowId;

/// How SIP messages are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Transport {
    /// One message a datagram.
    Udp,
    /// A stream of messages.
    Tcp,
    /// A stream of messages inside TLS.
    Tls,
    /// One message a WebSocket frame.
    Ws,
    /// One message a frame of a secure WebSocket.
    Wss,
}

impl Transport {
    /// Whether the transport itself repeats what was lost, so that no timer must.
    pub fn reliable(self) -> bool {
        self != Transport::Udp
    }

    /// The word of the Via header.
    pub fn via_token(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// The value of the `transport` URI parameter; `None` for UDP, the default.
    pub fn uri_param(self) -> Option<&'static str> {
        match self {
            Transport::Udp => None,
            Transport::Tcp => Some("tcp"),
            Transport::Tls => Some("tls"),
            Transport::Ws => Some("ws"),
            Transport::Wss => Some("wss"),
        }
    }

    /// Whether the transport is encrypted.
    pub fn secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }

    /// Whether browsers speak it.
    pub fn is_web(self) -> bool {
        matches!(self, Transport::Ws | Transport::Wss)
    }

    /// How a message of this transport ends.
    pub fn framing(self) -> Framing {
        match self {
            Transport::Udp | Transport::Ws | Transport::Wss => Framing::Datagram,
            Transport::Tcp | Transport::Tls => Framing::Stream,
        }
    }
}

/// A way to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// The connection, or the UDP listener with this peer.
    pub id: FlowId,
    /// What carries the messages.
    pub transport: Transport,
    /// Our address as the peer reaches it; stands in Contact and Via.
    pub local: SocketAddr,
    /// The address of the peer.
    pub remote: SocketAddr,
}

impl Flow {
    /// Whether the flow is a connection that can close.
    pub fn is_stream(&self) -> bool {
        self.transport.reliable()
    }

    /// Our Contact value on this flow; `sips` is whether the peer demands a SIPS URI (RFC 3261
    /// §12.1.1).
    pub fn contact(&self, sips: bool) -> String {
        let scheme = if sips { "sips" } else { "sip" };
        match self.transport.uri_param() {
            Some(transport) => format!("<{scheme}:{};transport={transport}>", self.local),
            None => format!("<{scheme}:{}>", self.local),
        }
    }

    /// The Via value of a request of ours with `branch`.
    pub fn via(&self, branch: &str) -> String {
        let token = self.transport.via_token();
        format!("SIP/2.0/{token} {};branch={branch};rport", self.local)
    }
}
