//! Programs that go with a tunnel: those of the configuration, and clients that there are.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use tempfile::TempDir;

use crate::{
    raw_client::await_active_sessions,
    support::{NODE, Program, Signal},
    up::{User, to},
};

/// A folder with programs that say how they were called.
fn clients(names: &[&str]) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for name in names {
        let path = folder.path().join(name);
        fs::write(&path, "#!/bin/sh\necho \"${0##*/} $* $SSMPORT_PORT\"; exit 7\n")
            .expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("an executable");
    }
    folder
}

fn ssmport(user: &User, clients: &Path, words: &[&str]) -> Command {
    let mut ssmport = user.ssmport(words);
    ssmport.env("PATH", format!("{}:/nonexistent", clients.display()));
    ssmport
}

#[test]
fn a_client_that_there_is_is_told_the_port() {
    let config = [
        to("win", NODE, 3389, 0),
        to("sql", NODE, 1433, 0),
        to("db", NODE, 5432, 0) + "open = \"xfreerdp db {host} {port}\"\n",
        to("bare", NODE, 5432, 0),
    ];
    let user = User::with(&config.concat());
    let clients = clients(&["xfreerdp", "remmina", "sqlcmd"]);
    for (words, said) in [
        (&["connect", "win"][..], "xfreerdp /v:127.0.0.1:PORT PORT"),
        (&["connect", "sql"], "sqlcmd -S tcp:127.0.0.1,PORT PORT"),
        (&["forward", "0:3389", "-t", NODE, "--open"], "xfreerdp /v:127.0.0.1:PORT PORT"),
        (&["forward", "0:13389", "-t", NODE, "--open=rdp"], "xfreerdp /v:127.0.0.1:PORT PORT"),
        (&["forward", "0:1433", "0:80", "-t", NODE, "--open"], "sqlcmd -S tcp:127.0.0.1,PORT PORT"),
        (&["forward", "0:80", "-t", NODE, "--open=db"], "xfreerdp db 127.0.0.1 PORT PORT"),
    ] {
        let ran = Program::run(ssmport(&user, clients.path(), words));
        assert_eq!(ran.code(), 7, "{words:?}: {ran:#?}");
        let port = ran.stdout.trim_end().rsplit(' ').next().expect("a port");
        assert!(port.parse::<u16>().is_ok(), "{ran:#?}");
        assert_eq!(ran.stdout.trim_end(), said.replace("PORT", port), "{words:?}");
    }
    for (words, part) in [
        (&["forward", "0:5432", "-t", NODE, "--open"][..], "goes with port 5432 by itself"),
        (&["forward", "0:80", "-t", NODE, "--open=absent"], "no tunnel `absent` whose program"),
        (&["forward", "0:80", "-t", NODE, "--open=bare"], "the tunnel bare has no program"),
        (&["forward", "0:80", "-t", NODE, "--open", "--", "true"], "cannot be used with"),
    ] {
        let refused = Program::run(ssmport(&user, clients.path(), words));
        assert!(refused.code() == 2 && refused.stderr.contains(part), "{words:?}: {refused:#?}");
    }
    await_active_sessions(&user.endpoint, 0);
}

/// Then it is a tunnel, and where it listens is told.
#[test]
fn without_a_client_the_port_is_there() {
    let user = User::with(&to("win", NODE, 3389, 0));
    let none = clients(&[]);
    for words in [&["connect", "win"][..], &["forward", "0:3389", "-t", NODE, "--open"]] {
        let forward = Program::start(ssmport(&user, none.path(), words));
        forward
            .wait_for_stderr(|line| line.starts_with("There is no client of Remote Desktop here"));
        forward.wait_for_stderr(|line| line.starts_with("Forwarding 127.0.0.1:"));
        forward.signal(Signal::INT);
        assert_eq!(forward.finish().code(), 130);
    }
    user.run(&["up", "-b"]).success();
    let told = Program::run(ssmport(&user, none.path(), &["connect", "win"]));
    assert_eq!(told.code(), 0, "{told:#?}");
    assert!(told.stderr.contains("win listens on 127.0.0.1:"), "{told:#?}");
}
