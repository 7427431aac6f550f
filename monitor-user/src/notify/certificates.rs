//! The certificates that servers are checked against, and the one that says who we are.

use std::{fmt, fs, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

/// Those of a file in PEM, or else the system's. `key` is what names the file in the configuration.
///
/// # Errors
///
/// If there are none, with what to do.
pub fn roots(ca_file: Option<&Path>, key: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        let wrong = |why: &dyn fmt::Display| format!("{key}: {}: {why}", path.display());
        let pem = fs::read(path).map_err(|error| wrong(&error))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
        if roots.is_empty() {
            return Err(wrong(&"expected certificates in PEM (-----BEGIN CERTIFICATE-----), found none"));
        }
        return Ok(roots);
    }
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(format!("no certificates to check servers against: install ca-certificates, or set {key}"));
    }
    Ok(roots)
}

/// How a client speaks TLS. `identity` is a certificate with those between it and its authority, and its key, both in PEM.
///
/// # Errors
///
/// If the identity cannot be read, is none, or its key is another's.
pub fn client(roots: RootCertStore, identity: Option<(&Path, &Path)>) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be used: {error}"))?
        .with_root_certificates(roots);
    let Some((certificate, key)) = identity else { return Ok(builder.with_no_client_auth()) };
    let wrong = |path: &Path, why: &dyn fmt::Display| format!("{}: {why}", path.display());
    let pem = fs::read(certificate).map_err(|error| wrong(certificate, &error))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|error| wrong(certificate, &error))?;
    if chain.is_empty() {
        return Err(wrong(certificate, &"expected a certificate in PEM (-----BEGIN CERTIFICATE-----), found none"));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
    builder.with_client_auth_cert(chain, secret).map_err(|error| wrong(certificate, &error))
}
