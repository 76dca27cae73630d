//! Words that are no commands or options of ours, and what is meant by them.

use clap::{
    Error,
    builder::StyledStr,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::client::{
    spec::Spec,
    target::{Lookup, Target},
};

/// Adds what was probably meant to clap's error about a command or an option that there is not.
pub(super) fn with_advice(mut error: Error) -> Error {
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    let command = word(ContextKind::InvalidSubcommand).and_then(meant_by);
    let is_unknown = error.kind() == ErrorKind::UnknownArgument;
    let option = word(ContextKind::InvalidArg).filter(|_| is_unknown).and_then(meant_by_option);
    if let Some(meant) = command.or(option) {
        // Likeness of letters knows less.
        error.remove(ContextKind::SuggestedSubcommand);
        error.remove(ContextKind::SuggestedArg);
        let tip = StyledStr::from(format!("what you mean may be: {meant}"));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    error
}

/// How it is said here what others have an option for.
fn meant_by_option(word: &str) -> Option<String> {
    let known = OPTIONS_ELSEWHERE.iter().find(|(words, _)| words.contains(&word));
    known.map(|(_, meant)| (*meant).to_owned())
}

/// The command that others call so, or that goes with what is no command at all.
fn meant_by(word: &str) -> Option<String> {
    let known = ELSEWHERE.iter().find(|(words, _)| words.contains(&word));
    if let Some((_, command)) = known {
        return Some((*command).to_owned());
    }
    if word.parse::<Spec>().is_ok() {
        return Some(format!("ssmport forward {word} -t TARGET"));
    }
    match word.parse() {
        // Anything may be a name.
        Ok(Target::Local | Target::Lookup(Lookup::Name(_))) => None,
        Ok(_) => Some(format!("ssmport shell {word}")),
        Err(_) => None,
    }
}

/// Names of commands in the AWS CLI, in ssh, kubectl, gcloud and other clients of Session Manager.
const ELSEWHERE: [(&[&str], &str); 9] = [
    (
        &["tunnel", "port-forward", "port-forwarding", "portforward", "fwd", "port", "pf"],
        "ssmport forward 5432 -t TARGET",
    ),
    (
        &["connect", "console", "start-session", "session", "ssm", "start", "sh", "bash", "attach"],
        "ssmport shell TARGET",
    ),
    (
        &["list", "instances", "nodes", "targets", "describe-instances", "list-instances"],
        "ssmport ls",
    ),
    (
        &["run", "command", "cmd", "send-command", "execute-command", "execute"],
        "ssmport exec TARGET -- COMMAND",
    ),
    (
        &["cp", "scp", "copy", "sftp", "rsync", "upload", "download"],
        "ssmport ssh-config --install, and then scp FILE TARGET:",
    ),
    (&["socks", "socks5"], "ssmport ssh -N -D 1080 TARGET"),
    (&["sso", "mfa", "auth", "configure"], "ssmport login"),
    (&["check", "diagnose", "status", "test"], "ssmport doctor"),
    (&["serve", "server", "mock", "endpoint"], "ssmport local"),
];

/// The same of options.
const OPTIONS_ELSEWHERE: [(&[&str], &str); 4] = [
    (
        &["--target", "-t", "--instance-id", "--instance-ids", "--instance", "-i"],
        "ssmport COMMAND TARGET, as in: ssmport shell i-0123456789abcdef0",
    ),
    (
        &["--parameters", "--host", "--remote-host", "--port", "--local-port", "--remote-port"],
        "ssmport forward LOCAL:HOST:PORT -t TARGET",
    ),
    (&["--document-name"], "--document NAME; commands choose the usual ones themselves"),
    (&["--debug"], "-v, or -vv for the details"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_meant_exists() {
        let mut command = super::super::help::command();
        command.build();
        for (words, meant) in ELSEWHERE {
            let name = meant.split([' ', ',']).nth(1).unwrap();
            let is_here = command.find_subcommand(name).is_some();
            // Without the SDK there are fewer.
            assert!(is_here || cfg!(not(feature = "aws")), "{meant}");
            assert!(words.iter().all(|word| command.find_subcommand(word).is_none()), "{words:?}");
        }
    }

    #[test]
    fn what_is_no_command_goes_behind_one() {
        for (word, meant) in [
            ("5432", Some("ssmport forward 5432 -t TARGET")),
            ("15432:db:5432", Some("ssmport forward 15432:db:5432 -t TARGET")),
            ("i-0123456789abcdef0", Some("ssmport shell i-0123456789abcdef0")),
            ("tag:Role=web", Some("ssmport shell tag:Role=web")),
            ("ecs/prod/web", Some("ssmport shell ecs/prod/web")),
            ("10.0.0.7", Some("ssmport shell 10.0.0.7")),
            ("tunnel", Some("ssmport forward 5432 -t TARGET")),
            ("exce", None),
            ("", None),
        ] {
            assert_eq!(meant_by(word).as_deref(), meant, "{word}");
        }
    }
}
