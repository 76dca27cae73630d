//! Hosts with networks of their own, on a cable between them: network namespaces, with the files of
//! the machine. Nothing of the machine's own network is touched.
//!
//! Root makes them as they are; anybody else in a user namespace, which the kernel must allow
//! (`sysctl kernel.unprivileged_userns_clone`, AppArmor).

use std::{ffi::OsStr, fs, path::Path, process::Command};

use rustix::process::getuid;
use tempfile::TempDir;

use super::{
    program::{Program, command, copy_environment},
    tools::find_tool,
};

/// A private network, and a host that has no way out but to the one it is cabled to.
///
/// ```text
///   lone host                            gateway
///   LONE, LONE_V6 ---- cable ---- GATEWAY, GATEWAY_V6
///   (no default route)                   INNER (no way there from the lone host)
/// ```
pub struct Network {
    pub lone: Host,
    pub gateway: Host,
}

/// A host, up to its guard's end.
pub struct Host {
    holder: Program,
    folder: TempDir,
}

impl Network {
    /// `lone_hosts` and `gateway_hosts` are what /etc/hosts says beside the address of localhost.
    pub fn start(lone_hosts: &str, gateway_hosts: &str) -> Self {
        let gateway = Host::start(command("unshare"), gateway_hosts);
        let lone = Host::start(gateway.command("unshare"), lone_hosts);
        let other = lone.holder.pid().as_raw_nonzero();
        gateway.run(&format!("ip link add cable type veth peer name cable netns {other}"));
        gateway.run(&format!("ip addr add {INNER}/32 dev lo"));
        for (host, v4, v6) in [(&gateway, GATEWAY, GATEWAY_V6), (&lone, LONE, LONE_V6)] {
            host.run(&format!("ip addr add {v4}/30 dev cable"));
            host.run(&format!("ip addr add {v6}/64 dev cable nodad"));
            host.run("ip link set cable up");
        }
        // What is sent there goes to a network card that does not exist.
        lone.run(&format!(
            "ip neigh add {BLACK_HOLE} lladdr 02:00:00:00:00:99 dev cable nud permanent"
        ));
        Self { lone, gateway }
    }
}

impl Host {
    /// `unshare` is the machine's, or that of the host whose user namespace this one shares; `hosts`
    /// is what /etc/hosts says beside the address of localhost.
    pub fn start(mut unshare: Command, hosts: &str) -> Self {
        find_tool("ip");
        let folder = TempDir::new().expect("a directory for the host's names");
        let names = folder.path().join("hosts");
        fs::write(&names, format!("127.0.0.1 localhost\n{hosts}")).expect("the host's names");
        // A user namespace inside of another one is not needed.
        let is_first = unshare.get_program() == "unshare";
        unshare.args((is_first && !getuid().is_root()).then_some("-Ur"));
        let script = "mount --bind \"$0\" /etc/hosts && ip link set lo up && echo up && \
                      exec sleep infinity";
        unshare.args(["-n", "-m", "sh", "-c", script]).arg(&names);
        let holder = Program::start(unshare);
        holder.wait_for_stdout(|line| line == "up");
        Self { holder, folder }
    }

    /// A program on this host.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut enter = command("nsenter");
        let pid = self.holder.pid().as_raw_nonzero().to_string();
        if !getuid().is_root() {
            enter.args(["-U", "--preserve-credentials"]);
        }
        enter.args(["-t", &pid, "-n", "-m"]).arg(program);
        enter
    }

    /// Runs a command, of words without spaces, to its end.
    pub fn run(&self, line: &str) -> String {
        let mut words = line.split(' ');
        let mut command = self.command(words.next().expect("a program"));
        command.args(words);
        Program::run(command).success()
    }

    /// A program as `original` would start it on the machine, on this host.
    pub fn command_like(&self, original: &Command) -> Command {
        let mut here = self.command(original.get_program());
        here.args(original.get_args());
        copy_environment(original, &mut here);
        here
    }

    /// Moves a network device of this host's to another host.
    pub fn give_device(&self, device: &str, to: &Self) {
        self.run(&format!("ip link set {device} netns {}", to.holder.pid().as_raw_nonzero()));
    }

    /// A folder that lasts as long as the host.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

pub const GATEWAY: &str = "10.77.0.1";
pub const LONE: &str = "10.77.0.2";
pub const GATEWAY_V6: &str = "2001:db8:77::1";
pub const LONE_V6: &str = "2001:db8:77::2";
/// An address of the gateway's on no network that the lone host knows.
pub const INNER: &str = "10.88.0.1";
/// An address of the cable's network that answers nothing.
pub const BLACK_HOLE: &str = "2001:db8:77::dead";
