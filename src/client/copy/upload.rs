//! A file or a folder to a node.

use std::{
    fmt,
    fs::{File, Metadata},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::SystemTime,
};

use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::mpsc,
    task::spawn_blocking,
};

use super::{
    event::{Copied, CopyEvent, Observer, shown},
    inlet::{Inlet, Way},
    node_path::NodePath,
    node_script::nonsense,
    pack::{PIECE, pack, unreadable},
    part_file::changed,
    script::Task,
};
use crate::client::{Error, Kind, Node};

/// A file or a folder that is to go to a node.
pub struct Upload {
    node: Node,
    from: From,
    to: NodePath,
    is_in_folder: bool,
    preserves: bool,
}

enum From {
    Path(PathBuf),
    Reader(Box<dyn AsyncRead + Send + Unpin>),
}

/// A conversation with the script that takes an upload.
struct Sending<'a> {
    inlet: Inlet,
    to: &'a NodePath,
    node: String,
    digest: Sha256,
    /// So many bytes are there.
    at: u64,
    /// Where it will be.
    path: String,
}

impl Upload {
    pub(in crate::client) fn new(node: Node, from: PathBuf, to: NodePath) -> Self {
        Self { node, from: From::Path(from), to, is_in_folder: false, preserves: true }
    }

    pub(in crate::client) fn of_reader(
        node: Node,
        from: Box<dyn AsyncRead + Send + Unpin>,
        to: NodePath,
    ) -> Self {
        Self { from: From::Reader(from), ..Self::new(node, PathBuf::new(), to) }
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
        let observer: Observer<'_> = &mut observer;
        let (mut way, mut attempts, mut furthest) = (Way::Port, 0, 0);
        let path = match self.from {
            From::Path(ref path) => path.clone(),
            From::Reader(_) => return self.stream(&mut way, observer).await,
        };
        let metadata = std::fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
        let of_stream = "to send what comes of it, use - and a redirection";
        if !metadata.is_dir() && !metadata.is_file() {
            let what = format!("{} is neither a file nor a folder", path.display());
            return Err(Error::local(what).next(of_stream));
        }
        // As those of /proc, which are made as they are read.
        if metadata.is_file() && metadata.len() == 0 {
            let read = File::open(&path).and_then(|mut file| file.read(&mut [0]));
            if read.map_err(|error| unreadable(&path, &error))? > 0 {
                let what = format!("{} does not say how long it is", path.display());
                return Err(Error::local(what).next(of_stream));
            }
        }
        loop {
            let mut reached = 0;
            let mut note = |event: CopyEvent| {
                if let CopyEvent::Progress(at) = event {
                    reached = at;
                }
                observer(event);
            };
            let done = match metadata.is_dir() {
                true => self.folder(&path, &mut way, &mut note).await,
                false => self.file(&path, &mut way, &mut note).await,
            };
            match done {
                Err(error) if error.kind() == Kind::Lost && attempts < ATTEMPTS => {
                    // One that comes further each time may take its time.
                    attempts =
                        if reached > furthest && metadata.is_file() { 0 } else { attempts + 1 };
                    furthest = furthest.max(reached);
                    tracing::info!("at {reached} of {}: {error}", path.display());
                    observer(CopyEvent::Resumed(error.to_string()));
                }
                done => return done,
            }
        }
    }

    async fn begin(
        &self,
        name: &NodePath,
        is_folder: bool,
        way: &mut Way,
        observer: Observer<'_>,
    ) -> Result<(Sending<'_>, u64, String), Error> {
        let Self { node, to, is_in_folder, .. } = self;
        let is_in_folder = *is_in_folder || (to.is_folder() && !is_folder);
        let task = Task::Put { to, name, is_in_folder, is_folder };
        let mut inlet = Inlet::open(node, &task, way, observer).await?;
        let node = node.id();
        let words = inlet.expect("have", to, &node).await?;
        let [have, digest, path] = &words[..] else { return Err(nonsense()) };
        let have = have.parse().map_err(|_| nonsense())?;
        let path = shown(path);
        Ok((Sending { inlet, to, node, digest: Sha256::new(), at: 0, path }, have, digest.clone()))
    }

    async fn file(
        &self,
        path: &Path,
        way: &mut Way,
        observer: Observer<'_>,
    ) -> Result<Copied, Error> {
        let failed = |error: io::Error| unreadable(path, &error);
        let mut file = File::open(path).map_err(failed)?;
        let before = file.metadata().map_err(failed)?;
        let name = name_of(path);
        let (mut sending, have, digest) = self.begin(&name, false, way, observer).await?;
        if have > 0 && have <= before.len() {
            let reading = spawn_blocking(move || digest_of(file, have));
            let read = reading.await.map_err(|error| unreadable(path, &io::Error::other(error)))?;
            let (again, beginning) = read.map_err(failed)?;
            file = again;
            if data_encoding::HEXLOWER.encode(&beginning.clone().finalize()) == digest {
                (sending.at, sending.digest) = (have, beginning);
            }
        }
        let resumed_at = sending.at;
        file.seek(SeekFrom::Start(resumed_at)).map_err(failed)?;
        observer(CopyEvent::Begun { size: Some(before.len()), resumed_at });
        let (mode, modified) = match self.preserves {
            true => (format!("{:o}", mode_of(&before)), seconds_of(&before)),
            false => ("-".to_owned(), "-".to_owned()),
        };
        sending.say(&format!("{resumed_at} {mode} {modified}")).await?;
        let mut file = tokio::fs::File::from_std(file);
        let mut piece = vec![0; PIECE];
        while sending.at < before.len() {
            let most = piece.len().min(usize::try_from(before.len() - sending.at).unwrap_or(PIECE));
            let len = file.read(&mut piece[..most]).await.map_err(failed)?;
            if len == 0 {
                break;
            }
            sending.piece(&piece[..len]).await?;
            observer(CopyEvent::Progress(sending.at));
        }
        let after = file.metadata().await.map_err(failed)?;
        let is_as_before = same(&before, &after);
        let is_right = sending.at == before.len()
            && (is_as_before || is_beginning(path, before.len(), &sending.sha256()).await);
        if !is_right {
            sending.give_up().await;
            return Err(changed(path.display(), Kind::Local));
        }
        if !is_as_before {
            observer(CopyEvent::Grown);
        }
        sending.end(resumed_at, 1).await
    }

    async fn stream(self, way: &mut Way, observer: Observer<'_>) -> Result<Copied, Error> {
        let mut this = self;
        let nothing = From::Path(PathBuf::new());
        let From::Reader(mut reader) = std::mem::replace(&mut this.from, nothing) else {
            return Err(nonsense());
        };
        let nameless = NodePath::new("".as_ref());
        let (mut sending, _, _) = this.begin(&nameless, false, way, observer).await?;
        observer(CopyEvent::Begun { size: None, resumed_at: 0 });
        sending.say("0 - -").await?;
        let mut piece = vec![0; PIECE];
        loop {
            let read = reader.read(&mut piece).await;
            let len = match read {
                Ok(0) => break,
                Ok(len) => len,
                Err(error) => {
                    sending.give_up().await;
                    return Err(Error::local("cannot read what is to be sent").because(error));
                }
            };
            sending.piece(&piece[..len]).await?;
            observer(CopyEvent::Progress(sending.at));
        }
        sending.end(0, 1).await
    }

    async fn folder(
        &self,
        path: &Path,
        way: &mut Way,
        observer: Observer<'_>,
    ) -> Result<Copied, Error> {
        let name = name_of(path);
        let (mut sending, _, _) = self.begin(&name, true, way, observer).await?;
        observer(CopyEvent::Begun { size: None, resumed_at: 0 });
        sending.say(if self.preserves { "0 po -" } else { "0 mo -" }).await?;
        let (queue, mut pieces) = mpsc::channel(2);
        let (folder, preserves) = (path.to_owned(), self.preserves);
        let packing = spawn_blocking(move || pack(&folder, queue, preserves));
        while let Some(piece) = pieces.recv().await {
            sending.piece(&piece).await?;
            observer(CopyEvent::Progress(sending.at));
        }
        let packed = packing.await.map_err(|error| unreadable(path, &io::Error::other(error)))?;
        let packed = match packed {
            Ok(packed) => packed,
            Err(error) => {
                sending.give_up().await;
                return Err(error);
            }
        };
        packed.left_out.into_iter().for_each(|path| observer(CopyEvent::LeftOut(path)));
        sending.end(0, packed.files).await
    }
}

impl Sending<'_> {
    async fn say(&mut self, line: &str) -> Result<(), Error> {
        self.inlet.send(format!("{line}\n").as_bytes(), self.to, &self.node).await
    }

    /// Sends some of the data, its length in front: an end is no end of the data.
    async fn piece(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.say(&bytes.len().to_string()).await?;
        self.inlet.send(bytes, self.to, &self.node).await?;
        self.digest.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn sha256(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.digest.clone().finalize())
    }

    /// Has the node keep it.
    async fn end(mut self, resumed_at: u64, files: u64) -> Result<Copied, Error> {
        let sha256 = self.sha256();
        self.say(&format!("0\n{sha256}")).await?;
        self.inlet.flush().await?;
        self.inlet.expect("done", self.to, &self.node).await?;
        self.inlet.end();
        Ok(Copied { path: self.path, bytes: self.at, resumed_at, files, sha256 })
    }

    /// Has the node remove what came: it is of no use.
    async fn give_up(mut self) {
        // No digest is that.
        if self.say("0\n-").await.is_ok() && self.inlet.flush().await.is_ok() {
            // It says that they differ, once it is removed.
            let _ = self.inlet.expect("done", self.to, &self.node).await;
        }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, to, .. } = self;
        f.debug_struct("Upload").field("node", node).field("to", to).finish_non_exhaustive()
    }
}

/// None for `folder/.`, of which the content goes.
fn name_of(path: &Path) -> NodePath {
    let bytes = path.as_os_str().as_encoded_bytes();
    let is_content =
        matches!(bytes, [.., before, b'.'] if std::path::is_separator(char::from(*before)));
    let name = path.file_name().filter(|_| !is_content);
    NodePath::new(name.unwrap_or_default())
}

/// The digest of a file's first bytes.
fn digest_of(mut file: File, len: u64) -> io::Result<(File, Sha256)> {
    let (mut digest, mut left, mut piece) = (Sha256::new(), len, vec![0; PIECE]);
    file.rewind()?;
    while left > 0 {
        let read = (&mut file).take(left).read(&mut piece)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        digest.update(&piece[..read]);
        left -= read as u64;
    }
    Ok((file, digest))
}

/// Whether the file still begins with what was sent.
async fn is_beginning(path: &Path, len: u64, sha256: &str) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let read = spawn_blocking(move || digest_of(file, len)).await;
    let digest = read.ok().and_then(Result::ok).map(|(_, digest)| digest.finalize());
    digest.is_some_and(|digest| data_encoding::HEXLOWER.encode(&digest) == sha256)
}

fn same(before: &Metadata, after: &Metadata) -> bool {
    let modified = |metadata: &Metadata| metadata.modified().ok();
    before.len() == after.len() && modified(before) == modified(after)
}

fn seconds_of(metadata: &Metadata) -> String {
    let since = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).ok();
    let seconds = metadata.modified().ok().and_then(since);
    seconds.map_or_else(|| "-".to_owned(), |seconds| seconds.as_secs().to_string())
}

#[cfg(unix)]
fn mode_of(metadata: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o777
}

#[cfg(not(unix))]
fn mode_of(_: &Metadata) -> u32 {
    0o644
}

/// How often it is begun anew without coming further.
const ATTEMPTS: u32 = 3;
