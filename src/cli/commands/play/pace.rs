//! When what comes next is shown: after its pause, or as the keys say.

use std::{
    any::Any,
    io::{self, IsTerminal},
    time::Duration,
};

use tokio::{
    io::AsyncReadExt,
    sync::mpsc,
    time::{Instant, sleep},
};

use super::keys::{Key, Keys};
use crate::{
    cli::{
        console::entrust_line_mode,
        failure::{Code, Failure},
        signals::INTERRUPT,
        standard_streams,
    },
    term::RawMode,
};

/// The keyboard, as long as there is one, and whether it has asked for a pause.
#[derive(Default)]
pub(super) struct Pace {
    keyboard: Option<Keyboard>,
    is_paused: bool,
}

/// Whether more is to be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    More,
    /// The user has seen enough.
    Enough,
}

impl Pace {
    /// With the keys of a terminal's user, if standard input and output are one: it is in raw mode until this
    /// is dropped.
    ///
    /// # Errors
    /// When the terminal does not let itself be switched.
    pub(super) fn with_keys() -> io::Result<Self> {
        let keyboard = match io::stdin().is_terminal() && io::stdout().is_terminal() {
            true => Keyboard::take()?,
            false => None,
        };
        Ok(Self { keyboard, is_paused: false })
    }

    /// Waits until what comes `pause` after the last is to be shown.
    ///
    /// # Errors
    /// Ctrl-C was pressed.
    pub(super) async fn wait(&mut self, pause: Duration) -> Result<Wanted, Failure> {
        let mut rest = pause;
        loop {
            let Some(keyboard) = &mut self.keyboard else {
                sleep(rest).await;
                return Ok(Wanted::More);
            };
            let (began, was_paused) = (Instant::now(), self.is_paused);
            let key = tokio::select! {
                biased;
                key = keyboard.pressed.recv() => key,
                () = sleep(rest), if !was_paused => return Ok(Wanted::More),
            };
            if !was_paused {
                rest = rest.saturating_sub(began.elapsed());
            }
            match key {
                Some(Key::Pause) => self.is_paused = !was_paused,
                Some(Key::Step) if was_paused => return Ok(Wanted::More),
                Some(Key::Step) => {}
                Some(Key::Quit) => return Ok(Wanted::Enough),
                Some(Key::Interrupt) => {
                    return Err(Failure::new(Code::Signal(INTERRUPT), "interrupted"));
                }
                Some(Key::Suspend) => suspend().await,
                // Nobody is there who could have it go on.
                None => *self = Self::default(),
            }
        }
    }
}

#[cfg(unix)]
async fn suspend() {
    if let Err(error) = crate::term::suspend().await {
        crate::cli::keyboard::say(&format!("Cannot be suspended: {error}."));
    }
}

#[cfg(not(unix))]
async fn suspend() {}

/// Keys, and the terminal that they come from.
struct Keyboard {
    pressed: mpsc::Receiver<Key>,
    _terminal: Option<Terminal>,
}

/// In raw mode.
struct Terminal {
    _raw_mode: RawMode,
    /// For the case of a kill.
    _line_mode: Box<dyn Any + Send>,
}

impl Keyboard {
    fn take() -> io::Result<Option<Self>> {
        let line_mode = Box::new(entrust_line_mode());
        let Some(raw_mode) = RawMode::enable()? else { return Ok(None) };
        let terminal = Terminal { _raw_mode: raw_mode, _line_mode: line_mode };
        let (told, pressed) = mpsc::channel(WAITING);
        // A task of its own: a read that has begun cannot be taken back.
        tokio::spawn(async move {
            let mut stdin = standard_streams::input();
            let (mut keys, mut typed) = (Keys::default(), [0; TYPED]);
            loop {
                let len = match stdin.read(&mut typed).await {
                    // The standard library takes Ctrl-Z for the end of a console's input, which has none.
                    Ok(0) if cfg!(windows) => continue,
                    Ok(0) | Err(_) => return,
                    Ok(len) => len,
                };
                for key in keys.read(&typed[..len]) {
                    // More than can wait are too many to be meant; they must not stay for the shell.
                    if let Err(mpsc::error::TrySendError::Closed(_)) = told.try_send(key) {
                        return;
                    }
                }
            }
        });
        Ok(Some(Self { pressed, _terminal: Some(terminal) }))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // What was typed behind the last key is not for the shell either.
        #[cfg(unix)]
        let _ = rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush);
    }
}

/// At a time.
const TYPED: usize = 256;
const WAITING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> (mpsc::Sender<Key>, Pace) {
        let (told, pressed) = mpsc::channel(WAITING);
        (told, Pace { keyboard: Some(Keyboard { pressed, _terminal: None }), is_paused: false })
    }

    const PAUSE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_pause_lasts_until_the_next_key_and_its_time_does_not_count() {
        let (told, mut pace) = pace();
        let began = Instant::now();
        let press = async {
            sleep(PAUSE / 2).await;
            told.send(Key::Pause).await.unwrap();
            sleep(PAUSE * 100).await;
            told.send(Key::Pause).await.unwrap();
        };
        let (wanted, ()) = tokio::join!(pace.wait(PAUSE), press);
        assert_eq!(wanted, Ok(Wanted::More));
        let took = began.elapsed().as_secs_f64();
        assert!((took - 1010.0).abs() < 0.1, "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn while_paused_each_step_shows_one_more() {
        let (told, mut pace) = pace();
        let began = Instant::now();
        // A step means nothing while it is played.
        for key in [Key::Step, Key::Pause, Key::Step, Key::Step, Key::Quit] {
            told.send(key).await.unwrap();
        }
        for wanted in [Wanted::More, Wanted::More, Wanted::Enough] {
            assert_eq!(pace.wait(PAUSE).await, Ok(wanted));
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn ctrl_c_is_heard_however_fast_it_is_played() {
        let (told, mut pace) = pace();
        assert_eq!(pace.wait(Duration::ZERO).await, Ok(Wanted::More));
        told.send(Key::Interrupt).await.unwrap();
        let failure = pace.wait(Duration::ZERO).await.unwrap_err();
        assert_eq!(failure.code, Code::Signal(INTERRUPT));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_keyboard_it_goes_on() {
        let (told, mut pace) = pace();
        told.send(Key::Pause).await.unwrap();
        drop(told);
        assert_eq!(pace.wait(PAUSE).await, Ok(Wanted::More));
        assert_eq!(Pace::default().wait(PAUSE).await, Ok(Wanted::More));
    }
}
