//! The reader beside botocore's own, in files that a generator with a fixed seed makes: both find the
//! same, or both find that the file cannot be read.
//!
//! `SSMPORT_TEST_CONFIG_FILES=5000` tries more of them.

use std::{
    collections::BTreeMap,
    env, fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Map, Value as Json, json};

use super::{
    ini::{self, Options, Value},
    profiles::Profiles,
    shell_words::words_of,
};

#[test]
fn what_botocore_finds_in_any_file_we_find() {
    let count = env::var("SSMPORT_TEST_CONFIG_FILES").map_or(400, |text| text.parse().unwrap());
    let mut random = StdRng::seed_from_u64(20261129);
    let pairs: Vec<_> = (0..count).map(|_| [file(&mut random), file(&mut random)]).collect();
    let answers = botocore(&pairs);
    let mut errors = 0;
    for ([config, credentials], theirs) in pairs.iter().zip(answers) {
        let ours = found(config, credentials);
        errors += usize::from(ours.is_null());
        assert_eq!(ours, theirs, "config:\n{config}\ncredentials:\n{credentials}");
    }
    // Neither answer is the generator's only one.
    assert!((count / 10..count * 9 / 10).contains(&errors), "{errors} of {count} are errors");
}

#[test]
fn words_are_those_of_pythons_shlex() {
    let mut random = StdRng::seed_from_u64(1);
    let lines: Vec<String> = (0..2000).map(|_| pieces(&mut random, WORD_PIECES, 8)).collect();
    let theirs = python(WORDS, &json!(lines));
    for (line, theirs) in lines.iter().zip(theirs.as_array().unwrap()) {
        let words = words_of(line).map(|words| words.into_iter().map(|(word, _)| word).collect());
        assert_eq!(json!(words as Option<Vec<String>>), *theirs, "{line:?}");
    }
}

/// As botocore's `full_config` has it; null for files that cannot be read.
fn found(config: &str, credentials: &str) -> Json {
    let parse = |text: &str| ini::parse(text.as_bytes());
    let (Ok(config), Ok(credentials)) = (parse(config), parse(credentials)) else {
        return Json::Null;
    };
    let Profiles { profiles, sso_sessions, services, .. } = Profiles::of(config, credentials);
    let profiles: Map<_, _> =
        profiles.iter().map(|(name, profile)| (name.clone(), options(&profile.options))).collect();
    let sections = |sections: &BTreeMap<String, Options>| -> Json {
        sections.iter().map(|(name, section)| (name.clone(), options(section))).collect()
    };
    json!({
        "profiles": profiles,
        "sso_sessions": sections(&sso_sessions),
        "services": sections(&services),
    })
}

fn options(options: &Options) -> Json {
    let value = |value: &Value| match value {
        Value::Text(text) => json!(text),
        Value::Nested(nested) => json!(nested),
    };
    options.iter().map(|(name, found)| (name.clone(), value(found))).collect()
}

fn file(random: &mut StdRng) -> String {
    let mut text = String::new();
    // Faults are rare enough that most files can be read.
    let faults = random.random_bool(0.3);
    if !faults {
        text.push_str("[default]\n");
    }
    let mut sections = Vec::new();
    let mut names = Vec::new();
    for _ in 0..random.random_range(0..12) {
        let line = match random.random_range(0..10) {
            0..3 => {
                let section = section(random);
                if !faults && sections.contains(&section) {
                    continue;
                }
                sections.push(section.clone());
                names.clear();
                let behind = *["", "", "", " # text", " ] x", "]"].choose(random).unwrap();
                let indent = *["", "", "", " ", "\t"].choose(random).unwrap();
                // Behind a value it would be a part of it.
                format!("{indent}[{section}]{behind}")
            }
            3..8 => {
                let name = *NAMES.choose(random).unwrap();
                if !faults && names.contains(&name.to_lowercase()) {
                    continue;
                }
                names.push(name.to_lowercase());
                let delimiter = *DELIMITERS.choose(random).unwrap();
                let indent = *INDENTS.choose(random).unwrap();
                format!("{indent}{name}{delimiter}{}", pieces(random, VALUE_PIECES, 3))
            }
            8 => pieces(random, BLANKS, 2),
            _ => {
                let indent = *["  ", "    ", "\t\t"].choose(random).unwrap();
                format!(
                    "{indent}{}",
                    if faults { pieces(random, VALUE_PIECES, 3) } else { "x = 1".to_owned() }
                )
            }
        };
        text.push_str(&line);
        text.push_str(LINE_ENDS.choose(random).unwrap());
    }
    text
}

fn section(random: &mut StdRng) -> String {
    let kind = *KINDS.choose(random).unwrap();
    let name = *SECTION_NAMES.choose(random).unwrap();
    format!("{kind}{name}")
}

fn pieces(random: &mut impl Rng, pieces: &[&str], most: usize) -> String {
    let count = random.random_range(0..=most);
    (0..count).map(|_| *pieces.choose(random).unwrap()).collect()
}

const KINDS: &[&str] =
    &["profile ", "profile ", "profile\t", "profile", "sso-session ", "services ", "", " profile "];
const SECTION_NAMES: &[&str] = &[
    "a",
    "b",
    "\"a\"",
    "'b'",
    "\"my work\"",
    "'My Corp'",
    "two words",
    "default",
    "DEFAULT",
    "x\\ y",
    "\"open",
    "#a",
    "é",
    "a]b",
];
const NAMES: &[&str] =
    &["region", "REGION", "output", "s3", "ssm", "aws_access_key_id", "two words", "Ünder", "a#b"];
const DELIMITERS: &[&str] = &["=", " = ", ": ", ":", "=\t", " =", "=="];
const INDENTS: &[&str] = &["", "", "", "", "", "  ", "\t", "\u{a0}", "\x1c"];
const VALUE_PIECES: &[&str] = &[
    "eu-west-1",
    " # no comment",
    " ;",
    "=",
    ":",
    " ",
    "\t",
    "x = y",
    "[a]",
    "é",
    "\u{2028}",
    "\x0b",
    "\x1d",
    "\u{85}",
    "\"",
    "#",
];
const BLANKS: &[&str] = &["", " ", "# text", "; text", "  # text", "\t", "\x1f"];
const LINE_ENDS: &[&str] = &["\n", "\n", "\n", "\r\n", "\r"];
const WORD_PIECES: &[&str] =
    &["a", "b c", " ", "\t", "\"", "'", "\\", "#", "$", "`", "\n", "é", "\x0b"];

/// What botocore finds in each pair of files.
fn botocore(pairs: &[[String; 2]]) -> Vec<Json> {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (at, pair) in pairs.iter().enumerate() {
        let both = ["config", "credentials"].map(|kind| folder.path().join(format!("{at}.{kind}")));
        for (path, text) in both.iter().zip(pair) {
            fs::write(path, text).unwrap();
        }
        paths.push(both);
    }
    match python(FILES, &json!(paths)) {
        Json::Array(answers) => answers,
        other => panic!("{other}"),
    }
}

fn python(program: &str, input: &Json) -> Json {
    let mut python = Command::new(interpreter());
    python.args(["-c", program]).env("PYTHONUTF8", "1").env_remove("AWS_PROFILE");
    let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_string();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// That of the AWS CLI that `scripts/test` installs, or of the one that was named.
fn interpreter() -> PathBuf {
    let aws = env::var_os("SSMPORT_TEST_AWS").map(PathBuf::from);
    let aws = aws.unwrap_or_else(|| {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools/awscli/bin/aws")
    });
    let python = aws.with_file_name("python");
    assert!(python.exists(), "{}: scripts/test installs what the tests need", python.display());
    python
}

const FILES: &str = r"
import json, sys
import awscli, botocore.exceptions, botocore.session
answers = []
session = botocore.session.Session()
for config, credentials in json.load(sys.stdin):
    session._config = None
    session.set_config_variable('config_file', config)
    session.set_config_variable('credentials_file', credentials)
    try:
        found = session.full_config
        answers.append({kind: found[kind] for kind in ('profiles', 'sso_sessions', 'services')})
    except botocore.exceptions.ConfigParseError:
        answers.append(None)
json.dump(answers, sys.stdout)
";

const WORDS: &str = r"
import json, shlex, sys
def split(line):
    try:
        return shlex.split(line)
    except ValueError:
        return None
json.dump([split(line) for line in json.load(sys.stdin)], sys.stdout)
";
