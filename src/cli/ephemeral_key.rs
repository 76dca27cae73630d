//! A key for one login with SSH.

use std::{fs, process::Command};

use tempfile::TempDir;

use super::failure::Failure;

/// A key pair in a folder that its owner alone can read, gone with it.
pub(super) struct EphemeralKey {
    folder: TempDir,
    public: String,
}

impl EphemeralKey {
    /// Has OpenSSH's own program make one.
    pub(super) fn new() -> Result<Self, Failure> {
        let failed = |why: String| Failure::local("cannot make a key with ssh-keygen").because(why);
        let folder = tempfile::Builder::new().prefix("ssmport-").tempdir();
        let folder = folder.map_err(|error| failed(error.to_string()))?;
        let path = folder.path().join(NAME);
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "ssmport", "-f"]).arg(&path);
        let made = keygen.output().map_err(|error| failed(error.to_string()))?;
        if !made.status.success() {
            return Err(failed(String::from_utf8_lossy(&made.stderr).trim().to_owned()));
        }
        let public = fs::read_to_string(path.with_extension("pub"));
        let public = public.map_err(|error| failed(error.to_string()))?.trim().to_owned();
        Ok(Self { folder, public })
    }

    /// The line of `authorized_keys`.
    pub(super) fn public(&self) -> &str {
        &self.public
    }

    /// What ssh has to be told, with `-o`, to show this key and no other.
    pub(super) fn options(&self) -> [String; 2] {
        let path = self.folder.path().join(NAME);
        [format!("IdentityFile=\"{}\"", path.display()), "IdentitiesOnly=yes".to_owned()]
    }
}

const NAME: &str = "key";

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_key_is_its_owners_alone_and_gone_afterwards() {
        use std::os::unix::fs::PermissionsExt;
        let key = EphemeralKey::new().unwrap();
        assert!(key.public().starts_with("ssh-ed25519 ") && !key.public().contains('\n'));
        let path = key.folder.path().join(NAME);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(key);
        assert!(!path.exists());
    }
}
