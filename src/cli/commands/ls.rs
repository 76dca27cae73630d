//! `ssmport ls`: the nodes that there are.

use std::io::Write;

use anstyle::AnsiColor;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;

use crate::cli::{
    args::{Global, LsArgs},
    failure::Failure,
    output::{GOOD, Output, WARNING},
    signals::until_ended,
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
    let asked: Vec<_> = arguments.filters.iter().flat_map(|filters| &filters.0).collect();
    let of_ssm: Vec<_> = asked.iter().filter_map(|filter| filter.of_ssm()).collect();
    let of_ssm: Vec<_> = of_ssm.iter().map(|(key, value)| (&**key, [*value])).collect();
    let mut filters: Vec<(&str, &[&str])> =
        of_ssm.iter().map(|(key, values)| (*key, &values[..])).collect();
    // Tags and other filters do not go together.
    if arguments.online && filters.is_empty() {
        filters.push(("PingStatus", &["Online"]));
    }
    let mut nodes = fleet::nodes(account, &filters, &**client.guide()).await?;
    // The rest are patterns.
    nodes.retain(|node| {
        asked.iter().all(|filter| filter.of_ssm().is_some() || filter.matches(node))
    });
    if arguments.online {
        nodes.retain(ListedNode::is_online);
    }
    if output.is_json() {
        nodes.iter().for_each(|node| output.report(&json!(node)));
    } else {
        print(&nodes)?;
    }
    match nodes.len() {
        0 => output.note("There are no such nodes in this account and region."),
        1 => output.note("1 node"),
        count => output.note(&format!("{count} nodes")),
    }
    Ok(())
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

/// Columns with blanks between them, no wider than the terminal.
fn table(nodes: &[ListedNode], width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(match width {
        Some(_) => ContentArrangement::Dynamic,
        None => ContentArrangement::Disabled,
    });
    if let Some(width) = width {
        table.set_width(width);
    }
    table.set_header(["NAME", "ID", "PLATFORM", "AGENT", "PING", "ADDRESS"]);
    for node in nodes {
        let name = node.name.as_deref().or(node.computer_name.as_deref()).unwrap_or("-");
        let address = node.address.as_deref().unwrap_or("-");
        let agent = &node.agent_version;
        let row = [name, &node.id, &node.platform, agent, &node.ping_status, address];
        table.add_row(row.map(one_line));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = table.trim_fmt();
    coloured(&text)
}

/// The states stand out. They are coloured last, since colours have no width.
fn coloured(table: &str) -> String {
    let header = AnsiColor::BrightBlack.on_default();
    let lines = table.lines().enumerate().map(|(number, line)| {
        if number == 0 {
            return format!("{header}{line}{header:#}");
        }
        let line = line.replacen(" Online", &format!(" {GOOD}Online{GOOD:#}"), 1);
        ["ConnectionLost", "Inactive"].into_iter().fold(line, |line, state| {
            line.replacen(&format!(" {state}"), &format!(" {WARNING}{state}{WARNING:#}"), 1)
        })
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
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
    fn a_narrow_terminal_is_not_overrun() {
        let shown = plain(&table(&[node("a very long name indeed", "ConnectionLost")], Some(72)));
        assert!(shown.lines().all(|line| line.chars().count() <= 72), "{shown}");
    }
}
