//! What somebody reads who has just installed it: help that a terminal of 80x24 shows whole.

use super::support::{Finished, Program, command};

#[test]
fn short_help_fits_a_terminal() {
    let overview = help(&["-h"]);
    fits("ssmport -h", &overview);
    for name in commands() {
        let shown = [format!(" {name} "), format!(" {name},")];
        assert!(shown.iter().any(|shown| overview.contains(shown)), "{name} in\n{overview}");
        let text = help(&[&name, "-h"]);
        fits(&name, &text);
        for part in ["Usage: ssmport ", "Examples:\n", "\nMore: ssmport help "] {
            assert!(text.contains(part), "{name}: {part} in\n{text}");
        }
        let examples = text.split("Examples:\n").nth(1).unwrap_or_default();
        assert_eq!(examples.lines().take_while(|line| line.starts_with("  ")).count(), 2, "{text}");
        for option in ["--profile", "--endpoint-url", "--dead-after", "--quiet"] {
            assert!(!text.contains(&format!("  {option}")), "{name}: {option} in\n{text}");
        }
    }
    assert!(help(&["forward", "-h"]).contains("Usage: ssmport forward SPEC... -t TARGET"));
}

#[test]
fn without_a_word_the_overview_is_shown() {
    let bare = ssmport(&[]);
    assert_eq!(bare.code(), 2);
    assert_eq!(bare.stderr, help(&["-h"]));
    assert_eq!(help(&["help"]), bare.stderr);
}

#[test]
fn long_help_has_the_headings_that_mean_something() {
    for name in commands() {
        let text = help(&[&name, "--help"]);
        assert_eq!(help(&["help", &name]), text, "{name}");
        let has = |heading: &str| text.contains(&format!("\n{heading}:\n"));
        let is_of_aws = !WITHOUT_AWS.contains(&&*name);
        let is_connected = is_of_aws && !["ls", "sessions", "login", "config"].contains(&&*name);
        assert!(has("Options"), "{text}");
        assert_eq!(has("AWS"), is_of_aws, "{text}");
        assert_eq!(has("Connection"), is_connected, "{text}");
    }
    let all = help(&["--help"]);
    for part in ["\nOptions:\n", "\nAWS:\n", "\nConnection:\n", "--payload-size"] {
        assert!(all.contains(part), "{part} in\n{all}");
    }
    // What means nothing is taken all the same.
    ssmport(&["--region", "eu-west-1", "completions", "bash", "--profile", "x"]).success();
}

#[test]
fn topics_are_listed_and_told() {
    let topics = help(&["help", "topics"]);
    for (topic, part) in [
        ("targets", "tag:KEY=VALUE"),
        ("exit-codes", "130  Ctrl-C"),
        ("environment", "SSMPORT_TARGET"),
        ("proxies", "NO_PROXY"),
    ] {
        assert!(topics.contains(&format!("  {topic} ")), "{topics}");
        let page = help(&["help", topic]);
        assert!(page.contains(part), "{page}");
    }
    for (subject, next) in [
        ("weather", "[possible values: shell, exec,"),
        ("forwrad", "a similar value exists: 'forward'"),
        ("tagets", "a similar value exists: 'targets'"),
    ] {
        let unknown = ssmport(&["help", subject]);
        assert_eq!(unknown.code(), 2);
        assert!(unknown.stderr.contains(next), "{next} in {}", unknown.stderr);
    }
}

/// Those of the overview; a test of the library's counts that none is missing there.
fn commands() -> Vec<String> {
    let overview = help(&["-h"]);
    let lines = overview.lines().skip_while(|line| !line.starts_with("Sessions"));
    let names = lines.take_while(|line| !line.is_empty()).flat_map(|line| {
        let line = line.get(10..).expect("a name behind the group");
        let (names, _) = line.split_once("  ").expect("what they are for");
        names.split(", ").map(str::to_owned).collect::<Vec<_>>()
    });
    let names: Vec<String> = names.collect();
    assert!(names.len() >= 11, "{overview}");
    names
}

const WITHOUT_AWS: &[&str] =
    &["local", "demo", "status", "down", "logs", "play", "decode", "completions", "man", "help"];

#[track_caller]
fn fits(what: &str, text: &str) {
    assert!(text.lines().count() <= 22, "{what}: {} lines\n{text}", text.lines().count());
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    assert!(widest <= 80, "{what}: {widest} columns\n{text}");
}

#[track_caller]
fn help(words: &[&str]) -> String {
    ssmport(words).success()
}

fn ssmport(words: &[&str]) -> Finished {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(words).env("COLUMNS", "80").env("LINES", "24");
    Program::run(ssmport)
}
