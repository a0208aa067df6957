//! Everything that is no route: the conference page and its files, else 404.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::Api;
use super::error::ApiError;

/// Answers a request that no route takes.
pub(super) async fn page(State(api): State<Api>, method: Method, uri: Uri) -> Response {
    let Some(asset) = api.settings.pages.find(uri.path()) else {
        return ApiError::no_such_page().into_response();
    };
    if method != Method::GET && method != Method::HEAD {
        let mut response = ApiError::method_not_allowed().into_response();
        let allowed = HeaderValue::from_static("GET,HEAD");
        response.headers_mut().insert(header::ALLOW, allowed);
        return response;
    }
    let status = if asset.missing {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(asset.content_type),
        ),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static(asset.cache_control),
        ),
        (header::CONTENT_LENGTH, HeaderValue::from(asset.bytes.len())),
    ];
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        Body::from(asset.bytes)
    };
    (status, headers, body).into_response()
}
