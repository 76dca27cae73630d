//! What comes from a node that is as slow as a real one, by each way that there is: a forward, several sessions,
//! turbo, cp, and scp through a session.
//!
//! `cargo bench --bench ceiling [-- MIB [FILES]]` prints a table in Markdown; nothing is asserted but the bytes.
//! Everything runs on this machine's loopback and shares its cores.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod ways;

use std::{env, fs, path::Path, time::Duration};

use support::Endpoint;
use ways::{Copies, Forwarded, Moved};

#[allow(dead_code, unused_imports, reason = "shared with the end-to-end tests")]
#[path = "../../tests/e2e/support/mod.rs"]
mod support;
#[path = "../traffic/mod.rs"]
mod traffic;

fn main() {
    let numbers = env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let numbers: Vec<usize> = numbers.collect();
    let mib = numbers.first().copied().unwrap_or(64);
    let files = numbers.get(1).copied().unwrap_or(5000);
    let endpoint = Endpoint::with(&["--pace", "real"]);

    // What is paced would take minutes for all of it.
    let slow = mib.div_ceil(8);
    println!(
        "`ssmport local --pace real`; {mib} MiB, {slow} by the ways that are slow; {files} files\n"
    );
    println!(
        "| {:<31} | MB/s | times plain | client, CPU s / 100 MB | endpoint, CPU s / 100 MB |",
        ""
    );
    println!(
        "|{:-<33}|-----:|------------:|-----------------------:|-------------------------:|",
        ""
    );
    let mut table = Table { endpoint: &endpoint, plain: None };
    let plain = Forwarded::start(&endpoint, &["--lanes", "1"]);
    table.row("forward, one connection", || plain.download(1, slow));
    table.row("forward, eight connections", || plain.download(8, slow));
    let lanes = Forwarded::start(&endpoint, &["--lanes", "8"]);
    table.row("forward --lanes 8, eight", || lanes.download(8, mib));
    let turbo = Forwarded::start(&endpoint, &["--turbo"]);
    table.row("forward --turbo, one", || turbo.download(1, mib));
    table.row("forward --turbo, eight", || turbo.download(8, mib));

    let copies = Copies::new(mib);
    table.row("cp, one file down", || copies.down(&endpoint));
    let many = Copies::of_many(files);
    table.row(&format!("cp, {files} files down"), || many.down(&endpoint));
    let few = Copies::new(slow);
    table.row("scp by proxy, one file down", || few.scp_down(&endpoint));

    table.plain = None;
    table.row("forward, upload", || plain.upload(mib));
    table.row("forward --turbo, upload", || turbo.upload(mib));
    table.row("cp, one file up", || copies.up(&endpoint));
    table.row(&format!("cp, {files} files up"), || many.up(&endpoint));
    table.row("scp by proxy, one file up", || copies.scp_up(&endpoint));

    let [one, other] = [&plain, &turbo].map(Forwarded::echo);
    println!(
        "\nAn echo of one byte, half of them: {one:.2} ms by forward, {other:.2} ms with --turbo."
    );
    println!("Uploads are beside the upload of a plain forward; a real agent paces none of them.");
}

/// Rows beside the first of them.
struct Table<'a> {
    endpoint: &'a Endpoint,
    plain: Option<f64>,
}

impl Table<'_> {
    fn row(&mut self, name: &str, way: impl FnOnce() -> Moved) {
        let before = self.endpoint.program.cpu_time();
        let Moved { bytes, took, client } = way();
        let endpoint = self.endpoint.program.cpu_time().saturating_sub(before);
        let rate = bytes as f64 / 1e6 / took.as_secs_f64();
        let plain = *self.plain.get_or_insert(rate);
        let per = |cpu: Duration| cpu.as_secs_f64() / (bytes as f64 / 1e8);
        println!(
            "| {name:<31} | {rate:>4.1} | {:>11.1} | {:>22.1} | {:>24.1} |",
            rate / plain,
            per(client),
            per(endpoint),
        );
    }
}

/// Bytes of all files below a folder, or of the file.
fn size(path: &Path) -> u64 {
    match fs::read_dir(path) {
        Ok(entries) => entries.map(|entry| size(&entry.expect("an entry").path())).sum(),
        Err(_) => fs::metadata(path).expect("a file").len(),
    }
}
