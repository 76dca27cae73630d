//! The table of mistakes in `CONTRIBUTING.md` and that of `docs/threats.md` name the tests that would catch
//! them: they exist.

use std::{fs, path::Path};

use super::sources::{self, Source};

#[test]
fn every_test_that_the_table_of_mistakes_names_exists() {
    check("CONTRIBUTING.md", "### Mistakes of others");
}

#[test]
fn every_test_that_the_table_of_threats_names_exists() {
    check("docs/threats.md", "# Who may try what");
}

fn check(file: &str, heading: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join(file)).expect("the file");
    let rows: Vec<_> = rows(&text, heading).collect();
    assert!(rows.len() > 20, "{} rows: the table was not found", rows.len());
    let sources = sources();
    let missing: Vec<_> =
        rows.iter().flat_map(|(what, tests)| missing(what, tests, &sources)).collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn a_test_that_is_not_there_is_found() {
    let file = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    let sources = [
        file("src/net/relay.rs", "#[test]\nfn here() {}\nfn helper() {}\n"),
        file("src/net/relay/half_close_tests.rs", "#[tokio::test]\nasync fn below() {}\n"),
        file("tests/e2e/signals.rs", "/// Of Linux.\n#[test]\n#[cfg(x)]\nfn ends() {}\n"),
    ];
    let named = |tests: &str| missing("m", tests, &sources).join(", ");
    for tests in [
        "`net::relay` `here`, `below`; `signals` `ends`",
        "`signals`, all that ends; `net::relay` `half_close_tests`",
        "the limits of `sig*`; `tests/e2e`",
    ] {
        assert_eq!(named(tests), "");
    }
    for (tests, expected) in [
        ("`net::relay` `helper`", "m: no test `helper` in `net::relay`"),
        ("`net::relay` `here`, `ends`", "m: no test `ends` in `net::relay`"),
        (
            "`net::delay` `here`",
            "m: nothing is called `net::delay`, m: no test `here` in `net::delay`",
        ),
        ("`tests/protocol`", "m: nothing is called `tests/protocol`"),
        ("", "m: no test is named"),
    ] {
        assert_eq!(named(tests), expected);
    }
}

/// The rows of the table below `heading`, and the tests that stand beside each.
fn rows<'a>(text: &'a str, heading: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let table = text.split_once(heading).map_or("", |(_, rest)| rest);
    let lines = table.lines().skip_while(|line| !line.starts_with("|---"));
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| row.trim_matches('|').rsplit_once(" | "))
}

/// What a row names, `MODULE` with `TEST`s behind it, and is not there.
fn missing(mistake: &str, tests: &str, sources: &[Source]) -> Vec<String> {
    let mut missing = Vec::new();
    // What nothing holds no test shows.
    if !tests.contains('`') && !mistake.contains("| nothing") {
        missing.push(format!("{mistake}: no test is named"));
    }
    for group in tests.split(';') {
        let mut names = group.split('`').skip(1).step_by(2);
        let Some(module) = names.next() else { continue };
        let files: Vec<_> = sources.iter().filter(|source| source.is_of(module)).collect();
        if files.is_empty() {
            missing.push(format!("{mistake}: nothing is called `{module}`"));
        }
        let absent = names.filter(|name| !files.iter().any(|source| source.has(name)));
        missing.extend(absent.map(|name| format!("{mistake}: no test `{name}` in `{module}`")));
    }
    missing
}

impl Source {
    /// Whether it is the module's file, or one below it. The name may be a folder's, and begin with what
    /// several modules are called: `callers_*`.
    fn is_of(&self, module: &str) -> bool {
        let module = module.replace("::", "/");
        let places = ["src/", "tests/e2e/", "tests/protocol/", "fuzz/", ""];
        places.iter().any(|place| match (self.path.strip_prefix(place), module.strip_suffix('*')) {
            (Some(rest), Some(beginning)) => rest.starts_with(beginning),
            (Some(rest), None) => rest
                .strip_prefix(&*module)
                .is_some_and(|rest| rest == ".rs" || rest.starts_with('/')),
            (None, _) => false,
        })
    }

    /// Whether a test has this name, or a file of tests.
    fn has(&self, name: &str) -> bool {
        let lines: Vec<_> = self.text.lines().map(str::trim_start).collect();
        let is_test =
            |line: &&str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let head = format!("fn {name}(");
        let mut heads = lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.strip_prefix("async ").unwrap_or(line).starts_with(&head));
        let is_here = heads.any(|(at, _)| {
            let above = lines.iter().take(at).rev();
            above.take_while(|line| line.starts_with("#[")).any(is_test)
        });
        is_here || self.path.ends_with(&format!("/{name}.rs"))
    }
}

/// All that a table may name, from the project's folder on.
fn sources() -> Vec<Source> {
    let folders = ["src", "tests", "fuzz/fuzz_targets"].into_iter();
    let below = |folder| sources::below(folder).into_iter().map(move |source| (folder, source));
    let found = folders.flat_map(below);
    found
        .map(|(folder, Source { path, text })| Source { path: format!("{folder}/{path}"), text })
        .collect()
}
