//! Programs that are too large to be there for each run: `scripts/test --platforms` installs them, and sets
//! SSMPORT_TEST_PLATFORMS.

mod linux;
mod windows;

use std::{env, fs, io::Write, process::Command, time::Duration};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    raw_client::await_active_sessions,
    support::{Endpoint, NODE, Nginx, Program, Signal, Socks, command, find_tool, without},
};

/// Whether they are to be tried; told past the tests' own silence, as nothing is tried without.
fn are_wanted() -> bool {
    let are_wanted = env::var_os(PLATFORMS).is_some_and(|value| value == "1");
    if !are_wanted {
        let mut stderr = std::io::stderr();
        let _ =
            writeln!(stderr, "{PLATFORMS} is not 1: neither a browser nor another system is tried");
    }
    are_wanted
}

/// Runs a demo, of which each step succeeds, and which has so many of them.
fn has_steps(count: usize, demo: Command) {
    let report = Program::run_within(SLOW, demo).success();
    let steps: Vec<Value> =
        report.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect();
    assert!(steps.iter().all(|step| step["state"] == "ok"), "{report}");
    assert_eq!(steps.len(), count, "{report}");
}

/// A page whose script fetches another one: through the node, both of them, by SOCKS and by HTTP.
#[test]
fn a_browser_shows_what_a_node_reaches() {
    if !are_wanted() || without("chromium") {
        return;
    }
    let (endpoint, nginx) = (Endpoint::start(), Nginx::start());
    fs::write(nginx.folder().join("index.html"), PAGE).expect("a page");
    fs::write(nginx.folder().join("words"), "fetched by the page").expect("a page");
    let socks = Socks::start(&endpoint, NODE, &[]);
    for scheme in ["socks5", "http"] {
        let profile = TempDir::new().expect("a folder");
        let mut browser = command(find_tool("chromium"));
        // Root has no sandbox, a container little shared memory.
        browser.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
        browser.args(["--no-first-run", "--disable-background-networking"]);
        browser.arg(format!("--user-data-dir={}", profile.path().display()));
        browser.arg(format!("--proxy-server={}", socks.url(scheme)));
        // Without that it goes to addresses of this machine by itself.
        browser.args(["--proxy-bypass-list=<-loopback>", "--virtual-time-budget=10000"]);
        browser.args(["--dump-dom", &format!("http://127.0.0.1:{}/index.html", nginx.port)]);
        let shown = Program::run(browser).success();
        assert!(shown.contains("<p>fetched by the page</p>"), "{scheme}: {shown}");
        // It was not by another way.
        socks.program.wait_for_stderr(|line| line.contains(&format!("localhost:{}", nginx.port)));
    }
    // What else a browser asks for by itself is nobody's business here.
    socks.program.signal(Signal::INT);
    assert_eq!(socks.program.finish().code(), 130);
    await_active_sessions(&endpoint, 0);
}

/// Not optimised, and each call of the system by way of another process, or each instruction.
const SLOW: Duration = Duration::from_secs(300);
const PLATFORMS: &str = "SSMPORT_TEST_PLATFORMS";
const PAGE: &str = r#"<!DOCTYPE html><title>page</title><p>not yet</p><script>
fetch("words").then(answer => answer.text()).then(text => {
    document.querySelector("p").textContent = text;
});
</script>"#;
