//! Lines with the name of their node before them.

use std::io::{IsTerminal, stderr, stdout};

use anstream::{AutoStream, ColorChoice};
use anstyle::AnsiColor;
use unicode_width::UnicodeWidthStr;

use super::line_parts::LineParts;
use crate::{
    cli::cut::cut,
    client::{Selected, Stream},
    wire::foreign_text::one_line,
};

/// What becomes of the output of each node.
pub(super) struct Lines {
    names: Vec<String>,
    parts: LineParts,
    stdout: Place,
    stderr: Place,
}

/// Where lines go.
#[derive(Clone, Copy)]
struct Place {
    is_terminal: bool,
    has_colour: bool,
}

impl Lines {
    pub(super) fn new(nodes: &[Selected]) -> Self {
        let has_colour = |choice| choice != ColorChoice::Never;
        let out = Place {
            is_terminal: is_shown(Stream::Stdout),
            has_colour: has_colour(AutoStream::choice(&stdout())),
        };
        let err = Place {
            is_terminal: is_shown(Stream::Stderr),
            has_colour: has_colour(AutoStream::choice(&stderr())),
        };
        Self { names: aligned(nodes), parts: LineParts::default(), stdout: out, stderr: err }
    }

    /// What is to be written of `bytes` now.
    pub(super) fn output(&mut self, node: usize, stream: Stream, bytes: &[u8]) -> Vec<u8> {
        let lines = self.parts.lines(node, stream, bytes);
        lines.iter().flat_map(|line| self.line(node, stream, line)).collect()
    }

    /// What is left of a node's output.
    pub(super) fn rest(&mut self, node: usize) -> Vec<(Stream, Vec<u8>)> {
        let rest = self.parts.rest(node).into_iter();
        rest.map(|(stream, part)| (stream, self.line(node, stream, &part))).collect()
    }

    fn line(&self, node: usize, stream: Stream, line: &[u8]) -> Vec<u8> {
        let place = match stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
        };
        let name = self.names.get(node).map_or("", String::as_str);
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let mut shown = match place.has_colour {
            true => {
                let colour = COLOURS[node % COLOURS.len()].on_default();
                format!("{colour}{name} |{colour:#} ")
            }
            false => format!("{name} | "),
        }
        .into_bytes();
        match place.is_terminal {
            true => shown.extend_from_slice(tame(&String::from_utf8_lossy(line)).as_bytes()),
            false => shown.extend_from_slice(line),
        }
        shown.push(b'\n');
        shown
    }
}

/// The names, all of one width.
fn aligned(nodes: &[Selected]) -> Vec<String> {
    let names: Vec<String> = nodes.iter().map(|node| cut(&one_line(node.name()), WIDEST)).collect();
    let width = names.iter().map(|name| name.width()).max().unwrap_or_default();
    names
        .into_iter()
        .map(|name| {
            let missing = width.saturating_sub(name.width());
            name + &" ".repeat(missing)
        })
        .collect()
}

/// Whether what goes there is shown on a terminal.
pub(super) fn is_shown(stream: Stream) -> bool {
    match stream {
        Stream::Stdout => stdout().is_terminal(),
        Stream::Stderr => stderr().is_terminal(),
    }
}

/// A line for a terminal: its colours stay, all else that a terminal obeys would reach beyond the line, to
/// other nodes' names. Of what overwrites itself the last counts, as it does there.
pub(super) fn tame(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    let line = line.rsplit('\r').next().unwrap_or(line);
    let mut tame = String::with_capacity(line.len());
    let mut rest = line;
    let mut has_colour = false;
    while let Some(character) = rest.chars().next() {
        if let Some(colour) = colour(rest) {
            tame.push_str(colour);
            rest = &rest[colour.len()..];
            has_colour = true;
            continue;
        }
        tame.push(if character.is_control() && character != '\t' { ' ' } else { character });
        rest = &rest[character.len_utf8()..];
    }
    if has_colour {
        tame.push_str("\x1b[0m");
    }
    tame
}

/// The sequence that a text begins with, if it sets colours.
fn colour(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\x1b[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':')?;
    parameters[end..].starts_with('m').then(|| &text[..end + 3])
}

const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::BrightRed,
];
/// In columns, of a name.
const WIDEST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_rules_no_other_line() {
        for (line, shown) in [
            ("plain \u{fc}ber\ttab", "plain \u{fc}ber\ttab"),
            ("dos\r", "dos"),
            ("10 %\r20 %\r100 %", "100 %"),
            ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m\x1b[0m"),
            ("up\x1b[2A\x1b]0;title\x07", "up [2A ]0;title "),
            ("cut\x1b[", "cut ["),
            ("\u{9b}2J", " 2J"),
        ] {
            assert_eq!(tame(line), shown, "{line:?}");
        }
    }
}
