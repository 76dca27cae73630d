//! A program that leads a group or a session of processes.

use rustix::process::{Pid, Signal, kill_process_group};

use super::process;

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

    /// Sends a signal to its group. A group that is gone needs none any more.
    pub fn signal(self, signal: Signal) {
        let _ = kill_process_group(self.pid, signal);
    }

    /// Kills it and all that it leads, or has led. Nothing happens when its number is another's by
    /// now; as long as anything of its group or session is left, the number is nobody's.
    pub fn kill(self) {
        if process::start_time(self.pid).is_some_and(|found| found != self.start_time) {
            return;
        }
        if self.kind == Kind::Session {
            // A shell's background jobs are in groups of their own, but still in its session.
            process::kill_session(self.pid);
        }
        let _ = kill_process_group(self.pid, Signal::KILL);
    }
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Group, Self::Session];

    /// In the reaper's records.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Session => "session",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::CommandExt, process::Command};

    use super::*;

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
