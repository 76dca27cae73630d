//! `ssmport config`: which settings count, and where they come from.

use std::{env, path::Path};

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
    let of_files = settings.iter().filter(|setting| setting.origin.is_some()).count();
    let read: Vec<_> = files.files().iter().map(|file| file.display().to_string()).collect();
    output.note(&match &read[..] {
        [] => "There is no configuration file.".to_owned(),
        read => format!("{} of {}", counted(of_files, "setting"), read.join(" and ")),
    });
    output.written()
}

/// One that counts.
struct Setting {
    key: String,
    value: String,
    source: Source,
    /// Of an option or a variable.
    name: Option<String>,
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
    all.extend(
        of_aws::endpoints(global, files).into_iter().map(|(key, (value, source, name))| Setting {
            key,
            value,
            source,
            name,
            origin: None,
        }),
    );
    all
}

/// A value, and who says so instead of the files: an option's or a variable's name.
type Elsewhere = (String, Source, Option<String>);

fn target_of_environment() -> Option<Elsewhere> {
    let target = env::var(TARGET).ok().filter(|target| !target.is_empty())?;
    Some((target, Source::Environment, Some(TARGET.to_owned())))
}

#[cfg(feature = "aws")]
mod of_aws {
    use super::{ConfigFile, Elsewhere, Global, Source};
    use crate::aws::{EndpointPlace, Service, Settings, Whence};
    use crate::wire::stream_url::without_secrets;

    pub(super) fn profile(global: &Global, files: &ConfigFile) -> Option<Elsewhere> {
        let (profile, whence) = settings(global, files).chosen_profile();
        let profile = profile.unwrap_or_else(|| "-".to_owned());
        elsewhere(profile, whence, "--profile")
    }

    pub(super) fn region(global: &Global, files: &ConfigFile) -> Option<Elsewhere> {
        let (region, whence) = settings(global, files).chosen_region()?;
        elsewhere(region, whence, "--region")
    }

    /// Addresses that take the place of AWS's own; by their keys, which no file of ours has.
    pub(super) fn endpoints(global: &Global, files: &ConfigFile) -> Vec<(String, Elsewhere)> {
        let chosen = settings(global, files).chosen_endpoints();
        let row = |(service, url, place): (Option<Service>, String, EndpointPlace)| {
            let key = service.map(|service| format!("{}.", service.name())).unwrap_or_default();
            let (source, name) = match place {
                EndpointPlace::Given { .. } => {
                    let options = global.endpoints.options();
                    let option = options.into_iter().find(|(_, given)| **given == url);
                    (Source::Option, option.map(|(option, _)| option.to_owned()))
                }
                EndpointPlace::Variable { name, .. } => (Source::Environment, Some(name)),
                EndpointPlace::Profile { .. } => (Source::Aws, None),
            };
            (format!("{key}endpoint_url"), (without_secrets(&url), source, name))
        };
        chosen.into_iter().map(row).collect()
    }

    fn settings(global: &Global, files: &ConfigFile) -> Settings {
        let defaults = files.defaults();
        Settings {
            default_profile: defaults.profile,
            default_region: defaults.region,
            ..global.settings()
        }
    }

    fn elsewhere(value: String, whence: Whence, option: &str) -> Option<Elsewhere> {
        match whence {
            Whence::Given => Some((value, Source::Option, Some(option.to_owned()))),
            Whence::Variable(name) => Some((value, Source::Environment, Some(name.to_owned()))),
            Whence::Profile => Some((value, Source::Aws, None)),
            Whence::Default | Whence::Nowhere => None,
        }
    }
}

#[cfg(not(feature = "aws"))]
mod of_aws {
    use super::{ConfigFile, Elsewhere, Global};

    pub(super) fn profile(_: &Global, _: &ConfigFile) -> Option<Elsewhere> {
        None
    }

    pub(super) fn region(_: &Global, _: &ConfigFile) -> Option<Elsewhere> {
        None
    }

    pub(super) fn endpoints(_: &Global, _: &ConfigFile) -> Vec<(String, Elsewhere)> {
        Vec::new()
    }
}

impl Setting {
    fn from(&self) -> String {
        match (&self.origin, self.source, &self.name) {
            (Some(Origin { file, line }), ..) => format!("{}:{line}", from_home(file)),
            #[cfg(feature = "aws")]
            (None, Source::Aws, _) => "the profile in ~/.aws".to_owned(),
            (None, _, name) => name.as_deref().unwrap_or("-").to_owned(),
        }
    }

    fn event(&self) -> report::Setting<'_> {
        report::Setting {
            key: &self.key,
            value: &self.value,
            source: self.source,
            name: self.name.as_deref(),
            file: self.origin.as_ref().map(|origin| origin.file.display().to_string()),
            line: self.origin.as_ref().map(|origin| origin.line),
        }
    }
}

/// `~` in front of what is below the user's home: values need the room.
fn from_home(file: &Path) -> String {
    let home = env::home_dir().filter(|home| home.parent().is_some());
    match home.and_then(|home| file.strip_prefix(home).ok()) {
        Some(rest) => Path::new("~").join(rest).display().to_string(),
        None => file.display().to_string(),
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
