//! Programs that give credentials: `credential_process`.

use std::{
    io::{self, IsTerminal},
    process::{ExitStatus, Stdio},
};

use aws_credential_types::{
    Credentials,
    provider::{self, error::CredentialsError},
};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
};
use zeroize::Zeroizing;

#[cfg(unix)]
use crate::aws::files::{Quoting, words_of};
use crate::aws::{expiration, mfa::shell};

/// The command of a profile. `is_heard` says whether its user may be spoken to: it may tell them
/// that a key is to be touched, and ask for a password.
pub(super) async fn run(profile: &str, command: &str, is_heard: bool) -> provider::Result {
    let what = format!("credential_process of profile `{profile}`");
    let Some(process) = process(command) else {
        let why = format!("{what}: it has a quotation without end");
        return Err(CredentialsError::provider_error(why));
    };
    match start(process, is_heard) {
        // It may be a word of the shell's.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            answer(&what, start(shell(command), is_heard)).await
        }
        started => answer(&what, started).await,
    }
}

/// A program that is asked for the credentials of `profile` in the same way, and has nothing to tell
/// the user.
pub(super) async fn run_program(
    program: &str,
    arguments: &[&str],
    profile: &str,
) -> provider::Result {
    let mut process = Command::new(program);
    process.args(arguments).args(["--profile", profile]);
    let what = format!("`{program} {}`", arguments.join(" "));
    answer(&what, start(process, false)).await
}

fn start(mut process: Command, is_heard: bool) -> io::Result<Child> {
    let may_ask = is_heard && io::stdin().is_terminal();
    process.stdin(if may_ask { Stdio::inherit() } else { Stdio::null() });
    process.stderr(if is_heard { Stdio::inherit() } else { Stdio::piped() });
    process.stdout(Stdio::piped()).kill_on_drop(true).spawn()
}

async fn answer(what: &str, started: io::Result<Child>) -> provider::Result {
    let failed = |why: String| CredentialsError::provider_error(format!("{what}: {why}"));
    let mut child = started.map_err(|error| failed(format!("cannot start it: {error}")))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (printed, said, status) = tokio::join!(all(stdout), all(stderr), child.wait());
    let status = status.map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        return Err(failed(failure(status, &said)));
    }
    credentials(&printed).map_err(|why| failed(why.to_owned()))
}

/// Everything that a program writes, but no more than makes sense.
async fn all(stream: Option<impl AsyncRead + Unpin>) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(TYPICAL));
    if let Some(stream) = stream {
        let _ = stream.take(MOST_PRINTED).read_to_end(&mut bytes).await;
    }
    bytes
}

fn failure(status: ExitStatus, said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    match said.trim().lines().last() {
        None => format!("it failed: {status}"),
        Some(last) => format!("it failed: {status}: {last}"),
    }
}

/// The program with its words, as the AWS CLI starts it. Other SDKs have a shell read the line: what
/// only a shell understands is left to one. `None` when a quotation has no end.
fn process(command: &str) -> Option<Command> {
    #[cfg(unix)]
    {
        let words = words_of(command)?;
        let (program, _) = words.first()?;
        if !program.contains('$') && !words.iter().any(is_for_shell) {
            let mut process = Command::new(program);
            process.args(words[1..].iter().map(|(word, _)| word));
            return Some(process);
        }
    }
    Some(shell(command))
}

/// Whether a word is more than an argument.
#[cfg(unix)]
fn is_for_shell((word, quoting): &(String, Quoting)) -> bool {
    *quoting == Quoting::Bare
        && (["|", "||", "&&"].contains(&word.as_str())
            || ["~/", ">", "<", "2>"].iter().any(|mark| word.starts_with(mark))
            || word.ends_with(';'))
}

/// What a program has printed. Members that mean nothing to us may be anything, and empty ones are
/// as good as none.
fn credentials(printed: &[u8]) -> Result<Credentials, &'static str> {
    let Ok(Value::Object(told)) = serde_json::from_slice(printed) else {
        return Err("it printed no JSON object");
    };
    if told.get("Version").and_then(Value::as_f64) != Some(1.0) {
        return Err("it printed no credentials of Version 1");
    }
    let text = |name: &str| told.get(name)?.as_str().filter(|text| !text.is_empty());
    let id = text("AccessKeyId").ok_or("AccessKeyId is missing in what it printed")?;
    let secret = text("SecretAccessKey").ok_or("SecretAccessKey is missing in what it printed")?;
    let expiry = text("Expiration")
        .map(|date| expiration::parse(date).ok_or("Expiration is no date in what it printed"));
    let token = text("SessionToken").map(str::to_owned);
    Ok(Credentials::new(id, secret, token, expiry.transpose()?, "process"))
}

/// In bytes; enough for a document with an unusually long token, without the buffer moving.
const TYPICAL: usize = 16 << 10;
const MOST_PRINTED: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn only_what_means_something_counts() {
        let printed = br#" {"Version": 1.0, "Level": {"a": [null]}, "AccessKeyId": "AKIA", "SecretAccessKey": "s",
            "SessionToken": "", "Expiration": "2026-11-21T18:30:05+0000", "AccountId": 12} "#;
        let expiry = UNIX_EPOCH + Duration::from_secs(1_795_285_805);
        let found = credentials(printed).unwrap();
        assert_eq!((found.access_key_id(), found.session_token()), ("AKIA", None));
        assert_eq!(found.expiry(), Some(expiry));
        let nulls = br#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","SessionToken":null,"Expiration":null}"#;
        assert_eq!(credentials(nulls).unwrap().expiry(), None);
    }

    #[test]
    fn what_is_wrong_with_it_is_told_without_what_it_printed() {
        for (printed, part) in [
            ("", "no JSON object"),
            ("[]", "no JSON object"),
            ("please log in", "no JSON object"),
            ("{}", "Version 1"),
            (r#"{"Version":2}"#, "Version 1"),
            (r#"{"Version":1,"AccessKeyId":""}"#, "AccessKeyId is missing"),
            (r#"{"Version":1,"AccessKeyId":"A"}"#, "SecretAccessKey is missing"),
            (
                r#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","Expiration":"soon"}"#,
                "no date",
            ),
        ] {
            let why = credentials(printed.as_bytes()).unwrap_err();
            assert!(why.contains(part), "{printed}: {why}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_line_is_cut_as_the_aws_cli_cuts_it_unless_only_a_shell_understands_it() {
        let words = |command: &str| -> Vec<String> {
            let process = process(command).unwrap();
            let process = process.as_std();
            let words = [process.get_program()].into_iter().chain(process.get_args());
            words.map(|word| word.to_string_lossy().into_owned()).collect()
        };
        let url = r"/opt/get --url https://x/?a=b&c=d 'my role' --pass $w";
        assert_eq!(
            words(url),
            ["/opt/get", "--url", "https://x/?a=b&c=d", "my role", "--pass", "$w"]
        );
        for line in [
            "~/bin/get",
            "$HOME/bin/get x",
            "cat x | jq .",
            "get x 2>/dev/null",
            "x; get",
            "cat ~/x",
        ] {
            assert_eq!(words(line), ["sh", "-c", line]);
        }
        assert_eq!(words("get '|'"), ["get", "|"]);
        assert!(process("get 'x").is_none());
    }
}
