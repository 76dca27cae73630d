//! The examples that people copy into their own tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::{Endpoint, Program, each_installation, find_with_ansible, with_programs};

#[test]
fn a_script_is_tested_with_and_without_faults() {
    // The distribution's AWS CLI may be too old for AWS_ENDPOINT_URL.
    let programs = each_installation().next().expect("an AWS CLI");
    for faults in [None, Some("cut=1s,drop=5%,seed=7")] {
        let mut script = with_programs(programs.path(), example("test_a_script.sh"));
        if let Some(faults) = faults {
            script.env("FAULTS", faults);
        }
        let output = Program::run(script).success();
        assert!(output.ends_with("all good\n"), "{output}");
    }
}

#[test]
fn a_script_whose_endpoint_does_not_start_fails() {
    let programs = each_installation().next().expect("an AWS CLI");
    let mut script = with_programs(programs.path(), example("test_a_script.sh"));
    script.env("FAULTS", "lose=1%");
    let failed = Program::run(script);
    assert_ne!(failed.code(), 0, "{failed:#?}");
    assert!(failed.stderr.contains("`lose=1%` is no fault"), "{failed:#?}");
}

#[test]
fn boto3_and_the_plugin_are_tested_in_python() {
    let programs = each_installation().next().expect("an AWS CLI");
    let mut python = with_programs(programs.path(), find_with_ansible("python"));
    python.arg(example("test_with_boto3.py"));
    let ran = Program::run(python);
    assert!(ran.stderr.contains("Ran 4 tests in "), "{ran:#?}");
    ran.success();
}

#[test]
fn every_recipe_of_the_documentation_is_understood() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/testing.md");
    let page = fs::read_to_string(page).expect("the page");
    let codes = page.lines().filter(|line| line.starts_with('|')).flat_map(|row| row.split('`'));
    let options: Vec<_> =
        codes.filter(|code| code.starts_with("--") && code.contains(' ')).collect();
    let recipes = options.into_iter().filter(|option| !option.starts_with("--account"));
    let started = recipes.map(|option| {
        Endpoint::with(&option.split(' ').collect::<Vec<_>>());
    });
    assert!(started.count() >= 14, "the table was not found");
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}
