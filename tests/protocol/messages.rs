//! The messages that `docs/troubleshooting.md` explains are those of the programs.

use std::{fs, path::Path};

use super::sources;

#[test]
fn every_message_that_is_explained_is_in_the_sources() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/troubleshooting.md");
    let page = fs::read_to_string(page).expect("the page");
    let quoted: Vec<_> = page.lines().flat_map(quoted).collect();
    assert!(quoted.len() > 40, "{} messages: the tables were not found", quoted.len());
    let sources = sources();
    let unknown: Vec<_> = quoted.iter().filter(|words| !sources.contains(**words)).collect();
    assert!(unknown.is_empty(), "no source says {unknown:?}");
}

#[test]
fn what_is_quoted_is_the_code_of_a_rows_first_cell() {
    let words = |line| quoted(line).collect::<Vec<_>>();
    assert_eq!(words("| `cannot reach …` | `no` | |"), ["cannot reach"]);
    assert_eq!(words("| `the … of …`, `… it is` | why | |"), ["the", "of", "it is"]);
    assert_eq!(words("a line with `code`"), [""; 0]);
}

/// The words of the messages in a table's row. `…` stands for what differs.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    let cell = line.strip_prefix('|').and_then(|row| row.split('|').next()).unwrap_or("");
    let messages = cell.split('`').skip(1).step_by(2);
    messages.flat_map(|message| message.split('…')).map(str::trim).filter(|words| !words.is_empty())
}

/// All of the crate, with strings that go on in the next line in one.
fn sources() -> String {
    let mut found = String::new();
    for source in sources::below("src") {
        let mut lines = source.text.split("\\\n");
        found.extend(lines.next());
        lines.for_each(|line| found.push_str(line.trim_start()));
    }
    found
}
