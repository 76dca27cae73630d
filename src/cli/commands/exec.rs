//! `ssmport exec TARGET -- COMMAND`.

mod without_terminal;

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use crate::{
    cli::{
        args::{ExecArgs, Global},
        attended::{Attended, Ending},
        console,
        ends::{Over, cannot_write, lost},
        failure::{Code, Failure},
        output::Output,
        signals::INTERRUPT,
        standard_streams,
    },
    client::{
        ExitMarker, Ready, SessionEnd, Way,
        config_file::ConfigFile,
        opening::Opening,
        service::{Request, Service},
    },
    term::Escapes,
    wire::ExitCode,
};
use without_terminal::without_terminal;

pub(crate) async fn run(
    arguments: ExecArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let attended = Attended::new();
    let target = ConfigFile::load_target(Some(arguments.target.clone()), output)?;
    let work = async {
        let client = global.client(output);
        let service = tokio::select! {
            service = Service::of(&target, &client) => service?,
            () = attended.stop() => return Err(attended.interrupted()),
        };
        let stop = || attended.stop();
        let greet = |ready: &Ready| output.customer_message(&ready.customer_message);
        let (service, limits) = (&service, client.limits());
        if arguments.tty {
            let marker = ExitMarker::random();
            let request = request_on_terminal(&arguments, &marker)?;
            let request = &request;
            let opening = Opening { service, request, limits, stop: &stop, greet: &greet };
            let console = || console::terminal(&attended, Escapes::from_start());
            let ended = opening.shell(Some(marker), console).await?;
            return end(Over::of(ended, &attended)?, &attended, &arguments, output);
        }
        let mut way = way_of(&arguments);
        let ended = loop {
            let request = &request(&arguments, way)?;
            let opening = Opening { service, request, limits, stop: &stop, greet: &greet };
            let (ended, told) = without_terminal(opening, way, &attended, output).await?;
            let could_not_start = ended.exit_code.is_some() && !told.has_begun;
            if !(could_not_start && matches!(way, Way::Whole(_)) && attended.ending().is_none()) {
                told.check(way, &ended)?;
                break ended;
            }
            // There is no shell that could have run anything, and so nothing has run.
            tracing::info!("the node has no POSIX shell: the command runs without one");
            way = Way::Plain;
        };
        end(ended, &attended, &arguments, output)
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

/// A document that the user names gets the command as it was given: it may be particular.
fn way_of(arguments: &ExecArgs) -> Way {
    let name = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
    match () {
        () if arguments.document.is_some() => Way::Plain,
        () if !arguments.no_input && standard_streams::has_input() => Way::WithInput(name),
        () => Way::Whole(name),
    }
}

/// What StartSession is asked for. Each argument is quoted, so that it arrives as it was typed,
/// whether the agent itself splits the line or a shell does.
fn request(arguments: &ExecArgs, way: Way) -> Result<Request, Failure> {
    let command = vec![line_of(&way.words(&arguments.command))?];
    let command = ("command".to_owned(), command);
    let (document, parameters) = match way {
        Way::WithInput(_) => ("AWS-StartInteractiveCommand", BTreeMap::from([command])),
        Way::Plain | Way::AsOne | Way::Whole(_) => {
            let separate = ("separateOutputStream".to_owned(), vec!["true".to_owned()]);
            ("AWS-StartNonInteractiveCommand", BTreeMap::from([command, separate]))
        }
    };
    Ok(of_document(document, parameters, arguments))
}

fn request_on_terminal(arguments: &ExecArgs, marker: &ExitMarker) -> Result<Request, Failure> {
    let command = vec![marker.wrap(&line_of(&arguments.command)?)];
    let parameters = BTreeMap::from([("command".to_owned(), command)]);
    Ok(of_document("AWS-StartInteractiveCommand", parameters, arguments))
}

fn of_document(
    document: &'static str,
    parameters: BTreeMap<String, Vec<String>>,
    arguments: &ExecArgs,
) -> Request {
    let document = arguments.document.clone().map_or(document.into(), Into::into);
    Request { document: Some(document), parameters, reason: arguments.reason.clone() }
}

fn line_of(words: &[String]) -> Result<String, Failure> {
    shlex::try_join(words.iter().map(String::as_str)).map_err(|error| {
        Failure::new(Code::Usage, "the command cannot be put into words").because(error)
    })
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
        let ended = Over { end, exit_code: Some(0), is_complete, output_failed: None };
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
