//! `/api/v1/recording`: what the flight recorder holds, as a file.
//!
//! A recording is some MiB. It is sent in the pieces that the recorder itself holds, so that many who ask at once take
//! little memory, and what has to be computed is computed off the thread of the collection.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
    vec,
};

use axum::{
    Json,
    body::Body,
    extract::State as Extract,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use serde_json::json;

use super::State;
use crate::recorder::{Shared, Tape};

/// Answers with the recording, or with the last `?seconds=N` of it.
pub async fn recording(Extract(state): Extract<State>, uri: Uri) -> Response {
    let Some(recorder) = state.recorder else {
        return refusal(StatusCode::NOT_FOUND, "this agent records nothing: set record.max_bytes above 0".into());
    };
    match seconds(uri.query().unwrap_or_default()) {
        Ok(reach) => answer(recorder, reach).await,
        Err(error) => refusal(StatusCode::BAD_REQUEST, error),
    }
}

fn seconds(query: &str) -> Result<Option<Duration>, String> {
    let mut reach = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let seconds = pair.strip_prefix("seconds=").and_then(|number| number.parse().ok()).filter(|&number| number > 0);
        let expected = || format!("{pair:?} is not understood: expected seconds=N with a whole number above 0");
        reach = Some(Duration::from_secs(seconds.ok_or_else(expected)?));
    }
    Ok(reach)
}

async fn answer(recorder: Shared, reach: Option<Duration>) -> Response {
    let tape = recorder.lock().tape();
    let cut = move || reach.map_or(tape.clone(), |reach| tape.last(reach));
    match tokio::task::spawn_blocking(cut).await {
        Ok(tape) if tape.is_empty() => refusal(StatusCode::SERVICE_UNAVAILABLE, "nothing is recorded yet".into()),
        Ok(tape) => file(&tape),
        Err(error) => {
            tracing::error!(%error, "the recording could not be cut");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("the recording could not be cut: {error}"))
        }
    }
}

fn file(tape: &Tape) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", tape.file_name())),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, Body::new(Pieces::new(tape))).into_response()
}

fn refusal(status: StatusCode, error: String) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

/// The body of an answer. Its length is known, so a client notices when it does not get all.
struct Pieces {
    pieces: vec::IntoIter<Arc<[u8]>>,
    left: u64,
}

impl Pieces {
    fn new(tape: &Tape) -> Self {
        let pieces: Vec<_> = tape.pieces().collect();
        Self { left: pieces.iter().map(|piece| piece.len() as u64).sum(), pieces: pieces.into_iter() }
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.next();
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(Bytes::from_owner(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
