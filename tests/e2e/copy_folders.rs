//! `ssmport cp`: folders, and what a node may have put into one.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File},
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;

use super::{
    copy_files::{cp, noise, on_node, run},
    support::{Program, await_that, command, faulty, in_shell},
};

#[test]
fn a_folder_goes_there_and_back_with_all_that_is_in_it() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let source = at("source");
    build(&source);
    let expected = told(&source);
    mkfifoat(CWD, source.join("pipe"), Mode::RUSR | Mode::WUSR).unwrap();

    let up = run(cp().args([source.as_os_str(), &on_node(&at("there"))]));
    assert_eq!(up.code(), 0, "{up:?}");
    assert!(up.stderr.contains("pipe is left out"), "{up:?}");
    same(&told(&at("there")), &expected);
    mkfifoat(CWD, at("there/pipe"), Mode::RUSR | Mode::WUSR).unwrap();
    let down = run(cp().args([on_node(&at("there")), at("back").into_os_string()]));
    assert_eq!(down.code(), 0, "{down:?}");
    assert!(down.stderr.contains("pipe is left out"), "{down:?}");
    same(&told(&at("back")), &expected);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

/// What is renamed stays in a file system.
#[test]
fn it_goes_into_a_folder_that_is_a_file_system_of_its_own() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    ["source/in", "up/source", "down/source"].iter().for_each(|path| {
        fs::create_dir_all(at(path)).unwrap();
    });
    fs::write(at("source/in/it"), "text").unwrap();
    let script = "cd \"$1\" && shift && mount -t tmpfs none up/source && mount -t tmpfs none down/source && \
        \"$@\" source \"local:$PWD/up\" && \"$@\" \"local:$PWD/source\" down && \
        cat up/source/in/it down/source/in/it && ls -A up/source down/source";
    let mut unshare = command("unshare");
    unshare.args(["-rm", "sh", "-c", script, "sh"]).arg(folder.path());
    let cp = cp();
    unshare.arg(cp.get_program()).args(cp.get_args());
    let said = run(&mut unshare);
    assert_eq!(said.code(), 0, "{said:?}");
    assert_eq!(said.stdout, "texttextdown/source:\nin\n\nup/source:\nin\n", "{said:?}");
}

#[test]
fn other_file_systems_below_a_folder_are_put_into() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    for path in ["source/in/deep", "up/source/in", "down/source/in"] {
        fs::create_dir_all(at(path)).unwrap();
    }
    fs::write(at("source/in/it"), "text").unwrap();
    fs::hard_link(at("source/in/it"), at("source/name")).unwrap();
    fs::write(at("source/in/deep/file"), "deep").unwrap();
    symlink("nowhere", at("source/in/link")).unwrap();
    for (path, mode) in [("in/it", 0o640), ("in/deep/file", 0o440), ("in/deep", 0o550)] {
        fs::set_permissions(at("source").join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    let script = r#"cd "$1" && shift && mount -t tmpfs none up/source/in && mount -t tmpfs none down/source/in &&
        echo old >up/source/in/it && echo old >down/source/in/it &&
        no_root="unshare --user --map-user=1000 --map-group=1000" &&
        $no_root "$@" source "local:$PWD/up" && $no_root "$@" "local:$PWD/source" down &&
        for side in up down; do
            (cd $side/source && stat -c "%n %a" name && cd in && cat it deep/* && readlink link && ls -A &&
                stat -c "%n %a" it deep deep/*)
        done"#;
    let mut unshare = command("unshare");
    unshare.args(["-rm", "sh", "-c", script, "sh"]).arg(folder.path());
    let cp = cp();
    unshare.arg(cp.get_program()).args(cp.get_args());
    let said = run(&mut unshare);
    fs::set_permissions(at("source/in/deep"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(said.code(), 0, "{said:?}");
    let side = "name 640\ntextdeepnowhere\ndeep\nit\nlink\nit 640\ndeep 550\ndeep/file 440\n";
    assert_eq!(said.stdout, side.repeat(2), "{said:?}");
}

/// As cp has it, both ways.
#[test]
fn the_content_of_a_folder_goes_without_it() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    for path in ["source", "up", "down"] {
        fs::create_dir_all(at(path)).unwrap();
    }
    fs::write(at("source/it"), "text").unwrap();
    run(cp().args([at("source/.").into_os_string(), on_node(&at("up"))])).success();
    run(cp().args([on_node(&at("source/.")), at("down").into_os_string()])).success();
    for path in ["up", "down"] {
        let names: Vec<_> =
            fs::read_dir(at(path)).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(names, ["it"], "{path}");
    }
}

/// One file after the other; what is there besides stays.
#[test]
fn into_a_folder_that_is_there_it_is_put_beside_what_there_is() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    for path in ["source/in/it", "up/source/in", "down/source/in"] {
        fs::create_dir_all(at(path)).unwrap();
    }
    for (path, text) in [
        ("source/.hidden", "new"),
        ("source/in/both", "new"),
        ("source/in/it/deep", "new"),
        ("up/source/in/both", "old"),
        ("up/source/in/other", "old"),
        ("down/source/in/both", "old"),
        ("down/source/in/other", "old"),
    ] {
        fs::write(at(path), text).unwrap();
    }
    run(cp().args([at("source").into_os_string(), on_node(&at("up"))])).success();
    run(cp().args([on_node(&at("source")), at("down").into_os_string()])).success();
    for way in ["up", "down"] {
        for (path, text) in
            [(".hidden", "new"), ("in/both", "new"), ("in/it/deep", "new"), ("in/other", "old")]
        {
            let path = at(way).join("source").join(path);
            assert_eq!(fs::read_to_string(&path).unwrap(), text, "{path:?}");
        }
        let names: Vec<_> = fs::read_dir(at(way)).unwrap().flatten().collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }
}

/// An archive that nobody would make without a purpose, in the place of the node's own.
#[test]
fn nothing_of_a_folder_comes_out_of_its_place() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("bin")).unwrap();
    fs::create_dir(at("victim")).unwrap();
    fs::create_dir(at("source")).unwrap();
    fs::write(at("bin/tar"), format!("#!/bin/sh\ncat {}\n", at("archive").display())).unwrap();
    fs::set_permissions(at("bin/tar"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", at("bin").display());
    let victim = at("victim").display().to_string();
    for (entries, code) in [
        (vec![file("../victim/x")], 4),
        (vec![file("a/../../victim/x")], 4),
        (vec![link("door", &victim), file("door/x")], 5),
        (vec![link("door", "../victim"), file("door/x")], 5),
        (vec![link("door", &victim), directory("door/x")], 5),
        // A name that begins at the root stays within.
        (vec![file(&format!("{victim}/x"))], 0),
    ] {
        let mut archive = tar::Builder::new(File::create(at("archive")).unwrap());
        for mut header in entries {
            header.set_cksum();
            archive.append(&header, &b"evil"[..header.size().unwrap() as usize]).unwrap();
        }
        archive.finish().unwrap();
        let mut ssmport = cp();
        ssmport.env("PATH", &path).args([on_node(&at("source")), at("copy").into_os_string()]);
        let said = run(&mut ssmport);
        assert_eq!(said.code(), code, "{said:?}");
        assert_eq!(fs::read_dir(at("victim")).unwrap().count(), 0, "{said:?}");
        assert_eq!(at("copy").exists(), code == 0);
        assert!(!at(".copy.ssmport-part").exists());
        let _ = fs::remove_dir_all(at("copy"));
    }
}

/// What a copy would leave out is an error, and nothing of it is there.
#[test]
fn a_folder_that_cannot_be_read_whole_is_not_there() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("bin")).unwrap();
    build(&at("source"));
    let script = "#!/bin/sh\n/bin/tar \"$@\"\necho tar: ./secret: Permission denied >&2\nexit 2\n";
    fs::write(at("bin/tar"), script).unwrap();
    fs::set_permissions(at("bin/tar"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", at("bin").display());
    let mut ssmport = cp();
    ssmport.env("PATH", &path).args([on_node(&at("source")), at("copy").into_os_string()]);
    let said = run(&mut ssmport);
    assert_eq!(said.code(), 4, "{said:?}");
    assert!(said.stderr.contains("./secret: Permission denied"), "{said:?}");
    assert!(!at("copy").exists() && !at(".copy.ssmport-part").exists());
}

/// A link to a folder is replaced, and is not where anything goes.
#[test]
fn a_folder_with_a_link_to_a_folder_goes_there_again() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("source/real")).unwrap();
    fs::write(at("source/real/file"), "x").unwrap();
    symlink("real", at("source/link")).unwrap();
    for (words, copy) in [
        ([at("source").into_os_string(), on_node(&at("up"))], "up"),
        ([on_node(&at("source")), at("down").into_os_string()], "down"),
    ] {
        fs::create_dir(at(copy)).unwrap();
        for _ in 0..2 {
            run(cp().args(&words)).success();
        }
        let copy = at(copy).join("source");
        assert_eq!(fs::read_link(copy.join("link")).unwrap(), Path::new("real"));
        assert_eq!(fs::read_dir(copy.join("real")).unwrap().count(), 1);
    }
}

/// The first goes on when a second is through, and neither takes what is the other's.
#[test]
fn two_copies_of_folders_to_one_place_have_each_their_own_part() {
    for way in ["up", "down"] {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let bytes = noise(4_000_000);
        for name in ["one", "two"] {
            fs::create_dir_all(at(name).join("tree")).unwrap();
            fs::write(at(name).join("tree").join(name), &bytes).unwrap();
        }
        fs::create_dir(at("there")).unwrap();
        let words = |name: &str| match way {
            "up" => [at(name).join("tree").into_os_string(), on_node(&at("there"))],
            _ => [on_node(&at(name).join("tree")), at("there").into_os_string()],
        };
        let mut slow = faulty("rate=1MB");
        slow.arg("cp").args(words("one"));
        let first = Program::start(slow);
        await_that("some of it comes", || parts(&at("there")).iter().any(|part| holds(part)));
        run(cp().args(words("two"))).success();
        assert!(!at("there/tree/one").exists(), "{way}");
        assert_eq!(first.finish().code(), 0, "{way}");
        for name in ["one", "two"] {
            let copy = at("there/tree").join(name);
            assert!(fs::read(copy).unwrap() == bytes, "{way} {name}");
        }
        assert_eq!(parts(&at("there")), Vec::<PathBuf>::new(), "{way}");
    }
}

/// What root's tar would keep of its own accord.
#[test]
fn permissions_of_a_folder_are_those_of_new_ones_on_request() {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("tree/in")).unwrap();
    fs::write(folder.path().join("tree/in/file"), "x").unwrap();
    for (words, copy) in [(["tree", "local:up"], "up"), (["local:tree", "down"], "down")] {
        let within = in_shell(r#"umask 027; exec "$@""#, cp().arg("--no-preserve").args(words));
        let mut unshare = command("unshare");
        unshare.args(["--user", "--map-root-user"]);
        unshare.arg(within.get_program()).args(within.get_args()).current_dir(folder.path());
        Program::run(unshare).success();
        for (path, expected) in [("", 0o750), ("in", 0o750), ("in/file", 0o640)] {
            let path = folder.path().join(copy).join(path);
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, expected, "{path:?}");
        }
    }
}

fn parts(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    paths.filter(|path| path.to_string_lossy().contains(".ssmport-part")).collect()
}

/// Whether a part has something in it.
fn holds(part: &Path) -> bool {
    fs::read_dir(part).is_ok_and(|mut entries| entries.next().is_some())
}

fn build(folder: &Path) {
    fs::create_dir_all(folder.join("in/it/deep")).unwrap();
    fs::create_dir(folder.join("empty")).unwrap();
    fs::create_dir(folder.join("closed")).unwrap();
    let long = "l".repeat(180);
    for (index, name) in [
        b"plain".as_slice(),
        b"in/new\nline",
        b"in/it/-dash",
        b"in/it/deep/\xff\xfe",
        b"in/it/deep/quo'te\"s",
        b".hidden",
        b"closed/file",
        long.as_bytes(),
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.join(OsStr::from_bytes(name));
        fs::write(&path, noise(index * 40_000)).unwrap();
        let mode = [0o644, 0o755, 0o600, 0o444][index % 4];
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + index as u64);
        File::open(&path).unwrap().set_modified(modified).unwrap();
    }
    // With a hole.
    File::create(folder.join("sparse")).unwrap().set_len(5_000_000).unwrap();
    symlink("plain", folder.join("link")).unwrap();
    symlink("nowhere", folder.join("dangling")).unwrap();
    symlink("loop", folder.join("loop")).unwrap();
    symlink("..", folder.join("in/up")).unwrap();
    fs::set_permissions(folder.join("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(folder.join("in"), fs::Permissions::from_mode(0o750)).unwrap();
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_100_000_000);
    File::open(folder.join("empty")).unwrap().set_modified(modified).unwrap();
}

/// What there is to be told of everything in a folder, pipes apart.
fn told(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut paths = vec![PathBuf::new()];
    while let Some(path) = paths.pop() {
        for entry in fs::read_dir(folder.join(&path)).unwrap().flatten() {
            let metadata = entry.metadata().unwrap();
            let within = path.join(entry.file_name());
            let content = match metadata.file_type() {
                kind if kind.is_symlink() => format!("{:?}", fs::read_link(entry.path()).unwrap()),
                kind if kind.is_dir() => {
                    paths.push(within.clone());
                    format!("folder {:o}", metadata.permissions().mode())
                }
                kind if kind.is_file() => {
                    let digest = super::support::file_digest(&entry.path());
                    let seconds =
                        metadata.modified().unwrap().duration_since(SystemTime::UNIX_EPOCH);
                    let mode = metadata.permissions().mode();
                    format!("{digest:?} {mode:o} {}", seconds.unwrap().as_secs())
                }
                _ => continue,
            };
            all.insert(within, content);
        }
    }
    let modified = fs::metadata(folder.join("empty")).unwrap().modified().unwrap();
    all.insert("time of a folder".into(), format!("{modified:?}"));
    all
}

#[track_caller]
fn same(one: &BTreeMap<PathBuf, String>, other: &BTreeMap<PathBuf, String>) {
    for path in one.keys().chain(other.keys()) {
        assert_eq!(one.get(path), other.get(path), "{path:?}");
    }
}

fn header(name: &str, kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    let bytes = &mut header.as_old_mut().name;
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o777);
    header.set_mtime(0);
    header
}

fn file(name: &str) -> tar::Header {
    header(name, tar::EntryType::Regular, 4)
}

fn directory(name: &str) -> tar::Header {
    header(name, tar::EntryType::Directory, 0)
}

fn link(name: &str, target: &str) -> tar::Header {
    let mut header = header(name, tar::EntryType::Symlink, 0);
    header.set_link_name(target).unwrap();
    header
}
