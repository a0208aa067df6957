//! From an invitation to a registration, with the real program: join by HTTP, connect with what the
//! answer says, register, and be nobody once removed.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::server::Server;

const WAIT: Duration = Duration::from_secs(10);

/// Connects to `url` and gives the first line of the answer to a REGISTER of `user`.
async fn register(server: &Server, url: &str, user: &str) -> String {
    let registering = async {
        let stream = TcpStream::connect(server.http).await.expect("connected");
        let mut request = url.into_client_request().expect("a URL");
        let protocol = "sip".parse().expect("a header value");
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol);
        let (mut client, _) = client_async(request, stream).await.expect("upgraded");
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
    let answer = tokio::time::timeout(WAIT, registering).await;
    answer.expect("the server answers")
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
