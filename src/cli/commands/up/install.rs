//! What has a system's own keeper of programs keep tunnels up, from login on.

mod launchd;
mod systemd;
mod task;

use std::{env, path};

use clap::ValueEnum;

use super::options::options;
use crate::cli::{
    args::Global,
    failure::{Code, Failure},
    output::Output,
    proxy_command::lasting_program,
};
use crate::client::{config_file::ConfigFile, upkeep::Upkeep};

/// Who is to keep them up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Keeper {
    /// A unit of systemd's manager of the user.
    Systemd,
    /// An agent of launchd, on macOS.
    Launchd,
    /// A task of Windows.
    Task,
}

/// What is to be started.
struct Start {
    /// The program and its arguments.
    words: Vec<String>,
    /// Of the environment.
    settings: Vec<(&'static str, String)>,
}

impl Keeper {
    /// That of this system, by its name.
    pub(crate) const HERE: &str = match () {
        () if cfg!(windows) => "task",
        () if cfg!(target_os = "macos") => "launchd",
        () => "systemd",
    };

    /// Prints what it takes, and what to do with it.
    pub(super) fn print(
        self,
        names: &[String],
        global: &Global,
        output: &Output,
    ) -> Result<(), Failure> {
        // What could not start is of no use.
        Upkeep::check(&ConfigFile::load()?, names)?;
        let start = Start::of(names, global)?;
        let (text, next) = match self {
            Self::Systemd => (systemd::unit(&start)?, systemd::NEXT.to_owned()),
            Self::Launchd => (launchd::agent(&start)?, launchd::NEXT.to_owned()),
            Self::Task => (task::task(&start)?, task::next(&start)),
        };
        output.line(text.trim_end());
        output.note(&next);
        output.written()
    }
}

impl Start {
    fn of(names: &[String], global: &Global) -> Result<Self, Failure> {
        let program = lasting_program()?;
        let program = program.to_str().ok_or_else(|| unwritable("its own path"))?;
        let mut words = vec![program.to_owned()];
        words.extend(options(global));
        words.push("up".to_owned());
        words.extend(names.iter().cloned());
        let given = |name: &'static str| Some((name, env::var(name).ok()?));
        let settings = VARIABLES.into_iter().chain(FILES).filter_map(given);
        let settings = settings.filter(|(_, value)| !value.is_empty());
        let settings = settings.map(|(name, value)| match FILES.contains(&name) {
            true => Ok((name, from_anywhere(value)?)),
            false => Ok((name, value)),
        });
        Ok(Self { words, settings: settings.collect::<Result<_, Failure>>()? })
    }
}

/// The same file, wherever the program is started.
fn from_anywhere(file: String) -> Result<String, Failure> {
    // AWS's SDK puts the home folder in.
    if file.starts_with("~/") {
        return Ok(file);
    }
    let absolute = path::absolute(&file).ok().and_then(|path| path.to_str().map(str::to_owned));
    absolute.ok_or_else(|| unwritable(&file))
}

/// A text as it stands in XML.
fn in_xml(text: &str) -> Result<String, Failure> {
    match text.chars().any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) {
        true => Err(unwritable(text)),
        false => Ok(quick_xml::escape::escape(text).into_owned()),
    }
}

fn unwritable(what: &str) -> Failure {
    let what = format!("`{}` cannot be written into what --install prints", what.escape_debug());
    Failure::new(Code::Usage, what)
}

/// Settings that are no secrets.
const VARIABLES: [&str; 6] = [
    "XDG_CONFIG_HOME",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "NO_PROXY",
];
/// Those that name files.
const FILES: [&str; 5] = [
    "SSMPORT_CONFIG",
    "SSMPORT_SYSTEM_CONFIG",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CA_BUNDLE",
];
