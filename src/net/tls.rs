//! TLS for the WebSocket: rustls with ring, the system's certificates, TLS 1.2 at least.

use std::sync::Arc;

use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    version::{TLS12, TLS13},
};

/// Why no TLS configuration could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The system has no certificate authorities.
    #[error("no certificate authorities found on this system{0}; install ca-certificates")]
    NoRoots(String),
    /// rustls refused the configuration.
    #[error("TLS configuration refused: {0}")]
    Config(#[from] tokio_rustls::rustls::Error),
}

/// A client configuration that trusts the system's authorities.
pub(super) fn client_config() -> Result<Arc<ClientConfig>, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _unusable) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let first = found.errors.first().map(|error| format!(" ({error})"));
        return Err(TlsError::NoRoots(first.unwrap_or_default()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
