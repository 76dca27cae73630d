//! What happens, for programs.

use std::io;

use data_encoding::BASE64;

use super::{
    line_parts::LineParts,
    screen::Screen,
    tally::{Tally, exit_code, next_step, reason},
};
use crate::{
    cli::{
        output::Output,
        report::{Event, NodeEnded, NodeOutput, NodeStarted, NodeState, Summary},
    },
    client::{NodeEnd, RunEvent, Selected, Stream},
};

pub(super) struct Events {
    nodes: Vec<Selected>,
    parts: LineParts,
}

impl Events {
    pub(super) fn new(nodes: &[Selected]) -> Self {
        Self { nodes: nodes.to_vec(), parts: LineParts::default() }
    }

    pub(super) async fn show(&mut self, event: &RunEvent, screen: &mut Screen) -> io::Result<()> {
        match event {
            RunEvent::Started { node } => {
                let node = &self.nodes[*node];
                let started = NodeStarted { name: node.name(), id: node.id() };
                tell(&Event::NodeStarted(started), screen).await
            }
            RunEvent::Output { node, stream, bytes } => {
                for line in self.parts.lines(*node, *stream, bytes) {
                    self.line(*node, *stream, &line, screen).await?;
                }
                Ok(())
            }
            RunEvent::Ended { node, end, took } => {
                for (stream, rest) in self.parts.rest(*node) {
                    self.line(*node, stream, &rest, screen).await?;
                }
                let node = &self.nodes[*node];
                let state = state(end);
                let why = (state == NodeState::Failure).then(|| reason(end, None));
                let ended = NodeEnded {
                    name: node.name(),
                    id: node.id(),
                    state,
                    exit_code: exit_code(end),
                    seconds: (took.as_secs_f64() * 1000.0).round() / 1000.0,
                    why,
                    next: next_step(end),
                };
                tell(&Event::NodeEnded(ended), screen).await
            }
        }
    }

    async fn line(
        &self,
        node: usize,
        stream: Stream,
        line: &[u8],
        screen: &mut Screen,
    ) -> io::Result<()> {
        let (node, text) = (&self.nodes[node], std::str::from_utf8(line).ok());
        let output = NodeOutput {
            name: node.name(),
            id: node.id(),
            stream: if stream == Stream::Stdout { "stdout" } else { "stderr" },
            text,
            base64: text.is_none().then(|| BASE64.encode(line)),
        };
        tell(&Event::NodeOutput(output), screen).await
    }

    pub(super) async fn end(&self, tally: &Tally, screen: &mut Screen) -> io::Result<()> {
        let summary = Summary {
            nodes: tally.count(),
            done: tally.done,
            failed: tally.failed,
            stopped: tally.stopped,
            not_started: tally.not_started,
        };
        tell(&Event::Summary(summary), screen).await
    }
}

fn state(end: &NodeEnd) -> NodeState {
    match end {
        NodeEnd::Stopped => NodeState::Stopped,
        NodeEnd::NotStarted => NodeState::NotStarted,
        end if end.is_failure() => NodeState::Failure,
        _ => NodeState::Ok,
    }
}

async fn tell(event: &Event<'_>, screen: &mut Screen) -> io::Result<()> {
    let line = Output::json(event) + "\n";
    screen.write(Stream::Stdout, line.as_bytes()).await
}
