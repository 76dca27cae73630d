//! `ssmport exec --on TARGETS -- COMMAND`.

mod events;
mod groups;
mod line_parts;
mod lines;
mod screen;
mod tally;
mod targets;
mod view;

use std::{env, io, pin::pin, time::Duration};

use tokio::time::sleep;

use self::{screen::Screen, tally::Tally, view::View};
use crate::{
    cli::{
        args::{ExecArgs, Global},
        counted::counted,
        ends::cannot_write,
        failure::{Code, Failure},
        mistyped,
        output::Output,
        signals::Signals,
    },
    client::{Run, RunEvent, Selection, SelectionCommand},
};

/// Refuses what would run a node's name on the others: `--on A B -- uptime`. More words than one are a command,
/// which may have a `--` of its own.
fn one_before_dashes(before: &[String], arguments: &ExecArgs) -> Result<(), Failure> {
    let [word] = before else { return Ok(()) };
    let command = arguments.command.join(" ");
    let what = format!("`{word}` stands before `--`, where nodes are, and --on takes one word");
    Err(Failure::new(Code::Usage, what).next(format!(
        "for another node: --on {word} -- {command}; as the command: -- {word} -- {command}"
    )))
}

pub(super) async fn run(
    arguments: ExecArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    if arguments.readiness.start && !arguments.readiness.yes {
        let what = "with --on nobody is asked about each node that is to be started";
        return Err(Failure::new(Code::Usage, what).next("give --start --yes if that is meant"));
    }
    one_before_dashes(&mistyped::before_dashes(env::args_os()), &arguments)?;
    let mut signals = Signals::ending()
        .map_err(|error| Failure::local("cannot watch for signals").because(error))?;
    let client = global.client(output).with_readiness(arguments.readiness.readiness());
    let selecting = async {
        let targets = targets::read(&arguments.many.on).await?;
        Ok::<_, Failure>(client.selected(targets).await?)
    };
    let mut selection = tokio::select! {
        selection = selecting => selection?,
        number = signals.next() => return Err(interrupted(number)),
    };
    if arguments.many.online {
        leave_out_unconnected(&mut selection, output)?;
    }

    let mut run = command(&arguments, &selection).start();
    let stopper = run.stopper();
    let mut tally = Tally::new(run.nodes(), arguments.timeout);
    let mut number = None;
    let shown = {
        let mut showing = pin!(show(&mut run, &mut tally, &arguments, output));
        let mut given_up = pin!(sleep(FAR));
        loop {
            tokio::select! {
                shown = &mut showing => break shown,
                signal = signals.next() => {
                    if number.replace(signal).is_some() {
                        break Ok(());
                    }
                    stopper.stop();
                    output.note("Ending it everywhere; once more does not wait for that");
                    given_up.set(sleep(PATIENCE));
                }
                // Nobody may be reading what is written.
                () = &mut given_up => break Ok(()),
            }
        }
    };
    if let Err(error) = shown {
        // Nobody hears of it any more, but the service has to.
        stopper.stop();
        tokio::select! {
            () = async { while run.next().await.is_some() {} } => {}
            () = sleep(PATIENCE) => {}
        }
        return Err(number.map_or_else(|| cannot_write(&error), interrupted));
    }
    tally.tell(number.is_some(), output);
    number.map_or_else(|| tally.verdict(), |number| Err(interrupted(number)))
}

fn command(arguments: &ExecArgs, selection: &Selection) -> SelectionCommand {
    // The command's first word stands in the place of a target.
    let words = [&arguments.target].into_iter().chain(&arguments.command);
    let mut command = selection.command(words).parallel(arguments.many.parallel);
    if let Some(limit) = arguments.timeout {
        command = command.timeout(limit);
    }
    if arguments.many.fail_fast {
        command = command.fail_fast();
    }
    if let Some(document) = &arguments.document {
        command = command.document(document);
    }
    if let Some(reason) = &arguments.reason {
        command = command.reason(reason);
    }
    command
}

fn leave_out_unconnected(selection: &mut Selection, output: &Output) -> Result<(), Failure> {
    let left_out = selection.take_unconnected();
    if selection.nodes().is_empty() {
        return Err(Failure::new(Code::Target, "none of these nodes is connected")
            .because(counted(left_out.len(), "node") + " found")
            .next("`ssmport ls` lists the nodes, `ssmport doctor NODE` checks the way to one"));
    }
    if !left_out.is_empty() {
        let names = tally::some(left_out.iter().map(|node| node.name()));
        output.note(&format!("Not connected, and left out: {names}"));
    }
    Ok(())
}

/// Shows what happens until it is over everywhere. Fails when that cannot be written.
async fn show(
    run: &mut Run,
    tally: &mut Tally,
    arguments: &ExecArgs,
    output: &Output,
) -> io::Result<()> {
    let mut screen = Screen::new(output);
    let mut view = View::new(run.nodes(), arguments.many.group, output);
    while let Some(event) = run.next().await {
        view.show(&event, &mut screen).await?;
        if let RunEvent::Started { .. } | RunEvent::Ended { .. } = event {
            tally.note(&event);
            screen.status(tally.status()).await?;
        }
    }
    screen.status(String::new()).await?;
    view.end(tally, &mut screen).await
}

fn interrupted(number: u8) -> Failure {
    Failure::new(Code::Signal(number), "interrupted")
}

/// The end of a session takes less, whose service is there.
const PATIENCE: Duration = Duration::from_secs(6);
const FAR: Duration = Duration::from_secs(1 << 30);
