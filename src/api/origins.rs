//! Which pages of other origins may read answers of the API (Fetch standard, CORS protocol).
//!
//! An origin that is not listed gets the same answers without the headers that let its page read
//! them; its preflights are not allowed. No credentials are taken: a listed page can do what
//! anybody can do without the API key.

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may remember that an origin is allowed.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Lets pages of `origins` call the routes of `router`.
pub(super) fn allow(router: Router, origins: &[String]) -> Router {
    if origins.is_empty() {
        return router;
    }
    router.layer(layer(origins))
}

fn layer(origins: &[String]) -> CorsLayer {
    let origins = origins
        .iter()
        .filter_map(|origin| HeaderValue::try_from(origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE])
        .expose_headers([header::RETRY_AFTER, HeaderName::from_static("x-request-id")])
        .max_age(REMEMBERED)
}
