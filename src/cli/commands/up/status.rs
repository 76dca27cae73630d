//! `ssmport status [NAME...]`: how the tunnels are that another process keeps up.

use super::told::{state, tunnel};
use crate::cli::{
    amounts,
    args::StatusArgs,
    columns::{Columns, Yielding},
    failure::{Code, Failure},
    output::Output,
    report,
};
use crate::client::{
    config_file::ConfigFile,
    upkeep::{
        Event, EventKind, MOST, Status,
        control::{Answer, Remote, Request},
        find,
    },
};
use crate::wire::foreign_text::one_line;

pub(crate) async fn run(arguments: StatusArgs, output: &Output) -> Result<(), Failure> {
    let names = arguments.names;
    let request = Request::Status { names: names.clone() };
    let Some(statuses) = Remote::statuses(&request).await? else {
        return Err(Failure::new(Code::Check, "no tunnels are kept up")
            .next("`ssmport up --background` keeps those of the configuration file up"));
    };
    if !statuses.is_empty() || names.is_empty() {
        print(&statuses, output)?;
    }
    // Of all of them it is the file that they are of.
    let about_all = |event: &Event| event.tunnel.is_none();
    let last = events().await?.into_iter().rfind(about_all);
    if let Some(Event { what, .. }) = last.filter(|event| event.kind == EventKind::Warning) {
        output.warn_people(&what);
    }
    let missing = names.iter().find(|name| statuses.iter().all(|status| status.name != **name));
    if let Some(name) = missing {
        let what = format!("the tunnel {name} is not kept up");
        // Where the files have none of that name, that is to be said; they may be of no use, too.
        if let Ok(tunnels) = ConfigFile::load().and_then(|files| files.tunnels()) {
            find(tunnels, name)?;
        }
        return Err(Failure::new(Code::Check, what).next(format!("ssmport up {name}")));
    }
    match statuses.iter().filter(|status| !status.state.stands()).count() {
        0 => Ok(()),
        // It has been shown which.
        _ => Err(Failure::new(Code::Check, "")),
    }
}

/// What has become of them so far.
async fn events() -> Result<Vec<Event>, Failure> {
    let request = Request::Logs { names: Vec::new(), last: MOST, follow: false };
    let mut events = Vec::new();
    if let Some(mut remote) = Remote::ask(&request).await? {
        while let Some(answer) = remote.next().await? {
            if let Answer::Event(event) = answer {
                events.push(event);
            }
        }
    }
    Ok(events)
}

/// Shows how they are.
pub(super) fn print(statuses: &[Status], output: &Output) -> Result<(), Failure> {
    if output.is_json() {
        statuses.iter().for_each(|status| output.report(&report::Event::Tunnel(tunnel(status))));
        return output.written();
    }
    if statuses.is_empty() {
        output.note("no tunnels are kept up: the configuration file has none");
    }
    let rows = statuses.iter().map(row).collect();
    let width = crate::term::size_of_stdout().map(|size| size.cols.into());
    let lines = Columns::new(rows).lines(width, YIELDING, |_, _, cell| cell);
    lines.iter().for_each(|line| output.line(line));
    for status in statuses {
        if let Some(why) = &status.why {
            let again = status.again_in.map(|seconds| format!("; another try in {seconds} s"));
            output.note(&format!("{}: {why}{}", status.name, again.unwrap_or_default()));
        }
    }
    output.written()
}

/// Name, state, local address, where it leads, connections, bytes each way.
fn row(status: &Status) -> Vec<String> {
    let local = status.local.first().map_or("-", String::as_str);
    let leads = format!("{} on {}", status.destination, status.target);
    let bytes = format!(
        "{} up, {} down",
        amounts::bytes(status.bytes_sent),
        amounts::bytes(status.bytes_received)
    );
    let connections = format!("{} open", status.connections);
    let cells = [&status.name, state(status.state), local, &leads, &connections, &bytes];
    cells.map(one_line).to_vec()
}

const YIELDING: Yielding = Yielding { third: Some(0), leaving: &[5, 4], shortened: 3, last: None };
