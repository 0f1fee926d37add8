//! TLS of the server's own requests.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The certificate of an authority that is trusted in addition to Mozilla's list.
pub type Authority = CertificateDer<'static>;

/// A TLS connector that trusts Mozilla's root certificates and `further` authorities.
///
/// # Errors
/// A text that says why a certificate of `further` can't be used.
pub(crate) fn connector(further: &[Authority]) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for authority in further {
        roots.add(authority.clone()).map_err(|error| error.to_string())?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Reads the certificates of authorities from a file in PEM.
///
/// # Errors
/// A text that says what is wrong with the file.
pub fn authorities(file: &Path) -> Result<Vec<Authority>, String> {
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    let found: Result<Vec<_>, _> = Authority::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| format!("it is no file of certificates in PEM ({error})"))?;
    if found.is_empty() {
        return Err("it has no certificate in PEM".into());
    }
    connector(&found).map_err(|error| format!("a certificate in it can't be used ({error})"))?;
    Ok(found)
}

/// A host in the form in which a certificate names it; `None` if a certificate can't name the host.
pub(crate) fn server_name(host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).ok()
}
