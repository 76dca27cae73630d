//! What happens, a line each.

use std::collections::BTreeSet;

use super::{
    source::{Source, gone},
    told::{clock, ended, state, tunnel},
};
use crate::cli::{
    failure::Failure,
    output::Output,
    report::{self, Event as Reported},
    times,
};
use crate::client::upkeep::{Event, EventKind, MOST};

/// Shows it until all is over.
pub(super) async fn show(
    source: &Source,
    names: &[String],
    output: &Output,
) -> Result<(), Failure> {
    let output = output.lasting();
    // What another process's tunnels have been through is in its log.
    let last = if source.is_elsewhere() { 0 } else { MOST };
    let Some(mut events) = source.events(names, last).await? else { return Ok(()) };
    let mut kept = BTreeSet::new();
    if source.is_elsewhere() {
        for status in source.statuses(names).await?.unwrap_or_default() {
            output.report(&Reported::Tunnel(tunnel(&status)));
            let last = status.last.as_ref().map(|last| format!(": {}", last.what));
            let (state, since) = (state(status.state), clock(status.since));
            let last = last.unwrap_or_default();
            output.note(&format!("{}: {state} since {since}{last}", status.name));
            kept.insert(status.name);
        }
    }
    while let Some(event) = events.next().await? {
        match (&event.tunnel, event.kind) {
            (Some(name), EventKind::Ended) => drop(kept.remove(name)),
            (Some(name), _) => drop(kept.insert(name.clone())),
            (None, _) => {}
        }
        if output.is_json() {
            report(&event, source, &output).await?;
        }
        tell(&event, &output);
    }
    // What this process has ended is over.
    gone(kept.is_empty() || !source.is_elsewhere())
}

fn tell(event: &Event, output: &Output) {
    let line = match &event.tunnel {
        Some(tunnel) => format!("{tunnel}: {}", event.what),
        None => event.what.clone(),
    };
    match event.kind {
        EventKind::Waiting | EventKind::Resuming | EventKind::Warning | EventKind::Idle => {
            output.warn_people(&line);
        }
        _ => output.note(&line),
    }
}

/// Of what changes a tunnel's state the state is told, as it is by now.
async fn report(event: &Event, source: &Source, output: &Output) -> Result<(), Failure> {
    let names: Vec<_> = event.tunnel.iter().cloned().collect();
    let statuses = match &names[..] {
        [] => Vec::new(),
        names => source.statuses(names).await?.unwrap_or_default(),
    };
    match (event.kind, statuses.first()) {
        (EventKind::Ended, _) => {
            if let Some(name) = &event.tunnel {
                output.report(&Reported::Ended(ended(name, event.time)));
            }
        }
        (EventKind::Warning | EventKind::Note, status) => {
            let (time, what) = (times::utc(times::of_seconds(event.time)), &*event.what);
            let port = status.map(|status| status.port);
            output.report(&Reported::Warning(report::Warning { time, port, what }));
        }
        (_, Some(status)) => output.report(&Reported::Tunnel(tunnel(status))),
        (_, None) => {}
    }
    Ok(())
}
