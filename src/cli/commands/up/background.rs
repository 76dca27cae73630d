//! A process of its own that keeps the tunnels up when its caller has gone.

use std::{
    fs::File,
    io::{Read, Seek},
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process, setsid};
use tokio::time::sleep;

use super::{interrupted, log_in, options::options, status};
use crate::cli::{
    args::Global,
    failure::{Code, Failure},
    mfa::MFA_CODE,
    output::Output,
    proxy_command::this_program,
    signals::Signals,
};
use crate::client::upkeep::{
    Status,
    control::{Remote, Request},
};

/// Has them kept up by another process, which is started unless there is one, and returns when each stands
/// or is known not to.
pub(super) async fn start(
    names: &[String],
    global: &Global,
    output: &Output,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let request = Request::Up { names: names.to_vec(), wait: true };
    let asked = tokio::select! {
        asked = Remote::statuses(&request) => asked?,
        number = signals.next() => return Err(interrupted(number)),
    };
    let statuses = match asked {
        Some(statuses) => statuses,
        None => {
            log_in(names, &global.client(output), signals).await?;
            let mut process = Process::start(names, global)?;
            tokio::select! {
                statuses = process.statuses(&request) => statuses?,
                number = signals.next() => {
                    process.end();
                    return Err(interrupted(number));
                }
            }
        }
    };
    shown(&statuses, output)
}

fn shown(statuses: &[Status], output: &Output) -> Result<(), Failure> {
    status::print(statuses, output)?;
    for status in statuses.iter().filter(|status| status.is_open()) {
        output.warn_people(&format!("{} can be reached from other machines", status.name));
    }
    let not: Vec<_> = statuses.iter().filter(|status| !status.state.stands()).collect();
    match &not[..] {
        [] => {
            output.note(
                "They are kept up in the background: ssmport status, ssmport logs, ssmport down",
            );
            Ok(())
        }
        not => {
            let names: Vec<_> = not.iter().map(|status| &*status.name).collect();
            let what =
                format!("not up yet, and tried again in the background: {}", names.join(", "));
            Err(Failure::new(Code::Lost, what)
                .next("`ssmport status` says how it goes, `ssmport down` ends it"))
        }
    }
}

/// The process that was started.
struct Process {
    child: tokio::process::Child,
    /// What it says before it stands.
    said: File,
}

impl Process {
    fn start(names: &[String], global: &Global) -> Result<Self, Failure> {
        let failed = |error| Failure::local("cannot start the background process").because(error);
        let said = tempfile::tempfile().map_err(failed)?;
        let mut command = Command::new(this_program()?);
        command.args(options(global)).args(["up", "--detached", "-q", "--"]).args(names);
        // Arguments can be read by every user of the machine.
        command.envs(global.mfa.code.as_ref().map(|code| (MFA_CODE, code)));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(said.try_clone().map_err(failed)?);
        let child = tokio::process::Command::from(command).spawn().map_err(failed)?;
        Ok(Self { child, said })
    }

    /// What it answers as soon as it does.
    async fn statuses(&mut self, request: &Request) -> Result<Vec<Status>, Failure> {
        let ended = loop {
            if let Some(statuses) = Remote::statuses(request).await? {
                return Ok(statuses);
            }
            tokio::select! {
                ended = self.child.wait() => break ended,
                () = sleep(LOOK_EVERY) => {}
            }
        };
        let code = ended.ok().and_then(|ended| ended.code());
        // It has left them to another one that was started at the same time.
        if code == Some(0)
            && let Some(statuses) = Remote::statuses(request).await?
        {
            return Ok(statuses);
        }
        Err(self.failure(code))
    }

    /// Why it did not come to that, in its own words.
    fn failure(&mut self, code: Option<i32>) -> Failure {
        let mut said = String::new();
        let _ = self.said.rewind();
        let _ = (&self.said).take(LONGEST).read_to_string(&mut said);
        let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or("the background process has ended");
        let code = match code {
            Some(2) => Code::Usage,
            Some(3) => Code::Refused,
            Some(5) => Code::Local,
            _ => Code::Lost,
        };
        let what = first.strip_prefix("ssmport: ").unwrap_or(first);
        let rest: Vec<_> = lines.map(str::to_owned).collect();
        let mut rest = rest.into_iter();
        let failure = Failure::new(code, what);
        match (rest.next(), rest.next()) {
            (Some(why), Some(next)) => failure.because(why).next(next),
            (Some(next), None) => failure.next(next),
            _ => failure,
        }
    }

    fn end(&self) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

/// Leaves the terminal and the group of whoever has started this process.
pub(super) fn detach() {
    // It leads a group already where a shell has started it by itself.
    let _ = setsid();
}

/// Nobody reads what is said from now on.
pub(super) fn let_go() {
    if let Ok(nothing) = File::options().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stderr(nothing);
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// In bytes, of what it says.
const LONGEST: u64 = 16 * 1024;
