//! Keys.

use tokio::{io::AsyncReadExt, sync::mpsc};

use crate::cli::standard_streams;

/// What can be pressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Restart,
    Copy,
    Events,
    Back,
    Quit,
    Interrupt,
    Other,
}

/// Keys as they are pressed.
pub(super) struct Keys(mpsc::Receiver<Key>);

impl Keys {
    /// From standard input, by a task of its own: a read that has begun cannot be taken back.
    pub(super) fn read() -> Self {
        let (pressed, keys) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let mut stdin = standard_streams::input();
            let mut typed = [0; TYPED];
            while let Ok(len @ 1..) = stdin.read(&mut typed).await {
                for key in keys_of(&typed[..len]) {
                    if pressed.send(key).await.is_err() {
                        return;
                    }
                }
            }
        });
        Self(keys)
    }

    /// The next one. Without a keyboard there is none.
    pub(super) async fn next(&mut self) -> Key {
        match self.0.recv().await {
            Some(key) => key,
            None => std::future::pending().await,
        }
    }
}

fn keys_of(mut typed: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let Some((first, rest)) = typed.split_first() {
        typed = rest;
        keys.push(match first {
            0x1b => match rest {
                [b'[' | b'O', after @ ..] => {
                    let last = after.iter().position(|byte| (0x40..=0x7e).contains(byte));
                    let end = last.map_or(after.len(), |last| last + 1);
                    typed = &after[end..];
                    match &after[..end] {
                        b"A" => Key::Up,
                        b"B" => Key::Down,
                        b"5~" => Key::PageUp,
                        b"6~" => Key::PageDown,
                        b"H" | b"1~" | b"7~" => Key::First,
                        b"F" | b"4~" | b"8~" => Key::Last,
                        _ => Key::Other,
                    }
                }
                _ => Key::Back,
            },
            b'k' => Key::Up,
            b'j' => Key::Down,
            b'r' => Key::Restart,
            b'c' | b'y' => Key::Copy,
            b'e' | b'\r' => Key::Events,
            b'q' | b'Q' => Key::Quit,
            0x03 => Key::Interrupt,
            _ => Key::Other,
        });
    }
    keys
}

/// At a time.
const TYPED: usize = 256;
const WAITING: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_and_letters_are_told_apart() {
        for (typed, keys) in [
            (&b"\x1b[A\x1b[Bj"[..], &[Key::Up, Key::Down, Key::Down][..]),
            (b"\x1bOA", &[Key::Up]),
            (b"\x1b[5~\x1b[6~", &[Key::PageUp, Key::PageDown]),
            (b"\x1b[H\x1bOF\x1b[1~\x1b[4~", &[Key::First, Key::Last, Key::First, Key::Last]),
            (b"\x1b[1;5Cq", &[Key::Other, Key::Quit]),
            (b"\x1b", &[Key::Back]),
            (b"\x1b[", &[Key::Other]),
            (b"re\r\x03", &[Key::Restart, Key::Events, Key::Events, Key::Interrupt]),
        ] {
            assert_eq!(keys_of(typed), keys, "{typed:?}");
        }
    }
}
