//! Whom TLS connections trust: the system's authorities, those of a file instead, or both.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::tls::TlsError;
use crate::files;

/// Certificate authorities. Those of the system, unless read from a bundle: then those alone, as
/// the AWS CLI has it for its calls, or both, as the reference plugin has it for data channels.
#[derive(Clone, Default)]
pub struct Authorities {
    bundle: Option<Arc<Bundle>>,
    is_beside_system: bool,
}

struct Bundle {
    path: PathBuf,
    pem: Vec<u8>,
    roots: RootCertStore,
}

impl Authorities {
    /// Those of the file that AWS_CA_BUNDLE names; `None` when it names none.
    ///
    /// # Errors
    /// As [`of_file`](Self::of_file).
    pub fn of_environment() -> Result<Option<Self>, TlsError> {
        let path = env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty());
        path.map(|path| Self::of_file(Path::new(&path))).transpose()
    }

    /// Those of a file of PEM certificates.
    ///
    /// # Errors
    /// The file cannot be read, has no certificates, or one that cannot be used: nobody would know
    /// later which of them is missing.
    pub fn of_file(path: &Path) -> Result<Self, TlsError> {
        let failed = |why: String| TlsError::Bundle { path: path.to_owned(), why };
        let pem = files::read(path, LONGEST).map_err(|error| failed(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let number = roots.len() + 1;
            let unusable = |error: String| failed(format!("certificate {number}: {error}"));
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(failed("it has no certificates (PEM)".to_owned()));
        }
        let bundle = Arc::new(Bundle { path: path.to_owned(), pem, roots });
        Ok(Self { bundle: Some(bundle), is_beside_system: false })
    }

    /// The same, with those of the system beside a bundle: many a bundle knows the proxy on the way to
    /// AWS's calls alone.
    pub fn beside_system(self) -> Self {
        Self { is_beside_system: true, ..self }
    }

    /// The bundle's PEM text, every certificate of which can be used; `None` for the system's.
    pub fn pem(&self) -> Option<&[u8]> {
        self.bundle.as_deref().map(|bundle| &*bundle.pem)
    }

    pub(super) fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = match &self.bundle {
            Some(bundle) if !self.is_beside_system => return Ok(bundle.roots.clone()),
            Some(bundle) => bundle.roots.clone(),
            None => RootCertStore::empty(),
        };
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let first = found.errors.first().map(|error| format!(" ({error})"));
            return Err(TlsError::NoRoots(first.unwrap_or_default()));
        }
        Ok(roots)
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bundle {
            Some(bundle) if self.is_beside_system => {
                write!(f, "Authorities({} and system)", bundle.path.display())
            }
            Some(bundle) => write!(f, "Authorities({})", bundle.path.display()),
            None => f.write_str("Authorities(system)"),
        }
    }
}

/// In bytes. The system's own have some 250 KB.
const LONGEST: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn of_text(text: &[u8]) -> Result<Authorities, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle.pem");
        fs::write(&path, text).unwrap();
        Authorities::of_file(&path).map_err(|error| {
            let message = error.to_string();
            assert!(message.contains(path.to_str().unwrap()), "{message}");
            message
        })
    }

    #[test]
    fn a_bundle_that_cannot_be_used_is_named_with_its_fault() {
        let missing = Authorities::of_file(Path::new("/nowhere/bundle.pem")).unwrap_err();
        assert!(missing.to_string().contains("/nowhere/bundle.pem"), "{missing}");
        for (text, part) in [
            (&b""[..], "it has no certificates"),
            (b"no PEM at all", "it has no certificates"),
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate 1: "),
            (b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", "certificate 1: "),
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n", "certificate 1: "),
        ] {
            let message = of_text(text).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }
}
