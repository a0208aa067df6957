//! `GET /sip`: SIP over WebSocket (RFC 7118), and the login by a token in its address. It upgrades
//! and turns WebSocket messages into frames; limits, deadlines and the flow are `net`'s.
//!
//! | request | answer |
//! |---|---|
//! | no WebSocket | 400, 405 or 426 |
//! | without the sub-protocol `sip` | 400 |
//! | `?token=` that is not good | 401 |
//! | no place among the connections | 503 |
//! | anything else | 101 |
//!
//! Every Origin is accepted: a page of another site gets nothing here without a token or a
//! password, since no cookie counts. TLS is a proxy's in front of us; the address that limits count
//! by is then the proxy's.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;

use crate::net::{FRAME_BYTES_MAX, Frame, FrameReader, FrameWriter, Outgoing, Transports};

/// The sub-protocol, RFC 7118 §4.1.
const SUB_PROTOCOL: &str = "sip";

/// Knows which tokens are good.
pub trait LoginTokens: Send + Sync {
    /// The user that a token speaks for; nothing when it is not good or has ended.
    fn check(&self, token: &str) -> Option<String>;
}

/// Knows no token at all: everybody logs in by digest.
pub struct NoTokens;

impl LoginTokens for NoTokens {
    fn check(&self, _token: &str) -> Option<String> {
        None
    }
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
    Query(login): Query<Login>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let upgrade = upgrade.protocols([SUB_PROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        let text = "the sub-protocol sip is needed\n";
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    let identity = match login.token.map(|token| state.tokens.check(&token)) {
        Some(None) => return (StatusCode::UNAUTHORIZED, "bad token\n").into_response(),
        Some(identity) => identity,
        None => None,
    };
    let Ok(link) = state.transports.attach_websocket(peer, state.local, false) else {
        let text = "too many connections\n";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    upgrade
        .max_message_size(FRAME_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .on_upgrade(async move |socket| {
            let (writer, reader) = socket.split();
            link.carry(identity, Reader(reader), Writer(writer)).await;
        })
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
