//! A server that keeps what it hears and answers as it is told.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::Response,
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use super::Url;

/// A request.
#[derive(Clone, Debug)]
pub struct Heard {
    /// When it came.
    pub at: Instant,
    /// Path and query.
    pub path: String,
    /// Name and value, as they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Heard {
    /// The value of a header.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// 200 and so on.
    pub status: u16,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// How long it waits before it answers.
    pub after: Duration,
}

/// An answer without anything but its status.
pub fn status(status: u16) -> Reply {
    Reply { status, ..Reply::default() }
}

/// A server on a port of its own.
pub struct Server {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts it. `answer` gets each request with all that came before.
    pub async fn start(answer: impl FnMut(&Heard, &[Heard]) -> Reply + Send + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), answer).await
    }

    /// Starts it at an address.
    pub async fn start_at(at: SocketAddr, answer: impl FnMut(&Heard, &[Heard]) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::<Mutex<Vec<Heard>>>::default();
        let (keep, answer) = (Arc::clone(&heard), Arc::new(Mutex::new(answer)));
        let app = Router::new().fallback(move |request: Request| {
            let (keep, answer) = (Arc::clone(&keep), Arc::clone(&answer));
            async move {
                let now = hear(request).await;
                let reply = {
                    let mut before = keep.lock().unwrap();
                    let reply = answer.lock().unwrap()(&now, &before);
                    before.push(now);
                    reply
                };
                tokio::time::sleep(reply.after).await;
                let mut response = Response::builder().status(reply.status);
                for (name, value) in reply.headers {
                    response = response.header(name, value);
                }
                response.body(Body::from(reply.body)).unwrap()
            }
        });
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, heard, task }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> Url {
        Url::parse(&format!("http://{}", self.address)).unwrap()
    }

    /// What it has heard so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn hear(request: Request) -> Heard {
    let (head, body) = request.into_parts();
    assert_eq!(head.method, "POST");
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap().to_owned();
    Heard {
        at: Instant::now(),
        path: head.uri.to_string(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap(),
    }
}
