//! The program that turbo runs on the node: how it is sent along, and its first line.

use std::{collections::BTreeMap, fmt};

use crate::client::{
    error::{Cause, Error, Kind},
    service::Request,
};

/// What StartSession is asked for. Neither address nor secret is in it: it is in the account's log.
pub(super) fn request(reason: Option<String>) -> Request {
    let [shell, python, perl] = [bare(SHELL, 0), bare(PYTHON, 1), bare(PERL, 0)];
    let words = ["sh", "-c", &shell, "sh", &python, &perl].map(quoted).join(" ");
    let parameters = BTreeMap::from([
        ("command".to_owned(), vec![words]),
        ("separateOutputStream".to_owned(), vec!["true".to_owned()]),
    ]);
    Request { document: Some("AWS-StartNonInteractiveCommand".into()), parameters, reason }
}

/// A program as it is sent: without what is for its readers alone, and `indent` blanks for each level.
fn bare(program: &str, indent: usize) -> String {
    let mut bare = String::new();
    for line in program.lines() {
        let code = line.trim_start();
        let code = code.split_once("  # ").map_or(code, |(code, _)| code).trim_end();
        if code.is_empty() || code.starts_with('#') {
            continue;
        }
        let depth = (line.len() - line.trim_start().len()) / INDENT;
        bare.extend(std::iter::repeat_n(' ', depth * indent));
        bare.push_str(code);
        bare.push('\n');
    }
    bare
}

/// In the quotes of a shell, and of the agent. The programs have none of their own.
fn quoted(word: &str) -> String {
    format!("'{word}'")
}

/// Where a companion listens, and what it takes a connection for that may speak to it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) port: u16,
    pub(super) secret: Vec<u8>,
}

impl Hello {
    /// Reads its first line, without the line's end.
    pub(super) fn read(line: &[u8]) -> Result<Self, Error> {
        let text = String::from_utf8_lossy(line);
        match text.split_ascii_whitespace().collect::<Vec<_>>()[..] {
            [NAME, VERSION, port, secret] if secret.len() == SECRET_LEN => {
                let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(unknown)?;
                Ok(Self { port, secret: secret.as_bytes().to_vec() })
            }
            [NAME, "none"] => Err(impossible("it has neither python3 nor perl")),
            _ => Err(unknown()),
        }
    }

    /// What a connection begins with that is to carry streams.
    pub(super) fn greeting(&self) -> Vec<u8> {
        [&self.secret[..WORD_LEN], b"S"].concat()
    }

    /// What the companion says to that, and nobody else can.
    pub(super) fn proof(&self) -> &[u8] {
        &self.secret[WORD_LEN..]
    }
}

impl fmt::Debug for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hello").field("port", &self.port).finish_non_exhaustive()
    }
}

/// The node has not what turbo needs.
pub(super) fn impossible(why: impl fmt::Display) -> Error {
    Error::new(Kind::Target, "the node cannot run what turbo needs")
        .because(why)
        .of(Cause::Unequipped)
}

/// It runs something else.
pub(super) fn unknown() -> Error {
    impossible("what it ran did not answer as it should")
}

const SHELL: &str = include_str!("companion.sh");
const PYTHON: &str = include_str!("companion.py");
const PERL: &str = include_str!("companion.pl");
const NAME: &str = "ssmport-turbo";
const VERSION: &str = "1";
/// Of each half of a secret: the one is for the companion, the other is its answer.
pub(super) const WORD_LEN: usize = 32;
const SECRET_LEN: usize = 2 * WORD_LEN;
const INDENT: usize = 4;
/// A line that is longer is none of a companion's.
pub(super) const LONGEST_LINE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_short_and_needs_no_quotes_within() {
        let command = &request(None).parameters["command"][0];
        assert!(command.len() < 20 << 10, "{} bytes", command.len());
        for program in [SHELL, PYTHON, PERL] {
            let bare = bare(program, 1);
            assert!(!bare.contains('\''), "it would end the quotes");
            assert!(!bare.contains("{{"), "documents have variables in such braces");
            assert!(bare.is_ascii());
            assert!(!bare.contains(" # "), "comments stay here");
        }
        let words = shlex::split(command).expect("words");
        assert_eq!(words.len(), 6);
        assert_eq!(words[4], bare(PYTHON, 1));
    }

    #[test]
    fn the_first_line_says_where_it_listens_or_that_there_is_nothing() {
        let secret = "0123456789abcdef".repeat(4);
        let hello = Hello::read(format!("ssmport-turbo 1 4711 {secret}").as_bytes()).unwrap();
        assert_eq!((hello.port, &hello.secret[..]), (4711, secret.as_bytes()));
        assert!(!format!("{hello:?}").contains(&secret));
        let none = Hello::read(b"ssmport-turbo none").unwrap_err();
        assert_eq!(none.why(), Some("it has neither python3 nor perl"));
        for line in [
            &b""[..],
            b"ssmport-turbo 2 4711 0123456789abcdef0123456789abcdef",
            b"ssmport-turbo 1 0 0123456789abcdef0123456789abcdef",
            b"ssmport-turbo 1 4711 short",
            b"sh: 1: python3: not found",
        ] {
            assert_eq!(Hello::read(line).unwrap_err().kind(), Kind::Target);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod running_tests;
