//! What people do with OpenSSH, through `ssmport proxy` and through the drop-in: commands, files,
//! trees of files, forwarded ports.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use rand::Rng;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{
    bulk::bulk_mib,
    raw_client::await_active_sessions,
    support::{
        AwsCli, Endpoint, NODE, Nginx, Program, Sshd, command, file_digest, find_tool, free_port,
    },
    targets::{TcpTarget, echoes},
};

#[test]
fn a_command_has_its_streams_and_its_exit_code_each_way() {
    let node = Node::start();
    let script = "printf out; printf err >&2; head -c 3000000 /dev/zero | wc -c; exit 7";
    for way in [Way::Proxy, Way::Ssmport, Way::Config, Way::DropIn] {
        let mut ssh = node.ssh(way, &[]);
        ssh.arg(script);
        let ran = Program::run(ssh);
        assert_eq!((ran.code(), &*ran.stdout), (7, "out3000000\n"), "{way:?}: {ran:#?}");
        assert_eq!(ran.stderr, "err", "{way:?}");
    }
    await_active_sessions(&node.endpoint, 0);
}

#[test]
fn a_port_without_a_server_fails_as_ssh_fails() {
    let mut node = Node::start();
    node.port = crate::targets::closed_port();
    for way in [Way::Proxy, Way::DropIn] {
        let ran = Program::run(node.ssh(way, &[]));
        assert_eq!((ran.code(), &*ran.stdout), (255, ""), "{way:?}: {ran:#?}");
    }
    await_active_sessions(&node.endpoint, 0);
}

#[test]
fn scp_and_sftp_copy_there_and_back() {
    let node = Node::start();
    let files = Files::of(8);
    for way in [Way::Proxy, Way::DropIn] {
        let (there, back) = (files.name("there"), files.name("back"));
        let mut scp = node.tool("scp", way);
        scp.arg(files.original()).arg(remote(&there));
        Program::run(scp).success();
        let mut scp = node.tool("scp", way);
        scp.arg(remote(&there)).arg(&back);
        Program::run(scp).success();
        files.same(&[&there, &back]);

        let batch = files.name("batch");
        let names = [files.original(), there.clone(), back.clone()];
        let [original, there_name, back_name] = names.map(|path| path.display().to_string());
        let commands = format!("put {original} {there_name}\nget {there_name} {back_name}\n");
        fs::write(&batch, commands).expect("a file");
        for copy in [&there, &back] {
            fs::remove_file(copy).expect("the copy");
        }
        let mut sftp = node.tool("sftp", way);
        sftp.arg("-b").arg(&batch).arg(NODE);
        Program::run(sftp).success();
        files.same(&[&there, &back]);
        for copy in [&there, &back] {
            fs::remove_file(copy).expect("the copy");
        }
    }
    await_active_sessions(&node.endpoint, 0);
}

#[test]
fn bulk_arrives_as_it_was_by_rsync_and_by_scp() {
    let node = Node::start();
    let files = Files::of(bulk_mib());
    let (there, back) = (files.name("there"), files.name("back"));
    let mut rsync = node.rsync(Way::Proxy, &["--whole-file"]);
    rsync.arg(files.original()).arg(remote(&there));
    Program::run_within(BULK_DEADLINE, rsync).success();
    let mut scp = node.tool("scp", Way::DropIn);
    scp.arg(remote(&there)).arg(&back);
    Program::run_within(BULK_DEADLINE, scp).success();
    files.same(&[&there, &back]);
}

#[test]
fn a_tree_of_small_files_arrives_as_it_was() {
    let node = Node::start();
    let folder = TempDir::new().expect("a directory");
    let [original, there, back] = ["original", "there", "back"].map(|n| folder.path().join(n));
    for number in 0..SMALL_FILES {
        let below = original.join((number % FOLDERS).to_string());
        fs::create_dir_all(&below).expect("a directory");
        fs::write(below.join(format!("file {number}")), vec![b'x'; number]).expect("a file");
    }
    let mut rsync = node.rsync(Way::DropIn, &["--archive"]);
    rsync.arg(format!("{}/", original.display())).arg(remote(&there));
    Program::run(rsync).success();
    same_trees(&original, &there);

    // scp waits for the node several times a file: a part of the tree will do, unless asked for all.
    let by_scp = match std::env::var("SSMPORT_TEST_ALL_BY_SCP") {
        Ok(_) => FOLDERS,
        Err(_) => FOLDERS_BY_SCP,
    };
    fs::create_dir(&back).expect("a directory");
    let mut scp = node.tool("scp", Way::Proxy);
    scp.args(["-q", "-r"]).args((0..by_scp).map(|n| remote(&there.join(n.to_string()))));
    scp.arg(&back);
    Program::run_within(BULK_DEADLINE, scp).success();
    for folder in 0..by_scp {
        let name = folder.to_string();
        same_trees(&original.join(&name), &back.join(&name));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_are_forwarded_both_ways_through_ssh() {
    let (node, server) = (Node::start(), TcpTarget::echo().await);
    let nginx = Nginx::start();
    fs::write(nginx.folder().join("page"), "through SOCKS\n").expect("a page");
    for way in [Way::Proxy, Way::DropIn] {
        let [local, socks] = [free_port(), free_port()];
        let forwards = [
            format!("-L127.0.0.1:{local}:127.0.0.1:{}", server.port),
            format!("-R127.0.0.1:0:127.0.0.1:{}", server.port),
            format!("-D127.0.0.1:{socks}"),
        ];
        let mut ssh = node.ssh(way, &["-o", "ExitOnForwardFailure=yes"]);
        let gate = node.folder.path().join(format!("gate-{way:?}"));
        // Said when all of the forwards are there; they are asked for first.
        ssh.args(forwards).arg(format!("mkfifo {0} && echo ready && cat {0}", gate.display()));
        let ssh = Program::start(ssh);
        ssh.wait_for_stdout(|line| line == "ready");
        let allocated = ssh.wait_for_stderr(|line| line.starts_with("Allocated port "));
        let remote = allocated.split(' ').nth(2).and_then(|port| port.parse().ok());

        let remote: u16 = remote.expect("a port");
        for port in [local, remote] {
            let mut socket = TcpStream::connect(("127.0.0.1", port)).await.expect("it is open");
            echoes(&mut socket, b"through ssh").await;
        }
        let mut curl = command(find_tool("curl"));
        curl.args(["-sS", "--socks5-hostname", &format!("127.0.0.1:{socks}")]);
        curl.arg(format!("http://127.0.0.1:{}/page", nginx.port));
        assert_eq!(Program::run(curl).success(), "through SOCKS\n");
        fs::write(gate, "and over\n").expect("somebody who reads");
        assert_eq!(ssh.finish().success(), "ready\nand over\n");
    }
    await_active_sessions(&node.endpoint, 0);
}

/// How ssh reaches the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// `ssmport proxy` as the ProxyCommand.
    Proxy,
    /// `ssmport ssh`.
    Ssmport,
    /// The block of `ssmport ssh-config`, by an alias, with a program in an odd place.
    Config,
    /// The AWS CLI as the ProxyCommand, with the drop-in.
    DropIn,
}

/// A node with an SSH server.
struct Node {
    sshd: Sshd,
    port: u16,
    endpoint: Endpoint,
    aws: AwsCli,
    folder: TempDir,
    config: OnceLock<PathBuf>,
}

impl Node {
    fn start() -> Self {
        let (sshd, endpoint) = (Sshd::start(), Endpoint::start());
        let (aws, folder) = (AwsCli::new(&endpoint), TempDir::new().expect("a directory"));
        Self { port: sshd.port, sshd, endpoint, aws, folder, config: OnceLock::new() }
    }

    /// `ssh` to the node, but for the command.
    fn ssh(&self, way: Way, options: &[&str]) -> Command {
        let host = match way {
            Way::Proxy | Way::Ssmport => "local",
            Way::Config => "web",
            Way::DropIn => NODE,
        };
        let mut ssh = self.tool("ssh", way);
        ssh.args(options).arg(host);
        ssh
    }

    /// `ssh`, `scp` or `sftp`, but for what is to be done.
    fn tool(&self, name: &str, way: Way) -> Command {
        let client = self.sshd.client(name);
        let mut tool = match way {
            Way::Ssmport => {
                let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
                ssmport.arg("ssh").args(client.get_args());
                ssmport
            }
            Way::Config => {
                let mut ssh = command(client.get_program());
                // In the place of `-F none`.
                ssh.arg("-F").arg(self.config()).args(client.get_args().skip(2));
                ssh
            }
            Way::Proxy => {
                let mut tool = client;
                let ssmport = env!("CARGO_BIN_EXE_ssmport");
                tool.arg("-o").arg(format!("ProxyCommand={ssmport} proxy local %p"));
                tool
            }
            Way::DropIn => self.aws.for_ssh(client),
        };
        tool.arg("-o").arg(format!("Port={}", self.port));
        tool
    }

    fn rsync(&self, way: Way, options: &[&str]) -> Command {
        let ssh = self.tool("ssh", way);
        let mut rsync = command(find_tool("rsync"));
        for (name, value) in ssh.get_envs() {
            match value {
                Some(value) => rsync.env(name, value),
                None => rsync.env_remove(name),
            };
        }
        let words = [ssh.get_program()].into_iter().chain(ssh.get_args());
        let words: Vec<String> =
            words.map(|word| format!("'{}'", word.to_str().expect("Unicode"))).collect();
        rsync.arg("--rsh").arg(words.join(" ")).args(options);
        rsync
    }

    fn config(&self) -> &Path {
        self.config.get_or_init(|| {
            let program =
                crate::ssh_config::program_at(&self.folder.path().join("it's 100% (odd)!"));
            let path = self.folder.path().join("config");
            fs::write(&path, "Host *\n    ProxyCommand false\n").expect("a file");
            let alias = ["--alias", "web=local"];
            crate::ssh_config::install(program, &path, &alias).success();
            path
        })
    }
}

/// A file of random bytes, and places for its copies.
struct Files {
    folder: TempDir,
}

impl Files {
    fn of(mib: u64) -> Self {
        let files = Self { folder: TempDir::new().expect("a directory") };
        let mut file = fs::File::create(files.original()).expect("a file");
        let mut block = vec![0; 1 << 20];
        for _ in 0..mib {
            rand::rng().fill_bytes(&mut block);
            file.write_all(&block).expect("room for a file");
        }
        files
    }

    fn name(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn original(&self) -> PathBuf {
        self.name("original")
    }

    fn same(&self, copies: &[&Path]) {
        for copy in copies {
            assert!(
                file_digest(copy) == file_digest(&self.original()),
                "{} differs",
                copy.display()
            );
        }
    }
}

fn same_trees(original: &Path, copy: &Path) {
    let mut diff = command(find_tool("diff"));
    diff.arg("--recursive").arg(original).arg(copy);
    assert_eq!(Program::run(diff).success(), "");
}

fn remote(path: &Path) -> String {
    format!("{NODE}:{}", path.display())
}

const SMALL_FILES: usize = 5000;
const FOLDERS: usize = 50;
const FOLDERS_BY_SCP: usize = 5;
const BULK_DEADLINE: Duration = Duration::from_secs(120);
