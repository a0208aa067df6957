//! `GET /sip`: SIP over WebSocket (RFC 7118), and the login by a token in its address. It upgrades
//! and turns WebSocket messages into frames; limits, deadlines and the flow are `net`'s.
//!
//! | request | answer |
//! |---|---|
//! | no WebSocket | 400, 405 or 426 |
//! | without the sub-protocol `sip`, with more than one token | 400 |
//! | `?token=` that is not good | 401, after too many of them 429 |
//! | no place among the connections | 503, or 429 when it is the address that has too many |
//! | anything else | 101 |
//!
//! Every Origin is accepted: a page of another site gets nothing here without a token or a
//! password, since no cookie counts. TLS is a proxy's in front of us; limits count by the address
//! that a configured proxy names.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::any;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;

use super::error::ApiError;
use super::request::client_address;
use super::sentence;
use crate::net::{FRAME_BYTES_MAX, Frame, FrameReader, FrameWriter, NoFlow, Outgoing, Transports};

/// The sub-protocol, RFC 7118 §4.1.
const SUB_PROTOCOL: &str = "sip";

/// Bytes that a connection reads at once; a message of SIP seldom has more. The buffer is cleared
/// for each reading and stays as long as the connection: with the library's 128 KiB, that was most
/// of what a browser's call took. Longer messages get room when their length is known.
const READ_BUFFER_BYTES: usize = 4096;

/// Knows which tokens are good.
pub trait LoginTokens: Send + Sync {
    /// The user that a token speaks for, which a client at `from` sent.
    ///
    /// # Errors
    /// 401 when it is not good or has ended, 429 after too many that were not good.
    fn check(&self, token: &str, from: IpAddr) -> Result<String, ApiError>;
}

/// What the route needs.
#[derive(Clone)]
pub struct SipWebSocket {
    /// Where connections get their place.
    pub transports: Transports,
    /// Who says whose a token is.
    pub tokens: Arc<dyn LoginTokens>,
    /// The address of the HTTP listener.
    pub local: SocketAddr,
    /// Proxies whose X-Forwarded-For is believed.
    pub proxies: Vec<IpAddr>,
}

/// The routes of this resource. The service must be made with connect info of [`SocketAddr`].
pub fn router(state: SipWebSocket) -> Router {
    Router::new().route("/sip", any(upgrade)).with_state(state)
}

#[derive(Deserialize)]
struct Login {
    token: Option<String>,
}

async fn upgrade(
    State(state): State<SipWebSocket>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    login: Result<Query<Login>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let bad = |status, code, message| Err(ApiError::new(status, code, message));
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.protocols([SUB_PROTOCOL]),
        Err(error) => return bad(error.status(), "no-websocket", sentence(&error.body_text())),
    };
    if upgrade.selected_protocol().is_none() {
        let message = "Ask for the WebSocket sub-protocol sip.".to_owned();
        return bad(StatusCode::BAD_REQUEST, "sub-protocol-missing", message);
    }
    let Ok(Query(login)) = login else {
        let message = "One token is expected in the query.".to_owned();
        return bad(StatusCode::BAD_REQUEST, "invalid-query", message);
    };
    let from = client_address(peer.ip(), &headers, &state.proxies);
    let identity = match login.token {
        Some(token) => Some(state.tokens.check(&token, from)?),
        None => None,
    };
    let peer = SocketAddr::new(from, peer.port());
    let link = match state.transports.attach_websocket(peer, state.local, false) {
        Ok(link) => link,
        Err(NoFlow::TooManyOfAddress) => return Err(ApiError::too_many_of_address()),
        Err(NoFlow::TooManyConnections | NoFlow::NoListener) => {
            return Err(ApiError::too_many_connections());
        }
    };
    Ok(upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(FRAME_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .on_upgrade(async move |socket| {
            let (writer, reader) = socket.split();
            link.carry(identity, Reader(reader), Writer(writer)).await;
        }))
}

struct Reader(SplitStream<WebSocket>);

impl FrameReader for Reader {
    async fn next(&mut self) -> Frame {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => Frame::Data(text.into()),
            Some(Ok(Message::Binary(bytes))) => Frame::Data(bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Frame::Control,
            Some(Ok(Message::Close(_))) | None => Frame::Closed,
            Some(Err(error)) if is_capacity(&error) => Frame::TooLarge,
            Some(Err(error)) => {
                tracing::debug!(%error, "A WebSocket failed");
                Frame::Closed
            }
        }
    }
}

fn is_capacity(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    let source = source.and_then(|source| source.downcast_ref());
    matches!(source, Some(tungstenite::Error::Capacity(_)))
}

struct Writer(SplitSink<WebSocket, Message>);

impl FrameWriter for Writer {
    async fn send(&mut self, frame: Outgoing) -> std::io::Result<()> {
        let message = match frame {
            Outgoing::Message(bytes) => match Utf8Bytes::try_from(bytes.clone()) {
                Ok(text) => Message::Text(text),
                Err(_) => Message::Binary(bytes),
            },
            Outgoing::Ping => Message::Ping(Default::default()),
            Outgoing::Close(code) => Message::Close(Some(CloseFrame {
                code,
                reason: Utf8Bytes::default(),
            })),
        };
        self.0.send(message).await.map_err(std::io::Error::other)
    }
}
