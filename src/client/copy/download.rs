//! A file or a folder from a node.

use std::{fmt, path::PathBuf};

use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};

use super::{
    coding::{Coding, Decoder},
    event::{Copied, CopyEvent, Observer, shown},
    landing::Landing,
    node_path::NodePath,
    node_script::{NodeScript, Said, Unexpected, Work, nonsense},
    part_file::{Likeness, PartFile, changed},
    script::Task,
    strands::{Range, Weave, Woven},
    unpack::Unpacking,
};
use crate::client::{Error, Kind, Node};

/// A file or a folder that is to come from a node.
pub struct Download {
    node: Node,
    from: NodePath,
    to: To,
    sessions: u64,
    is_in_folder: bool,
    preserves: bool,
}

enum To {
    Path(PathBuf),
    Writer(Box<dyn AsyncWrite + Send + Unpin>),
}

/// Where a file's bytes go.
enum Sink {
    Part(Box<PartFile>),
    Writer(Box<dyn AsyncWrite + Send + Unpin>, Sha256),
}

/// What the node says of a file before it comes.
struct Header {
    size: u64,
    mode: String,
    modified: String,
    at: u64,
    sessions: u64,
}

impl Download {
    pub(in crate::client) fn new(node: Node, from: NodePath, to: PathBuf) -> Self {
        Self { node, from, to: To::Path(to), sessions: USUAL, is_in_folder: false, preserves: true }
    }

    pub(in crate::client) fn into_writer(
        node: Node,
        from: NodePath,
        to: Box<dyn AsyncWrite + Send + Unpin>,
    ) -> Self {
        Self { to: To::Writer(to), ..Self::new(node, from, PathBuf::new()) }
    }

    /// Over at most so many sessions at once, of which a file takes one for each 16 MiB.
    #[must_use]
    pub fn sessions(self, sessions: u32) -> Self {
        Self { sessions: u64::from(sessions.max(1)), ..self }
    }

    /// Into a folder that has to be there.
    #[must_use]
    pub fn in_folder(self) -> Self {
        Self { is_in_folder: true, ..self }
    }

    /// With the permissions and the time of a new file.
    #[must_use]
    pub fn without_attributes(self) -> Self {
        Self { preserves: false, ..self }
    }

    /// Copies it. Dropping the future ends that; what has come of a file is kept for the next time.
    ///
    /// # Errors
    /// When it could not be copied, or not whole. Nothing stands under its name then that did not before.
    pub async fn run(self, mut observer: impl FnMut(CopyEvent) + Send) -> Result<Copied, Error> {
        let Self { ref from, is_in_folder, .. } = self;
        match self.to {
            To::Path(ref path) => {
                let name = from.name().map(|name| name.to_os_string());
                let landing = Landing::of(path, name.as_deref(), is_in_folder)?;
                self.to_landing(&landing, &mut observer).await
            }
            To::Writer(writer) => {
                let this = Self { to: To::Path(PathBuf::new()), ..self };
                this.to_writer(writer, &mut observer).await
            }
        }
    }

    async fn to_landing(&self, landing: &Landing, observer: Observer<'_>) -> Result<Copied, Error> {
        let mut attempts = 0;
        loop {
            let part = match landing.part.is_file() {
                true => Some(opened(landing).await?),
                false => None,
            };
            match self.fetch(landing, part, observer).await {
                Err(error) if error.kind() == Kind::Lost && attempts < ATTEMPTS => {
                    attempts += 1;
                    observer(CopyEvent::Resumed(error.to_string()));
                }
                done => return done,
            }
        }
    }

    async fn fetch(
        &self,
        landing: &Landing,
        part: Option<PartFile>,
        observer: Observer<'_>,
    ) -> Result<Copied, Error> {
        let Self { node, from, sessions, .. } = self;
        let have = part.as_ref().map_or(0, |part| part.len);
        let digest = part.as_ref().map_or_else(|| "-".to_owned(), PartFile::digest);
        let get = Task::Get { from, have, digest: &digest, sessions: *sessions };
        let mut script = NodeScript::start(node, get.words(), Work::Sending);
        let words = match script.said().await? {
            Said::Words(words) => words,
            Said::Refusal(refusal) => return Err(refusal.of(from, &node.id())),
            Said::Data(_) => return Err(nonsense()),
        };
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["file", size, mode, modified, _] => {
                landing.check_for_file()?;
                let mut part = match part {
                    Some(part) => part,
                    None => opened(landing).await?,
                };
                let header = self.header(size, mode, modified, part.len, &mut script).await?;
                if header.at != part.len {
                    part.begin_again()?;
                }
                let mut sink = Sink::Part(Box::new(part));
                let done = self.file(&header, script, &mut sink, observer).await;
                let Sink::Part(part) = sink else { return Err(nonsense()) };
                match done {
                    Ok(copied) => {
                        let likeness = Likeness::of(&header.mode, &header.modified);
                        part.keep(landing, self.preserves.then_some(likeness))?;
                        Ok(Copied { path: landing.path.display().to_string(), ..copied })
                    }
                    Err(error) => {
                        // Of what is not there any more nothing is of use.
                        if part.len == 0 || error.kind() == Kind::Target {
                            part.discard();
                        }
                        Err(error)
                    }
                }
            }
            ["folder", _] => {
                landing.check_for_folder()?;
                self.folder(landing, script, observer).await
            }
            _ => Err(nonsense()),
        }
    }

    async fn to_writer(
        &self,
        writer: Box<dyn AsyncWrite + Send + Unpin>,
        observer: Observer<'_>,
    ) -> Result<Copied, Error> {
        let Self { node, from, sessions, .. } = self;
        let get = Task::Get { from, have: 0, digest: "-", sessions: *sessions };
        let mut script = NodeScript::start(node, get.words(), Work::Sending);
        let words = match script.said().await? {
            Said::Words(words) => words,
            Said::Refusal(refusal) => return Err(refusal.of(from, &node.id())),
            Said::Data(_) => return Err(nonsense()),
        };
        let ["file", size, mode, modified, path] =
            words.iter().map(String::as_str).collect::<Vec<_>>()[..]
        else {
            let what = format!("{from} on {} is a folder, and goes to no stream", node.id());
            let next = format!("ssmport exec {} -- tar -cf - -C {from} .", node.id());
            return Err(Error::new(Kind::Usage, what).next(next));
        };
        let header = self.header(size, mode, modified, 0, &mut script).await?;
        let mut sink = Sink::Writer(writer, Sha256::new());
        let copied = self.file(&header, script, &mut sink, observer).await?;
        if let Sink::Writer(mut writer, _) = sink {
            let ended = writer.shutdown().await;
            ended.map_err(|error| Error::local("cannot write what has come").because(error))?;
        }
        Ok(Copied { path: shown(path), ..copied })
    }

    async fn header(
        &self,
        size: &str,
        mode: &str,
        modified: &str,
        have: u64,
        script: &mut NodeScript,
    ) -> Result<Header, Error> {
        let words = self.expect(script, "from").await?;
        let number = |word: Option<&String>| word.and_then(|word| word.parse().ok());
        let (Ok(size), Some(at), Some(sessions)) =
            (size.parse(), number(words.first()), number(words.get(1)))
        else {
            return Err(nonsense());
        };
        if at > size || (at != 0 && at != have) {
            return Err(nonsense());
        }
        let (mode, modified) = (mode.to_owned(), modified.to_owned());
        Ok(Header { size, mode, modified, at, sessions: sessions.clamp(1, self.sessions) })
    }

    /// The bytes of a file, and whether they are right.
    async fn file(
        &self,
        header: &Header,
        mut script: NodeScript,
        sink: &mut Sink,
        observer: Observer<'_>,
    ) -> Result<Copied, Error> {
        let Self { node, from, .. } = self;
        let &Header { size, at, mut sessions, .. } = header;
        let coding = self.coding(&mut script).await?;
        observer(CopyEvent::Begun { size: Some(size), resumed_at: at });
        let (mut first, mut here) = (Some((script, coding)), at);
        let mut kept = 'again: loop {
            let range = Range { node, from, at: here, end: size };
            let mut weave = Weave::new(range, sessions, first.take());
            loop {
                match weave.next().await? {
                    Woven::Piece(piece) => {
                        sink.write(&piece).await?;
                        here += piece.len() as u64;
                        observer(CopyEvent::Progress(here));
                    }
                    Woven::Lost(error) => observer(CopyEvent::Resumed(error.to_string())),
                    Woven::Whole(script) => break 'again script,
                    Woven::Fewer(fewer) => {
                        sessions = fewer;
                        break;
                    }
                }
            }
        };
        let sum = match &mut kept {
            Some(script) => self.expect(script, "sum").await.ok(),
            None => None,
        };
        let sum = match sum {
            Some(sum) => sum,
            None => self.sum(size).await?,
        };
        let [digest, size_now, modified_now] = &sum[..] else { return Err(nonsense()) };
        let sha256 = sink.digest();
        // What was to calculate it has come to nothing.
        if digest.len() != sha256.len() {
            return Err(nonsense());
        }
        if *digest != sha256 {
            return Err(changed(from, Kind::Target));
        }
        if *size_now != size.to_string() || *modified_now != header.modified {
            observer(CopyEvent::Grown);
        }
        Ok(Copied { path: String::new(), bytes: size, resumed_at: at, files: 1, sha256 })
    }

    /// The digest of the file's beginning, by a session of its own.
    async fn sum(&self, end: u64) -> Result<Vec<String>, Error> {
        let Self { node, from, .. } = self;
        let task = Task::Sum { from, end };
        let mut attempts = 0;
        loop {
            let mut script = NodeScript::start(node, task.words(), Work::Quiet);
            match self.expect(&mut script, "sum").await {
                Err(error) if error.kind() == Kind::Lost && attempts < ATTEMPTS => attempts += 1,
                sum => return sum,
            }
        }
    }

    async fn folder(
        &self,
        landing: &Landing,
        mut script: NodeScript,
        observer: Observer<'_>,
    ) -> Result<Copied, Error> {
        let coding = self.coding(&mut script).await?;
        observer(CopyEvent::Begun { size: None, resumed_at: 0 });
        let (pieces, coming) = mpsc::channel(PIECES);
        let unpacking = Unpacking::start(landing, coming, self.preserves)?;
        let (mut decoder, mut digest, mut bytes) = (Decoder::new(coding), Sha256::new(), 0);
        loop {
            let mut piece = Vec::new();
            let is_end = match script.data(&mut decoder, &mut piece).await {
                Ok(is_end) => is_end,
                Err(error) => {
                    drop(pieces);
                    // What came is removed by its end, and not while another try is under way.
                    let _ = unpacking.end().await;
                    return Err(error);
                }
            };
            digest.update(&piece);
            bytes += piece.len() as u64;
            // Why it takes no more it says itself.
            if pieces.send(piece).await.is_err() {
                break;
            }
            observer(CopyEvent::Progress(bytes));
            if is_end {
                break;
            }
        }
        drop(pieces);
        let unpacked = unpacking.end().await?;
        let from = &self.from;
        let code = self.expect(&mut script, "tar").await?;
        let sum = self.expect(&mut script, "sum").await?;
        if code != ["0"] {
            let what = format!("not all of {from} could be read on {}", self.node.id());
            let error = Error::new(Kind::Target, what)
                .next("leave out what cannot be read, or have it copied there first, as who may");
            return Err(script.last_complaint().await.into_iter().fold(error, Error::because));
        }
        let sha256 = data_encoding::HEXLOWER.encode(&digest.finalize());
        if sum != [sha256.as_str()] {
            return Err(changed(from, Kind::Lost));
        }
        unpacked.left_out.iter().cloned().for_each(|path| observer(CopyEvent::LeftOut(path)));
        let files = unpacked.files;
        unpacked.keep(landing).await?;
        let path = landing.path.display().to_string();
        Ok(Copied { path, bytes, resumed_at: 0, files, sha256 })
    }

    async fn coding(&self, script: &mut NodeScript) -> Result<Coding, Error> {
        match script.said().await? {
            Said::Data(coding) => Ok(coding),
            Said::Refusal(refusal) => Err(refusal.of(&self.from, &self.node.id())),
            Said::Words(_) => Err(nonsense()),
        }
    }

    async fn expect(&self, script: &mut NodeScript, word: &str) -> Result<Vec<String>, Error> {
        script.said().await?.words(word).map_err(|unexpected| match unexpected {
            Unexpected::Refusal(refusal) => refusal.of(&self.from, &self.node.id()),
            Unexpected::Nonsense => nonsense(),
        })
    }
}

impl Sink {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self {
            Self::Part(part) => part.append(bytes),
            Self::Writer(writer, digest) => {
                digest.update(bytes);
                let written = writer.write_all(bytes).await;
                written.map_err(|error| Error::local("cannot write what has come").because(error))
            }
        }
    }

    fn digest(&self) -> String {
        match self {
            Self::Part(part) => part.digest(),
            Self::Writer(_, digest) => data_encoding::HEXLOWER.encode(&digest.clone().finalize()),
        }
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, from, .. } = self;
        f.debug_struct("Download").field("node", node).field("from", from).finish_non_exhaustive()
    }
}

/// A part may be long, and all of it is read.
async fn opened(landing: &Landing) -> Result<PartFile, Error> {
    let landing = landing.clone();
    let opening = tokio::task::spawn_blocking(move || PartFile::open(&landing));
    opening.await.unwrap_or_else(|_| Err(Error::local("the part cannot be read")))
}

/// What pays by the measurements in docs/copy.md.
const USUAL: u64 = 2;
/// How often it is begun anew when its session was lost.
const ATTEMPTS: u32 = 3;
/// Of up to 64 KiB, that wait to be unpacked.
const PIECES: usize = 32;
