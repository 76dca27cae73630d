//! What a process leaves behind, and how it is found: by a mark that it hands down, by its port, by its
//! path and by its folder for temporary files.

use std::{
    any::Any,
    collections::BTreeSet,
    fs, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, kill_process};

use super::{
    Kind, PATIENCE,
    victim::{Scene, Victim, runtime, sleeping},
};
use crate::support::{Signal, free_port, mark};

/// What is to be gone.
pub struct Traces {
    /// In the environment of the process and of everything that it starts.
    pub mark: String,
    pub port: u16,
    pub path: PathBuf,
    /// Its folder for temporary files, which is to be empty.
    pub scratch: PathBuf,
}

impl Traces {
    pub fn new(scene: &Scene, number: usize) -> Self {
        let path = scene.folder.path().join(number.to_string());
        let scratch = path.with_extension("scratch");
        fs::create_dir(&scratch).expect("a directory");
        Self { mark: mark(), port: free_port(), path, scratch }
    }

    /// What the process is to have in its environment.
    pub fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [(MARK, PathBuf::from(&self.mark)), ("TMPDIR", self.scratch.clone())]
    }

    /// Its files that are there now.
    pub fn files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(&self.scratch).expect("it stays").flatten();
        files.map(|file| file.path()).collect()
    }

    pub fn await_gone(&self, pid: Pid, whose: &str) {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            let mut left = Vec::new();
            left.extend(marked(&self.mark).into_iter().map(|process| format!("{process:?}")));
            let reapers = reapers_of(pid).into_iter();
            left.extend(reapers.map(|reaper| format!("the reaper {reaper}")));
            if fs::symlink_metadata(&self.path).is_ok() {
                left.push("the socket's file".to_owned());
            }
            left.extend(self.files().into_iter().map(|file| file.display().to_string()));
            for address in [
                SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, self.port)),
            ] {
                match TcpListener::bind(address) {
                    Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                        left.push(format!("{address} is taken"));
                    }
                    _ => {}
                }
            }
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < give_up_at, "{whose}: there are still {left:#?}");
            sleep(Duration::from_millis(20));
        }
    }

    /// Connects to what the process opens, as soon as it does. The connection is to be held.
    pub fn use_it(&self, kind: Kind, victim: &Victim, until: Instant) -> Option<Box<dyn Any>> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        match (kind, victim) {
            (Kind::ForwardPort | Kind::DropIn, _) => {
                retry(until, || TcpStream::connect(address).ok()).map(held)
            }
            (Kind::ForwardSocket | Kind::DropInSocket, _) => {
                retry(until, || UnixStream::connect(&self.path).ok()).map(held)
            }
            (Kind::Local, Victim::Local(endpoint)) => {
                retry(until, || TcpStream::connect(address).ok())?;
                let runtime = runtime();
                let session = sleeping(endpoint, &runtime, &self.mark);
                Some(held((runtime, session)))
            }
            _ => None,
        }
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // A failed test leaves nothing behind, either.
        for (pid, _) in marked(&self.mark) {
            let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
        }
    }
}

fn held(connection: impl Any) -> Box<dyn Any> {
    Box::new(connection)
}

fn retry<T>(until: Instant, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    loop {
        if let Some(done) = attempt() {
            return Some(done);
        }
        if Instant::now() + Duration::from_millis(5) >= until {
            return None;
        }
        sleep(Duration::from_millis(5));
    }
}

/// The processes with a mark in their environment, and their command lines.
pub fn marked(mark: &str) -> Vec<(i32, String)> {
    let entry = format!("{MARK}={mark}").into_bytes();
    let is_marked = |pid: &i32| {
        fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|all| all.split(|byte| *byte == 0).any(|found| found == entry))
    };
    processes().filter(is_marked).map(|pid| (pid, command_line(pid).join(" "))).collect()
}

/// The reapers that were started by a process, which need not be there any more.
pub fn reapers_of(pid: Pid) -> Vec<i32> {
    let parent = raw(pid).to_string();
    let is_reaper = |pid: &i32| match &command_line(*pid)[..] {
        [_, purpose, of] => purpose.starts_with("(removes what") && *of == parent,
        _ => false,
    };
    processes().filter(is_reaper).collect()
}

pub fn descriptors(pid: i32) -> BTreeSet<u32> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("it is there").flatten();
    open.map(|file| file.file_name().to_str().and_then(|name| name.parse().ok()).unwrap()).collect()
}

pub fn raw(pid: Pid) -> i32 {
    pid.as_raw_nonzero().get()
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

pub fn command_line(pid: i32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = line.strip_suffix(&[0]).unwrap_or_default();
    line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

pub const MARK: &str = "KILLS_MARK";
