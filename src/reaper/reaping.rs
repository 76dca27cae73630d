//! The reaper's own process.
//!
//! It has a pipe as its standard input, its parent's environment, which says where the credentials are that a
//! session is ended with, and nothing else of it: no output, no working directory.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    io::{BufRead, BufReader, Read, stdin},
    process, thread,
    time::Duration,
};

use rustix::{
    fs::{FileType, fstat},
    process::{Pid, getppid},
};

use super::remnant::{Entry, MOST_RECORD_LEN, Remnant};

/// Whether this process was started as the reaper of another: by words that are no command, no
/// option and no response of a service, and with a pipe to hear from.
pub fn is_reaper() -> bool {
    let is_pipe = || {
        fstat(stdin()).is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Fifo)
    };
    parent_in(env::args_os().skip(1)).is_some() && is_pipe()
}

/// Waits for the parent's death, and removes what it has left behind.
pub fn reap() {
    // Known by another name, it outlives a `killall -9` of the program.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_name(NAME);
    let Some(parent) = parent_in(env::args_os().skip(1)) else { return };
    let left = remnants(BufReader::with_capacity(MOST_RECORD_LEN, stdin()));
    await_orphanhood(parent);
    Remnant::remove_all(left.into_values());
}

/// How the reaper of this process is started.
pub(super) fn arguments() -> [OsString; 2] {
    [PURPOSE.into(), process::id().to_string().into()]
}

/// The parent that these arguments of a reaper name.
fn parent_in(mut arguments: impl Iterator<Item = OsString>) -> Option<Pid> {
    let (purpose, parent) = (arguments.next()?, arguments.next()?);
    let parent = parent.to_str()?.parse().ok().filter(|pid| *pid > 0).and_then(Pid::from_raw);
    parent.filter(|_| purpose == PURPOSE && arguments.next().is_none())
}

/// What is left when the pipe ends.
fn remnants(mut pipe: impl BufRead) -> BTreeMap<u64, Remnant> {
    let mut left = BTreeMap::new();
    let mut record = Vec::new();
    loop {
        record.clear();
        let read = (&mut pipe).take(MOST_RECORD_LEN as u64).read_until(0, &mut record);
        // An error of a pipe is its end.
        if !matches!(read, Ok(1..)) {
            return left;
        }
        match Entry::parse(&record) {
            Some(Entry::Put(id, remnant)) if left.len() < MOST_REMNANTS => {
                left.insert(id, remnant);
            }
            Some(Entry::Done(id)) => {
                left.remove(&id);
            }
            Some(Entry::Put(..)) | None => {}
        }
    }
}

/// The pipe ends in the midst of the parent's death: others of its files may still be open. When
/// the reaper is another's child all of it is over, and if the parent should live, it never is.
fn await_orphanhood(parent: Pid) {
    let mut pause = Duration::from_millis(1);
    while getppid() == Some(parent) {
        thread::sleep(pause);
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

/// More than sessions and sockets of one program, whose bookkeeping must have an end.
pub(super) const MOST_REMNANTS: usize = 4096;

/// What `ps` shows of the reaper. No caller of either program says this.
const PURPOSE: &str = "(removes what this process leaves behind when it is killed:)";
#[cfg(target_os = "linux")]
const NAME: &std::ffi::CStr = c"ssm-reaper";

const LONGEST_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn put(id: u64, path: &str) -> Vec<u8> {
        Entry::Put(id, Remnant::Binding(PathBuf::from(path))).to_record()
    }

    #[test]
    fn what_is_not_done_when_the_pipe_ends_is_left() {
        let mut pipe = [put(1, "/a"), put(2, "/b"), put(3, "/c")].concat();
        pipe.extend(Entry::Done(2).to_record());
        pipe.extend(put(3, "/d"));
        // Cut off in its midst: it may be another path that it would have named.
        pipe.extend(&put(4, "/etc/passwd")[..9]);
        let left = remnants(&pipe[..]);
        let expected = [(1, "/a"), (3, "/d")];
        assert_eq!(left, expected.map(|(id, path)| (id, Remnant::Binding(path.into()))).into());
    }

    #[test]
    fn nonsense_is_skipped_and_the_number_of_remnants_has_an_end() {
        let mut pipe = b"x\0\0-1 done\0 \0".to_vec();
        pipe.extend(vec![b'1'; 3 * MOST_RECORD_LEN]);
        pipe.push(0);
        for id in 0..=MOST_REMNANTS as u64 {
            pipe.extend(put(id, "/a"));
        }
        assert_eq!(remnants(&pipe[..]).len(), MOST_REMNANTS);
    }

    #[test]
    fn only_its_own_words_make_a_reaper() {
        let parent = |words: &[&str]| parent_in(words.iter().map(OsString::from));
        let own = process::id().to_string();
        assert_eq!(parent_in(arguments().into_iter()), Some(rustix::process::getpid()));
        for words in [
            &[][..],
            &["--version"],
            &["local", &own],
            &[PURPOSE],
            &[PURPOSE, ""],
            &[PURPOSE, "0"],
            &[PURPOSE, "-1"],
            &[PURPOSE, &own, "StartSession"],
        ] {
            assert_eq!(parent(words), None, "{words:?}");
        }
    }
}
