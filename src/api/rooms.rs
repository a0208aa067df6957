//! Rooms: `POST /rooms/{id}/join`, by which a page becomes a guest, and `GET /rooms`.
//!
//! Joining needs no API key: whoever knows the room is invited. It is limited per address. A guest
//! is a user with a name that cannot be guessed and a token for a password; the same guest comes
//! back with its token, also with one that has expired, as long as the guest exists.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::Api;
use super::account::{check_display_name, hashes, is_room_id};
use super::auth::Authorized;
use super::change::UserChange;
use super::error::ApiError;
use super::ice::IceServer;
use super::random;
use super::request::{Body, Client, Origin, Page, Segment};
use super::time_text;
use super::token::Login;
use crate::engine::GUEST_PREFIX;
use crate::store::{Added, Guest, User};

/// Most guests at the same time.
pub const GUESTS_MAX: u32 = 10_000;
/// The window of the limit of joins per address, in seconds.
pub const JOINS_WINDOW_S: u64 = 60;
/// Random characters of a guest's name: 103 bits.
const GUEST_LETTERS: usize = 20;
/// Lengths of rooms that a telephone can key in.
const PIN_DIGITS: std::ops::RangeInclusive<usize> = 3..=12;

/// The routes of this resource.
pub(super) fn router(api: &Api) -> Router<Api> {
    let counted = middleware::from_fn_with_state(api.clone(), count_join);
    Router::new()
        .route("/rooms", get(list))
        .route("/rooms/{id}/join", post(join).layer(counted))
}

/// Counts how a join ended, whoever refused it.
async fn count_join(State(api): State<Api>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let refused = response.extensions().get::<ApiError>();
    let result = refused.map_or("admitted", |error| error.code);
    api.witness.note_join(result);
    response
}

/// One use of the limit of joins; a request that takes it too often, or comes while the server
/// drains, is refused before its body is read.
struct JoinPermit;

impl FromRequestParts<Api> for JoinPermit {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        // The token would be for a server that is about to go; no count is taken for it.
        if api.health.is_draining() {
            return Err(ApiError::draining());
        }
        let Client(address) = Client::from_request_parts(parts, api).await?;
        let taken = api.joins.take(address, api.now());
        taken.map(|()| Self).map_err(|seconds| {
            let message = "Too many joins came from this address. Try again in a moment.";
            ApiError::too_many("too-many-joins", message, seconds)
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Join {
    /// The display name.
    name: String,
    /// The token of an earlier join of the same room.
    token: Option<String>,
}

/// What a page needs to be in a conference.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Admission {
    username: String,
    display_name: String,
    token: String,
    websocket_url: String,
    domain: String,
    room: String,
    phone_number: Option<String>,
    pin: Option<String>,
    ice_servers: Vec<IceServer>,
    expires_at: String,
    /// The guest of the token that was sent goes on.
    rejoined: bool,
}

async fn join(
    State(api): State<Api>,
    _: JoinPermit,
    Segment(room): Segment,
    origin: Origin,
    Body(join): Body<Join>,
) -> Result<Response, ApiError> {
    if !is_room_id(&room) {
        let message = "A room is 3 to 64 letters and digits.";
        return Err(ApiError::unprocessable("invalid-room", message));
    }
    check_display_name(&join.name)?;
    let earlier = join
        .token
        .and_then(|token| api.tokens.check_signature(&token).ok())
        .filter(|login| login.room == room);
    let mut guest = None;
    if let Some(earlier) = earlier {
        guest = renew(&api, earlier.username, &room, &join.name).await?;
    }
    let rejoined = guest.is_some();
    let (user, token) = match guest {
        Some(guest) => guest,
        None => admit(&api, &room, &join.name).await?,
    };
    let now = api.now();
    let pin = PIN_DIGITS.contains(&room.len()) && room.bytes().all(|b| b.is_ascii_digit());
    let expires = user.guest.as_ref().map(|guest| guest.login_expires_unix_s);
    let admission = Admission {
        ice_servers: api.settings.ice.servers(origin.host(), &user.name, now),
        username: user.name,
        display_name: user.display_name,
        websocket_url: origin.websocket_url(&token),
        token,
        domain: match &api.settings.domain {
            Some(domain) => domain.clone(),
            None => origin.host().to_owned(),
        },
        pin: pin.then(|| room.clone()),
        room,
        phone_number: api.settings.phone_number.clone(),
        expires_at: time_text(expires.unwrap_or_default()),
        rejoined,
    };
    Ok((StatusCode::CREATED, Json(admission)).into_response())
}

/// A guest with a new token, not stored yet.
fn guest_user(
    api: &Api,
    name: String,
    room: &str,
    display_name: &str,
) -> Result<(User, String), ApiError> {
    let now = api.now();
    let login = Login {
        username: name,
        room: room.to_owned(),
        expires_unix_s: now.saturating_add(u64::from(api.settings.token_s)),
    };
    let token = api
        .tokens
        .issue(&login, now, random::hexadecimal()?)
        .ok_or_else(|| ApiError::internal("the clock is beyond the calendar"))?;
    let stays = api.settings.guest_s.max(api.settings.token_s);
    let user = User {
        display_name: display_name.to_owned(),
        hashes: hashes(&login.username, &api.settings.realm, &token),
        guest: Some(Guest {
            room: login.room,
            login_expires_unix_s: login.expires_unix_s as i64,
            expires_unix_s: now.saturating_add(u64::from(stays)) as i64,
        }),
        name: login.username,
        created_unix_s: now as i64,
    };
    Ok((user, token))
}

/// Gives an earlier guest a new token. Nothing when it does not exist any more.
async fn renew(
    api: &Api,
    name: String,
    room: &str,
    display_name: &str,
) -> Result<Option<(User, String)>, ApiError> {
    let (user, token) = guest_user(api, name, room, display_name)?;
    let stored = user.clone();
    let renewed = api
        .change(async move |store| {
            let renewed = store.renew_guest(&stored).await?;
            Ok((renewed, renewed.then(|| UserChange::put(&stored))))
        })
        .await?;
    Ok(renewed.then_some((user, token)))
}

/// Makes a new guest.
async fn admit(api: &Api, room: &str, display_name: &str) -> Result<(User, String), ApiError> {
    let name = format!("{GUEST_PREFIX}{}", random::name(GUEST_LETTERS)?);
    let (user, token) = guest_user(api, name, room, display_name)?;
    let stored = user.clone();
    let most = api.settings.guests_max;
    let added = api
        .change(async move |store| {
            let added = store.add_user(&stored, most).await?;
            let put = (added == Added::Yes).then(|| UserChange::put(&stored));
            Ok((added, put))
        })
        .await?;
    match added {
        Added::Yes => Ok((user, token)),
        Added::Exists => Err(ApiError::internal("a random name came twice")),
        Added::Full => Err(ApiError {
            retry_after_s: Some(JOINS_WINDOW_S),
            ..ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too-many-guests",
                "The server has as many guests as it takes. Try again later.",
            )
        }),
    }
}

/// A room as clients see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoomView {
    id: String,
    guests: i64,
    created_at: String,
}

#[derive(Serialize)]
struct RoomList {
    rooms: Vec<RoomView>,
    /// What to send as `after` for the next page; nothing when this is the last.
    next: Option<String>,
}

async fn list(
    State(api): State<Api>,
    _: Authorized,
    page: Page,
) -> Result<Json<RoomList>, ApiError> {
    let mut rooms = api.store.rooms(&page.after, page.asked()).await?;
    Ok(Json(RoomList {
        next: page.cut(&mut rooms, |room| &room.id),
        rooms: rooms
            .into_iter()
            .map(|room| RoomView {
                id: room.id,
                guests: room.guests,
                created_at: time_text(room.created_unix_s),
            })
            .collect(),
    }))
}
