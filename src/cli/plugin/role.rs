//! Which of its two programs the one file is this time.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

/// The drop-in's arguments, if this process was started by its name. `arguments` begin with the name.
pub fn drop_in_arguments(arguments: impl IntoIterator<Item = OsString>) -> Option<Vec<String>> {
    let mut arguments = arguments.into_iter();
    let is_drop_in = arguments.next().is_some_and(|program| is_of_drop_in(&program));
    let text = |argument: OsString| argument.to_string_lossy().into_owned();
    is_drop_in.then(|| arguments.map(text).collect())
}

fn is_of_drop_in(program: &OsStr) -> bool {
    let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
    match cfg!(windows) {
        true => name.to_ascii_lowercase().trim_end_matches(".exe") == NAME,
        false => name == NAME,
    }
}

const NAME: &str = "session-manager-plugin";

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &[&str]) -> Option<Vec<String>> {
        drop_in_arguments(words.iter().map(OsString::from))
    }

    #[test]
    fn it_goes_by_the_name_that_it_is_called_by() {
        for program in ["session-manager-plugin", "/opt/ssmport/bin/session-manager-plugin"] {
            assert_eq!(arguments(&[program]), Some(Vec::new()));
            assert_eq!(arguments(&[program, NAME]), Some(vec![NAME.to_owned()]));
        }
        for program in ["ssmport", "/bin/ssmport", "", "session-manager-plugin/ssmport"] {
            assert_eq!(arguments(&[program, NAME]), None, "{program}");
        }
        assert_eq!(arguments(&[]), None);
    }

    #[cfg(windows)]
    #[test]
    fn the_system_finds_programs_in_any_case_and_with_a_suffix() {
        for program in [r"C:\p\Session-Manager-Plugin.EXE", "session-manager-plugin.exe"] {
            assert_eq!(arguments(&[program]), Some(Vec::new()), "{program}");
        }
    }
}
