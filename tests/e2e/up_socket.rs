//! The socket by which other processes see and steer what `ssmport up` keeps up.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{
        fs::DirBuilderExt,
        net::{UnixListener, UnixStream},
    },
};

use crate::{
    raw_client::await_active_sessions,
    support::NODE,
    targets::TcpTarget,
    up::{User, to},
};

#[test]
fn a_folder_that_others_can_write_to_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let user = User::with(&to("db", NODE, 80, 0));
    fs::create_dir(user.path("run/ssmport")).expect("a folder");
    fs::set_permissions(user.path("run/ssmport"), PermissionsExt::from_mode(0o777))
        .expect("a mode");
    let refused = user.run(&["up"]);
    assert_eq!(refused.code(), 5, "{refused:#?}");
    assert!(refused.stderr.contains("others may write there"), "{refused:#?}");
    let chmod = format!("chmod 700 {}", user.path("run/ssmport").display());
    assert!(refused.stderr.contains(&chmod), "{refused:#?}");
    let _listener = UnixListener::bind(user.socket()).expect("a socket");
    let refused = user.run(&["status"]);
    assert_eq!(refused.code(), 5, "{refused:#?}");
    assert!(refused.stderr.contains(&chmod), "{refused:#?}");
}

#[test]
fn who_does_not_answer_is_named_and_who_ends_instead_has_done_nothing() {
    let user = User::with(&to("db", NODE, 80, 0));
    let folder = user.path("run/ssmport");
    fs::DirBuilder::new().mode(0o700).create(folder).expect("a folder");
    let _listener = UnixListener::bind(user.socket()).expect("a socket");
    let stopped = format!("is it stopped? kill -CONT {0}, or kill {0}", std::process::id());
    let asking = [&["status"][..], &["down"], &["logs", "-f"], &["up"], &["up", "-b"]];
    for unheard in asking.map(|words| user.start(words)) {
        let unheard = unheard.finish();
        assert_eq!(unheard.code(), 5, "{unheard:#?}");
        for part in [&stopped, "does not answer"] {
            assert!(unheard.stderr.contains(part), "{part}: {unheard:#?}");
        }
    }
    // Those of before would still be in its queue.
    fs::remove_file(user.socket()).expect("it is there");
    let listener = UnixListener::bind(user.socket()).expect("a socket");
    for answers in ["", "{\"heard\":null}\n", "{\"ended\":{\"names\":[\"db\"]}}\n"] {
        let down = user.start(&["down"]);
        let (mut visitor, _) = listener.accept().expect("a visitor");
        BufReader::new(&visitor).read_line(&mut String::new()).expect("a request");
        visitor.write_all(answers.as_bytes()).expect("it reads");
        drop(visitor);
        let down = down.finish();
        assert_eq!(down.code(), 6, "{answers}: {down:#?}");
        for part in ["has ended before it answered", "look with ssmport status"] {
            assert!(down.stderr.contains(part), "{part}: {down:#?}");
        }
    }
    fs::remove_file(user.socket()).expect("it was there");
}

#[tokio::test]
async fn any_number_may_follow_what_happens_and_the_others_are_answered() {
    let echo = TcpTarget::echo().await;
    let user = User::with(&to("db", NODE, echo.port, 0));
    user.run(&["up", "-b"]).success();
    let follow = b"{\"do\":\"logs\",\"names\":[],\"last\":0,\"follow\":true}\n";
    let follower = || {
        let mut follower = UnixStream::connect(user.socket()).expect("it listens");
        follower.write_all(follow).expect("a request");
        let mut heard = String::new();
        BufReader::new(&follower).read_line(&mut heard).expect("an answer");
        assert!(heard.contains("heard"), "{heard}");
        follower
    };
    let followers: Vec<_> = (0..40).map(|_| follower()).collect();
    assert_eq!(user.run(&["status"]).code(), 0);
    drop(followers);
}

#[tokio::test]
async fn what_was_started_in_vain_in_the_background_goes_again() {
    let echo = TcpTarget::echo().await;
    let user = User::with(&[to("a", NODE, echo.port, 0), to("b", NODE, echo.port, 0)].concat());
    let both = ["a", "b"].map(|name| user.start(&["up", "-b", name]));
    for up in both {
        let up = up.finish();
        assert_eq!(up.code(), 0, "{up:#?}");
    }
    // As the one that has come too late.
    let late = user.run(&["up", "--detached", "-q", "--", "a", "b"]);
    assert_eq!((late.code(), &*late.stderr), (0, ""), "{late:#?}");
    user.run(&["status", "a", "b"]).success();
    await_active_sessions(&user.endpoint, 2);
}
