//! What shells offer while a line of `ssmport` is being typed: real ones, which read the scripts.
#![cfg(feature = "aws")]

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

use crate::support::{Endpoint, Program, Tmux, command, find_tool, home::Home};

/// Somebody at a shell, who has listed the nodes of `prod`; it is over with their service since.
struct User {
    home: Home,
    folder: TempDir,
}

impl User {
    fn new() -> Self {
        let folder = TempDir::new().expect("a directory");
        let nodes = folder.path().join("nodes");
        fs::write(&nodes, NODES).expect("a list of nodes");
        let endpoint = Endpoint::with(&["--nodes-from", nodes.to_str().expect("text")]);
        let config = CONFIG.replace("URL", &endpoint.url);
        let home = Home::with(&config.replace("ASKED", &path(folder.path(), "asked")));
        fs::create_dir_all(home.path().join(".config/ssmport")).expect("a directory");
        fs::write(home.path().join(".config/ssmport/config.toml"), ALIASES).expect("a file");
        let user = Self { home, folder };
        let mut list = command(env!("CARGO_BIN_EXE_ssmport"));
        list.args(["ls", "--profile", "prod"]);
        let listed = Program::run(user.home.of(&list)).success();
        assert!(listed.contains("two words"), "{listed}");
        user
    }

    /// A shell that finds this ssmport, with more arguments.
    fn shell<'a>(&self, program: &str, more: impl IntoIterator<Item = &'a str>) -> Command {
        let ssmport = Path::new(env!("CARGO_BIN_EXE_ssmport")).parent().expect("a folder");
        // In words, since the terminal's server has a PATH of its own.
        let path = std::env::var("PATH").expect("a PATH");
        let mut shell = command("/usr/bin/env");
        shell.arg("-C").arg(self.folder.path()).arg(format!("PATH={}:{path}", ssmport.display()));
        shell.arg("PS1=$ ").arg(find_tool(program)).args(more);
        self.home.of(&shell)
    }

    /// What bash's function replies.
    #[track_caller]
    fn bash(&self, line: &str, word: &str) -> Vec<String> {
        let bash = self.shell("bash", ["--norc", "-c", BASH, "bash", line, word]);
        let replies = Program::run(bash).success();
        replies.lines().map(str::to_owned).collect()
    }

    /// What fish would offer, without what it says of it.
    #[track_caller]
    fn fish(&self, line: &str) -> Vec<String> {
        let offered = Program::run(self.shell("fish", ["--no-config", "-c", FISH, line])).success();
        let words = offered.lines().map(|line| line.split('\t').next().unwrap_or_default());
        words.map(str::to_owned).collect()
    }

    /// Nothing that was completed has run, and nobody was asked.
    #[track_caller]
    fn nothing_ran(&self) {
        let files = fs::read_dir(self.folder.path()).expect("a folder").flatten();
        let files: Vec<_> = files.map(|file| file.file_name()).collect();
        assert_eq!(files, ["nodes"]);
    }
}

#[test]
fn bash_and_fish_offer_what_there_is() {
    let user = User::new();
    let targets = ["bastion", "local", EVIL, "two words", "web"];
    for (before, word, expected) in [
        ("ssmport ", "fo", &["forward"][..]),
        ("ssmport forward --profile prod -t ", "", &targets),
        ("ssmport shell --profile prod -t ", "", &targets),
        ("ssmport --profile=prod shell ", "w", &["web"]),
        ("ssmport --profile prod ls ", "w", &["web"]),
        ("ssmport shell --profile prod ", "i-", &[WEB, TWO, THREE]),
        // Another account, another region, another endpoint: other nodes.
        ("ssmport shell --profile other -t ", "", &["bastion", "local"]),
        ("ssmport shell --profile prod --region eu-west-2 -t ", "", &["bastion", "local"]),
        ("ssmport shell --profile prod --endpoint-url http://x -t ", "", &["bastion", "local"]),
        ("ssmport up ", "", &["db"]),
        ("ssmport connect ", "d", &["db"]),
        ("ssmport --profile ", "", &["asking", "other", "prod"]),
        ("ssmport ls --profiles ", "pr", &["prod"]),
        ("ssmport ls --profiles ", "prod,o", &["prod,other"]),
        ("ssmport --region ", "us-gov-", &["us-gov-east-1", "us-gov-west-1"]),
        ("ssmport local --account ", "no", &["nodes"]),
        ("ssmport shell --profile asking -t ", "", &["bastion", "local"]),
    ] {
        assert_eq!(user.bash(&format!("{before}{word}"), word), expected, "bash: {before}{word}");
        assert_eq!(user.fish(&format!("{before}{word}")), expected, "fish: {before}{word}");
    }
    // Bash takes what follows `=` and `:` for a word of its own.
    assert_eq!(user.bash("ssmport --profile=pr", "pr"), ["prod"]);
    assert_eq!(user.bash("ssmport --profile prod shell 'two", "two"), ["two words"]);
    user.nothing_ran();
}

/// As fingers have it: the key, the screen, and what the line means once it is sent off.
#[test]
fn names_that_mean_something_to_a_shell_are_quoted_and_run_nothing() {
    let user = User::new();
    for (shell, arguments, script) in [
        ("bash", &["--norc", "--noprofile", "-i"][..], "source <(ssmport completions bash)"),
        (
            "zsh",
            &["-f", "-i"],
            "autoload -U compinit; compinit -D -u; source <(ssmport completions zsh)",
        ),
        ("fish", &["--no-config", "-i"], "ssmport completions fish | source"),
    ] {
        let screen = Tmux::start(&user.shell(shell, arguments.iter().copied()), 100, 24);
        screen.type_line(&format!("{script}; echo re''ady"));
        screen.wait_for(|shown| shown.contains("\nready"));
        screen.type_text("ssmport --profile prod shell -t ev");
        screen.press("Tab");
        screen.wait_for(|shown| shown.contains("touch"));
        screen.press("C-a");
        screen.type_text("printf '<%s>\\n' ");
        screen.press("Enter");
        let printed = format!("<{EVIL}>");
        screen.wait_for(|shown| shown.contains(&printed));
    }
    user.nothing_ran();
}

#[test]
fn a_variable_of_somebody_elses_changes_nothing() {
    for value in ["1", "", "tcsh", "bash"] {
        let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.args(["help", "exit-codes"]).env("COMPLETE", value);
        let page = Program::run(ssmport).success();
        assert!(page.contains("124  exec --timeout ran out"), "{value}: {page}");
    }
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().expect("text").to_owned()
}

const WEB: &str = "i-0aaa0000000000001";
const TWO: &str = "i-0aaa0000000000002";
const THREE: &str = "i-0aaa0000000000003";
const EVIL: &str = "evil $(touch a) `touch b`;'\"&|>c";
const NODES: &str = "\
i-0aaa0000000000001 web
i-0aaa0000000000002 two words
i-0aaa0000000000003 evil $(touch a) `touch b`;'\"&|>c
";
const CONFIG: &str = "\
[profile prod]
region = eu-west-1
endpoint_url = URL
aws_access_key_id = AKIDPROD
aws_secret_access_key = secret
[profile other]
region = eu-west-1
[profile asking]
region = eu-west-1
credential_process = touch ASKED
";
const ALIASES: &str = "[targets]\nbastion = \"tag:Role=bastion\"\n\
                       [tunnels.db]\ntarget = \"bastion\"\nport = 5432\n";
/// What bash does when the key is pressed; what it replies is undone as bash would.
const BASH: &str = r#"
set -eu
source <(ssmport completions bash)
[[ $(complete -p ssmport) == *" -F _ssmport ssmport" ]]
COMP_LINE=$1 COMP_POINT=${#1}
_ssmport ssmport "$2" -
for reply in "${COMPREPLY[@]}"; do
    [[ $1 == *"'"* ]] || eval "reply=$reply"
    printf '%s\n' "$reply"
done
"#;
const FISH: &str = "ssmport completions fish | source; complete -C $argv[1]";
