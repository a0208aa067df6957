//! The socket of the STUN server: datagrams in, answers out. An answer that the system does not
//! take at once is dropped, as the network may do; the client asks again.

use std::net::SocketAddr;
use std::time::Instant;

use tokio::net::UdpSocket;

use crate::stun::{QUESTION_BYTES_MAX, StunServer};

/// A STUN server that listens.
pub struct StunSocket(UdpSocket);

impl StunSocket {
    /// Binds it.
    ///
    /// # Errors
    /// What the system says, when the port is taken for instance.
    pub async fn bind(address: SocketAddr) -> std::io::Result<StunSocket> {
        UdpSocket::bind(address).await.map(StunSocket)
    }

    /// Its port.
    ///
    /// # Errors
    /// The system does not say.
    pub fn port(&self) -> std::io::Result<u16> {
        self.0.local_addr().map(|address| address.port())
    }

    /// Answers until the task is dropped.
    pub async fn serve(self) {
        let mut server = StunServer::default();
        // One byte more than a question may have, so that longer ones are told from those.
        let mut buffer = [0; QUESTION_BYTES_MAX + 1];
        loop {
            let (length, from) = match self.0.recv_from(&mut buffer).await {
                Ok(received) => received,
                Err(error) => {
                    // An ICMP message for an earlier answer, say; reading it has cleared it.
                    tracing::trace!(%error, "The STUN socket reports an error");
                    continue;
                }
            };
            let question = buffer.get(..length).unwrap_or_default();
            let Some(answer) = server.answer(Instant::now(), from, question) else {
                continue;
            };
            if let Err(error) = self.0.try_send_to(&answer, from) {
                tracing::trace!(%error, %from, "An answer of the STUN server is lost");
            }
        }
    }
}
