//! A web server for a folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::getuid;
use tempfile::TempDir;

use super::{
    program::{Program, command},
    tools::{ATTEMPTS, find_tool, free_port},
};

/// A running nginx; what is put into [`Nginx::folder`] can be fetched.
pub struct Nginx {
    pub port: u16,
    _server: Program,
    prefix: TempDir,
}

impl Nginx {
    /// Serves a new folder on a free loopback port.
    pub fn start() -> Self {
        let prefix = TempDir::new().expect("a directory for nginx");
        fs::create_dir(folder(prefix.path())).expect("a directory to serve");
        let (port, server) = start_nginx(prefix.path(), settings);
        Self { port, _server: server, prefix }
    }

    /// What is served.
    pub fn folder(&self) -> PathBuf {
        folder(self.prefix.path())
    }
}

/// An nginx on a free loopback port, with what `settings` says for that port; its files are below
/// `prefix`.
pub fn start_nginx(prefix: &Path, settings: impl Fn(u16) -> String) -> (u16, Program) {
    for _ in 0..ATTEMPTS {
        let port = free_port();
        if let Some(server) = try_nginx(command(find_tool("nginx")), prefix, &settings(port)) {
            return (port, server);
        }
    }
    panic!("no port for nginx was free in {ATTEMPTS} attempts")
}

/// `nginx` with its files below `prefix`; `None` when its port is taken.
pub fn try_nginx(mut nginx: Command, prefix: &Path, settings: &str) -> Option<Program> {
    let configuration = prefix.join("nginx.conf");
    fs::write(&configuration, settings).expect("nginx's settings");
    nginx.arg("-p").arg(prefix).arg("-c").arg(&configuration);
    let server = Program::start(nginx);
    // It says so once it listens.
    let said = server
        .wait_for_stderr(|line| line.contains("start worker process ") || line.contains("[emerg]"));
    if said.contains("start worker process ") {
        return Some(server);
    }
    if !said.contains("Address already in use") {
        server.fail("the server does not start");
    }
    None
}

fn folder(prefix: &Path) -> PathBuf {
    prefix.join("folder")
}

/// Everything below the prefix; the server in the foreground, in one process more.
fn settings(port: u16) -> String {
    // As root the workers would become someone who cannot read the folder.
    let user = if getuid().is_root() { "user root;" } else { "" };
    format!(
        "{user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr notice;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port};
        root folder;
    }}
}}
"
    )
}
