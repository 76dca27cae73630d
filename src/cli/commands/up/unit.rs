//! A unit of systemd's manager of the user, by which tunnels are there from login on.

use std::{env, path};

use super::background::options;
use crate::cli::{
    args::Global,
    failure::{Code, Failure},
    output::Output,
    proxy_command::lasting_program,
};
use crate::client::{config_file::ConfigFile, upkeep::Upkeep};

/// Prints it, and what to do with it.
pub(super) fn print(names: &[String], global: &Global, output: &Output) -> Result<(), Failure> {
    // One that could not start is of no use.
    Upkeep::check(&ConfigFile::load()?, names)?;
    let program = lasting_program()?;
    let mut words = vec![program.to_str().ok_or_else(|| unwritable("its own path"))?.to_owned()];
    words.extend(options(global));
    words.push("up".to_owned());
    words.extend(names.iter().cloned());
    let given = |name: &'static str| Some((name, env::var(name).ok()?));
    let settings = VARIABLES.into_iter().chain(FILES).filter_map(given);
    let settings: Vec<_> = settings
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| match FILES.contains(&name) {
            true => Ok((name, from_anywhere(value)?)),
            false => Ok((name, value)),
        })
        .collect::<Result<_, Failure>>()?;
    output.line(unit(&words, &settings)?.trim_end());
    output.note(
        "Keep this as ~/.config/systemd/user/ssmport.service; then: systemctl --user daemon-reload, \
         systemctl --user enable --now ssmport. From boot on, without a login: loginctl enable-linger",
    );
    output.written()
}

fn unit(words: &[String], settings: &[(&str, String)]) -> Result<String, Failure> {
    let words = words.iter().map(|word| quoted(word, true)).collect::<Result<Vec<_>, _>>()?;
    let mut environment = String::new();
    for (name, value) in settings {
        let setting = quoted(&format!("{name}={value}"), false)?;
        environment.push_str(&format!("Environment={setting}\n"));
    }
    Ok(format!(
        "[Unit]\n\
         Description=Tunnels through AWS Session Manager\n\
         \n\
         [Service]\n\
         Type=exec\n\
         ExecStart={}\n\
         {environment}\
         # What is wrong with the configuration does not mend itself.\n\
         RestartPreventExitStatus=2\n\
         Restart=on-failure\n\
         RestartSec=10\n\
         SuccessExitStatus=130 143\n\
         \n\
         [Install]\n\
         WantedBy=default.target\n",
        words.join(" ")
    ))
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

/// A word that means nothing but itself; in a command line variables are read, too.
fn quoted(word: &str, is_command: bool) -> Result<String, Failure> {
    if word.chars().any(char::is_control) {
        return Err(unwritable(word));
    }
    let mut text = String::new();
    for c in word.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '%' => text.push_str("%%"),
            '$' if is_command => text.push_str("$$"),
            c => text.push(c),
        }
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    Ok(if !text.is_empty() && text.chars().all(is_plain) { text } else { format!("\"{text}\"") })
}

fn unwritable(what: &str) -> Failure {
    let what = format!("`{}` cannot be written into a unit", what.escape_debug());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_nothing_but_themselves() {
        for (word, command, setting) in [
            ("/usr/bin/ssmport", "/usr/bin/ssmport", "/usr/bin/ssmport"),
            ("a b", "\"a b\"", "\"a b\""),
            ("50%", "\"50%%\"", "\"50%%\""),
            ("$HOME", "\"$$HOME\"", "\"$HOME\""),
            ("a\"\\", "\"a\\\"\\\\\"", "\"a\\\"\\\\\""),
            ("", "\"\"", "\"\""),
        ] {
            assert_eq!(quoted(word, true).unwrap(), command);
            assert_eq!(quoted(word, false).unwrap(), setting);
        }
        assert!(quoted("a\nExecStartPre=b", true).is_err());
    }
}
