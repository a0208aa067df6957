//! The HTTP face: health, metrics, `/api/v1`, SIP over WebSocket and the pages. One file per
//! resource; the only place that knows axum. Handlers ask the engine through bounded channels and
//! see none of its types.
//!
//! | path | who may |
//! |---|---|
//! | `/health`, `/metrics`, pages, `/api/v1/openapi.json` | everybody |
//! | `/sip` | everybody; the endpoint asks for logins itself |
//! | `POST /api/v1/rooms/{id}/join` | everybody, so often per address |
//! | the rest of `/api/v1` | who has the API key |
//!
//! Pages of other origins may call `/api/v1` only when the configuration names them (`origins`),
//! and never with the API key: the one header that they may send is Content-Type.

mod account;
mod auth;
mod change;
mod connections;
mod error;
mod headers;
mod health;
mod ice;
mod metrics;
mod openapi;
mod origins;
mod pages;
mod random;
mod rate;
mod request;
mod rooms;
mod sip_ws;
mod token;
mod users;
mod witness;

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::IntoResponse as _;
use axum::{Router, middleware};
use chrono::{DateTime, SecondsFormat};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

pub use account::{check_display_name, check_password, check_username};
pub use change::{Algorithm, Ha1, USER_CHANGES_MAX, UserChange, named_user};
pub use error::ApiError;
pub use ice::{IceServer, IceSettings, OwnStun};
pub use openapi::document;
pub use request::Origin;
pub use rooms::GUESTS_MAX;
pub use sip_ws::{LoginTokens, SipWebSocket, router as sip_router};
pub use token::{Login, TokenError, Tokens};
pub use users::USERS_MAX;

use crate::run::engine_loop::Asker;
use crate::run::health::Health;
use crate::store::{MetaKey, Store, StoreError};
use crate::web::Pages;
use auth::{FAILURES_MAX, FAILURES_WINDOW_S, KeyHash};
use connections::Limits;
use rate::RateLimit;
use witness::Witness;

/// Where the resources stand.
const PREFIX: &str = "/api/v1";
/// How long a change waits for its turn with the engine.
const CHANGE_WAIT: Duration = Duration::from_secs(2);
/// How often expired guests are removed.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How often a store that is not well is tried again.
const TEND_EVERY: Duration = Duration::from_secs(1);
/// Users that are read, or guests that are removed, in one go.
const BATCH: u32 = 500;

/// Gives seconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What the HTTP face is told by the configuration.
#[derive(Clone)]
pub struct Settings {
    /// Where clients reach the server. Without it: what they write into the Host header.
    pub public_origin: Option<Origin>,
    /// Proxies whose X-Forwarded-For is believed.
    pub proxies: Vec<IpAddr>,
    /// Origins of other sites whose pages may join and may frame the conference page.
    pub origins: Vec<String>,
    /// The SIP domain that guests are told. Without it: the host of the origin.
    pub domain: Option<String>,
    /// The realm of SIP digest.
    pub realm: String,
    /// The API key. Without it one is made at the first start.
    pub key: Option<String>,
    /// How long a token is a login, in seconds.
    pub token_s: u32,
    /// How long a guest exists after its last join, in seconds; not shorter than its token.
    pub guest_s: u32,
    /// Most guests at the same time.
    pub guests_max: u32,
    /// Joins per address and minute.
    pub joins_per_minute: u32,
    /// HTTP connections in all.
    pub connections_max: usize,
    /// HTTP connections of one address.
    pub connections_per_address_max: usize,
    /// The number that telephones dial.
    pub phone_number: Option<String>,
    /// ICE servers that guests are told.
    pub ice: IceSettings,
    /// The pages.
    pub pages: Pages,
}

/// The state behind every handler. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Parts>);

/// What is behind [`Api`].
pub struct Parts {
    settings: Settings,
    store: Store,
    health: Health,
    tokens: Tokens,
    key: KeyHash,
    key_failures: RateLimit,
    token_failures: RateLimit,
    joins: RateLimit,
    witness: Arc<Witness>,
    started_unix_s: u64,
    clock: Clock,
    /// Held while store and engine change together, so that they change in the same order.
    changes: Mutex<mpsc::Sender<UserChange>>,
}

impl Deref for Api {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Api {
    /// Reads what the installation knows of itself, or makes it at the first start. `changes` leads
    /// to the engine. Gives the API key too when it was made just now: nobody can read it later.
    ///
    /// # Errors
    /// The store refuses, or the system gives no randomness.
    pub async fn open(
        settings: Settings,
        store: Store,
        health: Health,
        clock: Clock,
        changes: mpsc::Sender<UserChange>,
    ) -> Result<(Self, Option<String>), ApiError> {
        let secret = random::octets::<32>()?;
        let (secret, _) = store.meta_or(MetaKey::TokenSecret, &secret).await?;
        let (key, fresh) = match &settings.key {
            Some(key) => (KeyHash::of(key), None),
            None => {
                let key = auth::fresh_key()?;
                let hash = KeyHash::of(&key);
                let (stored, made) = store.meta_or(MetaKey::ApiKeyHash, hash.octets()).await?;
                let stored = KeyHash::stored(&stored)
                    .ok_or_else(|| ApiError::internal("the stored API key has a wrong size"))?;
                (stored, made.then_some(key))
            }
        };
        let parts = Parts {
            store,
            health,
            tokens: Tokens::new(&secret),
            key,
            key_failures: RateLimit::new(FAILURES_MAX, FAILURES_WINDOW_S),
            token_failures: RateLimit::new(FAILURES_MAX, FAILURES_WINDOW_S),
            joins: RateLimit::new(settings.joins_per_minute, rooms::JOINS_WINDOW_S),
            witness: Arc::new(Witness::new(&settings.proxies)),
            started_unix_s: clock(),
            clock,
            changes: Mutex::new(changes),
            settings,
        };
        Ok((Self(Arc::new(parts)), fresh))
    }

    /// What is known of the process.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Takes a job of the store that lasts too long for trouble, which is logged.
    pub fn look_at_store(&self, now: Instant) {
        self.store.trouble(now);
    }

    fn now(&self) -> u64 {
        (self.clock)()
    }

    /// Who logs in with `token`: it was issued here, has not expired, and its guest still exists.
    ///
    /// # Errors
    /// 401 `invalid-token` or `expired-token`; 500 when the store refuses.
    pub async fn login(&self, token: &str) -> Result<Login, ApiError> {
        let login = self.tokens.check(token, self.now());
        let login = login.map_err(ApiError::bad_token)?;
        let user = self.store.user(&login.username).await?;
        let guest = user.and_then(|user| user.guest);
        if guest.is_none_or(|guest| guest.room != login.room) {
            return Err(ApiError::bad_token(TokenError::Invalid));
        }
        Ok(login)
    }

    /// Removes a user from the store and the engine. False when there is none of that name.
    ///
    /// # Errors
    /// 503 when the engine takes no changes, 500 when the store refuses.
    pub async fn remove_user(&self, name: String) -> Result<bool, ApiError> {
        self.change(async move |store| {
            let removed = store.remove_user(&name).await?;
            Ok((removed, removed.then_some(UserChange::Remove(name))))
        })
        .await
    }

    /// Removes guests whose time is over, and rooms that nobody is left in. Gives how many guests
    /// those were.
    ///
    /// # Errors
    /// 503 when the engine takes no changes, 500 when the store refuses.
    pub async fn remove_expired_guests(&self) -> Result<usize, ApiError> {
        let now = self.now() as i64;
        let mut count = 0;
        for name in self.store.expired_guests(now, BATCH).await? {
            let removed = self.change(async move |store| {
                let removed = store.remove_expired(&name, now).await?;
                Ok((removed, removed.then_some(UserChange::Remove(name))))
            });
            count += usize::from(removed.await?);
        }
        self.store.remove_empty_rooms().await?;
        Ok(count)
    }

    /// Tells the engine of every user. To be called once, when the engine runs and before requests
    /// are taken.
    ///
    /// # Errors
    /// 503 when the engine takes no changes, 500 when the store refuses.
    pub async fn announce_users(&self) -> Result<usize, ApiError> {
        let mut after = String::new();
        let mut count = 0;
        loop {
            let users = self.store.users(&after, BATCH).await?;
            let Some(last) = users.last() else {
                return Ok(count);
            };
            after.clone_from(&last.name);
            for user in users {
                let put = UserChange::put(&user);
                self.change(async move |_| Ok(((), Some(put)))).await?;
                count += 1;
            }
        }
    }

    /// Changes the store and tells the engine, both or neither. In a task of its own: a request
    /// whose client goes away is dropped wherever it waits.
    async fn change<T, F, W>(&self, work: W) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: Future<Output = Result<(T, Option<UserChange>), StoreError>> + Send + 'static,
        W: FnOnce(Store) -> F + Send + 'static,
    {
        let api = self.clone();
        let task = tokio::spawn(async move {
            let turn = tokio::time::timeout(CHANGE_WAIT, async {
                let changes = api.changes.lock().await;
                let permit = changes.clone().reserve_owned().await;
                permit.map(|permit| (changes, permit))
            });
            let Ok(Ok((changes, permit))) = turn.await else {
                // Who has the turn may wait for the disk.
                let trouble = api.store.trouble(Instant::now());
                return Err(trouble.map_or_else(ApiError::busy, ApiError::store_unavailable));
            };
            let (result, change) = work(api.store.clone()).await?;
            if let Some(change) = change {
                permit.send(change);
            }
            drop(changes);
            Ok(result)
        });
        task.await.map_err(ApiError::internal)?
    }
}

/// A token that is good but whose guest is gone names no user that the engine knows, and binds
/// nothing there.
impl LoginTokens for Api {
    fn check(&self, token: &str, from: IpAddr) -> Result<String, ApiError> {
        let now = self.now();
        let error = match self.tokens.check(token, now) {
            // The right one is always taken: it cannot be guessed.
            Ok(login) => return Ok(login.username),
            Err(error) => error,
        };
        // A token that has ended was not guessed.
        if error == TokenError::Invalid {
            if let Some(seconds) = self.token_failures.wait(from, now) {
                let message = "Too many tokens that are not of this server came from this address.";
                return Err(ApiError::too_many("too-many-failures", message, seconds));
            }
            self.token_failures.count(from, now);
        }
        Err(ApiError::bad_token(error))
    }
}

/// Every route but those that ask the engine.
pub fn router(api: Api) -> Router {
    let outer = outer(&api);
    finish(routes(api), outer)
}

fn routes(api: Api) -> Router {
    let resources = Router::new()
        .merge(users::router())
        .merge(rooms::router(&api))
        .merge(openapi::router());
    let origins = api.settings.origins.clone();
    let router = Router::new()
        .nest(PREFIX, resources)
        .fallback(pages::page)
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed().into_response() })
        .with_state(api);
    // Around all of them, because a preflight has a method that no resource takes.
    origins::allow(router, &origins)
}

/// What the outermost layer needs.
fn outer(api: &Api) -> (headers::Fixed, Arc<Witness>) {
    let fixed = headers::Fixed::new(&api.settings.origins);
    (fixed, api.witness.clone())
}

fn finish(router: Router, outer: (headers::Fixed, Arc<Witness>)) -> Router {
    router.layer(middleware::from_fn_with_state(outer, headers::finish))
}

/// Serves HTTP until `stop` turns true. Tells the engine of all users first.
pub async fn serve(
    listener: TcpListener,
    api: Api,
    asker: Asker,
    sip: SipWebSocket,
    stop: watch::Receiver<bool>,
) {
    match api.announce_users().await {
        Ok(count) => info!(count, "Users loaded"),
        Err(error) => warn!(?error, "Not all users could be loaded; they cannot log in"),
    }
    let sweeper = tokio::spawn(sweep(api.clone()));
    let tender = tokio::spawn(tend(api.store.clone()));
    let health = health::router().merge(metrics::router());
    let health = health.with_state((asker, api.clone()));
    let router = routes(api.clone()).merge(health);
    let router = router.merge(sip_ws::router(sip));
    let router = finish(router, outer(&api));
    let limits = Limits {
        connections: api.settings.connections_max,
        per_address: api.settings.connections_per_address_max,
        proxies: api.settings.proxies.clone(),
        ..Limits::default()
    };
    connections::serve(listener, router, limits, api.witness.clone(), stop).await;
    sweeper.abort();
    tender.abort();
    api.store.close().await;
}

async fn sweep(api: Api) {
    let mut every = tokio::time::interval(SWEEP_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        match api.remove_expired_guests().await {
            Ok(0) => {}
            Ok(count) => info!(count, "Expired guests removed"),
            // Why was logged when it began.
            Err(_) if api.store.trouble(Instant::now()).is_some() => {}
            Err(error) => warn!(?error, "Expired guests stay for another minute"),
        }
    }
}

/// Tries the store again and again while it is not well, whether somebody asks or not.
async fn tend(store: Store) {
    loop {
        store.until_trouble().await;
        let mut every = tokio::time::interval(TEND_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once.
        every.tick().await;
        while store.trouble(Instant::now()).is_some() {
            every.tick().await;
            store.prove().await;
        }
    }
}

/// RFC 3339 in UTC, such as `2026-05-01T12:00:00Z`.
fn time_text(unix_s: i64) -> String {
    let time = DateTime::from_timestamp(unix_s, 0).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The text with a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}
