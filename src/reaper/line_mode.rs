//! A terminal's line mode, which raw mode takes from the programs behind us.

use std::{
    env,
    io::Write,
    os::{
        fd::AsFd,
        unix::{ffi::OsStringExt, fs::MetadataExt},
    },
    path::PathBuf,
    process::{Command, Stdio},
};

use rustix::{
    process::{getpid, setsid},
    termios::{
        InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, tcgetattr,
        tcsetattr, ttyname,
    },
};

use super::{process::session_of, reaping, remnant::Entry, remnant::Remnant};

/// How a terminal was before raw mode.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LineMode {
    pub(super) path: PathBuf,
    pub(super) device: u64,
    /// Before, and in raw mode: while it is as that has left it, nobody else has changed it.
    pub(super) modes: [Modes; 2],
}

/// What raw mode changes: of input, output and lines, and how much is read at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Modes(pub(super) [u64; 5]);

impl LineMode {
    /// That of a terminal which is about to be switched to raw mode; `None` when it has no name.
    pub fn of(terminal: impl AsFd) -> Option<Self> {
        let before = tcgetattr(&terminal).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        let name = ttyname(&terminal, Vec::new()).ok()?.into_bytes();
        let path = PathBuf::from(std::ffi::OsString::from_vec(name));
        let device = path.metadata().ok()?.rdev();
        Some(Self { path, device, modes: [Modes::of(&before), Modes::of(&raw)] })
    }

    /// Sets it again. The terminal lets nobody do so from the background: a reaper leads a group in
    /// the terminal's session, and has another one do it that can leave that.
    pub(super) fn restore(self) {
        if setsid().is_ok() || session_of(getpid()) == Some(getpid()) {
            self.set();
        } else if let Ok(executable) = env::current_exe() {
            let mut other = Command::new(executable);
            other.args(reaping::arguments()).env_clear().current_dir("/");
            other.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            // It acts once we are gone.
            if let Ok(mut other) = other.spawn()
                && let Some(mut pipe) = other.stdin.take()
            {
                let _ = pipe.write_all(&Entry::Put(1, Remnant::LineMode(self)).to_record());
            }
        }
    }

    fn set(self) {
        use rustix::fs::{Mode, OFlags, open};

        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let [before, raw] = self.modes;
        if self.path.metadata().is_ok_and(|found| found.rdev() == self.device)
            && let Ok(terminal) = open(&self.path, flags, Mode::empty())
            && let Ok(mut settings) = tcgetattr(&terminal)
            && Modes::of(&settings) == raw
        {
            before.put(&mut settings);
            // A terminal that has vanished needs no restoring.
            let _ = tcsetattr(terminal, OptionalActions::Now, &settings);
        }
    }
}

impl Modes {
    fn of(settings: &Termios) -> Self {
        let codes = &settings.special_codes;
        Self([
            settings.input_modes.bits().into(),
            settings.output_modes.bits().into(),
            settings.local_modes.bits().into(),
            codes[SpecialCodeIndex::VMIN].into(),
            codes[SpecialCodeIndex::VTIME].into(),
        ])
    }

    /// Numbers that came from settings fit there again; others are left out.
    fn put(self, settings: &mut Termios) {
        let [input, output, local, min, time] = self.0;
        if let (Ok(input), Ok(output), Ok(local), Ok(min), Ok(time)) =
            (input.try_into(), output.try_into(), local.try_into(), min.try_into(), time.try_into())
        {
            settings.input_modes = InputModes::from_bits_retain(input);
            settings.output_modes = OutputModes::from_bits_retain(output);
            settings.local_modes = LocalModes::from_bits_retain(local);
            settings.special_codes[SpecialCodeIndex::VMIN] = min;
            settings.special_codes[SpecialCodeIndex::VTIME] = time;
        }
    }
}
