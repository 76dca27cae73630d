//! Runs a command on many nodes, ten at a time, and prints a line for each as it ends: its exit code and
//! the first line that it wrote, or why there is none.
//!
//! ```sh
//! cargo run --example fleet -- 'web-*' tag:Role=db i-0123456789abcdef0 -- uptime
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

use ssmport::{
    Client,
    client::{Error, Kind, NodeEnd, RunEvent, Stream},
};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let mut parts = arguments.splitn(2, |argument| argument == "--");
    let (Some(targets @ [_, ..]), Some(command @ [_, ..])) = (parts.next(), parts.next()) else {
        eprintln!("usage: fleet TARGET... -- COMMAND...");
        return ExitCode::from(2);
    };
    match run_on_all(targets, command).await {
        Ok((0, _)) => ExitCode::SUCCESS,
        Ok((failed, count)) => {
            eprintln!("fleet: {failed} of {count} failed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("fleet: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How many have failed, and how many there are.
async fn run_on_all(targets: &[String], command: &[String]) -> Result<(usize, usize), Error> {
    let client = Client::from_env().await?;
    // Of a name or a tag all nodes that bear it.
    let nodes = client.select(targets).await?;
    let run = nodes.command(command).parallel(AT_A_TIME).timeout(PATIENCE).reason("fleet");
    let mut run = run.start();
    let mut written = vec![Written::default(); run.nodes().len()];
    let mut failed = 0;
    while let Some(event) = run.next().await {
        match event {
            RunEvent::Output { node, stream, bytes } => written[node].note(stream, &bytes),
            RunEvent::Ended { node, end, .. } => {
                failed += usize::from(end.is_failure());
                let name = run.nodes()[node].name();
                match end {
                    NodeEnd::Exited(code) => println!("{name}\t{code}\t{}", written[node].line()),
                    NodeEnd::Failed(error) => {
                        eprintln!("{name}\t{}\t{error}", name_of(error.kind()));
                    }
                    _ => eprintln!("{name}\tlate\tnothing within {PATIENCE:?}"),
                }
            }
            _ => {}
        }
    }
    Ok((failed, written.len()))
}

/// What a node has written, or complained of: the beginning.
#[derive(Clone, Default)]
struct Written {
    output: Vec<u8>,
    errors: Vec<u8>,
}

impl Written {
    fn note(&mut self, stream: Stream, bytes: &[u8]) {
        let part = match stream {
            Stream::Stdout => &mut self.output,
            Stream::Stderr => &mut self.errors,
        };
        let room = LONGEST - part.len();
        part.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The first line.
    fn line(&self) -> String {
        let written = if self.output.is_empty() { &self.errors } else { &self.output };
        String::from_utf8_lossy(written).lines().next().unwrap_or_default().to_owned()
    }
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
/// In bytes, of a line that is shown.
const LONGEST: usize = 4096;
