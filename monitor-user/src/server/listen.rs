//! A bounded number of connections, none of which can be held for ever.
//!
//! In: a socket, certificates. Out: requests to the routes, with who is at the other end. Plain HTTP on a port that speaks TLS is
//! answered in plain text, so that whoever made the mistake sees it.

use std::{
    future::Future,
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use axum::{Router, body::Body, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tower_service::Service as _;

use super::{
    auth::Peer,
    pulse::{MANNERS, Pulse, STRANGERS},
    routes::Shared,
    tls::{self, Tls},
};
use crate::expose::server::Patient;

/// How long a connection may rest between two requests: longer than agents do.
pub const IDLE: Duration = Duration::from_secs(120);
/// How long answers under way have at shutdown.
const GRACE: Duration = Duration::from_secs(3);
/// How long to wait when no file descriptor is left for another connection.
const RETRY: Duration = Duration::from_millis(100);
/// The first byte of every TLS connection: a record of the handshake.
const HANDSHAKE: u8 = 0x16;
/// What plain text is answered.
const SPEAKS_TLS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 36\r\n\r\n\
this port speaks TLS: use https://\r\n";

/// Serves until `shutdown`, and ends within a few seconds of it, whatever the clients do.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    clients: usize,
    router: Router,
    shared: Arc<Shared>,
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(clients.max(1)));
    let strangers = Arc::new(Semaphore::new(STRANGERS));
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let accept = async {
        loop {
            // The places come first: who has none waits in the backlog, not in this process.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let Ok(stranger) = Arc::clone(&strangers).acquire_owned().await else { return };
            let stream = loop {
                match listener.accept().await {
                    Ok((stream, _)) => break stream,
                    Err(error) => {
                        tracing::warn!(%error, "a client could not be accepted: raise the limit of open files");
                        sleep(RETRY).await;
                    }
                }
            };
            while connections.try_join_next().is_some() {}
            // An acknowledgement is one small packet: it must not wait for a second.
            let _ = stream.set_nodelay(true);
            let connection = Connection {
                tls: tls.clone(),
                router: router.clone(),
                shared: shared.clone(),
                stopped: stopped.clone(),
            };
            connections.spawn(connection.serve(stream, stranger, place));
        }
    };
    tokio::select! {
        () = shutdown => {}
        () = accept => {}
    }
    drop(listener);
    stop.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, all).await.is_err() {
        connections.shutdown().await;
    }
}

struct Connection {
    tls: Option<Arc<Tls>>,
    router: Router,
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
}

impl Connection {
    async fn serve(self, stream: TcpStream, stranger: OwnedSemaphorePermit, _place: OwnedSemaphorePermit) {
        let figures = Arc::clone(&self.shared);
        figures.figures.connections.fetch_add(1, Relaxed);
        let pulse = Pulse::of(stranger);
        match self.tls.clone() {
            None => self.talk(stream, Peer { names: None, pulse }).await,
            Some(tls) => match timeout(MANNERS, greet(&tls, stream)).await {
                Ok(Ok((stream, names))) => self.talk(stream, Peer { names, pulse }).await,
                Ok(Err(error)) => {
                    figures.figures.handshakes_failed.fetch_add(1, Relaxed);
                    tracing::debug!(%error, "TLS came to nothing");
                }
                Err(_) => _ = figures.figures.strangers.fetch_add(1, Relaxed),
            },
        }
        figures.figures.connections.fetch_sub(1, Relaxed);
    }

    async fn talk<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(mut self, stream: S, peer: Peer) {
        let pulse = Arc::clone(&peer.pulse);
        let router = self.router;
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer.clone());
            router.clone().call(request)
        });
        let io = TokioIo::new(Patient::new(stream, MANNERS));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE)
            .max_buf_size(16 << 10)
            .serve_connection(io, service);
        tokio::pin!(connection);
        let stopped = async {
            // An error means that the server is gone: the same.
            let _ = self.stopped.wait_for(|stopped| *stopped).await;
        };
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = pulse.lost_patience() => {
                self.shared.figures.strangers.fetch_add(1, Relaxed);
                Ok(())
            }
            () = stopped => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "a client's connection was closed");
        }
    }
}

type Names = Option<Arc<[String]>>;

/// TLS, and the names of the client if it has a certificate.
async fn greet(tls: &Tls, mut stream: TcpStream) -> io::Result<(tokio_rustls::server::TlsStream<TcpStream>, Names)> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first[0] != HANDSHAKE {
        stream.write_all(SPEAKS_TLS).await?;
        stream.shutdown().await?;
        // What was sent is read, or the answer would be lost with it.
        let mut rest = [0; 1024];
        for _ in 0..64 {
            if stream.read(&mut rest).await? == 0 {
                break;
            }
        }
        return Err(io::Error::other("plain text on the port that speaks TLS"));
    }
    let stream = tls.acceptor().accept(stream).await?;
    let certificates = stream.get_ref().1.peer_certificates();
    let names = certificates.and_then(|chain| chain.first()).map(|certificate| tls::names(certificate).into());
    Ok((stream, names))
}
