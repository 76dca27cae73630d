//! `ssmport shell TARGET`.

use crate::{
    cli::{
        args::{Global, ShellArgs},
        attended::{Attended, Ending},
        console,
        ends::{Over, cannot_write, lost},
        failure::Failure,
        output::Output,
    },
    client::{SessionEnd, config_file::ConfigFile, opening::Opening, service::Request},
    term::Escapes,
};

pub(crate) async fn run(
    arguments: ShellArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let attended = Attended::new();
    let request = Request {
        document: arguments.document.map(Into::into),
        reason: arguments.reason,
        ..Request::default()
    };
    let place = ConfigFile::load_target(arguments.target.or(arguments.named), output)?;
    let target = place.to_string();
    let work = async {
        let client = global.client(output).with_readiness(arguments.readiness.readiness());
        let service = attended.service(&place, &client).await?;
        let opening = Opening {
            service: &service,
            request: &request,
            limits: client.limits(),
            stop: &|| attended.stop(),
            greet: &|ready| output.customer_message(&ready.customer_message),
        };
        let console = || console::terminal(&attended, Escapes::from_start());
        let over = Over::of(opening.shell(None, console).await?, &attended)?;
        end(over, &attended, &target, output)
    };
    tokio::select! {
        done = work => done,
        never = attended.route()? => match never {},
    }
}

/// What a shell's end means for the program's.
fn end(over: Over, attended: &Attended, target: &str, output: &Output) -> Result<(), Failure> {
    if let Some(error) = over.output_failed {
        return Err(cannot_write(&error));
    }
    // The user may have ended it while the rest of its output was being written.
    let is_cut_short = !over.is_complete && attended.ending().is_some();
    match over.end {
        end if end == SessionEnd::Done || is_cut_short => match attended.ending() {
            Some(Ending::Signal(_) | Ending::Timeout) => Err(attended.interrupted()),
            Some(Ending::Escape) | None => {
                // The line that the escape was typed at is not over.
                output.note(&format!("\nConnection to {target} closed."));
                Ok(())
            }
        },
        SessionEnd::Closed { reason } if reason.is_empty() => Ok(()),
        other => Err(lost(&other, target)),
    }
}
