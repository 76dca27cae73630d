//! One thing that a kill would leave behind.

use std::{
    ffi::OsStr,
    iter::once,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use percent_encoding::{AsciiSet, CONTROLS, PercentEncode, percent_decode, utf8_percent_encode};
use rustix::process::Pid;

use super::{
    file, folder,
    leader::{Kind, Leader},
    line_mode::{LineMode, Modes},
    process::Mark,
    session::{self, Session},
    socket::{FileId, remove_abandoned},
};

/// Something that its maker's death would leave behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Remnant {
    /// A socket that is about to be bound at a path, where an abandoned one would be replaced
    /// anyway.
    Binding(PathBuf),
    /// A listening socket's file.
    Socket {
        /// Which file.
        file: FileId,
        /// Where it is.
        path: PathBuf,
    },
    /// A file that says that this process is there.
    File {
        /// Which file.
        file: FileId,
        /// Where it is.
        path: PathBuf,
    },
    /// A folder of ours alone, of a random name that nothing else ever has, with no folders in it; it
    /// may yet have to be made.
    Folder(PathBuf),
    /// A terminal that is in raw mode, or is about to be.
    LineMode(LineMode),
    /// A program that is about to be started, with a mark in its environment.
    Starting(Mark),
    /// A program that runs, and what it leads.
    Leader(Leader),
    /// A session that the service keeps.
    Session(Session),
}

impl Remnant {
    /// Removes it, if it is still there and still what it was.
    pub(super) fn remove(self) {
        match self {
            Self::Binding(path) => remove_abandoned(&path, |_| true),
            Self::Socket { file, path } => remove_abandoned(&path, |found| found == file),
            Self::File { file, path } => file::remove(&path, file),
            Self::Folder(path) => folder::remove(&path),
            Self::LineMode(mode) => mode.restore(),
            Self::Starting(mark) => mark.kill(),
            Self::Leader(leader) => leader.kill(),
            Self::Session(session) => session::end(vec![session]),
        }
    }

    /// Removes all of them; sessions at last, as a service takes its time, and together.
    pub(super) fn remove_all(left: impl IntoIterator<Item = Self>) {
        let mut sessions = Vec::new();
        for remnant in left {
            match remnant {
                Self::Session(session) => sessions.push(session),
                other => other.remove(),
            }
        }
        session::end(sessions);
    }
}

/// What the reaper is told, one record each: text that ends in a zero byte, which no path contains.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Entry {
    /// There is something, by a number that it keeps.
    Put(u64, Remnant),
    /// It is gone.
    Done(u64),
}

impl Entry {
    /// The record. One that is too long is no record: such a path no socket can have.
    pub(super) fn to_record(&self) -> Vec<u8> {
        let (id, mut words, path) = match self {
            Self::Done(id) => (id, "done".to_owned(), None),
            Self::Put(id, remnant) => match remnant {
                Remnant::Binding(path) => (id, "bind".to_owned(), Some(path)),
                Remnant::Socket { file: FileId { device, inode }, path } => {
                    (id, format!("socket {device} {inode}"), Some(path))
                }
                Remnant::File { file: FileId { device, inode }, path } => {
                    (id, format!("file {device} {inode}"), Some(path))
                }
                Remnant::Folder(path) => (id, "folder".to_owned(), Some(path)),
                Remnant::LineMode(LineMode { path, device, modes }) => {
                    let modes = modes.iter().flat_map(|modes| modes.0);
                    let words: Vec<String> = modes.map(|number| number.to_string()).collect();
                    (id, format!("lines {device} {}", words.join(" ")), Some(path))
                }
                Remnant::Starting(mark) => (id, format!("start {mark}"), None),
                Remnant::Leader(Leader { pid, kind, start_time }) => {
                    let word = kind.word();
                    (id, format!("{word} {} {start_time}", pid.as_raw_nonzero()), None)
                }
                Remnant::Session(Session { id: session, options, folder }) => {
                    let texts = once(session).chain(options).map(|text| escaped(text));
                    let words: Vec<_> = texts.map(|text| text.to_string()).collect();
                    (id, format!("ssm {} {}", options.len(), words.join(" ")), Some(folder))
                }
            },
        };
        words.insert_str(0, &format!("{id} "));
        let mut record = words.into_bytes();
        if let Some(path) = path {
            record.push(b' ');
            record.extend(path.as_os_str().as_bytes());
        }
        record.push(0);
        if record.len() > MOST_RECORD_LEN { Vec::new() } else { record }
    }

    /// Reads a record; `None` when it is not whole, or makes no sense.
    pub(super) fn parse(record: &[u8]) -> Option<Self> {
        let mut words = Words(record.strip_suffix(&[0])?);
        let id = words.number()?;
        let remnant = match words.word()? {
            b"done" => return words.is_at_end().then_some(Self::Done(id)),
            b"bind" => Remnant::Binding(words.path()?),
            b"socket" => {
                let file = FileId { device: words.number()?, inode: words.number()? };
                Remnant::Socket { file, path: words.path()? }
            }
            b"file" => {
                let file = FileId { device: words.number()?, inode: words.number()? };
                Remnant::File { file, path: words.path()? }
            }
            b"folder" => Remnant::Folder(words.path()?),
            b"lines" => {
                let device = words.number()?;
                let mut modes = [Modes([0; 5]); 2];
                for number in modes.iter_mut().flat_map(|modes| &mut modes.0) {
                    *number = words.number()?;
                }
                Remnant::LineMode(LineMode { device, modes, path: words.path()? })
            }
            b"ssm" => {
                let count: usize = words.number()?;
                let id = words.escaped()?;
                let options = (0..count).map(|_| words.escaped()).collect::<Option<_>>()?;
                Remnant::Session(Session { id, options, folder: words.path()? })
            }
            b"start" => Remnant::Starting(words.text()?.parse().ok()?),
            kind => {
                let kind = Kind::ALL.into_iter().find(|known| known.word().as_bytes() == kind)?;
                // 0 and -1 would be our own group and everybody, 1 is nobody's child.
                let pid = words.number().filter(|pid| *pid > 1).and_then(Pid::from_raw)?;
                Remnant::Leader(Leader { pid, kind, start_time: words.number()? })
            }
        };
        words.is_at_end().then_some(Self::Put(id, remnant))
    }
}

/// As one word.
fn escaped(text: &str) -> PercentEncode<'_> {
    const SPECIAL: &AsciiSet = &CONTROLS.add(b' ').add(b'%');
    utf8_percent_encode(text, SPECIAL)
}

/// A record's words, of which a path is the last.
struct Words<'r>(&'r [u8]);

impl<'r> Words<'r> {
    fn word(&mut self) -> Option<&'r [u8]> {
        let mut parts = self.0.splitn(2, |byte| *byte == b' ');
        let word = parts.next().filter(|word| !word.is_empty())?;
        self.0 = parts.next().unwrap_or_default();
        Some(word)
    }

    fn text(&mut self) -> Option<&'r str> {
        std::str::from_utf8(self.word()?).ok()
    }

    fn escaped(&mut self) -> Option<String> {
        let text = percent_decode(self.word()?).decode_utf8().ok()?;
        Some(text.into_owned())
    }

    fn number<N: std::str::FromStr>(&mut self) -> Option<N> {
        self.text()?.parse().ok()
    }

    /// An absolute one: the reaper is elsewhere.
    fn path(&mut self) -> Option<PathBuf> {
        let path = Path::new(OsStr::from_bytes(std::mem::take(&mut self.0)));
        path.is_absolute().then(|| path.to_owned())
    }

    fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}

/// What the system's pipes take at once: 4096 bytes on Linux, 512 on macOS. A socket's path has 108 bytes, a
/// session's id up to 96.
pub(super) const MOST_RECORD_LEN: usize = rustix::pipe::PIPE_BUF;

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use proptest::prelude::*;

    use super::*;

    fn path() -> impl Strategy<Value = PathBuf> {
        prop::collection::vec(1u8.., 0..108).prop_map(|mut bytes| {
            bytes.insert(0, b'/');
            OsString::from_vec(bytes).into()
        })
    }

    fn session() -> impl Strategy<Value = Session> {
        let options = prop::collection::vec("-\\PC{1,30}|[ -~]{1,20}", 0..4);
        ("[a-z-]{1,30}", options, path()).prop_map(|(id, options, folder)| Session {
            id,
            options,
            folder,
        })
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let file = any::<(u64, u64)>().prop_map(|(device, inode)| FileId { device, inode });
        let leader = (2..=i32::MAX, prop::sample::select(&Kind::ALL[..]), any::<u64>());
        let remnant = prop_oneof![
            path().prop_map(Remnant::Binding),
            path().prop_map(Remnant::Folder),
            any::<(u64, [u64; 5], [u64; 5])>().prop_flat_map(|(device, before, raw)| {
                let modes = [Modes(before), Modes(raw)];
                path().prop_map(move |path| Remnant::LineMode(LineMode { path, device, modes }))
            }),
            (file.clone(), path()).prop_map(|(file, path)| Remnant::Socket { file, path }),
            (file, path()).prop_map(|(file, path)| Remnant::File { file, path }),
            any::<u128>().prop_map(|number| Remnant::Starting(Mark(number))),
            leader.prop_map(|(pid, kind, start_time)| {
                let pid = Pid::from_raw(pid).expect("not zero");
                Remnant::Leader(Leader { pid, kind, start_time })
            }),
            session().prop_map(Remnant::Session),
        ];
        prop_oneof![
            any::<u64>().prop_map(Entry::Done),
            (any::<u64>(), remnant).prop_map(|(id, remnant)| Entry::Put(id, remnant)),
        ]
    }

    proptest! {
        #[test]
        fn a_record_says_what_it_was_made_of_and_half_of_it_nothing(entry in entry()) {
            let record = entry.to_record();
            prop_assert_eq!(record.iter().filter(|byte| **byte == 0).count(), 1);
            for len in 0..record.len() {
                prop_assert_eq!(Entry::parse(&record[..len]), None);
            }
            prop_assert_eq!(Entry::parse(&record), Some(entry));
        }
    }

    #[test]
    fn records_are_text() {
        let socket = Remnant::Socket {
            file: FileId { device: 2049, inode: 1234 },
            path: PathBuf::from("/run/a b"),
        };
        assert_eq!(Entry::Put(7, socket).to_record(), b"7 socket 2049 1234 /run/a b\0");
        assert_eq!(Entry::Done(7).to_record(), b"7 done\0");
        let options = ["--profile=a b%".to_owned(), "--region=eu-west-1".to_owned()].to_vec();
        let session = Session { id: "me@ex.am-0a".to_owned(), options, folder: "/a b".into() };
        assert_eq!(
            Entry::Put(7, Remnant::Session(session)).to_record(),
            b"7 ssm 2 me@ex.am-0a --profile=a%20b%25 --region=eu-west-1 /a b\0"
        );
    }

    #[test]
    fn what_makes_no_sense_is_no_entry() {
        for record in [
            "\0",
            "1\0",
            "1 \0",
            "done 1\0",
            "1 done 2\0",
            "1 bind s\0",
            "1 bind\0",
            "1 file 1 /f\0",
            "1 folder\0",
            "1 folder f\0",
            "1 socket 1 /s\0",
            "1 lines 5 1 2 3 4 5 1 2 3 4 /dev/pts/1\0",
            "1 group 0 5\0",
            "1 group -1 5\0",
            "1 group 1 5\0",
            "1 group 7\0",
            "1 session 7 5 5\0",
            "1 start x\0",
            "1 ssm 1 s-1 /\0",
            "1 ssm -1 s-1 /\0",
            "1 ssm 18446744073709551615 s-1 --region=a /\0",
            "1 ssm 0 s-1 folder\0",
        ] {
            assert_eq!(Entry::parse(record.as_bytes()), None, "{record:?}");
        }
    }

    #[test]
    fn no_record_is_too_long_for_a_pipe() {
        let path = Path::new("/").join("x".repeat(MOST_RECORD_LEN));
        assert_eq!(Entry::Put(1, Remnant::Binding(path)).to_record(), b"");
    }
}
