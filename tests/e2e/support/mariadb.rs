//! A MariaDB server with an empty database.

use std::{fs, path::Path};

use rustix::process::getuid;
use tempfile::TempDir;

use super::{
    program::{Program, command},
    tools::{ATTEMPTS, find_tool, free_port},
};

/// A running server with a database `shop`, to which `app` gets by TLS alone and without a password.
pub struct Mariadb {
    pub port: u16,
    _server: Program,
    _data: TempDir,
}

impl Mariadb {
    /// Serves on a free loopback port, with cert.pem and key.pem of `certificate`.
    pub fn start(certificate: &Path) -> Self {
        let data = TempDir::new().expect("a directory for the database");
        let folder =
            |option: &str, name: &str| format!("{option}={}/{name}", data.path().display());
        let user = getuid().is_root().then_some("--user=root");
        let mut install = command(find_tool("mariadb-install-db"));
        install.args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]);
        install.arg(folder("--datadir", "data")).args(user);
        Program::run(install).success();
        fs::write(data.path().join("beginning.sql"), BEGINNING).expect("a file");

        for _ in 0..ATTEMPTS {
            let port = free_port();
            let mut mariadbd = command(find_tool("mariadbd"));
            mariadbd.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve"]);
            mariadbd.args(user).arg(format!("--port={port}"));
            mariadbd.args([
                folder("--datadir", "data"),
                folder("--socket", "socket"),
                folder("--pid-file", "pid"),
                folder("--init-file", "beginning.sql"),
                format!("--ssl-cert={}", certificate.join("cert.pem").display()),
                format!("--ssl-key={}", certificate.join("key.pem").display()),
            ]);
            let server = Program::start(mariadbd);
            let said = server.wait_for_stderr(|line| {
                line.contains("ready for connections") || line.contains("Aborting")
            });
            if said.contains("ready for connections") {
                return Self { port, _server: server, _data: data };
            }
            if !server.stderr().contains("Bind on TCP/IP port") {
                server.fail("the server does not start");
            }
        }
        panic!("no port for MariaDB was free in {ATTEMPTS} attempts")
    }
}

const BEGINNING: &str = "CREATE DATABASE IF NOT EXISTS shop;
CREATE USER IF NOT EXISTS app@'127.0.0.1' REQUIRE SSL;
GRANT ALL ON shop.* TO app@'127.0.0.1';
";
