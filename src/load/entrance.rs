//! How a browser comes in: `POST /api/v1/rooms/{room}/join`, then the WebSocket with the token of
//! the answer. A thread of its own does it, one browser after the other, so that the packets of
//! those who are in do not wait; the connections go back over a channel.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::handshake::HandshakeError;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, WebSocket};

/// The longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// An admission has less; who sends more is no talkpath.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// A browser that may call.
pub(super) struct Admitted {
    pub(super) asked_at: Instant,
    pub(super) user: String,
    pub(super) domain: String,
    pub(super) signalling: WebSocket<TcpStream>,
}

struct Request {
    index: usize,
    room: String,
}

/// The thread. It ends when this is dropped.
pub(super) struct Entrance {
    requests: Sender<Request>,
    admitted: Receiver<(usize, anyhow::Result<Admitted>)>,
}

impl Entrance {
    /// Opens one to the engine at `http`, a host with a port.
    pub(super) fn open(http: String) -> Entrance {
        let (requests, taken) = channel::<Request>();
        let (given, admitted) = channel();
        std::thread::spawn(move || {
            for Request { index, room } in taken {
                let admission = join(&http, &room, index);
                let is_over = admission.is_err();
                if given.send((index, admission)).is_err() || is_over {
                    return;
                }
            }
        });
        Entrance { requests, admitted }
    }

    /// Asks for a browser's admission to a room. At most as many wait as there are browsers.
    pub(super) fn ask(&self, index: usize, room: String) {
        // The thread is gone after a refusal, which has been told.
        let _ = self.requests.send(Request { index, room });
    }

    /// The next one that may call.
    ///
    /// # Errors
    /// The first refusal, in words.
    pub(super) fn poll(&self) -> anyhow::Result<Option<(usize, Admitted)>> {
        match self.admitted.try_recv() {
            Ok((index, admitted)) => Ok(Some((index, admitted?))),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(anyhow!("the joining of browsers has ended")),
        }
    }
}

fn join(http: &str, room: &str, index: usize) -> anyhow::Result<Admitted> {
    let asked_at = Instant::now();
    let body = format!("{{\"name\":\"Load {index}\"}}");
    let mut stream = connect(http)?;
    let length = body.len();
    // With HTTP/1.0 the answer ends with the connection and is in one piece.
    write!(
        stream,
        "POST /api/v1/rooms/{room}/join HTTP/1.0\r\nHost: {http}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream
        .take(ANSWER_BYTES_MAX)
        .read_to_end(&mut answer)
        .with_context(|| format!("http://{http} did not answer a join"))?;
    let admission = parse_admission(http, &String::from_utf8_lossy(&answer))?;
    let signalling = open_websocket(http, &admission.path)?;
    Ok(Admitted {
        asked_at,
        user: admission.user,
        domain: admission.domain,
        signalling,
    })
}

fn connect(http: &str) -> anyhow::Result<TcpStream> {
    let nobody = || {
        format!("nobody answers at http://{http}: is the engine running, with that http.listen?")
    };
    let mut addresses = http.to_socket_addrs().with_context(nobody)?;
    let address = addresses
        .next()
        .ok_or_else(|| anyhow!("{http} has no address"))?;
    let stream = TcpStream::connect_timeout(&address, PATIENCE).with_context(nobody)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What of an admission is needed.
#[derive(Debug, PartialEq, Eq)]
struct Admission {
    user: String,
    domain: String,
    /// Path and query of the WebSocket.
    path: String,
}

/// Reads the answer to a join.
fn parse_admission(http: &str, answer: &str) -> anyhow::Result<Admission> {
    let status = answer
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..5)?.parse::<u16>().ok());
    let Some(status) = status else {
        let hint = "it may hold too many connections from here: 256 per address";
        bail!("http://{http} closed the connection without an answer; {hint}");
    };
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let Ok(body) = serde_json::from_str::<Value>(body) else {
        bail!("http://{http} is no talkpath: it answered a join with {status}");
    };
    let text = |value: &Value, name: &str| value.get(name)?.as_str().map(str::to_owned);
    let refusal = body.get("error");
    if let Some(refusal) = refusal.filter(|_| status != 201) {
        let message = text(refusal, "message").unwrap_or_default();
        let code = text(refusal, "code").unwrap_or_default();
        let key = match code.as_str() {
            "too-many-joins" => " (start it with --set api.joins_per_minute=100000)",
            "too-many-guests" => " (start it with a higher api.guests_max)",
            _ => "",
        };
        bail!("the engine refused a join with {status}: {message}{key}");
    }
    let path = text(&body, "websocketUrl").and_then(|url| {
        let (_, rest) = url.split_once("://")?;
        Some(rest.get(rest.find('/')?..)?.to_owned())
    });
    match (text(&body, "username"), text(&body, "domain"), path) {
        (Some(user), Some(domain), Some(path)) => Ok(Admission { user, domain, path }),
        _ => bail!("http://{http} is no talkpath: its answer to a join lacks what a page needs"),
    }
}

/// Connects to where the join went, whatever host the address in the answer names: behind a proxy
/// that is the proxy, and it is the engine that is measured.
fn open_websocket(http: &str, path: &str) -> anyhow::Result<WebSocket<TcpStream>> {
    let mut request = format!("ws://{http}{path}").into_client_request()?;
    let sub_protocol = "sip".parse().context("a header value")?;
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", sub_protocol);
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
    let stream = connect(http)?;
    let opened = tungstenite::client::client_with_config(request, stream, Some(config));
    let (websocket, _) = opened.map_err(|error| match error {
        HandshakeError::Failure(Error::Http(response)) if response.status() == 503 => {
            anyhow!("the engine takes no more WebSockets: 200 per address")
        }
        HandshakeError::Failure(error) => anyhow!("the engine refused a WebSocket: {error}"),
        HandshakeError::Interrupted(_) => anyhow!("the engine did not answer on a WebSocket"),
    })?;
    websocket.get_ref().set_nonblocking(true)?;
    Ok(websocket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admission_is_read_and_a_refusal_is_said_in_words() {
        let good = "HTTP/1.0 201 Created\r\nA: b\r\n\r\n{\"username\":\"guest-x\",\
            \"domain\":\"h\",\"websocketUrl\":\"wss://proxy/sip?token=t\"}";
        let refused = |status: u16, code: &str| {
            format!(
                "HTTP/1.1 {status} X\r\n\r\n{{\"error\":{{\"code\":\"{code}\",\
                 \"message\":\"No.\",\"requestId\":\"1\"}}}}"
            )
        };
        for (answer, said) in [
            (good.to_owned(), ""),
            (
                refused(429, "too-many-joins"),
                "the engine refused a join with 429: No. \
                 (start it with --set api.joins_per_minute=100000)",
            ),
            (
                refused(503, "too-many-guests"),
                "the engine refused a join with 503: No. (start it with a higher api.guests_max)",
            ),
            (
                refused(422, "invalid-room"),
                "the engine refused a join with 422: No.",
            ),
            (
                "HTTP/1.1 200 OK\r\n\r\n<html>".to_owned(),
                "http://h:1 is no talkpath: it answered a join with 200",
            ),
            (
                "HTTP/1.1 200 OK\r\n\r\n{}".to_owned(),
                "http://h:1 is no talkpath: its answer to a join lacks what a page needs",
            ),
            (
                String::new(),
                "http://h:1 closed the connection without an answer; it may hold too many \
                 connections from here: 256 per address",
            ),
        ] {
            match parse_admission("h:1", &answer) {
                Ok(admission) => {
                    assert_eq!(said, "", "{answer}");
                    assert_eq!(admission.path, "/sip?token=t");
                    assert_eq!((&*admission.user, &*admission.domain), ("guest-x", "h"));
                }
                Err(error) => assert_eq!(error.to_string(), said, "{answer}"),
            }
        }
    }
}
