//! `ssmport exec TARGET -- COMMAND`, and on many nodes `ssmport exec --on TARGETS -- COMMAND`.

mod many;

use std::{
    convert::Infallible,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use crate::{
    cli::{
        args::{ExecArgs, Global},
        attended::{Attended, Ending},
        console,
        ends::{Over, cannot_write, lost},
        failure::{Code, Failure},
        output::Output,
        recorded::{Recorders, TypedRecording},
        signals::INTERRUPT,
        standard_streams,
    },
    client::{
        CommandEvent, ExitMarker, SessionEnd,
        config_file::ConfigFile,
        opening::Begun,
        running::{Finished, Place, Wanted},
    },
    malformed::Malformed,
    term::Escapes,
    wire::ExitCode,
};
pub(crate) async fn run(
    arguments: ExecArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    if !arguments.many.on.is_empty() {
        return many::run(arguments, global, output).await;
    }
    let attended = Attended::new();
    let typed = arguments.target.parse().map_err(|why: Malformed| {
        let what = format!("`{}` is not a target", arguments.target);
        Failure::new(Code::Usage, what).because(why)
    })?;
    let target = ConfigFile::load_target(Some(typed), output)?;
    let work = async {
        let client = global.client(output).with_readiness(arguments.readiness.readiness());
        let service = attended.service(&target, &client).await?;
        let place = Place {
            service: &service,
            limits: client.limits(),
            stop: &|| attended.stop(),
            is_stopped: &|| attended.ending().is_some(),
            greet: &|ready| output.customer_message(&ready.customer_message),
        };
        let wanted = wanted(&arguments);
        let over = match arguments.tty {
            true => on_terminal(&arguments, &wanted, &place, &attended).await?,
            false => without_terminal(&wanted, &place, &attended, output).await?,
        };
        end(over, &attended, &arguments, output)
    };
    tokio::select! {
        done = work => done,
        never = attended.route()? => match never {},
        never = time_limit(&attended, arguments.timeout) => match never {},
    }
}

/// Ends the session at the time limit, if there is one; its end is somebody else's to await.
async fn time_limit(attended: &Attended, timeout: Option<Duration>) -> Infallible {
    if let Some(timeout) = timeout {
        tokio::time::sleep(timeout).await;
        attended.end(Ending::Timeout);
    }
    std::future::pending().await
}

fn wanted(arguments: &ExecArgs) -> Wanted {
    Wanted {
        words: arguments.command.clone(),
        document: arguments.document.clone(),
        reason: arguments.reason.clone(),
        is_as_it_is: false,
        patience: None,
        has_input: !arguments.no_input && standard_streams::has_input(),
    }
}

async fn on_terminal(
    arguments: &ExecArgs,
    wanted: &Wanted,
    place: &Place<'_>,
    attended: &Attended,
) -> Result<Over, Failure> {
    let marker = ExitMarker::random();
    let request = wanted.on_terminal(&marker)?;
    let typed = TypedRecording { file: None, is_off: arguments.no_record };
    let recorders = Recorders::begin(typed, &arguments.target)?;
    let console = |_: &Begun<'_>| {
        let console = console::terminal(attended, Escapes::from_start(), None)?;
        Ok(recorders.tap(console))
    };
    let ended = place.opening(&request).shell(Some(marker), console).await;
    let recorded = recorders.end();
    if !matches!(ended, Ok(Some(_))) {
        recorders.discard();
    }
    let over = Over::of(ended?, attended)?;
    recorded.map(|()| over)
}

/// Both of the command's outputs, and its input.
async fn without_terminal(
    wanted: &Wanted,
    place: &Place<'_>,
    attended: &Attended,
    output: &Output,
) -> Result<Over, Failure> {
    let console = |takes_input| console::without_terminal(attended, takes_input);
    let observer = |event: &CommandEvent| {
        if let CommandEvent::Silent(time) = event {
            output.warn(&format!(
                "nothing has come for {} s, since the connection was interrupted: the command is \
                 silent, or the node's agent has stopped reading what it writes, for good; Ctrl-C \
                 ends it, and --timeout TIME by itself",
                time.as_secs()
            ));
        }
    };
    let finished = wanted.run(place, console, observer).await?;
    let whole = finished.as_ref().map_or(Ok(()), Finished::check);
    let is_line_open = finished.as_ref().is_some_and(Finished::is_line_open);
    let over = Over::of(finished.map(|finished| finished.ended), attended)?;
    if is_line_open && io::stdout().is_terminal() {
        // What comes next, the shell's prompt as a rule, begins a line.
        let _ = writeln!(io::stdout());
    }
    whole?;
    Ok(over)
}

/// What a command's end means for the program's: its exit code is ours.
fn end(
    ended: Over,
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
                    let line = shlex::try_quote(line).unwrap_or_default();
                    failure.next(format!("for a line of shell, use: -- sh -c {line}"))
                }
                _ => failure,
            })
        }
        None => match (&ended.end, attended.ending()) {
            (end, Some(Ending::Signal(_) | Ending::Timeout))
                if *end == SessionEnd::Done || !ended.is_complete =>
            {
                Err(attended.interrupted())
            }
            (SessionEnd::Done, Some(Ending::Escape)) => {
                let what = format!("\nConnection to {} closed.", arguments.target);
                output.note(&what);
                Err(Failure::new(Code::Lost, ""))
            }
            (end, _) => {
                let failure = lost(end, &arguments.target);
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
        let ended = Over { end, exit_code: Some(0), is_complete, output_failed: None };
        let done = super::end(ended, &attended, &line.exec, &Output::new(&line.global, true));
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
