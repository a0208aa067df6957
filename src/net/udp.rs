//! One UDP listener: reads until the socket is empty, in turns, and never ends for an error of the
//! socket.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::watch;

use super::counters::{Counters, count};
use super::flow_id;
use super::incoming::{IncomingSender, Received};
use super::local_address::LocalAddress;
use super::shed;
use crate::sip::flow::{Flow, Transport};

/// Datagrams that are read before other tasks get their turn.
const DATAGRAMS_PER_TURN: usize = 64;
/// Of those, at most so many are refused with a 503; the others are dropped. Refusing costs more
/// than receiving.
const REFUSALS_PER_TURN: usize = 16;
/// The kernel's receive buffer asked for; it may give less.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// The largest datagram there is.
const DATAGRAM_BYTES_MAX: usize = 65_536;

/// One listener.
pub(super) struct UdpListener {
    pub index: usize,
    pub socket: UdpSocket,
    pub local: LocalAddress,
}

/// Binds without address reuse, so that a port in use is an error.
pub(super) fn bind(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        // Mapped IPv4 addresses would come with a family that the peer does not have.
        socket.set_only_v6(true)?;
    }
    if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES) {
        tracing::debug!(%error, "The receive buffer keeps its size");
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

impl UdpListener {
    /// The flow to or from a peer.
    pub fn flow(&self, remote: SocketAddr) -> Flow {
        Flow {
            id: flow_id::of_udp(self.index, remote),
            transport: Transport::Udp,
            local: self.local.reached_by(remote.ip()),
            remote,
        }
    }

    /// Sends, or drops and counts. Never waits.
    pub fn send(&self, remote: SocketAddr, bytes: &[u8], counters: &Counters) {
        match self.socket.try_send_to(bytes, remote) {
            Ok(_) => count(&counters.messages_out),
            Err(error) => {
                count(&counters.udp_send_failed);
                tracing::debug!(%error, "A datagram was not sent");
            }
        }
    }
}

/// Reads until `closing`.
pub(super) async fn receive(
    listener: Arc<UdpListener>,
    incoming: IncomingSender,
    counters: Arc<Counters>,
    mut closing: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let ready = tokio::select! {
            ready = listener.socket.readable() => ready,
            _ = closing.wait_for(|closing| *closing) => return,
        };
        if let Err(error) = ready {
            // The runtime's I/O driver is gone; there is nothing left to wait on.
            tracing::error!(%error, "A UDP listener ended with its runtime");
            return;
        }
        let mut refusals = REFUSALS_PER_TURN;
        for _ in 0..DATAGRAMS_PER_TURN {
            match listener.socket.try_recv_from(&mut buffer) {
                Ok((length, remote)) => {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    take(
                        &listener,
                        &incoming,
                        &counters,
                        &mut refusals,
                        remote,
                        datagram,
                    );
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    // An ICMP message for an earlier datagram, for instance.
                    count(&counters.udp_receive_failed);
                    tracing::debug!(%error, "A UDP socket reported an error");
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

fn take(
    listener: &UdpListener,
    incoming: &IncomingSender,
    counters: &Counters,
    refusals: &mut usize,
    remote: SocketAddr,
    datagram: &[u8],
) {
    // Keepalives of phones: empty, CRLFs, or zero bytes. RFC 5626 wants no answer on UDP.
    if datagram
        .iter()
        .all(|byte| matches!(byte, b'\r' | b'\n' | b' ' | 0))
    {
        return;
    }
    let bytes = Bytes::copy_from_slice(datagram);
    let received = Received {
        flow: listener.flow(remote),
        bytes,
    };
    if incoming.try_push(&received).is_ok() {
        count(&counters.messages_in);
        return;
    }
    let refusal = if *refusals > 0 {
        shed::refuse(&received)
    } else {
        None
    };
    match refusal {
        Some((to, bytes)) => {
            *refusals -= 1;
            listener.send(to, &bytes, counters);
            count(&counters.shed_refused);
        }
        None => count(&counters.shed_dropped),
    }
}
