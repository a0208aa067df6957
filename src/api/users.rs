//! Users: `POST /users`, `GET /users`, `GET /users/{name}`, `DELETE /users/{name}`. All of them
//! need the API key. No answer holds a password or a hash.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::Api;
use super::account::{check_display_name, check_password, check_username};
use super::auth::Authorized;
use super::change::{UserChange, named_user};
use super::error::ApiError;
use super::request::{Body, Page, Segment};
use super::time_text;
use crate::store::{Added, User};

/// Most named users; the engine knows them all.
pub const USERS_MAX: u32 = 100_000;

/// The routes of this resource.
pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/users", get(list).post(create))
        .route("/users/{name}", get(read).delete(remove))
}

/// A user as clients see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserView {
    username: String,
    display_name: String,
    guest: bool,
    room: Option<String>,
    created_at: String,
    expires_at: Option<String>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        let expires = user.guest.as_ref().map(|guest| guest.expires_unix_s);
        Self {
            username: user.name,
            display_name: user.display_name,
            guest: user.guest.is_some(),
            created_at: time_text(user.created_unix_s),
            expires_at: expires.map(time_text),
            room: user.guest.map(|guest| guest.room),
        }
    }
}

#[derive(Serialize)]
struct UserList {
    users: Vec<UserView>,
    /// What to send as `after` for the next page; nothing when this is the last.
    next: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewUser {
    username: String,
    password: String,
    display_name: String,
}

async fn create(
    State(api): State<Api>,
    _: Authorized,
    Body(new): Body<NewUser>,
) -> Result<Response, ApiError> {
    check_username(&new.username)?;
    check_display_name(&new.display_name)?;
    check_password(&new.password)?;
    let realm = &api.settings.realm;
    let now = api.now() as i64;
    let user = named_user(&new.username, &new.display_name, realm, &new.password, now);
    let put = UserChange::put(&user);
    let stored = user.clone();
    let added = api
        .change(async move |store| {
            let added = store.add_user(&stored, USERS_MAX).await?;
            Ok((added, (added == Added::Yes).then_some(put)))
        })
        .await?;
    match added {
        Added::Yes => {}
        Added::Exists => {
            let message = format!("The user {} exists.", new.username);
            return Err(ApiError::new(StatusCode::CONFLICT, "user-exists", message));
        }
        Added::Full => {
            let message = format!("There are {USERS_MAX} users, and more there cannot be.");
            return Err(ApiError::new(
                StatusCode::CONFLICT,
                "too-many-users",
                message,
            ));
        }
    }
    let path = format!("{}/users/{}", super::PREFIX, user.name);
    let location = HeaderValue::from_str(&path).map_err(ApiError::internal)?;
    let body = Json(UserView::from(user));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], body).into_response())
}

async fn list(
    State(api): State<Api>,
    _: Authorized,
    page: Page,
) -> Result<Json<UserList>, ApiError> {
    let mut users = api.store.users(&page.after, page.asked()).await?;
    Ok(Json(UserList {
        next: page.cut(&mut users, |user| &user.name),
        users: users.into_iter().map(UserView::from).collect(),
    }))
}

async fn read(
    State(api): State<Api>,
    _: Authorized,
    Segment(name): Segment,
) -> Result<Json<UserView>, ApiError> {
    match api.store.user(&name).await? {
        Some(user) => Ok(Json(user.into())),
        None => Err(no_such_user()),
    }
}

async fn remove(
    State(api): State<Api>,
    _: Authorized,
    Segment(name): Segment,
) -> Result<StatusCode, ApiError> {
    match api.remove_user(name).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_such_user()),
    }
}

fn no_such_user() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "no-such-user",
        "There is no user of that name.",
    )
}
