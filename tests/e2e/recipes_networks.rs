//! docs/recipes.md: a cluster, a desktop, containers, and a network as a whole.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use rustix::process::getuid;

use crate::{
    recipes_databases::certified,
    support::{
        Endpoint, GATEWAY, Host, INNER, NODE, Network, Program, REGION, Reader, Recipe, Redis,
        Signal, Sshd, await_that, find_tool, free_port, start_nginx, without,
    },
};

#[test]
fn kubectl_checks_the_clusters_own_name() {
    if without("kubectl") {
        return;
    }
    let (reader, name) = (Reader::new(), "0A1B2C.gr7.eu-west-1.eks.amazonaws.com");
    certified(&reader, name);
    let (api, _server) = start_nginx(&reader.work(""), |port| cluster(port, getuid().is_root()));
    reader.has("kubectl", &find_tool("kubectl"));
    fs::create_dir(reader.home(".kube")).expect("a directory");
    let authority = reader.work("rds.pem").display().to_string();
    let config = KUBECONFIG.replace("NAME", name).replace("CA", &authority);
    fs::write(reader.home(".kube/config"), config).expect("the kubeconfig");

    let recipe = Recipe::of("Kubernetes on EKS", "sh").with("16443", free_port());
    let recipe = recipe.with(&format!("{name}:443"), format!("127.0.0.1:{api}"));
    let shown = reader.follows(&recipe, "").success();
    assert!(shown.contains("ip-10-0-0-5.eu-west-1.compute.internal"), "{shown}");
    let kept = fs::read_to_string(reader.home(".kube/config")).expect("the kubeconfig");
    assert!(kept.contains(&format!("tls-server-name: {name}")), "{kept}");

    // For another name it is refused.
    let other = recipe.with(&format!("--tls-server-name={name}"), "--tls-server-name=other.test");
    let failed = reader.follows(&other, "");
    assert_eq!(failed.code(), 1, "{failed:#?}");
    assert!(failed.stderr.contains("certificate is valid for"), "{failed:#?}");
}

/// What its client connects to; there is none here.
#[test]
fn a_desktop_of_windows_has_its_port() {
    let (reader, port) = (Reader::new(), free_port());
    let desktop = TcpListener::bind("127.0.0.1:0").expect("a port");
    let remote = desktop.local_addr().expect("its address").port();
    let recipe = Recipe::of("Windows", "sh").with("13389:3389", format!("{port}:{remote}"));
    let forward = reader.starts(&recipe);
    forward.wait_for_stderr(|line| line.starts_with("Forwarding "));
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("it is open");
    client.write_all(b"\x03\x00\x00\x13").expect("the beginning of a request");
    let (mut accepted, _) = desktop.accept().expect("a connection");
    let mut came = [0; 4];
    accepted.read_exact(&mut came).expect("what was sent");
    assert_eq!(&came, b"\x03\x00\x00\x13");
}

/// A container is a network namespace with a way to the bridge's address.
#[test]
fn a_container_reaches_the_tunnel_at_the_bridge() {
    let network = Network::start("", &format!("{INNER} db.internal\n"));
    let Network { lone: container, gateway: host } = &network;
    host.run(&format!("ip addr add {BRIDGE}/16 dev lo"));
    container.run(&format!("ip route add {BRIDGE}/32 via {GATEWAY}"));
    let _database = Redis::inside(host, INNER, 5432);
    let endpoint = Endpoint::inside(host, "127.0.0.1:4566".parse().expect("an address"));

    let recipe = Recipe::of("Containers of Docker", "sh").with("bastion", NODE);
    let forward = Program::start(on(host, &endpoint, recipe.text()));
    let said = forward.wait_for_stderr(|line| line.contains("can be reached from other machines"));
    assert!(said.contains(&format!("{BRIDGE}:15432")), "{said}");
    forward.wait_for_stderr(|line| line.starts_with("Forwarding "));
    let mut client = container.command(find_tool("redis-cli"));
    client.args(["-h", BRIDGE, "-p", "15432", "ping"]);
    assert_eq!(Program::run(client).success(), "PONG\n");
}

#[test]
fn sshuttle_leads_a_network_through_ssh() {
    if !getuid().is_root() {
        return eprintln!("not root: sshuttle is not tried");
    }
    let network = Network::start("", "");
    let Network { lone: here, gateway: node } = &network;
    // There is a way for the packets, and nobody at its end.
    here.run("ip route add 10.88.0.0/16 dev lo");
    let _server = Redis::inside(node, INNER, 6379);
    let sshd = Sshd::inside(node, "127.0.0.1", 22);
    let address = format!("{GATEWAY}:4566").parse().expect("an address");
    let endpoint = Endpoint::inside(node, address);
    let reader = Reader::new();
    reader.knows(&sshd);
    reader.has("sshuttle", &find_tool("sshuttle"));
    let ask = || {
        let mut client = here.command("timeout");
        client.arg("2").arg(find_tool("redis-cli")).args(["-h", INNER, "-p", "6379", "ping"]);
        Program::run(client)
    };
    let before = ask();
    assert!(before.code() != 0 && before.stdout.is_empty(), "{before:#?}");

    let alias = "ssmport ssh-config --install --alias web=i-0123456789abcdef0\nexec ";
    let script = alias.to_owned() + Recipe::of("A whole network with sshuttle", "sh").text();
    let mut sshuttle = here.command_like(&reader.command(&script, ""));
    sshuttle.env("AWS_ENDPOINT_URL", &endpoint.url);
    let sshuttle = Program::start(sshuttle);
    sshuttle.wait_for_stderr(|line| line.contains("Connected to server"));
    // Its rules are in place a moment later.
    await_that("an answer", || ask().stdout == "PONG\n");
    sshuttle.stop(Signal::TERM);
}

/// A script on a host whose service is `endpoint`.
fn on(host: &Host, endpoint: &Endpoint, script: &str) -> std::process::Command {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_ssmport"));
    let folder = program.parent().expect("its folder");
    let shell = crate::support::with_programs(folder, "bash");
    let mut shell = host.command_like(&shell);
    shell.args(["-e", "-c", script]);
    shell.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    shell.env("AWS_ENDPOINT_URL", &endpoint.url).env("AWS_REGION", REGION);
    shell
}

/// As much of Kubernetes as `kubectl get nodes` asks for.
fn cluster(port: u16, is_root: bool) -> String {
    let user = if is_root { "user root;" } else { "" };
    format!(
        "{user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr notice;
events {{ worker_connections 64; }}
http {{
    access_log off;
    default_type application/json;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate cert.pem;
        ssl_certificate_key key.pem;
        location = /api {{ return 200 '{{\"kind\": \"APIVersions\", \"versions\": [\"v1\"]}}'; }}
        location = /apis {{
            return 200 '{{\"kind\": \"APIGroupList\", \"apiVersion\": \"v1\", \"groups\": []}}';
        }}
        location = /api/v1 {{ return 200 '{RESOURCES}'; }}
        location = /api/v1/nodes {{ return 200 '{NODES}'; }}
    }}
}}
"
    )
}

const BRIDGE: &str = "172.17.0.1";
const RESOURCES: &str = r#"{"kind": "APIResourceList", "groupVersion": "v1", "resources": [
    {"name": "nodes", "singularName": "node", "namespaced": false, "kind": "Node", "verbs": ["get", "list"]}
]}"#;
const NODES: &str = r#"{"kind": "NodeList", "apiVersion": "v1", "metadata": {}, "items": [
    {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "ip-10-0-0-5.eu-west-1.compute.internal"}}
]}"#;
const KUBECONFIG: &str = "apiVersion: v1
kind: Config
clusters:
- name: shop
  cluster: {certificate-authority: 'CA', server: 'https://NAME'}
users:
- name: me
  user: {token: token}
contexts:
- name: shop
  context: {cluster: shop, user: me}
current-context: shop
";
