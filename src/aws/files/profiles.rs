//! Profiles and what they refer to, as botocore's `configloader` and `Session.full_config` find them.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use super::{
    ini::{self, Options, Value},
    place::{Environment, expand},
    shell_words::words_of,
};
use crate::{
    aws::{environment::variable, error::AwsError},
    files,
    malformed::Malformed,
};

/// All profiles, and which of them is in use.
#[derive(Clone, Debug, Default)]
pub(in crate::aws) struct Profiles {
    selected: String,
    pub(super) profiles: BTreeMap<String, Profile>,
    pub(super) sso_sessions: BTreeMap<String, Options>,
    pub(super) services: BTreeMap<String, Options>,
}

/// What the two files say of a profile.
#[derive(Clone, Debug, Default)]
pub(in crate::aws) struct Profile {
    name: String,
    /// Of both files; the credentials file's go first.
    pub(super) options: Options,
    /// Of the credentials file alone.
    credentials: Options,
}

impl Profiles {
    /// Reads the files that the environment names, or those in `~/.aws`. In use is the profile of
    /// this name, else that of the environment, else `default`, which need not exist: a misspelt one
    /// must not end with somebody else's credentials.
    pub(in crate::aws) fn load(name: Option<&str>) -> Result<Self, AwsError> {
        Self::load_from(name, &variable)
    }

    fn load_from(name: Option<&str>, environment: Environment<'_>) -> Result<Self, AwsError> {
        let broken = |why: String| AwsError::Configuration { why };
        let config = Source::of(CONFIG_FILE, environment);
        let credentials = Source::of(CREDENTIALS_FILE, environment);
        let read = |source: &Source| source.read().map_err(|why| broken(why.into()));
        let mut profiles = Self::of(read(&config)?, read(&credentials)?);
        // The order of botocore.
        let of_environment = || PROFILE.into_iter().find_map(environment);
        let name = name.map(str::to_owned).or_else(of_environment);
        profiles.selected = name.unwrap_or_else(|| DEFAULT.to_owned());
        let selected = &profiles.selected;
        if selected != DEFAULT && !profiles.profiles.contains_key(selected) {
            let absent: Vec<_> =
                [&config, &credentials].into_iter().filter_map(Source::absence).collect();
            let why =
                if absent.is_empty() { String::new() } else { format!(": {}", absent.join(", ")) };
            return Err(broken(format!("there is no profile `{selected}`{why}")));
        }
        Ok(profiles)
    }

    /// The names of all profiles, as far as the files can be read.
    pub(in crate::aws) fn names() -> Vec<String> {
        let read = |place| Source::of(place, &variable).read().unwrap_or_default();
        Self::of(read(CONFIG_FILE), read(CREDENTIALS_FILE)).profiles.into_keys().collect()
    }

    #[cfg(test)]
    pub(in crate::aws) fn of_config(config: &str, selected: &str) -> Self {
        let sections = ini::parse(config.as_bytes()).unwrap();
        Self { selected: selected.to_owned(), ..Self::of(sections, ini::Sections::new()) }
    }

    pub(super) fn of(config: ini::Sections, credentials: ini::Sections) -> Self {
        let mut profiles = Self::default();
        for (section, options) in config {
            if section == DEFAULT {
                profiles.put(DEFAULT.to_owned(), options);
                continue;
            }
            let Some(name) = second_word(&section) else { continue };
            // A later section takes the place of one whose name is written in another way.
            if section.starts_with("profile") {
                profiles.put(name, options);
            } else if section.starts_with("sso-session") {
                profiles.sso_sessions.insert(name, options);
            } else if section.starts_with("services") {
                profiles.services.insert(name, options);
            }
        }
        for (name, options) in credentials {
            let profile = profiles.profiles.entry(name.clone()).or_default();
            profile.name = name;
            profile.options.extend(options.clone());
            profile.credentials = options;
        }
        profiles
    }

    fn put(&mut self, name: String, options: Options) {
        let profile = Profile { name: name.clone(), options, credentials: Options::new() };
        self.profiles.insert(name, profile);
    }

    /// The name of the profile in use.
    pub(in crate::aws) fn selected(&self) -> &str {
        &self.selected
    }

    /// The profile of this name.
    pub(in crate::aws) fn get(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name)
    }

    /// What the profile in use says.
    pub(in crate::aws) fn option(&self, name: &str) -> Option<&str> {
        self.get(&self.selected)?.option(name)
    }

    /// What an SSO session says of something; the outer `None` when there is no such session.
    pub(in crate::aws) fn sso_session(&self, session: &str, name: &str) -> Option<Option<&str>> {
        self.sso_sessions.get(session).map(|options| text(options, name))
    }

    /// The address of a service, of which the profile in use has a list.
    pub(in crate::aws) fn service_endpoint(&self, service: &str) -> Option<&str> {
        let services = self.services.get(self.option("services")?)?;
        match services.get(service)? {
            Value::Nested(options) => options.get("endpoint_url").filter(|url| !url.is_empty()),
            Value::Text(_) => None,
        }
        .map(String::as_str)
    }
}

impl Profile {
    pub(in crate::aws) fn name(&self) -> &str {
        &self.name
    }

    /// What it says of something. Empty is as good as nothing.
    pub(in crate::aws) fn option(&self, name: &str) -> Option<&str> {
        text(&self.options, name)
    }

    /// The same, of the credentials file alone.
    pub(in crate::aws) fn of_credentials_file(&self, name: &str) -> Option<&str> {
        text(&self.credentials, name)
    }
}

fn text<'a>(options: &'a Options, name: &str) -> Option<&'a str> {
    match options.get(name)? {
        Value::Text(text) => Some(text.as_str()).filter(|text| !text.is_empty()),
        Value::Nested(_) => None,
    }
}

/// The name in a section's head of two words.
fn second_word(section: &str) -> Option<String> {
    let mut words = words_of(section)?;
    if words.len() != 2 {
        return None;
    }
    words.pop().map(|(name, _)| name)
}

/// One of the two files.
struct Source {
    variable: &'static str,
    is_named: bool,
    path: PathBuf,
}

impl Source {
    fn of((variable, default): (&'static str, &str), environment: Environment<'_>) -> Self {
        let named = environment(variable);
        let path = expand(named.as_deref().unwrap_or(default), environment);
        Self { variable, is_named: named.is_some(), path }
    }

    /// What is no file, or may not be read, has no sections, as for botocore.
    fn read(&self) -> Result<ini::Sections, Malformed> {
        let path = self.path.display();
        let bytes = match contents(&self.path) {
            Ok(bytes) => bytes,
            Err(why) if why.kind() == ErrorKind::FileTooLarge => {
                return Err(format!("{path}: {why}").into());
            }
            Err(why) => {
                tracing::debug!("{path}: {why}");
                return Ok(ini::Sections::new());
            }
        };
        ini::parse(&bytes).map_err(|error| format!("{path}, {error}").into())
    }

    /// Why there is nothing in it, if that may be of interest.
    fn absence(&self) -> Option<String> {
        let why = contents(&self.path).err()?;
        let Self { variable, is_named, path } = self;
        let named = if *is_named { format!("{variable} names ") } else { String::new() };
        Some(format!("{named}{}: {why}", path.display()))
    }
}

fn contents(path: &Path) -> io::Result<Vec<u8>> {
    files::read(path, LARGEST)
}

const DEFAULT: &str = "default";
const PROFILE: [&str; 2] = ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"];
const CONFIG_FILE: (&str, &str) = ("AWS_CONFIG_FILE", "~/.aws/config");
const CREDENTIALS_FILE: (&str, &str) = ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials");
/// In bytes. Those of companies with thousands of accounts have a few MiB.
const LARGEST: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_credentials_file_says_goes_first() {
        let config = "[profile a]\nregion = r\naws_access_key_id = old\n[default]\noutput =\n";
        let credentials = "[a]\naws_access_key_id = new\n[profile b]\nx = 1\n";
        let parse = |text: &str| ini::parse(text.as_bytes()).unwrap();
        let profiles = Profiles::of(parse(config), parse(credentials));
        let a = profiles.get("a").unwrap();
        assert_eq!(a.option("region"), Some("r"));
        assert_eq!(a.option("aws_access_key_id"), Some("new"));
        assert_eq!(a.of_credentials_file("region"), None);
        assert_eq!(profiles.get("default").unwrap().option("output"), None);
        // In that file names have no prefix.
        assert!(profiles.get("b").is_none() && profiles.get("profile b").is_some());
    }

    #[test]
    fn a_profiles_services_have_addresses() {
        let config =
            "[profile p]\nservices = \"x\"\n[services x]\nssm =\n  endpoint_url = http://x\n";
        assert_eq!(Profiles::of_config(config, "p").service_endpoint("ssm"), None);
        let config = config.replace('"', "");
        let profiles = Profiles::of_config(&config, "p");
        assert_eq!(profiles.service_endpoint("ssm"), Some("http://x"));
        assert_eq!(profiles.service_endpoint("sts"), None);
    }

    #[test]
    fn files_that_are_missing_are_named_when_the_profile_is() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap().to_owned();
        let environment = |name: &str| match name {
            "HOME" => Some(home.clone()),
            "AWS_CONFIG_FILE" => Some("~/none".to_owned()),
            "AWS_DEFAULT_PROFILE" => Some("work".to_owned()),
            _ => None,
        };
        let why = Profiles::load_from(None, &environment).unwrap_err().to_string();
        let named =
            format!("there is no profile `work`: AWS_CONFIG_FILE names {home}/none: No such");
        assert!(why.contains(&named), "{why}");

        std::fs::write(folder.path().join("none"), "[profile work]\nregion = r\nnonsense\n")
            .unwrap();
        let why = Profiles::load_from(None, &environment).unwrap_err().to_string();
        assert!(why.contains("/none, line 3: it is neither"), "{why}");
        assert!(!why.contains("nonsense"), "{why}");
    }
}
