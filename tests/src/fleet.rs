//! The server of a fleet as a process of its own, and clients of its protocol that are as strict or as rude as a test wants.

use std::{
    io::{self, BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{ChildStderr, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use kpulse::report::wire;
use prost::Message as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};

use crate::{agent, guard::Running, wait};

/// A server that runs, killed when this is dropped.
pub struct Server {
    running: Running,
    log: Arc<Mutex<Vec<String>>>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts it with its state in `state`, and waits until it listens.
    ///
    /// # Panics
    ///
    /// If it ends, or does not listen in time.
    pub fn start(state: &Path, arguments: &[String]) -> Self {
        let mut command = command(state, arguments);
        let mut running = Running::start(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        let log = Arc::default();
        keep(running.0.stderr.take(), Arc::clone(&log));
        let said = || log.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
        let address = wait::until("the server's address", || {
            let ended = running.0.try_wait().expect("our own child");
            assert!(ended.is_none(), "the server ended at once: {ended:?}\n{}", said());
            let said = said();
            let (_, rest) = said.split_once("listening on http")?;
            rest.split_once("://")?.1.split('/').next()?.parse().ok()
        });
        Self { running, log, address }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.running.0.id()
    }

    /// Its resident memory in bytes.
    pub fn resident(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.pid())).unwrap_or_default();
        statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
    }

    /// Ends it by a signal, and says how it ended.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn end(mut self, signal: i32) -> ExitStatus {
        // SAFETY: our own child, not yet waited for.
        unsafe { libc::kill(self.pid() as i32, signal) };
        wait::until("the server's end", || self.running.0.try_wait().expect("our own child"))
    }
}

/// `kpulse server` with these arguments.
pub fn command(state: &Path, arguments: &[String]) -> Command {
    let mut command = agent::command(["server"]);
    command.env_remove("KPULSE_STATE_DIR").arg("--state-dir").arg(state);
    if !arguments.iter().any(|argument| argument == "--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command.args(arguments);
    command
}

fn keep(stream: Option<ChildStderr>, log: Arc<Mutex<Vec<String>>>) {
    thread::spawn(move || {
        for line in stream.into_iter().flat_map(|stream| BufReader::new(stream).lines()).map_while(Result::ok) {
            log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
}

/// A token made by `kpulse token create`.
///
/// # Panics
///
/// If there is none.
pub fn token(state: &Path, role: &str, name: &str) -> String {
    token_command(state, &["create", role, name]).trim().to_owned()
}

/// What `kpulse token` says.
///
/// # Panics
///
/// If it fails.
pub fn token_command(state: &Path, arguments: &[&str]) -> String {
    let mut command = agent::command(["token"]);
    command.env_remove("KPULSE_STATE_DIR").args(arguments).arg("--state-dir").arg(state);
    let output = agent::run(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A new one.
    ///
    /// # Panics
    ///
    /// Never, as far as is known.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "kpulse tests");
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    /// Its own certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate and its key, of somebody with this name, for ever or until yesterday.
    ///
    /// # Panics
    ///
    /// If the name is none.
    pub fn issue(&self, name: &str, expired: bool) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.into(), "127.0.0.1".into()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        if expired {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// What a client needs that trusts this authority, with a certificate of its own or without.
    ///
    /// # Panics
    ///
    /// If the certificate is none.
    pub fn client(&self, own: Option<&(String, String)>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem().as_bytes()).expect("PEM")).expect("an authority");
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("TLS")
            .with_root_certificates(roots);
        Arc::new(match own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM"),
                )
                .expect("a certificate"),
        })
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes both ways.
pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// One connection, kept for several requests.
pub struct Client {
    stream: Box<dyn Stream>,
    token: Option<String>,
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// 200 and so on.
    pub status: u16,
    /// The head, in lower case.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body of a 200.
    ///
    /// # Panics
    ///
    /// If it is none.
    pub fn report(&self) -> wire::Answer {
        assert_eq!(self.status, 200, "{}", self.text());
        wire::Answer::decode(&*self.body).expect("an answer in protobuf")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    /// Connects; with TLS if `tls` says how.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    pub fn connect(address: SocketAddr, tls: Option<&Arc<ClientConfig>>, token: Option<&str>) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, wait::patience())?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.set_write_timeout(Some(Duration::from_secs(60)))?;
        let stream: Box<dyn Stream> = match tls {
            None => Box::new(stream),
            Some(config) => {
                let name = ServerName::from(address.ip());
                let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(connection, stream))
            }
        };
        Ok(Self { stream, token: token.map(ToOwned::to_owned) })
    }

    /// Sends a request with these headers and this body, and reads the answer.
    ///
    /// # Errors
    ///
    /// Whatever the system says, or if the answer is not complete.
    pub fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        let length = body.len().to_string();
        let mut all = headers.to_vec();
        all.push(("Content-Length", &length));
        self.head(method, path, &all)?;
        self.stream.write_all(body)?;
        self.stream.flush()?;
        self.answer()
    }

    /// Sends the head of a request alone.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    pub fn head(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> io::Result<()> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: kpulse\r\n");
        if let Some(token) = &self.token {
            head += &format!("Authorization: Bearer {token}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        self.stream.write_all(format!("{head}\r\n").as_bytes())?;
        self.stream.flush()
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// Whatever the system says, or if it is not complete.
    pub fn answer(&mut self) -> io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let wrong = || io::Error::other(format!("no answer: {head}"));
        let status = head.strip_prefix("http/1.1 ").and_then(|rest| rest.split(' ').next()?.parse().ok());
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let mut body = vec![0; length.ok_or_else(wrong)?];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status: status.ok_or_else(wrong)?, head, body })
    }

    /// Posts a batch.
    ///
    /// # Errors
    ///
    /// As [`Self::request`].
    pub fn post(&mut self, batch: &wire::Batch) -> io::Result<Answer> {
        self.request("POST", "/api/v1/reports", &[("Content-Type", wire::CONTENT_TYPE)], &batch.encode_to_vec())
    }
}

/// Now, in nanoseconds since 1970.
pub fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// Who reports as a node that does not exist.
pub fn sender(node: &str) -> wire::Sender {
    wire::Sender {
        node: node.into(),
        machine: node.as_bytes().to_vec(),
        boot_id: "5c2a8a36-boot".into(),
        instance: 1,
        agent_version: "test".into(),
    }
}

/// A report of the second that ends now: a thousand reads of `mean_us` each, and as many waits.
pub fn report(sequence: u64, mean_us: u64) -> wire::Report {
    let ns = mean_us * 1_000_000;
    let times = |ns| Some(wire::Histogram { sum_ns: ns, gaps: vec![120], counts: vec![1000] });
    let size = wire::Size {
        size: 1,
        requests: 1000,
        bytes: 4_096_000,
        timed: 1000,
        queue_ns: ns / 10,
        device_ns: ns - ns / 10,
    };
    let operation = wire::Operation { operation: 0, sizes: vec![size], total: times(ns), ..Default::default() };
    let device = wire::Device {
        name: "nvme0n1".into(),
        class: wire::Class::Nvme.into(),
        operations: vec![operation],
        ..Default::default()
    };
    wire::Report {
        sequence,
        end_ns: now_ns(),
        length_ns: 1_000_000_000,
        sched: Some(wire::Sched { wait: times(20_000_000), switches: 1000, ..Default::default() }),
        block: Some(wire::Block { devices: vec![device], ..Default::default() }),
        ..Default::default()
    }
}

/// A batch of these, sent now.
pub fn batch(node: &str, reports: Vec<wire::Report>) -> wire::Batch {
    wire::Batch { version: wire::VERSION, sender: Some(sender(node)), reports, sent_ns: now_ns(), ..Default::default() }
}

/// Writes the server's certificate and key, and gives the arguments that name them.
///
/// # Panics
///
/// If they cannot be written.
pub fn write_certificates(folder: &Path, authority: &Authority) -> Vec<String> {
    write_certificates_of(folder, authority, "localhost")
}

/// The same for a server of this name or address.
///
/// # Panics
///
/// If they cannot be written.
pub fn write_certificates_of(folder: &Path, authority: &Authority, name: &str) -> Vec<String> {
    let (certificate, key) = authority.issue(name, false);
    let path = |path: PathBuf| path.display().to_string();
    vec![
        "--tls-key-file".into(),
        path(replace(folder, "key.pem", &key)),
        "--tls-cert-file".into(),
        path(replace(folder, "cert.pem", &certificate)),
    ]
}

/// Puts a file in place at once, as a careful operator does.
///
/// # Panics
///
/// If that fails.
pub fn replace(folder: &Path, name: &str, content: &str) -> PathBuf {
    let (path, beside) = (folder.join(name), folder.join(format!("{name}.new")));
    std::fs::write(&beside, content).expect("a file of our own");
    std::fs::rename(&beside, &path).expect("a file of our own");
    path
}
