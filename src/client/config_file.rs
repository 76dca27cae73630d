//! The configuration file: what need not be typed each time.
//!
//! ```toml
//! target = "bastion"                # where a command goes that names no target
//!
//! [targets]                         # aliases
//! bastion = "tag:Role=bastion"
//! db = "i-0123456789abcdef0"
//! ```

use std::{
    collections::BTreeMap,
    env,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    Guide,
    error::{Error, Kind},
    target::{Lookup, Target},
};
use crate::files::{self, LONGEST_BY_HAND};
use crate::malformed::Malformed;

/// What the file says; nothing if there is none.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigFile {
    target: Option<String>,
    #[serde(default)]
    targets: BTreeMap<String, String>,
}

impl ConfigFile {
    /// Reads `$SSMPORT_CONFIG`, else `ssmport/config.toml` in the user's folder of configuration.
    fn load() -> Result<Self, Error> {
        match env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
            Some(path) => Self::read(Path::new(&path), true),
            None => match default_path() {
                Some(path) => Self::read(&path, false),
                None => Ok(Self::default()),
            },
        }
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

    fn read(path: &Path, must_exist: bool) -> Result<Self, Error> {
        let text = match files::read_text(path, LONGEST_BY_HAND) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => {
                return Ok(Self::default());
            }
            Err(error) => {
                let what = format!("cannot read {}", path.display());
                let failure = Error::new(Kind::Usage, what).because(error);
                return Err(failure.next(format!("check {VARIABLE}")));
            }
        };
        Self::parse(&text).map_err(|why| {
            Error::new(Kind::Usage, format!("{} cannot be used", path.display())).because(why)
        })
    }

    fn parse(text: &str) -> Result<Self, Malformed> {
        let file: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or(""));
            format!("line {}: {}", before.matches('\n').count() + 1, error.message())
        })?;
        for (alias, target) in &file.targets {
            let wrong = |why: Malformed| format!("targets.{alias}: {why}");
            let parsed: Target = target.parse().map_err(wrong)?;
            if matches!(
                alias.parse(),
                Ok(Target::Local | Target::Id(_) | Target::InRegion(..)) | Err(_)
            ) {
                return Err(wrong("this name means something else already".into()).into());
            }
            if matches!(&parsed, Target::Lookup(Lookup::Name(name)) if file.targets.contains_key(name))
            {
                return Err(wrong(format!("`{target}` is an alias itself").into()).into());
            }
        }
        Ok(file)
    }

    /// The target that is meant when `typed` was, with aliases put in.
    fn target(&self, typed: Option<Target>) -> Result<Target, Error> {
        let target = match (typed, &self.target) {
            (Some(target), _) => target,
            (None, Some(default)) => default.parse().map_err(|why: Malformed| {
                Error::new(Kind::Usage, "`target` in the configuration file").because(why)
            })?,
            (None, None) => Target::Lookup(Lookup::Any),
        };
        Ok(self.without_aliases(target))
    }

    fn without_aliases(&self, target: Target) -> Target {
        match target {
            Target::Lookup(Lookup::Name(ref name)) => match self.targets.get(name) {
                // It was checked as the file was read.
                Some(meant) => meant.parse().unwrap_or(target),
                None => target,
            },
            Target::InRegion(target, region) => match self.without_aliases(*target) {
                Target::Local => Target::Local,
                // What is typed goes before the file.
                Target::InRegion(target, _) => Target::InRegion(target, region),
                target => Target::InRegion(Box::new(target), region),
            },
            target => target,
        }
    }

    /// The aliases that there are, with what they stand for.
    pub(crate) fn load_aliases() -> Result<BTreeMap<String, String>, Error> {
        Ok(Self::load()?.targets)
    }
}

fn default_path() -> Option<PathBuf> {
    let given = env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let folder = given.filter(|path| path.is_absolute());
    let folder = folder.or_else(|| Some(env::home_dir()?.join(".config")));
    folder.map(|folder| folder.join("ssmport").join("config.toml"))
}

/// What was typed, else what the environment says.
fn typed_or_set(typed: Option<Target>) -> Result<Option<Target>, Error> {
    let (None, Some(text)) = (&typed, env::var_os(TARGET)) else { return Ok(typed) };
    let text = text.to_string_lossy();
    let wrong = |why: Malformed| Error::new(Kind::Usage, format!("{TARGET}={text}")).because(why);
    text.parse().map(Some).map_err(wrong)
}

const VARIABLE: &str = "SSMPORT_CONFIG";
const TARGET: &str = "SSMPORT_TARGET";

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str =
        "target = \"db\"\n\n[targets]\ndb = \"tag:Role=db\"\nweb = \"i-0123456789abcdef0\"\n";

    #[test]
    fn aliases_stand_for_targets_and_one_is_the_default() {
        let file = ConfigFile::parse(FILE).unwrap();
        let target = |typed: Option<&str>| {
            file.target(typed.map(|text| text.parse().unwrap())).unwrap().to_string()
        };
        assert_eq!(target(None), "tag:Role=db");
        assert_eq!(target(Some("web")), "i-0123456789abcdef0");
        assert_eq!(target(Some("other")), "other");
        assert_eq!(target(Some("local")), "local");
        assert_eq!(target(Some("web--eu-west-1")), "i-0123456789abcdef0--eu-west-1");
        let nothing = ConfigFile::default().target(None).unwrap();
        assert_eq!(nothing, Target::Lookup(Lookup::Any));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, part) in [
            ("target = \"a\"\ntarge = \"b\"\n", "line 2: unknown field `targe`"),
            ("[targets]\nweb = 5\n", "line 2: invalid type"),
            ("[targets\n", "line 1: "),
            ("[targets]\nweb = \"i-xyz\"\n", "targets.web: a node's id"),
            ("[targets]\nlocal = \"web\"\n", "targets.local: this name means something else"),
            ("[targets]\na = \"b\"\nb = \"i-01234567\"\n", "targets.a: `b` is an alias itself"),
        ] {
            let message = ConfigFile::parse(text).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        assert!(ConfigFile::read(Path::new("/nowhere/config.toml"), false).is_ok());
        let failure = ConfigFile::read(Path::new("/nowhere/config.toml"), true).unwrap_err();
        assert_eq!(failure.what, "cannot read /nowhere/config.toml");
    }
}
