//! How many nodes have come how far, which have failed, and why.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    cli::{
        counted::counted,
        failure::{Code, Failure},
        output::Output,
    },
    client::{NodeEnd, RunEvent, Selected},
    wire::{ExitCode, foreign_text::one_line},
};

pub(super) struct Tally {
    nodes: Vec<Selected>,
    timeout: Option<Duration>,
    running: usize,
    pub(super) done: usize,
    pub(super) failed: usize,
    /// From this side.
    pub(super) stopped: usize,
    pub(super) not_started: usize,
    /// By their reasons, and what can be done about those.
    failures: BTreeMap<(String, Option<String>), Vec<usize>>,
    /// The highest.
    code: u8,
}

impl Tally {
    pub(super) fn new(nodes: &[Selected], timeout: Option<Duration>) -> Self {
        Self {
            nodes: nodes.to_vec(),
            timeout,
            running: 0,
            done: 0,
            failed: 0,
            stopped: 0,
            not_started: 0,
            failures: BTreeMap::new(),
            code: 0,
        }
    }

    pub(super) fn note(&mut self, event: &RunEvent) {
        let (node, end) = match event {
            RunEvent::Started { .. } => {
                self.running += 1;
                return;
            }
            RunEvent::Ended { node, end, .. } => (*node, end),
            _ => return,
        };
        match end {
            NodeEnd::NotStarted => self.not_started += 1,
            _ => self.running = self.running.saturating_sub(1),
        }
        match end {
            NodeEnd::NotStarted => {}
            NodeEnd::Stopped => self.stopped += 1,
            end if !end.is_failure() => self.done += 1,
            end => {
                self.failed += 1;
                self.code = self.code.max(exit_code(end).unwrap_or_default());
                let id = self.nodes[node].id();
                let next = next_step(end).map(|next| next.replace(id, "NODE"));
                let reason = reason(end, self.timeout).replace(id, "NODE");
                self.failures.entry((reason, next)).or_default().push(node);
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// While it goes on.
    pub(super) fn status(&self) -> String {
        let over = self.done + self.failed + self.stopped + self.not_started;
        let failed =
            if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        format!("{over} of {} over{failed}, {} running", self.nodes.len(), self.running)
    }

    /// Which nodes have failed and why; of a run that was interrupted how far it came.
    pub(super) fn tell(&self, is_interrupted: bool, output: &Output) {
        let mut failures: Vec<_> = self.failures.iter().collect();
        failures.sort_by_key(|(_, nodes)| std::cmp::Reverse(nodes.len()));
        for ((reason, next), nodes) in failures.iter().take(REASONS) {
            let in_order: BTreeSet<_> = nodes.iter().collect();
            let names = some(in_order.into_iter().map(|node| self.nodes[*node].name()));
            // One alone is called by its id.
            let of_one = nodes.len() == 1;
            let id = nodes.first().map_or("NODE", |node| self.nodes[*node].id());
            let told = |text: &str| match of_one {
                true => one_line(&text.replace("NODE", id)),
                false => one_line(text),
            };
            output.note(&format!("  {}: {}", one_line(&names), told(reason)));
            if let Some(next) = next {
                output.note(&format!("    {}", told(next)));
            }
        }
        if let Some(more @ 1..) = failures.len().checked_sub(REASONS) {
            output.note(&format!("  and others, for {}", counted(more, "other reason")));
        }
        if is_interrupted {
            output.note(&format!("Of {}: {}", counted(self.nodes.len(), "node"), self.parts()));
        } else if self.done == self.nodes.len() {
            output.note(&format!("{}, all done", counted(self.nodes.len(), "node")));
        }
    }

    /// What it comes to for whoever started it.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        if self.done == self.nodes.len() {
            return Ok(());
        }
        let code = match self.failed {
            // What nothing is known of is not done either.
            0 => Code::Lost,
            _ => Code::Command(self.code),
        };
        let count = counted(self.nodes.len(), "node");
        let others = [(self.stopped, "ended from here"), (self.not_started, "not begun")];
        let others = others.into_iter().filter(|(count, _)| *count > 0);
        let others: String = others.map(|(count, how)| format!(", {count} {how}")).collect();
        let what = format!("{} of {count} failed{others}", self.failed);
        Err(Failure::new(code, what))
    }

    fn parts(&self) -> String {
        let unfinished = self.nodes.len() - (self.done + self.failed + self.stopped);
        let parts = [
            (self.done, "done"),
            (self.failed, "failed"),
            (self.stopped, "ended from here"),
            (unfinished, "not begun, or not waited for"),
        ];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0);
        parts.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
    }
}

/// As `exec` ends that has this node alone; none of what was ended from this side.
pub(super) fn exit_code(end: &NodeEnd) -> Option<u8> {
    match end {
        NodeEnd::Exited(code) => Some(ExitCode(*code).as_u8()),
        NodeEnd::Failed(error) => Some(Failure::from(error.clone()).code.number()),
        NodeEnd::TimedOut => Some(Code::TimedOut.number()),
        _ => None,
    }
}

/// Why a node is not done.
pub(super) fn reason(end: &NodeEnd, timeout: Option<Duration>) -> String {
    match end {
        NodeEnd::Exited(code) if *code == ExitCode::SIGNALLED.0 => "a signal ended it".to_owned(),
        NodeEnd::Exited(code) => format!("exit code {code}"),
        NodeEnd::Failed(error) => {
            let failure = Failure::from(error.clone());
            let why = failure.why.map(|why| format!(": {why}")).unwrap_or_default();
            one_line(&format!("{}{why}", failure.what))
        }
        NodeEnd::TimedOut => match timeout {
            Some(limit) => format!("not over within {}", humantime::format_duration(limit)),
            None => "not over in time".to_owned(),
        },
        NodeEnd::Stopped => "ended from here".to_owned(),
        _ => "not begun".to_owned(),
    }
}

pub(super) fn next_step(end: &NodeEnd) -> Option<String> {
    match end {
        NodeEnd::Failed(error) => Failure::from(error.clone()).next,
        _ => None,
    }
}

/// The first of many names.
pub(super) fn some<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    match names.len().checked_sub(NAMES) {
        Some(more @ 1..) => format!("{} and {more} more", names[..NAMES].join(", ")),
        _ => names.join(", "),
    }
}

/// That are told of all failures: the rest is for programs.
const NAMES: usize = 20;
const REASONS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_highest_code_is_the_verdict_and_nothing_is_lost_sight_of() {
        let client = crate::client::Client::endpoint("http://127.0.0.1:1").unwrap();
        let nodes = client.select(["a", "b", "i-odd"]).await.unwrap();
        let ended = |ends: &[NodeEnd]| {
            let mut tally = Tally::new(nodes.nodes(), None);
            for (node, end) in ends.iter().enumerate() {
                tally.note(&RunEvent::Started { node });
                let (end, took) = (end.clone(), Duration::ZERO);
                tally.note(&RunEvent::Ended { node, end, took });
            }
            tally.verdict().map_err(|failure| (failure.code.number(), failure.what))
        };
        let exited = NodeEnd::Exited;
        assert_eq!(ended(&[exited(0), exited(0), exited(0)]), Ok(()));
        let (code, what) = ended(&[exited(3), NodeEnd::TimedOut, exited(9)]).unwrap_err();
        assert_eq!((code, &*what), (124, "3 of 3 nodes failed"));
        let stopped = ended(&[NodeEnd::Stopped, exited(-1), NodeEnd::NotStarted]).unwrap_err();
        let told = "1 of 3 nodes failed, 1 ended from here, 1 not begun".to_owned();
        assert_eq!(stopped, (255, told));
        assert_eq!(ended(&[exited(0)]).unwrap_err().0, 6);
    }
}
