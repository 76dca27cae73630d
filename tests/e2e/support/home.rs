//! A home directory that several programs share, with settings of AWS in it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{AwsCli, Endpoint, NODE, REGION, program::command, sts::Sts};

/// Somebody's home.
pub struct Home {
    folder: TempDir,
}

impl Home {
    /// One with this in `~/.aws/config`.
    pub fn with(config: &str) -> Self {
        let folder = TempDir::new().expect("a directory");
        fs::create_dir(folder.path().join(".aws")).expect("a directory");
        fs::write(folder.path().join(".aws/config"), config).expect("a file");
        Self { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `program`, at home here.
    pub fn of(&self, program: &Command) -> Command {
        self.wrap(&["/usr/bin/env"], program)
    }

    /// The same without a terminal, whatever the tests have.
    pub fn without_terminal(&self, program: &Command) -> Command {
        self.wrap(&["/usr/bin/setsid", "-w", "/usr/bin/env"], program)
    }

    fn wrap(&self, wrapper: &[&str], program: &Command) -> Command {
        let mut wrapped = command(wrapper[0]);
        wrapped.args(&wrapper[1..]);
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        // Whoever starts it gives it a home of its own.
        wrapped.arg(format!("HOME={}", self.path().display()));
        wrapped.arg(program.get_program()).args(program.get_args());
        wrapped
    }

    /// The entries of the credential cache, without the locks beside them.
    pub fn cached(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path().join(".aws/cli/cache")) else {
            return Vec::new();
        };
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let mut paths: Vec<_> =
            paths.filter(|path| path.extension().is_none_or(|kind| kind != "lock")).collect();
        paths.sort();
        for path in &paths {
            let mode = fs::metadata(path).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
            assert_eq!(path.extension().and_then(|kind| kind.to_str()), Some("json"));
        }
        paths
    }
}

/// `ssmport ARGUMENTS` with the settings of `home`, and STS at `sts`.
pub fn ssmport(arguments: &[&str], sts: &Sts) -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(arguments).env("AWS_REGION", REGION);
    ssmport.envs([("AWS_ENDPOINT_URL_STS", &sts.url), ("AWS_ENDPOINT_URL_IAM", &sts.url)]);
    ssmport
}

/// `ssmport exec` of `echo hello` on a node of `endpoint`.
pub fn hello(endpoint: &Endpoint, sts: &Sts, arguments: &[&str]) -> Command {
    let mut hello = ssmport(arguments, sts);
    hello.env("AWS_ENDPOINT_URL_SSM", &endpoint.url).args(["exec", NODE, "--", "echo", "hello"]);
    hello
}

/// `aws sts get-caller-identity` with STS at `sts`.
pub fn aws_identity(aws: &AwsCli, sts: &Sts, profile: &str) -> Command {
    let mut identity = aws.command_of("sts", &sts.url, &["get-caller-identity"]);
    identity.args(["--profile", profile]).env("AWS_ENDPOINT_URL_STS", &sts.url);
    identity.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    identity
}
