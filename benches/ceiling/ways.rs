//! The ways that bytes have.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    size,
    support::{Endpoint, Forward, NODE, Program, REGION, Sshd, command, file_digest},
    traffic::{at, download, echoes, serve, upload},
};

/// What was moved, and what that took.
pub struct Moved {
    pub bytes: u64,
    pub took: Duration,
    /// Processor time of the client.
    pub client: Duration,
}

/// A forward to a server that gives and takes.
pub struct Forwarded {
    forward: Forward,
}

impl Forwarded {
    pub fn start(endpoint: &Endpoint, options: &[&str]) -> Self {
        let spec = format!("0:{}", serve().port());
        let options = [&["--endpoint-url", &endpoint.url], options].concat();
        Self { forward: Forward::start(&[&spec], NODE, &options) }
    }

    /// By so many connections, each its part.
    pub fn download(&self, connections: usize, mib: usize) -> Moved {
        let bytes = (mib << 20) as u64;
        let (address, part) = (self.forward.address(), bytes / connections as u64);
        self.timed(part * connections as u64, || {
            let all = (0..connections).map(|_| thread::spawn(move || download(address, part)));
            let all: Vec<_> = all.collect();
            all.into_iter().for_each(|one| one.join().expect("a download"));
        })
    }

    pub fn upload(&self, mib: usize) -> Moved {
        let bytes = (mib << 20) as u64;
        self.timed(bytes, || upload(self.forward.address(), bytes))
    }

    /// Milliseconds.
    pub fn echo(&self) -> f64 {
        at(&echoes(self.forward.address(), ECHOES), 50).as_secs_f64() * 1e3
    }

    fn timed(&self, bytes: u64, work: impl FnOnce()) -> Moved {
        let (before, begin) = (self.forward.program.cpu_time(), Instant::now());
        work();
        let took = begin.elapsed();
        Moved { bytes, took, client: self.forward.program.cpu_time().saturating_sub(before) }
    }
}

/// A file or a folder, copied both ways.
pub struct Copies {
    folder: TempDir,
    original: PathBuf,
}

impl Copies {
    /// Of a file.
    pub fn new(mib: usize) -> Self {
        let folder = TempDir::new().expect("a directory");
        let original = folder.path().join("original");
        fill(&original, (mib << 20) as u64);
        Self { folder, original }
    }

    /// Of a folder with so many files, of 1 to 4 KiB, in folders of a hundred.
    pub fn of_many(files: usize) -> Self {
        let folder = TempDir::new().expect("a directory");
        let original = folder.path().join("original");
        for number in 0..files {
            let place = original.join((number / 100).to_string());
            fs::create_dir_all(&place).expect("a directory");
            fill(&place.join(number.to_string()), 1024 * (1 + number as u64 % 4));
        }
        Self { folder, original }
    }

    pub fn down(&self, endpoint: &Endpoint) -> Moved {
        self.copied("down", |to| {
            let from = format!("{NODE}:{}", self.original.display());
            cp(endpoint, &[from.as_ref(), to.as_os_str()])
        })
    }

    pub fn up(&self, endpoint: &Endpoint) -> Moved {
        self.copied("up", |to| {
            let to = format!("{NODE}:{}", to.display());
            cp(endpoint, &[self.original.as_os_str(), to.as_ref()])
        })
    }

    pub fn scp_down(&self, endpoint: &Endpoint) -> Moved {
        let sshd = Sshd::start();
        let from = format!("node:{}", self.original.display());
        self.copied("scp-down", |to| scp(&sshd, endpoint, &[from.as_ref(), to.as_os_str()]))
    }

    pub fn scp_up(&self, endpoint: &Endpoint) -> Moved {
        let sshd = Sshd::start();
        self.copied("scp-up", |to| {
            let to = format!("node:{}", to.display());
            scp(&sshd, endpoint, &[self.original.as_os_str(), to.as_ref()])
        })
    }

    fn copied(&self, name: &str, copy: impl FnOnce(&Path) -> Command) -> Moved {
        let to = self.folder.path().join(name);
        let copy = copy(&to);
        let (before, begin) = (of_children(), Instant::now());
        Program::run_within(Duration::from_secs(1200), copy).success();
        let (took, client) = (begin.elapsed(), of_children().saturating_sub(before));
        same(&self.original, &to);
        Moved { bytes: size(&to), took, client }
    }
}

fn cp(endpoint: &Endpoint, paths: &[&std::ffi::OsStr]) -> Command {
    let mut cp = command(env!("CARGO_BIN_EXE_ssmport"));
    cp.args(["cp", "--endpoint-url", &endpoint.url]).args(paths);
    with_keys(&mut cp);
    cp
}

fn scp(sshd: &Sshd, endpoint: &Endpoint, paths: &[&std::ffi::OsStr]) -> Command {
    let (program, port) = (env!("CARGO_BIN_EXE_ssmport"), sshd.port);
    let proxy = format!("{program} proxy {NODE} {port} --endpoint-url {}", endpoint.url);
    let mut scp = sshd.client("scp");
    scp.args(["-r", "-o", &format!("ProxyCommand={proxy}")]).args(paths);
    with_keys(&mut scp);
    scp
}

fn with_keys(command: &mut Command) {
    command.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    command.env("AWS_REGION", REGION);
}

/// Processor time of the children of this program that are over, theirs included.
fn of_children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // Behind the name: field 3 and so on; 16 and 17 are ticks.
    let ticks = fields.skip(13).take(2).filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

fn same(one: &Path, other: &Path) {
    match fs::read_dir(one) {
        Ok(entries) => entries.for_each(|entry| {
            let entry = entry.expect("an entry");
            same(&entry.path(), &other.join(entry.file_name()));
        }),
        Err(_) => assert_eq!(file_digest(one), file_digest(other), "{}", other.display()),
    }
}

fn fill(path: &Path, bytes: u64) {
    let mut file = File::create(path).expect("a file");
    let mut random = File::open("/dev/urandom").expect("randomness").take(bytes);
    io::copy(&mut random, &mut file).expect("room for a file");
}

const ECHOES: usize = 500;
