//! docs/recipes.md: jobs of CI, whose steps are run as their runners do, and Terraform. And that no
//! recipe is left out.

use std::{env, fs, path::Path};

use serde_json::Value;

use crate::{
    recipes_databases::{certified, shop},
    support::{
        Finished, Postgres, Program, Reader, Recipe, command, find_tool, find_with_ansible,
        free_port,
    },
};

#[test]
fn a_job_of_github_migrates_and_fails_when_the_migration_does() {
    let (reader, postgres) = (Reader::new(), shop());
    let job = migration(Recipe::of("GitHub Actions", "yaml"), &postgres);
    let steps = &as_json(&job)["jobs"]["migrate"]["steps"];
    let steps = steps.as_array().expect("steps");
    let mut runs = steps.iter().filter_map(|step| Some((step["run"].as_str()?, &step["env"])));
    let (Some((script, variables)), None) = (runs.next(), runs.next()) else {
        panic!("there is not one step that is run: {steps:?}")
    };
    let run = || {
        let mut step = reader.command(script, "");
        for (name, value) in variables.as_object().expect("variables") {
            let is_secret = value.as_str().is_some_and(|value| value.starts_with("${{ secrets."));
            step.env(name, if is_secret { "secret" } else { value.as_str().expect("text") });
        }
        Program::run(step)
    };
    migrates_or_fails(&reader, &postgres, run);
}

#[test]
fn a_job_of_gitlab_migrates_and_fails_when_the_migration_does() {
    let (reader, postgres) = (Reader::new(), shop());
    let job = Recipe::of("GitLab CI", "yaml");
    let job = job.with("/tmp/aws-token", reader.work("aws-token").display());
    let job = &as_json(&migration(job, &postgres))["migrate"];
    let lines = ["before_script", "script"].map(|part| job[part].as_array().expect("lines"));
    let lines = lines.into_iter().flatten().map(|line| line.as_str().expect("text"));
    let script = lines.collect::<Vec<_>>().join("\n");
    let run = || {
        let mut step = reader.command(&script, "");
        step.env("AWS_TOKEN", "a token");
        for (name, value) in job["variables"].as_object().expect("variables") {
            step.env(name, value.as_str().expect("text"));
        }
        Program::run(step)
    };
    migrates_or_fails(&reader, &postgres, run);
    assert_eq!(fs::read_to_string(reader.work("aws-token")).expect("the token"), "a token");
}

/// Where it is: no distribution has it.
#[test]
fn terraform_keeps_its_state_behind_the_tunnel() {
    let Some(terraform) = env::var_os("SSMPORT_TEST_TERRAFORM") else {
        return eprintln!("SSMPORT_TEST_TERRAFORM names no program: Terraform is not tried");
    };
    let (reader, postgres, port) = (Reader::new(), shop(), free_port());
    certified(&reader, "db.internal");
    postgres.take_tls(&reader.work(""));
    reader.has("terraform", Path::new(&terraform));
    let state = Recipe::of("Terraform", "hcl").with("15432", port);
    let resource = "resource \"terraform_data\" \"it\" {\n  input = 42\n}\n";
    fs::write(reader.work("main.tf"), state.text().to_owned() + resource).expect("a file");
    let recipe = Recipe::of("Terraform", "sh").with("15432", port);
    let recipe = recipe.with("db.internal:5432", format!("127.0.0.1:{}", postgres.port));
    let said = reader.follows(&recipe, "").success();
    assert!(said.contains("1 added, 0 changed, 0 destroyed"), "{said}");
    assert_eq!(of_app(&postgres, "SELECT count(*) FROM terraform_remote_state.states"), "1\n");
}

/// A block that nobody runs says so.
#[test]
fn every_recipe_is_run() {
    let tests = ["databases", "jobs", "networks", "ssh"].map(|name| {
        let path = format!("tests/e2e/recipes_{name}.rs");
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a test")
    });
    let recipes = Recipe::all();
    assert!(recipes.len() >= 18, "the page was not read: {recipes:?}");
    for (heading, language) in recipes {
        let call = format!("Recipe::of(\"{heading}\", \"{language}\")");
        assert!(tests.iter().any(|text| text.contains(&call)), "nobody runs {heading}, {language}");
    }
}

/// With the port and the database that there are.
fn migration(recipe: Recipe, postgres: &Postgres) -> Recipe {
    let database = format!("127.0.0.1:{}", postgres.port);
    recipe.with("15432", free_port()).with("db.internal:5432", database)
}

fn migrates_or_fails(reader: &Reader, postgres: &Postgres, run: impl Fn() -> Finished) {
    let migration =
        "BEGIN; CREATE TABLE orders (id int); INSERT INTO orders VALUES (42); COMMIT;\n";
    fs::write(reader.work("migration.sql"), migration).expect("a migration");
    run().success();
    // Those of ON_ERROR_STOP.
    let again = run();
    assert_eq!(again.code(), 3, "{again:#?}");
    assert!(again.stderr.contains("relation \"orders\" already exists"), "{again:#?}");
    assert_eq!(of_app(postgres, "SELECT id FROM orders"), "42\n");
}

/// An answer to the owner of the database, asked without a tunnel.
fn of_app(postgres: &Postgres, sql: &str) -> String {
    let mut psql = command(find_tool("psql"));
    psql.args(["-h", "127.0.0.1", "-p", &postgres.port.to_string(), "-U", "app", "-At", "-c", sql])
        .arg("shop");
    Program::run(psql).success()
}

/// What YAML says, by the library that Ansible reads it with.
fn as_json(recipe: &Recipe) -> Value {
    let mut python = command(find_with_ansible("python"));
    let script =
        "import json, sys, yaml; print(json.dumps(yaml.load(sys.argv[1], yaml.BaseLoader)))";
    python.args(["-c", script, recipe.text()]);
    serde_json::from_str(&Program::run(python).success()).expect("JSON")
}
