//! What each address answers.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, State as Extract},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tokio::time::Instant;

use super::{State, page, recording::recording};
use crate::expose::collector::CONTENT_TYPE;

/// Every address and what it is for. The landing page and the answer to an unknown address list them.
pub const ADDRESSES: &[(&str, &str)] = &[
    ("/", "this page"),
    ("/alerts", "what is pending, firing or over, each with its evidence at /alerts/ID"),
    ("/metrics", "metrics for Prometheus, text format 0.0.4"),
    ("/api/v1/window", "the latest window as JSON"),
    ("/api/v1/alerts", "the alerts as JSON"),
    (
        "/api/v1/recording",
        "the last minutes as a recording, for kpulse replay; ?seconds=N for the last N seconds of them",
    ),
    ("/-/healthy", "200 while the agent lives"),
    ("/-/ready", "200 when there are fresh figures, 503 with the reason otherwise"),
];

/// After this many intervals without a new one the latest snapshot is stale.
const STALE_INTERVALS: u32 = 10;

/// All routes.
pub fn router(state: State) -> Router {
    Router::new()
        .route("/", get(landing))
        .route("/metrics", get(metrics))
        .route("/alerts", get(alerts))
        .route("/alerts/{id}", get(alert))
        .route("/api/v1/window", get(window))
        .route("/api/v1/alerts", get(alerts_json))
        .route("/api/v1/recording", get(recording))
        .route("/-/healthy", get(|| async { "healthy\n" }))
        .route("/-/ready", get(ready))
        .fallback(unknown)
        .method_not_allowed_fallback(|uri: Uri| async move {
            (StatusCode::METHOD_NOT_ALLOWED, format!("{} can only be read: use GET or HEAD\n", uri.path()))
        })
        .with_state(state)
}

async fn metrics(Extract(state): Extract<State>) -> Response {
    match state.exposition.render() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, format!("the metrics could not be rendered: {error}\n")).into_response()
        }
    }
}

async fn landing(Extract(state): Extract<State>) -> Response {
    html(page::landing(state.exposition.latest().as_deref(), not_ready(&state).as_deref()))
}

/// A page that may hold styles of its own and nothing else.
fn html(page: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, page).into_response()
}

async fn alerts(Extract(state): Extract<State>) -> Response {
    let latest = state.exposition.latest();
    let alerts = latest.as_ref().map(|snapshot| &snapshot.alerts[..]).unwrap_or_default();
    html(page::alerts_page(alerts, not_ready(&state).as_deref()))
}

async fn alert(Extract(state): Extract<State>, Path(id): Path<String>) -> Response {
    let latest = state.exposition.latest();
    match latest.iter().flat_map(|snapshot| &snapshot.alerts).find(|alert| alert.id == id) {
        Some(alert) => html(page::alert_page(alert)),
        None => {
            let text =
                "there is no such alert here: it is too long over, or another node's; /alerts lists those there are\n";
            (StatusCode::NOT_FOUND, text).into_response()
        }
    }
}

async fn alerts_json(Extract(state): Extract<State>) -> Response {
    match state.exposition.latest() {
        Some(snapshot) => Json(&snapshot.alerts).into_response(),
        None => {
            let error = "the alerts are not known yet: the first collection is not complete";
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": error }))).into_response()
        }
    }
}

async fn window(Extract(state): Extract<State>) -> Response {
    match state.exposition.latest().as_ref().and_then(|snapshot| snapshot.window.as_ref()) {
        Some(window) => Json(window).into_response(),
        None => {
            let error = "there is no window yet: the first ends with the second collection";
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": error }))).into_response()
        }
    }
}

async fn ready(Extract(state): Extract<State>) -> Response {
    match not_ready(&state) {
        None => "ready\n".into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")).into_response(),
    }
}

async fn unknown(uri: Uri) -> Response {
    let addresses: Vec<&str> = ADDRESSES.iter().map(|(address, _)| *address).collect();
    if uri.path().starts_with("/api/") {
        let error = format!("there is nothing at {}", uri.path());
        return (StatusCode::NOT_FOUND, Json(json!({ "error": error, "addresses": addresses }))).into_response();
    }
    let text = format!("there is nothing at {}; there are {}\n", uri.path(), addresses.join(" "));
    (StatusCode::NOT_FOUND, text).into_response()
}

/// Why the figures cannot be relied on; `None` if they can.
fn not_ready(state: &State) -> Option<String> {
    let Some(at) = *state.freshness.borrow() else {
        return Some("the first collection is not complete".into());
    };
    let interval = state.snapshots.borrow().as_ref().map_or(0, |snapshot| snapshot.status.interval_ns);
    let (age, limit) = (Instant::now() - at, Duration::from_nanos(interval) * STALE_INTERVALS);
    let seconds = |duration: Duration| duration.as_secs_f64();
    (age > limit)
        .then(|| format!("the latest figures are {:.1} s old, more than {:.1} s", seconds(age), seconds(limit)))
}
