//! How what happens is shown: line by line, node by node, or for programs.

use std::io;

use super::{
    events::Events,
    groups::Groups,
    lines::Lines,
    screen::Screen,
    tally::{Tally, reason},
};
use crate::{
    cli::output::Output,
    client::{NodeEnd, RunEvent, Selected},
    wire::foreign_text::one_line,
};

pub(super) enum View {
    Lines(Lines),
    Groups { groups: Groups, nodes: Vec<Selected> },
    Events(Events),
}

impl View {
    pub(super) fn new(nodes: &[Selected], is_grouped: bool, output: &Output) -> Self {
        match (output.is_json(), is_grouped) {
            (true, _) => Self::Events(Events::new(nodes)),
            (false, true) => Self::Groups { groups: Groups::default(), nodes: nodes.to_vec() },
            (false, false) => Self::Lines(Lines::new(nodes)),
        }
    }

    pub(super) async fn show(&mut self, event: &RunEvent, screen: &mut Screen) -> io::Result<()> {
        match self {
            Self::Lines(lines) => match event {
                RunEvent::Output { node, stream, bytes } => {
                    screen.write(*stream, &lines.output(*node, *stream, bytes)).await
                }
                RunEvent::Ended { node, .. } => {
                    for (stream, rest) in lines.rest(*node) {
                        screen.write(stream, &rest).await?;
                    }
                    Ok(())
                }
                _ => Ok(()),
            },
            Self::Groups { groups, nodes } => match event {
                RunEvent::Output { node, stream, bytes } => groups.output(*node, *stream, bytes),
                RunEvent::Ended { node, end, .. } if !matches!(end, NodeEnd::NotStarted) => {
                    let heading = heading(&nodes[*node], end);
                    groups.show(*node, &heading, screen).await
                }
                _ => Ok(()),
            },
            Self::Events(events) => events.show(event, screen).await,
        }
    }

    /// What stands behind all of it.
    pub(super) async fn end(&mut self, tally: &Tally, screen: &mut Screen) -> io::Result<()> {
        match self {
            Self::Events(events) => events.end(tally, screen).await,
            Self::Lines(_) | Self::Groups { .. } => Ok(()),
        }
    }
}

/// Which node it is, and how it came out there.
fn heading(node: &Selected, end: &NodeEnd) -> String {
    let name = match node.name() == node.id() || node.name().ends_with(node.id()) {
        true => node.name().to_owned(),
        false => format!("{} ({})", node.name(), node.id()),
    };
    match end {
        NodeEnd::Exited(0) => format!("==> {}", one_line(&name)),
        end => format!("==> {}: {}", one_line(&name), reason(end, None)),
    }
}
