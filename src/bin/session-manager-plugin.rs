//! The drop-in's name. On Unix `ssmport`, which stands beside it, takes this process's place: this file
//! has no crate in it, so that it is linked in a second and is small. Elsewhere no process takes
//! another's place, and one that is killed leaves those that it has started: there it is all of it.

#[cfg(not(unix))]
#[path = "ssmport.rs"]
mod program;

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    program::main()
}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    launcher::launch()
}

#[cfg(unix)]
mod launcher {
    use std::{
        env,
        ffi::{OsStr, OsString},
        io::{Error, ErrorKind, Result},
        os::unix::process::CommandExt,
        path::{Path, PathBuf},
        process::{Command, ExitCode},
    };

    pub fn launch() -> ExitCode {
        let why = match neighbour() {
            Ok(program) => become_it(&program),
            Err(error) => format!("cannot tell where this file is: {error}"),
        };
        eprintln!(
            "{NAME}: {why}\n  the one does nothing without the other: put both into one folder, or make \
             this a link to ssmport"
        );
        NOT_FOUND.into()
    }

    /// The file beside this one, wherever a link to this one is.
    fn neighbour() -> Result<PathBuf> {
        let own = env::current_exe().or_else(|error| as_called().ok_or(error))?;
        Ok(own.canonicalize()?.with_file_name("ssmport"))
    }

    /// This file by the name that it was called by, where the system does not tell: on a Linux without
    /// `/proc`.
    fn as_called() -> Option<PathBuf> {
        let name = PathBuf::from(env::args_os().next()?);
        if name.components().count() > 1 {
            return Some(name);
        }
        let path = env::var_os("PATH")?;
        env::split_paths(&path).map(|folder| folder.join(&name)).find(|file| file.is_file())
    }

    /// Keeps the process's number, and its name, by which `ssmport` knows what it is to be. Gives the
    /// reason if nothing came of it.
    fn become_it(program: &Path) -> String {
        let mut arguments = env::args_os();
        let is_name = |name: &OsString| Path::new(name).file_name() == Some(OsStr::new(NAME));
        let name = arguments.next().filter(is_name).unwrap_or_else(|| NAME.into());
        let error: Error = Command::new(program).arg0(name).args(arguments).exec();
        match (error.kind(), program.parent()) {
            (ErrorKind::NotFound, Some(folder)) => {
                format!("there is no ssmport in {}", folder.display())
            }
            _ => format!("{}: {error}", program.display()),
        }
    }

    const NAME: &str = "session-manager-plugin";
    /// As a shell has it for programs that are not there.
    const NOT_FOUND: u8 = 127;
}
