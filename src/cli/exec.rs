//! `ssmport exec TARGET -- COMMAND`.

use std::collections::BTreeMap;

use super::{
    args::{ExecArgs, Global},
    attended::{Attended, Ending},
    config_file::ConfigFile,
    failure::{Code, Failure},
    output::Output,
    service::{Request, Service},
    shell::{Attach, Ended, cannot_write, lost},
    signals::INTERRUPT,
};
use crate::{session::SessionEnd, streams::ExitMarker, wire::ExitCode};

pub(super) async fn run(
    arguments: ExecArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let attended = Attended::new();
    let target = ConfigFile::load_target(Some(arguments.target.clone()))?;
    let marker = arguments.tty.then(ExitMarker::random);
    let request = request(&arguments, marker.as_ref())?;
    let work = async {
        let service = tokio::select! {
            service = Service::of(&target, global, output) => service?,
            () = attended.stop() => return Err(attended.interrupted()),
        };
        let limits = global.limits();
        let attach = Attach { attended: &attended, output, service, request, limits };
        let ended = match marker {
            Some(marker) => attach.terminal(Some(marker)).await?,
            None => attach.output_only().await?,
        };
        end(ended, &attended, &arguments, output)
    };
    tokio::select! {
        done = work => done,
        never = attended.route()? => match never {},
    }
}

/// What StartSession is asked for. On a terminal the node's shell reads the command, else the agent
/// itself, by nearly the same rules: each argument is quoted, so that it arrives as it was typed.
fn request(arguments: &ExecArgs, marker: Option<&ExitMarker>) -> Result<Request, Failure> {
    let words = arguments.command.iter().map(String::as_str);
    let command = shlex::try_join(words).map_err(|error| {
        Failure::new(Code::Usage, "the command cannot be put into words").because(error)
    })?;
    let one = |text: &str| vec![text.to_owned()];
    let (document, parameters) = match marker {
        Some(marker) => {
            let command = marker.wrap(&command);
            ("AWS-StartInteractiveCommand", BTreeMap::from([("command".to_owned(), vec![command])]))
        }
        None => (
            "AWS-StartNonInteractiveCommand",
            BTreeMap::from([
                ("command".to_owned(), vec![command]),
                ("separateOutputStream".to_owned(), one("true")),
            ]),
        ),
    };
    let document = arguments.document.clone().map_or(document.into(), Into::into);
    Ok(Request { document: Some(document), parameters, reason: arguments.reason.clone() })
}

/// What a command's end means for the program's: its exit code is ours.
fn end(
    ended: Ended,
    attended: &Attended,
    arguments: &ExecArgs,
    output: &Output,
) -> Result<(), Failure> {
    if let Some(error) = &ended.output_failed {
        return Err(cannot_write(error));
    }
    // An exit code says nothing of output that was not written.
    match ended.exit_code.filter(|_| ended.is_complete) {
        Some(0) => Ok(()),
        // Of a command that was interrupted the agent tells nothing else, whatever its own code.
        Some(INTERRUPTED | SIGNALLED) if attended.has_interrupted() => {
            Err(Failure::new(Code::Signal(INTERRUPT), "interrupted"))
        }
        // The agent does not say which signal.
        Some(SIGNALLED) => {
            let code = Code::Command(EXIT_SIGNALLED);
            Err(Failure::new(code, "the command was ended by a signal"))
        }
        Some(code) => {
            let failure = Failure::new(Code::Command(ExitCode(code).as_u8()), "");
            Err(match &arguments.command[..] {
                // Few programs have such a name.
                [line] if line.contains(char::is_whitespace) => {
                    // The agent's reason does not end its line.
                    output.note("");
                    failure.next(format!("for a line of shell, use: -- sh -c {line:?}"))
                }
                _ => failure,
            })
        }
        None => match (&ended.end, attended.ending()) {
            (end, Some(Ending::Signal(_))) if *end == SessionEnd::Done || !ended.is_complete => {
                Err(attended.interrupted())
            }
            (end, _) => {
                let failure = lost(end, &arguments.target.to_string());
                let without = match ended.is_complete {
                    true => "without an exit code",
                    false => "before all of its output was written",
                };
                Err(Failure { what: format!("{}, {without}", failure.what), ..failure })
            }
        },
    }
}

/// What the agent says of a command that it has sent an interrupt to.
const INTERRUPTED: i64 = 1;
const SIGNALLED: i64 = ExitCode::SIGNALLED.0;
/// As `ssh` exits when a signal ended the command.
const EXIT_SIGNALLED: u8 = 255;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        exec: ExecArgs,
        #[command(flatten)]
        global: Global,
    }

    /// What the program exits with.
    fn code(end: SessionEnd, is_complete: bool, ending: Option<Ending>) -> Result<(), Code> {
        let attended = Attended::new();
        if let Some(ending) = ending {
            attended.end(ending);
        }
        let line = Line::parse_from(["exec", "i-0123456789abcdef0", "--", "true"]);
        let ended = Ended { end, exit_code: Some(0), is_complete, output_failed: None };
        let done = super::end(ended, &attended, &line.exec, &Output::new(&line.global));
        done.map_err(|failure| failure.code)
    }

    #[test]
    fn an_exit_code_counts_if_all_of_the_output_was_written() {
        let closed = || SessionEnd::Closed { reason: String::new() };
        for end in [closed(), SessionEnd::TimedOut, SessionEnd::Done] {
            assert_eq!(code(end.clone(), true, None), Ok(()), "{end:?}");
            assert_eq!(code(end.clone(), false, None), Err(Code::Lost), "{end:?}");
            let stopped = code(end.clone(), false, Some(Ending::Signal(INTERRUPT)));
            assert_eq!(stopped, Err(Code::Signal(INTERRUPT)), "{end:?}");
        }
    }
}
