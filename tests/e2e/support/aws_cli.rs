//! The real AWS CLI, with our plugin on its PATH; or two of them, since they differ in what they hand
//! over to it, and how.

use std::{
    env,
    ffi::OsStr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{
    endpoint::{Endpoint, REGION},
    program::{Finished, Program, command, copy_environment},
    tools::{find_tool, missing},
};

/// Runs `aws ssm` against an endpoint.
pub struct AwsCli {
    path: PathBuf,
    /// Holds the plugin and nothing else.
    plugins: TempDir,
    url: String,
}

impl AwsCli {
    /// An AWS CLI for `endpoint`: the one that was named, else that of PyPI, a version 1.
    pub fn new(endpoint: &Endpoint) -> Self {
        Self::of(named().unwrap_or_else(of_pypi), endpoint)
    }

    /// The same, and then the distribution's, a version 2; none but the one that was named.
    pub fn each(endpoint: &Endpoint) -> impl Iterator<Item = Self> {
        all().into_iter().map(|path| {
            // A test that fails shows which one it was.
            eprintln!("with {}", path.display());
            Self::of(path, endpoint)
        })
    }

    fn of(path: PathBuf, endpoint: &Endpoint) -> Self {
        let plugins = TempDir::new().expect("a directory");
        let link = plugins.path().join("session-manager-plugin");
        symlink(env!("CARGO_BIN_EXE_session-manager-plugin"), link).expect("a link to the plugin");
        Self { path, plugins, url: endpoint.url.clone() }
    }

    /// `aws ssm ARGUMENTS`, ready to be started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of("ssm", &self.url, arguments)
    }

    /// `aws SERVICE ARGUMENTS` for the service at `url`, ready to be started.
    pub fn command_of(&self, service: &str, url: &str, arguments: &[&str]) -> Command {
        let mut aws = with_programs(self.plugins.path(), &self.path);
        aws.args([service, "--endpoint-url", url, "--output", "json"]).args(arguments);
        aws.env("AWS_REGION", REGION).env("AWS_DEFAULT_REGION", REGION).env("AWS_PAGER", "");
        aws.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        aws
    }

    /// A client of OpenSSH with `aws ssm start-session` as its ProxyCommand, as AWS's manual has it.
    pub fn for_ssh(&self, mut client: Command) -> Command {
        let parameters =
            ["--document-name", "AWS-StartSSHSession", "--parameters", "portNumber=%p"];
        let aws = self.command(&[&["start-session", "--target", "%h"][..], &parameters].concat());
        copy_environment(&aws, &mut client);
        let words = [aws.get_program()].into_iter().chain(aws.get_args());
        let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
        client.arg("-o").arg(format!("ProxyCommand={}", words.join(" ")));
        client
    }

    /// Runs `aws ssm ARGUMENTS` to its end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        Program::run(self.command(arguments))
    }
}

/// A folder with `aws`, `ssmport` and `session-manager-plugin`, as people have them on the PATH; one for
/// each AWS CLI, the newer one first.
pub fn each_installation() -> impl Iterator<Item = TempDir> {
    all().into_iter().map(|aws| {
        eprintln!("with {}", aws.display());
        let folder = TempDir::new().expect("a directory");
        for (name, program) in [
            ("aws", aws.as_path()),
            ("ssmport", Path::new(env!("CARGO_BIN_EXE_ssmport"))),
            ("session-manager-plugin", Path::new(env!("CARGO_BIN_EXE_session-manager-plugin"))),
        ] {
            symlink(program, folder.path().join(name)).expect("a link to the program");
        }
        folder
    })
}

/// `program`, which finds the programs of a folder before all others.
pub fn with_programs(folder: &Path, program: impl AsRef<OsStr>) -> Command {
    let mut command = command(program);
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = [folder.to_owned()].into_iter().chain(env::split_paths(&path));
    command.env("PATH", env::join_paths(folders).expect("no colon in a temporary directory"));
    command
}

fn all() -> Vec<PathBuf> {
    named().map_or_else(|| vec![of_pypi(), of_distribution()], |named| vec![named])
}

fn named() -> Option<PathBuf> {
    env::var_os("SSMPORT_TEST_AWS").map(PathBuf::from)
}

/// The one that scripts/test installed, else the user's.
fn of_pypi() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/awscli/bin/aws");
    if installed.exists() { installed } else { find_tool("aws") }
}

/// Where the PATH leads is another matter.
fn of_distribution() -> PathBuf {
    let path = PathBuf::from("/usr/bin/aws");
    if path.exists() { path } else { missing("the distribution's AWS CLI, /usr/bin/aws,") }
}
