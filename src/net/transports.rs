//! All listeners and connections together: binding, the flow table, sending, closing.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::connections::{Connections, Entry, Registered, Table};
use super::counters::{Counters, CountersRead, count};
use super::flow_id;
use super::incoming::{self, IncomingQueue, IncomingSender, KEPT_MAX, ORDINARY_MAX};
use super::local_address::LocalAddress;
use super::stream::{self, Connection, Outbox, StreamDeadlines};
use super::udp::{self, UdpListener};
use super::websocket::{WsDeadlines, WsLink};
use crate::id::FlowId;
use crate::network::Network;
use crate::sip::flow::{Flow, Transport};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// Rest after a failure to accept, such as too many open files.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// How long closing may take in all.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// One line of the configuration's list of listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The key in the configuration, for errors: `sip.listen[0]`.
    pub key: String,
    /// What is spoken there.
    pub transport: Transport,
    /// The address; port 0 takes any.
    pub address: SocketAddr,
}

/// Limits of the transports.
#[derive(Clone, Debug)]
pub struct NetSettings {
    /// `sip.address`: our address in Contact and Via, where the one that a peer reaches is not ours
    /// to see.
    pub advertised: Option<IpAddr>,
    /// Stream connections, in all.
    pub connections_max: usize,
    /// Stream connections from one [`Network`].
    pub connections_per_address_max: usize,
    /// Deadlines of stream connections.
    pub deadlines: StreamDeadlines,
    /// Deadlines of WebSockets.
    pub websocket: WsDeadlines,
}

impl Default for NetSettings {
    fn default() -> Self {
        NetSettings {
            advertised: None,
            connections_max: 10_000,
            connections_per_address_max: 1_000,
            deadlines: StreamDeadlines::default(),
            websocket: WsDeadlines::default(),
        }
    }
}

/// A listener that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{key}: cannot listen on {transport} {address}: {error}")]
pub struct BindError {
    /// The key in the configuration.
    pub key: String,
    /// The Via word of the transport.
    pub transport: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// What the system says, or why the transport is not offered.
    pub error: std::io::Error,
}

/// Why there is no way to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFlow {
    /// Nothing listens with this transport and the address family of the peer.
    #[error("no listener has this transport and address family")]
    NoListener,
    /// As many connections as there may be.
    #[error("too many connections")]
    TooManyConnections,
    /// As many connections as one address may have.
    #[error("too many connections of this address")]
    TooManyOfAddress,
}

/// The transports of one engine. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Transports {
    shared: Arc<Shared>,
}

struct Shared {
    settings: NetSettings,
    udp: Vec<Arc<UdpListener>>,
    tcp: Vec<Arc<LocalAddress>>,
    connections: Arc<Connections>,
    next_connection: AtomicU64,
    incoming: IncomingSender,
    counters: Arc<Counters>,
    closing: watch::Sender<bool>,
    /// Every task holds a clone; closing drops this one and waits until the receiver has no senders
    /// left.
    running: Mutex<Option<mpsc::Sender<()>>>,
    ended: Mutex<Option<mpsc::Receiver<()>>>,
    runtime: Handle,
}

impl Transports {
    /// Binds every listener, all or none, and starts reading. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`BindError`] names the first listener that cannot be had: address in use, not ours, no
    /// permission, or a transport that is not offered.
    pub fn bind(
        listen: &[Listen],
        settings: NetSettings,
    ) -> Result<(Transports, IncomingQueue), BindError> {
        let mut udp = Vec::new();
        let mut tcp = Vec::new();
        for one in listen {
            let failed = |error| BindError {
                key: one.key.clone(),
                transport: one.transport.via_token(),
                address: one.address,
                error,
            };
            match one.transport {
                Transport::Udp => {
                    let index = udp.len();
                    if index == flow_id::LISTENERS_MAX {
                        return Err(failed(std::io::Error::other(
                            "128 UDP listeners are enough",
                        )));
                    }
                    let socket = udp::bind(one.address).map_err(failed)?;
                    let bound = socket.local_addr().map_err(failed)?;
                    let local = LocalAddress::new(bound, settings.advertised);
                    udp.push(Arc::new(UdpListener {
                        index,
                        socket,
                        local,
                    }));
                }
                Transport::Tcp => {
                    let listener = bind_tcp(one.address).map_err(failed)?;
                    let bound = listener.local_addr().map_err(failed)?;
                    tcp.push((
                        listener,
                        Arc::new(LocalAddress::new(bound, settings.advertised)),
                    ));
                }
                Transport::Tls | Transport::Ws | Transport::Wss => {
                    return Err(failed(std::io::Error::other(
                        "this transport is not offered",
                    )));
                }
            }
        }
        let (sender, queue) = incoming::queue(ORDINARY_MAX, KEPT_MAX);
        let (running, ended) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            settings,
            udp,
            tcp: tcp.iter().map(|(_, local)| Arc::clone(local)).collect(),
            connections: Arc::default(),
            next_connection: AtomicU64::new(1),
            incoming: sender,
            counters: Arc::default(),
            closing: watch::channel(false).0,
            running: Mutex::new(Some(running)),
            ended: Mutex::new(Some(ended)),
            runtime: Handle::current(),
        });
        shared.start(tcp);
        Ok((Transports { shared }, queue))
    }

    /// Sends a message: on the connection of the flow, or for UDP from the flow's listener to its
    /// remote address. Never waits; what cannot be taken is dropped and counted. Where the
    /// connection is gone, a new one is opened to the flow's remote address under the same id; if
    /// that fails, the flow is reported as closed. A WebSocket is not opened again: only its peer
    /// can do that.
    pub fn send(&self, flow: &Flow, bytes: Bytes) {
        let shared = &self.shared;
        if let Some(listener) = flow_id::udp_listener(flow.id) {
            if let Some(listener) = shared.udp.get(listener) {
                listener.send(flow.remote, &bytes, &shared.counters);
            }
            return;
        }
        let outbox = shared
            .table()
            .connections
            .get(&flow.id)
            .map(|entry| entry.outbox.clone());
        let outbox = match outbox {
            Some(outbox) => outbox,
            None if flow.transport.is_web() => {
                count(&shared.counters.unreachable);
                tracing::debug!(flow = %flow.id, "A message had no WebSocket");
                return;
            }
            None => match shared.open(*flow) {
                Ok(outbox) => outbox,
                Err(error) => {
                    count(&shared.counters.connects_failed);
                    tracing::debug!(%error, flow = %flow.id, "A message had no connection");
                    return;
                }
            },
        };
        if outbox.push(bytes) {
            count(&shared.counters.messages_out);
        }
    }

    /// A way to a peer that need not have spoken to us: the UDP listener of its family, the
    /// connection that is open to exactly this address, or a new connection, which is opened in the
    /// background while messages may already be sent. A connection that cannot be opened is
    /// reported as closed.
    ///
    /// # Errors
    /// [`NoFlow`] when no listener fits or a limit is reached.
    pub fn flow_to(&self, transport: Transport, remote: SocketAddr) -> Result<Flow, NoFlow> {
        let shared = &self.shared;
        match transport {
            Transport::Udp => shared
                .udp
                .iter()
                .find(|listener| listener.local.bound().is_ipv4() == remote.is_ipv4())
                .map(|listener| listener.flow(remote))
                .ok_or(NoFlow::NoListener),
            Transport::Tcp => {
                let open = shared
                    .table()
                    .connections
                    .values()
                    .map(|entry| entry.flow)
                    .find(|flow| (flow.transport, flow.remote) == (transport, remote));
                if let Some(flow) = open {
                    return Ok(flow);
                }
                let local = shared
                    .tcp
                    .iter()
                    .find(|local| local.bound().is_ipv4() == remote.is_ipv4())
                    .ok_or(NoFlow::NoListener)?
                    .reached_by(remote.ip());
                let flow = Flow {
                    id: shared.next_id(),
                    transport,
                    local,
                    remote,
                };
                shared.open(flow).map(|_| flow)
            }
            Transport::Tls | Transport::Ws | Transport::Wss => Err(NoFlow::NoListener),
        }
    }

    /// Gives a WebSocket its place among the connections. `peer` is the address that it came from,
    /// `local` that of the listener which took it, `secure` whether TLS is ours. [`WsLink::carry`]
    /// comes next; dropping the link gives the place back.
    ///
    /// # Errors
    /// [`NoFlow::TooManyConnections`] and [`NoFlow::TooManyOfAddress`] at a limit, the first also
    /// while the transports close.
    pub fn attach_websocket(
        &self,
        peer: SocketAddr,
        local: SocketAddr,
        secure: bool,
    ) -> Result<WsLink, NoFlow> {
        let shared = &self.shared;
        let transport = match secure {
            true => Transport::Wss,
            false => Transport::Ws,
        };
        let running = shared.running.lock();
        let running = running.unwrap_or_else(PoisonError::into_inner).clone();
        let flow = Flow {
            id: shared.next_id(),
            transport,
            local: LocalAddress::new(local, shared.settings.advertised).reached_by(peer.ip()),
            remote: peer,
        };
        let registered = running.ok_or(NoFlow::TooManyConnections);
        match registered.and_then(|running| Ok((running, shared.register(flow)?))) {
            Ok((running, connection)) => {
                count(&shared.counters.connections_accepted);
                let connections = Arc::clone(&shared.connections);
                Ok(WsLink {
                    connection,
                    registered: Registered { connections, flow },
                    deadlines: shared.settings.websocket,
                    running,
                })
            }
            Err(error) => {
                shared.refuse(flow, error);
                Err(error)
            }
        }
    }

    /// The addresses that are bound, in the order of the list: UDP first, then TCP.
    pub fn bound(&self) -> Vec<(Transport, SocketAddr)> {
        let udp = self
            .shared
            .udp
            .iter()
            .map(|one| (Transport::Udp, one.local.bound()));
        let tcp = self
            .shared
            .tcp
            .iter()
            .map(|local| (Transport::Tcp, local.bound()));
        udp.chain(tcp).collect()
    }

    /// Stream connections, open or being opened.
    pub fn connections(&self) -> usize {
        self.shared.table().connections.len()
    }

    /// WebSockets among them.
    pub fn websockets(&self) -> usize {
        let table = self.shared.table();
        let flows = table.connections.values().map(|entry| entry.flow);
        flows.filter(|flow| flow.transport.is_web()).count()
    }

    /// What has been counted.
    pub fn counters(&self) -> CountersRead {
        self.shared.counters.read()
    }

    /// Stops reading and accepting, writes what is queued for at most a second, closes everything.
    pub async fn close(&self) {
        self.shared.closing.send_replace(true);
        // The outboxes of the table are what keeps writers waiting for more.
        self.shared.table().connections.clear();
        let ended = self
            .shared
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(
            self.shared
                .running
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        if let Some(mut ended) = ended
            && tokio::time::timeout(CLOSE_MAX, ended.recv()).await.is_err()
        {
            tracing::warn!("The transports did not close in time");
        }
    }
}

/// With address reuse: on Linux it lets a restarted engine bind while old connections fade, but
/// never two listeners on one port.
fn bind_tcp(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.connections.table()
    }

    fn next_id(&self) -> FlowId {
        FlowId(self.next_connection.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs a task that closing waits for. Nothing is started any more once closing has begun.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(running) = running else { return };
        self.runtime.spawn(async move {
            task.await;
            drop(running);
        });
    }

    fn start(self: &Arc<Self>, tcp: Vec<(TcpListener, Arc<LocalAddress>)>) {
        for listener in &self.udp {
            self.spawn(udp::receive(
                Arc::clone(listener),
                self.incoming.clone(),
                Arc::clone(&self.counters),
                self.closing.subscribe(),
            ));
        }
        for (listener, local) in tcp {
            self.spawn(Arc::clone(self).accept(listener, local));
        }
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, local: Arc<LocalAddress>) {
        let mut closing = self.closing.subscribe();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = closing.wait_for(|closing| *closing) => return,
            };
            match accepted {
                Ok((stream, remote)) => self.admit(stream, remote, &local),
                Err(error) => {
                    count(&self.counters.accept_failed);
                    tracing::warn!(%error, "A connection could not be accepted");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, remote: SocketAddr, local: &LocalAddress) {
        let flow = Flow {
            id: self.next_id(),
            transport: Transport::Tcp,
            local: local.reached_by(remote.ip()),
            remote,
        };
        match self.register(flow) {
            Ok(connection) => {
                count(&self.counters.connections_accepted);
                let shared = Arc::clone(self);
                self.spawn(async move { shared.carry(connection, Ok(stream)).await });
            }
            Err(error) => {
                self.refuse(flow, error);
            }
        }
    }

    fn refuse(&self, flow: Flow, error: NoFlow) {
        count(match error {
            NoFlow::TooManyOfAddress => &self.counters.connections_refused_to_address,
            NoFlow::TooManyConnections | NoFlow::NoListener => &self.counters.connections_refused,
        });
        let network = Network::of(flow.remote.ip());
        let times = self.table().refusals.note(Instant::now(), network);
        if let Some(times) = times {
            let transport = flow.transport.via_token();
            tracing::warn!(%network, transport, times, "Connections are refused: {error}");
        }
    }

    /// Enters a connection of ours into the table and opens it in the background.
    fn open(self: &Arc<Self>, flow: Flow) -> Result<Outbox, NoFlow> {
        let connection = self.register(flow)?;
        let outbox = connection.outbox.clone();
        let shared = Arc::clone(self);
        self.spawn(async move {
            let stream = stream::connect(flow.remote, shared.settings.deadlines.connect).await;
            shared.carry(connection, stream).await;
        });
        Ok(outbox)
    }

    fn register(&self, flow: Flow) -> Result<Connection, NoFlow> {
        let (outbox, queue) = stream::outbox();
        let mut table = self.table();
        let closing = self.closing.subscribe();
        if table.connections.len() >= self.settings.connections_max || *closing.borrow() {
            return Err(NoFlow::TooManyConnections);
        }
        let network = Network::of(flow.remote.ip());
        let of_address = table.per_address.get(&network).copied().unwrap_or(0);
        if of_address >= self.settings.connections_per_address_max {
            return Err(NoFlow::TooManyOfAddress);
        }
        table.per_address.insert(network, of_address + 1);
        table.connections.insert(
            flow.id,
            Entry {
                outbox: outbox.clone(),
                flow,
            },
        );
        Ok(Connection {
            flow,
            outbox,
            queue,
            incoming: self.incoming.clone(),
            counters: Arc::clone(&self.counters),
            deadlines: self.settings.deadlines,
            closing,
        })
    }

    async fn carry(&self, connection: Connection, stream: std::io::Result<TcpStream>) {
        let flow = connection.flow;
        let prepared = stream.and_then(|stream| {
            stream::prepare(&stream)?;
            Ok(stream)
        });
        match prepared {
            Ok(stream) => {
                let end = connection.run(stream).await;
                tracing::debug!(flow = %flow.id, ?end, "A connection ended");
            }
            Err(error) => {
                count(&self.counters.connects_failed);
                tracing::debug!(flow = %flow.id, %error, "A connection could not be opened");
                // Dropped before the table forgets the flow, so that no message enters a dead
                // queue.
                drop(connection);
            }
        }
        self.connections.forget(flow);
        if !*self.closing.borrow() {
            self.incoming.flow_closed(flow.id).await;
        }
    }
}
