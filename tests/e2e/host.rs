//! What the repository's host reads: workflows, forms for issues.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::support::{Program, command};

#[test]
fn every_file_of_the_host_is_yaml_and_runs_what_is_pinned_and_there() {
    let mut files = Vec::new();
    find(&root().join(".github"), &mut files);
    assert!(files.len() >= 4, "{files:?}");
    for file in &files {
        let content = parsed(file);
        let forms = content["body"].as_array().map_or(0, Vec::len);
        let jobs = content["jobs"].as_object().map_or(0, |jobs| jobs.len());
        let is_config = file.ends_with("config.yml");
        assert!(forms + jobs > 0 || is_config, "{} has no body and no jobs", file.display());
        for job in content["jobs"].as_object().into_iter().flat_map(|jobs| jobs.values()) {
            for step in job["steps"].as_array().expect("steps") {
                check(step);
            }
        }
    }
}

#[test]
fn the_compiler_is_the_oldest_that_is_promised() {
    let workflow = parsed(&root().join(".github/workflows/ci.yml"));
    let used = workflow["env"]["TOOLCHAIN"].as_str().expect("a version");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let promised = format!("\nrust-version = \"{used}\"\n");
    assert!(manifest.contains(&promised), "{used} is not Cargo.toml's");
}

/// Somebody else's action is the one that was looked at; a script of ours exists.
#[track_caller]
fn check(step: &Value) {
    if let Some(action) = step["uses"].as_str() {
        let (_, commit) = action.split_once('@').unwrap_or_else(|| panic!("{action}: no commit"));
        let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_commit, "{action}");
        return;
    }
    let run = step["run"].as_str().unwrap_or_else(|| panic!("neither uses nor runs: {step}"));
    let program = run.split(' ').next().unwrap_or_default();
    assert!(!program.contains('/') || root().join(program).is_file(), "{run}");
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "yml") {
            files.push(path);
        }
    }
}

/// As the library reads it that comes with Ansible.
#[track_caller]
fn parsed(file: &Path) -> Value {
    let mut python = command(root().join("target/tools/ansible/bin/python"));
    python.args(["-c", SCRIPT]).arg(file);
    serde_json::from_str(&Program::run(python).success()).expect("JSON")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

const SCRIPT: &str = "\
import json, sys, yaml
print(json.dumps({str(name): value for name, value in yaml.safe_load(open(sys.argv[1])).items()}))";
