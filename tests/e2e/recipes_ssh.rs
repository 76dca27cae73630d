//! docs/recipes.md: what goes by OpenSSH, and Ansible, which goes without it too.

use std::fs;

use serde_json::json;

use crate::{
    raw_client::await_active_sessions,
    support::{
        Ansible, Program, Reader, Recipe, Sshd, command, find_tool, find_with_ansible, free_port,
    },
};

/// What Remote-SSH and Gateway run: a shell that is told what to do, and a proxy beside it.
#[test]
fn editors_find_their_host() {
    let (reader, sshd) = (Reader::new(), Sshd::start());
    reader.knows(&sshd);
    reader.follows(&Recipe::of("VS Code and JetBrains", "sh"), "").success();
    let line = format!("ssh -T -D {} web bash", free_port());
    let shell = reader.command(&line, "echo $((6 * 7))-it-is\n");
    assert_eq!(Program::run(shell).success(), "42-it-is\n");
    await_active_sessions(&reader.endpoint, 0);
}

#[test]
fn ansible_goes_by_ssh() {
    let (reader, sshd) = (Reader::new(), Sshd::start());
    reader.knows(&sshd);
    reader.has("ansible", &find_with_ansible("ansible"));
    let python = find_with_ansible("python").display().to_string();
    let inventory = Recipe::of("Ansible", "ini").text().to_owned();
    let settings = format!("[web:vars]\nansible_python_interpreter={python}\n");
    fs::write(reader.work("inventory.ini"), inventory + &settings).expect("the inventory");
    let mut ansible = reader.command(Recipe::of("Ansible", "sh").text(), "");
    // Else a connection is kept open for others that may come.
    ansible.env("ANSIBLE_SSH_ARGS", "-C").env("ANSIBLE_NOCOLOR", "1");
    ansible.env("ANSIBLE_REMOTE_TEMP", reader.home("remote"));
    let said = Program::run(ansible).success();
    assert!(said.contains("i-0123456789abcdef0 | CHANGED | rc=0 >>\n"), "{said}");
    assert!(said.contains("load average"), "{said}");
    await_active_sessions(&reader.endpoint, 0);
}

#[test]
fn ansible_goes_without_ssh() {
    let reader = Reader::new();
    let recipe = Recipe::of("Ansible", "yaml").with(
        "/opt/ssmport/bin/session-manager-plugin",
        env!("CARGO_BIN_EXE_session-manager-plugin"),
    );
    // The bucket here is found by its path alone.
    let python = find_with_ansible("python").display().to_string();
    let more = format!(
        "    ansible_aws_ssm_s3_addressing_style: path\n    ansible_python_interpreter: {python}\n"
    );
    let inventory = recipe.text().to_owned() + &more;
    let ansible = Ansible::with_inventory(&reader.endpoint, "inventory.yml", &inventory);
    let said = ansible.run("ansible.builtin.command", "echo it-is-there").success();
    assert!(said.contains("| CHANGED | rc=0 >>\nit-is-there"), "{said}");
}

#[test]
fn rsync_goes_on_where_it_was() {
    let (reader, sshd) = (Reader::new(), Sshd::start());
    reader.knows(&sshd);
    installed(&reader);
    let logs = reader.home("logs-of-the-node");
    fs::create_dir(&logs).expect("a directory");
    let log: String = (0..100_000).map(|number| format!("line {number}\n")).collect();
    fs::write(logs.join("access.log"), &log).expect("a file");
    fs::create_dir(reader.work("logs")).expect("a directory");
    fs::write(reader.work("logs/access.log"), &log[..200_000]).expect("a part of it");
    let recipe = Recipe::of("rsync", "sh").with("/var/log/nginx", logs.display());
    reader.follows(&recipe, "").success();
    assert!(fs::read_to_string(reader.work("logs/access.log")).expect("the file") == log);
    await_active_sessions(&reader.endpoint, 0);
}

#[test]
fn git_reaches_a_server_behind_the_node() {
    let (reader, sshd) = (Reader::new(), Sshd::start());
    reader.knows(&sshd);
    installed(&reader);
    let repository = reader.home("shop.git").display().to_string();
    let git = |arguments: &[&str]| {
        let mut git = command(find_tool("git"));
        git.args(["-c", "user.name=me", "-c", "user.email=me@example.com"]).args(arguments);
        Program::run(git).success();
    };
    git(&["init", "--quiet", &repository]);
    git(&["-C", &repository, "commit", "--quiet", "--allow-empty", "--message", "the first"]);

    let mut config = fs::read_to_string(reader.home(".ssh/config")).expect("the settings");
    // Its name is known to the network behind the node.
    config.insert_str(0, "Host git.internal\n    HostName 127.0.0.1\n");
    config.push_str(Recipe::of("git", "").text());
    fs::write(reader.home(".ssh/config"), config).expect("the settings");
    let recipe = Recipe::of("git", "sh");
    let recipe =
        recipe.with("git@git.internal:team/shop.git", format!("git.internal:{repository}"));
    reader.follows(&recipe, "").success();
    let mut log = command(find_tool("git"));
    log.arg("-C").arg(reader.work("shop")).args(["log", "--format=%s"]);
    assert_eq!(Program::run(log).success(), "the first\n");
    let request = json!({ "State": "History" });
    let (_, ended) = reader.endpoint.call("DescribeSessions", &request);
    assert_eq!(ended["Sessions"].as_array().map(Vec::len), Some(1), "by way of the node: {ended}");
}

/// Has `web` in the reader's settings of OpenSSH.
fn installed(reader: &Reader) {
    let line = "ssmport ssh-config --install --alias web=i-0123456789abcdef0";
    Program::run(reader.command(line, "")).success();
}
