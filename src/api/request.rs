//! What handlers take out of a request: the JSON body, a path segment, the query, the client's
//! address and the name under which the client reached us. Each refuses in the form of
//! [`ApiError`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Api;
use super::error::ApiError;

/// Largest body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a body may take to arrive.
const BODY_WAIT: Duration = Duration::from_secs(10);
/// Most items of one page of a list.
pub const PAGE_MAX: u32 = 1_000;
/// Items of a page when the client does not say.
const PAGE_USUAL: u32 = 100;

/// A JSON body.
pub(super) struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Api> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &Api) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "Send JSON with Content-Type: application/json.",
            ));
        }
        let reading = to_bytes(request.into_body(), BODY_BYTES_MAX);
        let bytes = match tokio::time::timeout(BODY_WAIT, reading).await {
            Ok(Ok(bytes)) => bytes,
            // Besides the limit only a broken connection fails, and then nobody reads the answer.
            Ok(Err(_)) => {
                return Err(ApiError::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "body-too-large",
                    format!("The body may have {BODY_BYTES_MAX} bytes."),
                ));
            }
            Err(_) => {
                return Err(ApiError::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "body-timeout",
                    "The body took too long to arrive.",
                ));
            }
        };
        match serde_json::from_slice(&bytes) {
            Ok(body) => Ok(Self(body)),
            Err(error) if error.is_data() => Err(ApiError::unprocessable(
                "invalid-body",
                format!("The body is not what is expected here: {error}."),
            )),
            Err(error) => Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                "invalid-json",
                format!("The body is not JSON: {error}."),
            )),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// The one variable segment of a path, percent-decoded.
pub(super) struct Segment(pub String);

impl FromRequestParts<Api> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        match Path::<String>::from_request_parts(parts, api).await {
            Ok(Path(segment)) => Ok(Self(segment)),
            Err(_) => Err(ApiError::no_such_page()),
        }
    }
}

/// Which page of a list: `?after=name&limit=100`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// The last item of the page before; empty for the first page.
    #[serde(default)]
    pub after: String,
    /// Items at most, 1 to [`PAGE_MAX`].
    #[serde(default = "page_usual")]
    pub limit: u32,
}

impl Page {
    /// Items to ask the store for: one more than the page has, which tells whether another follows.
    pub fn asked(&self) -> u32 {
        self.limit + 1
    }

    /// Cuts what [`Page::asked`] gave to the page; the `after` of the next one, if there is one.
    pub fn cut<T>(&self, items: &mut Vec<T>, name: impl Fn(&T) -> &str) -> Option<String> {
        let more = items.len() > self.limit as usize;
        items.truncate(self.limit as usize);
        let last = items.last().filter(|_| more);
        last.map(|item| name(item).to_owned())
    }
}

fn page_usual() -> u32 {
    PAGE_USUAL
}

impl FromRequestParts<Api> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let invalid = |message: String| ApiError::unprocessable("invalid-query", message);
        let page = match Query::<Page>::from_request_parts(parts, api).await {
            Ok(Query(page)) => page,
            Err(error) => return Err(invalid(format!("{}.", error.body_text()))),
        };
        if !(1..=PAGE_MAX).contains(&page.limit) {
            return Err(invalid(format!("limit may be 1 to {PAGE_MAX}.")));
        }
        Ok(page)
    }
}

/// The address of whoever asks: the peer, or the one that a configured proxy names last in
/// X-Forwarded-For.
pub(super) struct Client(pub IpAddr);

impl FromRequestParts<Api> for Client {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let peer = peer.map_or(unknown, |peer| peer.ip());
        let proxies = &api.settings.proxies;
        Ok(Self(client_address(peer, &parts.headers, proxies)))
    }
}

/// The address of whoever asks through `peer`, which may be one of `proxies`.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, proxies: &[IpAddr]) -> IpAddr {
    let peer = peer.to_canonical();
    if !proxies.contains(&peer) {
        return peer;
    }
    // Only the last entry is the proxy's own; a client may write the others.
    let lines = headers.get_all("x-forwarded-for");
    let last = lines.iter().next_back().and_then(|line| line.to_str().ok());
    let last = last.and_then(|line| line.rsplit(',').next());
    let client = last.and_then(|address| address.trim().parse().ok());
    client.map_or(peer, |client: IpAddr| client.to_canonical())
}

/// The address of this server as a client writes it: `https://talk.example.org:8443`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// TLS ends at the server or in front of it.
    pub secure: bool,
    /// Host and port, the port only where it is not the usual one.
    pub authority: String,
}

impl Origin {
    /// The host without the port.
    pub fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            // Colons inside of brackets belong to an IPv6 address.
            Some((host, port)) if !port.ends_with(']') => host,
            _ => &self.authority,
        }
    }

    /// Where SIP over WebSocket is served, for who logs in with `token`.
    pub fn websocket_url(&self, token: &str) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        format!("{scheme}://{}/sip?token={token}", self.authority)
    }
}

impl FromRequestParts<Api> for Origin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        if let Some(origin) = &api.settings.public_origin {
            return Ok(origin.clone());
        }
        let host = parts.headers.get(header::HOST);
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
        if host.is_empty() || host.len() > 255 || !host.bytes().all(plain) {
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                "invalid-host",
                "The Host header does not name a host.",
            ));
        }
        Ok(Self {
            secure: false,
            authority: host.to_owned(),
        })
    }
}
