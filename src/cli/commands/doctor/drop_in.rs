//! Which `session-manager-plugin` others find, and whose it is.

use std::{
    env::{self, consts::EXE_SUFFIX},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use super::report::{Check, Report};
use crate::{cli::plugin::WHOSE, wire::foreign_text::one_line};

/// Asks the first one on the PATH: the official plugin takes the question for an operation that it
/// does not know.
pub(super) async fn look(report: &mut Report) {
    let Some(found) = first_on_path() else {
        let why = "none on the PATH: the AWS CLI and others need one";
        return report.add(Check::skipped(NAME, why));
    };
    let mut question = Command::new(&found);
    question.arg(WHOSE).stdin(Stdio::null()).kill_on_drop(true);
    let shown = one_line(&found.display().to_string());
    report.add(match timeout(PATIENCE, question.output()).await {
        Ok(Ok(answer)) => match String::from_utf8_lossy(&answer.stdout).trim() {
            ours if ours.starts_with("ssmport ") => {
                Check::ok(NAME, format!("{shown} is {}", one_line(ours)))
            }
            _ => Check::warning(NAME, format!("{shown} is not ssmport's"), remedy(&found)),
        },
        Ok(Err(error)) => {
            Check::warning(NAME, format!("{shown} cannot be run: {error}"), remedy(&found))
        }
        Err(_) => Check::warning(NAME, format!("{shown} does not end"), remedy(&found)),
    });
}

fn first_on_path() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut candidates =
        env::split_paths(&path).map(|folder| folder.join(format!("{PROGRAM}{EXE_SUFFIX}")));
    candidates.find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    file.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}

fn remedy(found: &Path) -> String {
    let folder = |file: &Path| {
        let folder = file.parent().unwrap_or(file).display().to_string();
        one_line(&folder)
    };
    match env::current_exe() {
        Ok(own) => format!(
            "whoever calls it gets that one: for ssmport's put {} before {} on the PATH",
            folder(&own),
            folder(found)
        ),
        Err(_) => "whoever calls it gets that one: put ssmport's before it on the PATH".to_owned(),
    }
}

const NAME: &str = "drop-in";
const PROGRAM: &str = "session-manager-plugin";
/// The official one, which writes a log, takes some tenths of a second.
const PATIENCE: Duration = Duration::from_secs(5);
