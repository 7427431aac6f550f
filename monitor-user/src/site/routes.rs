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
        openapi,
        paths::{ALERT, INDEX, NODE},
        query_range,
    },
    model::AlertLine,
    page::{self, alerts, fleet, node, range},
    params::{Params, Problem},
    select::select,
    source::Source,
};
use crate::{alert::Alert, index::Signal, report, window};

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
                let (status, problem) = refusal.parts();
                let title = match status {
                    StatusCode::BAD_REQUEST => "This is no question",
                    StatusCode::NOT_FOUND => "There is no such thing",
                    _ => "There is no answer now",
                };
                let expected = problem.expected.map(|expected| format!(". Expected: {expected}."));
                html(status, page::sorry(title, &format!("{}{}", problem.error, expected.unwrap_or_default())))
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

/// Alerts that are pending or fire: the server's own, the worst first.
fn active(source: &dyn Source) -> Vec<AlertLine> {
    let mut lines: Vec<_> = source.active_alerts().iter().map(|alert| AlertLine::from(alert.as_ref())).collect();
    alerts::worst_first(&mut lines);
    lines
}

fn firing(source: &dyn Source) -> usize {
    node::firing(source.active_alerts().iter().map(AsRef::<Alert>::as_ref))
}

async fn fleet_page(Extract(state): Extract<State>, RawQuery(query): RawQuery) -> Response {
    let work = move |source: &dyn Source| {
        let params = Params::parse(query.as_deref().unwrap_or_default(), page::NODE_PARAMS)?;
        let now_ns = source.now_ns();
        let span = range::of(&params, now_ns)?;
        let nodes = select(source.nodes(), &answers::selection(&params, page::NODE_LIMIT)?);
        let series = |&signal: &Signal| (signal, source.index_series(signal, None, span));
        Ok(fleet::page(&fleet::View {
            now_ns,
            fleet: source.fleet(),
            alerts: active(source),
            series: Signal::ALL.iter().map(series).collect(),
            span,
            nodes,
            params,
        }))
    };
    state.page(work).await
}

fn no_node(name: &str) -> Refusal {
    Refusal::Nothing(Problem::new(format!("no node has the name {name:?}, or none has reported under it")))
}

async fn node_page(Extract(state): Extract<State>, Path(name): Path<String>, RawQuery(query): RawQuery) -> Response {
    let work = move |source: &dyn Source| {
        let params = Params::parse(query.as_deref().unwrap_or_default(), node::PARAMS)?;
        let now_ns = source.now_ns();
        let span = range::of(&params, now_ns)?;
        let detail = source.node(&name).ok_or_else(|| no_node(&name))?;
        let reports = source.reports(&name, span);
        let now = detail.window.as_ref().and_then(|window| Some((window.end_realtime_ns, window.tasks.clone()?)));
        let of = |report: &report::wire::Report| -> Option<(u64, window::Tasks)> {
            let tasks = report::view::window(report, &window::Options::default()).tasks?;
            Some((report.end_ns, tasks))
        };
        let tasks = now.or_else(|| reports.iter().flatten().rev().filter(|report| report.tasks.is_some()).find_map(of));
        Ok(node::page(&node::View { now_ns, node: detail, firing: firing(source), span, reports, tasks, params }))
    };
    state.page(work).await
}

async fn alerts_page(Extract(state): Extract<State>, RawQuery(query): RawQuery) -> Response {
    let work = move |source: &dyn Source| {
        let params = Params::parse(query.as_deref().unwrap_or_default(), alerts::PARAMS)?;
        let filter = answers::alert_filter(&params)?;
        let after = params.after("after")?;
        let past = source.alerts(&filter, after.as_ref(), alerts::LIMIT).map(answers::lines);
        Ok(alerts::page(&alerts::View { now_ns: source.now_ns(), active: active(source), past, params }))
    };
    state.page(work).await
}

fn find_alert(source: &dyn Source, id: &str) -> Result<Arc<Alert>, Refusal> {
    let here = source.active_alerts().into_iter().find(|alert| alert.id == id);
    let alert = match here {
        Some(alert) => Some(alert),
        None => source.alert(id)?,
    };
    alert.ok_or_else(|| Refusal::Nothing(Problem::new("there is no such alert: /alerts lists those that are kept")))
}

async fn alert_page(Extract(state): Extract<State>, Path(id): Path<String>) -> Response {
    let work = move |source: &dyn Source| {
        let alert = find_alert(source, &id)?;
        Ok(alerts::alert(&alert, firing(source)))
    };
    state.page(work).await
}

async fn nodes_json(Extract(state): Extract<State>, RawQuery(query): RawQuery) -> Response {
    state.json(move |source| answers::nodes(source, query.as_deref().unwrap_or_default())).await
}

async fn node_json(Extract(state): Extract<State>, Path(name): Path<String>, RawQuery(query): RawQuery) -> Response {
    let work = move |source: &dyn Source| {
        Params::parse(query.as_deref().unwrap_or_default(), &NODE.known())?;
        source.node(&name).ok_or_else(|| no_node(&name))
    };
    state.json(work).await
}

async fn index_json(Extract(state): Extract<State>, RawQuery(query): RawQuery) -> Response {
    let work = move |source: &dyn Source| {
        Params::parse(query.as_deref().unwrap_or_default(), &INDEX.known())?;
        Ok(source.fleet())
    };
    state.json(work).await
}

async fn alerts_json(Extract(state): Extract<State>, RawQuery(query): RawQuery) -> Response {
    state.json(move |source| answers::alerts(source, query.as_deref().unwrap_or_default())).await
}

async fn alert_json(Extract(state): Extract<State>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Response {
    let work = move |source: &dyn Source| {
        Params::parse(query.as_deref().unwrap_or_default(), &ALERT.known())?;
        find_alert(source, &id)
    };
    state.json(work).await
}

async fn range_json(Extract(state): Extract<State>, RawQuery(query): RawQuery) -> Response {
    let work = move |source: &dyn Source| {
        let question = query_range::question(query.as_deref().unwrap_or_default(), source.now_ns())?;
        query_range::answer(source, &question)
    };
    state.json(work).await
}
