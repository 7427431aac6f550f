//! The smallest client: one question to an agent, whose answer goes to a file as it comes.
//!
//! HTTP/1.1 as an agent speaks it (RFC 9112): an answer without a length is refused, since nobody would notice that it was
//! cut off.

use std::{
    fmt,
    io::{self, BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    str::FromStr,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long to wait for the next bytes. An agent on a node in trouble may be slow.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most bytes of the head of an answer.
const MAX_HEAD: u64 = 16 << 10;
/// The most bytes of a refusal that are shown.
const MAX_WORDS: u64 = 2_000;
/// The most bytes of a recording: more than `record.max_bytes` can be.
const MAX_BODY: u64 = 2 << 30;

/// Where an agent listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Name or address, and port.
    authority: String,
}

/// What is no address of an agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the address of an agent, such as http://127.0.0.1:9466: {0}")]
pub struct NoAgent(&'static str);

impl FromStr for Agent {
    type Err = NoAgent;

    fn from_str(text: &str) -> Result<Self, NoAgent> {
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(("https", _)) => return Err(NoAgent("an agent speaks plain HTTP")),
            Some(_) => return Err(NoAgent("it must begin with http://")),
            None => text,
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) || authority.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(NoAgent("nothing may follow the port"));
        }
        let (host, port) = authority.rsplit_once(':').ok_or(NoAgent("the port is missing"))?;
        if host.is_empty() || host.contains(':') && !host.starts_with('[') || port.parse::<u16>().is_err() {
            return Err(NoAgent("a name or an address, a colon and a port"));
        }
        Ok(Self { authority: authority.into() })
    }
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

impl Agent {
    /// The one that listens there.
    pub fn at(address: SocketAddr) -> Self {
        Self { authority: address.to_string() }
    }

    /// Writes the answer's body to `to`, all of it.
    ///
    /// # Errors
    ///
    /// If nobody answers, or it is no, or it is not complete.
    pub fn get(&self, path: &str, to: &mut impl Write) -> Result<()> {
        let stream = self.connect().with_context(|| {
            format!(
                "no agent answers at {self}: start one with `kpulse agent`, name another with --agent, or use --live"
            )
        })?;
        self.ask(stream, path, to).with_context(|| format!("{self}{path}"))
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut failure = io::Error::other("the name has no address");
        for address in self.authority.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(PATIENCE))?;
                    stream.set_write_timeout(Some(PATIENCE))?;
                    return Ok(stream);
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn ask(&self, mut stream: TcpStream, path: &str, to: &mut impl Write) -> Result<()> {
        let version = env!("CARGO_PKG_VERSION");
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: kpulse/{version}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
            self.authority
        )?;
        let mut stream = BufReader::new(stream);
        let head = head(&mut stream)?;
        if head.status != 200 {
            let mut words = Vec::new();
            // What it says beside the status helps; if it says nothing, the status has to do.
            let _ = stream.take(MAX_WORDS).read_to_end(&mut words);
            bail!("the agent says {}: {}", head.status, refusal(&words));
        }
        let length = head.length.context("the answer has no length: is this a kpulse agent?")?;
        ensure!(length <= MAX_BODY, "the answer has {length} bytes, more than any recording");
        let got = io::copy(&mut stream.take(length), to)?;
        ensure!(got == length, "the answer was cut off after {got} of {length} bytes");
        Ok(())
    }
}

/// What is of interest in the head of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    length: Option<u64>,
}

fn head(stream: &mut impl io::BufRead) -> Result<Head> {
    let mut lines = stream.take(MAX_HEAD);
    let mut line = || {
        let mut line = String::new();
        lines.read_line(&mut line).context("the answer has no head that can be read")?;
        let line = line.strip_suffix('\n').context("the answer's head is not complete")?;
        anyhow::Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
    };
    let first = line()?;
    let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    let status = status.context("the answer is not HTTP/1.1: is this a kpulse agent?")?;
    let mut length = None;
    loop {
        let line = line()?;
        match line.split_once(':') {
            _ if line.is_empty() => return Ok(Head { status, length }),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = Some(value.trim().parse().context("the answer's length is no number")?);
            }
            _ => {}
        }
    }
}

/// The words of a refusal: an agent puts them into JSON.
fn refusal(body: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let error = json.as_ref().and_then(|json| json.get("error")?.as_str()).map(str::to_owned);
    let text = error.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    // Whatever it is, it goes to a terminal.
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
