//! The session of a killed client at the service.

use std::fs;

use rustix::process::Signal;
use tempfile::TempDir;

use super::victim::ssmport;
use crate::support::{Endpoint, NODE, Program, await_that};

/// Whatever told the client where its account is tells it to whoever ends the session: options, the
/// environment, and a file that is named from the working directory.
#[test]
fn the_session_of_a_killed_client_ends() {
    let endpoint = Endpoint::start();
    let folder = TempDir::new().unwrap();
    let keys = "[one two]\naws_access_key_id = test\naws_secret_access_key = test\n";
    fs::write(folder.path().join("keys"), keys).unwrap();
    let forward = (&["forward", "--json", "0:9", "-t", NODE][..], "\"ready\"");
    let command = (&["exec", NODE, "--", "sh", "-c", "echo runs; sleep 5000"][..], "runs");
    for (words, stands) in [forward, command] {
        let options = ["--profile", "one two", "--region", "eu-west-1"];
        let mut client = ssmport(&["--ssm-endpoint", &endpoint.url]);
        client.args(options).args(words).current_dir(folder.path());
        client.env("AWS_SHARED_CREDENTIALS_FILE", "keys");
        let client = Program::start(client);
        client.wait_for_stdout(|line| line.contains(stands));
        assert_eq!(endpoint.active_sessions().len(), 1);
        client.signal(Signal::KILL);
        client.finish();
        await_that("its end", || endpoint.active_sessions().is_empty());
    }
}
