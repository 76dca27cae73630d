//! A key for one login with SSH.

use std::{env, fs, process::Command};

use tempfile::TempDir;

use super::failure::Failure;
#[cfg(unix)]
use crate::reaper::{Entrusted, Remnant};

/// A key pair in a folder that its owner alone can read, gone with it, even when the program is
/// killed.
pub(super) struct EphemeralKey {
    folder: TempDir,
    public: String,
    #[cfg(unix)]
    _entrusted: Entrusted,
}

impl EphemeralKey {
    /// Has OpenSSH's own program make one.
    pub(super) fn new() -> Result<Self, Failure> {
        let failed = |why: String| Failure::local("cannot make a key with ssh-keygen").because(why);
        let parent = std::path::absolute(env::temp_dir());
        let parent = parent.map_err(|error| failed(error.to_string()))?;
        // Entrusted before it is made, by a name that is no other folder's, now or later.
        let name = format!("ssmport-{:032x}", rand::random::<u128>());
        #[cfg(unix)]
        let entrusted = Entrusted::new(Remnant::Folder(parent.join(&name)));
        let folder = tempfile::Builder::new().prefix(&name).rand_bytes(0).tempdir_in(parent);
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
        Ok(Self {
            folder,
            public,
            #[cfg(unix)]
            _entrusted: entrusted,
        })
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
