//! The certificates that servers are checked against.

use std::{fmt, fs, path::Path};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// Those of a file in PEM, or else the system's.
///
/// # Errors
///
/// If there are none, with what to do.
pub fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        let wrong = |why: &dyn fmt::Display| format!("notify.ca_file: {}: {why}", path.display());
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
        return Err("no certificates to check servers against: install ca-certificates, or set notify.ca_file".into());
    }
    Ok(roots)
}
