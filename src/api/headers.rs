//! The outermost layer: the id of each request, the body of each refusal, and the headers that
//! every response carries.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::{debug, warn};

use super::error::ApiError;
use super::random;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Nothing but our own files runs in a page, nobody frames it, and the room in its address, which
/// is the invitation, is told to nobody.
const FIXED: [(HeaderName, &str); 3] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         media-src 'self' blob:; connect-src 'self' ws: wss:; manifest-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// Runs a request and finishes its response.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let request_id = match random::hexadecimal() {
        Ok(id) => id,
        Err(error) => return error.into_response(),
    };
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        let code = error.code;
        match &error.log {
            Some(log) => warn!(%method, %path, %request_id, code, "Request failed: {log}"),
            None => debug!(%method, %path, %request_id, code, "Request refused"),
        }
        *response.body_mut() = Body::from(error.body(&request_id));
        let kind = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
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
