//! The queue from all sockets to the engine. Of its places a part is kept for what must not be
//! shed: responses, ACK, BYE and CANCEL, because losing them makes the load worse. Everything else
//! needs an ordinary place.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::id::FlowId;
use crate::sip::flow::Flow;

/// Messages that may wait for the engine, ordinary ones.
pub(super) const ORDINARY_MAX: usize = 4096;
/// Further places for messages that are not shed, and for notices of closed flows.
pub(super) const KEPT_MAX: usize = 4096;

/// What the transports tell the engine.
#[derive(Debug)]
pub enum Incoming {
    /// A whole message.
    Message(Received),
    /// A WebSocket was opened; its messages follow.
    FlowOpened {
        /// The connection.
        flow: Flow,
        /// The user that it has proved to be.
        identity: Option<String>,
    },
    /// A connection is gone; its id is not used again.
    FlowClosed(FlowId),
}

/// One framed message.
#[derive(Clone, Debug)]
pub struct Received {
    /// The way it came.
    pub flow: Flow,
    /// The message.
    pub bytes: Bytes,
}

/// The places that a message holds until the engine takes it.
#[derive(Default)]
struct Places {
    _ordinary: Option<OwnedSemaphorePermit>,
    _of_connection: Option<OwnedSemaphorePermit>,
}

/// The engine's end of the queue.
pub struct IncomingQueue {
    receiver: Receiver<(Incoming, Places)>,
}

impl IncomingQueue {
    /// The next one. Nothing once the transports are gone.
    pub async fn recv(&mut self) -> Option<Incoming> {
        self.receiver.recv().await.map(|(incoming, _)| incoming)
    }

    /// The next one if it is there.
    pub fn try_recv(&mut self) -> Option<Incoming> {
        self.receiver.try_recv().ok().map(|(incoming, _)| incoming)
    }
}

/// The sockets' end.
#[derive(Clone)]
pub(super) struct IncomingSender {
    sender: Sender<(Incoming, Places)>,
    ordinary: Arc<Semaphore>,
}

/// The queue is full for a message of this kind, or the engine is gone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct QueueFull;

pub(super) fn queue(ordinary_max: usize, kept_max: usize) -> (IncomingSender, IncomingQueue) {
    let (sender, receiver) = channel(ordinary_max + kept_max);
    let ordinary = Arc::new(Semaphore::new(ordinary_max));
    (
        IncomingSender { sender, ordinary },
        IncomingQueue { receiver },
    )
}

impl IncomingSender {
    /// For datagrams: takes it at once or not at all.
    pub fn try_push(&self, received: &Received) -> Result<(), QueueFull> {
        let ordinary = if is_kept(&received.bytes) {
            None
        } else {
            Some(
                Arc::clone(&self.ordinary)
                    .try_acquire_owned()
                    .map_err(|_| QueueFull)?,
            )
        };
        let places = Places {
            _ordinary: ordinary,
            _of_connection: None,
        };
        let message = Incoming::Message(received.clone());
        self.sender
            .try_send((message, places))
            .map_err(|_| QueueFull)
    }

    /// For streams: waits for a place in the connection's share and in the queue.
    pub async fn push(&self, received: Received, share: &Arc<Semaphore>) -> Result<(), QueueFull> {
        let of_connection = Arc::clone(share)
            .acquire_owned()
            .await
            .map_err(|_| QueueFull)?;
        let ordinary = if is_kept(&received.bytes) {
            None
        } else {
            Some(
                Arc::clone(&self.ordinary)
                    .acquire_owned()
                    .await
                    .map_err(|_| QueueFull)?,
            )
        };
        let places = Places {
            _ordinary: ordinary,
            _of_connection: Some(of_connection),
        };
        let message = Incoming::Message(received);
        self.sender
            .send((message, places))
            .await
            .map_err(|_| QueueFull)
    }

    pub async fn flow_opened(&self, flow: Flow, identity: Option<String>) {
        self.notify(Incoming::FlowOpened { flow, identity }).await;
    }

    pub async fn flow_closed(&self, flow: FlowId) {
        self.notify(Incoming::FlowClosed(flow)).await;
    }

    /// Waits for a place: a notice is never lost while the engine lives.
    async fn notify(&self, notice: Incoming) {
        if let Err(unheard) = self.sender.send((notice, Places::default())).await {
            tracing::debug!(notice = ?unheard.0.0, "Nobody is left to hear of a flow");
        }
    }
}

/// Whether a message is a response, an ACK, a BYE or a CANCEL, by its first word.
fn is_kept(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    [b"SIP/2.0 ".as_slice(), b"ACK ", b"BYE ", b"CANCEL "]
        .iter()
        .any(|word| start.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::flow::Transport;

    fn message(text: &'static str) -> Received {
        let address = "192.0.2.1:5060".parse().expect("an address");
        let transport = Transport::Udp;
        let flow = Flow {
            id: FlowId(1),
            transport,
            local: address,
            remote: address,
        };
        Received {
            flow,
            bytes: Bytes::from_static(text.as_bytes()),
        }
    }

    #[tokio::test]
    async fn what_must_not_be_shed_has_places_of_its_own() {
        let (sender, mut queue) = queue(2, 3);
        for (text, taken) in [
            ("INVITE sip:a@b SIP/2.0", true),
            ("OPTIONS sip:a@b SIP/2.0", true),
            ("INVITE sip:c@b SIP/2.0", false),
            ("BYE sip:a@b SIP/2.0", true),
            ("\r\nSIP/2.0 200 OK", true),
            ("BYEBYE sip:a@b SIP/2.0", false),
            ("ACK sip:a@b SIP/2.0", true),
            ("CANCEL sip:a@b SIP/2.0", false),
        ] {
            assert_eq!(sender.try_push(&message(text)).is_ok(), taken, "{text}");
        }
        assert!(matches!(queue.recv().await, Some(Incoming::Message(_))));
        assert_eq!(sender.try_push(&message("INVITE sip:d@b SIP/2.0")), Ok(()));
    }

    #[tokio::test]
    async fn a_stream_waits_for_its_share_without_taking_the_others_places() {
        let (sender, mut queue) = queue(10, 10);
        let share = Arc::new(Semaphore::new(1));
        sender
            .push(message("INVITE sip:a@b SIP/2.0"), &share)
            .await
            .expect("a place");
        let second = sender.push(message("INVITE sip:b@b SIP/2.0"), &share);
        tokio::pin!(second);
        let waits = poll_once(second.as_mut()).await;
        assert!(waits.is_none(), "the share of one connection is used up");
        assert_eq!(sender.try_push(&message("INVITE sip:c@b SIP/2.0")), Ok(()));
        drop(queue.recv().await);
        assert_eq!(second.await, Ok(()));
    }

    async fn poll_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut future).poll(context) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
