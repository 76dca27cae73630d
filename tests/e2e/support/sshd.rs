//! An OpenSSH server that lets its own user in, with a key made for it.

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

/// A running server with throwaway keys.
pub struct Sshd {
    pub port: u16,
    folder: TempDir,
    _server: Program,
}

impl Sshd {
    /// Starts a server on a free loopback port.
    pub fn start() -> Self {
        let folder = keys();
        for _ in 0..ATTEMPTS {
            let port = free_port();
            let sshd = command(find_tool("sshd"));
            if let Some(server) = serve(sshd, &folder, &format!("127.0.0.1:{port}")) {
                return Self { port, folder, _server: server };
            }
        }
        panic!("no port for sshd was free in {ATTEMPTS} attempts")
    }

    /// Starts a server on a host of its own, at `address`. The host must be root's.
    #[cfg(feature = "aws")]
    pub fn inside(host: &super::Host, address: &str, port: u16) -> Self {
        let folder = keys();
        let sshd = host.command(find_tool("sshd"));
        let server = serve(sshd, &folder, &format!("{address}:{port}"));
        Self { port, folder, _server: server.expect("every port of the host is free") }
    }

    /// `ssh`, `scp` or `sftp` with all that it needs to get in, but host and port.
    pub fn client(&self, name: &str) -> Command {
        let mut client = command(find_tool(name));
        client.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]);
        client.args(["-o", "HostKeyAlias=node", "-o", "IdentitiesOnly=yes"]);
        let known_hosts = self.folder.path().join("known_hosts");
        let key = fs::read_to_string(self.folder.path().join(HOST_KEY).with_extension("pub"));
        fs::write(&known_hosts, format!("node {}", key.expect("the host's key"))).expect("a file");
        client.arg("-o").arg(format!("UserKnownHostsFile={}", known_hosts.display()));
        client.arg("-i").arg(self.user_key());
        client
    }

    /// A folder of keys that the server takes too, each in a file with its user's name.
    #[cfg(feature = "aws")]
    pub fn pushed_keys(&self) -> PathBuf {
        let folder = self.folder.path().join(PUSHED);
        fs::create_dir_all(&folder).expect("a directory for keys");
        folder
    }

    /// The file with the key of its user.
    pub fn user_key(&self) -> PathBuf {
        self.folder.path().join(USER_KEY)
    }
}

/// A folder with the keys of a server and of its user.
fn keys() -> TempDir {
    let folder = TempDir::new().expect("a directory for the server");
    for key in [HOST_KEY, USER_KEY] {
        let mut keygen = command(find_tool("ssh-keygen"));
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.path().join(key));
        Program::run(keygen).success();
    }
    folder
}

/// `sshd` with the keys of `folder`; `None` when its address is taken.
fn serve(mut sshd: Command, folder: &TempDir, address: &str) -> Option<Program> {
    if getuid().is_root() {
        // Where the server, when it is root's, locks its unprivileged half up; Debian's
        // service creates it, and we do not run the service.
        fs::create_dir_all("/run/sshd").expect("root may create /run/sshd");
    }
    let configuration = folder.path().join("sshd_config");
    fs::write(&configuration, settings(address, folder.path())).expect("the settings");
    sshd.args(["-D", "-e", "-f"]).arg(&configuration);
    let server = Program::start(sshd);
    let said = server.wait_for_stderr(|line| {
        line.starts_with("Server listening on") || line.contains("Cannot bind")
    });
    said.starts_with("Server listening on").then_some(server)
}

fn settings(address: &str, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "ListenAddress {address}
HostKey {folder}/{HOST_KEY}
AuthorizedKeysFile {folder}/{USER_KEY}.pub {folder}/{PUSHED}/%u
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
"
    )
}

const HOST_KEY: &str = "host_key";
const USER_KEY: &str = "user_key";
const PUSHED: &str = "pushed";
