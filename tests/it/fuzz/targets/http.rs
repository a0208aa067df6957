//! HTTP: any request to the API and the pages, over one store for all inputs.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Method, Request};
use talkpath::api::{self, Api, IceSettings, Settings, USER_CHANGES_MAX, UserChange};
use talkpath::run::health::Health;
use talkpath::store::Store;
use talkpath::web::Pages;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tower::ServiceExt as _;

use super::files::once;

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1 << 20;

static SERVED: OnceLock<Served> = OnceLock::new();

/// The API as it is served, without sockets.
struct Served {
    runtime: Runtime,
    router: Router,
    changes: Mutex<mpsc::Receiver<UserChange>>,
}

fn serve() -> Served {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let folder = std::env::temp_dir().join(format!("talkpath-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let settings = Settings {
        public_origin: None,
        proxies: vec!["192.0.2.80".parse().expect("an address")],
        origins: Vec::new(),
        domain: None,
        realm: "talkpath".to_owned(),
        key: Some("0123456789abcdef".to_owned()),
        token_s: 3_600,
        guest_s: 7_200,
        guests_max: 100,
        joins_per_minute: 1_000_000,
        connections_max: 100,
        connections_per_address_max: 100,
        phone_number: None,
        ice: IceSettings::default(),
        pages: Pages::new(&[]),
    };
    let (sender, changes) = mpsc::channel(USER_CHANGES_MAX);
    let opened = runtime.block_on(async {
        let store = Store::open(&folder).await.expect("a store");
        let clock = Arc::new(|| 1_767_225_600);
        Api::open(settings, store, Health::default(), clock, sender).await
    });
    let (api, _) = opened.expect("the API");
    Served {
        router: api::router(api),
        runtime,
        changes: Mutex::new(changes),
    }
}

/// The first line is `METHOD PATH`, headers follow up to an empty line, then the body. No request
/// is our fault, and each that is refused is told so in the form of all refusals.
pub fn request(input: &[u8]) {
    let Some(request) = read(input) else {
        return;
    };
    let is_api = request.uri().path().starts_with("/api/v1/");
    let has_body = request.method() != Method::HEAD;
    let served = once(&SERVED, serve);
    let (status, body) = served.runtime.block_on(async {
        let response = served
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer");
        let status = response.status();
        let body = to_bytes(response.into_body(), ANSWER_BYTES_MAX).await;
        (status.as_u16(), body.expect("an answer within bounds"))
    });
    let mut changes = served.changes.lock().expect("no panic before");
    while changes.try_recv().is_ok() {}
    assert!(status < 500 || status == 503, "{status}");
    if status >= 400 && is_api && has_body {
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let error = &body["error"];
        assert!(
            error["code"].is_string() && error["message"].is_string(),
            "{body}"
        );
    }
}

fn read(input: &[u8]) -> Option<Request<Body>> {
    let mut rest = input;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        Some(line)
    };
    let first = std::str::from_utf8(line()?).ok()?;
    let (method, path) = first.split_once(' ')?;
    let peer: SocketAddr = "198.51.100.7:40000".parse().expect("an address");
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .extension(ConnectInfo(peer));
    while let Some(header) = line().filter(|line| !line.is_empty()) {
        let colon = header.iter().position(|byte| *byte == b':')?;
        let (name, value) = header.split_at(colon);
        request = request.header(name, value[1..].trim_ascii());
    }
    request.body(Body::from(rest.to_vec())).ok()
}
