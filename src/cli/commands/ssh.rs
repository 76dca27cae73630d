//! `ssmport ssh [USER@]TARGET`: the system's OpenSSH, with `ssmport proxy` as its way.

#[cfg(feature = "aws")]
mod ephemeral_key;

use std::{
    ffi::{OsStr, OsString},
    io::{Error, ErrorKind},
    process::Command,
};

#[cfg(feature = "aws")]
use crate::cli::child;
use crate::cli::{
    args::{Global, SshArgs},
    failure::{Code, Failure},
    mfa::MFA_CODE,
    output::Output,
    proxy_command::{Destination, Form, passed_on, this_program},
};
use crate::{
    client::{config_file::ConfigFile, target::Target},
    malformed::Malformed,
};

/// Becomes ssh, or runs it with a key that was made for it.
pub(crate) fn run(arguments: &SshArgs, global: &Global, output: &Output) -> Result<(), Failure> {
    let target = ConfigFile::load_target(Some(target(&arguments.words)?), output)?;
    let (target, global) = &global.in_account_of(target);
    if arguments.push_key {
        return with_pushed_key(arguments, target, global, output);
    }
    let ssh = ssh(&found(target, arguments, global, output)?, &[], arguments, global)?;
    Err(cannot_run(&become_process(ssh)))
}

/// ssh with its way to `target`, and more options than those that were typed.
fn ssh(
    target: &str,
    options: &[String],
    arguments: &SshArgs,
    global: &Global,
) -> Result<Command, Failure> {
    let mut passed = passed_on(global);
    passed.extend(global.quiet.then(|| "-q".to_owned()));
    passed.extend((0..global.verbose).map(|_| "-v".to_owned()));
    let destination = Destination::Target(target);
    let proxy = Form::HERE.proxy_command(&this_program()?, &passed, None, destination)?;

    let mut ssh = Command::new("ssh");
    // What stands first wins.
    ssh.arg("-o").arg(format!("ProxyCommand={proxy}"));
    // A name may be another node's tomorrow; a node's key stays its own.
    if is_node_id(target) && !names_host_key(&arguments.words) {
        ssh.arg("-o").arg(format!("HostKeyAlias={target}"));
    }
    options.iter().for_each(|option| {
        ssh.arg("-o").arg(option);
    });
    ssh.args(&arguments.words);
    // Arguments can be read by every user of the machine.
    ssh.envs(global.mfa.code.as_ref().map(|code| (MFA_CODE, code)));
    tracing::debug!("{:?} {:?}", ssh.get_program(), ssh.get_args());
    Ok(ssh)
}

fn is_node_id(target: &str) -> bool {
    target.starts_with("i-") || target.starts_with("mi-")
}

/// Whether ssh is told under which name to look for the node's key.
fn names_host_key(words: &[OsString]) -> bool {
    words.iter().any(|word| word.to_string_lossy().to_ascii_lowercase().contains("hostkeyalias"))
}

/// The target as its proxy is to be given it. What has to be looked up is looked up here, where
/// there is a terminal to ask on, and a node that is not connected is waited for.
#[cfg(feature = "aws")]
fn found(
    target: &Target,
    arguments: &SshArgs,
    global: &Global,
    output: &Output,
) -> Result<String, Failure> {
    use crate::client::service::SessionSource;
    let readiness = arguments.readiness.readiness();
    let is_clear = !matches!(target, Target::Lookup(_)) && !readiness.is_given();
    if is_clear || *target == Target::Local {
        return Ok(target.to_string());
    }
    attended(async {
        let client = global.client(output).with_readiness(readiness);
        let service = SessionSource::of(target, &client).await?;
        if readiness.is_given() {
            readiness.make_ready(&service).await?;
        }
        Ok(service.target())
    })
}

#[cfg(not(feature = "aws"))]
fn found(target: &Target, _: &SshArgs, _: &Global, _: &Output) -> Result<String, Failure> {
    Ok(target.to_string())
}

/// Runs ssh with a key that the node takes for one minute, and that is gone afterwards.
#[cfg(feature = "aws")]
fn with_pushed_key(
    arguments: &SshArgs,
    target: &Target,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let id = found(target, arguments, global, output)?;
    if !id.starts_with("i-") {
        let what = format!("EC2 Instance Connect has no key for {target}");
        let failure = Failure::new(Code::Usage, what);
        return Err(failure.because("it is no instance of EC2").next("leave --push-key out"));
    }
    let user = ssh_user(&ssh(&id, &[], arguments, global)?)?;
    let key = ephemeral_key::EphemeralKey::new()?;
    attended(async {
        let client = global.client(output);
        Ok(client.account().await?.push_ssh_key(&id, &user, key.public()).await?)
    })?;
    output.note(&format!("{user} of {id} takes a new key for one minute"));
    let ssh = ssh(&id, &key.options(), arguments, global)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::local("cannot start").because(error))?;
    let code = runtime.block_on(child::run(ssh)).map_err(|error| cannot_run(&error))?;
    if code == 0 { Ok(()) } else { Err(Failure::new(Code::Command(code), "")) }
}

#[cfg(not(feature = "aws"))]
fn with_pushed_key(_: &SshArgs, _: &Target, _: &Global, _: &Output) -> Result<(), Failure> {
    Err(Failure::new(Code::Usage, "this ssmport is built without AWS")
        .next("build it with the feature `aws`, or leave --push-key out"))
}

/// The user that ssh will log in as, by its own account: the words, its files, or this user.
#[cfg(feature = "aws")]
fn ssh_user(ssh: &Command) -> Result<String, Failure> {
    let asked = Command::new(ssh.get_program()).arg("-G").args(ssh.get_args()).output();
    let asked = asked.map_err(|error| cannot_run(&error))?;
    let said = String::from_utf8_lossy(&asked.stdout);
    let user = said.lines().find_map(|line| line.strip_prefix("user "));
    user.map(str::to_owned).ok_or_else(|| {
        let what = "ssh does not say whom it will log in as";
        let why = String::from_utf8_lossy(&asked.stderr);
        Failure::local(what).because(why.lines().next().unwrap_or_default())
    })
}

/// Does something that takes time before ssh has the terminal; signals end it.
#[cfg(feature = "aws")]
fn attended<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::local("cannot start").because(error))?;
    let done = runtime.block_on(crate::cli::signals::until_ended(work));
    // A question at the terminal, or a name being looked up, must not hold up the end.
    runtime.shutdown_background();
    done
}

#[cfg(unix)]
fn become_process(mut ssh: Command) -> Error {
    std::os::unix::process::CommandExt::exec(&mut ssh)
}

/// Where no process can become another one, its exit code becomes ours.
#[cfg(not(unix))]
fn become_process(ssh: Command) -> Error {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(crate::cli::child::run(ssh))) {
        Ok(code) => std::process::exit(code.into()),
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
                .next("ssmport ssh [SSH OPTIONS] [USER@]TARGET [SSH ARGUMENTS]"))
        },
        |word| host(word),
    )
}

fn host(word: &OsStr) -> Result<Target, Failure> {
    let text = word.to_string_lossy();
    let host = text.rsplit_once('@').map_or(&*text, |(_, host)| host);
    host.parse().map_err(|why: Malformed| {
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
            ("root@i-web", "`i-web` is not a target"),
            ("tag: local", "`tag:` is not a target"),
            ("-p 22 --profile dev local", "--profile is no option of ssh"),
        ] {
            let failure = found(line).unwrap_err();
            assert_eq!(failure.code, Code::Usage);
            assert!(failure.what.contains(part), "{line}: {}", failure.what);
        }
    }
}
