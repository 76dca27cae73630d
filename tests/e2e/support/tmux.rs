//! A terminal drawn by tmux, which takes keys and tells what can be seen.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{
    program::{DEADLINE, Program, await_that, command},
    tools::find_tool,
};

/// A program on a terminal of its own. Dropping it takes the terminal away from the program, and
/// kills it.
pub struct Tmux {
    tmux: PathBuf,
    folder: TempDir,
    server: Option<Program>,
}

impl Tmux {
    /// Starts `program` on a terminal of this many columns and lines.
    ///
    /// When the program has ended, the terminal shows what is typed at it.
    pub fn start(program: &Command, cols: u16, rows: u16) -> Self {
        let folder = TempDir::new().expect("a directory for the terminal");
        let tmux = find_tool("tmux");
        let settings = folder.path().join("settings");
        fs::write(&settings, SETTINGS).expect("tmux's settings");
        let mut server = command(&tmux);
        // Programs are the server's children, and have its environment.
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => server.env(name, value),
                None => server.env_remove(name),
            };
        }
        // A tmux that these tests run in is not to be found.
        server.env_remove("TMUX").env("SHELL", "/bin/sh").env("TERM", "screen-256color");
        server.arg("-D").arg("-S").arg(folder.path().join("socket")).arg("-f").arg(&settings);
        let terminal = Self { tmux, server: Some(Program::start(server)), folder };
        await_that("the terminal's server listens", || terminal.path("socket").exists());
        let mut session = terminal.client(&["new-session", "-d"]);
        session.args(["-x", &cols.to_string(), "-y", &rows.to_string()]);
        session.args(["sh", "-c", SCRIPT, "sh"]).arg(terminal.folder.path());
        session.arg(program.get_program()).args(program.get_args());
        Program::run(session).success();
        terminal
    }

    /// Types text, which may hold control characters.
    pub fn type_text(&self, text: &str) {
        let mut keys = self.client(&["send-keys", "-l", "--"]);
        keys.arg(text);
        Program::run(keys).success();
    }

    /// Types a line.
    pub fn type_line(&self, line: &str) {
        self.type_text(line);
        self.press("Enter");
    }

    /// Presses a key, by tmux's name for it.
    pub fn press(&self, key: &str) {
        Program::run(self.client(&["send-keys", key])).success();
    }

    /// Types the content of a file all at once.
    pub fn paste(&self, file: &Path) {
        let mut load = self.client(&["load-buffer"]);
        load.arg(file);
        Program::run(load).success();
        Program::run(self.client(&["paste-buffer", "-r"])).success();
    }

    /// What can be seen now, lines without the blanks at their ends.
    pub fn screen(&self) -> String {
        Program::run(self.client(&["capture-pane", "-p"])).success()
    }

    /// The first screen that `wanted` accepts.
    #[track_caller]
    pub fn wait_for(&self, wanted: impl Fn(&str) -> bool) -> String {
        let give_up_at = Instant::now() + DEADLINE;
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(Instant::now() < give_up_at, "not what was expected:\n{screen}");
            sleep(LOOK_EVERY);
        }
    }

    /// Waits until a line is on the screen, as a whole.
    #[track_caller]
    pub fn wait_for_line(&self, line: &str) -> String {
        self.wait_for(|screen| screen.lines().any(|found| found == line))
    }

    /// Waits for the prompt of a shell in the last line.
    #[track_caller]
    pub fn wait_for_prompt(&self) -> String {
        self.wait_for(|screen| {
            let last = screen.trim_end_matches('\n').lines().last().unwrap_or_default();
            matches!(last.trim_end(), "$" | "#")
        })
    }

    /// Types a line at the prompt and waits for what it prints: the lines up to the next prompt.
    #[track_caller]
    pub fn answer_to(&self, line: &str) -> Vec<String> {
        let mark = format!("end-{:08x}", rand::random::<u32>());
        // The mark in two parts, so that it is not found where it is typed.
        let (head, tail) = mark.split_at(4);
        self.type_line(&format!(r"printf '\033[H\033[2J'; {line}; echo {head}''{tail}"));
        let screen = self.wait_for(|screen| screen.lines().any(|found| found == mark));
        screen.lines().take_while(|found| *found != mark).map(str::to_owned).collect()
    }

    pub fn resize(&self, cols: u16, rows: u16) {
        let mut resize = self.client(&["resize-window"]);
        resize.args(["-x", &cols.to_string(), "-y", &rows.to_string()]);
        Program::run(resize).success();
    }

    /// Sends a signal to the program alone.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the program is there");
    }

    /// The program's number.
    pub fn pid(&self) -> Pid {
        await_that("the program has started", || self.path("pid").exists());
        let pid = self.read("pid").parse().ok().and_then(Pid::from_raw);
        pid.expect("a process id")
    }

    /// Waits for the program's end; gives its exit code as a shell has it.
    #[track_caller]
    pub fn finish(&self) -> i32 {
        let give_up_at = Instant::now() + DEADLINE;
        while !self.path("after").exists() {
            assert!(Instant::now() < give_up_at, "it does not end:\n{}", self.screen());
            sleep(LOOK_EVERY);
        }
        self.read("code").parse().expect("an exit code")
    }

    /// Waits for the program's end, and checks that the terminal's settings are again those from
    /// before.
    #[track_caller]
    pub fn finish_restored(&self) -> i32 {
        let code = self.finish();
        let (before, after) = (self.read("before"), self.read("after"));
        assert_eq!(before, after, "the terminal's settings\n{}", self.screen());
        self.type_text("this is echoed");
        self.wait_for(|screen| screen.contains("this is echoed"));
        code
    }

    /// Which of its modes the terminal has on: the alternate screen, the mouse's, the cursor's.
    pub fn modes(&self) -> String {
        let mut client = self.client(&["display-message", "-p"]);
        client.arg(
            "screen #{alternate_on} mouse #{mouse_any_flag}#{mouse_sgr_flag} cursor #{cursor_flag} \
             keys #{keypad_cursor_flag}#{keypad_flag}",
        );
        Program::run(client).success().trim().to_owned()
    }

    /// Takes the terminal away, as a closed window does.
    pub fn vanish(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop(Signal::KILL);
        }
    }

    fn client(&self, arguments: &[&str]) -> Command {
        let mut client = command(&self.tmux);
        client.env_remove("TMUX").arg("-u").arg("-S").arg(self.path("socket")).args(arguments);
        client.stdin(Stdio::null());
        client
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        let path = self.path(name);
        let text = fs::read_to_string(&path);
        text.unwrap_or_else(|error| panic!("{}: {error}", path.display())).trim().to_owned()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        if std::thread::panicking() && self.server.is_some() {
            eprintln!("--- the terminal\n{}\n---", self.screen());
        }
        // Programs on a terminal are in sessions of their own: its end is what they hear of.
        self.vanish();
    }
}

/// Runs the program, and notes its number, its exit code, and the terminal's settings before and
/// after.
const SCRIPT: &str = r#"
cd "$1"
shift
stty -g >before
sh -c 'echo $$ >pid.new; mv pid.new pid; exec "$@"' sh "$@"
echo $? >code
stty -g >after.new
mv after.new after
exec cat
"#;

const SETTINGS: &str = "\
set -s escape-time 0
set -g default-terminal screen-256color
set -g status off
set -g history-limit 5000
set -g remain-on-exit on
";

/// Each look is a process.
const LOOK_EVERY: Duration = Duration::from_millis(40);
