//! `ssmport ls`: the nodes that there are.

use std::{
    io::Write,
    time::{Duration, UNIX_EPOCH},
};

use anstyle::AnsiColor;

use crate::cli::{
    args::{Global, LsArgs},
    columns::{Columns, Yielding},
    counted::counted,
    failure::Failure,
    output::{GOOD, Output, WARNING},
    report::{Event, Node},
    signals::until_ended,
    times::utc,
};
use crate::client::fleet::{self, ListedNode};
use crate::wire::foreign_text::one_line;

pub(crate) async fn run(
    arguments: LsArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    until_ended(list(arguments, global, output)).await
}

async fn list(arguments: LsArgs, global: &Global, output: &Output) -> Result<(), Failure> {
    let client = global.client(output);
    let account = client.account().await?;
    let wanted: Vec<_> = arguments.filters.into_iter().flat_map(|filters| filters.0).collect();
    let nodes = fleet::matching(account, &wanted, arguments.online, &**client.guide()).await?;
    if output.is_json() {
        nodes.iter().for_each(|node| output.report(&event(node)));
    } else {
        print(&nodes)?;
    }
    match nodes.len() {
        0 => output.note("There are no such nodes in this account and region."),
        count => output.note(&counted(count, "node")),
    }
    Ok(())
}

fn event(node: &ListedNode) -> Event<'_> {
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
    })
}

fn print(nodes: &[ListedNode]) -> Result<(), Failure> {
    if nodes.is_empty() {
        return Ok(());
    }
    let mut stdout = anstream::stdout();
    let width = crate::term::size_of_stdout();
    let table = table(nodes, width.map(|size| size.cols));
    match writeln!(stdout, "{table}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failure::local("cannot write the list").because(error)),
    }
}

/// Columns with blanks between them, no wider than the terminal. Ids stay whole.
fn table(nodes: &[ListedNode], width: Option<u16>) -> String {
    let mut rows = vec![HEADER.map(str::to_owned).to_vec()];
    rows.extend(nodes.iter().map(|node| {
        let name = node.name.as_deref().or(node.computer_name.as_deref()).unwrap_or("-");
        let address = node.address.as_deref().unwrap_or("-");
        let agent = &node.agent_version;
        let row = [name, &node.id, &node.platform, agent, &node.ping_status, address];
        row.map(one_line).to_vec()
    }));
    let painted = |row, column, cell: String| {
        let style = match &*cell {
            _ if row == 0 => AnsiColor::BrightBlack.on_default(),
            _ if column != PING => return cell,
            "Online" => GOOD,
            _ => WARNING,
        };
        format!("{style}{cell}{style:#}")
    };
    Columns::new(rows).lines(width.map(usize::from), YIELDING, painted).join("\n")
}

const HEADER: [&str; 6] = ["NAME", "ID", "PLATFORM", "AGENT", "PING", "ADDRESS"];
const PING: usize = 4;
/// Agent, platform and address go before a name is shortened, and how the node is comes last.
const YIELDING: Yielding = Yielding { leaving: &[3, 2, 5], shortened: 0, last: Some(PING) };

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;

    fn node(name: &str, ping_status: &str) -> ListedNode {
        ListedNode {
            name: Some(name.to_owned()),
            id: "i-0123456789abcdef0".to_owned(),
            platform: "Ubuntu 24.04".to_owned(),
            agent_version: "3.3.3050.0".to_owned(),
            ping_status: ping_status.to_owned(),
            last_ping: None,
            address: Some("10.0.0.5".to_owned()),
            computer_name: None,
            tags: Vec::new(),
        }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn columns_line_up_and_nothing_is_cut_in_a_pipe() {
        let shown = plain(&table(&[node("web", "Online"), node("a long name", "Inactive")], None));
        assert_eq!(
            shown,
            "NAME         ID                   PLATFORM      AGENT       PING      ADDRESS\n\
             web          i-0123456789abcdef0  Ubuntu 24.04  3.3.3050.0  Online    10.0.0.5\n\
             a long name  i-0123456789abcdef0  Ubuntu 24.04  3.3.3050.0  Inactive  10.0.0.5"
        );
    }

    #[test]
    fn a_narrow_terminal_has_whole_ids() {
        let nodes =
            [node("a very long name indeed, of a node", "Online"), node("\u{c6f9}", "Online")];
        for (width, header, first) in [
            (100, "NAME ID PLATFORM AGENT PING ADDRESS", "a very long name indeed, of a node  i-"),
            (80, "NAME ID PING ADDRESS", "a very long name indeed, of a node  i-"),
            (72, "NAME ID PING", "a very long name indeed, of a node  i-"),
            (60, "NAME ID PING", "a very long name indeed, of a\u{2026} "),
            (40, "NAME ID PING", "a very lon\u{2026} "),
        ] {
            let shown = plain(&table(&nodes, Some(width)));
            let lines: Vec<_> = shown.lines().collect();
            assert_eq!(
                lines[0].split_whitespace().collect::<Vec<_>>().join(" "),
                header,
                "{shown}"
            );
            assert!(lines[1].starts_with(first), "{shown}");
            for line in lines {
                assert!(line.width() <= width.into(), "{shown}");
                assert!(line.contains(&nodes[0].id) || line.starts_with("NAME"), "{shown}");
            }
        }
    }
}
