//! One request with a batch. The token is read for each, and certificates are read again when their files have changed, so all of
//! them rotate without a restart.

use std::{fs, path::PathBuf, time::Duration, time::SystemTime};

use flate2::{Compression, write::GzEncoder};
use prost::Message as _;

use super::{Settings, spool::Batch};
use crate::{
    notify::{
        Auth, Url, certificates,
        client::{Answer, Client, Post, Trouble},
    },
    report::{envelope::Envelope, wire},
};

/// A body that is longer is packed: what waited comes in large batches.
const PACKED_FROM: usize = 8 << 10;

/// The way to the server.
pub struct Connection {
    url: Url,
    auth: Auth,
    ca_file: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
    timeout: Duration,
    client: Client,
    /// How the files were when the client was made.
    seen: Vec<Option<(SystemTime, u64)>>,
    /// Why changed files could not be taken up.
    told: Option<String>,
}

impl Connection {
    /// To the server at `url`.
    ///
    /// # Errors
    ///
    /// If the certificates cannot be read.
    pub fn new(url: Url, settings: &Settings, timeout: Duration) -> Result<Self, String> {
        let auth = Auth { token_file: settings.token_file.clone(), ..Auth::default() };
        let ca_file = settings.ca_file.clone();
        let identity = settings.cert_file.clone().zip(settings.key_file.clone());
        let seen = seen(&ca_file, &identity);
        let client = client(&url, &ca_file, &identity, timeout)?;
        Ok(Self { url, auth, ca_file, identity, timeout, client, seen, told: None })
    }

    /// Sends a batch.
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub async fn send(&mut self, batch: &Batch, sent_ns: u64) -> Result<Answer, Trouble> {
        self.refresh();
        let envelope = Envelope {
            version: wire::VERSION,
            sender: Some((*batch.sender).clone()),
            reports: batch.reports.iter().map(|report| report.bytes.clone()).collect(),
            lost: (batch.lost != wire::Lost::default()).then_some(batch.lost),
            sent_ns,
            waiting: batch.others,
        };
        let body = envelope.encode_to_vec();
        let (body, headers) = match packed(&body) {
            Some(packed) => (packed, vec![("content-encoding", "gzip".to_owned())]),
            None => (body, Vec::new()),
        };
        let url = self.url.join("/api/v1/reports");
        self.client.post(Post { url, content_type: wire::CONTENT_TYPE, headers, auth: &self.auth, body }).await
    }

    /// Takes up certificates that have changed. Wrong ones leave the old ones in force.
    fn refresh(&mut self) {
        let now = seen(&self.ca_file, &self.identity);
        if now == self.seen {
            return;
        }
        match client(&self.url, &self.ca_file, &self.identity, self.timeout) {
            Ok(client) => {
                tracing::info!("certificates for the server have changed and are in use");
                (self.client, self.seen, self.told) = (client, now, None);
            }
            Err(why) if self.told.as_ref() != Some(&why) => {
                tracing::error!("certificates for the server have changed and are not taken up: {why}");
                self.told = Some(why);
            }
            Err(_) => {}
        }
    }
}

fn client(
    url: &Url,
    ca_file: &Option<PathBuf>,
    identity: &Option<(PathBuf, PathBuf)>,
    timeout: Duration,
) -> Result<Client, String> {
    if !url.is_https() {
        return Client::new(false, None, timeout);
    }
    let roots = certificates::roots(ca_file.as_deref(), "server.ca_file")?;
    let identity = identity.as_ref().map(|(certificate, key)| (certificate.as_path(), key.as_path()));
    Ok(Client::with(certificates::client(roots, identity)?, timeout))
}

/// When each file was changed, and its length.
fn seen(ca_file: &Option<PathBuf>, identity: &Option<(PathBuf, PathBuf)>) -> Vec<Option<(SystemTime, u64)>> {
    let files = ca_file.iter().chain(identity.iter().flat_map(|(certificate, key)| [certificate, key]));
    files
        .map(|path| {
            let file = fs::metadata(path).ok()?;
            Some((file.modified().ok()?, file.len()))
        })
        .collect()
}

/// `None` if it is not worth it.
fn packed(body: &[u8]) -> Option<Vec<u8>> {
    use std::io::Write as _;
    if body.len() < PACKED_FROM {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}
