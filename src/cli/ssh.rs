//! `ssmport ssh [USER@]TARGET`: the system's OpenSSH, with `ssmport proxy` as its way.

use std::{
    ffi::{OsStr, OsString},
    io::{Error, ErrorKind},
    process::Command,
};

use super::{
    args::{Global, SshArgs},
    failure::{Code, Failure},
    mfa::MFA_CODE,
    proxy_command::{Destination, Form, passed_on, this_program},
    target::Target,
};

/// Becomes ssh; returns only when that fails.
pub(super) fn run(arguments: &SshArgs, global: &Global) -> Result<(), Failure> {
    let mut options = passed_on(global);
    options.extend(global.quiet.then(|| "-q".to_owned()));
    options.extend((0..global.verbose).map(|_| "-v".to_owned()));
    let target = target(&arguments.words)?.to_string();
    let destination = Destination::Target(&target);
    let proxy = Form::HERE.proxy_command(&this_program()?, &options, destination)?;

    let mut ssh = Command::new("ssh");
    // What stands first wins; host keys are known by the name of the target.
    ssh.arg("-o").arg(format!("ProxyCommand={proxy}")).args(&arguments.words);
    // Arguments can be read by every user of the machine.
    ssh.envs(global.mfa.code.as_ref().map(|code| (MFA_CODE, code)));
    tracing::debug!("{:?} {:?}", ssh.get_program(), ssh.get_args());
    Err(cannot_run(&become_process(ssh)))
}

#[cfg(unix)]
fn become_process(mut ssh: Command) -> Error {
    std::os::unix::process::CommandExt::exec(&mut ssh)
}

/// Where no process can become another one, its exit code becomes ours.
#[cfg(not(unix))]
fn become_process(mut ssh: Command) -> Error {
    match ssh.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(255)),
        Err(error) => error,
    }
}

fn cannot_run(error: &Error) -> Failure {
    let failure = Failure::local("cannot run ssh");
    match error.kind() {
        ErrorKind::NotFound => failure
            .because("there is no program of this name on the PATH")
            .next("install OpenSSH's client, or use `ssmport shell`"),
        _ => failure.because(error),
    }
}

/// The target in the words that ssh is to be given: the first that is neither an option of ssh nor
/// the value of one, without the user.
fn target(words: &[OsString]) -> Result<Target, Failure> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        let Some(letters) = text.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            return host(word);
        };
        if letters == "-" {
            break;
        }
        if letters.starts_with('-') {
            let what = format!("{text} is no option of ssh");
            return Err(Failure::new(Code::Usage, what)
                .next("options of ssmport stand before those of ssh and before the target"));
        }
        // `-4Ap2222`: whatever stands behind a letter that takes a value is the value.
        let with_value = letters.find(|letter| WITH_VALUE.contains(letter));
        if with_value.is_some_and(|at| at + 1 == letters.len()) {
            words.next();
        }
    }
    words.next().map_or_else(
        || {
            Err(Failure::new(Code::Usage, "there is no target")
                .next("ssmport ssh [OPTIONS OF SSH] [USER@]TARGET [ARGUMENTS OF SSH]"))
        },
        |word| host(word),
    )
}

fn host(word: &OsStr) -> Result<Target, Failure> {
    let text = word.to_string_lossy();
    let host = text.rsplit_once('@').map_or(&*text, |(_, host)| host);
    host.parse().map_err(|why: String| {
        Failure::new(Code::Usage, format!("`{host}` is not a target")).because(why)
    })
}

/// ssh(1): the options with a value.
const WITH_VALUE: &str = "BbcDEeFIiJLlmOoPpQRSWw";

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Result<Target, Failure> {
        target(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_target_is_found_behind_options_of_ssh() {
        for line in [
            "local",
            "root@local uptime",
            "a@b@local",
            "-p 2222 -l root local uptime -p 3",
            "-p2222 local i-0123456789abcdef0",
            "-4Ap 2222 local",
            "-4Ap2222 local",
            "-tt -o User=root -oPort=22 local",
            "-L 8080:localhost:80 -N local",
            "-vvvN -D 1080 -J jump local",
            "-- local",
            "-N -- local",
        ] {
            assert_eq!(found(line), Ok(Target::Local), "{line}");
        }
    }

    #[test]
    fn a_line_without_a_target_is_wrong_usage() {
        for (line, part) in [
            ("-p 2222", "there is no target"),
            ("-p", "there is no target"),
            ("--", "there is no target"),
            ("root@web", "`web` is not a target"),
            ("uptime local", "`uptime` is not a target"),
            ("-p 22 --profile dev local", "--profile is no option of ssh"),
        ] {
            let failure = found(line).unwrap_err();
            assert_eq!(failure.code, Code::Usage);
            assert!(failure.what.contains(part), "{line}: {}", failure.what);
        }
    }
}
