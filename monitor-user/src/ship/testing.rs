//! A server that is stricter than the real one: it takes whole batches only, in order, and knows every report it has ever got.

use std::{
    collections::{BTreeMap, VecDeque},
    io::Read as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};
use prost::Message as _;
use tokio::net::TcpListener;

use crate::report::{check, envelope::Envelope, wire};

/// What the server was sent and says.
#[derive(Default)]
pub(crate) struct Seen {
    /// How often each report came, by node, instance and sequence, and in which order they came first.
    pub(crate) reports: BTreeMap<(String, u64, u64), u64>,
    pub(crate) order: Vec<(u64, u64)>,
    /// What it says to the next requests, instead of looking at them: a status and headers.
    pub(crate) says: VecDeque<(u16, Vec<(&'static str, String)>)>,
    /// Sequences that it refuses.
    pub(crate) refuses: Vec<u64>,
    /// The most reports at once.
    pub(crate) most: usize,
    /// The latest batch's.
    pub(crate) lost: Option<wire::Lost>,
    pub(crate) authorization: Vec<String>,
    pub(crate) packed: u64,
}

/// A stub that listens on a port of its own.
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

impl Stub {
    pub(crate) async fn new() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), Arc::default()).await
    }

    /// With what another one has seen.
    pub(crate) async fn at(address: SocketAddr, seen: Arc<Mutex<Seen>>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/api/v1/reports", post(take)).with_state(seen.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, seen, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(seen): State<Arc<Mutex<Seen>>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut seen = seen.lock().unwrap();
    if let Some((status, headers)) = seen.says.pop_front() {
        let status = StatusCode::from_u16(status).unwrap();
        let headers: HeaderMap =
            headers.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        return (status, headers, "as told").into_response();
    }
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("content-type").as_deref(), Some(wire::CONTENT_TYPE));
    seen.authorization.extend(header("authorization"));
    let body = match header("content-encoding").as_deref() {
        Some("gzip") => {
            seen.packed += 1;
            let mut out = Vec::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut out).unwrap();
            out.into()
        }
        _ => body,
    };
    let envelope = Envelope::open(body).unwrap();
    if seen.most > 0 && envelope.reports.len() > seen.most {
        return (StatusCode::PAYLOAD_TOO_LARGE, "fewer").into_response();
    }
    let sender = envelope.sender.unwrap();
    let mut answer = wire::Answer { version: wire::VERSION, ..wire::Answer::default() };
    let mut before = 0;
    for bytes in &envelope.reports {
        let report = check::decode(bytes).unwrap();
        assert!(report.sequence > before, "out of order");
        before = report.sequence;
        if seen.refuses.contains(&report.sequence) {
            let (sequence, reason) = (report.sequence, "future".into());
            answer.refused.push(wire::Refusal { sequence, reason, detail: "as told".into() });
            continue;
        }
        answer.stored.push(report.sequence);
        let count = seen.reports.entry((sender.node.clone(), sender.instance, report.sequence)).or_default();
        *count += 1;
        if *count == 1 {
            seen.order.push((sender.instance, report.sequence));
        }
    }
    seen.lost = envelope.lost;
    answer.encode_to_vec().into_response()
}
