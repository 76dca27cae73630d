//! docs/recipes.md, and somebody who follows it.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{
    aws_cli::with_programs,
    endpoint::{Endpoint, REGION},
    program::{Finished, Program},
    sshd::Sshd,
    tools::find_tool,
};

/// A block of the page, to be filled in as its reader would.
pub struct Recipe(String);

/// A block that is to be found by heading and language.
struct Block {
    heading: String,
    language: String,
    text: String,
    /// The words before it do not say that nobody runs it.
    is_run: bool,
}

impl Recipe {
    /// The block below a heading that is run.
    pub fn of(heading: &str, language: &str) -> Self {
        let blocks = blocks().into_iter().filter(|block| block.is_run);
        let wanted = blocks.filter(|b| b.heading == heading && b.language == language);
        let [Block { text, .. }] = &wanted.collect::<Vec<_>>()[..] else {
            panic!("there is not one block of {language:?} below {heading:?}")
        };
        Self(text.clone())
    }

    /// With what a reader has in the place of something.
    #[track_caller]
    pub fn with(self, placeholder: &str, own: impl ToString) -> Self {
        assert!(self.0.contains(placeholder), "there is no {placeholder} in {}", self.0);
        Self(self.0.replace(placeholder, &own.to_string()))
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// What has to be run, by heading and language.
    pub fn all() -> Vec<(String, String)> {
        let blocks = blocks().into_iter().filter(|block| block.is_run);
        blocks.map(|block| (block.heading, block.language)).collect()
    }
}

fn blocks() -> Vec<Block> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recipes.md");
    let page = fs::read_to_string(page).expect("the page");
    let (mut heading, mut words, mut found) = ("", String::new(), Vec::new());
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text = lines.by_ref().take_while(|line| *line != "```");
            let text: String = text.map(|line| format!("{line}\n")).collect();
            let (heading, language) = (heading.to_owned(), language.to_owned());
            let is_run = !words.contains("*not run here*");
            found.push(Block { heading, language, text, is_run });
            words.clear();
        } else if let Some(next) = line.strip_prefix("## ") {
            heading = next;
            words.clear();
        } else {
            words.push_str(line);
        }
    }
    found
}

/// Somebody with our programs on the PATH, a home, a folder to work in, and AWS, which is an endpoint
/// with the nodes of the page.
pub struct Reader {
    pub endpoint: Endpoint,
    folder: TempDir,
}

impl Reader {
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a directory");
        let nodes = folder.path().join("nodes");
        fs::write(&nodes, NODES).expect("the list of nodes");
        let endpoint = Endpoint::with(&["--nodes-from", nodes.to_str().expect("text")]);
        let reader = Self { endpoint, folder };
        for name in ["bin", "home", "work"] {
            fs::create_dir(reader.folder.path().join(name)).expect("a directory");
        }
        reader.has("ssmport", Path::new(env!("CARGO_BIN_EXE_ssmport")));
        reader
    }

    /// Puts a program on the PATH.
    pub fn has(&self, name: &str, program: &Path) {
        symlink(program, self.folder.path().join("bin").join(name)).expect("a link");
    }

    /// A file in the folder where the commands are run.
    pub fn work(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    /// A file below the home.
    pub fn home(&self, name: &str) -> PathBuf {
        self.folder.path().join("home").join(name)
    }

    /// Gets into `sshd`, at its port instead of 22, by the settings in `~/.ssh/config`. OpenSSH does not
    /// ask HOME for that file, so the reader's `ssh` is told.
    pub fn knows(&self, sshd: &Sshd) {
        let settings = format!(
            "Host *\n    Port {}\n    BatchMode yes\n    StrictHostKeyChecking accept-new\n    \
             UserKnownHostsFile {}\n    IdentityFile {}\n    IdentitiesOnly yes\n    LogLevel ERROR\n",
            sshd.port,
            self.home("known_hosts").display(),
            sshd.user_key().display(),
        );
        fs::create_dir(self.home(".ssh")).expect("a directory");
        fs::write(self.home(".ssh/config"), settings).expect("the settings");
        let ssh = self.folder.path().join("bin/ssh");
        let script = format!(
            "#!/bin/sh\nexec {} -F \"$HOME/.ssh/config\" \"$@\"\n",
            find_tool("ssh").display()
        );
        fs::write(&ssh, script).expect("a script");
        fs::set_permissions(&ssh, Permissions::from_mode(0o755)).expect("its mode");
    }

    /// Runs a recipe to its end; what is typed at its programs is `input`.
    pub fn follows(&self, recipe: &Recipe, input: &str) -> Finished {
        Program::run(self.command(recipe.text(), input))
    }

    /// Starts a recipe that goes on.
    pub fn starts(&self, recipe: &Recipe) -> Program {
        Program::start(self.command(recipe.text(), ""))
    }

    /// A script that ends with the first of its commands that fails, ready to be started.
    pub fn command(&self, script: &str, input: &str) -> Command {
        let (path, typed) = (self.folder.path().join("script"), self.folder.path().join("typed"));
        fs::write(&path, script).expect("the script");
        fs::write(&typed, input).expect("what is typed");
        let mut shell = with_programs(&self.folder.path().join("bin"), "sh");
        let line = "HOME=$1; export HOME; cd \"$2\"; exec bash -e \"$3\" <\"$4\"";
        shell.args(["-c", line, "sh"]).arg(self.home("")).arg(self.work("")).arg(path).arg(typed);
        shell.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        shell.env("AWS_ENDPOINT_URL", &self.endpoint.url).env("AWS_REGION", REGION);
        shell
    }
}

const NODES: &str =
    "i-0a11ce00000000001 bastion\ni-0123456789abcdef0 web\ni-0b0b0000000000001 win\n";
