//! A child process, and everything that it starts.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tempfile::TempDir;

use super::{heeded::heed_signals, transcript::Transcript};

/// A running child in a process group of its own, with an empty home directory. Dropping it kills
/// the group.
pub struct Program {
    name: String,
    child: Child,
    pid: Pid,
    stdout: Transcript,
    stderr: Transcript,
    /// Hears of the child's end.
    ended: Receiver<()>,
    watcher: Option<JoinHandle<()>>,
    _home: TempDir,
}

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    /// Starts `command` with nothing on its standard input.
    pub fn start(mut command: Command) -> Self {
        let name = name(&command);
        let home = TempDir::new().expect("a directory for the program's home");
        command.env("HOME", home.path()).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("start {name}: {error}"));
        let stdout = Transcript::of(child.stdout.take().expect("stdout is piped"));
        let stderr = Transcript::of(child.stderr.take().expect("stderr is piped"));
        let pid = Pid::from_child(&child);
        let (tell, ended) = mpsc::channel();
        let watcher = thread::spawn(move || {
            await_end(pid);
            // Nobody listens when the program is being dropped.
            let _ = tell.send(());
        });
        Self { name, child, pid, stdout, stderr, ended, watcher: Some(watcher), _home: home }
    }

    /// Runs `command` to its end, which must come within [`DEADLINE`].
    pub fn run(command: Command) -> Finished {
        Self::run_within(DEADLINE, command)
    }

    /// Runs `command` to its end, which must come within `limit`.
    pub fn run_within(limit: Duration, command: Command) -> Finished {
        Self::start(command).finish_within(limit)
    }

    /// The first line on stdout that `wanted` accepts, now or within [`DEADLINE`].
    pub fn wait_for_stdout(&self, wanted: impl FnMut(&str) -> bool) -> String {
        let line = self.stdout.wait_for_line(wanted, DEADLINE);
        line.unwrap_or_else(|why| self.fail(&format!("the line awaited on stdout: {why}")))
    }

    /// The first line on stderr that `wanted` accepts, now or within [`DEADLINE`].
    pub fn wait_for_stderr(&self, wanted: impl FnMut(&str) -> bool) -> String {
        let line = self.stderr.wait_for_line(wanted, DEADLINE);
        line.unwrap_or_else(|why| self.fail(&format!("the line awaited on stderr: {why}")))
    }

    /// What came on stdout so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What came on stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr_from(0)
    }

    /// What came on stderr so far, from the byte `from` on.
    pub fn stderr_from(&self, from: usize) -> String {
        self.stderr.text_from(from)
    }

    /// The child's number.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a signal to the whole group, as a terminal does.
    pub fn signal(&self, signal: Signal) {
        if let Err(error) = kill_process_group(self.pid, signal) {
            self.fail(&format!("send it {signal:?}: {error}"));
        }
    }

    /// Stops it where it stands, without its knowing. The signal is sent before its threads stop.
    #[cfg(feature = "aws")]
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        let threads = format!("/proc/{}/task", self.pid.as_raw_nonzero());
        await_that("it stops", || {
            fs::read_dir(&threads).expect("its threads").flatten().all(|thread| {
                let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
                // Behind the name, which may hold anything.
                stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
            })
        });
    }

    /// Waits for the end, which must come within [`DEADLINE`].
    pub fn finish(self) -> Finished {
        self.finish_within(DEADLINE)
    }

    /// Waits for the end, and for that of everyone who shares its output, within `limit`.
    pub fn finish_within(mut self, limit: Duration) -> Finished {
        let give_up_at = Instant::now() + limit;
        if self.ended.recv_timeout(limit).is_err() {
            self.fail(&format!("it did not end within {limit:?}"));
        }
        let is_complete = [&self.stdout, &self.stderr].into_iter().all(|transcript| {
            transcript.wait_for_end(give_up_at.saturating_duration_since(Instant::now()))
        });
        if !is_complete {
            self.fail("it ended, but left a process behind that holds its output");
        }
        let status = self.child.wait().unwrap_or_else(|error| panic!("wait for it: {error}"));
        Finished { status, stdout: self.stdout(), stderr: self.stderr() }
    }

    /// Asks the program to end with `signal`, and gives it the time to put its house in order.
    pub fn stop(self, signal: Signal) {
        // What does not end is killed with the guard; a test that has failed is not to fail again.
        let _ = kill_process_group(self.pid, signal);
        let _ = self.ended.recv_timeout(DEADLINE);
    }

    /// The most memory that the child has had resident at a time, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.unwrap_or_else(|| self.fail("no VmHWM in its status; has it ended?")) << 10
    }

    /// The processor time that the child has used so far.
    pub fn cpu_time(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        // Behind the name, which stands in parentheses: field 3 and so on; 14 and 15 are ticks.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// Fails the test with what the program said.
    pub fn fail(&self, what: &str) -> ! {
        let Self { name, stdout, stderr, .. } = self;
        panic!("{name}: {what}\n--- stdout\n{}\n--- stderr\n{}\n---", stdout.text(), stderr.text())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Before the child is waited for its number cannot belong to anyone else.
        let _ = kill_process_group(self.pid, Signal::KILL);
        if let Some(watcher) = self.watcher.take() {
            let _ = watcher.join();
        }
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- stderr of {}\n{}\n---", self.name, self.stderr());
        }
    }
}

impl Finished {
    /// Its stdout, given that it exited with 0.
    #[track_caller]
    pub fn success(self) -> String {
        assert!(self.status.success(), "{self:#?}");
        self.stdout
    }

    /// Its exit code, given that no signal ended it.
    #[track_caller]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by a signal: {self:#?}"))
    }
}

/// A command that sees nothing of the machine's AWS settings, of its proxies and of its locale.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    heed_signals();
    let mut command = Command::new(program);
    for (variable, _) in std::env::vars_os().filter(|(name, _)| is_of_the_machine(name)) {
        command.env_remove(variable);
    }
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("LC_ALL", "C.UTF-8");
    command
}

/// Waits for something that comes without a word.
#[track_caller]
pub fn await_that(what: &str, is_so: impl Fn() -> bool) {
    let give_up_at = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < give_up_at, "{what}: not within {DEADLINE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A script of shell in which `"$@"` is `program`, with its environment.
pub fn in_shell(script: &str, program: &Command) -> Command {
    let mut shell = command("sh");
    copy_environment(program, &mut shell);
    shell.args(["-c", script, "sh"]).arg(program.get_program()).args(program.get_args());
    shell
}

/// Gives a command the environment of another one.
pub fn copy_environment(from: &Command, to: &mut Command) {
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
}

fn is_of_the_machine(variable: &OsString) -> bool {
    let name = variable.to_string_lossy().to_ascii_uppercase();
    let prefixes = ["AWS_", "SSMPORT_", "PG", "LC_", "XDG_"];
    prefixes.iter().any(|prefix| name.starts_with(prefix))
        || name.ends_with("_PROXY")
        || matches!(&*name, "LANG" | "SSH_AUTH_SOCK")
}

fn name(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ").chars().take(300).collect()
}

/// Waits until the child has ended, and leaves it to be waited for again.
fn await_end(pid: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
}

/// How long a step may take before it counts as hung.
pub const DEADLINE: Duration = Duration::from_secs(30);
