use std::{fs, path::Path};

use super::*;

fn offered(words: &[&str]) -> Vec<String> {
    let words = ["ssmport"].iter().chain(words).map(OsString::from).collect();
    let candidates = candidates(words).into_iter();
    candidates.map(|one| one.get_value().to_string_lossy().into_owned()).collect()
}

#[test]
fn commands_options_and_known_words_are_offered() {
    assert_eq!(offered(&["fo"]), ["forward"]);
    assert_eq!(offered(&["completions", "z"]), ["zsh"]);
    assert_eq!(offered(&["help", "exi"]), ["exit-codes"]);
    assert_eq!(offered(&["forward", "--prof"]), ["--profile"]);
    let commands = offered(&[""]);
    assert!(commands.contains(&"man".to_owned()), "{commands:?}");
    assert!(commands.iter().all(|word| !word.starts_with('-')), "{commands:?}");
    // What a command has no use for stays out of its help, too.
    let options = offered(&["demo", "--"]);
    assert!(options.contains(&"--size".to_owned()), "{options:?}");
    assert!(!options.contains(&"--profile".to_owned()), "{options:?}");
}

#[test]
fn regions_are_those_of_aws() {
    assert_eq!(offered(&["--region", "eu-nor"]), ["eu-north-1"]);
    assert_eq!(offered(&["shell", "--region=us-gov-e"]), ["--region=us-gov-east-1"]);

    let listed = serde_json::from_slice::<serde_json::Value>(&partitions()).expect("JSON");
    for partition in listed["partitions"].as_array().expect("partitions") {
        for region in partition["regions"].as_object().expect("regions").keys() {
            // The places of services that have but one.
            let is_one = !region.ends_with("-global");
            assert!(!is_one || regions::REGIONS.contains(&&**region), "{region} is missing");
        }
    }
}

/// What botocore knows, by which the other tests stand in for AWS.
fn partitions() -> Vec<u8> {
    let libraries = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/moto/lib");
    let pythons = fs::read_dir(libraries).expect("scripts/test installs it").flatten();
    let file = "site-packages/botocore/data/partitions.json";
    let mut found = pythons.filter_map(|python| fs::read(python.path().join(file)).ok());
    found.next().expect("botocore's list of partitions")
}

#[test]
fn targets_are_offered_where_one_is_expected() {
    for words in [
        &["forward", "-t", "loc"][..],
        &["shell", "-tloc"],
        &["shell", "loc"],
        &["exec", "loc"],
        &["proxy", "loc"],
        &["forward", "loc"],
        &["socks", "loc"],
        &["ssh", "loc"],
        &["ssh", "jo@loc"],
        &["ssh-config", "--alias", "me=loc"],
    ] {
        let found = offered(words);
        assert_eq!(found.len(), 1, "{words:?}: {found:?}");
        assert!(found[0].ends_with("local"), "{words:?}: {found:?}");
    }
    for words in [
        &["exec", "web", "loc"][..],
        &["exec", "web", "--", "loc"],
        &["forward", "web", "loc"],
        &["forward", "-t", "web", "loc"],
        &["socks", "-t", "web", "loc"],
        &["ssh", "web", "loc"],
        &["ls", "loc"],
        &["sessions", "-t", "loc"],
        &["sessions", "stop", "loc"],
        &["ssh-config", "--alias", "loc"],
    ] {
        assert_eq!(offered(words), [""; 0], "{words:?}");
    }
}

#[test]
fn files_are_offered_where_a_path_is_taken() {
    // The tests are run in the folder of the package.
    assert_eq!(offered(&["local", "--account", "Cargo.to"]), ["Cargo.toml"]);
    assert_eq!(offered(&["local", "--session-logs", "Cargo.to"]), [""; 0]);
    assert_eq!(offered(&["man", "src/cli/comp"]), ["src/cli/completion/"]);
}

#[test]
fn what_a_line_says_of_the_account_is_found() {
    let typed =
        |words: &[&str]| values::Typed::new(&words.iter().map(OsString::from).collect::<Vec<_>>());
    let some = |text: &str| Some(text.to_owned());
    let found = typed(&["ssmport", "--profile", "p", "shell", "--region=r", "-t", "x"]);
    assert_eq!((found.profile, found.region), (some("p"), some("r")));
    assert_eq!(typed(&["ssmport", "exec", "web", "--", "--profile", "x"]), Default::default());
    assert_eq!(typed(&["ssmport", "--profile"]), Default::default());
}

#[test]
fn scripts_ask_by_the_variable_and_never_evaluate() {
    for shell in Shell::value_variants() {
        let script = script(*shell).expect("a script");
        assert!(script.contains("COMPLETE"), "{script}");
        for word in ["eval", "Invoke-Expression", "iex"] {
            assert!(!script.contains(word), "{word} in {script}");
        }
    }
    let powershell = script(Shell::PowerShell).unwrap_or_default();
    for part in [
        "Register-ArgumentCompleter -Native -CommandName 'ssmport'",
        "$env:_SSMPORT_LINE",
        "& $program '--'",
        "CompletionResult]::new(",
    ] {
        assert!(powershell.contains(part), "{part}");
    }
    let (open, closed) = (powershell.matches('{').count(), powershell.matches('}').count());
    assert_eq!(open, closed);
}
