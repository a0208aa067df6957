//! The sockets of one media worker: one epoll over the RTP and RTCP sockets of its legs and
//! the eventfd that wakes the worker, and the socket that all WebRTC legs share. Owns
//! readiness and the receive buffer; ports come from [`PortPool`].

use std::collections::HashMap;
use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll, eventfd, poll};

use super::media_ports::{PortPair, PortPool};
use crate::id::UnitId;
use crate::media::Channel;

/// Longest packet that is taken. RTP fits an Ethernet frame.
const PACKET_BYTES_MAX: usize = 2048;
/// Sockets that one call of epoll may name.
const READY_MAX: usize = 256;
/// Packets of one socket, and turns over all, in one reading. A flood on one socket costs the
/// others no more.
const ROUNDS_MAX: usize = 64;
/// Packets of the shared socket in one of those turns: many peers are behind it.
const SHARED_PACKETS_MAX: usize = 256;
/// Bytes that the system is asked to keep of the shared socket: all packets of a thousand peers for
/// 20 ms. It gives what it allows.
const SHARED_BUFFER_BYTES: usize = 4 << 20;
/// The epoll data of the eventfd; unit ids are far below.
const WAKE: u64 = u64::MAX;
/// The epoll data of the shared socket.
const SHARED: u64 = u64::MAX - 1;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Totals of one worker since its start, readable from any thread.
        #[derive(Debug, Default)]
        pub struct MediaCounters {
            $($(#[$doc])* pub(super) $name: AtomicU64,)*
        }

        /// A reading of [`MediaCounters`].
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct MediaCountersRead {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl MediaCounters {
            /// The totals.
            pub fn read(&self) -> MediaCountersRead {
                MediaCountersRead { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Packets handed to the core.
    packets_in,
    /// Packets given to a socket.
    packets_out,
    /// Packets that a socket did not take, or that had none.
    send_failed,
    /// Errors of sockets while reading.
    receive_failed,
    /// Packets longer than 2047 bytes, which are dropped.
    oversized,
    /// Legs that got no sockets.
    bind_failed,
    /// Events that waited because the engine's queue was full.
    events_delayed,
    /// Events that were lost because too many waited.
    events_lost,
    /// Turns of the loop: none are added while nothing is to be done.
    turns,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Wakes a worker from any thread.
#[derive(Clone)]
pub(super) struct Waker(Arc<OwnedFd>);

impl Waker {
    fn new() -> std::io::Result<Self> {
        Ok(Waker(Arc::new(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?)))
    }

    pub fn wake(&self) {
        // It can only fail when 2^64 wake-ups are pending, which is awake enough.
        if let Err(error) = rustix::io::write(&*self.0, &1u64.to_ne_bytes()) {
            tracing::trace!(%error, "A media worker is awake already");
        }
    }

    fn clear(&self) {
        let mut count = [0; 8];
        if let Err(error) = rustix::io::read(&*self.0, &mut count) {
            tracing::trace!(%error, "A media worker was woken for nothing");
        }
    }
}

pub(super) struct MediaSockets {
    epoll: OwnedFd,
    waker: Waker,
    pool: PortPool,
    /// The address that goes into SDP.
    address: IpAddr,
    legs: HashMap<UnitId, PortPair>,
    shared: UdpSocket,
    shared_port: u16,
    /// Epoll data of the sockets that the last wait named.
    ready: Vec<u64>,
    buffer: Box<[u8; PACKET_BYTES_MAX]>,
    counters: Arc<MediaCounters>,
}

impl MediaSockets {
    pub fn new(
        pool: PortPool,
        address: IpAddr,
        shared: SocketAddr,
        counters: Arc<MediaCounters>,
    ) -> std::io::Result<Self> {
        let shared = bind_shared(shared)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let waker = Waker::new()?;
        let data = epoll::EventData::new_u64(WAKE);
        epoll::add(&epoll, &*waker.0, data, epoll::EventFlags::IN)?;
        let data = epoll::EventData::new_u64(SHARED);
        epoll::add(&epoll, &shared, data, epoll::EventFlags::IN)?;
        Ok(MediaSockets {
            epoll,
            waker,
            pool,
            address,
            legs: HashMap::new(),
            shared_port: shared.local_addr()?.port(),
            shared,
            ready: Vec::with_capacity(READY_MAX),
            buffer: Box::new([0; PACKET_BYTES_MAX]),
            counters,
        })
    }

    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Binds the sockets of a leg and returns their addresses for SDP.
    pub fn open(&mut self, now: Instant, unit: UnitId) -> Result<(SocketAddr, SocketAddr), String> {
        let pair = self.pool.bind(now).map_err(|error| error.to_string())?;
        let port = pair.port;
        let watched = [Channel::Rtp, Channel::Rtcp]
            .into_iter()
            .try_for_each(|channel| {
                let data = epoll::EventData::new_u64(data_of(unit, channel));
                epoll::add(
                    &self.epoll,
                    socket_of(&pair, channel),
                    data,
                    epoll::EventFlags::IN,
                )
            });
        if let Err(error) = watched {
            self.pool.release(now, pair);
            return Err(format!("cannot watch a socket: {error}"));
        }
        if let Some(replaced) = self.legs.insert(unit, pair) {
            self.pool.release(now, replaced);
        }
        Ok((
            SocketAddr::new(self.address, port),
            SocketAddr::new(self.address, port + 1),
        ))
    }

    /// The address of the shared socket for SDP; RTP and RTCP have the same.
    pub fn shared_address(&self) -> (SocketAddr, SocketAddr) {
        let address = SocketAddr::new(self.address, self.shared_port);
        (address, address)
    }

    /// Closes the sockets of a leg; with its sockets the leg leaves the epoll.
    pub fn close(&mut self, now: Instant, unit: UnitId) {
        if let Some(pair) = self.legs.remove(&unit) {
            self.pool.release(now, pair);
        }
    }

    pub fn send(&self, unit: UnitId, channel: Channel, to: SocketAddr, bytes: &[u8]) {
        let sent = self
            .socket(unit, channel)
            .map(|socket| socket.send_to(bytes, to));
        match sent {
            Some(Ok(_)) => count(&self.counters.packets_out),
            Some(Err(_)) | None => count(&self.counters.send_failed),
        }
    }

    /// Takes one packet from each socket that has one, several from the shared one, and again,
    /// until there are none. Packets of the shared socket have no leg.
    pub fn read(&mut self, mut take: impl FnMut(Option<(UnitId, Channel)>, SocketAddr, &[u8])) {
        for _ in 0..ROUNDS_MAX {
            self.wait(Some(Duration::ZERO));
            let ready = std::mem::take(&mut self.ready);
            let mut packets = 0;
            for data in &ready {
                packets += usize::from(self.read_one(*data, &mut take));
            }
            self.ready = ready;
            if packets == 0 {
                return;
            }
        }
    }

    /// Waits until a socket has something, the worker is woken, or the time is over. `None`: for
    /// ever.
    pub fn wait(&mut self, timeout: Option<Duration>) {
        self.ready.clear();
        let timeout = timeout.map(timespec);
        // Events cannot be kept: they are not `Send`, and the worker moves to its thread.
        let mut events = [const { MaybeUninit::<epoll::Event>::uninit() }; READY_MAX];
        match epoll::wait(&self.epoll, events.as_mut_slice(), timeout.as_ref()) {
            Ok((events, _)) => self.ready.extend(events.iter().map(|event| {
                let data = event.data;
                data.u64()
            })),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => tracing::error!(%error, "A media worker cannot wait for its sockets"),
        }
    }

    /// Waits until the worker is woken or the time is over, whatever the sockets have.
    pub fn sleep(&self, time: Duration) {
        let mut watched = [PollFd::new(&*self.waker.0, PollFlags::IN)];
        match poll(&mut watched, Some(&timespec(time))) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => tracing::error!(%error, "A media worker cannot sleep"),
        }
    }

    fn read_one(
        &mut self,
        data: u64,
        take: &mut impl FnMut(Option<(UnitId, Channel)>, SocketAddr, &[u8]),
    ) -> bool {
        if data == WAKE {
            self.waker.clear();
            return false;
        }
        if data == SHARED {
            let read = (0..SHARED_PACKETS_MAX).take_while(|_| self.receive(None, take));
            return read.count() > 0;
        }
        self.receive(Some(unit_of(data)), take)
    }

    /// Whether there was a packet, or an error in the place of one.
    fn receive(
        &mut self,
        leg: Option<(UnitId, Channel)>,
        take: &mut impl FnMut(Option<(UnitId, Channel)>, SocketAddr, &[u8]),
    ) -> bool {
        let socket = match leg {
            None => &self.shared,
            Some((unit, channel)) => match self.legs.get(&unit) {
                Some(pair) => socket_of(pair, channel),
                None => return false,
            },
        };
        match socket.recv_from(self.buffer.as_mut_slice()) {
            Ok((PACKET_BYTES_MAX, _)) => count(&self.counters.oversized),
            Ok((length, from)) => {
                count(&self.counters.packets_in);
                take(leg, from, self.buffer.get(..length).unwrap_or_default());
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            // An ICMP message for an earlier packet, for instance; reading it cleared it.
            Err(_) => count(&self.counters.receive_failed),
        }
        true
    }

    fn socket(&self, unit: UnitId, channel: Channel) -> Option<&UdpSocket> {
        match channel {
            Channel::Shared => Some(&self.shared),
            Channel::Rtp | Channel::Rtcp => {
                self.legs.get(&unit).map(|pair| socket_of(pair, channel))
            }
        }
    }
}

fn bind_shared(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let told = |error: std::io::Error| {
        std::io::Error::new(
            error.kind(),
            format!("media.webrtc_port: {address}: {error}"),
        )
    };
    let socket = UdpSocket::bind(address).map_err(told)?;
    socket.set_nonblocking(true)?;
    let options = socket2::SockRef::from(&socket);
    options.set_recv_buffer_size(SHARED_BUFFER_BYTES)?;
    options.set_send_buffer_size(SHARED_BUFFER_BYTES)?;
    Ok(socket)
}

/// The socket of a leg of its own for RTCP, else the one for RTP.
fn socket_of(pair: &PortPair, channel: Channel) -> &UdpSocket {
    match channel {
        Channel::Rtcp => &pair.rtcp,
        Channel::Rtp | Channel::Shared => &pair.rtp,
    }
}

fn data_of(unit: UnitId, channel: Channel) -> u64 {
    unit.0 << 1 | u64::from(channel == Channel::Rtcp)
}

fn unit_of(data: u64) -> (UnitId, Channel) {
    (
        UnitId(data >> 1),
        if data & 1 == 1 {
            Channel::Rtcp
        } else {
            Channel::Rtp
        },
    )
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}
