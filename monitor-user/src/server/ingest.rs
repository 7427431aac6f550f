//! One batch, from the head of the request to the acknowledgement.
//!
//! In: `POST /api/v1/reports`. Out: an [`wire::Answer`] with status 200 once the reports are on disk, or a status that says what to do:
//!
//! | status | why | what an agent does |
//! |---|---|---|
//! | 400 | no batch of reports | does not send it again |
//! | 401, 403 | no token, none that is valid, or one of another node | waits for its operator |
//! | 408 | the body came too slowly | sends it again |
//! | 409 | another machine has this name | waits for its operator |
//! | 413 | too large | sends fewer at once |
//! | 415 | not protobuf, or packed by something other than gzip | does not send it again |
//! | 426 | of a later version | waits for the server to be brought up to date |
//! | 429, 503 | no room, or no disk | sends it again after `Retry-After` |
//!
//! Who it is comes first: of who may not send anything nothing but the head is read.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use axum::{
    body::Body,
    extract::{Extension, Request, State},
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use prost::Message as _;

use super::{
    auth::{Peer, Sends},
    body::{self, Trouble},
    figures::Outcome,
    routes::Shared,
};
use crate::{
    fleet::{Now, Registry, Turned},
    report::{
        check::{self, Refused},
        envelope::{Envelope, Malformed},
        wire,
    },
    store::{Incoming, Unavailable},
};

/// Bodies above this length are read a few at a time, so that no number of them takes much memory.
const LARGE: u64 = 256 << 10;
/// So many of them.
pub const AT_ONCE: usize = 8;
/// Seconds after which a full queue may have room.
const QUEUE_FULL: &str = "5";
/// Seconds after which a disk may be there again.
const STORE_DOWN: &str = "10";
/// Seconds after which an operator may have made room for more nodes.
const NODES_FULL: &str = "300";

/// Why nothing of a batch was taken.
struct Turn {
    outcome: Outcome,
    status: StatusCode,
    why: String,
    retry_after: Option<&'static str>,
}

impl Turn {
    fn new(outcome: Outcome, status: StatusCode, why: impl ToString) -> Self {
        Self { outcome, status, why: why.to_string(), retry_after: None }
    }
}

/// The route.
pub async fn reports(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let begun = Instant::now();
    match take(&shared, &peer, request).await {
        Ok(answer) => {
            shared.figures.count(Outcome::Taken);
            shared.figures.acknowledged.add(begun.elapsed());
            ([(CONTENT_TYPE, wire::CONTENT_TYPE)], answer.encode_to_vec()).into_response()
        }
        Err(turn) => {
            shared.figures.count(turn.outcome);
            tracing::debug!("a batch was turned away with status {}: {}", turn.status.as_u16(), turn.why);
            let mut response = (turn.status, format!("{}\n", turn.why)).into_response();
            if let Some(seconds) = turn.retry_after {
                response.headers_mut().insert(RETRY_AFTER, axum::http::HeaderValue::from_static(seconds));
            }
            if turn.status == StatusCode::UNAUTHORIZED {
                let scheme = axum::http::HeaderValue::from_static("Bearer realm=\"kpulse\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
            }
            response
        }
    }
}

async fn take(shared: &Shared, peer: &Peer, request: Request) -> Result<wire::Answer, Turn> {
    let (head, body) = request.into_parts();
    let sends = shared.gate.sends(peer, &head.headers).map_err(|refusal| {
        let status = refusal.status();
        let known = status == StatusCode::FORBIDDEN;
        Turn::new(if known { Outcome::Forbidden } else { Outcome::Unauthorized }, status, refusal)
    })?;
    let packed = form(&head.headers)?;
    let body = read(shared, &head.headers, body, packed).await?;
    let batch = match body.len() as u64 > LARGE {
        // So long a decoding would hold up the others of this thread.
        true => tokio::task::spawn_blocking(move || Batch::open(body)).await.unwrap_or_else(|error| {
            Err(Turn::new(Outcome::Malformed, StatusCode::BAD_REQUEST, format!("the batch was too much: {error}")))
        })?,
        false => Batch::open(body)?,
    };
    let batch = may(&sends, batch)?;
    store(shared, batch).await
}

/// Whether the body is packed.
fn form(headers: &HeaderMap) -> Result<bool, Turn> {
    let unsupported = |why| Turn::new(Outcome::Unsupported, StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?").trim().to_ascii_lowercase());
    if let Some(kind) = text(CONTENT_TYPE).filter(|kind| kind.split(';').next() != Some(wire::CONTENT_TYPE)) {
        return Err(unsupported(format!("the body must be {}, not {kind:.100}", wire::CONTENT_TYPE)));
    }
    match text(CONTENT_ENCODING).as_deref() {
        None | Some("identity" | "") => Ok(false),
        Some("gzip") => Ok(true),
        Some(other) => Err(unsupported(format!("the body may be packed by gzip, not by {other:.100}"))),
    }
}

async fn read(shared: &Shared, headers: &HeaderMap, body: Body, packed: bool) -> Result<Bytes, Turn> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    // One that does not say how long it is may be long.
    let turn = match announced.is_none_or(|length| length > LARGE) {
        true => shared.large.acquire().await.ok(),
        false => None,
    };
    let trouble = |trouble: Trouble| {
        let (outcome, status) = match trouble {
            Trouble::TooLarge | Trouble::Bomb => (Outcome::TooLarge, StatusCode::PAYLOAD_TOO_LARGE),
            Trouble::Slow => (Outcome::TooSlow, StatusCode::REQUEST_TIMEOUT),
            Trouble::Broken | Trouble::NotGzip => (Outcome::Malformed, StatusCode::BAD_REQUEST),
        };
        Turn::new(outcome, status, trouble)
    };
    let body = body::read(body, announced).await.map_err(trouble)?;
    shared.figures.bytes.fetch_add(body.len() as u64, Relaxed);
    drop(turn);
    // At most one a thread is unpacked at a time: that bounds the memory by itself.
    if packed { body::unpack(&body).map_err(trouble) } else { Ok(body) }
}

/// A batch that can be read.
struct Batch {
    sender: wire::Sender,
    lost: Option<wire::Lost>,
    sent_ns: u64,
    /// Each report as it came and as what it is, or why it is refused.
    reports: Vec<Result<Taken, Refused>>,
}

impl Batch {
    fn open(body: Bytes) -> Result<Self, Turn> {
        let Envelope { sender, reports, lost, sent_ns, .. } = Envelope::open(body).map_err(|malformed| {
            let (outcome, status) = match malformed {
                Malformed::TooLarge { .. } | Malformed::TooMany { .. } => {
                    (Outcome::TooLarge, StatusCode::PAYLOAD_TOO_LARGE)
                }
                Malformed::TooNew { .. } => (Outcome::TooNew, StatusCode::UPGRADE_REQUIRED),
                Malformed::Undecodable(_) | Malformed::Sender(_) => (Outcome::Malformed, StatusCode::BAD_REQUEST),
            };
            Turn::new(outcome, status, malformed)
        })?;
        let nobody = || Turn::new(Outcome::Malformed, StatusCode::BAD_REQUEST, "the batch is of nobody");
        let read = |bytes: Bytes| {
            // The body goes as soon as it is read; a report stays for minutes.
            let own = Bytes::copy_from_slice(&bytes);
            check::decode(&own).map(|report| (report, own))
        };
        Ok(Self { sender: sender.ok_or_else(nobody)?, lost, sent_ns, reports: reports.into_iter().map(read).collect() })
    }
}

fn may(sends: &Sends, batch: Batch) -> Result<Batch, Turn> {
    let forbidden = |refusal| Turn::new(Outcome::Forbidden, StatusCode::FORBIDDEN, refusal);
    sends.allows(&batch.sender.node).map_err(forbidden)?;
    Ok(batch)
}

/// Puts on disk what can be, and says what became of each.
async fn store(shared: &Shared, batch: Batch) -> Result<wire::Answer, Turn> {
    let Batch { sender, lost, sent_ns, reports } = batch;
    let now = shared.clock.now();
    let mut answer = wire::Answer { version: wire::VERSION, ..wire::Answer::default() };
    let (taken, refused) = sort(&shared.registry, &sender, reports, now).map_err(turned)?;
    for refused in refused {
        shared.figures.refused[refused.reason as usize].fetch_add(1, Relaxed);
        tracing::debug!("of {:?}: {refused}", sender.node);
        answer.refused.push(refused.into());
    }
    if !taken.is_empty() {
        shared.store.submit(incoming(&sender, &taken, now)).await.map_err(unavailable)?;
    }
    answer.stored = taken.iter().map(|(report, _)| report.sequence).collect();
    shared.figures.stored.fetch_add(answer.stored.len() as u64, Relaxed);
    shared.registry.stored(&sender, taken.into_iter(), lost, sent_ns, shared.clock.now());
    Ok(answer)
}

/// A report as it is, and as it came.
type Taken = (wire::Report, Bytes);

/// Those that may be stored, and those that are refused.
fn sort(
    registry: &Registry,
    sender: &wire::Sender,
    reports: Vec<Result<Taken, Refused>>,
    now: Now,
) -> Result<(Vec<Taken>, Vec<Refused>), Turned> {
    let unreadable = reports.iter().filter(|report| report.is_err()).count() as u64;
    let readable = reports.iter().filter_map(|report| report.as_ref().ok()).map(|(report, _)| report);
    let mut admission = registry.admit(sender, readable, unreadable, now)?.into_iter();
    let (mut taken, mut refused) = (Vec::with_capacity(reports.len()), Vec::new());
    for report in reports {
        match report.and_then(|report| admission.next().unwrap_or(Ok(())).map(|()| report)) {
            Ok(report) => taken.push(report),
            Err(why) => refused.push(why),
        }
    }
    Ok((taken, refused))
}

/// Has the bytes taken up as a body, whatever they are, by `registry`, at a time at which its last report may come; gives what was taken
/// and when: for [`crate::fuzz`].
pub(crate) fn take_anything(registry: &Registry, body: &[u8], packed: bool) -> Option<(Vec<wire::Report>, Now)> {
    let body = if packed { body::unpack(body).ok()? } else { Bytes::copy_from_slice(body) };
    let Batch { sender, lost, sent_ns, reports } = Batch::open(body).ok()?;
    let end_ns = reports.iter().flatten().last().map_or(sent_ns, |(report, _)| report.end_ns);
    // No clock of a server goes beyond the year 2116.
    let end_ns = end_ns.min(1 << 62);
    let now = Now { steady_ns: end_ns, wall_ns: end_ns };
    let (taken, refused) = sort(registry, &sender, reports, now).ok()?;
    refused.into_iter().for_each(|refused| drop(wire::Refusal::from(refused)));
    incoming(&sender, &taken, now);
    let reports = taken.iter().map(|(report, _)| report.clone()).collect();
    registry.stored(&sender, taken.into_iter(), lost, sent_ns, now);
    Some((reports, now))
}

fn incoming(sender: &wire::Sender, taken: &[Taken], now: Now) -> Vec<Incoming> {
    let one = |(report, bytes): &Taken| Incoming {
        node: sender.node.clone(),
        sender: sender.clone(),
        sequence: report.sequence,
        end_ns: report.end_ns,
        received_ns: now.wall_ns,
        bytes: bytes.clone(),
    };
    taken.iter().map(one).collect()
}

fn turned(turned: Turned) -> Turn {
    match turned {
        Turned::Conflict(_) => Turn::new(Outcome::Conflict, StatusCode::CONFLICT, turned),
        Turned::Full(_) => Turn {
            retry_after: Some(NODES_FULL),
            ..Turn::new(Outcome::NodesFull, StatusCode::SERVICE_UNAVAILABLE, turned)
        },
    }
}

fn unavailable(unavailable: Unavailable) -> Turn {
    let (outcome, status, seconds) = match unavailable {
        Unavailable::Full => (Outcome::QueueFull, StatusCode::TOO_MANY_REQUESTS, QUEUE_FULL),
        _ => (Outcome::StoreDown, StatusCode::SERVICE_UNAVAILABLE, STORE_DOWN),
    };
    Turn { retry_after: Some(seconds), ..Turn::new(outcome, status, unavailable) }
}
