//! Where what a terminal shows is recorded, without anybody's saying so each time.

use std::{
    env,
    path::{Path, PathBuf},
};

use super::{ConfigFile, Key, Origin, Table, key::RECORD};
use crate::malformed::Malformed;

/// What `record` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ConfiguredRecording {
    pattern: String,
    /// The machine's file wants it: its users cannot do without.
    pub(crate) is_demanded: bool,
    pub(crate) origin: Origin,
}

/// What a file's name can say of its session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordedSession<'a> {
    pub(crate) target: &'a str,
    /// To the second, as of ISO 8601.
    pub(crate) time: &'a str,
    pub(crate) pid: u32,
}

impl ConfigFile {
    /// Where terminals are recorded, if they are.
    pub(crate) fn recording(&self) -> Option<ConfiguredRecording> {
        let setting = self.settings.get(&key())?;
        let (pattern, origin) = (setting.value.clone(), setting.origin.clone());
        let is_demanded = self.demanded.as_ref().is_some_and(|demanded| demanded == setting);
        Some(ConfiguredRecording { pattern, is_demanded, origin })
    }

    /// What the machine's file demands, nobody takes away: to be called behind each file.
    pub(super) fn heed_demand(&mut self, is_machines: bool) {
        if is_machines && self.demanded.is_none() {
            self.demanded = self.settings.get(&key()).cloned();
        }
        if let Some(demanded) = &self.demanded {
            self.settings.insert(key(), demanded.clone());
        }
    }
}

impl ConfiguredRecording {
    /// The file of a session.
    pub(crate) fn file(&self, session: RecordedSession<'_>) -> PathBuf {
        let RecordedSession { target, time, pid } = session;
        let target: String = target.chars().map(in_name).collect();
        let user = env::var(USER).unwrap_or_default();
        let user: String = user.chars().map(in_name).collect();
        let name = match self.pattern.contains('{') {
            true => self.pattern.clone(),
            false => format!("{}/{USUAL}", self.pattern.trim_end_matches(SEPARATORS)),
        };
        // A target that looks like one of them is none.
        let mut file = String::new();
        let mut rest = &*name;
        while let Some((before, behind)) = rest.split_once('{') {
            file.push_str(before);
            let (placeholder, after) = behind.split_once('}').unwrap_or((behind, ""));
            match placeholder {
                "target" => file.push_str(&target),
                "time" => file.push_str(time),
                "user" => file.push_str(&user),
                _ => file.push_str(&pid.to_string()),
            }
            rest = after;
        }
        file.push_str(rest);
        match (file.strip_prefix("~/"), env::home_dir()) {
            (Some(below), Some(home)) => home.join(below),
            _ => PathBuf::from(file),
        }
    }
}

/// An absolute path, or one in the home directory, of a folder or with known placeholders.
pub(super) fn check(text: &str) -> Result<(), Malformed> {
    let is_rooted = text.starts_with("~/") || Path::new(text).is_absolute();
    if !is_rooted || text.chars().any(char::is_control) {
        let why =
            format!("`{}` is no absolute path, nor one that begins with ~/", text.escape_debug());
        return Err(why.into());
    }
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        let placeholder = behind.split_once('}');
        let known = placeholder.filter(|(name, _)| PLACEHOLDERS.contains(name));
        let Some((name, after)) = known.filter(|_| !before.contains('}')) else {
            let all = PLACEHOLDERS.map(|name| format!("{{{name}}}")).join(", ");
            return Err(format!("`{text}`: in braces there can be {all}").into());
        };
        names.push(name);
        rest = after;
    }
    match names.is_empty() || ["time", "pid"].iter().all(|name| names.contains(name)) {
        true => Ok(()),
        false => {
            Err(format!("`{text}`: each session has a file of its own, with {{time}} and {{pid}}")
                .into())
        }
    }
}

fn key() -> Key {
    Key { table: Table::Defaults, name: String::new(), field: RECORD }
}

/// Nothing that leads elsewhere, or that a system has no names with.
fn in_name(character: char) -> char {
    let is_plain = |c: char| c.is_alphanumeric() || "-_@".contains(c);
    // A dot leads nowhere behind other characters, but begins names that nobody sees.
    if is_plain(character) { character } else { '_' }
}

const PLACEHOLDERS: [&str; 4] = ["target", "time", "user", "pid"];
const USUAL: &str = "{time}-{target}-{pid}.cast";
const USER: &str = if cfg!(windows) { "USERNAME" } else { "USER" };
const SEPARATORS: &[char] = if cfg!(windows) { &['/', '\\'] } else { &['/'] };

#[cfg(all(test, unix))]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn file(pattern: &str, target: &str) -> String {
        check(pattern).expect(pattern);
        let origin = Origin { file: Arc::from(Path::new("/c")), line: 1 };
        let recording =
            ConfiguredRecording { pattern: pattern.to_owned(), is_demanded: false, origin };
        let session = RecordedSession { target, time: "20251130T150000Z", pid: 7 };
        recording.file(session).display().to_string()
    }

    #[test]
    fn each_session_has_a_file() {
        for (pattern, target, expected) in [
            ("/var/rec", "web", "/var/rec/20251130T150000Z-web-7.cast"),
            ("/var/rec/", "tag:Role=a/b", "/var/rec/20251130T150000Z-tag_Role_a_b-7.cast"),
            ("/r/{target}/{time}.{pid}", "../{pid}", "/r/___{pid}/20251130T150000Z.7"),
        ] {
            let expected = expected.replace("___{pid}", "____pid_");
            assert_eq!(file(pattern, target), expected);
        }
        assert!(!file("~/rec", "web").starts_with('~'));
    }

    #[test]
    fn what_would_name_no_file_or_one_for_all_is_refused() {
        for (pattern, part) in [
            ("rec", "no absolute path"),
            ("", "no absolute path"),
            ("/a\nb", "no absolute path"),
            ("/r/{host}-{time}", "in braces there can be {target}, "),
            ("/r/{time", "in braces there can be "),
            ("/r/{target}", "a file of its own"),
            ("/r/{time}", "a file of its own"),
        ] {
            let why = check(pattern).expect_err(pattern).to_string();
            assert!(why.contains(part), "{pattern}: {why}");
        }
    }
}
