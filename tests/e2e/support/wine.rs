//! Our programs for Windows, which `scripts/test --platforms` has built, under wine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use super::{
    Endpoint, REGION,
    program::{Program, command},
    tools::find_tool,
};

/// One of our programs for Windows.
pub fn windows(program: &str) -> Command {
    let ours =
        Path::new(env!("CARGO_BIN_EXE_ssmport")).ancestors().nth(2).expect("a target folder");
    let file = ours.join("x86_64-pc-windows-gnu/debug").join(program);
    assert!(file.is_file(), "{} is missing: scripts/test --platforms builds it", file.display());
    under_wine(&file)
}

/// The same with the settings of a user whose service is `endpoint`.
pub fn windows_with(endpoint: &Endpoint, program: &str) -> Command {
    let mut program = windows(program);
    program.env("AWS_ENDPOINT_URL", &endpoint.url).env("AWS_REGION", REGION);
    program.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    program
}

/// `program` from a program of ours that notes in the file `notes` how their console is set.
pub fn noting_modes(notes: &Path, program: &Command) -> Command {
    let mut noting = under_wine(&prefix().join(CONSOLE));
    super::copy_environment(program, &mut noting);
    noting.arg(windows_path(notes));
    let mut words = program.get_args();
    noting.arg(windows_path(words.next().expect("a program").as_ref())).args(words);
    noting
}

/// A path as Windows knows it.
pub fn windows_path(path: &Path) -> String {
    format!("Z:{}", path.display()).replace('/', "\\")
}

/// Forgets the credentials that are kept for the user of Windows.
pub fn forget_credentials() {
    let users = fs::read_dir(prefix().join("drive_c/users")).expect("users").flatten();
    for user in users {
        let _ = fs::remove_dir_all(user.path().join(".aws"));
    }
}

fn under_wine(program: &Path) -> Command {
    let mut wine = wine(prefix());
    wine.arg(program);
    wine
}

fn wine(prefix: &Path) -> Command {
    // The one on the PATH is a script, which has words of its own to say.
    let loader = Path::new("/usr/lib/wine/wine64");
    let mut wine = match loader.is_file() {
        true => command(loader),
        false => command(find_tool("wine64")),
    };
    wine.env("WINEPREFIX", prefix).env("WINEDEBUG", "-all").env_remove("DISPLAY");
    wine.env("WINEDLLOVERRIDES", "mscoree,mshtml,winemenubuilder.exe,winedbg.exe=d");
    wine
}

/// The folder that is wine's Windows. It is made once, and stays for the next time.
fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wine");
        let complete = prefix.join("complete");
        if !complete.exists() {
            let _ = fs::remove_dir_all(&prefix);
            fs::create_dir_all(&prefix).expect("a folder");
            let mut boot = wine(&prefix);
            boot.args(["wineboot", "--init"]);
            assert_eq!(Program::run_within(BOOT, boot).code(), 0);
            let system = prefix.join("drive_c/windows/system32");
            compile(&["-shared"], "prng.c", &system.join("bcryptprimitives.dll"));
            compile(&[], "console.c", &prefix.join(CONSOLE));
            fs::write(complete, "").expect("a file");
        }
        prefix
    })
}

fn compile(options: &[&str], source: &str, program: &Path) {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/platforms");
    let mut compiler = command(find_tool("x86_64-w64-mingw32-gcc"));
    compiler.args(options).arg("-o").arg(program).arg(sources.join(source)).arg("-ladvapi32");
    Program::run(compiler).success();
}

const CONSOLE: &str = "console.exe";
/// On a machine that does other things too.
const BOOT: Duration = Duration::from_secs(300);
