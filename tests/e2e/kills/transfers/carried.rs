//! What is carried, from where and whereto, and what may stand there.

use std::{
    collections::BTreeMap,
    fs, io,
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use tempfile::TempDir;

use super::{super::traces::MARK, Way};
use crate::{
    copy_files::noise,
    support::{Endpoint, NODE, REGION, command, mark},
    turbo::folder_of,
};

/// What all moments of a lane have in common: what is carried, and a server that sends it.
pub struct Stage {
    folder: TempDir,
    bytes: Vec<u8>,
    tree: Tree,
    /// Sends all of it to whoever comes.
    pub port: u16,
}

/// A moment's own.
pub struct Scene<'a> {
    pub stage: &'a Stage,
    pub way: Way,
    /// In the environment of the endpoint and of everything that it starts.
    pub mark: String,
    /// The node's programs.
    path: TempDir,
    /// Where it comes to, and nothing else does.
    place: PathBuf,
    scratch: PathBuf,
    was: Option<Tree>,
}

/// Files and what is in them, by their paths. A file alone has the empty one.
type Tree = BTreeMap<PathBuf, Vec<u8>>;

impl Stage {
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a directory");
        let bytes = noise(LEN);
        let source = folder.path().join(NAME);
        fs::create_dir_all(source.join("of/some")).expect("a directory");
        for name in ["file", "of/little", "of/some/empty"] {
            let len = match name {
                "file" => LEN,
                "of/little" => 1000,
                _ => 0,
            };
            fs::write(source.join(name), &bytes[..len]).expect("a file");
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        let sent = bytes.clone();
        // Lives as long as the process, which is the test's.
        thread::spawn(move || {
            for mut socket in listener.incoming().flatten() {
                let sent = sent.clone();
                // Whoever is gone needs no more.
                thread::spawn(move || drop(socket.write_all(&sent)));
            }
        });
        let tree = tree(&source).expect("it is there");
        Self { folder, bytes, tree, port }
    }

    pub fn scene(
        &self,
        number: usize,
        way: Way,
        interpreter: &str,
        is_replacing: bool,
    ) -> Scene<'_> {
        let own = self.folder.path().join(number.to_string());
        let (place, scratch) = (own.join("place"), own.join("scratch"));
        [&place, &scratch].into_iter().for_each(|path| fs::create_dir_all(path).expect("a folder"));
        // What stands in the way of a folder would be mixed with it.
        let is_file = matches!(way, Way::FileDown | Way::FileUp);
        if is_replacing && is_file {
            fs::write(place.join(NAME), b"what was there before").expect("a file");
        }
        let was = tree(&place.join(NAME));
        let path = folder_of(&[TOOLS, &[interpreter]].concat());
        Scene { stage: self, way, mark: mark(), path, place, scratch, was }
    }

    pub fn is_all(&self, bytes: &[u8]) -> bool {
        bytes == self.bytes
    }
}

impl Scene<'_> {
    /// Another one each time.
    pub fn endpoint(&self) -> Endpoint {
        let mut local = command(env!("CARGO_BIN_EXE_ssmport"));
        local.env("PATH", self.path.path()).env(MARK, &self.mark);
        local.env("TMPDIR", &self.scratch);
        Endpoint::of(local, &["--faults", RATE])
    }

    /// `ssmport` with these words, for this endpoint.
    pub fn ssmport(&self, endpoint: &Endpoint, words: &[&str]) -> Command {
        let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.args(words).args(["--endpoint-url", &endpoint.url, "--region", REGION]);
        ssmport.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        ssmport.env("TMPDIR", &self.scratch);
        ssmport
    }

    /// What is copied, and whereto.
    pub fn places(&self) -> [String; 2] {
        let folder = self.stage.folder.path().join(NAME);
        let (file, target) = (folder.join("file"), self.target());
        // A folder gets its name in one that is there: it would go into its own when it has come before.
        let (from, to) = match self.way {
            Way::FileDown | Way::FileUp => (&file, &target),
            _ => (&folder, &self.place),
        };
        let (from, to) = (from.display(), to.display());
        match self.way {
            Way::FileDown | Way::FolderDown => [format!("{NODE}:{from}"), to.to_string()],
            _ => [from.to_string(), format!("{NODE}:{to}")],
        }
    }

    /// Of a proxy.
    pub fn output(&self) -> PathBuf {
        self.place.with_file_name("output")
    }

    fn target(&self) -> PathBuf {
        self.place.join(NAME)
    }

    fn wanted(&self) -> Option<Tree> {
        match self.way {
            Way::Forward | Way::Proxy => None,
            Way::FileDown | Way::FileUp => {
                Some(Tree::from([(PathBuf::new(), self.stage.bytes.clone())]))
            }
            Way::FolderDown | Way::FolderUp => Some(self.stage.tree.clone()),
        }
    }

    /// Under its name there is nothing by half, and nothing elsewhere but parts.
    #[track_caller]
    pub fn is_whole_or_as_it_was(&self) {
        let there = tree(&self.target());
        assert!(there == self.was || there == self.wanted(), "{:?} is neither", self.target());
        let others = names(&self.place).into_iter().filter(|name| name != NAME);
        let strange: Vec<_> = others.filter(|name| !name.starts_with(PART)).collect();
        assert!(strange.is_empty(), "{strange:?}");
        assert_eq!(names(&self.scratch), Vec::<String>::new());
    }

    /// It is there, and of a file nothing else is.
    #[track_caller]
    pub fn is_complete(&self) {
        self.is_whole_or_as_it_was();
        assert!(tree(&self.target()) == self.wanted(), "{:?} is not whole", self.target());
        let parts = names(&self.place).into_iter().filter(|name| name != NAME);
        // Of a folder that was killed nobody else removes it.
        let parts: Vec<_> = parts.filter(|name| !name.starts_with(PART_OF_FOLDER)).collect();
        assert!(parts.is_empty(), "{parts:?}");
    }
}

/// What is there; `None` for nothing.
fn tree(path: &Path) -> Option<Tree> {
    let mut found = Tree::new();
    let mut add = |path: &Path, within: &Path| -> io::Result<()> {
        found.insert(within.to_owned(), fs::read(path)?);
        Ok(())
    };
    if path.is_dir() {
        let mut folders = vec![PathBuf::new()];
        while let Some(within) = folders.pop() {
            for name in names(&path.join(&within)) {
                let within = within.join(name);
                match path.join(&within).is_dir() {
                    true => folders.push(within),
                    false => add(&path.join(&within), &within).expect("it can be read"),
                }
            }
        }
    } else {
        match add(path, Path::new("")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            added => added.expect("it can be read"),
        }
    }
    Some(found)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    entries.map(|entry| entry.file_name().into_string().expect("text")).collect()
}

const NAME: &str = "name";
const PART: &str = ".name.ssmport-part";
const PART_OF_FOLDER: &str = ".name.ssmport-part.";
/// A second at that rate.
const LEN: usize = 2_000_000;
const RATE: &str = "rate=2MB";
const TOOLS: &[&str] = &[
    "cat",
    "chmod",
    "chown",
    "dd",
    "head",
    "ls",
    "mkdir",
    "mv",
    "od",
    "readlink",
    "rm",
    "sha256sum",
    "sleep",
    "stat",
    "sync",
    "tail",
    "tar",
    "tee",
    "touch",
    "tr",
    "wc",
];
