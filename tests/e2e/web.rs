//! A web server through `ssmport forward`, with as many connections as a browser's tabs make.

use std::{collections::BTreeSet, fs};

use rand::Rng;
use tempfile::TempDir;

use crate::support::{Forward, Nginx, Program, command, file_digest, find_tool};

#[test]
fn fifty_parallel_downloads_bring_the_bodies_they_asked_for() {
    let nginx = Nginx::start();
    for number in 0..DOWNLOADS {
        let mut body = vec![0; BODY_LEN + number];
        rand::rng().fill_bytes(&mut body);
        fs::write(nginx.folder().join(name(number)), body).expect("a file to serve");
    }
    let forward = Forward::start(&[&format!("0:{}", nginx.port)], "local", &[]);
    let downloads = TempDir::new().expect("a directory for the downloads");

    let mut curl = command(find_tool("curl"));
    curl.args(["--silent", "--show-error", "--fail", "--parallel", "--parallel-immediate"]);
    curl.args(["--parallel-max", "50", "--write-out", "%{local_port}\n"]);
    for number in 0..DOWNLOADS {
        curl.arg("--output").arg(downloads.path().join(name(number)));
        curl.arg(format!("http://127.0.0.1:{}/{}", forward.port(), name(number)));
    }
    let connections = Program::run(curl).success();

    let connections: BTreeSet<&str> = connections.lines().collect();
    assert_eq!(connections.len(), DOWNLOADS, "connections: {connections:?}");
    for number in 0..DOWNLOADS {
        let sent = file_digest(&nginx.folder().join(name(number)));
        assert_eq!(file_digest(&downloads.path().join(name(number))), sent, "{}", name(number));
    }
}

fn name(number: usize) -> String {
    format!("body-{number}")
}

const DOWNLOADS: usize = 50;
/// Bytes, and as many more as the number of the download: no two have one length.
const BODY_LEN: usize = 1 << 20;
