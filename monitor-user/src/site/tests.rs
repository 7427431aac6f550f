//! The routes as a browser and a program meet them, over a fleet that does not exist.

use std::sync::Arc;

use axum::{body::Body, http::Request};
use http_body_util::BodyExt as _;
use hyper::{HeaderMap, StatusCode};
use tower::ServiceExt as _;

use super::{routes::router, source::*};

#[allow(dead_code, reason = "the tests with a browser use the rest")]
#[path = "../../../tests/src/many.rs"]
pub mod story;

mod described;
mod pages;

use story::Story;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

/// What the routes answer.
async fn ask(path: &str) -> Answer {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router(Arc::new(Story::new(7))).oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answer { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

async fn json(path: &str) -> serde_json::Value {
    let answer = ask(path).await;
    assert_eq!(answer.headers["content-type"], "application/json", "{path}");
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn a_step_holds_its_end_and_not_its_beginning() {
    let span = Span { from_ns: 100, to_ns: 195, step_ns: 10 };
    assert_eq!(span.steps(), 10);
    assert_eq!(
        [100, 101, 110, 111, 195, 196].map(|at| span.step_of(at)),
        [None, Some(0), Some(0), Some(1), Some(9), None]
    );
    assert_eq!((span.end_of(0), span.end_of(9)), (110, 195));
    let nothing = Span { from_ns: 9, to_ns: 3, step_ns: 0 };
    assert_eq!((nothing.steps(), nothing.step_of(5), nothing.length_ns()), (1, None, 0));
}
