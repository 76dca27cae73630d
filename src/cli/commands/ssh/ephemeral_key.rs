//! A key for one login with SSH.

use std::{env, fmt::Display, path::Path, process::Command};

use tempfile::TempDir;

use crate::cli::failure::Failure;
#[cfg(unix)]
use crate::reaper::{Entrusted, Remnant};

/// A key pair in a folder that its owner alone can enter, whatever the umask and whoever may write to
/// the folder around it. It is gone with this, even when the program is killed.
pub(super) struct EphemeralKey {
    folder: TempDir,
    public: String,
    #[cfg(unix)]
    _entrusted: Entrusted,
}

impl EphemeralKey {
    /// Has OpenSSH's own program make one.
    pub(super) fn new() -> Result<Self, Failure> {
        let parent = std::path::absolute(env::temp_dir()).map_err(failed)?;
        // Entrusted before it is made, by a name that is no other folder's, now or later.
        let name = format!("ssmport-{:032x}", rand::random::<u128>());
        #[cfg(unix)]
        let entrusted = Entrusted::new(Remnant::Folder(parent.join(&name)));
        let mut folder = tempfile::Builder::new();
        #[cfg(unix)]
        folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let folder = folder.prefix(&name).rand_bytes(0).tempdir_in(parent).map_err(failed)?;
        let public = public_key_made_in(folder.path())?;
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

/// Makes the pair, and gives the public key: not what stands in `key.pub` but that of the private key,
/// in the file that is ours. Whoever put another one there would get their own key on the node.
#[cfg(unix)]
fn public_key_made_in(folder: &Path) -> Result<String, Failure> {
    let ours = private::folder(folder).map_err(failed)?;
    make_pair(folder)?;
    let key = private::file(&ours, NAME).map_err(failed)?;
    said(Command::new(KEYGEN).args(["-y", "-f", "/dev/stdin"]).stdin(key))
}

#[cfg(not(unix))]
fn public_key_made_in(folder: &Path) -> Result<String, Failure> {
    make_pair(folder)?;
    said(Command::new(KEYGEN).args(["-y", "-f"]).arg(folder.join(NAME)))
}

fn make_pair(folder: &Path) -> Result<(), Failure> {
    let mut keygen = Command::new(KEYGEN);
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "ssmport", "-f"]).arg(folder.join(NAME));
    said(&mut keygen).map(drop)
}

/// What a program printed, if it did its work.
fn said(program: &mut Command) -> Result<String, Failure> {
    let ended = program.output().map_err(failed)?;
    match ended.status.success() {
        true => Ok(String::from_utf8_lossy(&ended.stdout).trim().to_owned()),
        false => Err(failed(String::from_utf8_lossy(&ended.stderr).trim())),
    }
}

fn failed(why: impl Display) -> Failure {
    Failure::local("cannot make a key with ssh-keygen").because(why)
}

/// Folders and files that are proven to be this user's alone. They are opened once, and looked at and
/// read by that: a path may lead elsewhere the next time.
#[cfg(unix)]
mod private {
    use std::{
        fs::File,
        io::{Error, Result},
        os::fd::{AsFd, OwnedFd},
        path::Path,
    };

    use rustix::{
        fs::{FileType, Mode, OFlags, fstat, open, openat},
        process::geteuid,
    };

    pub(super) fn folder(path: &Path) -> Result<OwnedFd> {
        let folder = open(path, FLAGS | OFlags::DIRECTORY, Mode::empty())?;
        check(&folder, FileType::Directory, &path.display().to_string())?;
        Ok(folder)
    }

    pub(super) fn file(folder: &OwnedFd, name: &str) -> Result<File> {
        // A pipe in its place would not hold us up.
        let file = openat(folder, name, FLAGS | OFlags::NONBLOCK, Mode::empty())?;
        check(&file, FileType::RegularFile, name)?;
        Ok(file.into())
    }

    fn check(open: impl AsFd, kind: FileType, name: &str) -> Result<()> {
        let found = fstat(open)?;
        let is_ours = found.st_uid == geteuid().as_raw();
        let others = Mode::from_raw_mode(found.st_mode) & (Mode::RWXG | Mode::RWXO);
        if is_ours && others.is_empty() && FileType::from_raw_mode(found.st_mode) == kind {
            return Ok(());
        }
        Err(Error::other(format!("{name} is not this user's alone, or no {kind:?}")))
    }

    const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
}

const KEYGEN: &str = "ssh-keygen";
const NAME: &str = "key";

#[cfg(all(test, unix))]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_key_is_its_owners_alone_and_gone_afterwards() {
        let key = EphemeralKey::new().unwrap();
        assert!(key.public().starts_with("ssh-ed25519 ") && !key.public().contains('\n'));
        let path = key.folder.path().join(NAME);
        let written = fs::read_to_string(path.with_extension("pub")).unwrap();
        assert_eq!(key.public(), written.trim());
        assert_eq!((mode(&path), mode(key.folder.path())), (0o600, 0o700));
        drop(key);
        assert!(!path.exists());
    }

    #[test]
    fn what_others_may_write_or_have_put_there_is_not_taken() {
        let outer = TempDir::new().unwrap();
        let (folder, link) = (outer.path().join("folder"), outer.path().join("link"));
        fs::create_dir(&folder).unwrap();
        symlink(&folder, &link).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o770)).unwrap();
        private::folder(&folder).unwrap_err();
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
        private::folder(&link).unwrap_err();
        let ours = private::folder(&folder).unwrap();

        let key = folder.join("key");
        fs::write(&key, "secret").unwrap();
        for (mode, is_private) in [(0o640, false), (0o606, false), (0o600, true)] {
            fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
            assert_eq!(private::file(&ours, "key").is_ok(), is_private, "{mode:o}");
        }
        symlink(&key, folder.join("other")).unwrap();
        fs::create_dir(folder.join("inner")).unwrap();
        for name in ["other", "inner", "none"] {
            private::file(&ours, name).unwrap_err();
        }
        // Another folder of that name is not the one that was opened.
        fs::rename(&folder, outer.path().join("away")).unwrap();
        fs::create_dir(&folder).unwrap();
        fs::write(&key, "another's").unwrap();
        assert_eq!(
            std::io::read_to_string(private::file(&ours, "key").unwrap()).unwrap(),
            "secret"
        );
    }
}
