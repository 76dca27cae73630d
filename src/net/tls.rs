//! TLS for the WebSocket: rustls with ring, TLS 1.2 at least.

use std::{error::Error, path::PathBuf, sync::Arc};

use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig,
    crypto::ring,
    version::{TLS12, TLS13},
};

use super::authorities::Authorities;

/// Why no TLS configuration could be made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TlsError {
    /// The system has no certificate authorities.
    #[error("no certificate authorities found on this system{0}; install ca-certificates")]
    NoRoots(String),
    /// The file of authorities that is to be used cannot be.
    #[error("cannot use the certificate authorities of {}: {why}", .path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// rustls refused the configuration.
    #[error("TLS configuration refused: {0}")]
    Config(String),
}

/// A client configuration that trusts `authorities`. Server certificates are always verified.
pub(super) fn client_config(authorities: &Authorities) -> Result<Arc<ClientConfig>, TlsError> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| TlsError::Config(error.to_string()))?
        .with_root_certificates(authorities.roots()?)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// What is wrong with the server's certificate, if that is why TLS failed.
pub(super) fn certificate_fault(error: &(dyn Error + 'static)) -> Option<String> {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext,
        NotValidYet, NotValidYetContext, UnknownIssuer,
        UnsupportedSignatureAlgorithmForPublicKeyContext,
    };
    let rustls::Error::InvalidCertificate(fault) = error.downcast_ref()? else { return None };
    Some(match fault {
        Expired | ExpiredContext { .. } => "it has expired".to_owned(),
        NotValidYet | NotValidYetContext { .. } => {
            "it is not valid yet; is this computer's clock right?".to_owned()
        }
        NotValidForName | NotValidForNameContext { .. } => "it is for another name".to_owned(),
        // Two authorities may have the same name, and only one of them is trusted.
        UnknownIssuer | BadSignature | UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "no authority that is trusted has signed it".to_owned()
        }
        fault => fault.to_string(),
    })
}
