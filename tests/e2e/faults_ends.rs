//! Sessions that a faulty service leaves no way back to, and a service that says that it is away.

use serde_json::json;

#[cfg(feature = "aws")]
use super::support::Reserved;
use super::support::{Endpoint, NODE, Plugin, Program, Signal, await_that, faulty};

/// Without credentials there is no ResumeSession: the drop-in says so, and ends.
#[cfg(not(feature = "aws"))]
#[test]
fn a_session_without_a_way_back_ends_with_its_connection() {
    let endpoint = Endpoint::with(&["--faults", "cut=1s,seed=1"]);
    let plugin = Plugin::attach(&endpoint, 9);
    let ended = plugin.program.finish();
    // As the reference ends: in words, and with 0.
    assert_eq!(ended.code(), 0, "{ended:#?}");
    let last = ended.stdout.trim_end().lines().next_back().unwrap_or_default();
    assert!(last.starts_with("Cannot perform start session: "), "{ended:#?}");
    assert!(last.contains("could not be resumed: there are no credentials"), "{ended:#?}");
}

/// A service that comes back without its sessions, as another process at the same address.
#[cfg(feature = "aws")]
#[test]
fn a_session_that_is_over_when_it_is_resumed_ends() {
    let reserved = Reserved::port();
    let endpoint = Endpoint::at(reserved.address(), &[]);
    let plugin = Plugin::attach(&endpoint, 9);
    endpoint.program.stop(Signal::INT);
    let _endpoint = Endpoint::at(reserved.address(), &[]);

    let ended = plugin.program.finish();
    let words = format!("Session: {} timed out.\n", plugin.session_id);
    assert!(ended.stdout.ends_with(&words), "{ended:#?}");
}

#[test]
fn a_service_that_is_away_says_so() {
    let endpoint = Endpoint::with(&["--faults", "restart=300ms/250ms,seed=3"]);
    let request = json!({ "Target": NODE });
    let is_away = || endpoint.call("GetConnectionStatus", &request).0 == 503;
    await_that("it goes away", is_away);
    await_that("it comes back", || !is_away());
    await_that("it goes away again", is_away);
    let (status, answer) = endpoint.call("GetConnectionStatus", &request);
    if status == 503 {
        assert_eq!(answer["__type"], "ServiceUnavailable", "{answer}");
    }
}

#[test]
fn the_seed_is_told() {
    let endpoint = Endpoint::with(&["--faults", "drop=1%,seed=77"]);
    endpoint.program.wait_for_stderr(|line| line.ends_with("seed=77"));
    assert!(endpoint.program.stdout().contains(r#""faults_seed":77"#));
    endpoint.program.stop(Signal::INT);
}

#[test]
fn a_list_that_is_wrong_is_refused() {
    let mut exec = faulty("drop=1%,lose=1%");
    exec.args(["exec", "local", "--", "true"]);
    let ended = Program::run(exec);
    assert_eq!(ended.code(), 2, "{ended:#?}");
    assert!(ended.stderr.contains("lose=1%") && ended.stderr.contains("reorder"), "{ended:#?}");
}
