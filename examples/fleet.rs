//! Runs a command on many nodes, ten at a time, and prints a line for each as it ends: its exit code and
//! the first line that it wrote, or why there is none.
//!
//! ```sh
//! cargo run --example fleet -- web-1 web-2 i-0123456789abcdef0 -- uptime
//! cargo run --example fleet -- local -- uname -sr       # without AWS
//! ```
//!
//! Against `ssmport local --listen 127.0.0.1:8080`, which takes any credentials:
//!
//! ```sh
//! export AWS_ENDPOINT_URL=http://127.0.0.1:8080 AWS_REGION=eu-west-1
//! export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
//! ```

use std::{env, process::ExitCode, time::Duration};

use futures_util::{StreamExt, stream};
use ssmport::{
    Client,
    client::{Error, Kind, Output},
};
use tokio::time::timeout;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let mut parts = arguments.splitn(2, |argument| argument == "--");
    let (Some(targets @ [_, ..]), Some(command @ [_, ..])) = (parts.next(), parts.next()) else {
        eprintln!("usage: fleet TARGET... -- COMMAND...");
        return ExitCode::from(2);
    };
    match run_on_all(targets, command).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            eprintln!("fleet: {failed} of {} failed", targets.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("fleet: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How many have failed.
async fn run_on_all(targets: &[String], command: &[String]) -> Result<usize, Error> {
    // One for all: they share the credentials, and whoever has been asked for them.
    let client = Client::from_env().await?;
    let runs = targets.iter().map(|target| {
        let run = run(&client, target, command);
        async move { (target, run.await) }
    });
    let mut runs = stream::iter(runs).buffer_unordered(AT_A_TIME);
    let mut failed = 0;
    while let Some((target, ended)) = runs.next().await {
        failed += usize::from(!matches!(&ended, Ok(Some(output)) if output.code == 0));
        match ended {
            Ok(Some(output)) => println!("{target}\t{}\t{}", output.code, first_line(&output)),
            Ok(None) => eprintln!("{target}\tlate\tnothing within {PATIENCE:?}"),
            Err(error) => eprintln!("{target}\t{}\t{error}", name_of(error.kind())),
        }
    }
    Ok(failed)
}

/// `None` when it takes too long.
async fn run(client: &Client, target: &str, command: &[String]) -> Result<Option<Output>, Error> {
    let node = client.node(target).await?.with_reason("fleet");
    // The command is ended when its future is dropped, here by the timeout.
    let output = timeout(PATIENCE, node.command(command).output()).await;
    node.end().await;
    output.ok().transpose()
}

/// What it wrote, or what it complained of.
fn first_line(output: &Output) -> String {
    let written = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
    String::from_utf8_lossy(written).lines().next().unwrap_or_default().to_owned()
}

/// For scripts: what can be done about it is another thing for each.
fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Target => "unreachable",
        Kind::Refused => "refused",
        Kind::Lost => "lost",
        _ => "failed",
    }
}

/// AWS limits how many sessions an account may start in a second.
const AT_A_TIME: usize = 10;
const PATIENCE: Duration = Duration::from_secs(60);
