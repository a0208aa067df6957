//! SIP over real WebSockets on the loopback interface: the HTTP route, the transports and a SIP
//! endpoint together. Every wait has an end.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use futures_util::{SinkExt, StreamExt};
use talkpath::api::{ApiError, LoginTokens, SipWebSocket, sip_router};
use talkpath::net::{NetSettings, Transports, WsDeadlines};
use talkpath::sip::{Endpoint, Output, Settings, User};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::server::PATIENCE;

type Client = WebSocketStream<TcpStream>;

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    waited.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for {what}"))
}

struct OneToken;

impl LoginTokens for OneToken {
    fn check(&self, token: &str, from: IpAddr) -> Result<String, ApiError> {
        match token {
            "good" => Ok("alice".to_owned()),
            _ => {
                let message = format!("not from {from}");
                Err(ApiError::new(StatusCode::UNAUTHORIZED, "bad", message))
            }
        }
    }
}

/// The route and the transports, with an endpoint that answers. Its only user is alice.
struct Server {
    net: Transports,
    address: SocketAddr,
}

impl Server {
    async fn start(settings: NetSettings) -> Self {
        let (net, mut queue) = Transports::bind(&[], settings).expect("nothing to bind");
        let listener = TcpListener::bind(LOOPBACK).await.expect("a listener");
        let address = listener.local_addr().expect("bound");
        let router = sip_router(SipWebSocket {
            transports: net.clone(),
            tokens: Arc::new(OneToken),
            local: address,
            proxies: Vec::new(),
        });
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let out = net.clone();
        tokio::spawn(async move {
            let mut endpoint = Endpoint::new(Settings::default(), [5; 32]);
            endpoint.put_user(User {
                name: "alice".to_owned(),
                display_name: "Alice".to_owned(),
                ha1: Vec::new(),
            });
            while let Some(incoming) = queue.recv().await {
                use talkpath::net::Incoming as I;
                let now = Instant::now();
                match incoming {
                    I::Message(one) => endpoint.handle_message(now, one.flow, one.bytes),
                    I::FlowOpened { flow, identity } => {
                        endpoint.handle_flow_opened(now, flow, identity);
                    }
                    I::FlowClosed(flow) => endpoint.handle_flow_closed(now, flow),
                }
                while let Some(output) = endpoint.poll_output() {
                    if let Output::Send { flow, bytes } = output {
                        out.send(&flow, bytes);
                    }
                }
            }
        });
        Self { net, address }
    }

    /// A client, or the status with which it is refused.
    async fn open(&self, path: &str, protocol: Option<&str>) -> Result<Client, u16> {
        let stream = TcpStream::connect(self.address).await.expect("connected");
        let address = format!("ws://{}{path}", self.address);
        let mut request = address.into_client_request().expect("an address");
        if let Some(protocol) = protocol {
            let protocol = protocol.parse().expect("a header value");
            request
                .headers_mut()
                .insert("Sec-WebSocket-Protocol", protocol);
        }
        match within("the handshake", client_async(request, stream)).await {
            Ok((client, response)) => {
                assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "sip");
                Ok(client)
            }
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn client(&self) -> Client {
        self.open("/sip", Some("sip")).await.expect("upgraded")
    }

    /// Waits until so many connections are open.
    async fn connections(&self, number: usize) {
        let mut pause = tokio::time::interval(Duration::from_millis(5));
        let reached = async {
            while self.net.connections() != number {
                pause.tick().await;
            }
        };
        within("connections to close", reached).await;
    }
}

fn request(method: &str, number: u32) -> String {
    format!(
        "{method} sip:room@talkpath.example SIP/2.0\r\n\
         Via: SIP/2.0/WS x1.invalid;branch=z9hG4bK{number}\r\n\
         From: <sip:alice@talkpath.example>;tag=1\r\nTo: <sip:alice@talkpath.example>\r\n\
         Call-ID: {number}@x1.invalid\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n\
         Contact: <sip:k2@x1.invalid;transport=ws>\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The next message that is no ping.
async fn next(client: &mut Client) -> Option<Message> {
    loop {
        match within("a frame", client.next()).await {
            Some(Ok(Message::Ping(_))) => {}
            Some(Ok(message)) => return Some(message),
            Some(Err(_)) | None => return None,
        }
    }
}

/// The first line of the next SIP message.
async fn status(client: &mut Client) -> String {
    match next(client).await {
        Some(Message::Text(text)) => text.lines().next().unwrap_or_default().to_owned(),
        other => panic!("{other:?} is no message"),
    }
}

/// The code with which the server closes.
async fn close_code(client: &mut Client) -> Option<u16> {
    loop {
        if let Message::Close(frame) = next(client).await? {
            return frame.map(|frame| frame.code.into());
        }
    }
}

#[tokio::test]
async fn the_handshake_needs_the_sub_protocol_and_no_bad_token() {
    let server = Server::start(NetSettings::default()).await;
    for (path, protocol, status) in [
        ("/sip", Some("sip"), 101),
        ("/sip", Some("xmpp, sip"), 101),
        ("/sip?token=good", Some("sip"), 101),
        ("/sip", None, 400),
        ("/sip", Some("xmpp"), 400),
        ("/sip?token=bad", Some("sip"), 401),
        ("/sip?token=", Some("sip"), 401),
        ("/sip?token=good&token=good", Some("sip"), 400),
        ("/other", Some("sip"), 404),
    ] {
        let opened = server.open(path, protocol).await;
        let seen = opened.map_or_else(|status| status, |_| 101);
        assert_eq!(seen, status, "{path} {protocol:?}");
    }
    server.connections(0).await;
}

#[tokio::test]
async fn a_request_in_a_text_or_binary_frame_is_answered_in_text() {
    let server = Server::start(NetSettings::default()).await;
    let mut client = server.client().await;
    for (number, binary) in [(1, false), (2, true)] {
        let text = request("OPTIONS", number);
        let message = match binary {
            true => Message::binary(text),
            false => Message::text(text),
        };
        client.send(message).await.expect("open");
        assert_eq!(status(&mut client).await, "SIP/2.0 200 OK");
    }
}

#[tokio::test]
async fn a_call_and_a_registration_need_a_login_or_a_token() {
    let server = Server::start(NetSettings::default()).await;
    for (path, register, invite) in [
        (
            "/sip",
            "SIP/2.0 401 Unauthorized",
            "SIP/2.0 401 Unauthorized",
        ),
        ("/sip?token=good", "SIP/2.0 200 OK", "SIP/2.0 100 Trying"),
    ] {
        let mut client = server.open(path, Some("sip")).await.expect("upgraded");
        for (method, answer) in [("REGISTER", register), ("INVITE", invite)] {
            let text = request(method, 1);
            client.send(Message::text(text)).await.expect("open");
            assert_eq!(status(&mut client).await, answer, "{path} {method}");
        }
    }
}

#[tokio::test]
async fn keepalives_are_answered_and_a_client_that_answers_pings_stays() {
    let websocket = WsDeadlines {
        idle: Duration::from_millis(1500),
        ping: Duration::from_millis(100),
        ..WsDeadlines::default()
    };
    let server = Server::start(NetSettings {
        websocket,
        ..NetSettings::default()
    })
    .await;
    let mut client = server.client().await;
    for message in [Message::text("\r\n\r\n"), Message::binary("\r\n\r\n")] {
        client.send(message).await.expect("open");
        assert_eq!(next(&mut client).await, Some(Message::text("\r\n")));
    }
    // Reading answers the pings, by the client library.
    let mut pings = 0;
    while pings < 20 {
        let frame = within("a ping", client.next()).await;
        assert!(matches!(frame, Some(Ok(Message::Ping(_)))), "{frame:?}");
        client.flush().await.expect("open");
        pings += 1;
    }
    // More than the idle time has passed; who does not read answers nothing.
    server.connections(0).await;
    assert_eq!(server.net.counters().closed_silent, 1);
}

#[tokio::test]
async fn what_is_too_large_or_not_sip_closes() {
    let server = Server::start(NetSettings::default()).await;
    let garbage = |times| vec![Message::text("hello"); times];
    let large = |length, times| vec![Message::binary(vec![b'x'; length]); times];
    let part = |code, end| {
        let bytes = vec![b'x'; 40_000];
        Message::Frame(Frame::message(bytes, OpCode::Data(code), end))
    };
    for (frames, code) in [
        (large(65_537, 1), Some(1009)),
        (large(1_000_000, 1), Some(1009)),
        (large(65_536, 3), Some(1002)),
        (garbage(3), Some(1002)),
        (
            vec![Message::binary((0..=255).collect::<Vec<u8>>()); 3],
            Some(1002),
        ),
        // Two fragments that are too large together.
        (
            vec![part(Data::Text, false), part(Data::Continue, true)],
            Some(1009),
        ),
        // A continuation of nothing, and bytes that are no text.
        (vec![part(Data::Continue, true)], None),
        (
            vec![Message::Frame(Frame::message(
                vec![0xff],
                OpCode::Data(Data::Text),
                true,
            ))],
            None,
        ),
    ] {
        let mut client = server.client().await;
        for frame in frames {
            // The server may close before all is written.
            if client.send(frame).await.is_err() {
                break;
            }
        }
        let closed = close_code(&mut client).await;
        // A reset may overtake the close frame when much is left unread.
        assert!(
            closed == code || closed.is_none(),
            "{closed:?}, not {code:?}"
        );
        server.connections(0).await;
    }
    let counters = server.net.counters();
    assert_eq!((counters.closed_too_large, counters.closed_not_sip), (3, 3));
    assert_eq!(counters.not_sip_frames, 9);

    let mut client = server.client().await;
    for frame in garbage(2) {
        client.send(frame).await.expect("open");
    }
    let text = request("OPTIONS", 1);
    client.send(Message::text(text)).await.expect("open");
    assert_eq!(status(&mut client).await, "SIP/2.0 200 OK");
}

#[tokio::test]
async fn a_client_that_floods_and_never_reads_costs_the_others_nothing() {
    let websocket = WsDeadlines {
        write: Duration::from_millis(500),
        ..WsDeadlines::default()
    };
    let server = Server::start(NetSettings {
        websocket,
        ..NetSettings::default()
    })
    .await;
    let mut good = server.client().await;
    let mut bad = server.client().await;
    let flood = tokio::spawn(async move {
        for number in 0.. {
            let text = request("OPTIONS", number);
            if bad.send(Message::text(text)).await.is_err() {
                return;
            }
        }
    });
    for number in 0..20 {
        let before = server.net.counters().messages_in;
        let text = request("OPTIONS", number);
        good.send(Message::text(text)).await.expect("open");
        assert_eq!(status(&mut good).await, "SIP/2.0 200 OK");
        let passed = server.net.counters().messages_in - before;
        assert!(passed < 2_000, "{passed} messages passed probe {number}");
    }
    within("the end of the flood", flood)
        .await
        .expect("no panic");
    server.connections(1).await;
    assert_eq!(server.net.counters().closed_not_reading, 1);
}

#[tokio::test]
async fn a_flood_of_pings_costs_the_others_nothing() {
    let server = Server::start(NetSettings::default()).await;
    let (mut good, mut bad) = (server.client().await, server.client().await);
    let flood = tokio::spawn(async move {
        let ping = Message::Ping(vec![b'x'; 125].into());
        while bad.send(ping.clone()).await.is_ok() {}
    });
    for number in 0..20 {
        let text = request("OPTIONS", number);
        good.send(Message::text(text)).await.expect("open");
        assert_eq!(status(&mut good).await, "SIP/2.0 200 OK");
    }
    flood.abort();
    assert_eq!(server.net.counters().messages_in, 20);
}

#[tokio::test]
async fn places_are_limited_and_given_back() {
    for (connections_max, connections_per_address_max, refusal) in [(100, 2, 429), (2, 100, 503)] {
        let server = Server::start(NetSettings {
            connections_max,
            connections_per_address_max,
            ..NetSettings::default()
        })
        .await;
        let first = server.client().await;
        let _second = server.client().await;
        let third = server.open("/sip", Some("sip")).await;
        assert_eq!(third.err(), Some(refusal));
        drop(first);
        server.connections(1).await;
        server.client().await;
    }
}

#[tokio::test]
async fn closing_says_so_to_every_client() {
    let server = Server::start(NetSettings::default()).await;
    let mut client = server.client().await;
    let text = request("OPTIONS", 1);
    client.send(Message::text(text)).await.expect("open");
    assert_eq!(status(&mut client).await, "SIP/2.0 200 OK");
    let net = server.net.clone();
    let closing = tokio::spawn(async move { net.close().await });
    assert_eq!(close_code(&mut client).await, Some(1012));
    within("the end", closing).await.expect("no panic");
    assert_eq!(server.open("/sip", Some("sip")).await.err(), Some(503));
}
