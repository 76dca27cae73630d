//! The configuration files: what need not be typed each time. That of the machine lies below the user's own,
//! whose keys go before its keys, one by one.
//!
//! ```toml
//! [defaults]
//! target = "bastion"                # where a command goes that names no target
//! profile = "work"
//!
//! [targets]                         # aliases
//! bastion = "tag:Role=bastion"
//!
//! [targets.web]                     # one with an account of its own
//! target = "i-0123456789abcdef0"
//! profile = "prod"
//!
//! [tunnels.db]                      # what `ssmport up` keeps up
//! host = "db.internal"
//! port = 5432
//! ```

mod key;
mod place;
mod reader;
mod recording;
mod tunnel;

use std::{collections::BTreeMap, env, path::Path, sync::Arc};

use super::{
    Guide,
    error::{Error, Kind},
    target::{Lookup, Target, Whose},
};
use crate::malformed::Malformed;
pub(crate) use key::{Key, Table};
pub(crate) use place::Fingerprint;
use place::Place;
pub(crate) use recording::{ConfiguredRecording, RecordedSession};
pub(crate) use tunnel::ConfiguredTunnel;

/// What the files say together; nothing if there are none.
#[derive(Debug, Default)]
pub(crate) struct ConfigFile {
    settings: BTreeMap<Key, Setting>,
    /// The machine's word about recordings, which goes before all others.
    demanded: Option<Setting>,
    /// Those that were read, the machine's first.
    read: Vec<Arc<Path>>,
}

/// A value, and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Setting {
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// A line of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    pub(crate) file: Arc<Path>,
    pub(crate) line: usize,
}

impl ConfigFile {
    /// Reads all that there are: `/etc/ssmport/config.toml`, and above it `$SSMPORT_CONFIG`, else
    /// `ssmport/config.toml` in the user's folder of configuration.
    pub(crate) fn load() -> Result<Self, Error> {
        let mut files = Self::default();
        if let Some(place) = place::of_machine_besides() {
            files.add_demand(&place)?;
        }
        for place in place::all() {
            files.add(&place)?;
        }
        files.check()?;
        Ok(files)
    }

    /// Becomes another when one of the files does.
    pub(crate) fn fingerprint() -> Vec<Fingerprint> {
        place::all().iter().map(Place::fingerprint).collect()
    }

    /// The target that is meant when `typed` was; one must be named unless there is somebody to ask.
    pub(crate) fn load_target(typed: Option<Target>, guide: &dyn Guide) -> Result<Target, Error> {
        match Self::load()?.target(typed_or_set(typed)?)? {
            Target::Lookup(Lookup::Any) if !guide.can_choose() => {
                Err(Error::new(Kind::Usage, "no target is given")
                    .next("name one, or set SSMPORT_TARGET or `target` in the configuration file"))
            }
            target => Ok(target),
        }
    }

    /// The target that is meant when `typed` was, if one is named at all.
    #[cfg(feature = "aws")]
    pub(crate) fn load_named(typed: Option<Target>) -> Result<Option<Target>, Error> {
        let target = Self::load()?.target(typed_or_set(typed)?)?;
        Ok(Some(target).filter(|target| *target != Target::Lookup(Lookup::Any)))
    }

    /// The aliases that there are, with what they stand for.
    pub(crate) fn load_aliases() -> Result<BTreeMap<String, Target>, Error> {
        let files = Self::load()?;
        let names = files.names(Table::Targets);
        Ok(names.filter_map(|name| Some((name.to_owned(), files.alias(name)?))).collect())
    }

    /// Whose nodes are meant where nobody says so.
    pub(crate) fn defaults(&self) -> Whose {
        self.whose(Table::Defaults, "")
    }

    /// The tunnels that there are, in the order of their names.
    ///
    /// # Errors
    /// When the default target of one of them makes no sense.
    pub(crate) fn tunnels(&self) -> Result<Vec<ConfiguredTunnel>, Error> {
        self.names(Table::Tunnels).map(|name| self.tunnel(name)).collect()
    }

    /// Everything that is set, in the order of the keys.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&Key, &Setting)> {
        self.settings.iter()
    }

    /// The files that were there.
    pub(crate) fn files(&self) -> &[Arc<Path>] {
        &self.read
    }

    /// Puts a file's settings above those that there are.
    fn add(&mut self, place: &Place) -> Result<(), Error> {
        let Some(text) = place.text()? else { return Ok(()) };
        let file: Arc<Path> = place.path.as_path().into();
        let read = reader::read(&text, &file).map_err(|why| unusable(&file, why))?;
        for name in read.whole {
            self.settings.retain(|key, _| key.table != Table::Targets || key.name != name);
        }
        self.settings.extend(read.settings);
        self.read.push(file);
        self.heed_demand(place.is_machines);
        Ok(())
    }

    /// Takes from the machine's file, where a variable names another one in its place, what nobody takes away.
    fn add_demand(&mut self, place: &Place) -> Result<(), Error> {
        let mut alone = Self::default();
        alone.add(place)?;
        self.demanded = alone.demanded;
        Ok(())
    }

    /// What no file can say alone.
    fn check(&self) -> Result<(), Error> {
        for name in self.names(Table::Targets) {
            let Some(setting) = self.get(Table::Targets, name, "target") else {
                return Err(self.wrong(Table::Targets, name, "it has no `target`"));
            };
            let Ok(target) = setting.value.parse() else { continue };
            if let Target::Lookup(Lookup::Name(meant)) = &target
                && let Some(other) = self.get(Table::Targets, meant, "target")
                // Whoever has written the other file need not know of it.
                && other.origin.file == setting.origin.file
            {
                let why = format!("`{meant}` is an alias itself");
                return Err(self.wrong(Table::Targets, name, &why));
            }
            self.check_account(Table::Targets, name, &target)?;
        }
        for name in self.names(Table::Tunnels) {
            self.check_tunnel(name)?;
        }
        self.check_locals()
    }

    /// Whether `target` can be in the account that stands beside it.
    fn check_account(&self, table: Table, name: &str, target: &Target) -> Result<(), Error> {
        let whose = self.whose(table, name);
        if *target == Target::Local && whose != Whose::default() {
            let why = "the embedded endpoint has no profile and is in no region";
            return Err(self.wrong(table, name, why));
        }
        if matches!(target, Target::InRegion(..)) && whose.region.is_some() {
            return Err(self.wrong(table, name, "its region is named twice"));
        }
        Ok(())
    }

    /// The target that is meant when `typed` was, with aliases put in.
    fn target(&self, typed: Option<Target>) -> Result<Target, Error> {
        let target = match (typed, self.get(Table::Defaults, "", "target")) {
            (Some(target), _) => target,
            (None, Some(default)) => parsed(default)?,
            (None, None) => Target::Lookup(Lookup::Any),
        };
        Ok(self.without_aliases(target))
    }

    fn without_aliases(&self, target: Target) -> Target {
        match target {
            Target::Lookup(Lookup::Name(ref name)) => self.alias(name).unwrap_or(target),
            Target::InRegion(target, region) => match self.without_aliases(*target) {
                Target::Local => Target::Local,
                // What is typed goes before the file.
                Target::InRegion(target, _) => Target::InRegion(target, region),
                target => Target::InRegion(Box::new(target), region),
            },
            target => target,
        }
    }

    /// What a name stands for.
    fn alias(&self, name: &str) -> Option<Target> {
        let target = self.get(Table::Targets, name, "target")?;
        // It was checked as the file was read.
        let target = target.value.parse().ok()?;
        Some(self.whose(Table::Targets, name).of(target))
    }

    fn whose(&self, table: Table, name: &str) -> Whose {
        let value = |field| Some(self.get(table, name, field)?.value.clone());
        Whose { profile: value("profile"), region: value("region") }
    }

    fn names(&self, table: Table) -> impl Iterator<Item = &str> {
        let mut last = None;
        let names = self.settings.keys().filter(move |key| key.table == table);
        names.map(|key| &*key.name).filter(move |name| last.replace(*name) != Some(name))
    }

    fn get(&self, table: Table, name: &str, field: &str) -> Option<&Setting> {
        let field = key::fields(table).iter().find(|known| known.name == field)?.name;
        self.settings.get(&Key { table, name: name.to_owned(), field })
    }

    /// What is wrong with what is said of `name`.
    fn wrong(&self, table: Table, name: &str, why: &str) -> Error {
        let mut settings = self.settings.iter();
        let first = settings.find(|(key, _)| key.table == table && key.name == name);
        let path = key::path(table, name);
        match first {
            Some((_, setting)) => setting.origin.wrong(&format!("{path}: {why}")),
            None => Error::new(Kind::Usage, path).because(why),
        }
    }
}

impl Origin {
    fn wrong(&self, why: &str) -> Error {
        unusable(&self.file, format!("line {}: {why}", self.line))
    }
}

fn unusable(file: &Path, why: impl std::fmt::Display) -> Error {
    Error::new(Kind::Usage, format!("{} cannot be used", file.display())).because(why)
}

/// A target that a file names.
fn parsed(setting: &Setting) -> Result<Target, Error> {
    setting.value.parse().map_err(|why: Malformed| setting.origin.wrong(&format!("target: {why}")))
}

/// What was typed, else what the environment says.
fn typed_or_set(typed: Option<Target>) -> Result<Option<Target>, Error> {
    let (None, Some(text)) = (&typed, env::var_os(TARGET)) else { return Ok(typed) };
    let text = text.to_string_lossy();
    let wrong = |why: Malformed| Error::new(Kind::Usage, format!("{TARGET}={text}")).because(why);
    text.parse().map(Some).map_err(wrong)
}

pub(crate) const TARGET: &str = "SSMPORT_TARGET";

#[cfg(test)]
mod tests;
