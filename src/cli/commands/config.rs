//! `ssmport config`: which settings count, and where they come from.

use std::env;

use crate::cli::{
    args::Global,
    columns::{Columns, Yielding},
    counted::counted,
    failure::Failure,
    output::Output,
    report::{self, Event, Source},
};
use crate::client::config_file::{ConfigFile, Origin, TARGET, Table};
use crate::wire::foreign_text::one_line;

pub(crate) fn run(global: &Global, output: &Output) -> Result<(), Failure> {
    let files = ConfigFile::load()?;
    let settings = settings(global, &files);
    if output.is_json() {
        settings.iter().for_each(|setting| output.report(&Event::Setting(setting.event())));
    } else {
        print(&settings, output);
    }
    let read: Vec<_> = files.files().iter().map(|file| file.display().to_string()).collect();
    output.note(&match &read[..] {
        [] => "There is no configuration file.".to_owned(),
        read => format!("{} of {}", counted(settings.len(), "setting"), read.join(" and ")),
    });
    output.written()
}

/// One that counts.
struct Setting {
    key: String,
    value: String,
    source: Source,
    /// Of an option or a variable.
    name: Option<&'static str>,
    origin: Option<Origin>,
}

/// The defaults that count, whoever has set them, and what else the files hold.
fn settings(global: &Global, files: &ConfigFile) -> Vec<Setting> {
    let mut all = Vec::new();
    let default = |field: &str| {
        let mut settings = files.settings();
        let found = settings.find(|(key, _)| key.table == Table::Defaults && key.field == field);
        found.map(|(_, setting)| setting.clone())
    };
    let of_file = |key: String, setting: &crate::client::config_file::Setting| Setting {
        key,
        value: setting.value.clone(),
        source: Source::File,
        name: None,
        origin: Some(setting.origin.clone()),
    };
    for (field, elsewhere) in [
        ("target", target_of_environment()),
        ("profile", of_aws::profile(global, files)),
        ("region", of_aws::region(global, files)),
        ("record", None),
    ] {
        let key = format!("{}.{field}", Table::Defaults.name());
        let setting = match (elsewhere, default(field)) {
            (Some((value, source, name)), _) => {
                Some(Setting { key, value, source, name, origin: None })
            }
            (None, default) => default.map(|default| of_file(key, &default)),
        };
        all.extend(setting);
    }
    let others = files.settings().filter(|(key, _)| key.table != Table::Defaults);
    all.extend(others.map(|(key, setting)| of_file(key.to_string(), setting)));
    all
}

/// A value, and who says so instead of the files.
type Elsewhere = Option<(String, Source, Option<&'static str>)>;

fn target_of_environment() -> Elsewhere {
    let target = env::var(TARGET).ok().filter(|target| !target.is_empty())?;
    Some((target, Source::Environment, Some(TARGET)))
}

#[cfg(feature = "aws")]
mod of_aws {
    use super::{ConfigFile, Elsewhere, Global, Source};
    use crate::aws::{Settings, Whence};

    pub(super) fn profile(global: &Global, files: &ConfigFile) -> Elsewhere {
        let (profile, whence) = settings(global, files).chosen_profile();
        let profile = profile.unwrap_or_else(|| "-".to_owned());
        elsewhere(profile, whence, "--profile")
    }

    pub(super) fn region(global: &Global, files: &ConfigFile) -> Elsewhere {
        let (region, whence) = settings(global, files).chosen_region()?;
        elsewhere(region, whence, "--region")
    }

    fn settings(global: &Global, files: &ConfigFile) -> Settings {
        let defaults = files.defaults();
        Settings {
            default_profile: defaults.profile,
            default_region: defaults.region,
            ..global.settings()
        }
    }

    fn elsewhere(value: String, whence: Whence, option: &'static str) -> Elsewhere {
        match whence {
            Whence::Given => Some((value, Source::Option, Some(option))),
            Whence::Variable(name) => Some((value, Source::Environment, Some(name))),
            Whence::Profile => Some((value, Source::Aws, None)),
            Whence::Default | Whence::Nowhere => None,
        }
    }
}

#[cfg(not(feature = "aws"))]
mod of_aws {
    use super::{ConfigFile, Elsewhere, Global};

    pub(super) fn profile(_: &Global, _: &ConfigFile) -> Elsewhere {
        None
    }

    pub(super) fn region(_: &Global, _: &ConfigFile) -> Elsewhere {
        None
    }
}

impl Setting {
    fn from(&self) -> String {
        match (&self.origin, self.source, self.name) {
            (Some(Origin { file, line }), ..) => format!("{}:{line}", file.display()),
            #[cfg(feature = "aws")]
            (None, Source::Aws, _) => "the profile in ~/.aws".to_owned(),
            (None, _, name) => name.unwrap_or("-").to_owned(),
        }
    }

    fn event(&self) -> report::Setting<'_> {
        report::Setting {
            key: &self.key,
            value: &self.value,
            source: self.source,
            name: self.name,
            file: self.origin.as_ref().map(|origin| origin.file.display().to_string()),
            line: self.origin.as_ref().map(|origin| origin.line),
        }
    }
}

fn print(settings: &[Setting], output: &Output) {
    let row = |setting: &Setting| {
        let cells = [&setting.key, &setting.value, &setting.from()];
        cells.map(|cell| one_line(cell)).to_vec()
    };
    let rows = settings.iter().map(row).collect();
    let width = crate::term::size_of_stdout().map(|size| size.cols.into());
    let lines = Columns::new(rows).lines(width, YIELDING, |_, _, cell| cell);
    lines.iter().for_each(|line| output.line(line));
}

/// Where it comes from is long, and what was asked for.
const YIELDING: Yielding = Yielding { third: None, leaving: &[], shortened: 1, last: None };
