//! A program on a terminal of its own, with somebody at the keyboard.

use std::{
    io::Write,
    process::{Child, Command},
    sync::Arc,
};

use pty_process::{Size, blocking as pty};
use rustix::{
    process::{Pid, Signal, kill_process_group},
    termios::{OptionalActions, Termios, tcgetattr, tcsetattr},
};
use tempfile::TempDir;

use super::{program::DEADLINE, transcript::Transcript};

/// A running program whose standard streams are one terminal. Dropping it kills its group.
pub struct Terminal {
    child: Child,
    keyboard: Arc<pty::Pty>,
    screen: Transcript,
    /// Up to where what was awaited has been seen.
    seen: usize,
    settings: Termios,
    _home: TempDir,
}

impl Terminal {
    /// Starts `command` on a terminal of 33 rows and 101 columns.
    pub fn start(command: &Command) -> Self {
        Self::on(|_| (), command)
    }

    /// Starts `command` on one that makes nothing of any key by itself.
    #[cfg(feature = "aws")]
    pub fn raw(command: &Command) -> Self {
        Self::on(Termios::make_raw, command)
    }

    fn on(set: fn(&mut Termios), command: &Command) -> Self {
        let home = TempDir::new().expect("a directory for the program's home");
        let (terminal, other_end) = pty::open().expect("a terminal");
        terminal.resize(Size::new(33, 101)).expect("a size");
        let mut settings = tcgetattr(&terminal).expect("the terminal's settings");
        set(&mut settings);
        tcsetattr(&terminal, OptionalActions::Now, &settings).expect("the terminal is set");
        let settings = tcgetattr(&terminal).expect("the terminal's settings");
        let mut on_terminal = pty::Command::new(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            on_terminal = match value {
                Some(value) => on_terminal.env(name, value),
                None => on_terminal.env_remove(name),
            };
        }
        on_terminal = on_terminal.env("HOME", home.path()).env("TERM", "xterm-256color");
        let child = on_terminal.spawn(other_end);
        let child = child.unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        let keyboard = Arc::new(terminal);
        let screen = Transcript::of(Eyes(Arc::clone(&keyboard)));
        Self { child, keyboard, screen, seen: 0, settings, _home: home }
    }

    /// Types `keys`.
    pub fn press(&self, keys: &str) {
        (&*self.keyboard).write_all(keys.as_bytes()).expect("the terminal takes it");
    }

    /// Waits for `text` behind what was last awaited; gives what stands between.
    pub fn wait_for(&mut self, text: &str) -> String {
        let found = self.screen.wait_for_text(self.seen, text, DEADLINE);
        let at = found
            .unwrap_or_else(|why| panic!("`{text}` on the screen: {why}\n{}", self.screen.text()));
        let between = self.screen.text_between(self.seen, at);
        self.seen = at + text.len();
        between
    }

    /// The child's number.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for the end, however the terminal is left.
    pub fn await_end(mut self) {
        let screen = &self.screen;
        assert!(screen.wait_for_end(DEADLINE), "it did not end\n{}", screen.text());
        self.child.wait().expect("its end");
    }

    /// Waits for the end; gives the exit code and all that was on the screen. The terminal must be
    /// set as it was before.
    pub fn finish(mut self) -> (Option<i32>, String) {
        assert!(
            self.screen.wait_for_end(DEADLINE),
            "it did not end within {DEADLINE:?}\n{}",
            self.screen.text()
        );
        let status = self.child.wait().expect("its end");
        let settings = tcgetattr(&*self.keyboard).expect("the terminal's settings");
        assert_eq!(
            format!("{settings:?}"),
            format!("{:?}", self.settings),
            "the terminal is left in disorder"
        );
        (status.code(), self.screen.text())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Its number is its own until it has been waited for.
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// The reading end; the terminal stays while either end is in use.
struct Eyes(Arc<pty::Pty>);

impl std::io::Read for Eyes {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        (&*self.0).read(buffer)
    }
}
