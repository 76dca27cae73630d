//! Choosing one of several on a terminal.

use std::{
    cmp::Reverse,
    fmt::{self, Display, Formatter},
    io::{IsTerminal, stderr, stdin},
};

use inquire::{InquireError, Select};
use unicode_width::UnicodeWidthStr;

use super::columns::{Columns, Yielding};
use crate::{
    client::{
        Error, Kind,
        node_filter::{WILDCARDS, is_like},
    },
    term::{Size, size_of_terminal},
    wire::foreign_text::one_line,
};

/// Whether there is somebody to choose from a list.
pub(super) fn can_ask() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

/// Lets the user choose one of `choices` by typing a part of it, a pattern or some of its letters, or
/// with the arrow keys; gives its place. What two blanks part stands in columns, of which the first is a
/// name.
pub(super) async fn pick(question: String, choices: Vec<String>) -> Result<usize, Error> {
    let size = size_of_terminal().unwrap_or(USUAL);
    let choices = shown(&choices, size.cols.into());
    let asked = tokio::task::spawn_blocking(move || {
        Select::new(&question, choices)
            .with_page_size(page(&question, size))
            .with_help_message(help(size.cols.into()))
            .with_scorer(&score)
            .with_sorter(&|found| found.sort_by_key(|(place, score)| (Reverse(*score), *place)))
            .with_formatter(&|chosen| chosen.value.named())
            .raw_prompt()
    });
    let asked = asked.await.map_err(|error| Error::local("cannot ask").because(error))?;
    asked.map(|chosen| chosen.index).map_err(|error| match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => {
            Error::new(Kind::Interrupted, "nothing was chosen")
        }
        error => Error::local("cannot ask on this terminal").because(error),
    })
}

/// One choice, on a line of the terminal.
struct Shown {
    /// What others have named.
    cells: Vec<String>,
    line: String,
}

fn shown(choices: &[String], cols: usize) -> Vec<Shown> {
    let cells = |choice: &String| -> Vec<String> {
        let cells = choice.split("  ").map(|cell| one_line(cell).trim().to_owned());
        cells.filter(|cell| !cell.is_empty()).collect()
    };
    let rows: Vec<_> = choices.iter().map(cells).collect();
    let room = cols.saturating_sub(MARK);
    let lines = Columns::new(rows.clone()).lines(Some(room), YIELDING, |_, _, cell| cell);
    rows.into_iter().zip(lines).map(|(cells, line)| Shown { cells, line }).collect()
}

/// How well a choice is what was typed; `None` if not at all.
fn score(typed: &str, choice: &Shown, _: &str, _: usize) -> Option<i64> {
    let typed = typed.trim().to_lowercase();
    let cells: Vec<_> = choice.cells.iter().map(|cell| cell.to_lowercase()).collect();
    if typed.contains(WILDCARDS) {
        return cells.iter().any(|cell| is_like(cell, &typed)).then_some(0);
    }
    let whole = cells.iter().map(|cell| match cell.find(&typed) {
        Some(0) if cell.len() == typed.len() => WHOLE,
        Some(0) => BEGINNING,
        Some(_) => PART,
        None => 0,
    });
    match whole.max() {
        Some(found @ 1..) => Some(found),
        // Letters of an id are in many orders.
        _ => Select::<Shown>::DEFAULT_SCORER(&typed, choice, cells.first()?, 0),
    }
}

/// So many choices that question, help and cursor have their lines, too.
fn page(question: &str, Size { cols, rows }: Size) -> usize {
    let asked = (question.width() + MARK + TYPED).div_ceil(usize::from(cols).max(1));
    usize::from(rows).saturating_sub(asked + 2).clamp(1, PAGE)
}

fn help(cols: usize) -> &'static str {
    let fits = |help: &&str| help.width() + "[]".len() < cols;
    HELPS.into_iter().find(fits).unwrap_or("Esc leaves")
}

impl Shown {
    /// For the line that stays: which one it is.
    fn named(&self) -> String {
        self.cells.iter().take(2).cloned().collect::<Vec<_>>().join("  ")
    }
}

impl Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

/// Of nodes: name, id, address, platform, state.
const YIELDING: Yielding = Yielding { third: None, leaving: &[3, 2], shortened: 0, last: Some(4) };
/// "> " before a choice, and a column that stays free behind it.
const MARK: usize = 3;
/// Columns for what is typed.
const TYPED: usize = 20;
const PAGE: usize = 15;
const USUAL: Size = Size { cols: 80, rows: 24 };
const HELPS: [&str; 2] = [
    "type to filter (web, web*), arrows to move, Enter to choose, Esc to leave",
    "type, arrows, Enter; Esc leaves",
];
const WHOLE: i64 = 3 << 40;
const BEGINNING: i64 = 2 << 40;
const PART: i64 = 1 << 40;

#[cfg(test)]
mod tests {
    use super::*;

    /// Those that are found, the best first.
    fn found(typed: &str, choices: &[&str]) -> Vec<usize> {
        let choices: Vec<_> = choices.iter().map(ToString::to_string).collect();
        let choices = shown(&choices, 80);
        let scored = choices.iter().enumerate();
        let mut scored: Vec<_> = scored
            .filter_map(|(at, choice)| Some((Reverse(score(typed, choice, "", at)?), at)))
            .collect();
        scored.sort();
        scored.into_iter().map(|(_, at)| at).collect()
    }

    #[test]
    fn names_are_found_by_a_part_by_a_pattern_and_by_their_letters() {
        let choices = [
            "old-web-server  i-0aaaaaaaaaaaaaaa1  10.0.0.5  Ubuntu",
            "web-1           i-0aaaaaaaaaaaaaaa2  10.0.0.6  Ubuntu",
            "Web             i-0aaaaaaaaaaaaaaa3  10.0.0.7  Debian",
            "database        i-0aaaaaaaaaaaaaaa4  10.0.0.8  Debian",
        ];
        for (typed, expected) in [
            ("", &[0, 1, 2, 3][..]),
            ("web", &[2, 1, 0]),
            ("web*", &[1, 2]),
            ("*web*", &[0, 1, 2]),
            ("w?b", &[2]),
            ("aa3", &[2]),
            ("10.0.0.8", &[3]),
            ("debian", &[2, 3]),
            ("dtbs", &[3]),
            ("wb1", &[1]),
            ("xyz", &[]),
        ] {
            assert_eq!(found(typed, &choices), expected, "{typed}");
        }
    }

    #[test]
    fn a_page_leaves_room_for_what_is_around_it() {
        let of = |cols, rows| page("Which node?", Size { cols, rows });
        assert_eq!((of(80, 24), of(40, 10), of(20, 10), of(80, 2)), (15, 7, 6, 1));
        assert!(HELPS.iter().all(|help| help.len() <= 76) && help(40) == HELPS[1]);
    }
}
