//! What the session's output has made of the screen: it is undone when the session ends in the
//! middle, and what is said of the session waits while a program has the whole screen.

use std::{
    io::{self, IsTerminal, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Whether the terminal can take back what it shows: one that is called dumb cannot.
pub fn can_be_redrawn() -> bool {
    cfg!(windows) || std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// Whether standard output may end on the terminal: it is one, or a pipe to a program such as `tee`. To
/// be asked where standard input is a terminal, of which somebody sits in front.
pub fn may_be_shown() -> bool {
    let stdout = io::stdout();
    stdout.is_terminal() || is_pipe(&stdout)
}

#[cfg(unix)]
fn is_pipe(stdout: &io::Stdout) -> bool {
    use rustix::fs::{FileType, fstat};

    fstat(stdout).is_ok_and(|about| FileType::from_raw_mode(about.st_mode) == FileType::Fifo)
}

#[cfg(not(unix))]
fn is_pipe(_: &io::Stdout) -> bool {
    false
}

/// Notes what output that was shown has switched on or off. To be called with all of it, in order.
pub fn watch(shown: &[u8]) {
    let mut screen = screen();
    screen.modes.read(shown);
    if !screen.modes.is_full() {
        screen.show_held();
    }
}

/// Keeps a line for later if a program has the whole screen, which would be spoiled; says whether it
/// does.
pub fn hold_back(line: &str) -> bool {
    let mut screen = screen();
    let is_held = screen.modes.is_full();
    if is_held && screen.held.len() + line.len() <= MOST_HELD {
        screen.held.push_str(line);
    }
    is_held
}

/// Undoes what is still switched on, behind it and on the same way.
pub(super) fn restore() {
    let undo = std::mem::take(&mut screen().modes).undo();
    show(&undo);
}

/// The same for a while.
#[cfg(unix)]
pub(super) fn lend() {
    let undo = screen().modes.undo();
    show(&undo);
}

/// Switches on again what was on before [`lend`].
#[cfg(unix)]
pub(super) fn take_back() {
    let redo = screen().modes.redo();
    show(&redo);
}

/// Whether a program has the whole screen.
#[cfg(unix)]
pub(super) fn is_full() -> bool {
    screen().modes.is_full()
}

fn show(sequences: &str) {
    if !sequences.is_empty() && takes_more() {
        // A terminal that has vanished needs no restoring.
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(sequences.as_bytes()).and_then(|()| stdout.flush());
    }
}

/// Whether standard output takes a few bytes at once: a program that does not read any more must not
/// hold up the end.
#[cfg(unix)]
fn takes_more() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let stdout = io::stdout();
    let mut look = [PollFd::new(&stdout, PollFlags::OUT)];
    stdout.is_terminal()
        || poll(&mut look, Some(&Timespec::default())).is_ok_and(|_| {
            let found = look[0].revents();
            found.contains(PollFlags::OUT) && !found.intersects(PollFlags::ERR | PollFlags::HUP)
        })
}

#[cfg(not(unix))]
fn takes_more() -> bool {
    true
}

/// Shows the lines that were held back.
pub(super) fn show_held() {
    screen().show_held();
}

/// A program has but one terminal.
static SCREEN: Mutex<Screen> =
    Mutex::new(Screen { modes: Modes { on: 0, state: State::Text }, held: String::new() });

fn screen() -> MutexGuard<'static, Screen> {
    SCREEN.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Screen {
    modes: Modes,
    held: String,
}

impl Screen {
    fn show_held(&mut self) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            let _ = io::stderr().write_all(held.as_bytes());
        }
    }
}

/// Which modes are not as a shell has them.
#[derive(Debug, Default)]
struct Modes {
    /// A bit for each of [`KNOWN`].
    on: u32,
    state: State,
}

/// How far into a control sequence the output has come.
#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Text,
    Escape,
    /// Behind `ESC [`.
    Sequence,
    /// Behind `ESC [ ?`: the numbers so far, and the one that is being read.
    Private([u16; MOST_NUMBERS], usize),
}

impl Modes {
    fn read(&mut self, shown: &[u8]) {
        let mut rest = shown;
        while let Some(&byte) = rest.first() {
            rest = &rest[1..];
            self.state = match (self.state, byte) {
                (_, ESCAPE) => State::Escape,
                (State::Text, _) => {
                    let next = rest.iter().position(|byte| *byte == ESCAPE);
                    rest = &rest[next.unwrap_or(rest.len())..];
                    State::Text
                }
                (State::Escape, b'[') => State::Sequence,
                (State::Escape, b'c') => {
                    self.on = 0;
                    State::Text
                }
                (State::Escape, b'=' | b'>') => {
                    self.set(KEYPAD, byte == b'=');
                    State::Text
                }
                (State::Sequence, b'?') => State::Private([0; MOST_NUMBERS], 0),
                (State::Private(mut numbers, at), b'0'..=b'9') => {
                    let digit = u16::from(byte - b'0');
                    let number = numbers[at].saturating_mul(10).saturating_add(digit);
                    numbers[at] = number.min(KEYPAD - 1);
                    State::Private(numbers, at)
                }
                (State::Private(numbers, at), b';') if at + 1 < MOST_NUMBERS => {
                    State::Private(numbers, at + 1)
                }
                (State::Private(numbers, at), b'h' | b'l') => {
                    numbers[..=at].iter().for_each(|number| self.set(*number, byte == b'h'));
                    State::Text
                }
                _ => State::Text,
            };
        }
    }

    fn set(&mut self, number: u16, is_high: bool) {
        for (index, known) in KNOWN.iter().enumerate().filter(|(_, known)| known.number == number) {
            let bit = 1 << index;
            if is_high == known.is_high { self.on |= bit } else { self.on &= !bit }
        }
    }

    /// Whether a program has the whole screen.
    fn is_full(&self) -> bool {
        self.on().any(|mode| mode.is_screen)
    }

    fn on(&self) -> impl DoubleEndedIterator<Item = &'static Mode> {
        let on = self.on;
        KNOWN
            .iter()
            .enumerate()
            .filter(move |(index, _)| on & 1 << index != 0)
            .map(|(_, mode)| mode)
    }

    /// What makes the terminal a shell's again.
    fn undo(&self) -> String {
        let mut undo: String = self.on().map(|mode| mode.sequence(!mode.is_high)).collect();
        if self.is_full() {
            undo.push_str("\x1b[0m");
        }
        undo
    }

    /// What makes it the program's behind that.
    #[cfg(unix)]
    fn redo(&self) -> String {
        self.on().rev().map(|mode| mode.sequence(mode.is_high)).collect()
    }
}

/// A mode that a program sets while it runs.
struct Mode {
    number: u16,
    /// Whether it is set where shells have it reset.
    is_high: bool,
    is_screen: bool,
}

impl Mode {
    fn sequence(&self, is_high: bool) -> String {
        match (self.number, is_high) {
            (KEYPAD, true) => "\x1b=".to_owned(),
            (KEYPAD, false) => "\x1b>".to_owned(),
            (number, true) => format!("\x1b[?{number}h"),
            (number, false) => format!("\x1b[?{number}l"),
        }
    }
}

const fn set(number: u16) -> Mode {
    Mode { number, is_high: true, is_screen: false }
}

const fn screen_of(number: u16) -> Mode {
    Mode { number, is_high: true, is_screen: true }
}

/// In the order in which they are undone.
const KNOWN: [Mode; 14] = [
    // The mouse, and its encodings.
    set(9),
    set(1000),
    set(1002),
    set(1003),
    set(1005),
    set(1006),
    // Focus, pasting, cursor keys, keypad.
    set(1004),
    set(2004),
    set(1),
    set(KEYPAD),
    screen_of(47),
    screen_of(1047),
    screen_of(1049),
    // The cursor, which is hidden where this is reset.
    Mode { number: 25, is_high: false, is_screen: false },
];

/// A number that no private mode has.
const KEYPAD: u16 = u16::MAX;
const ESCAPE: u8 = 0x1b;
const MOST_NUMBERS: usize = 8;
/// Notices are short and rare.
const MOST_HELD: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pieces: &[&str]) -> Modes {
        let mut modes = Modes::default();
        pieces.iter().for_each(|piece| modes.read(piece.as_bytes()));
        modes
    }

    #[test]
    fn what_an_editor_leaves_on_is_undone() {
        let editor = "\x1b[?1049h\x1b[?1h\x1b=\x1b[?2004h\x1b[?25l\x1b[?1000;1006htext";
        let modes = after(&[editor]);
        assert!(modes.is_full());
        let undone = "\x1b[?1000l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>\x1b[?1049l\x1b[?25h\x1b[0m";
        assert_eq!(modes.undo(), undone);
        #[cfg(unix)]
        assert_eq!(after(&[&modes.redo()]).on, modes.on, "and done again");
        // One byte at a time.
        let mut modes = Modes::default();
        editor.as_bytes().iter().for_each(|byte| modes.read(&[*byte]));
        assert_eq!(modes.undo(), undone);
    }

    #[test]
    fn what_a_program_has_undone_itself_is_left_alone() {
        let modes = after(&["\x1b[?1049;25h\x1b[?25l", "~\x1b[?25h\x1b[?1049l"]);
        assert_eq!((modes.undo(), modes.is_full()), (String::new(), false));
        assert_eq!(after(&["\x1b[?1000h\x1bc"]).undo(), "");
        // Other sequences, and ones without end.
        let others = "\x1b[?7h\x1b[2004h\x1b[1;31m\x1b[?1;2;3;4;5;6;7;8;9;1049h\x1b]0;?1049h\x07";
        assert_eq!(after(&[others, "\x1b[?99999999999h", "\x1b[?1049"]).undo(), "");
    }
}
