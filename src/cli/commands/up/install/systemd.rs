//! A unit of systemd's manager of the user.

use super::{Start, unwritable};
use crate::cli::failure::Failure;

pub(super) fn unit(start: &Start) -> Result<String, Failure> {
    let Start { words, settings } = start;
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

pub(super) const NEXT: &str = "\
Keep this as ~/.config/systemd/user/ssmport.service; then: systemctl --user daemon-reload, systemctl --user \
enable --now ssmport. From boot on, without a login: loginctl enable-linger";

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
