//! `ssmport logs [NAME...]`: what has become of the tunnels that another process keeps up.

use super::told::{kind, local_time};
use crate::cli::{
    args::LogsArgs,
    failure::{Code, Failure},
    output::Output,
    report::{self, Event as Reported},
    times,
};
use crate::client::upkeep::{
    Event,
    control::{Answer, Remote, Request},
};
use crate::wire::foreign_text::one_line;

pub(crate) async fn run(arguments: LogsArgs, output: &Output) -> Result<(), Failure> {
    let LogsArgs { names, follow, lines } = arguments;
    let Some(mut remote) = Remote::ask(&Request::Logs { names, last: lines, follow }).await? else {
        return Err(Failure::new(Code::Check, "no tunnels are kept up")
            .next("`ssmport up --background` keeps those of the configuration file up"));
    };
    loop {
        tokio::select! {
            answer = remote.next() => match answer? {
                Some(Answer::Event(event)) => print(&event, output),
                Some(_) => {}
                None => return output.written(),
            },
            // Nobody reads what would come.
            () = crate::cli::console::stdout_abandoned(), if follow => return Ok(()),
            unwritten = output.unwritten() => return Err(unwritten),
        }
    }
}

fn print(event: &Event, output: &Output) {
    if output.is_json() {
        output.report(&Reported::Entry(report::Entry {
            time: times::utc(times::of_seconds(event.time)),
            name: event.tunnel.as_deref(),
            kind: kind(event.kind),
            what: &event.what,
        }));
        return;
    }
    let tunnel = event.tunnel.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
    output.line(&one_line(&format!("{} {tunnel}{}", local_time(event.time), event.what)));
}
