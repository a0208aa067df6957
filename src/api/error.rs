//! What a client is told when a request is refused:
//! `{"error":{"code":"user-exists","message":"…","requestId":"…"}}`.
//!
//! An [`ApiError`] travels to the outermost layer inside the response; there, where the id of the
//! request is known, its body is written (`headers.rs`).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::sentence;
use super::token::TokenError;
use crate::store::{StoreError, Trouble};

/// Seconds after which a server that drains, or is not well, may be asked again.
pub(super) const RETRY_AFTER_S: u64 = 5;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// A stable kebab-case word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
    /// Seconds to wait before the next try, for the Retry-After header.
    pub retry_after_s: Option<u64>,
    /// What only the log is told.
    pub log: Option<String>,
}

impl ApiError {
    /// A refusal with these three.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after_s: None,
            log: None,
        }
    }

    /// 422 with a word for the field that is wrong.
    pub fn unprocessable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// 429 with the seconds to wait.
    pub fn too_many(code: &'static str, message: &str, retry_after_s: u64) -> Self {
        Self {
            retry_after_s: Some(retry_after_s),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, code, message)
        }
    }

    /// 401 for a token that is no login.
    pub fn bad_token(error: TokenError) -> Self {
        let code = match error {
            TokenError::Invalid => "invalid-token",
            TokenError::Expired => "expired-token",
        };
        Self::new(StatusCode::UNAUTHORIZED, code, sentence(&error.to_string()))
    }

    /// 404 for a path that nothing stands at.
    pub fn no_such_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Nothing is here.")
    }

    /// 405.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "This resource does not know that method; the Allow header lists those it knows.",
        )
    }

    /// 500; the client is told the request id only, the log why.
    pub fn internal(log: impl ToString) -> Self {
        Self {
            log: Some(log.to_string()),
            ..Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "The server could not do this. Its log says why, under the request id.",
            )
        }
    }

    /// 503 when the engine takes no more changes.
    pub fn busy() -> Self {
        Self {
            retry_after_s: Some(1),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "engine-busy",
                "The engine does not answer. Try again in a moment.",
            )
        }
    }

    /// 503 while the server ends.
    pub fn draining() -> Self {
        Self {
            retry_after_s: Some(RETRY_AFTER_S),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "draining",
                "The server is about to stop and takes nobody new. Try again in a moment.",
            )
        }
    }

    /// 503 while the store is not well.
    pub fn store_unavailable(trouble: Trouble) -> Self {
        let text = trouble.text();
        Self {
            retry_after_s: Some(RETRY_AFTER_S),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store-unavailable",
                format!("The server cannot keep anything: {text}. Try again in a moment."),
            )
        }
    }

    /// 503 when there is no place for a connection.
    pub fn too_many_connections() -> Self {
        Self {
            retry_after_s: Some(5),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too-many-connections",
                "There are as many connections as there may be. Try again later.",
            )
        }
    }

    /// 429 when an address has as many connections as it may.
    pub fn too_many_of_address() -> Self {
        Self::too_many(
            "too-many-connections",
            "There are as many connections from this address as there may be. Try again later.",
            5,
        )
    }

    /// The JSON body.
    pub(super) fn body(&self, request_id: &str) -> String {
        json!({"error": {
            "code": self.code,
            "message": self.message,
            "requestId": request_id,
        }})
        .to_string()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error.trouble() {
            // The store logs it, once for all requests that meet it.
            Some(trouble) => Self::store_unavailable(trouble),
            None => Self::internal(error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after_s {
            let seconds = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response.extensions_mut().insert(self);
        response
    }
}
