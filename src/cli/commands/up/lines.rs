//! What happens, a line each.

use super::{
    source::Source,
    told::{ended, tunnel},
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
    let Some(mut events) = source.events(names, MOST).await? else { return Ok(()) };
    while let Some(event) = events.next().await? {
        if output.is_json() {
            report(&event, source, &output).await?;
        }
        tell(&event, &output);
    }
    Ok(())
}

fn tell(event: &Event, output: &Output) {
    let line = match &event.tunnel {
        Some(tunnel) => format!("{tunnel}: {}", event.what),
        None => event.what.clone(),
    };
    match event.kind {
        EventKind::Waiting | EventKind::Warning | EventKind::Idle => output.warn_people(&line),
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
