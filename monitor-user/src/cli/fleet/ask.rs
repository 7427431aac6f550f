//! One question to the server: connect, check its certificate, ask, read.

use std::{error::Error as _, ffi::OsString, fs, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use clap::ArgMatches;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{
    Request,
    header::{ACCEPT, AUTHORIZATION, USER_AGENT},
};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::ClientConfig;

use crate::{
    notify::{certificates, url::Url},
    site::params::Problem,
};

/// Where a server listens unless it is told otherwise.
pub const DEFAULT: &str = "http://127.0.0.1:9467";
/// The most of an answer that is read, in bytes: a thousand nodes take less than one of these MiB.
const LONGEST: usize = 64 << 20;
/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server, as the flags and the environment name it.
pub struct Server {
    url: Url,
    token: Option<String>,
    ca_file: Option<PathBuf>,
}

impl Server {
    /// By the flags, or else the environment.
    ///
    /// # Errors
    ///
    /// If the address is none, or the token cannot be read.
    pub fn of(args: &ArgMatches) -> Result<Self> {
        let given = |flag: &str, variable: &str| {
            let flag = args.get_one::<OsString>(flag).cloned();
            flag.or_else(|| std::env::var_os(variable)).filter(|value| !value.is_empty())
        };
        let url = given("server", "KPULSE_SERVER_URL").unwrap_or_else(|| DEFAULT.into());
        let url = url.to_string_lossy();
        let url = Url::parse(&url).map_err(|why| anyhow::anyhow!("{url:?} is no address of a server: {why}"))?;
        let token = match given("token-file", "KPULSE_READER_TOKEN_FILE").map(PathBuf::from) {
            Some(path) => {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("the token in {} cannot be read", path.display()))?;
                Some(text.trim().to_owned())
            }
            None => None,
        };
        Ok(Self { url, token, ca_file: given("ca-file", "KPULSE_SERVER_CA_FILE").map(PathBuf::from) })
    }

    /// Asks for a path, and gives the body of the answer.
    ///
    /// # Errors
    ///
    /// If there is no answer, or it is no.
    pub fn get(&self, path: &str) -> Result<Bytes> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE, self.ask(path)).await });
        let (status, body) = match answer {
            Ok(answer) => answer.with_context(|| format!("no server answers at {}", self.url.name()))?,
            Err(_) => bail!("the server at {} does not answer within {PATIENCE:?}", self.url.name()),
        };
        match status {
            200 => Ok(body),
            401 | 403 => bail!(
                "the server at {} says {status}: {}. Make a token with `kpulse token create --reader NAME` where the server is, and \
                 name its file with --token-file",
                self.url.name(),
                said(&body)
            ),
            _ => bail!("the server says {status}: {}", said(&body)),
        }
    }

    async fn ask(&self, path: &str) -> Result<(u16, Bytes)> {
        let tls = self.url.is_https();
        let roots = match tls {
            true => certificates::roots(self.ca_file.as_deref(), "--ca-file").map_err(|why| anyhow::anyhow!(why))?,
            false => rustls::RootCertStore::empty(),
        };
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().wrap_connector(tcp);
        let client: legacy::Client<_, Empty<Bytes>> = legacy::Client::builder(TokioExecutor::new()).build(connector);
        let mut request = Request::get(self.url.join(path))
            .header(USER_AGENT, concat!("kpulse/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let response = client.request(request.body(Empty::new())?).await.map_err(|error| {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            anyhow::anyhow!("{error}{cause}")
        })?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LONGEST).collect().await.map_err(|why| anyhow::anyhow!(why))?;
        Ok((status, body.to_bytes()))
    }

    /// What is wrong if the answer cannot be read.
    pub fn is_no_server(&self, path: &str) -> String {
        let name = self.url.name();
        format!("the answer to {path} cannot be read: is a kpulse server of this version at {name}, and not an agent?")
    }
}

/// What a refusal says, on one line.
fn said(body: &[u8]) -> String {
    let problem: Option<Problem> = serde_json::from_slice(body).ok();
    let text = match problem {
        Some(Problem { error, expected: Some(expected), .. }) => format!("{error}; expected {expected}"),
        Some(Problem { error, .. }) => error,
        None => String::from_utf8_lossy(&body[..body.len().min(500)]).into_owned(),
    };
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_line_with_what_was_expected() {
        let problem = serde_json::to_vec(&Problem::of("limit", "no", "a number")).unwrap();
        assert_eq!(said(&problem), "the parameter limit is wrong: no; expected a number");
        assert_eq!(said(b"no\x1b[31m token\n"), "no [31m token");
    }
}
