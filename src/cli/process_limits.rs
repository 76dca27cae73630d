//! What the system allows this process, and the programs that it starts.

use super::failure::Failure;

/// No core, in a file or for a program that gathers them, in which keys and tokens would be found; and a
/// descriptor for each connection, where the system's usual limit is 1024 or, on macOS, 256. What cannot
/// be had is done without.
#[cfg(unix)]
pub(super) fn set() {
    #[cfg(target_os = "linux")]
    use rustix::process::DumpableBehavior;
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let core = getrlimit(Resource::Core);
    if setrlimit(Resource::Core, Rlimit { current: Some(NO_CORE), ..core }).is_err() {
        // Not even one byte is allowed: that is enough for files.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), ..core });
        #[cfg(target_os = "linux")]
        let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }

    let files = getrlimit(Resource::Nofile);
    let possible = files.maximum.map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS));
    if files.current.is_some_and(|current| current < possible) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(possible), ..files });
    }
}

#[cfg(not(unix))]
pub(super) fn set() {}

/// Fails where the system allows too few descriptors for a session, or whoever started this process has
/// left too few: whatever came later would name what happened to need one more, or panic.
pub(super) fn check() -> Result<(), Failure> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};

        let allowed = getrlimit(Resource::Nofile).current;
        if let Some(allowed) = allowed.filter(|allowed| *allowed < LEAST) {
            let what = format!(
                "{allowed} open files are too few, which is the limit here (ulimit -n): {LEAST} are \
                 needed at least"
            );
            return Err(Failure::local(what));
        }
        let free = free_descriptors();
        if let Some(allowed) = allowed.filter(|_| free < LEAST_FREE) {
            let what = format!(
                "of the {allowed} open files that are the limit here (ulimit -n) {free} are left: raise \
                 it, {LEAST_FREE} are needed at least"
            );
            return Err(Failure::local(what));
        }
    }
    Ok(())
}

/// How many more can be opened, counted up to what is needed.
#[cfg(unix)]
fn free_descriptors() -> usize {
    use std::{fs::File, io::Result, iter::repeat_with};

    use rustix::io::Errno;

    let full = |opened: &Result<File>| {
        opened.as_ref().is_err_and(|error| Errno::from_io_error(error) == Some(Errno::MFILE))
    };
    let opened = repeat_with(|| File::open("/dev/null")).take(LEAST_FREE);
    opened.take_while(|opened| !full(opened)).collect::<Vec<_>>().len()
}

/// What a session with its embedded endpoint takes, and some connections.
#[cfg(unix)]
const LEAST: u64 = 64;
/// The same, of those that are free.
#[cfg(unix)]
const LEAST_FREE: usize = 32;
/// Four forwards full of connections. More than 10,240 macOS refuses.
#[cfg(unix)]
const DESCRIPTORS: u64 = 8192;
/// In bytes. No file is written under 4096, and on Linux a program that cores are piped to, systemd's for
/// one, is left alone at this limit, and at no other.
#[cfg(unix)]
const NO_CORE: u64 = 1;
