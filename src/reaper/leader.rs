//! A program, and the group or the session of processes that it leads.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{patience::within_a_second, process};

/// A program, by its number and the time of its start, and what it leads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Leader {
    pub(super) pid: Pid,
    pub(super) kind: Kind,
    /// In ticks of the clock since the system's start; 0 where the system does not tell.
    pub(super) start_time: u64,
}

/// What a program leads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Nothing: it is in another's group, that of the terminal.
    Process,
    /// A process group.
    Group,
    /// A session with a terminal, whose shell may have made groups of its own.
    Session,
}

impl Leader {
    /// The leader of this number, which must be a child that has not been waited for: no other
    /// process has its number then.
    pub fn of_child(pid: Pid, kind: Kind) -> Self {
        Self { pid, kind, start_time: process::start_time(pid).unwrap_or(0) }
    }

    /// Sends a signal to it and its group, or to it alone if it leads none. What is gone needs none
    /// any more.
    pub fn signal(self, signal: Signal) {
        let _ = match self.kind {
            Kind::Process => kill_process(self.pid, signal),
            Kind::Group | Kind::Session => kill_process_group(self.pid, signal),
        };
    }

    /// Kills it and all that it leads, or has led. Nothing happens when its number is another's by
    /// now; as long as anything of its group or session is left, the number is nobody's.
    ///
    /// One that leads nothing is asked to end first, and waited for: it may have files to remove and
    /// a terminal to restore.
    pub fn kill(self) {
        if process::start_time(self.pid).is_some_and(|found| found != self.start_time) {
            return;
        }
        match self.kind {
            Kind::Process if self.ends_when_asked() => return,
            Kind::Process | Kind::Group => {}
            // A shell's background jobs are in groups of their own, but still in its session.
            Kind::Session => process::kill_session(self.pid),
        }
        self.signal(Signal::KILL);
    }

    fn ends_when_asked(self) -> bool {
        self.signal(Signal::TERM);
        within_a_second(|| !process::is_there(self.pid, self.start_time))
    }
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Process, Self::Group, Self::Session];

    /// In the reaper's records.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Group => "group",
            Self::Session => "session",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        os::unix::process::{CommandExt, ExitStatusExt},
        process::{Child, Command, Stdio},
        thread,
    };

    use super::*;

    /// In the group of these tests, which must not hear of its end.
    fn start(script: &str) -> (Child, Leader) {
        let mut shell = Command::new("sh");
        let mut child = shell.args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let leader = Leader::of_child(Pid::from_child(&child), Kind::Process);
        (child, leader)
    }

    #[test]
    fn a_process_of_anothers_group_is_asked_to_end() {
        let (mut child, leader) =
            start("trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done");
        let waiting = thread::spawn(move || child.wait().unwrap());
        leader.kill();
        assert_eq!(waiting.join().unwrap().code(), Some(3));
    }

    #[test]
    fn a_process_that_does_not_end_when_asked_is_killed() {
        let (mut child, leader) = start("trap '' TERM; echo ready; exec sleep 60");
        let waiting = thread::spawn(move || child.wait().unwrap());
        leader.kill();
        assert_eq!(waiting.join().unwrap().signal(), Some(Signal::KILL.as_raw()));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_of_the_same_number_from_another_time_is_left_alone() {
        let mut child = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let leader = Leader::of_child(Pid::from_child(&child), Kind::Group);
        Leader { start_time: leader.start_time + 1, ..leader }.kill();
        assert!(child.try_wait().unwrap().is_none());
        leader.kill();
        assert_eq!(child.wait().unwrap().code(), None, "killed");
    }
}
