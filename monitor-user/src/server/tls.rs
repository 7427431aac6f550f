//! Certificates: the server's own, and those that prove the name of a node. Read again when their files change, so that they rotate
//! without a restart; what cannot be used leaves the old ones in force.
//!
//! In: paths. Out: a rustls configuration with ring, and the names in a client's certificate.

use std::{
    fmt, fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;
use x509_parser::{extensions::GeneralName, prelude::parse_x509_certificate};

use crate::config;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {path}: {why}", path = path.display())]
pub struct Error {
    key: &'static str,
    path: PathBuf,
    why: String,
}

/// What tells a file from one that was changed.
type Stamp = Option<(u64, i64, i64, u64)>;

/// See the module.
#[derive(Debug)]
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    current: RwLock<(Arc<ServerConfig>, [Stamp; 3])>,
}

impl Tls {
    /// As configured; absent without a certificate.
    ///
    /// # Errors
    ///
    /// If a file cannot be used.
    pub fn open(settings: &config::Tls) -> Result<Option<Self>, Error> {
        let (Some(cert), Some(key)) = (&settings.cert_file, &settings.key_file) else { return Ok(None) };
        let client_ca = settings.client_ca_file.clone();
        let stamps = stamps(cert, key, client_ca.as_deref());
        let config = load(cert, key, client_ca.as_deref())?;
        let current = RwLock::new((Arc::new(config), stamps));
        Ok(Some(Self { cert: cert.clone(), key: key.clone(), client_ca, current }))
    }

    /// For the next connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.current.read().unwrap_or_else(PoisonError::into_inner).0.clone().into()
    }

    /// Whether certificates of clients are taken.
    pub fn knows_clients(&self) -> bool {
        self.client_ca.is_some()
    }

    /// Reads the files again if one has changed. True if they are in force now.
    ///
    /// # Errors
    ///
    /// If a file cannot be used; said once for each change.
    pub fn refresh(&self) -> Result<bool, Error> {
        let stamps = stamps(&self.cert, &self.key, self.client_ca.as_deref());
        if stamps == self.current.read().unwrap_or_else(PoisonError::into_inner).1 {
            return Ok(false);
        }
        let loaded = load(&self.cert, &self.key, self.client_ca.as_deref());
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.1 = stamps;
        current.0 = Arc::new(loaded?);
        Ok(true)
    }
}

fn stamps(cert: &Path, key: &Path, client_ca: Option<&Path>) -> [Stamp; 3] {
    let stamp = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len()))
    };
    [stamp(cert), stamp(key), client_ca.and_then(stamp)]
}

fn load(cert: &Path, key: &Path, client_ca: Option<&Path>) -> Result<ServerConfig, Error> {
    let wrong = |key: &'static str, path: &Path, why: &dyn fmt::Display| Error {
        key,
        path: path.to_owned(),
        why: why.to_string(),
    };
    let in_cert = |why: &dyn fmt::Display| wrong("tls.cert_file", cert, why);
    let in_key = |why: &dyn fmt::Display| wrong("tls.key_file", key, why);
    let chain = certificates(cert).map_err(|why| in_cert(&why))?;
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| in_key(&format!("expected a private key in PEM (-----BEGIN PRIVATE KEY-----): {error}")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| in_cert(&error))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let in_ca = |why: &dyn fmt::Display| wrong("tls.client_ca_file", path, why);
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path).map_err(|why| in_ca(&why))? {
                roots.add(certificate).map_err(|error| in_ca(&error))?;
            }
            // Who has a token needs no certificate; one that is shown must be right.
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| in_ca(&error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, secret).map_err(|error| in_key(&error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = fs::read(path).map_err(|error| error.to_string())?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| error.to_string())?;
    match found.is_empty() {
        true => Err("expected certificates in PEM (-----BEGIN CERTIFICATE-----), found none".into()),
        false => Ok(found),
    }
}

/// The names that a certificate proves: its common name, and the DNS names among its alternative names.
pub fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = parse_x509_certificate(certificate) else { return Vec::new() };
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let mut names: Vec<String> = common.map(ToOwned::to_owned).collect();
    if let Ok(Some(alternative)) = certificate.subject_alternative_name() {
        let dns = alternative.value.general_names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        });
        names.extend(dns);
    }
    names.sort();
    names.dedup();
    names
}
