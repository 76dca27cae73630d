//! Words that are no commands or options of ours, and what is meant by them.

use std::{env, ffi::OsString, process::ExitCode};

use clap::{
    Error,
    builder::StyledStr,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{
    failure::{Code, Failure},
    output::Output,
    report::{self, Event},
};
use crate::client::{
    spec::Spec,
    target::{Lookup, Target},
};

/// Tells clap's error, and what was probably meant, with the exit code of that. Help and the version are such
/// errors, too.
pub(super) fn end(error: Error) -> ExitCode {
    let is_json = || wants_report(env::args_os().skip(1));
    if let Some(failure) = exec_without(&error, env::args_os()) {
        Output::without_options(is_json()).failure(&failure);
        return failure.code.into();
    }
    let error = with_advice(error, &command_of(env::args_os().skip(1)));
    if error.use_stderr() && is_json() {
        let said = error.render().to_string();
        let (what, next) = parts(&said);
        let exit_code = Code::Usage.number();
        let (why, next) = (None, next.as_deref());
        Output::without_options(true).report(&Event::Error(report::Error {
            exit_code,
            what: &what,
            why,
            next,
        }));
    }
    // A reader that has gone away needs no words.
    let _ = error.print();
    u8::try_from(error.exit_code()).unwrap_or(Code::Usage.number()).into()
}

/// What is missing of a command that is to run somewhere.
fn exec_without(error: &Error, words: impl Iterator<Item = OsString>) -> Option<Failure> {
    if error.kind() != ErrorKind::MissingRequiredArgument {
        return None;
    }
    let parsed = super::help::command().ignore_errors(true).try_get_matches_from(words).ok()?;
    let (_, exec) = parsed.subcommand().filter(|(name, _)| *name == "exec")?;
    let given = |id| -> Vec<String> {
        let values = exec.get_raw(id).into_iter().flatten();
        values.map(|value| value.to_string_lossy().into_owned()).collect()
    };
    // Then something else is missing, which clap names.
    if !given("command").is_empty() {
        return None;
    }
    let (what, example) = match (&given("on")[..], &given("target")[..]) {
        ([], []) => ("exec has to be told where to run what".to_owned(), "web".to_owned()),
        ([], [target, ..]) => {
            (format!("exec has to be told what to run on {target}"), quoted(target))
        }
        (on, _) => {
            let options: Vec<_> = on.iter().map(|on| format!("--on {}", quoted(on))).collect();
            (format!("exec has to be told what to run on {}", on.join(" and ")), options.join(" "))
        }
    };
    Some(Failure::new(Code::Usage, what).next(format!("as in: ssmport exec {example} -- uptime")))
}

/// What stands between the options of `exec` and the first `--`, if there is one.
pub(super) fn before_dashes(words: impl Iterator<Item = OsString>) -> Vec<String> {
    let words: Vec<_> = words.collect();
    let Some(dashes) = words.iter().position(|word| word == "--") else { return Vec::new() };
    let parser = super::help::command().ignore_errors(true);
    let Ok(parsed) = parser.try_get_matches_from(&words[..dashes]) else { return Vec::new() };
    let Some(("exec", exec)) = parsed.subcommand() else { return Vec::new() };
    let given = ["target", "command"].into_iter().filter_map(|id| exec.get_raw(id)).flatten();
    given.map(|value| value.to_string_lossy().into_owned()).collect()
}

fn quoted(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| "TARGET".to_owned(), |quoted| quoted.into_owned())
}

/// Whether these words ask for a report, of a command that has one.
fn wants_report(words: impl Iterator<Item = OsString>) -> bool {
    let words: Vec<_> = words.collect();
    let is_on = |word: &OsString| word == "--on" || word.as_encoded_bytes().starts_with(b"--on=");
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    // With many nodes `exec` has a report, whatever stands behind `--`.
    if words.iter().any(|word| word == "exec") && words[..end].iter().any(is_on) {
        return words[..end].iter().any(|word| word == "--json");
    }
    let command = words.iter().find(|word| !word.as_encoded_bytes().starts_with(b"-"));
    let has_stdout = |word: &OsString| WITHOUT_REPORT.iter().any(|name| word == name);
    // Behind `--` stands a command, which has standard output to itself.
    let is_ours = words.iter().all(|word| word != "--") && !command.is_some_and(has_stdout);
    is_ours && words.iter().any(|word| word == "--json")
}

/// What is wrong, and what may be meant, of clap's paragraphs.
fn parts(said: &str) -> (String, Option<String>) {
    let said = said.replace("\r\n", "\n");
    let mut paragraphs = said.split("\n\n").map(|lines| {
        lines.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    });
    let what = paragraphs.next().unwrap_or_default();
    let what = what.strip_prefix("error: ").map(str::to_owned).unwrap_or(what);
    let tips = paragraphs.filter_map(|text| Some(text.strip_prefix("tip: ")?.to_owned()));
    let tips: Vec<_> = tips.collect();
    (what, Some(tips.join("; ")).filter(|tips| !tips.is_empty()))
}

/// The first of these words that is one of our commands; empty where none is.
fn command_of(words: impl Iterator<Item = OsString>) -> String {
    let ours = super::help::command();
    let mut words = words.filter_map(|word| word.into_string().ok());
    words.find(|word| ours.find_subcommand(word).is_some()).unwrap_or_default()
}

/// Adds what was probably meant to clap's error about a word or an option that `ours`, the command, does not have.
fn with_advice(mut error: Error, ours: &str) -> Error {
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    let command = word(ContextKind::InvalidSubcommand);
    let is_unknown = error.kind() == ErrorKind::UnknownArgument;
    let argument = word(ContextKind::InvalidArg).filter(|_| is_unknown);
    let nearest = command.or(argument).and_then(|word| meant_there(ours, word));
    let anywhere = || command.and_then(meant_by).or_else(|| argument.and_then(meant_by_option));
    if let Some(meant) = nearest.or_else(anywhere) {
        // Likeness of letters knows less.
        error.remove(ContextKind::SuggestedSubcommand);
        error.remove(ContextKind::SuggestedArg);
        let tip = StyledStr::from(format!("what you mean may be: {meant}"));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    likest_first(&mut error);
    error
}

/// Of several commands that are like what was typed clap has the likest last.
fn likest_first(error: &mut Error) {
    if let Some(ContextValue::Strings(names)) = error.get(ContextKind::SuggestedSubcommand) {
        let names = names.iter().rev().cloned().collect();
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(names));
    }
}

/// What is meant by a word behind one of our commands, which that does not have.
fn meant_there(ours: &str, word: &str) -> Option<String> {
    let known = BEHIND.iter().find(|(command, words, _)| *command == ours && words.contains(&word));
    let is_command = ours == "shell" && !word.starts_with('-');
    let command = is_command.then(|| format!("ssmport exec TARGET -- {word}"));
    known.map(|(.., meant)| (*meant).to_owned()).or(command)
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

/// The same of words behind single commands.
const BEHIND: [(&str, &[&str], &str); 3] = [
    (
        "sessions",
        &["list", "ls", "show", "active"],
        "ssmport sessions, or: ssmport sessions --past",
    ),
    ("sessions", &["terminate", "kill", "end", "close", "rm"], "ssmport sessions stop ID"),
    ("cp", &["-t", "--target"], "ssmport cp FILE TARGET:PATH, or: ssmport cp TARGET:PATH FILE"),
];

/// Those whose standard output is for something else.
const WITHOUT_REPORT: [&str; 9] =
    ["shell", "exec", "proxy", "ssh", "connect", "play", "decode", "completions", "help"];

/// Names of commands in the AWS CLI, in ssh, kubectl, gcloud and other clients of Session Manager.
const ELSEWHERE: [(&[&str], &str); 13] = [
    (
        &["tunnel", "port-forward", "port-forwarding", "portforward", "fwd", "port", "pf"],
        "ssmport forward 5432 -t TARGET",
    ),
    (&["console", "start-session", "ssm", "start", "sh", "bash", "attach"], "ssmport shell TARGET"),
    (
        &[
            "session",
            "list-sessions",
            "describe-sessions",
            "terminate-session",
            "ps",
            "stop",
            "kill",
        ],
        "ssmport sessions, or ssmport sessions stop ID",
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
        &["scp", "copy", "upload", "download", "put", "get", "send"],
        "ssmport cp FILE TARGET:PATH, or: ssmport cp TARGET:PATH FILE",
    ),
    (&["sftp", "rsync"], "ssmport ssh-config --install, and then rsync FILE TARGET:"),
    (&["socks5", "socks4", "http-proxy", "dynamic"], "ssmport socks 1080 -t TARGET"),
    (&["record", "rec", "asciinema"], "ssmport shell --record FILE TARGET"),
    (&["replay", "cat", "cast"], "ssmport play FILE"),
    (&["sso", "mfa", "auth", "configure"], "ssmport login"),
    (&["check", "diagnose", "test"], "ssmport doctor"),
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
            assert!(is_here || cfg!(not(feature = "aws")), "{meant}: there is no `{name}`");
            for word in words {
                let is_ours = command.find_subcommand(word).is_some();
                assert!(!is_ours, "`{word}` is a command itself, and needs no advice");
            }
        }
    }

    #[test]
    fn a_report_is_wanted_of_commands_that_have_one() {
        for (line, wanted) in [
            ("forward --json --jsn", true),
            ("--json loacl", true),
            ("--json", true),
            ("exec web --json", false),
            ("--json proxy", false),
            ("play --json --jsn", false),
            ("--json decode trace --svgg", false),
            ("exec --on web --json -- x", true),
            ("exec --on=web -- x --json", false),
            ("forward 5432 -- psql --json", false),
        ] {
            assert_eq!(wants_report(line.split(' ').map(OsString::from)), wanted, "{line}");
        }
    }

    #[test]
    fn clap_says_first_what_is_wrong() {
        let said = "error: unexpected argument '--jsn' found\n\n  tip: a similar argument exists: \
                    '--json'\n\nUsage: ssmport forward [OPTIONS]\n\nFor more, try '--help'.\n";
        let (what, next) = parts(said);
        assert_eq!(what, "unexpected argument '--jsn' found");
        assert_eq!(next.as_deref(), Some("a similar argument exists: '--json'"));
        let (what, next) = parts("error: these are missing:\n  <SPEC>\n\nUsage: x");
        assert_eq!((what.as_str(), next), ("these are missing: <SPEC>", None));
    }

    #[test]
    fn a_command_without_a_part_is_told_which() {
        for (line, what, example) in [
            ("exec", "told where to run what", "exec web -- uptime"),
            ("exec --tty", "told where to run what", "exec web -- uptime"),
            ("exec --reason x web", "what to run on web", "exec web -- uptime"),
            ("exec web --", "what to run on web", "exec web -- uptime"),
            ("exec --on web-*", "what to run on web-*", "exec --on 'web-*' -- uptime"),
            ("exec --on a --on b --json", "on a and b", "exec --on a --on b -- uptime"),
        ] {
            let words = || ["ssmport"].into_iter().chain(line.split(' ')).map(OsString::from);
            let error = super::super::help::command().try_get_matches_from(words()).unwrap_err();
            let failure = exec_without(&error, words()).expect(line);
            assert!(failure.what.ends_with(what), "{line}: {failure:?}");
            assert!(failure.next.as_ref().is_some_and(|next| next.ends_with(example)), "{line}");
        }
        let words = || ["ssmport", "proxy"].map(OsString::from).into_iter();
        let error = super::super::help::command().try_get_matches_from(words()).unwrap_err();
        assert_eq!(exec_without(&error, words()), None);
    }

    #[test]
    fn what_stands_before_dashes_is_told() {
        for (line, before) in [
            ("exec --on a b -- uptime", &["b"][..]),
            ("-v exec b --on a --group -- uptime", &["b"]),
            ("exec --on a --on b -- uptime", &[]),
            ("exec --on b -- b", &[]),
            ("exec --on a git log -- x", &["git", "log"]),
            ("exec --on a ls -l", &[]),
        ] {
            let words = ["ssmport"].into_iter().chain(line.split(' ')).map(OsString::from);
            assert_eq!(before_dashes(words), before, "{line}");
        }
    }

    #[test]
    fn what_is_likest_comes_first() {
        let command = super::super::help::command();
        let error = command.try_get_matches_from(["ssmport", "shel"]).unwrap_err();
        let said = with_advice(error, "").render().to_string();
        assert!(said.contains("exist: 'shell', "), "{said}");
    }

    #[test]
    fn what_is_meant_may_follow_the_command() {
        for (line, meant) in [
            ("sessions list", "ssmport sessions, or"),
            ("-v sessions kill", "ssmport sessions stop ID"),
            ("cp -t web a b", "ssmport cp FILE TARGET:PATH"),
            ("shell web -- ls", "ssmport exec TARGET -- ls"),
            ("shell web ls", "ssmport exec TARGET -- ls"),
            ("ls -t web", "ssmport COMMAND TARGET"),
        ] {
            let words = || line.split(' ').map(OsString::from);
            let error = super::super::help::command()
                .try_get_matches_from([OsString::from("ssmport")].into_iter().chain(words()))
                .unwrap_err();
            let said = with_advice(error, &command_of(words())).render().to_string();
            assert!(said.contains(&format!("what you mean may be: {meant}")), "{line}: {said}");
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
