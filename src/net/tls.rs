//! TLS for the WebSocket: rustls with ring, TLS 1.2 at least.

use std::{path::PathBuf, sync::Arc};

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
    #[error("no certificate authorities found on this system{0}; {NO_ROOTS_STEP}")]
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

#[cfg(not(any(windows, target_os = "macos")))]
const NO_ROOTS_STEP: &str = "install ca-certificates";
/// They are no package there.
#[cfg(any(windows, target_os = "macos"))]
const NO_ROOTS_STEP: &str = "name a file of them in SSL_CERT_FILE or AWS_CA_BUNDLE";

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
pub(super) fn certificate_fault(error: &rustls::Error) -> Option<String> {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext,
        NotValidYet, NotValidYetContext, UnknownIssuer,
        UnsupportedSignatureAlgorithmForPublicKeyContext,
    };
    let rustls::Error::InvalidCertificate(fault) = error else { return None };
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
        // What rustls shows of the others is its own names for them.
        fault => format!("the certificate cannot be used: {}", words(fault)),
    })
}

/// What went wrong with TLS otherwise, as people say it.
pub(super) fn told(error: &rustls::Error) -> String {
    use rustls::Error::{
        AlertReceived, DecryptError, InappropriateHandshakeMessage, InappropriateMessage,
        InvalidCertificate, InvalidMessage, NoCertificatesPresented, PeerIncompatible,
        PeerMisbehaved, PeerSentOversizedRecord,
    };
    use rustls::{AlertDescription, PeerIncompatible as Incompatible};
    match error {
        InvalidMessage(_) | InappropriateMessage { .. } | InappropriateHandshakeMessage { .. } => {
            "what it answers is no TLS".to_owned()
        }
        AlertReceived(AlertDescription::ProtocolVersion)
        | PeerIncompatible(
            Incompatible::ServerTlsVersionIsDisabledByOurConfig
            | Incompatible::ServerDoesNotSupportTls12Or13,
        ) => "it has neither TLS 1.2 nor 1.3".to_owned(),
        AlertReceived(alert) => format!("it ended the handshake: {}", words(alert)),
        PeerIncompatible(why) => format!("it has no TLS that is spoken here: {}", words(why)),
        PeerMisbehaved(why) => format!("it does not keep to TLS: {}", words(why)),
        PeerSentOversizedRecord | DecryptError => "what it sends was changed on its way".to_owned(),
        NoCertificatesPresented => "it shows no certificate".to_owned(),
        InvalidCertificate(fault) => format!("the certificate cannot be used: {}", words(fault)),
        other => words(other),
    }
}

/// An enum's own name for something as words: `HandshakeFailure` is a handshake failure.
fn words(name: &impl std::fmt::Debug) -> String {
    let name = format!("{name:?}");
    let mut words = String::new();
    for letter in name.chars().take_while(char::is_ascii_alphanumeric) {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use tokio_rustls::rustls::{AlertDescription, InvalidMessage, OtherError, PeerIncompatible};

    use super::*;

    #[test]
    fn what_rustls_calls_things_is_told_in_words() {
        for (error, expected) in [
            (
                rustls::Error::AlertReceived(AlertDescription::HandshakeFailure),
                "it ended the handshake: handshake failure",
            ),
            (
                rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType),
                "what it answers is no TLS",
            ),
            (
                rustls::Error::AlertReceived(AlertDescription::ProtocolVersion),
                "it has neither TLS 1.2 nor 1.3",
            ),
            (
                rustls::Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
                "it has no TLS that is spoken here: no cipher suites in common",
            ),
        ] {
            assert_eq!(told(&error), expected);
        }
        let nested = CertificateError::Other(OtherError(Arc::new(std::fmt::Error)));
        for (fault, expected) in [
            (nested, "the certificate cannot be used: other"),
            (CertificateError::BadEncoding, "the certificate cannot be used: bad encoding"),
            (CertificateError::Revoked, "the certificate cannot be used: revoked"),
            (CertificateError::Expired, "it has expired"),
        ] {
            let error = rustls::Error::InvalidCertificate(fault);
            assert_eq!(certificate_fault(&error).as_deref(), Some(expected));
        }
    }
}
