//! Everything that is no route: the conference page and its files, else 404.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::Api;
use super::error::ApiError;

/// Answers a request that no route takes.
pub(super) async fn page(
    State(api): State<Api>,
    method: Method,
    uri: Uri,
    asked: HeaderMap,
) -> Response {
    let Some(asset) = api.settings.pages.find(uri.path()) else {
        return ApiError::no_such_page().into_response();
    };
    if method != Method::GET && method != Method::HEAD {
        let mut response = ApiError::method_not_allowed().into_response();
        let allowed = HeaderValue::from_static("GET,HEAD");
        response.headers_mut().insert(header::ALLOW, allowed);
        return response;
    }
    let form = asset.form(&field(&asked, header::ACCEPT_ENCODING));
    let known = field(&asked, header::IF_NONE_MATCH);
    let unchanged = !asset.missing && is_among(&form.etag, &known);
    let mut response = match (asset.missing, unchanged) {
        (true, _) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        (false, true) => StatusCode::NOT_MODIFIED.into_response(),
        (false, false) => StatusCode::OK.into_response(),
    };
    let headers = response.headers_mut();
    let fixed = HeaderValue::from_static;
    headers.insert(header::CACHE_CONTROL, fixed(asset.cache_control));
    headers.append(header::VARY, fixed("accept-encoding"));
    if let Ok(etag) = HeaderValue::from_str(&form.etag) {
        headers.insert(header::ETAG, etag);
    }
    // Of a 304 it is that of the content that is left out, RFC 9110 §8.6.
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(form.bytes.len()));
    if unchanged {
        return response;
    }
    headers.insert(header::CONTENT_TYPE, fixed(asset.content_type));
    if let Some(encoding) = form.encoding {
        headers.insert(header::CONTENT_ENCODING, fixed(encoding));
    }
    if method == Method::GET {
        *response.body_mut() = Body::from(form.bytes);
    }
    response
}

/// All values of a field as one list.
fn field(headers: &HeaderMap, name: HeaderName) -> String {
    let values = headers.get_all(name).iter();
    let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    values.join(",")
}

/// Whether If-None-Match names the tag; weak tags count, RFC 9110 §13.1.2.
fn is_among(etag: &str, known: &str) -> bool {
    let mut tags = known.split(',').map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
