//! `ssmport cp`: nodes that have few tools, and what is left on one.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
};

use tempfile::TempDir;

use super::{
    copy_files::{cp, each_way, noise, on_node, run},
    support::{DEADLINE, Endpoint, NODE, Program, REGION, Signal, await_that, command, find_tool},
};

/// Without an interpreter data goes as base64, and an upload by a terminal.
#[test]
fn a_node_without_python_and_perl_will_do() {
    let folder = TempDir::new().unwrap();
    let path = only(&folder, "few", &[FEW, &["tar", "base64", "stty", "tee"]].concat());
    copies(&folder, path, "neither python3 nor perl");
}

/// Of busybox alone, as in a container.
#[test]
fn a_node_with_busybox_will_do() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("busybox");
    fs::create_dir(&path).unwrap();
    let mut install = command(find_tool("busybox"));
    install.args(["--install", "-s"]).arg(&path);
    Program::run(install).success();
    copies(&folder, path, "neither python3 nor perl");
}

/// Data is as it is, and escaped by python.
#[test]
fn a_node_with_python_alone_will_do() {
    let folder = TempDir::new().unwrap();
    let path = only(&folder, "python", &[FEW, &["tar", "tee"]].concat());
    let python = fs::canonicalize("/usr/bin/python3").expect("python3");
    std::os::unix::fs::symlink(python, path.join("python3")).unwrap();
    copies(&folder, path, "");
}

/// The listener of perl takes an upload, too.
#[test]
fn a_node_with_perl_alone_will_do() {
    let folder = TempDir::new().unwrap();
    let path = only(&folder, "perl", &[FEW, &["tar", "tee", "perl"]].concat());
    copies(&folder, path, "");
}

fn copies(folder: &TempDir, path: PathBuf, slower: &str) {
    let at = |name: &str| folder.path().join(name);
    let bytes = [&noise(1_200_000)[..], b"\xef\xbf\xbd\xef\xbf"].concat();
    fs::create_dir(at("tree")).unwrap();
    fs::write(at("tree/file"), &bytes).unwrap();
    for (words, copy) in each_way(folder.path()) {
        let mut ssmport = cp();
        ssmport.env("PATH", &path).args(&words);
        let said = run(&mut ssmport);
        assert_eq!(said.code(), 0, "{words:?} {said:?}");
        assert!(fs::read(at(copy)).unwrap() == bytes, "{words:?}");
        let is_slower = said.stderr.contains("it goes by a terminal session");
        assert_eq!(is_slower, !slower.is_empty() && copy.contains("up"), "{said:?}");
        assert!(!is_slower || said.stderr.contains(slower), "{said:?}");
    }
}

#[test]
fn what_a_node_lacks_is_named() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "x").unwrap();
    let without = |name: &str| FEW.iter().copied().filter(|tool| *tool != name).collect::<Vec<_>>();
    for (tools, source, part) in [
        (without("od"), "file", "lacks od"),
        (without("sha256sum"), "file", "lacks sha256sum"),
        (without("none"), "file", "lacks base64"),
        (without("none"), "", "lacks tar"),
    ] {
        let path = only(&folder, &part.replace(' ', "-"), &tools);
        let mut ssmport = cp();
        ssmport.env("PATH", path);
        let source = on_node(&folder.path().join(source));
        ssmport.args([source, folder.path().join("copy").into_os_string()]);
        let said = run(&mut ssmport);
        assert_eq!(said.code(), 4, "{said:?}");
        assert!(said.stderr.contains(part), "{said:?}");
        assert!(!folder.path().join("copy").exists());
    }
}

/// What sends dies in the midst of it, once: the copy goes on, or begins again.
#[test]
fn a_sender_that_dies_is_not_the_end_of_a_copy() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("tree")).unwrap();
    let bytes = noise(900_000);
    fs::write(at("tree/file"), &bytes).unwrap();
    let tools = [FEW, &["tar", "tee", "perl"]].concat();
    let path = only(&folder, "dying", &tools);
    let (perl, died) = (find_tool("perl"), at("died"));
    fs::remove_file(path.join("perl")).unwrap();
    let dying = format!(
        "#!/bin/sh\ncase $2 in *sysread*) if mkdir {died} 2>/dev/null; then\n\
         {perl} \"$@\" | head -c 300000\nexit 1\nfi ;; esac\nexec {perl} \"$@\"\n",
        died = died.display(),
        perl = perl.display(),
    );
    fs::write(path.join("perl"), dying).unwrap();
    fs::set_permissions(path.join("perl"), fs::Permissions::from_mode(0o755)).unwrap();
    for (source, copy) in [("tree/file", "down"), ("tree", "tree-down/file")] {
        let mut ssmport = cp();
        ssmport.env("PATH", &path).arg("-v").arg(on_node(&at(source)));
        ssmport.arg(at(copy.split('/').next().unwrap()));
        let said = run(&mut ssmport);
        assert_eq!(said.code(), 0, "{said:?}");
        assert!(said.stderr.contains("in the middle of the copy"), "{said:?}");
        assert!(fs::read(at(copy)).unwrap() == bytes, "{said:?}");
        fs::remove_dir(&died).unwrap();
    }
}

/// What was to calculate the digest is killed: at once, or when it has read all.
#[test]
fn a_digest_that_comes_to_nothing_proves_nothing() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("tree")).unwrap();
    fs::write(at("tree/file"), noise(300_000)).unwrap();
    for (name, reads) in [("at-once", ""), ("at-last", "cat >/dev/null; ")] {
        let tools = FEW.iter().copied().filter(|tool| *tool != "sha256sum");
        let path = only(&folder, name, &tools.chain(["tar", "tee", "perl"]).collect::<Vec<_>>());
        fs::write(path.join("sha256sum"), format!("#!/bin/sh\n{reads}kill -KILL $$\n")).unwrap();
        fs::set_permissions(path.join("sha256sum"), fs::Permissions::from_mode(0o755)).unwrap();
        for (words, copy) in each_way(folder.path()) {
            let mut ssmport = cp();
            ssmport.env("PATH", &path).args(&words);
            let said = run(&mut ssmport);
            assert!(![0, 2].contains(&said.code()), "{words:?} {said:?}");
            assert!(!at(copy).exists(), "{words:?} {said:?}");
        }
    }
}

/// Neither the listener, nor what it would have fed.
#[test]
fn a_killed_copy_leaves_no_process_on_the_node() {
    let folder = TempDir::new().unwrap();
    let endpoint = Endpoint::with(&["--faults", "rate=1MB"]);
    let source = folder.path().join("source");
    fs::write(&source, noise(8_000_000)).unwrap();
    let there = folder.path().join("there");
    let name = there.display().to_string();
    // The script has a path alone where the client has it behind the node's name.
    for (words, word) in [
        ([source.display().to_string(), format!("{NODE}:{name}")], name.clone()),
        ([format!("{NODE}:{}", source.display()), name.clone()], source.display().to_string()),
    ] {
        let mut ssmport = cp();
        ssmport.args(["--endpoint-url", &endpoint.url, "--region", REGION]).args(&words);
        ssmport.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        let copying = Program::start(ssmport);
        let part = folder.path().join(".there.ssmport-part");
        await_that("some of it comes", || {
            fs::metadata(&part).is_ok_and(|part| part.len() > 100_000)
        });
        assert!(runs_with(&word));
        copying.stop(Signal::KILL);
        for session in endpoint.active_sessions() {
            endpoint.call("TerminateSession", &serde_json::json!({ "SessionId": session }));
        }
        await_that("all processes are gone", || {
            !runs_with(&name) && !runs_with(&source.display().to_string())
        });
        fs::remove_file(part).unwrap();
    }
}

/// On both loopbacks, as `localhost` may be either. A stranger is turned away and keeps nobody waiting, and whoever
/// has the secret is heard: all that comes behind it is the script's input.
#[test]
fn a_listener_takes_the_one_connection_that_has_its_secret() {
    for host in
        ["127.0.0.1", "::1"].into_iter().filter(|host| TcpListener::bind((*host, 0)).is_ok())
    {
        for (program, words) in [
            ("python3", &["-c", include_str!("../../src/client/copy/node/receive.py")][..]),
            ("perl", &["-MSocket", "-e", include_str!("../../src/client/copy/node/receive.pl")]),
        ] {
            let mut listener = command(program);
            listener.args(words).args(["read -r line; echo \"$1: $line\"; cat", "sh", "got"]);
            let listener = Program::start(listener);
            let told = listener.wait_for_stdout(|line| line.starts_with("listen "));
            let [_, port, secret] = told.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{told}")
            };
            let connect = || TcpStream::connect((host, port.parse().unwrap())).unwrap();
            // Neither those who say nothing, nor those who take their time.
            let _silent: Vec<_> = (0..40).map(|_| connect()).collect();
            let mut slow = connect();
            slow.write_all(b"0123").unwrap();
            for stranger in ["0".repeat(secret.len()), String::new(), secret[1..].to_owned()] {
                let mut connection = connect();
                connection.write_all(stranger.as_bytes()).unwrap();
                connection.shutdown(Shutdown::Write).unwrap();
                // It may be reset, with something unread.
                assert!(
                    matches!(connection.read(&mut [0]), Ok(0) | Err(_)),
                    "{program} {stranger}"
                );
            }
            // One that goes on and on is dropped.
            let dropped = slow.set_read_timeout(Some(DEADLINE)).and_then(|()| slow.read(&mut [0]));
            assert!(matches!(dropped, Ok(0)), "{program} {dropped:?}");
            let mut connection = connect();
            connection.write_all(format!("{secret}a line\nand more").as_bytes()).unwrap();
            connection.shutdown(Shutdown::Write).unwrap();
            let ended = listener.finish();
            assert_eq!((ended.code(), ended.stderr.as_str()), (0, ""), "{program}");
            assert_eq!(ended.stdout, format!("{told}\ngot: a line\nand more"), "{program}");
            assert!(TcpStream::connect((host, port.parse().unwrap())).is_err(), "{program}");
        }
    }
}

/// Whether a process has `word` among its own.
fn runs_with(word: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .any(|line| line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes()))
}

/// A folder with links to these programs alone.
fn only(folder: &TempDir, name: &str, tools: &[&str]) -> PathBuf {
    let path = folder.path().join(name);
    fs::create_dir(&path).unwrap();
    for tool in tools {
        std::os::unix::fs::symlink(find_tool(tool), path.join(tool)).unwrap();
    }
    path
}

const FEW: &[&str] = &[
    "sh",
    "dd",
    "head",
    "od",
    "tail",
    "tr",
    "wc",
    "sha256sum",
    "stat",
    "ls",
    "cat",
    "mkdir",
    "mv",
    "rm",
    "chmod",
    "chown",
    "touch",
    "readlink",
];
