//! Targets by what people know of them, against the endpoint's SSM, EC2, ECS and Instance Connect.
#![cfg(feature = "aws")]

use std::{fs, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Account, Finished, HttpServer, Program, REGION, Sshd, Terminal, command};

/// An account with some nodes, and somebody who may see them all.
struct Fleet {
    account: Account,
    folder: TempDir,
}

impl Fleet {
    fn start() -> Self {
        Self::with("")
    }

    /// One with more in its account file.
    fn with(more: &str) -> Self {
        let folder = TempDir::new().expect("a directory");
        let file = folder.path().join("account.toml");
        fs::write(&file, format!("{ACCOUNT}{more}")).expect("the account file");
        for (name, actions) in [("all", "*"), ("start", "ssm:StartSession"), ("ssm", "ssm:*")] {
            let policy = ALLOW.replace("ACTION", actions);
            fs::write(folder.path().join(name).with_extension("json"), policy).expect("a policy");
        }
        let account = Account::with(file.to_str().expect("text"));
        Self { account, folder }
    }

    fn ssmport(&self, user: &str, arguments: &[&str]) -> Command {
        let keys = self.account.keys(user);
        let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
        ssmport.args(["--endpoint-url", &self.account.endpoint.url]).args(arguments);
        ssmport.env("AWS_REGION", REGION);
        ssmport.env("AWS_ACCESS_KEY_ID", &keys.id).env("AWS_SECRET_ACCESS_KEY", &keys.secret);
        ssmport
    }

    fn run(&self, user: &str, arguments: &[&str]) -> Finished {
        Program::run(self.ssmport(user, arguments))
    }

    /// The names that `ls` lists.
    #[track_caller]
    fn listed(&self, user: &str, options: &[&str]) -> Vec<String> {
        let listed = self.run(user, &[&["ls", "--json"], options].concat()).success();
        let nodes = listed.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let mut names: Vec<_> =
            nodes.map(|node| node["name"].as_str().expect("a name").to_owned()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// A command runs on the node with this id.
    #[track_caller]
    fn leads(&self, user: &str, target: &str, id: &str) {
        let ran = self.run(user, &["-v", "exec", target, "--", "echo", "hello"]);
        assert_eq!((ran.code(), &*ran.stdout), (0, "hello\n"), "{target}: {ran:#?}");
        assert!(target == id || ran.stderr.contains(&format!("{target} is {id}\n")), "{ran:#?}");
    }
}

#[test]
fn names_tags_and_addresses_lead_to_the_node() {
    let fleet = Fleet::start();
    for target in ["web", "tag:Role=front", "10.0.0.5", "ip-10-0-0-5.eu-west-1.compute.internal"] {
        fleet.leads("jane", target, WEB);
    }
    // Of three with the name the one that is connected counts.
    fleet.leads("jane", "batch", "i-00000000000000003");
}

#[test]
fn where_ec2_is_not_allowed_ssm_knows_enough() {
    let fleet = Fleet::start();
    for target in ["web", "tag:Role=front", "10.0.0.5"] {
        fleet.leads("sam", target, WEB);
    }
}

#[test]
fn who_may_only_start_sessions_needs_the_id_or_an_alias() {
    let fleet = Fleet::start();
    let refused = fleet.run("sally", &["exec", "web", "--", "true"]);
    assert_eq!(refused.code(), 3, "{refused:#?}");
    for part in
        ["web cannot be looked up\n", "ssm:DescribeInstanceInformation", "give the node's id"]
    {
        assert!(refused.stderr.contains(part), "{part}: {refused:#?}");
    }
    fleet.leads("sally", WEB, WEB);

    let config = fleet.folder.path().join("config.toml");
    fs::write(&config, format!("[targets]\nweb = \"{WEB}\"\n")).expect("a file");
    let mut aliased = fleet.ssmport("sally", &["exec", "web", "--", "echo", "hello"]);
    aliased.env("SSMPORT_CONFIG", &config);
    assert_eq!(Program::run(aliased).success(), "hello\n");
}

#[test]
fn a_target_that_is_not_clear_is_an_error_with_what_there_is() {
    let fleet = Fleet::start();
    for (target, parts) in [
        (
            "twin",
            &["2 nodes are called twin", "i-00000000000000005", "give one of their ids; exec --on"]
                [..],
        ),
        ("lost", &["lost is i-00000000000000007, which is not connected", "ConnectionLost"]),
        ("nobody", &["there is no node nobody", "ssmport ls"]),
        ("wbe", &["there is no node wbe", "did you mean web? "]),
        ("WEB", &["did you mean web? "]),
        ("tag:Role=none", &["there is no node tag:Role=none"]),
        ("10.9.9.9", &["there is no node 10.9.9.9"]),
        ("ecs/prod/none", &["prod has no running service or task none"]),
        ("ecs/prod/checkout", &["checkout has several containers: app, log", "name one"]),
        ("ecs/prod/checkout/web", &["checkout has no running container web"]),
    ] {
        let ended = fleet.run("jane", &["exec", target, "--", "true"]);
        assert_eq!(ended.code(), 4, "{target}: {ended:#?}");
        for part in parts {
            assert!(ended.stderr.contains(part), "{target}: `{part}` in {}", ended.stderr);
        }
    }
}

#[test]
fn a_terminal_is_asked_which_one() {
    let fleet = Fleet::start();
    let mut shell = Terminal::start(&fleet.ssmport("jane", &["shell"]));
    shell.wait_for("Which node?");
    shell.press("10.0.0.5");
    shell.wait_for("Which node? 10.0.0.5");
    shell.press("\r");
    // What is typed before is the list's.
    shell.wait_for(if rustix::process::getuid().is_root() { "# " } else { "$ " });
    shell.press("echo $((6 * 7))7; exit\r");
    shell.wait_for("427");
    let (code, screen) = shell.finish();
    assert_eq!(code, Some(0), "{screen}");

    let mut left = Terminal::start(&fleet.ssmport("jane", &["exec", "twin", "--", "true"]));
    left.wait_for("Which twin?");
    left.press("\x03");
    let (code, screen) = left.finish();
    assert_eq!(code, Some(130), "{screen}");
}

#[test]
fn ls_shows_every_node_page_by_page() {
    let node = |number: u32| format!("[nodes.i-0000000000001{number:04}]\nname = \"n{number}\"\n");
    let fleet = Fleet::with(&(0..120).map(node).collect::<String>());
    let listed = fleet.run("jane", &["ls", "--json"]).success();
    let nodes: Vec<Value> =
        listed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(nodes.len(), 127);
    let web = nodes.iter().find(|node| node["name"] == "web").expect("web is listed");
    assert_eq!((&web["id"], &web["address"]), (&WEB.into(), &"10.0.0.5".into()));

    let one = fleet.run("jane", &["ls", "tag:Role=front"]);
    let lines: Vec<&str> = one.stdout.lines().collect();
    assert!(lines[0].starts_with("NAME  ID "), "{one:#?}");
    assert!(lines[1].starts_with(&format!("web   {WEB} ")), "{one:#?}");
    assert_eq!((lines.len(), &*one.stderr), (2, "1 node\n"), "{one:#?}");

    let nameless = fleet.run("sam", &["ls", "--online", "batch"]);
    assert!(nameless.stderr.starts_with("Names of instances are not shown: "), "{nameless:#?}");
    assert!(nameless.stdout.contains("i-00000000000000003"), "{nameless:#?}");
}

#[test]
fn ls_takes_several_tags_and_patterns() {
    let fleet = Fleet::with(
        "[nodes.i-00000000000000008]\nname = \"web-2\"\ntags = { Role = \"front\", Env = \"prod\" }\n",
    );
    for (filters, expected) in [
        (&["tag:Role=front,tag:Env=prod"][..], &["web-2"][..]),
        (&["tag:Role=front", "tag:Env=prod"], &["web-2"]),
        (&["web*"], &["web", "web-2"]),
        (&["web*", "tag:Env=p*"], &["web-2"]),
        (&["tag:Role=f?ont"], &["web", "web-2"]),
        (&["w?"], &[]),
    ] {
        let mut words = vec!["ls", "--json"];
        words.extend(filters);
        let listed = fleet.run("jane", &words).success();
        let names: Vec<Value> =
            listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let names: Vec<_> = names.iter().map(|node| node["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{filters:?}");
    }
    let wrong = fleet.run("jane", &["ls", "tag:Role"]);
    assert!(wrong.code() == 2 && wrong.stderr.contains("tag:KEY=VALUE"), "{wrong:#?}");
}

#[test]
fn ls_takes_states_and_platforms() {
    let fleet = Fleet::with(
        "[nodes.i-00000000000000008]\nname = \"off\"\nstate = \"stopped\"\n\
         platform_name = \"Amazon Linux\"\nplatform_version = \"2023\"\n",
    );
    for (options, expected) in [
        (&["--state", "stopped"][..], &["off"][..]),
        (&["--state", "lost"], &["batch", "lost", "off"]),
        (&["--state", "inactive,stopped"], &["batch", "off"]),
        (&["--state", "Online", "web"], &["web"]),
        (&["--platform", "amazon"], &["off"]),
        (&["--platform", "Amazon Linux 2*"], &["off"]),
        (&["--platform", "Amazon", "--online"], &[]),
    ] {
        assert_eq!(fleet.listed("jane", options), expected, "{options:?}");
    }
    let shown = fleet.run("jane", &["ls", "off"]);
    assert!(shown.stdout.contains("  stopped "), "{shown:#?}");
    let wrong = fleet.run("jane", &["ls", "--state", "onlin"]);
    assert!(wrong.code() == 2 && wrong.stderr.contains("'online'"), "{wrong:#?}");
}

#[test]
fn ls_asks_all_regions_and_several_profiles() {
    let fleet =
        Fleet::with("[nodes.i-00000000000000008]\nname = \"far\"\nregion = \"ap-northeast-2\"\n");
    assert!(fleet.listed("jane", &["far"]).is_empty());
    assert_eq!(fleet.listed("jane", &["--all-regions", "far"]), ["far"]);
    let shown = fleet.run("jane", &["ls", "--all-regions", "far"]);
    let lines: Vec<_> = shown.stdout.lines().collect();
    assert!(lines[0].ends_with("  REGION"), "{shown:#?}");
    assert!(lines[1].ends_with("  ap-northeast-2"), "{shown:#?}");

    let file = fleet.folder.path().join("credentials");
    let profile = |name: &str, user: &str| {
        let keys = fleet.account.keys(user);
        let (id, secret) = (keys.id, keys.secret);
        format!("[{name}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n")
    };
    fs::write(&file, profile("one", "jane") + &profile("two", "sam") + &profile("no", "sally"))
        .expect("a file");
    let of_profiles = |arguments: &[&str]| {
        let mut ls = fleet.ssmport("jane", arguments);
        ls.env_remove("AWS_ACCESS_KEY_ID").env("AWS_SHARED_CREDENTIALS_FILE", &file);
        Program::run(ls)
    };
    let shown = of_profiles(&["ls", "--profiles", "one,two", "--online", "batch"]);
    let lines: Vec<_> = shown.stdout.lines().collect();
    assert!(lines[0].ends_with("  REGION     PROFILE"), "{shown:#?}");
    assert!(lines[1].ends_with("  one") && lines[2].ends_with("  two"), "{shown:#?}");
    // What one of them does not tell is no reason to keep the others back.
    let shown = of_profiles(&["ls", "--profiles", "one,no", "--json", "web"]);
    assert_eq!(shown.code(), 3, "{shown:#?}");
    let first: Value = serde_json::from_str(shown.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((&first["name"], &first["profile"]), (&"web".into(), &"one".into()), "{first}");
    assert!(shown.stderr.contains("warning: no, eu-west-1: "), "{shown:#?}");
    // Nor is one that leads nowhere.
    for nowhere in [&["--profiles", "one,none"][..], &["--profiles", "none,one", "--all-regions"]] {
        let shown = of_profiles(&[&["ls", "--online", "batch"], nowhere].concat());
        assert_eq!(shown.code(), 2, "{shown:#?}");
        assert!(shown.stdout.lines().any(|line| line.ends_with("  one")), "{shown:#?}");
        assert!(shown.stderr.contains("warning: none: "), "{shown:#?}");
    }
}

#[test]
fn a_region_stands_behind_the_target_or_is_the_instances_own() {
    let fleet = Fleet::start();
    let exec = |target: &str| {
        let mut exec = fleet.ssmport("jane", &["exec", target, "--", "echo", "hello"]);
        exec.env_remove("AWS_REGION").env("AWS_CONFIG_FILE", "/nonexistent");
        exec
    };
    for target in [format!("{WEB}--eu-west-1"), format!("{WEB}.eu-west-1"), "web--eu-west-1".into()]
    {
        assert_eq!(Program::run(exec(&target)).success(), "hello\n", "{target}");
    }
    let nowhere = Program::run(exec(WEB));
    assert!(nowhere.code() == 2 && nowhere.stderr.contains("no AWS region"), "{nowhere:#?}");

    // As EC2 answers, to those with a token.
    let metadata = HttpServer::start(|request| {
        let text = match request.uri().path() {
            "/latest/api/token" if request.method() == "PUT" => "a token",
            "/latest/meta-data/placement/region"
                if request.headers().contains_key("x-aws-ec2-metadata-token") =>
            {
                "eu-west-1"
            }
            path => panic!("asked for {path}"),
        };
        let answer = http::Response::builder().header("x-aws-ec2-metadata-token-ttl-seconds", "60");
        answer.body(text.into()).expect("an answer")
    });
    let mut on_instance = exec(WEB);
    on_instance.env_remove("AWS_EC2_METADATA_DISABLED");
    on_instance.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url);
    assert_eq!(Program::run(on_instance).success(), "hello\n");
}

/// Whatever kinds of targets AWS may have: it knows them.
#[test]
fn a_target_of_another_kind_is_handed_on() {
    let fleet = Fleet::start();
    for target in ["sagemaker-cluster:aa11_group1-i-111222333444555aa", "codebuild:4d5c-0000"] {
        let ended = fleet.run("jane", &["exec", target, "--", "true"]);
        let asked = format!("StartSession on {target}: ");
        assert!(ended.code() == 4 && ended.stderr.contains(&asked), "{ended:#?}");
    }
}

#[test]
fn containers_are_reached_by_cluster_and_service() {
    let fleet = Fleet::start();
    let shell = fleet.ssmport("jane", &["shell", "ecs/prod/checkout/app"]);
    let mut shell = crate::support::in_shell("echo 'echo $((6 * 7))7; exit' | \"$@\"", &shell);
    shell.env("TERM", "dumb");
    let ran = Program::run(shell);
    assert!(ran.code() == 0 && ran.stdout.contains("427"), "{ran:#?}");

    // No shell runs the line of a command there.
    let target = format!("ecs:prod_{TASK}_{TASK}-1000000002");
    for container in ["ecs/prod/checkout/app", &target] {
        let line = "echo \"it's $((6 * 7))\"; exit 9";
        let ran = fleet.run("jane", &["exec", "-t", container, "--", "sh", "-c", line]);
        assert_eq!((ran.code(), &*ran.stdout), (9, "it's 42\r\n"), "{ran:#?}");
        let with_input = fleet.ssmport("jane", &["exec", container, "--", "tr", "a-z", "A-Z"]);
        let with_input = crate::support::in_shell("echo input | \"$@\"", &with_input);
        assert_eq!(Program::run(with_input).success(), "INPUT\n", "{container}");
    }
    fleet.leads("jane", "ecs/prod/checkout/log", &target);
    fleet.leads("jane", &target, &target);
}

#[test]
fn a_pushed_key_lets_in_for_one_login() {
    let sshd = Sshd::start();
    let keys = sshd.pushed_keys();
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("account.toml");
    fs::write(&file, ACCOUNT).expect("the account file");
    for name in ["all", "start", "ssm"] {
        let policy = ALLOW.replace("ACTION", "*");
        fs::write(folder.path().join(name).with_extension("json"), policy).expect("a policy");
    }
    let pushed = keys.to_str().expect("text");
    let account = Account::with_options(file.to_str().expect("text"), &["--pushed-keys", pushed]);
    let fleet = Fleet { account, folder };

    let port = sshd.port.to_string();
    let login = |options: &[&str]| {
        let mut words = vec!["ssh"];
        words.extend(options);
        words.extend(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"]);
        words.extend(["-o", "UserKnownHostsFile=/dev/null", "-p", &port, "web", "exit 7"]);
        fleet.run("jane", &words)
    };
    let refused = login(&[]);
    assert_eq!(refused.code(), 255, "{refused:#?}");
    assert!(refused.stderr.contains("Permission denied"), "{refused:#?}");
    let in_it = login(&["--push-key"]);
    assert_eq!(in_it.code(), 7, "{in_it:#?}");
    assert!(in_it.stderr.contains(&format!("of {WEB} takes a new key")), "{in_it:#?}");
    assert_eq!(fs::read_dir(keys).expect("the keys").count(), 1);
}

const WEB: &str = "i-00000000000000001";
const TASK: &str = "0f9de17a6465404e9de17a6465404e0f";

const ACCOUNT: &str = r#"
[[tasks]]
cluster = "prod"
service = "checkout"
id = "0f9de17a6465404e9de17a6465404e0f"
containers = ["app", "log"]
[users.jane]
policies = ["all.json"]
[users.sam]
policies = ["ssm.json"]
[users.sally]
policies = ["start.json"]
[nodes.i-00000000000000001]
name = "web"
tags = { Role = "front" }
ip = "10.0.0.5"
private_dns = "ip-10-0-0-5.eu-west-1.compute.internal"
[nodes.i-00000000000000002]
name = "batch"
ping_status = "ConnectionLost"
[nodes.i-00000000000000003]
name = "batch"
[nodes.i-00000000000000004]
name = "batch"
ping_status = "Inactive"
[nodes.i-00000000000000005]
name = "twin"
[nodes.i-00000000000000006]
name = "twin"
[nodes.i-00000000000000007]
name = "lost"
ping_status = "ConnectionLost"
"#;
const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ACTION","Resource":"*"}]}"#;
