//! The list as people see it.

use anstyle::AnsiColor;

use super::places::Found;
use crate::{
    cli::{
        columns::{Columns, Yielding},
        output::{GOOD, WARNING},
    },
    wire::foreign_text::one_line,
};

/// Columns that there are where several places are asked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct More {
    pub(super) region: bool,
    pub(super) profile: bool,
}

/// Columns with blanks between them, no wider than the terminal. Ids stay whole.
pub(super) fn table(found: &[Found], columns: More, width: Option<u16>) -> String {
    let mut header = HEADER.to_vec();
    header.extend(columns.region.then_some("REGION"));
    header.extend(columns.profile.then_some("PROFILE"));
    let mut rows = vec![header.into_iter().map(str::to_owned).collect()];
    rows.extend(found.iter().map(|Found { place, node }| {
        let name = node.name.as_deref().or(node.computer_name.as_deref()).unwrap_or("-");
        let address = node.address.as_deref().unwrap_or("-");
        let agent = &node.agent_version;
        // Of a machine that does not run it is no news that its agent is lost.
        let state = node.instance_state.as_deref().filter(|state| *state != "running");
        let ping = state.filter(|_| !node.is_online()).unwrap_or(&node.ping_status);
        let mut row = vec![name, &node.id, &node.platform, agent, ping, address];
        row.extend(columns.region.then_some(&*place.region));
        row.extend(columns.profile.then_some(&*place.profile));
        row.into_iter().map(one_line).collect()
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
const YIELDING: Yielding =
    Yielding { third: None, leaving: &[3, 2, 5], shortened: 0, last: Some(PING) };

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use unicode_width::UnicodeWidthStr;

    use super::*;
    use crate::{cli::commands::ls::places::Place, client::ListedNode};

    fn node(name: &str, ping_status: &str) -> Found {
        let place = Place { profile: "prod".to_owned(), region: "eu-west-1".to_owned() };
        let node = ListedNode {
            name: Some(name.to_owned()),
            id: "i-0123456789abcdef0".to_owned(),
            platform: "Ubuntu 24.04".to_owned(),
            agent_version: "3.3.3050.0".to_owned(),
            ping_status: ping_status.to_owned(),
            last_ping: None,
            address: Some("10.0.0.5".to_owned()),
            computer_name: None,
            instance_state: None,
            tags: Vec::new(),
        };
        Found { place: Arc::new(place), node }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn columns_line_up_and_nothing_is_cut_in_a_pipe() {
        let shown = plain(&table(
            &[node("web", "Online"), node("a long name", "Inactive")],
            More::default(),
            None,
        ));
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
            let shown = plain(&table(&nodes, More::default(), Some(width)));
            let lines: Vec<_> = shown.lines().collect();
            assert_eq!(
                lines[0].split_whitespace().collect::<Vec<_>>().join(" "),
                header,
                "{shown}"
            );
            assert!(lines[1].starts_with(first), "{shown}");
            for line in lines {
                assert!(line.width() <= width.into(), "{shown}");
                assert!(line.contains(&nodes[0].node.id) || line.starts_with("NAME"), "{shown}");
            }
        }
    }

    #[test]
    fn places_are_told_where_there_are_several_and_what_does_not_run_is() {
        let mut stopped = node("web", "ConnectionLost");
        stopped.node.instance_state = Some("stopped".to_owned());
        let shown = plain(&table(&[stopped], More { region: true, profile: true }, None));
        let row = shown.lines().nth(1).unwrap();
        assert!(row.ends_with("  stopped  10.0.0.5  eu-west-1  prod"), "{shown}");
        assert!(shown.lines().next().unwrap().ends_with("REGION     PROFILE"), "{shown}");
    }
}
