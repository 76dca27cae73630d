//! `ssmport ls`: the nodes that there are.

mod places;
mod table;

use std::{
    io::Write,
    time::{Duration, UNIX_EPOCH},
};

use self::{
    places::Found,
    table::{More, table},
};
use crate::cli::{
    args::{Global, LsArgs},
    counted::counted,
    failure::Failure,
    output::Output,
    report::{Event, Node},
    signals::until_ended,
    times::utc,
};
use crate::client::{
    ListedNode,
    node_filter::{NodeFilter, WILDCARDS, is_like},
};

pub(crate) async fn run(
    arguments: LsArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    until_ended(list(arguments, global, output)).await
}

async fn list(arguments: LsArgs, global: &Global, output: &Output) -> Result<(), Failure> {
    let (places, nowhere) = places::all(&arguments, global, output).await?;
    let wanted: Vec<_> = arguments.filters.iter().flat_map(|filters| filters.0.clone()).collect();
    let (mut found, mut failed) = places::nodes(&places, &wanted, arguments.online).await;
    if places.len() == 1
        && nowhere.is_empty()
        && let Some((_, error)) = failed.pop()
    {
        return Err(error.into());
    }
    found.retain(|found| is_wanted(&found.node, &arguments));
    if output.is_json() {
        found.iter().for_each(|found| output.report(&event(found)));
    } else {
        let profile = !arguments.profiles.is_empty();
        print(&found, More { region: profile || arguments.all_regions, profile })?;
    }
    failed.splice(0..0, nowhere);
    match (found.len(), places.len()) {
        (0, 1) => {
            output.note("There are no such nodes in this account and region.");
            if let Some(tag) = wanted.iter().find_map(NodeFilter::maybe_a_tag) {
                output.note(&format!("A tag is meant by: ssmport ls tag:{tag}"));
            }
        }
        (0, _) => output.note("There are no such nodes."),
        (count, _) => output.note(&counted(count, "node")),
    }
    for (place, error) in &failed {
        output.warn_people(&format!("{place}: {error}"));
    }
    let failures = failed.into_iter().map(|(_, error)| Failure::from(error));
    let worst = failures.max_by_key(|failure| failure.code.number());
    worst.map_or(Ok(()), |worst| {
        let what = "not every profile and region has told its nodes";
        let why = worst.why.map_or_else(String::new, |why| format!(": {why}"));
        let failure = Failure::new(worst.code, what).because(format!("{}{why}", worst.what));
        Err(Failure { next: worst.next, ..failure })
    })
}

/// Whether its state and its platform are among those that are asked for.
fn is_wanted(node: &ListedNode, arguments: &LsArgs) -> bool {
    let states = [Some(&node.ping_status), node.instance_state.as_ref()];
    let has_state = |wanted: &String| {
        let wanted = wanted.trim().to_lowercase();
        let wanted = if wanted == "lost" { "connectionlost" } else { &wanted };
        states.into_iter().flatten().any(|state| state.to_lowercase() == wanted)
    };
    let platform = node.platform.to_lowercase();
    let has_platform = |wanted: &String| {
        let wanted = wanted.to_lowercase();
        match wanted.contains(WILDCARDS) {
            true => is_like(&platform, &wanted),
            false => platform.contains(&wanted),
        }
    };
    (arguments.state.is_empty() || arguments.state.iter().any(has_state))
        && arguments.platform.iter().all(has_platform)
}

fn event(Found { place, node }: &Found) -> Event<'_> {
    let last_ping = node.last_ping.and_then(|seconds| u64::try_from(seconds).ok());
    Event::Node(Node {
        name: node.name.as_deref(),
        id: &node.id,
        platform: &node.platform,
        agent_version: &node.agent_version,
        ping_status: &node.ping_status,
        last_ping: last_ping
            .and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
            .map(utc),
        address: node.address.as_deref(),
        computer_name: node.computer_name.as_deref(),
        instance_state: node.instance_state.as_deref(),
        region: &place.region,
        profile: &place.profile,
    })
}

fn print(found: &[Found], more: More) -> Result<(), Failure> {
    if found.is_empty() {
        return Ok(());
    }
    let mut stdout = anstream::stdout();
    let width = crate::term::size_of_stdout();
    let table = table(found, more, width.map(|size| size.cols));
    match writeln!(stdout, "{table}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failure::local("cannot write the list").because(error)),
    }
}
