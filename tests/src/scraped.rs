//! A node that does not exist, and its `/metrics`: kpulse's own text, out of samples.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use kpulse::{
    expose::collector::{CONTENT_TYPE, Exposition},
    sample::Sample,
    status::{Snapshot, Status},
};

use crate::{receiver::Listening, wait::patience};

/// A node that can be scraped, until this is dropped.
pub struct Scraped {
    exposition: Exposition,
    listening: Listening,
}

impl Scraped {
    /// Starts it with the first sample.
    ///
    /// # Panics
    ///
    /// If a metric's definition is not valid.
    pub fn start(sample: Sample) -> Self {
        let exposition = Exposition::new(2_000).expect("valid definitions");
        let served = exposition.clone();
        let listening = Listening::start(move |stream| {
            // Who scrapes asks again after an error.
            let _ = answer(&stream, &served);
        });
        let node = Self { exposition, listening };
        node.show(sample);
        node
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// Takes up the next sample.
    pub fn show(&self, sample: Sample) {
        let snapshot = Snapshot {
            sample: sample.into(),
            window: None,
            indices: Vec::new().into(),
            baselines: Vec::new(),
            status: Status::default(),
            alerts: Vec::new(),
        };
        self.exposition.observe(&Arc::new(snapshot));
    }
}

fn answer(stream: &TcpStream, exposition: &Exposition) -> std::io::Result<()> {
    stream.set_read_timeout(Some(patience()))?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        if line.trim_end().is_empty() {
            let text = exposition.render().map_err(std::io::Error::other)?;
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {}\r\n\r\n", text.len());
            (&mut &*stream).write_all(&[head.as_bytes(), &text].concat())?;
        }
        line.clear();
    }
    Ok(())
}
