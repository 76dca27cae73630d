//! OpenSSH through `ssmport forward`.

use std::{fs, path::PathBuf, process::Command};

use rand::Rng;
use tempfile::TempDir;

use crate::support::{Forward, Program, Sshd, file_digest};

#[test]
fn a_command_gives_its_output_and_its_exit_code() {
    let node = Node::start();
    let mut ssh = node.client("ssh");
    ssh.args(["127.0.0.1", "printf 'to stdout'; printf 'to stderr' >&2; exit 7"]);
    let ran = Program::run(ssh);
    assert_eq!(ran.code(), 7, "{ran:#?}");
    assert_eq!(ran.stdout, "to stdout");
    assert!(ran.stderr.ends_with("to stderr"), "{ran:#?}");
}

#[test]
fn scp_copies_a_large_file_there_and_back() {
    let node = Node::start();
    let files = Files::new();

    let mut there = node.client("scp");
    there.arg(files.original()).arg(format!("127.0.0.1:{}", files.there().display()));
    Program::run(there).success();
    assert_eq!(file_digest(&files.there()), file_digest(&files.original()));

    let mut back = node.client("scp");
    back.arg(format!("127.0.0.1:{}", files.there().display())).arg(files.back());
    Program::run(back).success();
    assert_eq!(file_digest(&files.back()), file_digest(&files.original()));
}

#[test]
fn sftp_copies_a_large_file_there_and_back() {
    let node = Node::start();
    let files = Files::new();
    let batch = files.folder.path().join("batch");
    let [original, there, back] =
        [files.original(), files.there(), files.back()].map(|path| path.display().to_string());
    fs::write(&batch, format!("put {original} {there}\nget {there} {back}\n")).expect("a file");

    let mut sftp = node.client("sftp");
    sftp.arg("-b").arg(&batch).arg("127.0.0.1");
    Program::run(sftp).success();
    assert_eq!(file_digest(&files.there()), file_digest(&files.original()));
    assert_eq!(file_digest(&files.back()), file_digest(&files.original()));
}

/// An SSH server, and the way to it.
struct Node {
    sshd: Sshd,
    forward: Forward,
}

impl Node {
    fn start() -> Self {
        let sshd = Sshd::start();
        let forward = Forward::start(&[&format!("0:{}", sshd.port)], "local", &[]);
        Self { sshd, forward }
    }

    fn client(&self, name: &str) -> Command {
        let mut client = self.sshd.client(name);
        client.args(["-o", &format!("Port={}", self.forward.port())]);
        client
    }
}

/// A file of random bytes, and names for its copies.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: TempDir::new().expect("a directory") };
        let mut content = vec![0; FILE_LEN];
        rand::rng().fill_bytes(&mut content);
        fs::write(files.original(), content).expect("room for a file");
        files
    }

    fn original(&self) -> PathBuf {
        self.folder.path().join("original")
    }

    fn there(&self) -> PathBuf {
        self.folder.path().join("there")
    }

    fn back(&self) -> PathBuf {
        self.folder.path().join("back")
    }
}

const FILE_LEN: usize = 64 << 20;
