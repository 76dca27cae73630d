//! The shells: the script that each is given, what its script hands over, and what it takes for an answer.

use std::{env, ffi::OsString};

use clap_complete::{Shell, engine::CompletionCandidate};

use super::line::{Line, Rules};
use crate::wire::foreign_text::one_line;

/// What is to be completed.
pub(super) struct Question {
    shell: Shell,
    /// The program's own name is the first, what is being typed the last.
    pub(super) words: Vec<OsString>,
    line: Option<Line>,
    /// The part of the line that an answer takes the place of.
    replaced: String,
}

/// What a shell reads to ask.
pub(in crate::cli) fn script(shell: Shell) -> Option<&'static str> {
    let (_, script) = SCRIPTS.iter().find(|(one, _)| *one == shell)?;
    Some(script)
}

impl Question {
    /// That of a shell's script, of the arguments behind `--`.
    pub(super) fn new(shell: Shell, arguments: Vec<OsString>) -> Option<Self> {
        let text = |argument: &OsString| argument.to_string_lossy().into_owned();
        let (line, replaced) = match shell {
            Shell::Bash => {
                let [line, replaced] = &arguments[..] else { return None };
                (Line::new(&text(line), Rules::Bash), text(replaced))
            }
            Shell::PowerShell => {
                let line = env::var(LINE).ok()?;
                (Line::new(&line, Rules::PowerShell), String::new())
            }
            _ => {
                let replaced = String::new();
                return (arguments.len() > 1).then_some(Self {
                    shell,
                    words: arguments,
                    line: None,
                    replaced,
                });
            }
        };
        let words = line.words.iter().map(OsString::from).collect();
        Some(Self { shell, words, line: Some(line), replaced })
    }

    /// The line by which an answer is given; nothing for one that the shell could misunderstand.
    pub(super) fn answer(&self, candidate: &CompletionCandidate) -> Option<String> {
        let value = candidate.get_value().to_str()?;
        let about = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        let about = one_line(about.lines().next().unwrap_or_default());
        let value = match &self.line {
            Some(line) => line.completed(value, &self.replaced)?,
            None if value.chars().any(char::is_control) => return None,
            None => value.to_owned(),
        };
        Some(match self.shell {
            Shell::Zsh => {
                let value = value.replace('\\', "\\\\").replace(':', "\\:");
                if about.is_empty() { value } else { format!("{value}:{about}") }
            }
            Shell::Fish | Shell::PowerShell if !about.is_empty() => format!("{value}\t{about}"),
            _ => value,
        })
    }
}

const SCRIPTS: [(Shell, &str); 5] = [
    (Shell::Bash, include_str!("ssmport.bash")),
    (Shell::Elvish, include_str!("ssmport.elv")),
    (Shell::Fish, include_str!("ssmport.fish")),
    (Shell::PowerShell, include_str!("ssmport.ps1")),
    (Shell::Zsh, include_str!("ssmport.zsh")),
];
/// Where PowerShell's script puts what was typed.
const LINE: &str = "_SSMPORT_LINE";
