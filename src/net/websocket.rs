//! One WebSocket (RFC 7118): a message a frame, with the limits and deadlines of stream
//! connections. The HTTP server upgrades, reads and writes frames behind [`FrameReader`] and
//! [`FrameWriter`]; what a frame may hold and when the connection ends is decided here.
//!
//! | what comes | what happens |
//! |---|---|
//! | a text or binary frame with a message | it goes to the engine, in its turn |
//! | CRLF CRLF in either | CRLF is sent (RFC 5626 §3.5.1) |
//! | other white space, ping, pong | nothing; the peer is alive |
//! | a frame that is not SIP | it is counted; the third closes with 1002 |
//! | a frame above 64 KiB | closed with 1009 |
//! | no frame in [`WsDeadlines::idle`] | closed with 1001 |
//! | the engine ends | what waits is sent, then closed with 1012, "service restart" |
//!
//! Browsers send no keepalive of their own but answer pings (RFC 6455 §5.5.2), also for a page that
//! is busy; so we ping them, and notice a network that dies without a FIN.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::connections::Registered;
use super::counters::{Counters, count};
use super::incoming::{IncomingSender, Received};
use super::stream::{Connection, End, FLUSH, Outbox, OutboxQueue, UNHANDLED_MAX, has_sip_version};
use crate::pii::{ClientAddress, Pii};
use crate::sip::flow::Flow;
use crate::sip::wire::MESSAGE_BYTES_MAX;

/// The largest message that a frame may hold, in octets.
pub const FRAME_BYTES_MAX: usize = MESSAGE_BYTES_MAX;
/// Frames without SIP before a connection is closed.
const NOT_SIP_MAX: u32 = 3;

/// How long a WebSocket may keep us waiting.
#[derive(Clone, Copy, Debug)]
pub struct WsDeadlines {
    /// Between frames of the peer, pongs included.
    pub idle: Duration,
    /// Between pings of ours; well below `idle`.
    pub ping: Duration,
    /// For the peer to take one frame.
    pub write: Duration,
}

impl Default for WsDeadlines {
    fn default() -> Self {
        WsDeadlines {
            // Three pings without an answer. The wait for a browser's return begins here.
            idle: Duration::from_secs(50),
            ping: Duration::from_secs(15),
            write: Duration::from_secs(5),
        }
    }
}

/// What comes over a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The payload of a whole text or binary message.
    Data(Bytes),
    /// A ping, which is answered already, or a pong.
    Control,
    /// A message above [`FRAME_BYTES_MAX`]; it need not be read.
    TooLarge,
    /// The end, by a close frame or an error.
    Closed,
}

/// What goes out over a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// One message: as text when it is UTF-8, else as binary.
    Message(Bytes),
    /// A ping.
    Ping,
    /// The end, with a status code of RFC 6455 §7.4.1.
    Close(u16),
}

/// The peer's frames.
pub trait FrameReader: Send {
    /// The next one. Not called again after [`Frame::TooLarge`] and [`Frame::Closed`].
    fn next(&mut self) -> impl Future<Output = Frame> + Send;
}

/// The way of our frames.
pub trait FrameWriter: Send {
    /// Writes one, and is done when the system has taken it.
    ///
    /// # Errors
    /// The connection is gone.
    fn send(&mut self, frame: Outgoing) -> impl Future<Output = std::io::Result<()>> + Send;
}

/// A WebSocket that has a place among the connections and waits for its frames.
pub struct WsLink {
    // The connection is dropped before the table forgets the flow, so that no message enters a
    // dead queue.
    pub(super) connection: Connection,
    pub(super) registered: Registered,
    pub(super) deadlines: WsDeadlines,
    pub(super) running: mpsc::Sender<()>,
}

impl WsLink {
    /// The flow of its messages.
    pub fn flow(&self) -> Flow {
        self.registered.flow
    }

    /// Tells the engine of the flow and of the user that it is known to be, then carries messages
    /// until one side ends it.
    pub async fn carry(
        self,
        identity: Option<String>,
        reader: impl FrameReader,
        mut writer: impl FrameWriter,
    ) {
        let WsLink {
            connection,
            registered,
            deadlines,
            running,
        } = self;
        let flow = registered.flow;
        let (incoming, closing) = (connection.incoming.clone(), connection.closing.clone());
        if let Some(user) = identity.as_deref().map(Pii) {
            let address = ClientAddress(flow.remote.ip());
            tracing::info!(trace = %flow.id, %address, %user, "WebSocket opened");
        }
        incoming.flow_opened(flow, identity).await;
        let end = run(connection, deadlines, reader, &mut writer).await;
        tracing::debug!(trace = %flow.id, ?end, "WebSocket ended");
        let code = match end {
            End::NotSip => Some(1002),
            End::TooLarge => Some(1009),
            End::Silent => Some(1001),
            End::Closing => Some(1012),
            End::Peer | End::NotReading => None,
        };
        if let Some(code) = code {
            // A peer that does not take the farewell is closed without.
            let _ = timeout(FLUSH, writer.send(Outgoing::Close(code))).await;
        }
        drop(writer);
        drop(registered);
        if !*closing.borrow() {
            incoming.flow_closed(flow.id).await;
        }
        drop(running);
    }
}

async fn run(
    connection: Connection,
    deadlines: WsDeadlines,
    reader: impl FrameReader,
    writer: &mut impl FrameWriter,
) -> End {
    let Connection {
        flow,
        outbox,
        mut queue,
        incoming,
        counters,
        deadlines: _,
        mut closing,
    } = connection;
    let overflow = queue.overflow();
    let reader = Reader {
        flow,
        outbox,
        incoming,
        counters: Arc::clone(&counters),
        frames: reader,
    };
    let writing = write_frames(writer, &mut queue, deadlines);
    tokio::pin!(writing);
    let end = tokio::select! {
        end = reader.run(deadlines.idle) => end,
        end = &mut writing => end,
        () = overflow.notified() => End::NotReading,
        _ = closing.wait_for(|closing| *closing) => End::Closing,
    };
    if end == End::Closing && timeout(FLUSH, writing).await.is_err() {
        tracing::debug!(flow = %flow.id, "A WebSocket was closed with messages unsent");
    }
    end.count_in(&counters);
    end
}

async fn write_frames(
    to: &mut impl FrameWriter,
    queue: &mut OutboxQueue,
    deadlines: WsDeadlines,
) -> End {
    let mut pings = interval(deadlines.ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings.tick().await;
    loop {
        let bytes = tokio::select! {
            bytes = queue.messages.recv() => bytes,
            _ = pings.tick() => Some(Bytes::new()),
        };
        let Some(bytes) = bytes else {
            return End::Closing;
        };
        let length = bytes.len();
        let frame = if length == 0 {
            Outgoing::Ping
        } else {
            Outgoing::Message(bytes)
        };
        match timeout(deadlines.write, to.send(frame)).await {
            Ok(Ok(())) => queue.bytes.fetch_sub(length, Ordering::Relaxed),
            Ok(Err(_)) => return End::Peer,
            Err(_) => return End::NotReading,
        };
    }
}

struct Reader<R> {
    flow: Flow,
    outbox: Outbox,
    incoming: IncomingSender,
    counters: Arc<Counters>,
    frames: R,
}

impl<R: FrameReader> Reader<R> {
    async fn run(mut self, idle: Duration) -> End {
        let share = Arc::new(Semaphore::new(UNHANDLED_MAX));
        let mut not_sip = 0;
        loop {
            let bytes = match timeout(idle, self.frames.next()).await {
                Err(_) => return End::Silent,
                Ok(Frame::Closed) => return End::Peer,
                Ok(Frame::TooLarge) => return End::TooLarge,
                Ok(Frame::Control) => continue,
                Ok(Frame::Data(bytes)) => bytes,
            };
            if bytes.len() > FRAME_BYTES_MAX {
                return End::TooLarge;
            }
            if bytes.trim_ascii().is_empty() {
                let pinged = bytes.windows(4).any(|window| window == b"\r\n\r\n");
                if pinged && !self.outbox.push(Bytes::from_static(b"\r\n")) {
                    return End::NotReading;
                }
            } else if !has_sip_version(&bytes) {
                count(&self.counters.not_sip_frames);
                not_sip += 1;
                if not_sip == NOT_SIP_MAX {
                    return End::NotSip;
                }
            } else {
                let flow = self.flow;
                let received = Received { flow, bytes };
                if self.incoming.push(received, &share).await.is_err() {
                    return End::Closing;
                }
                count(&self.counters.messages_in);
            }
        }
    }
}

#[cfg(test)]
mod tests;
