//! `GET /metrics`: the numbers of the engine and of the HTTP face for Prometheus.

use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Api;
use super::error::ApiError;
use super::health::{Unwell, look};
use crate::run::engine_loop::{Asker, Report};
use crate::run::health::Part;
use crate::telemetry::{Metric, MetricsFormat, write_metrics};

/// The route of this resource.
pub fn router() -> Router<(Asker, Api)> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State((asker, api)): State<(Asker, Api)>, headers: HeaderMap) -> Response {
    // What is not well is told also when the engine does not answer.
    let (report, unwell) = look(&asker, &api).await;
    let accept = headers.get_all(header::ACCEPT).iter();
    let accept: Vec<&str> = accept.filter_map(|value| value.to_str().ok()).collect();
    let format = MetricsFormat::accepted(&accept.join(","));
    let mut metrics = own(&api);
    metrics.extend(well(&api, &unwell));
    metrics.extend(report.iter().flat_map(Report::metrics));
    match write_metrics(&metrics, format) {
        Ok(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(error) => ApiError::internal(error).into_response(),
    }
}

/// How the parts of the process are.
fn well(api: &Api, unwell: &[Unwell]) -> Vec<Metric> {
    const HELP: &str = "1 while the part of the process does its work.";
    let mut parts: Vec<(&str, bool)> = Part::ALL
        .iter()
        .map(|part| part.label())
        .map(|part| (part, unwell.iter().all(|unwell| unwell.part != part)))
        .collect();
    parts.push(("store", api.store.trouble(Instant::now()).is_none()));
    let mut metrics: Vec<Metric> = parts
        .into_iter()
        .map(|(part, well)| Metric::gauge("part_well", HELP, u64::from(well)).of("part", part))
        .collect();
    metrics.push(Metric::counter(
        "store_failures",
        "Jobs of the store that failed because of its disk.",
        api.store.failures(),
    ));
    metrics
}

fn own(api: &Api) -> Vec<Metric> {
    let counts = api.witness.counts();
    let started = api.started_unix_s;
    let mut metrics = vec![
        Metric::gauge("build_info", "1; the label says which version runs.", 1)
            .of("version", env!("CARGO_PKG_VERSION")),
        Metric::gauge(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970.",
            started,
        ),
        Metric::counter(
            "http_connections_refused",
            "HTTP connections that were closed at once because of a limit.",
            counts.connections_refused,
        ),
    ];
    // A result that has not come yet is there from the start, so that its first rise is seen.
    let admitted = [("admitted", 0)].into_iter().chain(counts.joins);
    let joins: std::collections::BTreeMap<&'static str, u64> = admitted.collect();
    metrics.extend(joins.into_iter().map(|(result, count)| {
        let help = "Requests to join a room, by result: admitted, or the code of the refusal.";
        Metric::counter("joins", help, count).of("result", result)
    }));
    metrics.extend(counts.refusals.into_iter().map(|(code, count)| {
        let help = "HTTP requests that were refused, by the code of the refusal.";
        Metric::counter("http_refused", help, count).of("code", code)
    }));
    metrics
}
