//! Where the files are.

use std::{env, fs, io::ErrorKind, path::PathBuf, time::SystemTime};

use super::{Error, Kind};
use crate::files::{self, LONGEST_BY_HAND};

/// A file that may be there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// The variable that names it: then it must be there.
    named_by: Option<&'static str>,
    /// What it says is for all users of the machine.
    pub(super) is_machines: bool,
}

/// What tells a file from what it was before, without its being read: its time and its length, if it is there.
pub(crate) type Fingerprint = Option<(SystemTime, u64)>;

/// All places, in the order in which one goes before the other.
pub(super) fn all() -> Vec<Place> {
    let machine = Place::of(MACHINE_VARIABLE, of_machine);
    let own = Place::of(VARIABLE, of_user);
    let machine = machine.map(|place| Place { is_machines: true, ..place });
    [machine, own].into_iter().flatten().collect()
}

/// The machine's usual file where a variable names another one.
pub(super) fn of_machine_besides() -> Option<Place> {
    let another = env::var_os(MACHINE_VARIABLE).filter(|path| !path.is_empty())?;
    let path = of_machine().filter(|path| *path != another)?;
    Some(Place { path, named_by: None, is_machines: true })
}

impl Place {
    fn of(variable: &'static str, default: impl Fn() -> Option<PathBuf>) -> Option<Self> {
        match env::var_os(variable).filter(|path| !path.is_empty()) {
            Some(path) => {
                Some(Self { path: path.into(), named_by: Some(variable), is_machines: false })
            }
            None => Some(Self { path: default()?, named_by: None, is_machines: false }),
        }
    }

    #[cfg(test)]
    pub(super) fn there(path: PathBuf) -> Self {
        Self { path, named_by: Some(VARIABLE), is_machines: false }
    }

    #[cfg(test)]
    pub(super) fn usual(path: PathBuf) -> Self {
        Self { path, named_by: None, is_machines: false }
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let about = fs::metadata(&self.path).ok()?;
        Some((about.modified().ok()?, about.len()))
    }

    /// What it holds, if it is there.
    pub(super) fn text(&self) -> Result<Option<String>, Error> {
        match files::read_text(&self.path, LONGEST_BY_HAND) {
            Ok(text) => Ok(Some(text)),
            Err(error)
                if self.named_by.is_none()
                    && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(None)
            }
            Err(error) => {
                let what = format!("cannot read {}", self.path.display());
                let error_kind = error.kind();
                let failure = Error::new(Kind::Usage, what).because(error);
                Err(match self.named_by {
                    Some(variable) => failure.next(format!("check {variable}")),
                    None if error_kind == ErrorKind::PermissionDenied => {
                        failure.next("check who may read it")
                    }
                    None => failure.next("it is to be a file of TOML; move away what it is"),
                })
            }
        }
    }
}

fn of_user() -> Option<PathBuf> {
    let given = env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let folder = given.filter(|path| path.is_absolute());
    let folder = folder.or_else(usual_folder);
    folder.map(|folder| folder.join("ssmport").join("config.toml"))
}

#[cfg(unix)]
fn usual_folder() -> Option<PathBuf> {
    Some(env::home_dir()?.join(".config"))
}

#[cfg(not(unix))]
fn usual_folder() -> Option<PathBuf> {
    env::var_os("APPDATA").map(PathBuf::from).filter(|path| path.is_absolute())
}

#[cfg(unix)]
fn of_machine() -> Option<PathBuf> {
    Some("/etc/ssmport/config.toml".into())
}

#[cfg(not(unix))]
fn of_machine() -> Option<PathBuf> {
    let data = env::var_os("ProgramData").map(PathBuf::from).filter(|path| path.is_absolute());
    data.map(|data| data.join("ssmport").join("config.toml"))
}

/// Names the user's own file.
const VARIABLE: &str = "SSMPORT_CONFIG";
/// Names the machine's.
const MACHINE_VARIABLE: &str = "SSMPORT_SYSTEM_CONFIG";
