//! `GET /health`: whether the engine answers and takes calls; 503 when not.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::error::{ApiError, RETRY_AFTER_S};
use crate::run::engine_loop::Asker;

/// The route of this resource.
pub fn router() -> Router<Asker> {
    Router::new().route("/health", get(health))
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    sessions: usize,
    legs: usize,
}

async fn health(State(asker): State<Asker>) -> Response {
    match asker.report().await {
        Some(report) => {
            let (status, word) = match report.draining {
                true => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
                false => (StatusCode::OK, "ok"),
            };
            let health = Health {
                status: word,
                version: env!("CARGO_PKG_VERSION"),
                sessions: report.stats.sessions,
                legs: report.stats.legs,
            };
            let mut response = (status, Json(health)).into_response();
            if status != StatusCode::OK {
                let seconds = HeaderValue::from(RETRY_AFTER_S);
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
            response
        }
        None => ApiError::busy().into_response(),
    }
}
