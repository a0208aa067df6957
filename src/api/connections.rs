//! The HTTP connections: how many there may be, and how long each may take.
//!
//! | what | limit |
//! |---|---|
//! | connections in all | [`Limits::connections`] |
//! | connections of one address, but for proxies of ours | [`Limits::per_address`] |
//! | from the start, or the last answer, to the end of the next headers | [`Limits::headers`] |
//! | a connection with all its requests | [`Limits::connection`] |
//! | what is still going on then | [`Limits::farewell`] |
//!
//! A connection above a limit is closed at once, which is counted and logged. One that has become a
//! WebSocket does not count
//! here any more; `net` has limits of its own for those.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::witness::Witness;
use crate::network::Network;

/// Largest head of a request, in octets; one read more may get through.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Rest after a failure to accept, such as too many open files.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// How long requests may go on after the stop.
const STOP_WAIT: Duration = Duration::from_millis(500);

/// How many connections there may be and how long they may take.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections of one address.
    pub per_address: usize,
    /// Addresses that stand for many clients.
    pub proxies: Vec<IpAddr>,
    /// For the headers of a request, the rest since the answer before included.
    pub headers: Duration,
    /// For all requests of a connection.
    pub connection: Duration,
    /// For the request that is going on when `connection` is over.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8_192,
            per_address: 3_000,
            proxies: Vec::new(),
            headers: Duration::from_secs(10),
            connection: Duration::from_secs(120),
            farewell: Duration::from_secs(60),
        }
    }
}

/// Answers with `router` until `stop` turns true, then lets requests end for a moment.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    witness: Arc<Witness>,
    mut stop: watch::Receiver<bool>,
) {
    let router = router.with_state(());
    let limits = Arc::new(limits);
    let places = Arc::new(Places::default());
    let mut running = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // What has ended is let go; what ends by a panic has been reported by its hook.
            Some(_) = running.join_next() => continue,
            // An error means that the sender is gone, which is a stop too.
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => match places.take(peer.ip(), &limits) {
                Some(place) => {
                    let (router, limits) = (router.clone(), limits.clone());
                    let stop = stop.clone();
                    running.spawn(async move {
                        carry(stream, peer, router, &limits, stop).await;
                        drop(place);
                    });
                }
                None => witness.note_connection(peer.ip()),
            },
            Err(error) => {
                warn!(%error, "An HTTP connection could not be accepted");
                // Over early when it is time to stop.
                let _ = timeout(ACCEPT_REST, stop.wait_for(|stop| *stop)).await;
            }
        }
    }
    drop(listener);
    let all = async { while running.join_next().await.is_some() {} };
    if timeout(STOP_WAIT, all).await.is_err() {
        debug!("HTTP requests were cut off by the stop");
    }
}

async fn carry(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: &Limits,
    mut stop: watch::Receiver<bool>,
) {
    // SIP over a WebSocket is small messages one after the other; none may wait for the
    // acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        return debug!(%peer, %error, "An HTTP connection was lost at once");
    }
    let routes = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request<Incoming> = request;
        request.extensions_mut().insert(ConnectInfo(peer));
        routes.call(request)
    });
    let connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = timeout(limits.connection, &mut connection) => ended.ok(),
        _ = stop.wait_for(|stop| *stop) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            match timeout(limits.farewell, connection).await {
                Ok(ended) => ended,
                Err(_) => return debug!(%peer, "An HTTP connection took too long"),
            }
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "An HTTP connection failed");
    }
}

/// The connections that are open, by address.
#[derive(Default)]
struct Places(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    all: usize,
    per_address: BTreeMap<Network, usize>,
}

impl Places {
    /// A place for one more, unless there are enough.
    fn take(self: &Arc<Self>, address: IpAddr, limits: &Limits) -> Option<Place> {
        let network = Network::of(address);
        let mut counts = self.counts();
        let of_address = counts.per_address.get(&network).copied().unwrap_or(0);
        let most = match limits.proxies.contains(&address.to_canonical()) {
            true => limits.connections,
            false => limits.per_address,
        };
        if counts.all >= limits.connections || of_address >= most {
            return None;
        }
        counts.all += 1;
        counts.per_address.insert(network, of_address + 1);
        let places = self.clone();
        Some(Place { places, network })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection; given back when it is dropped.
struct Place {
    places: Arc<Places>,
    network: Network,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.places.counts();
        counts.all -= 1;
        if let Some(count) = counts.per_address.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.per_address.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n";

    async fn start(limits: Limits) -> (SocketAddr, watch::Sender<bool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("bound");
        let hello = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string();
        let forever = async || std::future::pending::<()>().await;
        let router = Router::new()
            .route("/", get(hello))
            .route("/forever", get(forever));
        let (sender, stop) = watch::channel(false);
        tokio::spawn(serve(listener, router, limits, Arc::default(), stop));
        (address, sender)
    }

    /// What comes back until the server closes.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut bytes = Vec::new();
        let reading = stream.read_to_end(&mut bytes);
        let read = timeout(Duration::from_secs(10), reading).await;
        // A reset ends a connection as well as an orderly close.
        let _ = read.expect("the server closes");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[tokio::test]
    async fn who_keeps_the_server_waiting_is_closed() {
        let limits = Limits {
            headers: Duration::from_millis(100),
            connection: Duration::from_millis(400),
            farewell: Duration::from_millis(100),
            ..Limits::default()
        };
        let (address, _stop) = start(limits).await;
        for (sent, answered) in [
            (&b""[..], false),
            (b"GET / HTTP/1.1\r\nHost: he", false),
            // One request, then silence.
            (REQUEST, true),
            // A request that never ends.
            (b"GET /forever HTTP/1.1\r\nHost: here\r\n\r\n", false),
        ] {
            let mut stream = TcpStream::connect(address).await.expect("connected");
            stream.write_all(sent).await.expect("taken");
            let answer = rest(&mut stream).await;
            let text = String::from_utf8_lossy(sent);
            assert_eq!(answer.ends_with("127.0.0.1"), answered, "{text}: {answer}");
        }
    }

    #[tokio::test]
    async fn places_are_limited_and_given_back() {
        let localhost = IpAddr::from([127, 0, 0, 1]);
        for (connections, per_address, proxies) in
            [(100, 2, vec![]), (2, 100, vec![]), (2, 1, vec![localhost])]
        {
            let limits = Limits {
                connections,
                per_address,
                proxies,
                ..Limits::default()
            };
            let (address, _stop) = start(limits).await;
            let connect = async || TcpStream::connect(address).await.expect("connected");
            let (first, _second) = (connect().await, connect().await);
            let mut third = connect().await;
            assert_eq!(rest(&mut third).await, "");
            drop(first);
            let answered = async {
                loop {
                    let mut stream = connect().await;
                    // A server that has closed already does not take it.
                    let _ = stream.write_all(REQUEST).await;
                    let mut start = [0; 12];
                    if stream.read_exact(&mut start).await.is_ok() {
                        return start;
                    }
                }
            };
            let start = timeout(Duration::from_secs(10), answered).await;
            assert_eq!(&start.expect("a place again"), b"HTTP/1.1 200");
        }
    }

    #[tokio::test]
    async fn a_stop_closes_what_waits() {
        let (address, stop) = start(Limits::default()).await;
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(REQUEST).await.expect("taken");
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.expect("an answer");
        stop.send_replace(true);
        rest(&mut stream).await;
    }
}
