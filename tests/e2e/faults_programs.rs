//! Commands, shells and ssh through a service that cannot be relied on.

use std::{fs, process::Command, time::Duration};

use rand::Rng;
use tempfile::TempDir;

use super::support::{Program, Sshd, command, faulty, file_digest, in_shell};

/// What happens to a program in the time that its output takes. No more is lost than an agent makes
/// up for in the two seconds that it has at a session's end.
const FAULTS: [&str; 5] = [
    "drop=10%,seed=1",
    "delay=100ms,reorder=5%,cut=handshake,seed=2",
    "cut=400ms,delay=5ms,drop=1%,dup=1%,seed=3",
    "bye=300ms,delay=20ms,seed=4",
    "restart=700ms/200ms,pause=500ms/200ms,delay=5ms,seed=5",
];

/// Numbered lines over more than a second, both outputs and an exit code.
const SCRIPT: &str = "for part in 1 2 3 4; do seq 1 50000; sleep 0.3; done; echo bad >&2; exit 7";

#[test]
fn a_command_has_all_of_its_output_and_its_exit_code() {
    for faults in FAULTS {
        let mut exec = faulty(faults);
        // The service says on stderr that it is faulty.
        exec.args(["exec", "-q", "local", "--", "sh", "-c", SCRIPT]);
        let ended = Program::run(telling_resumptions(exec));
        assert_eq!(ended.code(), 7, "{faults}: {}", ended.stderr);
        assert!(ended.stdout == expected_output(), "{faults}: the output differs");
        let is_log = |line: &&str| line.contains("info: ") || line.contains("warning: ");
        let (told, own): (Vec<_>, Vec<_>) = ended.stderr.lines().partition(is_log);
        assert_eq!(own, ["bad"], "{faults}");
        was_resumed(faults, &told.join("\n"));
    }
}

#[test]
fn a_command_on_a_terminal_does_too() {
    for faults in FAULTS {
        let mut exec = faulty(faults);
        exec.args(["exec", "-q", "-t", "local", "--", "sh", "-c", SCRIPT]);
        let ended = Program::run(telling_resumptions(exec));
        assert_eq!(ended.code(), 7, "{faults}: {}", ended.stderr);
        let expected = (expected_output() + "bad\n").replace('\n', "\r\n");
        assert!(ended.stdout == expected, "{faults}: the output differs");
        was_resumed(faults, &ended.stderr);
    }
}

#[test]
fn a_shell_in_a_pipe_takes_its_input_and_gives_its_output() {
    for faults in FAULTS {
        let mut shell = faulty(faults);
        shell.args(["shell", "-q", "local"]);
        let input = format!("stty -echo; PS1=\n({SCRIPT})\nexit\n");
        let script = format!(r#"printf '{}' | "$@""#, input.replace('\n', "\\n"));
        let ended = Program::run(in_shell(&script, &telling_resumptions(shell)));
        // The word that the session is over may be lost with a connection. Then nobody knows whether it
        // was the shell's own end, and to say that it was would be a guess.
        let is_end_unknown = breaks(faults) && ended.stderr.contains(IS_OVER);
        let code = if is_end_unknown { 6 } else { 0 };
        assert_eq!(ended.code(), code, "{faults}: {}", ended.stderr);
        let lines = ended.stdout.lines().filter(|line| line.parse::<u32>().is_ok());
        let lines: Vec<_> = lines.collect();
        assert!(lines == expected_output().lines().collect::<Vec<_>>(), "{faults}: it differs");
        was_resumed(faults, &ended.stderr);
    }
}

#[test]
fn scp_copies_there_and_back_through_the_proxy() {
    let sshd = Sshd::start();
    let folder = TempDir::new().expect("a directory");
    let file = |name: &str| folder.path().join(name);
    let mut content = vec![0; LEN];
    rand::rng().fill_bytes(&mut content);
    fs::write(file("original"), content).expect("room for a file");
    for faults in FAULTS {
        for (from, to) in [("original", "there"), ("there", "back")] {
            let remote = |name: &str| format!("node:{}", file(name).display());
            let mut scp = scp(&sshd, faults);
            // As long as the other programs take.
            scp.args(["-l", &format!("{}", (LEN << 3 >> 10) * 2 / 3)]);
            match to {
                "there" => scp.arg(file(from)).arg(remote(to)),
                _ => scp.arg(remote(from)).arg(file(to)),
            };
            let ended = Program::run_within(Duration::from_secs(60), telling_resumptions(scp));
            was_resumed(faults, &ended.stderr);
            ended.success();
        }
        assert_eq!(file_digest(&file("back")), file_digest(&file("original")), "{faults}");
    }
}

fn scp(sshd: &Sshd, faults: &str) -> Command {
    let mut scp = sshd.client("scp");
    let proxy = format!("{} -q proxy local {}", env!("CARGO_BIN_EXE_ssmport"), sshd.port);
    scp.arg("-o").arg(format!("ProxyCommand={proxy}"));
    scp.env("SSMPORT_LOCAL_FAULTS", faults);
    scp
}

fn telling_resumptions(mut program: Command) -> Command {
    program.env("SSMPORT_LOG", "ssmport::session=info");
    program
}

/// Where connections break, one broke and was made good.
#[track_caller]
fn was_resumed(faults: &str, told: &str) {
    for words in ["; resuming session=", "resumed"] {
        assert_eq!(told.contains(words), breaks(faults), "{faults}: {words:?} in {told:?}");
    }
}

/// Whether connections break.
fn breaks(faults: &str) -> bool {
    ["cut=", "bye=", "restart="].iter().any(|fault| faults.contains(fault))
}

/// What is known of a session's end when ResumeSession tells of it.
const IS_OVER: &str = "the service says that it is over";
/// Bytes of the file.
const LEN: usize = 2 << 20;

fn expected_output() -> String {
    let seq = Program::run({
        let mut seq = command("seq");
        seq.args(["1", "50000"]);
        seq
    });
    seq.success().repeat(4)
}
