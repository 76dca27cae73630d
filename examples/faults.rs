//! Tests a program of one's own against Session Manager at its worst, in this process and without AWS: what
//! a server sends has to arrive whole through a port whose connections break, whose messages are lost,
//! repeated and late. Each seed is another course of events, and the same one again when it is repeated.
//!
//! ```sh
//! cargo run --example faults -- sh -c 'curl -sS http://127.0.0.1:$PORT/'
//! FAULTS=cut=300ms,drop=2% SEEDS=10 cargo run --example faults -- ./my-client.sh
//! ```
//!
//! The program finds the port in `PORT`, and writes what it has received to its standard output. In a test
//! of one's own, `passes` is what stands in the `#[test]`.

use std::{env, error::Error, process::ExitCode, process::Stdio};

use sha2::{Digest, Sha256};
use ssmport::{
    Client,
    local::{Endpoint, EndpointConfig, Faults},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    process::Command,
};

#[tokio::main]
async fn main() -> ExitCode {
    let command: Vec<_> = env::args().skip(1).collect();
    if command.is_empty() {
        eprintln!("usage: faults PROGRAM [ARGUMENT]...");
        return ExitCode::from(2);
    }
    let faults = env::var("FAULTS").unwrap_or_else(|_| "cut=1s,drop=1%,dup=1%,reorder=1%".into());
    let seeds = env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3);
    let mut is_well = true;
    for seed in 1..=seeds {
        let faults = format!("{faults},seed={seed}");
        let verdict = match passes(&command, &faults).await {
            Ok(true) => "whole".to_owned(),
            Ok(false) => "NOT WHOLE".to_owned(),
            Err(error) => format!("FAILED: {error}"),
        };
        is_well &= verdict == "whole";
        println!("{faults}\t{verdict}");
    }
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether what `command` writes is what the server has sent.
async fn passes(command: &[String], faults: &str) -> Result<bool, Box<dyn Error>> {
    let config = EndpointConfig { faults: Faults::parse(faults)?, ..EndpointConfig::default() };
    let endpoint = Endpoint::in_process(config).await?;
    let node = Client::local(endpoint)?.node("local").await?;

    let server = TcpListener::bind("127.0.0.1:0").await?;
    let tunnel = node.forward(&format!("0:{}", server.local_addr()?.port())).start().await?;
    let port = tunnel.local_addr().ok_or("the tunnel has no port")?.port();
    let sent: Vec<u8> = (0..LEN).map(|at| (at * 31 + at / 251) as u8).collect();

    let program = Command::new(&command[0])
        .args(&command[1..])
        .env("PORT", port.to_string())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?
        .wait_with_output();
    // The server goes on as long as the program does.
    let finished = tokio::select! {
        finished = program => finished?,
        failed = serve(&server, &sent) => return Err(failed),
    };
    tunnel.end().await?;
    if !finished.status.success() {
        return Err(format!("the program: {}", finished.status).into());
    }
    Ok(Sha256::digest(&finished.stdout) == Sha256::digest(&sent))
}

/// Answers HTTP requests, one after the other; returns when it cannot.
async fn serve(server: &TcpListener, body: &[u8]) -> Box<dyn Error> {
    loop {
        let answering = async {
            let (mut socket, _) = server.accept().await?;
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await?;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            socket.write_all(head.as_bytes()).await?;
            socket.write_all(body).await?;
            socket.shutdown().await
        };
        if let Err(error) = answering.await {
            return error.into();
        }
    }
}

const LEN: usize = 8 << 20;
