//! Who we say that we are, to whom, and that nobody else learns of it.

use std::{
    fs, io,
    sync::{Arc, Mutex},
};

use tokio::net::TcpListener;
use tracing_subscriber::fmt::MakeWriter;

use super::{
    server::{Reply, status},
    *,
};

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Page {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[test]
fn a_secret_goes_where_it_is_meant_to_go_is_rotated_and_is_never_in_the_log() {
    let page = Page::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(page.clone()).finish();
    // All of it is on this thread, but for the journal, which knows no secret.
    let _log = tracing::subscriber::set_default(subscriber);
    on_one_thread(async {
        let folder = Folder::new();
        let [token, password] = ["token", "password"].map(|name| folder.path().join(name));
        fs::write(&token, "tok-hunter2-1\n").unwrap();
        fs::write(&password, "pass-hunter3\n").unwrap();
        // A server that says aloud what it was sent, in every way that ends in a message.
        let loud = |now: &server::Heard, before: &[server::Heard]| Reply {
            body: format!("{:?}", now.headers),
            ..status([500, 403, 422, 200][before.len().min(3)])
        };
        let [hook, manager, quiet] =
            [Server::start(loud).await, Server::start(loud).await, Server::start(|_, _| status(200)).await];
        let auth = Auth { token_file: Some(token.clone()), ..Auth::default() };
        let basic = Auth { username: Some("me".into()), password_file: Some(password), ..Auth::default() };
        let settings = Settings {
            webhooks: Endpoints { auth, ..endpoints(&[&hook]) },
            alertmanagers: Endpoints { auth: basic, ..endpoints(&[&manager]) },
            elasticsearch: endpoints(&[&quiet]),
            ..settings()
        };
        let notifier = start(&settings, &folder.path().join("journal"));
        record(&notifier, &life("a")).await;
        record(&notifier, &life("b")).await;
        delivered(&notifier, "webhook").await;
        delivered(&notifier, "alertmanager").await;
        fs::write(&token, "tok-hunter2-2").unwrap();
        let before = hook.heard().len();
        record(&notifier, &life("c")).await;
        delivered(&notifier, "webhook").await;
        until("the request that knows nothing", || !quiet.heard().is_empty()).await;
        assert_eq!(hook.heard()[0].header("authorization"), "Bearer tok-hunter2-1");
        assert_eq!(hook.heard()[before].header("authorization"), "Bearer tok-hunter2-2");
        assert_eq!(manager.heard()[0].header("authorization"), "Basic bWU6cGFzcy1odW50ZXIz");
        assert!(quiet.heard().iter().all(|heard| heard.header("authorization").is_empty()));
        // A file that is gone is trouble, not the end.
        fs::remove_file(&token).unwrap();
        record(&notifier, &life("d")).await;
        until("that it fails", || of(&notifier, "webhook").failed > 2).await;
        fs::write(&token, "tok-hunter2-3").unwrap();
        delivered(&notifier, "webhook").await;
        assert_eq!(hook.heard().last().unwrap().header("authorization"), "Bearer tok-hunter2-3");
        notifier.shutdown().await;
    });
    let log = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    for words in ["cannot be delivered", "was refused", "***", "an alert fires", "delivered again"] {
        assert!(log.contains(words), "{words:?} is not in the log:\n{log}");
    }
    for secret in ["hunter", "bWU6cGFzcy1odW50ZXIz"] {
        assert!(!log.contains(secret), "{secret:?} is in the log:\n{log}");
    }
}

#[test]
fn a_server_is_checked_against_the_certificates_of_the_file() {
    on_one_thread(async {
        let folder = Folder::new();
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let file = |name: &str, pem: String| {
            let path = folder.path().join(name);
            fs::write(&path, pem).unwrap();
            path
        };
        let (ours, others) = (file("ca", certified.cert.pem()), file("other", other.cert.pem()));
        let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                let service = hyper::service::service_fn(|_| async {
                    Ok::<_, std::convert::Infallible>(hyper::Response::new(String::new()))
                });
                let io = hyper_util::rt::TokioIo::new(stream);
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
            }
        });
        let url = Url::parse(&format!("https://localhost:{port}")).unwrap();
        let to = |ca_file| Settings {
            webhooks: Endpoints { urls: vec![url.clone()], auth: Auth::default() },
            ca_file: Some(ca_file),
            ..settings()
        };
        let notifier = start(&to(others), &folder.path().join("1"));
        record(&notifier, &life("a")).await;
        until("that it fails", || of(&notifier, "webhook").failed > 0).await;
        notifier.shutdown().await;
        let notifier = start(&to(ours), &folder.path().join("1"));
        delivered(&notifier, "webhook").await;
        assert_eq!(of(&notifier, "webhook").delivered, 2);
        notifier.shutdown().await;
        let (journal, _) = Journal::open(&folder.path().join("1"), Limits::default()).unwrap();
        let error = Notifier::start(&to(folder.path().join("none")), Node::default(), PACE, journal).err().unwrap();
        assert!(error.to_string().contains("notify.ca_file"), "{error}");
    });
}
