//! The scripts of a copy that run on the node, and how they are asked for.
//!
//! What a script says goes to its standard output, line by line: words, or data behind the line
//! `data HOW` up to a mark of its own. What the node's tools complain of is on its standard error.

use super::{coding::CHUNK, node_path::NodePath};

/// What a script is to do, with the words that it takes.
#[derive(Clone, Debug)]
pub(super) enum Task<'a> {
    /// Says what is there, and sends it: a file's chunks from where `have` ends, or a folder as a tar.
    Get { from: &'a NodePath, have: u64, digest: &'a str, sessions: u64 },
    /// Sends every chunk of a file that is `jump` bytes behind the last.
    Part { from: &'a NodePath, at: u64, jump: u64, end: u64 },
    /// Says the digest of a file's beginning.
    Sum { from: &'a NodePath, end: u64 },
    /// Takes a file, or a folder as a tar.
    Put { to: &'a NodePath, name: &'a NodePath, is_in_folder: bool, is_folder: bool },
}

impl Task<'_> {
    /// The command.
    pub(super) fn words(&self) -> Vec<String> {
        let verb = match self {
            Self::Get { .. } => "get",
            Self::Part { .. } => "part",
            Self::Sum { .. } => "sum",
            Self::Put { is_folder: false, .. } => "put",
            Self::Put { is_folder: true, .. } => "unpack",
        };
        let mut words =
            ["sh", "-c", COPY, "sh", verb, SEND_PY, SEND_PL].map(str::to_owned).to_vec();
        words.extend(match self {
            Self::Get { from, have, digest, sessions } => vec![
                from.encoded(),
                have.to_string(),
                (*digest).to_owned(),
                sessions.to_string(),
                CHUNK.to_string(),
                LEAST_OF_A_SESSION.to_string(),
            ],
            Self::Part { from, at, jump, end } => vec![
                from.encoded(),
                at.to_string(),
                CHUNK.to_string(),
                jump.to_string(),
                end.to_string(),
            ],
            Self::Sum { from, end } => vec![from.encoded(), end.to_string()],
            Self::Put { to, name, is_in_folder, .. } => {
                vec![to.encoded(), name.encoded(), u8::from(*is_in_folder).to_string()]
            }
        });
        words
    }

    /// The same behind a listener on the node, whose one connection becomes its input.
    pub(super) fn listening_words(&self) -> Vec<String> {
        let words = self.words();
        let listener = ["sh", "-c", RECEIVE, "sh", RECEIVE_PY, RECEIVE_PL].map(str::to_owned);
        // The listener puts `sh -c` in front again.
        listener.into_iter().chain(words.into_iter().skip(2)).collect()
    }
}

const COPY: &str = include_str!("node/copy.sh");
const SEND_PY: &str = include_str!("node/send.py");
const SEND_PL: &str = include_str!("node/send.pl");
const RECEIVE: &str = include_str!("node/receive.sh");
const RECEIVE_PY: &str = include_str!("node/receive.py");
const RECEIVE_PL: &str = include_str!("node/receive.pl");
/// A session that carries less than that is not worth its start.
const LEAST_OF_A_SESSION: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_far_from_the_longest_that_a_session_takes() {
        let long = NodePath::new("\u{e9}".repeat(2048).as_ref());
        let put = Task::Put { to: &long, name: &long, is_in_folder: true, is_folder: true };
        let line = shlex::try_join(put.listening_words().iter().map(String::as_str)).unwrap();
        assert!(line.len() < 60_000, "{}", line.len());
    }

    #[test]
    fn what_a_shell_would_quote_twice_stands_in_no_script() {
        for script in [COPY, SEND_PY, SEND_PL, RECEIVE, RECEIVE_PY, RECEIVE_PL] {
            assert!(!script.contains('\''));
            assert!(script.is_ascii());
        }
    }
}
