//! A PostgreSQL server with an empty database.

use std::{
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::Command,
    time::Duration,
};

use rustix::process::{Signal, getuid};
use tempfile::TempDir;

use super::{
    program::{Finished, Program, command},
    tools::{ATTEMPTS, find_postgres_tool, find_tool, free_port},
};

/// A running server; its superuser is `postgres`, and nobody needs a password.
pub struct Postgres {
    pub port: u16,
    server: Option<Program>,
    #[cfg_attr(not(feature = "aws"), allow(dead_code, reason = "it lasts as long as the server"))]
    data: TempDir,
}

impl Postgres {
    /// Creates a database cluster and serves it on a free loopback port.
    pub fn start() -> Self {
        let account = Account::for_server();
        let data = TempDir::new().expect("a directory for the database");
        account.give(data.path());
        let cluster = data.path().join("cluster");

        let mut initdb = account.command("initdb");
        initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync", "-D"]);
        Program::run(with(initdb, &cluster)).success();

        for _ in 0..ATTEMPTS {
            let port = free_port();
            let mut postgres = account.command("postgres");
            for setting in SETTINGS {
                postgres.args(["-c", setting]);
            }
            postgres.args(["-p", &port.to_string(), "-D"]);
            let server = Program::start(with(postgres, &cluster));
            let said = server.wait_for_stderr(|line| {
                line.contains("ready to accept connections") || line.contains("FATAL")
            });
            if said.contains("ready to accept connections") {
                return Self { port, server: Some(server), data };
            }
            if !server.stderr().contains("could not bind") {
                server.fail("the server does not start");
            }
        }
        panic!("no port for PostgreSQL was free in {ATTEMPTS} attempts")
    }

    /// Takes TLS too from here on, with cert.pem and key.pem of `certificate`.
    #[cfg(feature = "aws")]
    pub fn take_tls(&self, certificate: &Path) {
        use std::{fs, os::unix::fs::PermissionsExt};

        use super::program::await_that;
        for (setting, name) in [("ssl_cert_file", "cert.pem"), ("ssl_key_file", "key.pem")] {
            let copy = self.data.path().join(name);
            fs::copy(certificate.join(name), &copy).expect("a copy for the server");
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).expect("its mode");
            Account::for_server().give(&copy);
            let sql = format!("ALTER SYSTEM SET {setting} = '{}'", copy.display());
            Self::query(self.port, &sql);
        }
        Self::query(self.port, "ALTER SYSTEM SET ssl = on");
        Self::query(self.port, "SELECT pg_reload_conf()");
        await_that("TLS", || Self::query(self.port, "SHOW ssl") == "on\n");
    }

    /// The answer to a query through `port`, one row a line.
    pub fn query(port: u16, sql: &str) -> String {
        let mut psql = client("psql", port);
        psql.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, DATABASE]);
        Program::run(psql).success()
    }

    /// `pgbench` through `port`, which must end within `limit`.
    pub fn bench(port: u16, arguments: &[&str], limit: Duration) -> Finished {
        let mut pgbench = client("pgbench", port);
        pgbench.args(arguments).arg(DATABASE);
        Program::run_within(limit, pgbench)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its children have sessions of their own, and shared memory; only the server itself
        // puts an end to them all.
        if let Some(server) = self.server.take() {
            server.stop(Signal::QUIT);
        }
    }
}

/// Who runs the server: PostgreSQL refuses root.
struct Account(Option<(u32, u32)>);

impl Account {
    fn for_server() -> Self {
        if !getuid().is_root() {
            return Self(None);
        }
        let id = |option| {
            let mut id = command(find_tool("id"));
            id.args([option, "postgres"]);
            let number = Program::run(id).success();
            number.trim().parse().expect("a number")
        };
        Self(Some((id("-u"), id("-g"))))
    }

    fn give(&self, path: &Path) {
        if let Some((user, group)) = self.0 {
            chown(path, Some(user), Some(group)).expect("root may give a directory away");
        }
    }

    fn command(&self, name: &str) -> Command {
        let mut command = command(find_postgres_tool(name));
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        command
    }
}

/// With the cluster as last argument, and in a working directory that the server may read.
fn with(mut command: Command, cluster: &Path) -> Command {
    command.arg(cluster).current_dir("/");
    command
}

fn client(name: &str, port: u16) -> Command {
    let mut client = command(find_postgres_tool(name));
    client.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &port.to_string()]);
    client
}

const DATABASE: &str = "postgres";
const SETTINGS: [&str; 6] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=100",
    "fsync=off",
    "synchronous_commit=off",
    "logging_collector=off",
];
