//! What somebody who has seen the demonstration may want to type.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::cli::output::Output;

/// Shows commands that work as they stand, without AWS. Reports have no place for them.
pub(super) fn tell(output: &Output) {
    if output.is_json() {
        return;
    }
    let program = program();
    output.note("");
    output.note("Go on without AWS, with this machine as the node:");
    let widest = COMMANDS.iter().map(|(arguments, _)| arguments.len()).max().unwrap_or(0);
    for (arguments, about) in COMMANDS {
        output.note(&format!("  {program} {arguments:<widest$}  {about}"));
    }
    #[cfg(feature = "aws")]
    output.note(&format!("And with an account of AWS: {program} doctor"));
}

/// How this program is called from where its user is: by its name where that leads to it.
fn program() -> String {
    let Ok(this) = env::current_exe() else { return NAME.to_owned() };
    let found = env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .map(|folder| folder.join(NAME).with_extension(env::consts::EXE_EXTENSION))
        .find(|path| path.is_file());
    if found.is_some_and(|found| is_same(&found, &this)) {
        return NAME.to_owned();
    }
    let here = env::current_dir().unwrap_or_default();
    let path =
        this.strip_prefix(here).map_or_else(|_| this.clone(), |below| Path::new(".").join(below));
    quoted(path)
}

fn is_same(one: &Path, other: &Path) -> bool {
    one.canonicalize().ok() == other.canonicalize().ok()
}

#[cfg(windows)]
fn quoted(path: PathBuf) -> String {
    let path = path.to_string_lossy().into_owned();
    if path.contains(' ') { format!("\"{path}\"") } else { path }
}

#[cfg(not(windows))]
fn quoted(path: PathBuf) -> String {
    let path = path.to_string_lossy().into_owned();
    shlex::try_quote(&path).map(std::borrow::Cow::into_owned).unwrap_or(path)
}

const NAME: &str = "ssmport";
#[cfg(not(windows))]
const COMMANDS: [(&str, &str); 4] = [
    ("shell -t local", "a shell, which ~. ends"),
    ("exec local -- uname -a", "a command"),
    ("forward 15432:5432 -t local", "a port: PostgreSQL's"),
    ("local", "a service for programs"),
];
/// The embedded agent has no terminals there.
#[cfg(windows)]
const COMMANDS: [(&str, &str); 3] = [
    ("exec local -- cmd /c ver", "a command"),
    ("forward 15432:5432 -t local", "a port: PostgreSQL's"),
    ("local", "a service for programs"),
];
