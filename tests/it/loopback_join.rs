//! From an invitation to a registration, with the real program: join by HTTP, connect with what the
//! answer says, register, and be nobody once removed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::server::{PATIENCE, Server, udp_socket};

async fn connect(server: &Server, url: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(server.http).await.expect("connected");
    let mut request = url.into_client_request().expect("a URL");
    let protocol = "sip".parse().expect("a header value");
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", protocol);
    let (client, _) = client_async(request, stream).await.expect("upgraded");
    client
}

/// Connects to `url` and gives the first line of the answer to a REGISTER of `user`.
async fn register(server: &Server, url: &str, user: &str) -> String {
    let registering = async {
        let mut client = connect(server, url).await;
        let text = format!(
            "REGISTER sip:127.0.0.1 SIP/2.0\r\n\
             Via: SIP/2.0/WS x1.invalid;branch=z9hG4bK1\r\n\
             From: <sip:{user}@127.0.0.1>;tag=1\r\nTo: <sip:{user}@127.0.0.1>\r\n\
             Call-ID: 1@x1.invalid\r\nCSeq: 1 REGISTER\r\nMax-Forwards: 70\r\n\
             Contact: <sip:k2@x1.invalid;transport=ws>\r\nContent-Length: 0\r\n\r\n"
        );
        client.send(Message::text(text)).await.expect("open");
        loop {
            if let Message::Text(text) = client.next().await.expect("a frame").expect("open") {
                return text.lines().next().unwrap_or_default().to_owned();
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, registering).await;
    answer.expect("the server answers")
}

#[test]
fn the_stun_server_that_guests_are_told_tells_them_their_address() {
    let ice_url = |server: &Server| {
        let json = "Content-Type: application/json\r\n";
        let path = "/api/v1/rooms/1234/join";
        let admission = server.ask("POST", path, json, "{\"name\":\"Zoe\"}");
        let admission: Value = serde_json::from_str(&admission).expect("JSON");
        admission["iceServers"][0]["urls"][0].clone()
    };
    let server = Server::start(&[]);
    let url = ice_url(&server);
    let address = url.as_str().and_then(|url| url.strip_prefix("stun:"));
    let socket = udp_socket();
    // RFC 8489 §5: a binding request without attributes.
    let question = *b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl";
    socket
        .send_to(&question, address.expect("a STUN server"))
        .expect("sent");
    let mut answer = [0; 100];
    let length = socket.recv(&mut answer).expect("an answer");
    let local = socket.local_addr().expect("bound");
    // §14.2: family 1, then port and address, XORed with the magic cookie.
    let port = (local.port() ^ 0x2112).to_be_bytes();
    let mapped = [0, 1, port[0], port[1], 127 ^ 0x21, 0x12, 0xa4, 1 ^ 0x42];
    let head = *b"\x01\x01\x00\x0c\x21\x12\xa4\x42abcdefghijkl\x00\x20\x00\x08";
    assert_eq!(answer[..length], [&head[..], &mapped[..]].concat());

    let server = Server::start(&["stun.serve=false"]);
    assert_eq!(ice_url(&server), Value::Null);
}

#[tokio::test]
async fn a_guest_is_let_in_by_the_token_until_it_is_removed() {
    const GRANTED: &str = "SIP/2.0 200 OK";
    const ASKED: &str = "SIP/2.0 401 Unauthorized";
    let server = Server::start(&["api.key=0123456789abcdef"]);
    let json = "Content-Type: application/json\r\n";
    let path = "/api/v1/rooms/1234/join";
    let admission = server.ask("POST", path, json, "{\"name\":\"Zoe\"}");
    let admission: Value = serde_json::from_str(&admission).expect("JSON");
    let text = |name: &str| admission[name].as_str().expect("a text").to_owned();
    let (user, url) = (text("username"), text("websocketUrl"));
    let plain = format!("ws://{}/sip", server.http);
    assert_eq!(register(&server, &url, &user).await, GRANTED);
    assert_eq!(register(&server, &plain, &user).await, ASKED);
    let other = register(&server, &url, "guest-somebody").await;
    assert_eq!(other, "SIP/2.0 403 Forbidden");

    let key = "Authorization: Bearer 0123456789abcdef\r\n";
    let gone = server.ask("DELETE", &format!("/api/v1/users/{user}"), key, "");
    assert_eq!(gone, "");
    assert_eq!(register(&server, &url, &user).await, ASKED);
}

/// The status of the first answer to one request of `user`, sent over a connection of its own.
async fn status_of(server: &Server, url: &str, request: String) -> String {
    let asking = async {
        let mut client = connect(server, url).await;
        client.send(Message::text(request)).await.expect("open");
        loop {
            if let Message::Text(text) = client.next().await.expect("a frame").expect("open") {
                let line = text.lines().next().unwrap_or_default();
                if line != "SIP/2.0 100 Trying" {
                    return line.trim_start_matches("SIP/2.0 ").to_owned();
                }
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, asking).await;
    answer.expect("the server answers")
}

/// A request that is no other one again (RFC 3261 §8.1.1): with the branch or Call-ID of an earlier
/// one it would be answered where that one came from, or as a loop.
fn sip_request(method: &str, target: &str, from: &str, more: &str) -> String {
    static BRANCH: AtomicU32 = AtomicU32::new(1);
    let branch = BRANCH.fetch_add(1, Ordering::Relaxed);
    let to = match method {
        "REGISTER" => format!("<sip:{from}@127.0.0.1>"),
        _ => format!("<sip:{target}@127.0.0.1>"),
    };
    let at = if target.is_empty() { "" } else { "@" };
    format!(
        "{method} sip:{target}{at}127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/WS x1.invalid;branch=z9hG4bK-{branch}\r\n\
         From: \"{from}\" <sip:{from}@127.0.0.1>;tag=1\r\nTo: {to}\r\n\
         Call-ID: {branch}@x1.invalid\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n\
         Contact: <sip:k2@x1.invalid;transport=ws>\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

/// Who a join makes, and where it connects.
fn join(server: &Server) -> (String, String) {
    let json = "Content-Type: application/json\r\n";
    let path = "/api/v1/rooms/1234/join";
    let admission = server.ask("POST", path, json, "{\"name\":\"Zoe\"}");
    let admission: Value = serde_json::from_str(&admission).expect("JSON");
    let text = |name: &str| admission[name].as_str().expect("a text").to_owned();
    (text("username"), text("websocketUrl"))
}

#[tokio::test]
async fn a_browser_reaches_only_what_is_for_browsers() {
    let server = Server::start(&["log.level=debug"]);
    let (user, url) = join(&server);
    let plain = format!("ws://{}/sip", server.http);
    let other = "guest-somebody";
    const NAMELESS: &str = "400 That is not the name of a conference.";
    let spoofed = "X-ClientType: web\r\nX-Conference-Id: 1234\r\n";
    for (url, method, target, from, more, status) in [
        // The names inside are not for callers, whatever they say of themselves.
        (&url, "INVITE", "conf_1234", &*user, "", "404 Not Found"),
        (&url, "INVITE", "conf_1234", &user, spoofed, "404 Not Found"),
        (&url, "INVITE", "joinconf", &user, "", NAMELESS),
        (
            &url,
            "INVITE",
            "joinconf",
            &user,
            "X-Conference-Id: ../1\r\n",
            NAMELESS,
        ),
        (&url, "INVITE", "joinconf", other, spoofed, "403 Forbidden"),
        (&url, "REGISTER", "", other, "", "403 Forbidden"),
        (
            &plain,
            "INVITE",
            "joinconf",
            &user,
            spoofed,
            "401 Unauthorized",
        ),
        (&plain, "REGISTER", "", &user, "", "401 Unauthorized"),
    ] {
        let request = sip_request(method, target, from, more);
        let seen = status_of(&server, url, request).await;
        assert_eq!(seen, status, "{method} {target} {from} {more}");
    }
    // One trace leads from the WebSocket to what was called over it, and tells no name.
    let log = server.log();
    let traces = |part: &str| -> Vec<String> {
        let lines = log.lines().filter(|line| line.contains(part));
        let traces = lines.filter_map(|line| line.split("trace=").nth(1)?.split(' ').next());
        traces.map(str::to_owned).collect()
    };
    let opened = traces("WebSocket opened");
    let called = traces("dialled=jo******");
    assert!(called.len() >= 2, "{log}");
    assert!(called.iter().all(|trace| opened.contains(trace)), "{log}");
    let (_, token) = url.split_once("token=").expect("a token");
    let metrics = server.get("/metrics");
    for (name, text) in [("log", server.log()), ("metrics", metrics)] {
        assert!(!text.contains(token), "the token is in the {name}");
        assert!(
            !text.replace("http_", "").contains("tp_"),
            "the API key is in the {name}"
        );
    }
}

#[tokio::test]
async fn what_is_kept_is_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Server::start(&[]);
    join(&server);
    let mut files = 0;
    for file in std::fs::read_dir(server.dir.path().join("data")).expect("a folder") {
        let file = file.expect("an entry");
        let metadata = file.metadata().expect("it is there");
        if metadata.is_file() {
            let mode = metadata.permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", file.path());
            files += 1;
        }
    }
    assert!(files > 0);
}

/// The start of the answer to bytes that need not be HTTP.
async fn answer_to(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.http).await.expect("connected");
    stream.write_all(bytes).await.expect("taken");
    let mut start = [0; 12];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut start)).await;
    read.expect("in time").expect("an answer");
    String::from_utf8_lossy(&start).into_owned()
}

#[tokio::test]
async fn odd_requests_are_refused_and_nothing_outside_the_pages_is_served() {
    let server = Server::start(&[]);
    let long = format!("/join/{}", "a".repeat(70_000));
    for (path, status) in [
        ("/..%2f..%2fetc/passwd", 404),
        ("/assets/../../etc/passwd", 404),
        ("/assets/%2e%2e/index.html", 404),
        ("//", 404),
        ("//etc/passwd", 404),
        ("/\\..\\etc\\passwd", 404),
        ("/%5c..%5cetc", 404),
        ("/%c0%ae%c0%ae/etc", 404),
        ("/%00", 404),
        ("/%ff", 404),
        ("/join/1234%00", 404),
        ("/join/1234%0d%0aX-Evil:1", 404),
        ("/api//v1/users", 404),
        ("/api/v1/../../etc", 404),
        ("/\0", 400),
        ("/ two HTTP/1.1", 400),
        (&long, 431),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n");
        let answer = answer_to(&server, request.as_bytes()).await;
        let shown: String = path.chars().take(40).collect();
        assert_eq!(answer, format!("HTTP/1.1 {status}"), "{shown}");
    }
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n";
    assert_eq!(answer_to(&server, tls).await, "HTTP/1.1 400");
    let head = format!(
        "GET / HTTP/1.1\r\nHost: here\r\nX: {}\r\n\r\n",
        "a".repeat(70_000)
    );
    assert_eq!(answer_to(&server, head.as_bytes()).await, "HTTP/1.1 431");
}

#[tokio::test]
async fn half_open_connections_keep_nobody_out() {
    let server = Server::start(&[]);
    let mut idle = Vec::new();
    for address in 2..5 {
        for _ in 0..200 {
            let socket = TcpSocket::new_v4().expect("a socket");
            let address = SocketAddr::from(([127, 0, 0, address], 0));
            socket.bind(address).expect("loopback is a network");
            let mut stream = socket.connect(server.http).await.expect("connected");
            stream
                .write_all(b"GET / HTTP/1.1\r\nHo")
                .await
                .expect("taken");
            idle.push(stream);
        }
    }
    assert!(server.get("/health").contains("\"ok\""));
    let (user, url) = join(&server);
    assert_eq!(register(&server, &url, &user).await, "SIP/2.0 200 OK");
    let waited = async {
        for stream in &mut idle {
            let mut rest = Vec::new();
            // A reset ends a connection as well as an orderly close.
            let _ = stream.read_to_end(&mut rest).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waited).await;
    waited.expect("the server closes what never asks");
}
