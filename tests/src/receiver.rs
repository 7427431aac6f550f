//! A server that keeps what it hears and answers as it is told, and a way to a server that is slow. Both are over when they
//! are dropped.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{http::Answer, wait::patience};

/// A request.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Path and query.
    pub path: String,
    /// Name in lower case, and value.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// What was answered; absent if nothing was.
    pub answered: Option<u16>,
}

impl Heard {
    /// The value of a header, empty without one.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// What listens at an address of its own.
pub struct Listening {
    /// Where.
    pub address: SocketAddr,
    over: Arc<AtomicBool>,
}

impl Listening {
    pub(crate) fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), serve)
    }

    fn start_at(address: SocketAddr, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let over = Arc::new(AtomicBool::new(false));
        let (ended, serve) = (Arc::clone(&over), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok).take_while(|_| !ended.load(Ordering::Relaxed)) {
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(stream));
            }
        });
        Self { address, over }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // It looks once more when somebody comes.
        let _ = TcpStream::connect(self.address);
    }
}

/// A server.
pub struct Receiver {
    listening: Listening,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Receiver {
    /// Starts it. `answer` gets each request and gives the status; without one the connection is closed.
    pub fn start(answer: impl Fn(&Heard) -> Option<u16> + Send + Sync + 'static) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), answer)
    }

    /// Starts it at this address.
    ///
    /// # Panics
    ///
    /// If that is taken.
    pub fn start_at(address: SocketAddr, answer: impl Fn(&Heard) -> Option<u16> + Send + Sync + 'static) -> Self {
        let heard = Arc::<Mutex<Vec<Heard>>>::default();
        let keep = Arc::clone(&heard);
        let listening = Listening::start_at(address, move |stream| {
            // An error is the end of the connection, and whose fault it is the test will find out.
            let _ = converse(&stream, |request| {
                let answered = answer(&request);
                keep.lock().unwrap_or_else(PoisonError::into_inner).push(Heard { answered, ..request });
                answered
            });
        });
        Self { listening, heard }
    }

    /// A server that is content with everything.
    pub fn content() -> Self {
        Self::start(|_| Some(200))
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// What it has heard so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn converse(stream: &TcpStream, mut answer: impl FnMut(Heard) -> Option<u16>) -> io::Result<()> {
    stream.set_read_timeout(Some(patience()))?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        let Some(status) = answer(request) else { return Ok(()) };
        // In one piece: otherwise each waits for the kernel to hear that the other side has got the piece before.
        let head = format!("HTTP/1.1 {status} As Told\r\nContent-Length: 0\r\n\r\n");
        (&mut &*stream).write_all(head.as_bytes())?;
    }
    Ok(())
}

fn read(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Heard>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let request = Heard { path, headers, body: String::new(), answered: None };
    let mut body = vec![0; request.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(Some(Heard { body: String::from_utf8_lossy(&body).into_owned(), ..request }))
}

/// A way to a server on which everything that is sent there takes so long.
pub fn slow_way(to: SocketAddr, delay: Duration) -> Listening {
    Listening::start(move |from| {
        let Ok(there) = TcpStream::connect(to) else { return };
        let (Ok(from_again), Ok(there_again)) = (from.try_clone(), there.try_clone()) else { return };
        thread::spawn(move || pass(there_again, from_again, Duration::ZERO));
        pass(from, there, delay);
    })
}

fn pass(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        thread::sleep(delay);
        if to.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

/// Sends a request on to where it was meant for.
///
/// # Errors
///
/// Whatever the system says, or if the answer is not complete.
pub fn forward(request: &Heard, to: SocketAddr) -> io::Result<Answer> {
    crate::http::post(to, &request.path, request.header("content-type"), &request.body)
}
