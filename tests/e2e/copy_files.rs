//! `ssmport cp`: files, and what becomes of those that cannot be copied.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::Write,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use serde_json::Value;
use tempfile::TempDir;

use super::support::{Finished, Program, Signal, await_that, command, faulty, in_shell};

#[test]
fn a_file_goes_there_and_back_as_it_was() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    ["there", "back"].iter().for_each(|name| fs::create_dir(at(name)).unwrap());
    let long = noise(3_000_001);
    let damaged_by_agents =
        [&b"\xef\xbf\xbd\xef\xbf"[..], &long[..70_000], b"\xef\xbf\x01\xef"].concat();
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567_890);
    let names: [&[u8]; 12] = [
        b"plain",
        b"a b",
        b"new\nline\n",
        b"quo'te\"s",
        b"-dash",
        b"\xc3\xbc",
        b"\xff\xfe",
        b"$HOME",
        b"`x`;*?",
        b"back\\slash%s",
        b"~",
        b"a:b",
    ];
    for (index, name) in names.into_iter().enumerate() {
        let bytes = match index {
            0 => &long[..],
            1 => b"",
            2 => &long[..1],
            _ => &damaged_by_agents,
        };
        let name = OsStr::from_bytes(name);
        let source = folder.path().join(name);
        fs::write(&source, bytes).unwrap();
        fs::set_permissions(&source, fs::Permissions::from_mode(0o640)).unwrap();
        File::open(&source).unwrap().set_modified(modified).unwrap();

        run(cp().args([source.as_os_str(), &on_node(&at("there"))])).success();
        let there = at("there").join(name);
        run(cp().args([on_node(&there), at("back").into()])).success();
        for copy in [there, at("back").join(name)] {
            let metadata = fs::metadata(&copy).unwrap_or_else(|error| panic!("{copy:?}: {error}"));
            assert!(fs::read(&copy).unwrap() == bytes, "{copy:?}");
            assert_eq!(metadata.permissions().mode() & 0o7777, 0o640, "{copy:?}");
            assert_eq!(metadata.modified().unwrap(), modified, "{copy:?}");
        }
    }
    assert_eq!(names_in(&at("there")).len(), names.len());
    assert_eq!(names_in(&at("back")).len(), names.len());
}

#[test]
fn places_are_those_of_cp() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a"), "a").unwrap();
    fs::write(at("b"), "b").unwrap();
    fs::create_dir(at("into")).unwrap();
    let node = |name: &str| on_node(&at(name));
    let here = |name: &str| at(name).into_os_string();
    // A new name, several, and again.
    for (words, path, text) in [
        (vec![here("a"), node("new")], "new", "a"),
        (vec![node("a"), here("newer")], "newer", "a"),
        (vec![here("a"), here("b"), node("into")], "into/b", "b"),
        (vec![node("b"), node("a"), here("into")], "into/a", "a"),
        (vec![here("b"), node("new")], "new", "b"),
        (vec![node("b"), here("newer")], "newer", "b"),
        (vec!["-r".into(), "-p".into(), node("b"), here("into/")], "into/b", "b"),
    ] {
        let said = run(cp().args(&words));
        assert_eq!(said.code(), 0, "{words:?} {said:?}");
        assert!(said.stderr.contains(path), "{said:?}");
        assert_eq!(fs::read_to_string(at(path)).unwrap(), text, "{words:?}");
    }
    // Relative on either side: an embedded node's sessions begin where it was started.
    let mut relative = cp();
    relative.args(["local:a", "relative"]).current_dir(folder.path());
    run(&mut relative).success();
    let mut relative = cp();
    relative.args(["relative", "local:./again"]).current_dir(folder.path());
    let said = run(&mut relative);
    assert!(said.stderr.contains(&format!("local:{}", at("again").display())), "{said:?}");
    // What a link leads to is written.
    std::os::unix::fs::symlink("again", at("link")).unwrap();
    run(cp().args([here("b"), node("link")])).success();
    assert_eq!(fs::read_to_string(at("again")).unwrap(), "b");
    run(cp().args([node("a"), here("link")])).success();
    assert_eq!(fs::read_to_string(at("again")).unwrap(), "a");
    assert!(at("link").is_symlink());
}

/// The last bytes of an output may be lost: no session's may be those that matter.
#[test]
fn every_session_of_a_file_is_read_to_its_end() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let bytes = noise(34_000_000);
    fs::write(at("source"), &bytes).unwrap();
    let said =
        run(cp().args(["-v", "--sessions", "2"]).args([on_node(&at("source")), at("copy").into()]));
    assert_eq!(said.code(), 0, "{said:?}");
    assert_eq!(said.stderr.matches("info: session local-").count(), 2, "{said:?}");
    assert!(!said.stderr.contains("in the middle of the copy"), "{said:?}");
    assert!(fs::read(at("copy")).unwrap() == bytes);
}

#[test]
fn permissions_are_those_of_new_files_on_request() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("source"), "x").unwrap();
    fs::set_permissions(at("source"), fs::Permissions::from_mode(0o600)).unwrap();
    File::open(at("source")).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    for words in [
        [at("source").into_os_string(), on_node(&at("up"))],
        [on_node(&at("source")), at("down").into_os_string()],
    ] {
        let mut shell = in_shell(r#"umask 027; exec "$@""#, cp().arg("--no-preserve").args(words));
        shell.current_dir(folder.path());
        Program::run(shell).success();
    }
    for name in ["up", "down"] {
        let metadata = fs::metadata(at(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o640, "{name}");
        assert!(
            metadata.modified().unwrap() > SystemTime::UNIX_EPOCH + Duration::from_secs(1),
            "{name}"
        );
    }
}

#[test]
fn streams_are_copied_up_and_down() {
    let folder = TempDir::new().unwrap();
    let bytes = noise(1_500_000);
    fs::write(folder.path().join("source"), &bytes).unwrap();
    let there = on_node(&folder.path().join("there"));
    let shell = |script: &str, words: [&OsStr; 2]| {
        let mut shell = in_shell(script, cp().args(words));
        shell.current_dir(folder.path());
        Program::run(shell).success();
    };
    shell(r#"exec "$@" <source"#, ["-".as_ref(), &there]);
    assert!(fs::read(folder.path().join("there")).unwrap() == bytes);
    shell(r#""$@" | cat >back"#, [&there, "-".as_ref()]);
    assert!(fs::read(folder.path().join("back")).unwrap() == bytes);
    // A reader that has enough is no error.
    let mut shell = in_shell(r#""$@" | head -c 9 >begun"#, cp().args([&there, OsStr::new("-")]));
    shell.current_dir(folder.path());
    let said = Program::run(shell);
    assert_eq!((said.code(), said.stderr.as_str()), (0, ""));
    assert!(fs::read(folder.path().join("begun")).unwrap() == bytes[..9]);
}

/// Each with its exit code, and nothing is left behind.
#[test]
fn what_cannot_be_copied_is_told() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "x").unwrap();
    fs::create_dir(at("folder")).unwrap();
    fs::create_dir(at("folder/file")).unwrap();
    fs::create_dir(at("other")).unwrap();
    fs::write(at("other/folder"), "x").unwrap();
    let before = tree(folder.path());
    let node = |name: &str| on_node(&at(name));
    let here = |name: &str| at(name).into_os_string();
    for (words, code, part) in [
        (vec![node("absent"), here("new")], 4, "there is no "),
        (vec![node("*"), here("new")], 4, "nothing is expanded there"),
        (vec!["local:/proc/cpuinfo".into(), here("new")], 4, "-- cat /proc/cpuinfo"),
        (vec!["/proc/cpuinfo".into(), node("new")], 5, "does not say how long it is"),
        (vec![here("absent"), node("new")], 5, "cannot read"),
        (vec![node("file"), here("no/new")], 5, "make it first"),
        (vec![here("file"), node("no/new")], 4, "make it first"),
        (vec![node("file"), here("no/")], 5, "there is no folder"),
        (vec![here("file"), node("no/")], 4, "there is no folder"),
        (vec![node("file"), here("folder")], 5, "is a folder, and the source is a file"),
        (vec![here("file"), node("folder")], 4, "is a folder, and the source is a file"),
        (vec![node("folder"), here("file")], 5, "is a file, and the source is a folder"),
        (vec![here("folder"), node("file")], 4, "is a file, and the source is a folder"),
        (vec![node("folder"), here("other")], 5, "is a file, and the source is a folder"),
        (vec![here("folder"), node("other")], 4, "is a file, and the source is a folder"),
        (vec![here("file"), here("file"), node("new")], 4, "there is no folder"),
        (vec![here("file"), "local:/dev/null".into()], 4, "is neither a file nor a folder"),
        (vec![node("file"), "/dev/null".into()], 5, "is neither a file nor a folder"),
        (vec!["local:/dev/null".into(), here("new")], 4, "is neither a file nor a folder"),
        (vec!["/dev/null".into(), node("new")], 5, "is neither a file nor a folder"),
        (vec![here("file"), here("new")], 2, "neither end is on a node"),
        (vec![node("file"), node("new")], 2, "ssmport cp A:FILE - |"),
    ] {
        let said = run(cp().args(&words));
        assert_eq!(said.code(), code, "{words:?} {said:?}");
        assert!(said.stderr.contains(part), "{words:?} {said:?}");
        assert_eq!(tree(folder.path()), before, "{words:?}");
    }
}

/// Both ends see the same disk here.
#[test]
fn a_full_disk_is_told_and_made_no_fuller() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("source"), noise(3_000_000)).unwrap();
    fs::create_dir_all(folder.path().join("tree/in/it")).unwrap();
    fs::write(folder.path().join("tree/in/it/source"), noise(3_000_000)).unwrap();
    fs::create_dir(folder.path().join("disk")).unwrap();
    for (words, code) in [
        (["local:source", "disk/x"], 5),
        (["source", "local:disk/x"], 4),
        (["local:tree", "disk/x"], 5),
        (["tree", "local:disk/x"], 4),
    ] {
        let script =
            r#"mount -t tmpfs -o size=1m tmpfs disk && { "$@"; code=$?; ls -A disk; exit $code; }"#;
        let within = in_shell(script, cp().args(words));
        let mut unshare = command("unshare");
        unshare.args(["--user", "--map-root-user", "--mount"]);
        unshare.arg(within.get_program()).args(within.get_args()).current_dir(folder.path());
        let said = Program::run(unshare);
        assert_eq!((said.code(), &*said.stdout), (code, ""), "{words:?} {said:?}");
        // The latter are tar's words.
        let is_told = ["No space left", "Wrote only"].iter().any(|why| said.stderr.contains(why));
        assert!(is_told, "{words:?} {said:?}");
    }
}

#[test]
fn what_is_there_from_before_counts_if_it_is_right() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let bytes = noise(2_000_000);
    fs::write(at("source"), &bytes).unwrap();
    let wrong = [&bytes[..999_999], b"\0\0\0"].concat();
    let longer = [&bytes[..], b"more"].concat();
    for (part, resumed) in
        [(&bytes[..1_234_567], 1_234_567), (&wrong, 0), (&longer, 0), (&bytes, 2_000_000)]
    {
        for words in [
            [on_node(&at("source")), at("down").into_os_string()],
            [at("source").into_os_string(), on_node(&at("up"))],
        ] {
            for name in ["down", "up"] {
                fs::write(at(&format!(".{name}.ssmport-part")), part).unwrap();
                let _ = fs::remove_file(at(name));
            }
            let said = run(cp().arg("--json").args(&words)).success();
            let copied = event(&said, "copied");
            assert_eq!(copied["resumed_at"], resumed, "{words:?} {copied}");
            assert_eq!(copied["bytes"], 2_000_000);
            let path = if at("up").exists() { at("up") } else { at("down") };
            assert!(fs::read(path).unwrap() == bytes);
        }
    }
    // Nor does what somebody else has put there, who might so have root write to a file of root's.
    fs::write(at("theirs"), "theirs").unwrap();
    for is_symbolic in [true, false] {
        for name in ["down", "up"] {
            let part = at(&format!(".{name}.ssmport-part"));
            let _ = fs::remove_file(&part);
            match is_symbolic {
                true => std::os::unix::fs::symlink("theirs", &part).unwrap(),
                false => fs::hard_link(at("theirs"), &part).unwrap(),
            }
        }
        run(cp().args([on_node(&at("source")), at("down").into_os_string()])).success();
        run(cp().args([at("source").into_os_string(), on_node(&at("up"))])).success();
        assert_eq!(fs::read_to_string(at("theirs")).unwrap(), "theirs");
    }
}

/// By a signal, and by a kill, which nobody can prepare for.
#[test]
fn an_interrupted_copy_goes_on_where_it_was() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let bytes = noise(6_000_000);
    fs::write(at("source"), &bytes).unwrap();
    for (index, signal) in [Signal::INT, Signal::KILL].into_iter().enumerate() {
        for (way, words) in [
            ("down", [on_node(&at("source")), at("down").into_os_string()]),
            ("up", [at("source").into_os_string(), on_node(&at("up"))]),
        ] {
            let part = at(&format!(".{way}.ssmport-part"));
            let mut slow = faulty("rate=2MB");
            let begun =
                Program::start(std::mem::replace(slow.arg("cp").args(&words), command("true")));
            await_that("some of it comes", || {
                fs::metadata(&part).is_ok_and(|part| part.len() > 500_000)
            });
            begun.stop(signal);
            assert!(!at(way).exists(), "{way}");
            let said = run(cp().arg("--json").args(&words)).success();
            let resumed_at = event(&said, "copied")["resumed_at"].as_u64().unwrap();
            assert!(resumed_at > 500_000, "{way} {index}: {resumed_at}");
            assert!(fs::read(at(way)).unwrap() == bytes, "{way}");
            fs::remove_file(at(way)).unwrap();
        }
    }
    assert_eq!(names_in(folder.path()), ["source"]);
}

/// What comes of one is never what another one writes to.
#[test]
fn two_copies_of_files_to_one_place_do_not_mix() {
    for way in ["up", "down"] {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("one"), noise(40_000_000)).unwrap();
        fs::write(at("two"), "two").unwrap();
        let words = |name: &str| match way {
            "up" => [at(name).into_os_string(), on_node(&at("there"))],
            _ => [on_node(&at(name)), at("there").into_os_string()],
        };
        let mut slow = faulty("rate=1MB");
        slow.arg("cp").args(words("one"));
        let first = Program::start(slow);
        let part = at(".there.ssmport-part");
        await_that("some of it comes", || fs::metadata(&part).is_ok_and(|part| part.len() > 0));
        let second = run(cp().args(words("two")));
        assert_eq!(second.code(), if way == "up" { 4 } else { 5 }, "{second:?}");
        assert!(second.stderr.contains("another copy to "), "{second:?}");
        assert!(!at("there").exists());
        first.stop(Signal::INT);
        run(cp().args(words("two"))).success();
        assert_eq!(fs::read_to_string(at("there")).unwrap(), "two");
        assert_eq!(names_in(folder.path()).len(), 3, "{way}");
    }
}

#[test]
fn a_file_that_changes_meanwhile_is_not_taken_for_whole() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let bytes = noise(4_000_000);
    for (way, words, code) in [
        ("down", [on_node(&at("source")), at("down").into_os_string()], 4),
        ("up", [at("source").into_os_string(), on_node(&at("up"))], 5),
    ] {
        for change in ["in it", "shorter", "longer"] {
            fs::write(at("source"), &bytes).unwrap();
            let mut slow = faulty("rate=2MB");
            slow.arg("cp").args(&words);
            let copying = Program::start(slow);
            let part = at(&format!(".{way}.ssmport-part"));
            await_that("some of it comes", || {
                fs::metadata(&part).is_ok_and(|part| part.len() > 300_000)
            });
            if change == "longer" {
                let mut log = File::options().append(true).open(at("source")).unwrap();
                log.write_all(b"more").unwrap();
            }
            let changed = match change {
                // What the copy has not reached yet, or what it has behind it.
                "in it" if way == "down" => [&bytes[..3_900_000], &bytes[..100_000]].concat(),
                "in it" => [&bytes[3_900_000..], &bytes[100_000..]].concat(),
                "shorter" => bytes[..3_000_000].to_vec(),
                _ => [&bytes[..], b"more"].concat(),
            };
            if change != "longer" {
                fs::write(at("source"), changed).unwrap();
            }
            let said = copying.finish();
            if change == "longer" {
                // A log, for one.
                assert_eq!(said.code(), 0, "{way} {said:?}");
                assert!(said.stderr.contains("what it had at the beginning"), "{said:?}");
                assert!(fs::read(at(way)).unwrap() == bytes, "{way}");
            } else {
                assert_eq!(said.code(), code, "{way} {change} {said:?}");
                assert!(said.stderr.contains("has changed while it was copied"), "{said:?}");
                assert!(!at(way).exists());
            }
            assert!(!part.exists(), "{way} {change}");
        }
    }
}

/// The command.
pub(super) fn cp() -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.arg("cp");
    ssmport
}

/// Runs it once.
pub(super) fn run(command: &mut Command) -> Finished {
    Program::run(std::mem::replace(command, Command::new("true")))
}

/// A path of the embedded node's.
pub(super) fn on_node(path: &Path) -> OsString {
    [OsStr::new("local:"), path.as_os_str()].into_iter().collect()
}

/// How `tree` of a folder and the `file` in it are copied, each way, and what is a copy of that file then.
#[cfg(feature = "aws")]
pub(super) fn each_way(folder: &Path) -> [([OsString; 2], &'static str); 4] {
    let here = |name: &str| folder.join(name).into_os_string();
    let there = |name: &str| on_node(&folder.join(name));
    [
        ([there("tree/file"), here("down")], "down"),
        ([here("tree/file"), there("up")], "up"),
        ([there("tree"), here("tree-down")], "tree-down/file"),
        ([here("tree"), there("tree-up")], "tree-up/file"),
    ]
}

/// The first event of this name.
pub(super) fn event(lines: &str, name: &str) -> Value {
    let mut events = lines.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let event = events.find(|event: &Value| event["event"] == name);
    event.unwrap_or_else(|| panic!("no {name} in {lines}"))
}

pub(super) fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|_| rand::random()).collect()
}

fn names_in(folder: &Path) -> Vec<OsString> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

/// All paths in a folder.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for name in names_in(folder) {
        let path = folder.join(name);
        if path.is_dir() {
            paths.extend(tree(&path));
        }
        paths.push(path);
    }
    paths.sort();
    paths
}
