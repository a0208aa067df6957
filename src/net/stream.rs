//! One stream connection: its reader, its writer and their deadlines. Both live in one task, and
//! the first of them that ends closes the connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::counters::{Counters, count};
use super::incoming::{IncomingSender, Received};
use crate::sip::flow::Flow;
use crate::sip::{Framed, StreamFramer};

/// Messages that may wait to be written to one connection.
const WRITE_MESSAGES_MAX: usize = 1024;
/// Bytes that may wait to be written to one connection; at least one message of 64 KiB fits.
const WRITE_BYTES_MAX: usize = 512 * 1024;
/// Messages of one connection that may wait for the engine.
pub(super) const UNHANDLED_MAX: usize = 32;
/// Bytes that are read at once.
const READ_BYTES: usize = 4 * 1024;
/// Time for what is queued when the transports close.
pub(super) const FLUSH: Duration = Duration::from_secs(1);

/// How long a connection may keep us waiting.
#[derive(Clone, Copy, Debug)]
pub struct StreamDeadlines {
    /// For the first message or keepalive.
    pub first: Duration,
    /// From the first bytes of a message to its last.
    pub half_message: Duration,
    /// Between messages or keepalives. Long: closing the connection ends its calls, and peers that
    /// are gone are found by TCP keepalive.
    pub idle: Duration,
    /// For the peer to take one message.
    pub write: Duration,
    /// For a connection of ours to be accepted.
    pub connect: Duration,
}

impl Default for StreamDeadlines {
    fn default() -> Self {
        StreamDeadlines {
            first: Duration::from_secs(30),
            half_message: Duration::from_secs(10),
            idle: Duration::from_secs(2 * 3600),
            write: Duration::from_secs(5),
            connect: Duration::from_secs(5),
        }
    }
}

/// The way to a connection's writer.
#[derive(Clone)]
pub(super) struct Outbox {
    messages: Sender<Bytes>,
    bytes: Arc<AtomicUsize>,
    overflow: Arc<Notify>,
}

/// The writer's end.
pub(super) struct OutboxQueue {
    pub messages: Receiver<Bytes>,
    /// Bytes that wait in `messages` or are being written.
    pub bytes: Arc<AtomicUsize>,
    overflow: Arc<Notify>,
}

impl OutboxQueue {
    /// Notified when a message found no room.
    pub fn overflow(&self) -> Arc<Notify> {
        Arc::clone(&self.overflow)
    }
}

pub(super) fn outbox() -> (Outbox, OutboxQueue) {
    let (sender, receiver) = channel(WRITE_MESSAGES_MAX);
    let (bytes, overflow) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let queue = OutboxQueue {
        messages: receiver,
        bytes: Arc::clone(&bytes),
        overflow: Arc::clone(&overflow),
    };
    (
        Outbox {
            messages: sender,
            bytes,
            overflow,
        },
        queue,
    )
}

impl Outbox {
    /// Queues a message. When the peer has left too much unread, the message is dropped and the
    /// connection closed.
    pub fn push(&self, bytes: Bytes) -> bool {
        let length = bytes.len();
        let queued = self.bytes.fetch_add(length, Ordering::Relaxed);
        if queued + length <= WRITE_BYTES_MAX || queued == 0 {
            match self.messages.try_send(bytes) {
                Ok(()) => return true,
                Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {}
            }
        }
        self.bytes.fetch_sub(length, Ordering::Relaxed);
        self.overflow.notify_one();
        false
    }
}

/// What a connection's task needs beside its socket.
pub(super) struct Connection {
    pub flow: Flow,
    pub outbox: Outbox,
    pub queue: OutboxQueue,
    pub incoming: IncomingSender,
    pub counters: Arc<Counters>,
    pub deadlines: StreamDeadlines,
    pub closing: watch::Receiver<bool>,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By the peer, or by an error of the socket.
    Peer,
    /// What came is not SIP.
    NotSip,
    /// A frame was larger than any message.
    TooLarge,
    /// Nothing, or half a message, in time.
    Silent,
    /// The peer does not read.
    NotReading,
    /// The transports close.
    Closing,
}

impl Connection {
    /// Carries messages until one side ends it.
    pub async fn run(self, stream: TcpStream) -> End {
        let Connection {
            flow,
            outbox,
            mut queue,
            incoming,
            counters,
            deadlines,
            mut closing,
        } = self;
        let overflow = queue.overflow();
        let (read, write) = stream.into_split();
        let reader = Reader {
            flow,
            outbox,
            incoming,
            counters: Arc::clone(&counters),
            deadlines,
        };
        let writer = write_messages(write, &mut queue, deadlines.write);
        tokio::pin!(writer);
        let end = tokio::select! {
            end = reader.run(read) => end,
            end = &mut writer => end,
            () = overflow.notified() => End::NotReading,
            _ = closing.wait_for(|closing| *closing) => End::Closing,
        };
        if end == End::Closing && timeout(FLUSH, writer).await.is_err() {
            tracing::debug!(flow = %flow.id, "A connection was closed with messages unsent");
        }
        end.count_in(&counters);
        end
    }
}

impl End {
    pub fn count_in(self, counters: &Counters) {
        match self {
            End::NotReading => count(&counters.closed_not_reading),
            End::NotSip => count(&counters.closed_not_sip),
            End::TooLarge => count(&counters.closed_too_large),
            End::Silent => count(&counters.closed_silent),
            End::Peer | End::Closing => {}
        }
    }
}

async fn write_messages(
    mut to: impl AsyncWrite + Unpin,
    queue: &mut OutboxQueue,
    deadline: Duration,
) -> End {
    while let Some(bytes) = queue.messages.recv().await {
        match timeout(deadline, to.write_all(&bytes)).await {
            Ok(Ok(())) => queue.bytes.fetch_sub(bytes.len(), Ordering::Relaxed),
            Ok(Err(_)) => return End::Peer,
            Err(_) => return End::NotReading,
        };
    }
    End::Closing
}

struct Reader {
    flow: Flow,
    outbox: Outbox,
    incoming: IncomingSender,
    counters: Arc<Counters>,
    deadlines: StreamDeadlines,
}

impl Reader {
    async fn run(self, mut from: impl AsyncRead + Unpin) -> End {
        let mut framer = StreamFramer::new();
        let mut buffer = vec![0; READ_BYTES];
        let share = Arc::new(Semaphore::new(UNHANDLED_MAX));
        let mut deadline = Instant::now() + self.deadlines.first;
        let mut half_since: Option<Instant> = None;
        loop {
            let read = match timeout_at(deadline, from.read(&mut buffer)).await {
                Err(_) => return End::Silent,
                Ok(Err(_) | Ok(0)) => return End::Peer,
                Ok(Ok(length)) => buffer.get(..length).unwrap_or_default(),
            };
            if framer.is_between_messages() && !may_begin_message(read) {
                return End::NotSip;
            }
            framer.push(read);
            loop {
                match framer.next() {
                    Ok(None) => break,
                    Ok(Some(framed)) => {
                        if let Err(end) = self.take(framed, &share).await {
                            return end;
                        }
                        half_since = None;
                    }
                    Err(error) => {
                        tracing::debug!(%error, flow = %self.flow.id, "A stream lost its framing");
                        return End::NotSip;
                    }
                }
            }
            deadline = if framer.is_between_messages() {
                half_since = None;
                Instant::now() + self.deadlines.idle
            } else {
                *half_since.get_or_insert_with(Instant::now) + self.deadlines.half_message
            };
        }
    }

    async fn take(&self, framed: Framed, share: &Arc<Semaphore>) -> Result<(), End> {
        match framed {
            Framed::Pong => Ok(()),
            Framed::Ping => {
                let taken = self.outbox.push(Bytes::from_static(b"\r\n"));
                if taken { Ok(()) } else { Err(End::NotReading) }
            }
            Framed::Message(bytes) if !has_sip_version(&bytes) => Err(End::NotSip),
            Framed::Message(bytes) => {
                let received = Received {
                    flow: self.flow,
                    bytes,
                };
                self.incoming
                    .push(received, share)
                    .await
                    .map_err(|_| End::Closing)?;
                count(&self.counters.messages_in);
                Ok(())
            }
        }
    }
}

/// A method, `SIP/2.0`, or a keepalive. A TLS handshake on the wrong port is none.
fn may_begin_message(bytes: &[u8]) -> bool {
    bytes
        .first()
        .is_some_and(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
}

/// Whether the start line names a SIP version, in any of its shapes. A broken SIP message is
/// answered with 400; what was never meant to be SIP is not.
pub(super) fn has_sip_version(message: &[u8]) -> bool {
    let start = message.trim_ascii_start();
    let line = start
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    line.windows(4)
        .any(|window| window.eq_ignore_ascii_case(b"SIP/"))
}

/// Sets what every connection has: no delay for small messages, and keepalive that finds a peer
/// that is gone within about three minutes.
pub(super) fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(90))
        .with_interval(Duration::from_secs(30))
        .with_retries(3);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Opens a connection.
pub(super) async fn connect(remote: SocketAddr, deadline: Duration) -> std::io::Result<TcpStream> {
    match timeout(deadline, TcpStream::connect(remote)).await {
        Ok(connected) => connected,
        Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
    }
}
