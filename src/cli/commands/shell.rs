//! `ssmport shell TARGET`.

use std::io::{self, IsTerminal};

use crate::{
    cli::{
        args::{Global, ShellArgs},
        attended::{Attended, Ending},
        carried::Carried,
        console,
        ends::{Over, cannot_write, lost},
        failure::Failure,
        output::Output,
        recorded::{Recorders, TypedRecording},
    },
    client::{
        Node, SessionEnd,
        config_file::ConfigFile,
        opening::{Begun, Opening},
        service::Request,
    },
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
    let file = arguments.record.map(|file| (file, arguments.record_input));
    let typed = TypedRecording { file, is_off: arguments.no_record };
    let readiness = arguments.readiness.readiness();
    let place = ConfigFile::load_target(arguments.target.or(arguments.named), output)?;
    let target = place.to_string();
    let work = async {
        let client = global.client(output).with_readiness(readiness);
        let service = attended.service(&place, &client).await?;
        // Not before it is known where it goes; and before there is anything to record.
        let recorders = Recorders::begin(typed, &target)?;
        let opening = Opening {
            service: &service,
            request: &request,
            limits: client.limits(),
            stop: &|| attended.stop(),
            greet: &|ready| output.customer_message(&ready.customer_message),
        };
        let node = Node::new(client.clone(), service.clone());
        let node = request.reason.iter().fold(node, |node, reason| node.with_reason(reason));
        let carried = Carried::new(target.clone(), node);
        let console = |begun: &Begun<'_>| {
            carried.begin(begun);
            let escapes = Escapes::from_start().with_all();
            let console = console::terminal(&attended, escapes, Some(carried.clone()))?;
            Ok(recorders.tap(console))
        };
        let ended = opening.shell(None, console).await;
        carried.end().await;
        let recorded = recorders.end();
        if !matches!(ended, Ok(Some(_))) {
            recorders.discard();
        }
        end(Over::of(ended?, &attended)?, &attended, &target, output)?;
        recorded
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
        // Whether it was the shell that ended, or somebody who ended the session, the service does not say.
        SessionEnd::Closed { reason } if reason.is_empty() => {
            if io::stdin().is_terminal() {
                output.note(&format!("Connection to {target} closed."));
            }
            Ok(())
        }
        other => Err(lost(&other, target)),
    }
}
