//! Where the files are.

use std::path::PathBuf;

/// Reads a variable; an empty one is as good as none.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The path that a text means: `$VARIABLES`, then `~`, as Python expands them.
pub fn expand(text: &str, environment: Environment<'_>) -> PathBuf {
    let path = variables(text, environment);
    let below = match path.strip_prefix('~') {
        Some(below) if below.is_empty() || below.starts_with(['/', std::path::MAIN_SEPARATOR]) => {
            below
        }
        _ => return path.into(),
    };
    match home(environment) {
        Some(home) => home.join(below.trim_start_matches(['/', std::path::MAIN_SEPARATOR])),
        None => path.into(),
    }
}

/// The user's home directory.
pub fn home(environment: Environment<'_>) -> Option<PathBuf> {
    let named = environment("HOME").map(PathBuf::from);
    named.or_else(std::env::home_dir).filter(|home| !home.as_os_str().is_empty())
}

/// `$NAME` and `${NAME}`; one that is not set stays as it is.
fn variables(text: &str, environment: Environment<'_>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        expanded.push_str(before);
        let after = &from[1..];
        let (name, length) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, _)) => (name, name.len() + 3),
            None => {
                let is_other = |c: char| !c.is_ascii_alphanumeric() && c != '_';
                let end = after.find(is_other).unwrap_or(after.len());
                (&after[..end], end + 1)
            }
        };
        match environment(name).filter(|_| !name.is_empty()) {
            Some(value) => expanded.push_str(&value),
            None => expanded.push_str(&from[..length]),
        }
        rest = &from[length..];
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_what_a_shell_would_have_made_of_them() {
        let environment = |name: &str| match name {
            "HOME" => Some("/home/jo".to_owned()),
            "TEAM" => Some("ops".to_owned()),
            _ => None,
        };
        for (text, path) in [
            ("~/cfg/aws", "/home/jo/cfg/aws"),
            ("$HOME/cfg", "/home/jo/cfg"),
            ("${HOME}cfg/$TEAM.ini", "/home/jocfg/ops.ini"),
            ("/etc/$NOBODY/${NOBODY}/$/${", "/etc/$NOBODY/${NOBODY}/$/${"),
            ("~jo/cfg", "~jo/cfg"),
            ("~", "/home/jo/"),
            ("a~", "a~"),
        ] {
            assert_eq!(expand(text, &environment), PathBuf::from(path), "{text}");
        }
    }
}
