//! How the real program stops: what new ones are told meanwhile, and what those in a call are told
//! at the end.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::server::{PATIENCE, Server};

const JSON: &str = "Content-Type: application/json\r\n";
const JOIN: &str = "/api/v1/rooms/1234/join";

/// A client of SIP over WebSocket that joined room 1234.
struct Guest {
    socket: WebSocketStream<TcpStream>,
    name: String,
}

impl Guest {
    async fn join(server: &Server) -> Guest {
        let admission = server.ask("POST", JOIN, JSON, "{\"name\":\"Zoe\"}");
        let admission: Value = serde_json::from_str(&admission).expect("JSON");
        let text = |name: &str| admission[name].as_str().expect("a text").to_owned();
        let url = text("websocketUrl");
        let mut request = url.into_client_request().expect("a URL");
        let protocol = "sip".parse().expect("a header value");
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol);
        let stream = TcpStream::connect(server.http).await.expect("connected");
        let (socket, _) = client_async(request, stream).await.expect("upgraded");
        Guest {
            socket,
            name: text("username"),
        }
    }

    /// Sends a request with this number to the conference.
    async fn send(&mut self, method: &str, number: u32, to: &str, more: &str, body: &str) {
        let name = &self.name;
        let text = format!(
            "{method} sip:joinconf@127.0.0.1 SIP/2.0\r\n\
             Via: SIP/2.0/WS x1.invalid;branch=z9hG4bK-{method}-{number}\r\n\
             From: <sip:{name}@127.0.0.1>;tag=1\r\nTo: {to}\r\n\
             Call-ID: {number}@x1.invalid\r\nCSeq: {number} {method}\r\nMax-Forwards: 70\r\n\
             Contact: <sip:k2@x1.invalid;transport=ws>\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.socket.send(Message::text(text)).await.expect("open");
    }

    /// The next message that begins with `start`; `None` when the socket is closed before.
    async fn next(&mut self, start: &str) -> Result<String, Option<u16>> {
        let reading = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) if text.starts_with(start) => {
                        return Ok(text.to_string());
                    }
                    Some(Ok(Message::Close(frame))) => {
                        return Err(frame.map(|frame| frame.code.into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Err(None),
                }
            }
        };
        let read = tokio::time::timeout(PATIENCE, reading).await;
        read.unwrap_or_else(|_| panic!("no {start:?}"))
    }

    /// A call that is up. Its media is plain RTP to a port where nobody is.
    async fn call(&mut self) {
        const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n\
                             t=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
        let more = "X-Conference-Id: 1234\r\nContent-Type: application/sdp\r\n";
        let target = "<sip:joinconf@127.0.0.1>";
        self.send("INVITE", 1, target, more, OFFER).await;
        let answer = self.next("SIP/2.0 200 OK").await.expect("an answer");
        let to = answer.lines().find_map(|line| line.strip_prefix("To: "));
        let to = to.expect("a To").to_owned();
        self.send("ACK", 1, &to, "", "").await;
    }
}

/// The head of an answer, without the headers that change, and what its body says.
fn refusal(server: &Server, method: &str, path: &str, body: &str) -> (bool, String) {
    let headers = if body.is_empty() { "" } else { JSON };
    let (head, body) = server.answer(method, path, headers, body);
    let is_503 = head.starts_with("http/1.1 503 ") && head.contains("\r\nretry-after: ");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let word = body["status"].as_str().or(body["error"]["code"].as_str());
    (is_503, word.expect("a word").to_owned())
}

#[tokio::test]
async fn new_ones_are_sent_away_and_calls_are_told_to_come_back() {
    let mut server = Server::start(&["shutdown.drain_s=5"]);
    let (head, _) = server.answer("GET", "/health", "", "");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    let mut guest = Guest::join(&server).await;
    guest.call().await;
    server.signal_term();
    let draining = (true, "draining".to_owned());
    while refusal_word(&server) != "draining" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(refusal(&server, "GET", "/health", ""), draining);
    let body = "{\"name\":\"Yan\"}";
    assert_eq!(refusal(&server, "POST", JOIN, body), draining);
    let options = "<sip:127.0.0.1>";
    guest.send("OPTIONS", 2, options, "", "").await;
    guest.next("SIP/2.0 200 OK").await.expect("it goes on");

    let bye = guest.next("BYE ").await.expect("an end with a word");
    let reason = bye.lines().find_map(|line| line.strip_prefix("Reason: "));
    assert_eq!(
        reason,
        Some(
            "SIP;cause=503;text=\"draining\", Q.850;cause=41;text=\"The engine is shutting down.\""
        ),
        "{bye}"
    );
    assert_eq!(guest.next("nothing").await, Err(Some(1012)));
    let (status, _) = server.expect_end();
    assert!(status.success(), "{status}");
}

fn refusal_word(server: &Server) -> String {
    let body: Value = serde_json::from_str(&server.get("/health")).expect("JSON");
    body["status"].as_str().expect("a word").to_owned()
}
