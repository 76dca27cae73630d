//! A Redis server with nothing in it.

use std::{path::Path, process::Command};

use super::{
    program::{Program, command},
    tools::{ATTEMPTS, find_tool, free_port},
};

/// A running server.
pub struct Redis {
    pub port: u16,
    _server: Program,
}

impl Redis {
    /// Serves by TLS alone on a free loopback port, with cert.pem and key.pem of `certificate`.
    pub fn with_tls(certificate: &Path) -> Self {
        for _ in 0..ATTEMPTS {
            let port = free_port();
            let mut redis = command(find_tool("redis-server"));
            redis.args([
                "--port",
                "0",
                "--tls-port",
                &port.to_string(),
                "--tls-auth-clients",
                "no",
            ]);
            for (option, name) in [
                ("--tls-cert-file", "cert.pem"),
                ("--tls-key-file", "key.pem"),
                ("--tls-ca-cert-file", "ca.pem"),
            ] {
                redis.arg(option).arg(certificate.join(name));
            }
            if let Some(server) = serve(redis, "127.0.0.1") {
                return Self { port, _server: server };
            }
        }
        panic!("no port for Redis was free in {ATTEMPTS} attempts")
    }

    /// Serves on a host of its own, at `address`, without TLS.
    pub fn inside(host: &super::Host, address: &str, port: u16) -> Self {
        let mut redis = host.command(find_tool("redis-server"));
        redis.args(["--protected-mode", "no", "--port", &port.to_string()]);
        let server = serve(redis, address).expect("every port of the host is free");
        Self { port, _server: server }
    }
}

/// `None` when its port is taken.
fn serve(mut redis: Command, address: &str) -> Option<Program> {
    redis.args(["--bind", address, "--save", "", "--daemonize", "no"]).current_dir("/");
    let server = Program::start(redis);
    let said = server.wait_for_stdout(|line| {
        line.contains("eady to accept connections") || line.contains("Failed listening on port")
    });
    said.contains("eady to accept connections").then_some(server)
}
