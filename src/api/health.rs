//! `GET /health`: whether the engine works and takes calls; 503 when not.

use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::Api;
use super::error::RETRY_AFTER_S;
use crate::run::engine_loop::{Asker, Report};
use crate::run::health::{Part, State as PartState};

/// The route of this resource.
pub(super) fn router() -> Router<(Asker, Api)> {
    Router::new().route("/health", get(health))
}

#[derive(Serialize)]
struct Health {
    /// `ok`, `draining` or `unwell`.
    status: &'static str,
    version: &'static str,
    sessions: Option<usize>,
    legs: Option<usize>,
    /// What is not well.
    unwell: Vec<Unwell>,
}

/// A part that does not do its work.
#[derive(Serialize)]
pub(super) struct Unwell {
    /// Its word.
    pub part: &'static str,
    what: &'static str,
}

async fn health(State((asker, api)): State<(Asker, Api)>) -> Response {
    let (report, mut unwell) = look(&asker, &api).await;
    if let Some(trouble) = api.store.check().await {
        let (part, what) = ("store", trouble.text());
        unwell.push(Unwell { part, what });
    }
    let status = match (unwell.is_empty(), api.health.is_draining()) {
        (false, _) => "unwell",
        (true, true) => "draining",
        (true, false) => "ok",
    };
    let stats = report.map(|report| report.stats);
    let body = Json(Health {
        status,
        version: env!("CARGO_PKG_VERSION"),
        sessions: stats.map(|stats| stats.sessions),
        legs: stats.map(|stats| stats.legs),
        unwell,
    });
    if status == "ok" {
        return body.into_response();
    }
    let retry = [(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S))];
    (StatusCode::SERVICE_UNAVAILABLE, retry, body).into_response()
}

/// The engine's numbers, and which threads are not well. An engine that is stuck is not asked.
pub(super) async fn look(asker: &Asker, api: &Api) -> (Option<Report>, Vec<Unwell>) {
    let engine = Part::Engine.label();
    let unwell = unwell(api);
    if unwell.iter().any(|unwell| unwell.part == engine) {
        return (None, unwell);
    }
    if let Some(report) = asker.report().await {
        return (Some(report), unwell);
    }
    // A part that died meanwhile may be why there is no answer.
    let mut unwell = self::unwell(api);
    if unwell.iter().all(|unwell| unwell.part != engine) {
        let what = "does not answer";
        unwell.push(Unwell { part: engine, what });
    }
    (None, unwell)
}

fn unwell(api: &Api) -> Vec<Unwell> {
    let parts = api.health.parts(Instant::now());
    let unwell = parts.filter(|(_, state)| *state != PartState::Well);
    let row = |(part, state): (Part, PartState)| Unwell {
        part: part.label(),
        what: state.text(),
    };
    unwell.map(row).collect()
}
