//! What each address of the server answers.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Extension, Request, State},
    http::{
        HeaderValue, StatusCode, Uri,
        header::{CONTENT_TYPE, WWW_AUTHENTICATE},
    },
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;
use tokio::sync::{Semaphore, watch};

use super::{
    auth::{Gate, Peer},
    figures::Figures,
    ingest,
    judging::Verdicts,
    metrics::{self, View},
};
use crate::{
    expose::collector::CONTENT_TYPE as METRICS_TYPE,
    fleet::{Registry, clock::Clock},
    site::{self, Source},
    store::Store,
};

/// Every address and what it is for. The answer to an unknown address lists them.
pub const ADDRESSES: &[(&str, &str)] = &[
    ("/api/v1/reports", "where agents post their reports"),
    ("/metrics", "metrics for Prometheus, text format 0.0.4"),
    ("/-/healthy", "200 while the server lives"),
    ("/-/ready", "200 when reports are taken and judged, 503 with the reason otherwise"),
];

/// What the routes share.
pub struct Shared {
    /// Who may do what.
    pub gate: Gate,
    /// The nodes.
    pub registry: Registry,
    /// The reports.
    pub store: Store,
    /// What is counted.
    pub figures: Figures,
    /// The time.
    pub clock: Clock,
    /// Places for large bodies.
    pub large: Semaphore,
    /// The latest judgement.
    pub verdicts: watch::Receiver<Arc<Verdicts>>,
    /// How many nodes have a series of their own.
    pub max_series: usize,
}

/// All routes. What is read is read by who may; health is for all.
pub fn router(shared: Arc<Shared>, shown: Arc<dyn Source>) -> Router {
    let read = Router::new()
        .route("/metrics", get(metrics))
        .merge(site::router(shown).with_state(()))
        .route_layer(from_fn_with_state(Arc::clone(&shared), may_read));
    Router::new()
        .route("/api/v1/reports", post(ingest::reports))
        .route("/-/healthy", get(|| async { "healthy\n" }))
        .route("/-/ready", get(ready))
        .merge(read)
        .fallback(unknown)
        .method_not_allowed_fallback(|uri: Uri| async move {
            (StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take this method\n", uri.path()))
        })
        .with_state(shared)
}

/// Lets through who may read.
pub async fn may_read(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    match shared.gate.reads(&peer, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            let mut response = (refusal.status(), format!("{refusal}\n")).into_response();
            if refusal.status() == StatusCode::UNAUTHORIZED {
                // A browser asks for a user and a password: the password is the token.
                let scheme =
                    HeaderValue::from_static("Basic realm=\"kpulse: any user, a reader's token as the password\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
            }
            response
        }
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let verdicts = shared.verdicts.borrow().clone();
    let store = shared.store.status();
    let view = View {
        figures: &shared.figures,
        verdicts: &verdicts,
        store: &store,
        nodes: shared.registry.len(),
        tokens: shared.gate.tokens.valid(),
        max_series: shared.max_series,
    };
    match metrics::render(&view) {
        Ok(text) => ([(CONTENT_TYPE, METRICS_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, format!("the metrics could not be rendered: {error}\n")).into_response()
        }
    }
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let trouble = match shared.store.status().trouble {
        Some(trouble) => Some(format!("the store takes nothing: {trouble}")),
        None if shared.verdicts.borrow().judgement.at_ns == 0 => Some("the first judgement is not made yet".into()),
        None => None,
    };
    match trouble {
        None => "ready\n".into_response(),
        Some(trouble) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {trouble}\n")).into_response(),
    }
}

async fn unknown(uri: Uri) -> Response {
    let addresses: Vec<&str> = site::ADDRESSES.iter().chain(ADDRESSES).map(|(address, _)| *address).collect();
    if uri.path().starts_with("/api/") {
        let error = format!("there is nothing at {}", uri.path());
        return (StatusCode::NOT_FOUND, Json(json!({ "error": error, "addresses": addresses }))).into_response();
    }
    let text = format!("there is nothing at {}; there are {}\n", uri.path(), addresses.join(" "));
    (StatusCode::NOT_FOUND, text).into_response()
}
