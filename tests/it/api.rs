//! The HTTP API in process: every route with what it takes and what it refuses, under a virtual
//! clock.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use talkpath::api::{
    self, Algorithm, Api, IceSettings, Login, LoginTokens as _, Origin, OwnStun, Settings,
    USER_CHANGES_MAX, UserChange,
};
use talkpath::run::health::Health;
use talkpath::store::Store;
use talkpath::web::{File, Pages};
use tokio::sync::mpsc;
use tower::ServiceExt as _;

const KEY: &str = "0123456789abcdef";
/// 2026-01-01T00:00:00Z.
const START: u64 = 1_767_225_600;
const PAGES: &[File] = &[
    File {
        path: "assets/index-B7d0x1aZ.js",
        bytes: b"script",
        brotli: Some(b"small"),
        gzip: Some(b"smaller"),
        hash: "5c",
    },
    File {
        path: "index.html",
        bytes: b"<!doctype html>",
        brotli: None,
        gzip: None,
        hash: "1d",
    },
];

fn settings() -> Settings {
    Settings {
        public_origin: None,
        proxies: vec!["192.0.2.80".parse().expect("an address")],
        origins: Vec::new(),
        domain: None,
        realm: "talkpath".to_owned(),
        key: Some(KEY.to_owned()),
        token_s: 3_600,
        guest_s: 7_200,
        guests_max: 100,
        joins_per_minute: 10,
        connections_max: 100,
        connections_per_address_max: 100,
        phone_number: None,
        ice: IceSettings::default(),
        pages: Pages::new(PAGES),
    }
}

/// The API over a store of its own.
struct World {
    api: Api,
    router: Router,
    health: Health,
    clock: Arc<AtomicU64>,
    changes: mpsc::Receiver<UserChange>,
    fresh_key: Option<String>,
    dir: tempfile::TempDir,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("plain"))
    }

    /// `status code: message` of a refusal; its form is checked on the way.
    fn refusal(&self) -> String {
        let body = self.json();
        let error = body["error"].as_object().expect("an error");
        assert_eq!(error.len(), 3, "{body}");
        assert_eq!(error["requestId"], self.header("x-request-id"));
        assert_eq!(self.header("content-type"), "application/json");
        let text = |name: &str| error[name].as_str().expect("a text").to_owned();
        format!("{} {}: {}", self.status, text("code"), text("message"))
    }
}

impl World {
    async fn new() -> World {
        World::with(settings()).await
    }

    async fn with(settings: Settings) -> World {
        let dir = tempfile::tempdir().expect("a folder");
        World::over(dir, settings, START).await
    }

    async fn over(dir: tempfile::TempDir, settings: Settings, now: u64) -> World {
        let store = Store::open(dir.path()).await.expect("opens");
        let health = Health::default();
        let clock = Arc::new(AtomicU64::new(now));
        let shown = clock.clone();
        let (sender, changes) = mpsc::channel(USER_CHANGES_MAX);
        let (api, fresh_key) = Api::open(
            settings,
            store,
            health.clone(),
            Arc::new(move || shown.load(Ordering::Relaxed)),
            sender,
        )
        .await
        .expect("opens");
        World {
            router: api::router(api.clone()),
            api,
            health,
            clock,
            changes,
            fresh_key,
            dir,
        }
    }

    fn pass(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("answers");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 20).await.expect("a body");
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).expect("text"),
        }
    }

    /// With the key.
    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let authorization = format!("Bearer {KEY}");
        let headers = [("authorization", authorization.as_str())];
        let body = body.map(|body| body.to_string());
        self.send(request(method, path, &headers, body)).await
    }

    async fn join(&self, room: &str, body: Value) -> Answer {
        let path = format!("/api/v1/rooms/{room}/join");
        self.send(request("POST", &path, &[], Some(body.to_string())))
            .await
    }

    fn changes(&mut self) -> Vec<UserChange> {
        let mut changes = Vec::new();
        while let Ok(change) = self.changes.try_recv() {
            changes.push(change);
        }
        changes
    }
}

/// A request from 198.51.100.7 to talk.example.org:8080; JSON when it has a body.
fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<String>,
) -> Request<Body> {
    let peer: SocketAddr = "198.51.100.7:40000".parse().expect("an address");
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "talk.example.org:8080")
        .extension(ConnectInfo(peer));
    let typed = headers.iter().any(|(name, _)| *name == "content-type");
    if body.is_some() && !typed {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = body.map_or_else(Body::empty, Body::from);
    request.body(body).expect("a request")
}

fn alice() -> Value {
    json!({"username": "alice", "password": "Correct-horse1", "displayName": "Alice A."})
}

#[tokio::test]
async fn a_user_is_made_read_listed_and_removed() {
    let mut world = World::new().await;
    let made = world.ask("POST", "/api/v1/users", Some(alice())).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.header("location"), "/api/v1/users/alice");
    let view = json!({
        "username": "alice", "displayName": "Alice A.", "guest": false, "room": null,
        "createdAt": "2026-01-01T00:00:00Z", "expiresAt": null,
    });
    assert_eq!(made.json(), view);
    let [
        UserChange::Put {
            name,
            display_name,
            ha1,
        },
    ] = &world.changes()[..]
    else {
        panic!("one user is put");
    };
    assert_eq!(
        (name.as_str(), display_name.as_str()),
        ("alice", "Alice A.")
    );
    // printf alice:talkpath:Correct-horse1 | md5sum, sha256sum
    let hashes: Vec<(Algorithm, &str, Option<u64>)> = ha1
        .iter()
        .map(|ha1| (ha1.algorithm, ha1.hash.as_str(), ha1.expires_unix_s))
        .collect();
    assert_eq!(
        hashes,
        [
            (
                Algorithm::Sha256,
                "7c1a93f9b71be6f924b5a78b33eaacae0a66b8b8c087e950fa9e80ec632658c3",
                None
            ),
            (Algorithm::Md5, "34c7dbfdc0bd72d1603be8c45d88b829", None),
        ]
    );

    let again = world.ask("POST", "/api/v1/users", Some(alice())).await;
    assert_eq!(again.refusal(), "409 user-exists: The user alice exists.");
    let read = world.ask("GET", "/api/v1/users/alice", None).await;
    assert_eq!((read.status, read.json()), (200, view.clone()));
    let list = world.ask("GET", "/api/v1/users", None).await;
    assert_eq!(list.json(), json!({"users": [view], "next": null}));
    let removed = world.ask("DELETE", "/api/v1/users/alice", None).await;
    assert_eq!((removed.status, removed.text.as_str()), (204, ""));
    assert_eq!(world.changes(), [UserChange::Remove("alice".to_owned())]);
    for method in ["DELETE", "GET"] {
        let gone = world.ask(method, "/api/v1/users/alice", None).await;
        assert_eq!(
            gone.refusal(),
            "404 no-such-user: There is no user of that name."
        );
    }
    assert_eq!(world.changes(), []);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let world = World::new().await;
    for name in ["carol", "alice", "bob"] {
        let mut user = alice();
        user["username"] = json!(name);
        let made = world.ask("POST", "/api/v1/users", Some(user)).await;
        assert_eq!(made.status, 201);
    }
    for (query, names, next) in [
        ("", vec!["alice", "bob", "carol"], Value::Null),
        ("?limit=2", vec!["alice", "bob"], json!("bob")),
        ("?limit=2&after=bob", vec!["carol"], Value::Null),
        ("?limit=3", vec!["alice", "bob", "carol"], Value::Null),
        ("?after=x", vec![], Value::Null),
    ] {
        let path = format!("/api/v1/users{query}");
        let list = world.ask("GET", &path, None).await.json();
        let users = list["users"].as_array().expect("users");
        let found: Vec<&str> = users
            .iter()
            .map(|user| user["username"].as_str().expect("a name"))
            .collect();
        assert_eq!((found, &list["next"]), (names, &next), "{query}");
    }
    for (query, refusal) in [
        ("limit=0", "422 invalid-query: limit may be 1 to 1000."),
        ("limit=1001", "422 invalid-query: limit may be 1 to 1000."),
        (
            "limit=x",
            "422 invalid-query: Failed to deserialize query string: limit: invalid digit found in \
             string.",
        ),
        (
            "size=3",
            "422 invalid-query: Failed to deserialize query string: size: unknown field `size`, \
             expected `after` or `limit`.",
        ),
    ] {
        for list in ["users", "rooms"] {
            let path = format!("/api/v1/{list}?{query}");
            assert_eq!(world.ask("GET", &path, None).await.refusal(), refusal);
        }
    }
}

// tidy: table
#[tokio::test]
async fn every_bad_user_is_refused_with_code_and_text() {
    const NAME: &str = "422 invalid-username: A username has 3 to 50 of a-z, 0-9, _ and -, and \
                        begins with a letter or a digit.";
    const LONG: &str = "422 invalid-display-name: A display name has 255 characters at most.";
    const CONTROL: &str =
        "422 invalid-display-name: A display name may not contain control characters.";
    const EMPTY: &str = "422 invalid-display-name: A display name may not be empty.";
    const PASSWORD: &str = "422 invalid-password: A password has 8 to 128 characters, among them \
                            an upper-case letter, a lower-case letter, a digit and a special \
                            character, and no control character.";
    let world = World::new().await;
    let (e255, e256) = ("é".repeat(255), "é".repeat(256));
    let long_password = format!("aA1-{}", "x".repeat(125));
    for (field, value, refusal) in [
        ("username", "al", NAME),
        ("username", "", NAME),
        ("username", "-alice", NAME),
        ("username", "_alice", NAME),
        ("username", "Alice", NAME),
        ("username", "al ice", NAME),
        ("username", "al.ice", NAME),
        ("username", "älice", NAME),
        ("username", "alice\n", NAME),
        ("username", &"a".repeat(51), NAME),
        (
            "username",
            "guest-1",
            "422 invalid-username: Usernames that begin with guest- are for guests.",
        ),
        ("displayName", "", EMPTY),
        ("displayName", "  ", EMPTY),
        ("displayName", &e256, LONG),
        ("displayName", "a\r\nb", CONTROL),
        ("displayName", "a\u{0}b", CONTROL),
        ("displayName", "a\u{85}b", CONTROL),
        ("displayName", "a\u{2028}b", CONTROL),
        ("password", "Aa1-567", PASSWORD),
        ("password", "aaaa1111-", PASSWORD),
        ("password", "AAAA1111-", PASSWORD),
        ("password", "AAAAaaaa-", PASSWORD),
        ("password", "AAAAaaaa1", PASSWORD),
        ("password", "AAaa11--\u{7}", PASSWORD),
        ("password", &long_password, PASSWORD),
    ] {
        let mut user = alice();
        user[field] = json!(value);
        let refused = world.ask("POST", "/api/v1/users", Some(user)).await;
        assert_eq!(refused.refusal(), refusal, "{field} {value:?}");
    }
    for (name, display_name, password) in [
        ("bob", "B", "Aa1-5678"),
        ("0_-", "<script>alert(1)</script>", "Ää1 5678"),
        (&"a".repeat(50), e255.as_str(), &long_password[..128]),
        ("guest", "\"quoted\\", "Pass:word1"),
    ] {
        let user = json!({"username": name, "displayName": display_name, "password": password});
        let made = world.ask("POST", "/api/v1/users", Some(user)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert_eq!(made.json()["displayName"], display_name);
    }
}

// tidy: table
#[tokio::test]
async fn every_bad_body_is_refused_with_code_and_text() {
    const KIND: &str = "415 unsupported-media-type: Send JSON with Content-Type: application/json.";
    let world = World::new().await;
    let json = "application/json";
    let large = format!("\"{}\"", "x".repeat(64 * 1024));
    let deep = "[".repeat(1_000);
    let (path_of_users, path_of_join) = ("/api/v1/users", "/api/v1/rooms/1234/join");
    for (path, kind, body, refusal) in [
        (path_of_users, "text/plain", "{}", KIND),
        (
            path_of_users,
            "application/x-www-form-urlencoded",
            "a=b",
            KIND,
        ),
        (path_of_users, "", "{}", KIND),
        (path_of_join, "multipart/form-data", "{}", KIND),
        (
            path_of_users,
            json,
            "",
            "400 invalid-json: The body is not JSON: EOF while parsing a value at line 1 column 0.",
        ),
        (
            path_of_users,
            json,
            "{\"username\": }",
            "400 invalid-json: The body is not JSON: expected value at line 1 column 14.",
        ),
        (
            path_of_users,
            json,
            &deep,
            "422 invalid-body: The body is not what is expected here: invalid type: sequence, \
             expected a string at line 1 column 1.",
        ),
        (
            path_of_users,
            json,
            "{\"username\": \"alice\"}",
            "422 invalid-body: The body is not what is expected here: missing field `password` at \
             line 1 column 21.",
        ),
        (
            path_of_users,
            json,
            "{\"username\": 3}",
            "422 invalid-body: The body is not what is expected here: invalid type: integer `3`, \
             expected a string at line 1 column 14.",
        ),
        (
            path_of_users,
            json,
            "{\"admin\": true}",
            "422 invalid-body: The body is not what is expected here: unknown field `admin`, \
             expected one of `username`, `password`, `displayName` at line 1 column 8.",
        ),
        (
            path_of_join,
            json,
            "{}",
            "422 invalid-body: The body is not what is expected here: missing field `name` at \
             line 1 column 2.",
        ),
        (
            path_of_users,
            json,
            &large,
            "413 body-too-large: The body may have 65536 bytes.",
        ),
        (
            path_of_join,
            "Application/JSON; charset=utf-8",
            &large,
            "413 body-too-large: The body may have 65536 bytes.",
        ),
    ] {
        let authorization = format!("Bearer {KEY}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", kind),
        ];
        let request = request("POST", path, &headers, Some(body.to_owned()));
        let refused = world.send(request).await;
        assert_eq!(refused.refusal(), refusal, "{path} {kind}");
    }
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_refused_in_one_form() {
    const NOTHING: &str = "404 not-found: Nothing is here.";
    const METHOD: &str = "405 method-not-allowed: This resource does not know that method; the \
                          Allow header lists those it knows.";
    let world = World::new().await;
    for (method, path, refusal, allow) in [
        ("GET", "/api/v1", NOTHING, ""),
        ("GET", "/api/v1/", NOTHING, ""),
        ("GET", "/api/v1/other", NOTHING, ""),
        ("POST", "/api/v1/other", NOTHING, ""),
        ("GET", "/api/v2/users", NOTHING, ""),
        ("GET", "/api/v1/users/a/b", NOTHING, ""),
        ("GET", "/api/v1/users/%ff", NOTHING, ""),
        ("PUT", "/api/v1/users", METHOD, "GET,HEAD,POST"),
        ("OPTIONS", "/api/v1/users", METHOD, "GET,HEAD,POST"),
        ("POST", "/api/v1/users/alice", METHOD, "GET,HEAD,DELETE"),
        ("GET", "/api/v1/rooms/1234/join", METHOD, "POST"),
        ("POST", "/", METHOD, "GET,HEAD"),
        ("DELETE", "/join/1234", METHOD, "GET,HEAD"),
        ("GET", "/nothing", NOTHING, ""),
    ] {
        let refused = world.ask(method, path, None).await;
        assert_eq!(refused.refusal(), refusal, "{method} {path}");
        assert_eq!(refused.header("allow"), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn without_the_key_nothing_is_told_and_guessing_has_an_end() {
    const MISSING: &str = "401 api-key-missing: Send the API key as Authorization: Bearer KEY.";
    const WRONG: &str = "401 wrong-api-key: The API key is not the one of this server.";
    const WAIT: &str = "429 too-many-failures: Too many requests without the right API key came \
                        from this address.";
    let world = World::new().await;
    let good = format!("Bearer {KEY}");
    let get = |authorization: &str| {
        let headers = [("authorization", authorization)];
        let headers = if authorization.is_empty() {
            &[][..]
        } else {
            &headers
        };
        request("GET", "/api/v1/users", headers, None)
    };
    for (authorization, refusal) in [
        ("", MISSING),
        ("Bearer", MISSING),
        ("Bearer ", MISSING),
        ("Basic YTpi", MISSING),
        ("Bearer 0123456789abcdeF", WRONG),
        ("Bearer 0123456789abcdef0", WRONG),
        ("Bearer 0123456789abcde", WRONG),
    ] {
        let refused = world.send(get(authorization)).await;
        assert_eq!(refused.refusal(), refusal, "{authorization}");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
    }
    assert_eq!(world.send(get(&good)).await.status, 200);
    let lower = good.replace("Bearer", "bearer");
    assert_eq!(world.send(get(&lower)).await.status, 200);
    world.pass(20);
    for (method, path) in [
        ("POST", "/api/v1/users"),
        ("DELETE", "/api/v1/users/alice"),
        ("GET", "/api/v1/rooms"),
    ] {
        let refused = world.send(request(method, path, &[], None)).await;
        assert_eq!(refused.refusal(), MISSING, "{method} {path}");
    }
    let wrong = "Bearer 0123456789abcdeF";
    let blocked = world.send(get(wrong)).await;
    assert_eq!(blocked.refusal(), WAIT);
    assert_eq!(blocked.header("retry-after"), "40");
    // Whoever guesses beside a back end does not lock its key out.
    assert_eq!(world.send(get(&good)).await.status, 200);
    // Others are not told to wait, neither by this address nor by one that pretends to be it.
    let mut other = get(wrong);
    let peer: SocketAddr = "198.51.100.8:40000".parse().expect("an address");
    other.extensions_mut().insert(ConnectInfo(peer));
    other
        .headers_mut()
        .insert("x-forwarded-for", "198.51.100.7".parse().expect("plain"));
    assert_eq!(world.send(other).await.status, 401);
    // The proxy's last word counts.
    for (forwarded, status) in [
        ("1.1.1.1, 198.51.100.7", 429),
        ("198.51.100.7, 1.1.1.1", 401),
    ] {
        let mut behind = get(wrong);
        let peer: SocketAddr = "192.0.2.80:40000".parse().expect("an address");
        behind.extensions_mut().insert(ConnectInfo(peer));
        let value = forwarded.parse().expect("plain");
        behind.headers_mut().insert("x-forwarded-for", value);
        assert_eq!(world.send(behind).await.status, status, "{forwarded}");
    }
    world.pass(40);
    assert_eq!(world.send(get(wrong)).await.status, 401);
}

#[tokio::test]
async fn a_key_is_made_once_and_survives_a_restart_as_a_hash() {
    let without = || Settings {
        key: None,
        ..settings()
    };
    let world = World::with(without()).await;
    let key = world.fresh_key.clone().expect("a key");
    assert!(key.starts_with("tp_") && key.len() == 46, "{key}");
    let bytes = std::fs::read(world.dir.path().join("talkpath.db-wal")).expect("a file");
    let found = bytes.windows(key.len()).any(|part| part == key.as_bytes());
    assert!(!found, "the key is stored in clear");
    let World { dir, .. } = world;
    let world = World::over(dir, without(), START).await;
    assert_eq!(world.fresh_key, None);
    for (authorization, status) in [
        (format!("Bearer {key}"), 200),
        (format!("Bearer {KEY}"), 401),
    ] {
        let headers = [("authorization", authorization.as_str())];
        let request = request("GET", "/api/v1/users", &headers, None);
        assert_eq!(world.send(request).await.status, status);
    }
}

#[tokio::test]
async fn joining_makes_a_guest_with_a_login() {
    let mut world = World::new().await;
    let joined = world.join("1234", json!({"name": "Zoë <b>"})).await;
    assert_eq!(joined.status, 201, "{}", joined.text);
    let admission = joined.json();
    let text = |name: &str| admission[name].as_str().expect("a text").to_owned();
    let (username, token) = (text("username"), text("token"));
    let random = username.strip_prefix("guest-").expect("a guest");
    assert_eq!(random.len(), 20);
    assert!(
        random
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    );
    assert_eq!(
        admission,
        json!({
            "username": username,
            "displayName": "Zoë <b>",
            "token": token,
            "websocketUrl": format!("ws://talk.example.org:8080/sip?token={token}"),
            "domain": "talk.example.org",
            "room": "1234",
            "phoneNumber": null,
            "pin": "1234",
            "iceServers": [],
            "expiresAt": "2026-01-01T01:00:00Z",
            "rejoined": false,
        })
    );
    let login = Login {
        username: username.clone(),
        room: "1234".to_owned(),
        expires_unix_s: START + 3_600,
    };
    assert_eq!(world.api.login(&token).await, Ok(login));
    let [UserChange::Put { name, ha1, .. }] = &world.changes()[..] else {
        panic!("one user is put");
    };
    assert_eq!(*name, username);
    for ha1 in ha1 {
        assert_eq!(ha1.expires_unix_s, Some(START + 3_600));
    }
    let second = world.join("1234", json!({"name": "Zoë <b>"})).await.json();
    assert_ne!(second["username"], admission["username"]);

    let guest = world
        .ask("GET", &format!("/api/v1/users/{username}"), None)
        .await;
    assert_eq!(
        guest.json(),
        json!({
            "username": username, "displayName": "Zoë <b>", "guest": true, "room": "1234",
            "createdAt": "2026-01-01T00:00:00Z", "expiresAt": "2026-01-01T02:00:00Z",
        })
    );
    let rooms = world.ask("GET", "/api/v1/rooms", None).await.json();
    let room = json!({"id": "1234", "guests": 2,
                      "createdAt": "2026-01-01T00:00:00Z"});
    assert_eq!(rooms, json!({"rooms": [room], "next": null}));
}

#[tokio::test]
async fn guests_are_told_what_the_configuration_says() {
    let world = World::with(Settings {
        public_origin: Some(Origin {
            secure: true,
            authority: "talk.example.org:8443".to_owned(),
        }),
        domain: Some("sip.example.org".to_owned()),
        phone_number: Some("+15550100".to_owned()),
        ice: IceSettings {
            own_stun: Some(OwnStun {
                address: None,
                port: 9000,
            }),
            stun_urls: vec!["stun:stun.example.org".to_owned()],
            turn_urls: vec!["turn:turn.example.org".to_owned()],
            turn_secret: "north".to_owned(),
            turn_ttl_s: 600,
        },
        ..settings()
    })
    .await;
    let admission = world.join("abc", json!({"name": "Zoë"})).await.json();
    let url = admission["websocketUrl"].as_str().expect("a URL");
    assert!(
        url.starts_with("wss://talk.example.org:8443/sip?token=ey"),
        "{url}"
    );
    assert_eq!(admission["domain"], "sip.example.org");
    assert_eq!(admission["phoneNumber"], "+15550100");
    assert_eq!(admission["pin"], Value::Null);
    let ice = &admission["iceServers"];
    assert_eq!(
        ice[0],
        json!({"urls": ["stun:talk.example.org:9000", "stun:stun.example.org"]})
    );
    assert_eq!(ice[1]["urls"], json!(["turn:turn.example.org"]));
    let user = format!(
        "{}:{}",
        START + 600,
        admission["username"].as_str().expect("a name")
    );
    assert_eq!(ice[1]["username"], json!(user));
}

#[tokio::test]
async fn every_bad_join_is_refused_with_code_and_text() {
    const CONTROL: &str =
        "422 invalid-display-name: A display name may not contain control characters.";
    const ROOM: &str = "422 invalid-room: A room is 3 to 64 letters and digits.";
    let world = World::with(Settings {
        joins_per_minute: 100,
        ..settings()
    })
    .await;
    let long = "a".repeat(65);
    for (room, name, refusal) in [
        ("12", "Zoë", ROOM),
        (&long, "Zoë", ROOM),
        ("12-34", "Zoë", ROOM),
        ("1234%20", "Zoë", ROOM),
        ("12%2F34", "Zoë", ROOM),
        ("%C3%A91234", "Zoë", ROOM),
        (
            "1234",
            " ",
            "422 invalid-display-name: A display name may not be empty.",
        ),
        ("1234", "Z\r\nX-Evil: 1", CONTROL),
        ("1234", "Z\0oe", CONTROL),
        ("1234", "Zoe\u{202e}nimda", CONTROL),
        ("1234", "\u{2067}Zoe", CONTROL),
        (
            "1234",
            &"🎉".repeat(256),
            "422 invalid-display-name: A display name has 255 characters at most.",
        ),
    ] {
        let refused = world.join(room, json!({"name": name})).await;
        assert_eq!(refused.refusal(), refusal, "{room} {name}");
    }
    for host in [
        "",
        "a b",
        "evil.example/path",
        "user@evil.example",
        "\"quoted\"",
    ] {
        let body = Some(json!({"name": "Zoë"}).to_string());
        let mut request = request("POST", "/api/v1/rooms/1234/join", &[], body);
        let value = host.parse().expect("a header");
        request.headers_mut().insert("host", value);
        assert_eq!(
            world.send(request).await.refusal(),
            "400 invalid-host: The Host header does not name a host.",
            "{host}"
        );
    }
    for (room, pin) in [
        ("123", json!("123")),
        ("123456789012", json!("123456789012")),
        ("1234567890123", Value::Null),
        ("12a", Value::Null),
    ] {
        let admission = world.join(room, json!({"name": "Zoë"})).await.json();
        assert_eq!(admission["pin"], pin, "{room}");
    }
}

#[tokio::test]
async fn joining_is_limited_per_address_and_in_all() {
    let world = World::with(Settings {
        joins_per_minute: 3,
        guests_max: 2,
        ..settings()
    })
    .await;
    let body = || json!({"name": "Zoë"});
    assert_eq!(world.join("1234", body()).await.status, 201);
    assert_eq!(world.join("1234", body()).await.status, 201);
    let full = world.join("1234", body()).await;
    assert_eq!(
        full.refusal(),
        "503 too-many-guests: The server has as many guests as it takes. Try again later."
    );
    let often = world.join("1234", body()).await;
    assert_eq!(
        often.refusal(),
        "429 too-many-joins: Too many joins came from this address. Try again in a moment."
    );
    assert_eq!(often.header("retry-after"), "60");
    world.pass(60);
    assert_eq!(world.join("1234", body()).await.status, 503);
}

#[tokio::test]
async fn names_that_look_like_markup_or_headers_come_back_as_they_are() {
    let world = World::new().await;
    for name in [
        "<img src=x onerror=alert(1)>",
        "\"; \\\" }]}",
        "</script><!--",
        "\" <sip:admin@evil.example>;tag=1",
        "👩‍🚀 דנה",
    ] {
        let joined = world.join("1234", json!({"name": name})).await;
        assert_eq!(joined.status, 201, "{name}");
        assert_eq!(joined.json()["displayName"], name);
        assert_eq!(joined.header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn tokens_that_are_not_ours_are_refused_and_guessing_has_an_end() {
    let world = World::new().await;
    let [guesser, other]: [IpAddr; 2] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(IpAddr::from);
    let admission = world.join("1234", json!({"name": "Zoë"})).await.json();
    let token = admission["token"].as_str().expect("a token");
    let user = admission["username"].as_str().expect("a name").to_owned();
    assert_eq!(world.api.check(token, guesser), Ok(user.clone()));
    let refused = |token: &str, from| {
        let error = world.api.check(token, from).expect_err("refused");
        (error.status.as_u16(), error.code, error.retry_after_s)
    };
    let changed = token.replacen('.', ".A", 1);
    for guess in 0..10 {
        let invalid = (401, "invalid-token", None);
        assert_eq!(refused(&changed, guesser), invalid, "guess {guess}");
    }
    let wait = (429, "too-many-failures", Some(60));
    assert_eq!(refused(&changed, guesser), wait);
    // The right one is taken all the same.
    assert_eq!(world.api.check(token, guesser), Ok(user.clone()));
    assert_eq!(refused(&changed, other), (401, "invalid-token", None));
    world.pass(60);
    assert_eq!(refused(&changed, guesser), (401, "invalid-token", None));
    assert_eq!(world.api.check(token, guesser), Ok(user));
    world.pass(3_600);
    // A page that comes back too late does not lock out the others of its address.
    for _ in 0..20 {
        assert_eq!(refused(token, other), (401, "expired-token", None));
    }
}

#[tokio::test]
async fn an_earlier_token_brings_the_guest_back_while_it_exists() {
    let mut world = World::with(Settings {
        joins_per_minute: 100,
        ..settings()
    })
    .await;
    let first = world.join("1234", json!({"name": "Zoë"})).await.json();
    let rejoin = |token: &Value, name: &str| json!({"name": name, "token": token});
    world.pass(10);
    let again = world
        .join("1234", rejoin(&first["token"], "Zoë Z."))
        .await
        .json();
    assert_eq!(again["username"], first["username"]);
    assert_eq!(again["rejoined"], true);
    assert_eq!(again["displayName"], "Zoë Z.");
    assert_ne!(again["token"], first["token"]);
    assert_eq!(again["expiresAt"], "2026-01-01T01:00:10Z");
    let changes = world.changes();
    let [
        _,
        UserChange::Put {
            name, display_name, ..
        },
    ] = &changes[..]
    else {
        panic!("put twice: {changes:?}");
    };
    assert_eq!(
        (json!(name), display_name.as_str()),
        (first["username"].clone(), "Zoë Z.")
    );

    // The token is no login any more, but the guest is still there.
    world.pass(3_600);
    let token = again["token"].as_str().expect("a token");
    let expired = world.api.login(token).await.expect_err("expired");
    assert_eq!(
        (expired.status, expired.code),
        (StatusCode::UNAUTHORIZED, "expired-token")
    );
    let late = world
        .join("1234", rejoin(&again["token"], "Zoë"))
        .await
        .json();
    assert_eq!(
        (&late["username"], &late["rejoined"]),
        (&first["username"], &json!(true))
    );
}

#[tokio::test]
async fn a_token_that_brings_nobody_back_makes_a_new_guest() {
    let world = World::with(Settings {
        joins_per_minute: 100,
        ..settings()
    })
    .await;
    let rejoin = |token: &Value, name: &str| json!({"name": name, "token": token});
    let first = world.join("1234", json!({"name": "Zoë"})).await.json();
    let late = first.clone();
    for (room, token, what) in [
        ("5678", late["token"].clone(), "another room"),
        ("1234", json!("ey.not.ours"), "not ours"),
        ("1234", json!(""), "empty"),
        ("1234", Value::Null, "none"),
    ] {
        let fresh = world.join(room, rejoin(&token, "Zoë")).await.json();
        assert_ne!(fresh["username"], first["username"], "{what}");
        assert_eq!(fresh["rejoined"], false, "{what}");
    }
    let name = first["username"].as_str().expect("a name");
    assert!(
        world
            .api
            .remove_user(name.to_owned())
            .await
            .expect("removes")
    );
    let refused = world
        .api
        .login(late["token"].as_str().expect("a token"))
        .await;
    assert_eq!(refused.expect_err("gone").code, "invalid-token");
    let fresh = world
        .join("1234", rejoin(&late["token"], "Zoë"))
        .await
        .json();
    assert_ne!(fresh["username"], first["username"]);
}

#[tokio::test]
async fn guests_are_removed_when_their_time_is_over() {
    let mut world = World::new().await;
    world.ask("POST", "/api/v1/users", Some(alice())).await;
    let old = world.join("1234", json!({"name": "Old"})).await.json();
    world.pass(100);
    let young = world.join("5678", json!({"name": "Young"})).await.json();
    world.changes();
    world.pass(7_099);
    assert_eq!(world.api.remove_expired_guests().await, Ok(0));
    world.pass(1);
    assert_eq!(world.api.remove_expired_guests().await, Ok(1));
    let name = old["username"].as_str().expect("a name").to_owned();
    assert_eq!(world.changes(), [UserChange::Remove(name)]);
    let rooms = world.ask("GET", "/api/v1/rooms", None).await.json();
    assert_eq!(rooms["rooms"].as_array().map(Vec::len), Some(1));
    assert_eq!(rooms["rooms"][0]["id"], "5678");

    // After a restart the engine is told of those who are left, and the secrets are the same.
    let token = young["token"].clone();
    let World { dir, .. } = world;
    let mut world = World::over(dir, settings(), START + 7_200).await;
    assert_eq!(world.api.announce_users().await, Ok(2));
    let names: Vec<String> = world
        .changes()
        .into_iter()
        .map(|change| match change {
            UserChange::Put { name, .. } => name,
            UserChange::Remove(name) => panic!("{name} is removed"),
        })
        .collect();
    assert_eq!(
        names,
        ["alice", young["username"].as_str().expect("a name")]
    );
    let back = world
        .join("5678", json!({"name": "Young", "token": token}))
        .await;
    assert_eq!(back.json()["username"], young["username"]);
}

#[tokio::test]
async fn an_engine_that_is_gone_keeps_the_store_as_it_was() {
    const BUSY: &str = "503 engine-busy: The engine does not answer. Try again in a moment.";
    let mut world = World::new().await;
    let made = world.ask("POST", "/api/v1/users", Some(alice())).await;
    assert_eq!(made.status, 201);
    world.changes.close();
    let mut bob = alice();
    bob["username"] = json!("bob");
    let refused = world.ask("POST", "/api/v1/users", Some(bob)).await;
    assert_eq!(refused.refusal(), BUSY);
    assert_eq!(refused.header("retry-after"), "1");
    let removed = world.ask("DELETE", "/api/v1/users/alice", None).await;
    assert_eq!(removed.refusal(), BUSY);
    assert_eq!(
        world.join("1234", json!({"name": "Zoë"})).await.refusal(),
        BUSY
    );
    for (path, status) in [("bob", 404), ("alice", 200)] {
        let path = format!("/api/v1/users/{path}");
        assert_eq!(world.ask("GET", &path, None).await.status, status);
    }
}

#[test]
fn users_are_added_listed_and_removed_at_the_command_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let setting = format!("data_dir={}", dir.path().display());
    let password = dir.path().join("password");
    std::fs::write(&password, "Correct-horse1\n").expect("writes");
    let run = |words: &[&str]| {
        let mut command = super::server::talkpath();
        let stdin = std::fs::File::open(&password).expect("is there");
        command.arg("user").args(words).args(["--set", &setting]);
        let output = command.stdin(stdin).output().expect("runs");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    for (words, output) in [
        (
            &["add", "alice", "--display-name", "Alice A."][..],
            "user alice added; an engine that runs knows it after its next start\n",
        ),
        (&["add", "alice"], "talkpath: the user alice exists\n"),
        (&["list"], "alice  \"Alice A.\"\n"),
        (
            &["remove", "alice"],
            "user alice removed; an engine that runs forgets it after its next start\n",
        ),
        (&["list"], ""),
    ] {
        assert_eq!(run(words), output, "{words:?}");
    }
}

#[tokio::test]
async fn pages_come_with_type_and_lifetime_and_only_what_was_built() {
    let world = World::new().await;
    let html = "text/html; charset=utf-8";
    let script = "text/javascript; charset=utf-8";
    let for_ever = "public, max-age=31536000, immutable";
    for (path, kind, cache, body) in [
        ("/", html, "no-cache", "<!doctype html>"),
        ("/join/1234", html, "no-cache", "<!doctype html>"),
        ("/join/1234?name=x", html, "no-cache", "<!doctype html>"),
        ("/assets/index-B7d0x1aZ.js", script, for_ever, "script"),
    ] {
        for (method, body) in [("GET", body), ("HEAD", "")] {
            let page = world.send(request(method, path, &[], None)).await;
            assert_eq!(
                (page.status, page.text.as_str()),
                (200, body),
                "{method} {path}"
            );
            assert_eq!(page.header("content-type"), kind);
            assert_eq!(page.header("cache-control"), cache);
        }
    }
    for path in [
        "/../Cargo.toml",
        "/assets/../../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/assets/..%2f..%2fCargo.toml",
        "/assets/%2e%2e%5c%2e%2e%5cCargo.toml",
        "//etc/passwd",
        "/join/../index.html",
        "/join/1234/..",
        "/assets/",
        "/index",
    ] {
        let refused = world.send(request("GET", path, &[], None)).await;
        assert_eq!(
            refused.refusal(),
            "404 not-found: Nothing is here.",
            "{path}"
        );
    }
    let without = World::with(Settings {
        pages: Pages::new(&[]),
        ..settings()
    })
    .await;
    let page = without.send(request("GET", "/join/1234", &[], None)).await;
    assert_eq!(page.status, 503);
    assert!(page.text.contains("make web"), "{}", page.text);
}

#[tokio::test]
async fn pages_come_compressed_and_once() {
    let world = World::new().await;
    let script = "/assets/index-B7d0x1aZ.js";
    let br = ("accept-encoding", "gzip, deflate, br");
    let gzip = ("accept-encoding", "gzip");
    let known = |tag| ("if-none-match", tag);
    for (path, asked, answer) in [
        (script, vec![br], "200 br \"5c-br\" 5 small"),
        (script, vec![gzip], "200 gzip \"5c-gzip\" 7 smaller"),
        (script, vec![], "200  \"5c\" 6 script"),
        ("/", vec![br], "200  \"1d\" 15 <!doctype html>"),
        ("/", vec![known("\"0\", W/\"1d\"")], "304  \"1d\" 15 "),
        ("/join/1234", vec![known("*")], "304  \"1d\" 15 "),
        (
            "/",
            vec![known("\"1d-br\"")],
            "200  \"1d\" 15 <!doctype html>",
        ),
        (script, vec![br, known("\"5c-br\"")], "304  \"5c-br\" 5 "),
        (
            script,
            vec![gzip, known("\"5c-br\"")],
            "200 gzip \"5c-gzip\" 7 smaller",
        ),
    ] {
        let page = world.send(request("GET", path, &asked, None)).await;
        let [encoding, etag, length] =
            ["content-encoding", "etag", "content-length"].map(|name| page.header(name));
        let status = page.status;
        let text = &page.text;
        let found = format!("{status} {encoding} {etag} {length} {text}");
        assert_eq!(found, answer, "{path} {asked:?}");
        assert!(page.header("vary").contains("accept-encoding"), "{path}");
        assert_ne!(page.header("cache-control"), "");
    }
}

/// What the page is developed and tested under, from `web/dev/server.mjs`.
fn page_policy() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/web/dev/server.mjs");
    let text = std::fs::read_to_string(file).expect("it is there");
    let (_, rest) = text.split_once("CSP = [\n").expect("a list");
    let (list, _) = rest.split_once("].join('; ')").expect("its end");
    let parts: Vec<&str> = list
        .lines()
        .map(|line| line.trim().trim_end_matches(',').trim_matches('"'))
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("; ")
}

#[tokio::test]
async fn pages_of_listed_origins_join_and_frame_and_no_others_do() {
    let world = World::with(Settings {
        origins: vec!["https://app.example.org".to_owned()],
        ..settings()
    })
    .await;
    let path = "/api/v1/rooms/1234/join";
    for (origin, allowed) in [
        ("https://app.example.org", "https://app.example.org"),
        ("https://app.example.org:8443", ""),
        ("http://app.example.org", ""),
        ("https://app.example.org.evil.example", ""),
        ("null", ""),
    ] {
        let asks = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type"),
        ];
        let preflight = world.send(request("OPTIONS", path, &asks, None)).await;
        let header = |name: &str| preflight.header(name).to_owned();
        assert_eq!(preflight.status, 200, "{origin}");
        assert_eq!(header("access-control-allow-origin"), allowed, "{origin}");
        assert_eq!(header("access-control-allow-headers"), "content-type");
        assert_eq!(header("access-control-allow-credentials"), "");

        let headers = [("origin", origin), ("content-type", "application/json")];
        let body = Some(json!({"name": "Zoë"}).to_string());
        let joined = world.send(request("POST", path, &headers, body)).await;
        assert_eq!(joined.status, 201, "{origin}");
        let readable_by = joined.header("access-control-allow-origin");
        assert_eq!(readable_by, allowed, "{origin}");
    }
    let page = world.send(request("GET", "/join/1234", &[], None)).await;
    let framed_by = "frame-ancestors 'self' https://app.example.org";
    let policy = page.header("content-security-policy");
    assert!(policy.ends_with(framed_by), "{policy}");
}

#[tokio::test]
async fn every_response_carries_the_headers_that_keep_pages_safe() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for (method, path, cache) in [
        ("GET", "/", "no-cache"),
        ("GET", "/nothing", "no-store"),
        ("GET", "/api/v1/users", "no-store"),
        ("GET", "/api/v1/openapi.json", "no-store"),
        ("PUT", "/api/v1/users", "no-store"),
    ] {
        let headers = [("origin", "https://evil.example")];
        let answer = world.send(request(method, path, &headers, None)).await;
        let csp = answer.header("content-security-policy");
        assert_eq!(csp, page_policy(), "{path}");
        assert_eq!(answer.header("server"), "");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), cache, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "");
        ids.push(answer.header("x-request-id").to_owned());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[tokio::test]
async fn the_document_is_committed_and_names_every_route() {
    let document = api::document();
    let text = serde_json::to_string_pretty(&document).expect("JSON") + "\n";
    let file = super::server::root().join("docs/openapi.json");
    if std::env::var_os("TALKPATH_UPDATE").is_some() {
        std::fs::write(&file, &text).expect("the repository can be written");
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == text,
        "docs/openapi.json is old: run the tests with TALKPATH_UPDATE=1"
    );
    let world = World::new().await;
    let served = world
        .send(request("GET", "/api/v1/openapi.json", &[], None))
        .await;
    assert_eq!((served.status, served.json()), (200, document.clone()));

    let paths = document["paths"].as_object().expect("paths");
    for (path, operations) in paths {
        let methods: Vec<&String> = operations.as_object().expect("operations").keys().collect();
        for method in ["get", "post", "put", "patch", "delete"] {
            let url = format!(
                "/api/v1{}",
                path.replace("{name}", "x").replace("{id}", "123")
            );
            let answer = world.ask(&method.to_uppercase(), &url, None).await;
            let routed = answer.status != 405 && !answer.text.contains("not-found");
            let documented = methods.iter().any(|known| *known == method);
            assert_eq!(routed, documented, "{method} {path}: {}", answer.text);
        }
    }
    // Each reference leads somewhere.
    for part in text.split("\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().expect("a name");
        assert!(
            document["components"]["schemas"][name].is_object(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_server_that_drains_takes_nobody_new() {
    let mut world = World::new().await;
    world.health.set_draining();
    // Refused joins are not counted: all of them are told the same.
    for _ in 0..=settings().joins_per_minute {
        let refused = world.join("1234", json!({"name": "Zoe"})).await;
        assert_eq!(
            refused.refusal(),
            "503 draining: The server is about to stop and takes nobody new. Try again in a moment."
        );
        assert_eq!(refused.header("retry-after"), "5");
    }
    assert_eq!(world.changes(), []);
    let users = world.ask("GET", "/api/v1/users", None).await;
    assert_eq!(users.status, 200);
}

/// How `talkpath backup` ended, and what it printed.
fn back_up(data_dir: &Path, words: &[&str]) -> (bool, String) {
    let setting = format!("data_dir={}", data_dir.display());
    let mut command = super::server::talkpath();
    command.arg("backup").args(words).args(["--set", &setting]);
    let output = command.output().expect("runs");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.success(), text)
}

#[tokio::test]
async fn a_backup_of_a_running_server_restores() {
    let without = || Settings {
        key: None,
        ..settings()
    };
    let world = World::with(without()).await;
    let key = world.fresh_key.clone().expect("a key");
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let made = request("POST", "/api/v1/users", &headers, Some(alice().to_string()));
    assert_eq!(world.send(made).await.status, 201);
    let guest = world.join("1234", json!({"name": "Zoe"})).await.json();

    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy.db");
    let copy_text = copy.display().to_string();
    let (done, text) = back_up(world.dir.path(), &[&copy_text]);
    assert!(
        done && text.starts_with(&format!("{copy_text} written, ")),
        "{text}"
    );
    let mode = std::fs::metadata(&copy)
        .expect("is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // Once more only when it is told, and then with what has come meanwhile.
    let (done, text) = back_up(world.dir.path(), &[&copy_text]);
    let exists = format!("talkpath: {copy_text} exists; --force replaces it\n");
    assert_eq!((done, text), (false, exists));
    world.join("5678", json!({"name": "Yan"})).await;
    let (done, text) = back_up(world.dir.path(), &[&copy_text, "--force"]);
    assert!(done, "{text}");
    let files = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(files, 1, "something was left beside the copy");

    let other = tempfile::tempdir().expect("a folder");
    std::fs::copy(&copy, other.path().join("talkpath.db")).expect("copied");
    let restored = World::over(other, without(), START).await;
    assert_eq!(restored.fresh_key, None);
    let ask = async |path: &str| restored.send(request("GET", path, &headers, None)).await;
    assert_eq!(ask("/api/v1/users/alice").await.status, 200);
    let rooms = ask("/api/v1/rooms").await.json();
    assert_eq!(rooms["rooms"][0]["id"], "1234");
    assert_eq!(rooms["rooms"][1]["id"], "5678");
    let back = json!({"name": "Zoe", "token": guest["token"]});
    let back = restored.join("1234", back).await.json();
    assert_eq!(
        (&back["rejoined"], &back["username"]),
        (&json!(true), &guest["username"])
    );
}

#[tokio::test]
async fn a_backup_that_cannot_be_made_says_why_and_leaves_nothing() {
    let world = World::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let data = world.dir.path();
    let (garbage, empty) = (folder.path().join("garbage"), folder.path().join("empty"));
    for dir in [&garbage, &empty] {
        std::fs::create_dir(dir).expect("a folder");
    }
    std::fs::write(garbage.join("talkpath.db"), "SQLite format 4".repeat(100)).expect("written");
    std::fs::write(empty.join("talkpath.db"), "").expect("written");
    for (data_dir, file, why) in [
        (
            folder.path(),
            at("a"),
            format!(
                "there is no database {}; the first start of the engine makes it",
                at("talkpath.db")
            ),
        ),
        (
            &empty,
            at("a"),
            format!(
                "there is no database {}; the first start of the engine makes it",
                at("empty/talkpath.db")
            ),
        ),
        (
            &garbage,
            at("a"),
            format!(
                "{} is not a talkpath database: file is not a database. Move it away to start with \
                 an empty one",
                at("garbage/talkpath.db")
            ),
        ),
        (
            data,
            at(""),
            format!("{} exists; --force replaces it", at("")),
        ),
        (
            data,
            at("none/a"),
            format!(
                "cannot write {}: No such file or directory (os error 2)",
                at("none/a")
            ),
        ),
        (
            data,
            "/proc/a".to_owned(),
            "cannot write /proc/a: No such file or directory (os error 2)".to_owned(),
        ),
    ] {
        let (done, text) = back_up(data_dir, &[&file]);
        assert_eq!((done, text), (false, format!("talkpath: {why}\n")));
    }
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("a folder")
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

/// Where the copy may not grow, as on a disk without room.
#[tokio::test]
async fn a_backup_without_room_leaves_what_was_there() {
    let world = World::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy");
    std::fs::write(&copy, "the one before").expect("written");
    let program = super::server::talkpath();
    let output = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args(["backup", "--force", &copy.display().to_string(), "--set"])
        .arg(format!("data_dir={}", world.dir.path().display()))
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = format!("talkpath: cannot write {}: ", copy.display());
    assert!(
        text.starts_with(&expected) && !output.status.success(),
        "{text}"
    );
    assert_eq!(std::fs::read(&copy).expect("is there"), b"the one before");
    let files = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(files, 1);
}
