//! What is told of requests that were refused: numbers for the metrics and lines for the log, of
//! which an address can cause [`LINES_PER_MINUTE`].

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::extract::{ConnectInfo, Request};
use axum::http::Method;
use tracing::{info, warn};

use super::error::ApiError;
use super::request::client_address;
use crate::network::{Network, Repeats};

/// Lines about refused requests of one address in a minute; those above are counted in the next.
const LINES_PER_MINUTE: u32 = 30;

/// A request that was refused.
pub(super) struct Refusal<'a> {
    pub client: IpAddr,
    pub method: &'a Method,
    /// As the log shows it.
    pub path: &'a str,
    pub request_id: &'a str,
    pub error: &'a ApiError,
}

/// The numbers. Every label is a word of the source, so that there are few.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Refused requests by code.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Joins by result: `admitted`, or the code of the refusal.
    pub joins: BTreeMap<&'static str, u64>,
    /// Connections that were closed at once.
    pub connections_refused: u64,
}

#[derive(Debug)]
struct Seen {
    counts: Counts,
    requests: Repeats,
    connections: Repeats,
}

/// Counts and logs.
#[derive(Debug)]
pub(super) struct Witness {
    proxies: Vec<IpAddr>,
    seen: Mutex<Seen>,
}

impl Default for Witness {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Witness {
    /// Believes `proxies` about the addresses of clients.
    pub fn new(proxies: &[IpAddr]) -> Self {
        Self {
            proxies: proxies.to_vec(),
            seen: Mutex::new(Seen {
                counts: Counts::default(),
                requests: Repeats::new(LINES_PER_MINUTE),
                connections: Repeats::default(),
            }),
        }
    }

    /// The address of whoever asks.
    pub fn client(&self, request: &Request) -> IpAddr {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        client_address(peer, request.headers(), &self.proxies)
    }

    /// A request was refused.
    pub fn note(&self, refusal: &Refusal<'_>) {
        let Refusal {
            client,
            method,
            path,
            request_id,
            error,
        } = refusal;
        let network = Network::of(*client);
        let ApiError {
            status, code, log, ..
        } = error;
        let mut seen = self.seen();
        *seen.counts.refusals.entry(code).or_default() += 1;
        let line = seen.requests.note(Instant::now(), network);
        drop(seen);
        let Some(times) = line else { return };
        let status = status.as_u16();
        match log {
            Some(log) => {
                warn!(request_id, %method, %path, status, code, %network, times, "Failed: {log}");
            }
            None => {
                info!(request_id, %method, %path, status, code, %network, times, "Request refused");
            }
        }
    }

    /// A join was answered.
    pub fn note_join(&self, result: &'static str) {
        *self.seen().counts.joins.entry(result).or_default() += 1;
    }

    /// A connection was closed at once for want of a place.
    pub fn note_connection(&self, peer: IpAddr) {
        let network = Network::of(peer);
        let mut seen = self.seen();
        seen.counts.connections_refused += 1;
        let line = seen.connections.note(Instant::now(), network);
        drop(seen);
        if let Some(times) = line {
            warn!(%network, times, "HTTP connections are refused: too many");
        }
    }

    /// What has been counted.
    pub fn counts(&self) -> Counts {
        self.seen().counts.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
