//! The outermost layer: the id of each request, the body of each refusal and its line in the log,
//! and the headers that every response carries.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::pii::Pii;

use super::error::ApiError;
use super::random;
use super::witness::{Refusal, Witness};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Nothing but our own files runs in a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; media-src 'self' blob:; connect-src 'self' ws: wss:; \
    manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors";

/// The headers of every response.
#[derive(Clone)]
pub(super) struct Fixed([(HeaderName, HeaderValue); 3]);

impl Fixed {
    /// Pages of `origins` may frame ours; without any nobody may. The room in the address of a page
    /// is the invitation, so no other site is told of it.
    pub fn new(origins: &[String]) -> Self {
        let framed_by = match origins {
            [] => "'none'".to_owned(),
            origins => format!("'self' {}", origins.join(" ")),
        };
        // An origin is a scheme, a host and a port, all of visible ASCII.
        let policy = HeaderValue::try_from(format!("{POLICY} {framed_by}"));
        let policy = policy.unwrap_or(HeaderValue::from_static("default-src 'none'"));
        let text = HeaderValue::from_static;
        Self([
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::X_CONTENT_TYPE_OPTIONS, text("nosniff")),
            (header::REFERRER_POLICY, text("no-referrer")),
        ])
    }
}

/// Runs a request and finishes its response.
pub(super) async fn finish(
    State((Fixed(fixed), witness)): State<(Fixed, Arc<Witness>)>,
    request: Request,
    next: Next,
) -> Response {
    let client = witness.client(&request);
    let method = request.method().clone();
    let path = shown_path(&request);
    let request_id = match random::hexadecimal() {
        Ok(id) => id,
        Err(error) => return error.into_response(),
    };
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        let refusal = Refusal {
            client,
            method: &method,
            path: &path,
            request_id: &request_id,
            error: &error,
        };
        witness.note(&refusal);
        *response.body_mut() = Body::from(error.body(&request_id));
        let kind = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    let headers = response.headers_mut();
    headers.extend(fixed);
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert(REQUEST_ID, id);
    }
    // Answers of the API hold tokens and names; pages say themselves how long they may be kept.
    if !headers.contains_key(header::CACHE_CONTROL) {
        let value = HeaderValue::from_static("no-store");
        headers.insert(header::CACHE_CONTROL, value);
    }
    response
}

/// The path of a request for the log. What stands in place of a parameter is masked, a room in the
/// path being its invitation; of a path that no route takes every part is.
fn shown_path(request: &Request) -> String {
    let path = request.uri().path();
    let Some(route) = request.extensions().get::<MatchedPath>() else {
        return Pii(path).to_string();
    };
    let parts = path.split('/').zip(route.as_str().split('/'));
    let shown = parts.map(|(given, known)| match known.starts_with('{') {
        true => Pii(given).to_string(),
        false => given.to_owned(),
    });
    shown.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::Request;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_path_in_the_log_says_which_route_and_not_which_room() {
        for (path, shown) in [
            (
                "/api/v1/rooms/MyTeamRoom/join",
                "/api/v1/rooms/My********/join",
            ),
            ("/api/v1/users", "/api/v1/users"),
            ("/MyTeamRoom/users", "/My********/us***"),
        ] {
            let routes = Router::new()
                .route("/rooms/{id}/join", get(|| async {}))
                .route("/users", get(|| async {}));
            let router = Router::new().nest("/api/v1", routes).layer(from_fn(
                async |request: axum::extract::Request, _: Next| shown_path(&request),
            ));
            let request = Request::get(path).body(Body::empty()).expect("a request");
            let response = router.oneshot(request).await.expect("answers");
            let body = axum::body::to_bytes(response.into_body(), 200).await;
            assert_eq!(body.expect("a body"), shown);
        }
    }
}
