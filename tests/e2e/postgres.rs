//! PostgreSQL through `ssmport forward`: the client people forward ports for most.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::support::{Finished, Forward, Postgres};

#[test]
fn queries_are_answered_and_twenty_clients_lose_no_transaction() {
    let postgres = Postgres::start();
    let forward = Forward::start(&[&format!("0:{}", postgres.port)], "local", &[]);

    let answer = Postgres::query(forward.port(), MUCH_TEXT);
    let (digest, text) = answer.trim_end().split_once('|').expect("two columns");
    assert_eq!(text.len(), 32 * 32_768);
    let expected: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, expected, "the server's digest of the text, and ours");
    bench(forward.port());
}

#[test]
fn two_specs_in_one_process_lead_to_two_servers() {
    let servers = [Postgres::start(), Postgres::start()];
    let specs = servers.each_ref().map(|server| format!("0:{}", server.port));
    let forward = Forward::start(&specs.each_ref().map(String::as_str), "local", &[]);

    for server in &servers {
        let answer = Postgres::query(forward.port_to(server.port), "SHOW port");
        assert_eq!(answer, format!("{}\n", server.port));
    }
}

/// Fills a database through `port` and runs transactions of twenty clients on it for ten seconds.
pub fn bench(port: u16) {
    let filled = Postgres::bench(port, &["--initialize", "--quiet"], BENCH_LIMIT);
    assert!(filled.status.success(), "{filled:#?}");

    let ran = Postgres::bench(port, &["-c", "20", "-j", "2", "-T", "10"], BENCH_LIMIT);
    assert!(ran.status.success(), "{ran:#?}");
    let done: u64 = figure(&ran, "number of transactions actually processed: ");
    assert!(done > 0, "{ran:#?}");
    let failed: u64 = figure(&ran, "number of failed transactions: ");
    assert_eq!(failed, 0, "{ran:#?}");
}

fn figure(ran: &Finished, name: &str) -> u64 {
    let line = ran.stdout.lines().find_map(|line| line.strip_prefix(name));
    let figure = line.and_then(|rest| rest.split(' ').next()?.parse().ok());
    figure.unwrap_or_else(|| panic!("no {name:?} in {ran:#?}"))
}

/// A megabyte of text, and its SHA-256 as the server sees it.
pub const MUCH_TEXT: &str = "
    SELECT encode(sha256(convert_to(text, 'UTF8')), 'hex'), text
    FROM (SELECT string_agg(md5(n::text), '') AS text FROM generate_series(1, 32768) AS n) AS t";
/// For a run of ten seconds on a machine that has other things to do, too.
const BENCH_LIMIT: Duration = Duration::from_secs(90);
