//! Addresses, headers, refusals.
//!
//! Every answer forbids the browser what no page needs: scripts and styles from elsewhere, frames, guesses at types. What may block
//! runs on threads that may, at most [`AT_ONCE`] at a time.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, RawQuery, Request, State as Extract},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::{
    api::{
        answers::{self, Refusal},
        openapi, query_range,
    },
    asked, page,
    params::Problem,
    source::Source,
};

/// Every address and what it is for.
pub const ADDRESSES: &[(&str, &str)] = &[
    ("/", "the fleet: what fires, P over time, every node"),
    ("/nodes/NAME", "a node: now, over time, its disks, because of whom"),
    ("/alerts", "all alerts, each with its evidence at /alerts/ID"),
    ("/api/v1/nodes", "the nodes as JSON; one in full at /api/v1/nodes/NAME"),
    ("/api/v1/index", "P as JSON"),
    ("/api/v1/alerts", "the alerts as JSON; one with its evidence at /api/v1/alerts/ID"),
    ("/api/v1/query_range", "figures over time as JSON"),
    ("/api/v1/openapi.json", "the description of the API"),
];

/// Questions that are worked on at once. More wait: they are answered in turn, and ingestion is not disturbed.
const AT_ONCE: usize = 8;

/// What a page may do: its own style, its own script, and asking for itself again.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

#[derive(Clone)]
struct State {
    source: Arc<dyn Source>,
    slots: Arc<Semaphore>,
}

/// All routes. Who may ask is decided by whoever serves them.
pub fn router(source: Arc<dyn Source>) -> Router {
    let state = State { source, slots: Arc::new(Semaphore::new(AT_ONCE)) };
    Router::new()
        .route("/", get(fleet_page))
        .route("/nodes/{name}", get(node_page))
        .route("/alerts", get(alerts_page))
        .route("/alerts/{id}", get(alert_page))
        .route("/static/style.css", get(|| async { asset("text/css; charset=utf-8", page::style()) }))
        .route("/static/live.js", get(|| async { asset("text/javascript; charset=utf-8", page::SCRIPT.into()) }))
        .route("/static/icon.svg", get(|| async { asset("image/svg+xml", page::ICON.into()) }))
        .route("/api/v1/nodes", get(nodes_json))
        .route("/api/v1/nodes/{name}", get(node_json))
        .route("/api/v1/index", get(index_json))
        .route("/api/v1/alerts", get(alerts_json))
        .route("/api/v1/alerts/{id}", get(alert_json))
        .route("/api/v1/query_range", get(range_json))
        .route("/api/v1/openapi.json", get(|| async { json(&openapi::description()) }))
        .layer(middleware::from_fn(headers))
        .with_state(state)
}

async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let cache = response.headers_mut().entry(header::CACHE_CONTROL);
    cache.or_insert(HeaderValue::from_static("no-store"));
    response
}

fn asset(content_type: &'static str, body: String) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "max-age=300")], body).into_response()
}

impl State {
    /// Works on a question where it may block.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Source) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let unable =
            || Refusal::Unreadable(Problem::new("the server cannot answer now: it is ending, or this answer failed"));
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| unable())?;
        let source = Arc::clone(&self.source);
        let work = move || {
            let answer = work(source.as_ref());
            drop(slot);
            answer
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a question could not be answered");
            Err(unable())
        })
    }

    async fn page(&self, work: impl FnOnce(&dyn Source) -> Result<String, Refusal> + Send + 'static) -> Response {
        match self.ask(work).await {
            Ok(page) => html(StatusCode::OK, page),
            Err(refusal) => {
                let page = asked::sorry(&refusal);
                html(refusal.parts().0, page)
            }
        }
    }

    async fn json<T: Serialize + Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Source) -> Result<T, Refusal> + Send + 'static,
    ) -> Response {
        match self.ask(work).await {
            Ok(answer) => json(&answer),
            Err(refusal) => {
                let (status, problem) = refusal.parts();
                (status, json(&problem)).into_response()
            }
        }
    }
}

impl Refusal {
    fn parts(self) -> (StatusCode, Problem) {
        match self {
            Self::Wrong(problem) => (StatusCode::BAD_REQUEST, problem),
            Self::Nothing(problem) => (StatusCode::NOT_FOUND, problem),
            Self::Unreadable(problem) => (StatusCode::SERVICE_UNAVAILABLE, problem),
        }
    }
}

fn html(status: StatusCode, page: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

fn json(answer: &impl Serialize) -> Response {
    match serde_json::to_vec(answer) {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer is no JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn fleet_page(Extract(state): Extract<State>, RawQuery(query): RawQuery) -> Response {
    state.page(move |source| asked::fleet(source, &query.unwrap_or_default())).await
}

async fn node_page(Extract(state): Extract<State>, Path(name): Path<String>, RawQuery(query): RawQuery) -> Response {
    state.page(move |source| asked::node(source, &name, &query.unwrap_or_default())).await
}

async fn alerts_page(Extract(state): Extract<State>, RawQuery(query): RawQuery) -> Response {
    state.page(move |source| asked::alerts(source, &query.unwrap_or_default())).await
}

async fn alert_page(Extract(state): Extract<State>, Path(id): Path<String>) -> Response {
    state.page(move |source| asked::alert(source, &id)).await
}

async fn nodes_json(Extract(state): Extract<State>, RawQuery(query): RawQuery) -> Response {
    state.json(move |source| answers::nodes(source, &query.unwrap_or_default())).await
}

async fn node_json(Extract(state): Extract<State>, Path(name): Path<String>, RawQuery(query): RawQuery) -> Response {
    state.json(move |source| answers::node(source, &name, &query.unwrap_or_default())).await
}

async fn index_json(Extract(state): Extract<State>, RawQuery(query): RawQuery) -> Response {
    state.json(move |source| answers::index(source, &query.unwrap_or_default())).await
}

async fn alerts_json(Extract(state): Extract<State>, RawQuery(query): RawQuery) -> Response {
    state.json(move |source| answers::alerts(source, &query.unwrap_or_default())).await
}

async fn alert_json(Extract(state): Extract<State>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Response {
    state.json(move |source| answers::alert(source, &id, &query.unwrap_or_default())).await
}

async fn range_json(Extract(state): Extract<State>, RawQuery(query): RawQuery) -> Response {
    state.json(move |source| query_range::ask(source, &query.unwrap_or_default())).await
}
