//! Other people's programs by way of `ssmport socks`.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    thread,
};

use tempfile::TempDir;

use crate::support::{
    DEADLINE, Endpoint, NODE, Nginx, Program, Socks, command, file_digest, find_tool, without,
};

/// Large files, several at a time, one of them read slowly.
#[test]
fn downloads_side_by_side_are_whole() {
    let (endpoint, nginx) = (Endpoint::start(), Nginx::start());
    let folder = TempDir::new().expect("a directory");
    let bytes: Vec<u8> =
        (0..3_000_000_u32).flat_map(|word| word.wrapping_mul(7919).to_le_bytes()).collect();
    fs::write(nginx.folder().join("large"), &bytes).expect("a file");
    let digest = file_digest(&nginx.folder().join("large"));
    let socks = Socks::start(&endpoint, NODE, &[]);
    let url = format!("http://127.0.0.1:{}/large", nginx.port);
    thread::scope(|scope| {
        for (number, scheme) in ["socks5h", "http", "socks5", "http"].into_iter().enumerate() {
            let path = folder.path().join(number.to_string());
            let to = path.to_str().expect("Unicode");
            let slow = if number == 0 { &["--limit-rate", "8M"][..] } else { &[] };
            let tunnel = if number == 3 { &["-p"][..] } else { &[] };
            let curl = socks.curl(scheme, &[slow, tunnel, &["-o", to, &url]].concat());
            scope.spawn(move || {
                Program::run(curl).success();
                assert_eq!(file_digest(&path), digest, "{number}");
            });
        }
    });
    assert_eq!(endpoint.active_sessions().len(), 1);
}

/// A body with a length, and one without.
#[test]
fn uploads_by_plain_http_are_whole() {
    let endpoint = Endpoint::start();
    let folder = TempDir::new().expect("a directory");
    let server = python_server();
    let socks = Socks::start(&endpoint, NODE, &[]);
    let url = format!("http://127.0.0.1:{}/", server.1);
    let body = folder.path().join("body");
    fs::write(&body, vec![b'x'; 300_000]).expect("a file");
    let data = format!("@{}", body.display());
    for chunked in [&[][..], &["-H", "Transfer-Encoding: chunked"]] {
        let arguments = [chunked, &["-X", "POST", "--data-binary", &data, &url]].concat();
        assert_eq!(Program::run(socks.curl("http", &arguments)).success(), "300000 bytes");
    }
    // Several requests of one curl, each of which has its own connection.
    let twice = Program::run(socks.curl("http", &["-d", "abc", &url, &url]));
    assert_eq!(twice.success(), "3 bytes3 bytes");
}

#[test]
fn git_clones_through_it() {
    let (endpoint, nginx) = (Endpoint::start(), Nginx::start());
    let work = TempDir::new().expect("a directory");
    let source = work.path().join("source");
    let git = |arguments: &[&str]| {
        let mut git = command(find_tool("git"));
        git.args(["-c", "user.name=me", "-c", "user.email=me@example.com"]).args(arguments);
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
        Program::run(git).success()
    };
    let (source, served) = (source.to_str().unwrap(), nginx.folder().join("repo.git"));
    git(&["init", "-q", "-b", "main", source]);
    fs::write(work.path().join("source/file"), "what is in it\n").expect("a file");
    git(&["-C", source, "add", "file"]);
    git(&["-C", source, "commit", "-q", "-m", "one"]);
    git(&["clone", "-q", "--bare", source, served.to_str().unwrap()]);
    git(&["-C", served.to_str().unwrap(), "update-server-info"]);

    let socks = Socks::start(&endpoint, NODE, &[]);
    for scheme in ["socks5h", "http"] {
        let proxy = format!("http.proxy={}", socks.url(scheme));
        let url = format!("http://127.0.0.1:{}/repo.git", nginx.port);
        let to = work.path().join(scheme);
        git(&["-c", &proxy, "clone", "-q", &url, to.to_str().unwrap()]);
        assert_eq!(fs::read_to_string(to.join("file")).expect("a file"), "what is in it\n");
    }
}

/// `proxy-url` of a cluster.
#[test]
fn kubectl_asks_through_it() {
    if without("kubectl") {
        return;
    }
    let (endpoint, nginx) = (Endpoint::start(), Nginx::start());
    fs::write(nginx.folder().join("version"), r#"{"gitVersion": "v1.2.3"}"#).expect("a page");
    let socks = Socks::start(&endpoint, NODE, &[]);
    let folder = TempDir::new().expect("a directory");
    let config = folder.path().join("config");
    for scheme in ["socks5", "http"] {
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: c, \
             clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{}', proxy-url: '{}'}}}}], \
             contexts: [{{name: c, context: {{cluster: c, user: ''}}}}]}}",
            nginx.port,
            socks.url(scheme)
        );
        fs::write(&config, text).expect("a kubeconfig");
        let mut kubectl = command(find_tool("kubectl"));
        kubectl.arg("--kubeconfig").arg(&config).args(["get", "--raw", "/version"]);
        let said = Program::run(kubectl).success();
        assert!(said.contains("v1.2.3"), "{said}");
    }
}

/// A client that does not wait for its first answer, and a server that does not hang up.
#[test]
fn a_client_that_sends_requests_ahead_has_its_first_answer_whole_and_then_the_end() {
    let (endpoint, server) = (Endpoint::start(), python_server());
    let socks = Socks::start(&endpoint, NODE, &[]);
    let post = format!(
        "POST http://127.0.0.1:{}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        server.1
    );
    for pause in [false, true] {
        let mut client = TcpStream::connect(socks.address()).expect("it listens");
        client.set_read_timeout(Some(DEADLINE)).expect("a limit");
        client.set_nodelay(true).expect("no delay");
        client.write_all(post.as_bytes()).expect("sent");
        if pause {
            // Behind the first words of the answer.
            client.peek(&mut [0]).expect("an answer");
        }
        client.write_all(post.as_bytes()).expect("sent");
        let mut heard = String::new();
        client.read_to_string(&mut heard).expect("a clean end");
        assert_eq!(heard.matches("HTTP/1.1 200 ").count(), 1, "{heard}");
        assert!(heard.ends_with("\r\n\r\n3 bytes"), "{heard}");
    }
}

/// Tells how long the body of a request was; and its port.
fn python_server() -> (Program, u16) {
    let mut python: Command = command(find_tool("python3"));
    python.args(["-u", "-c", SERVER]);
    let server = Program::start(python);
    let port = server.wait_for_stdout(|_| true).trim().parse().expect("a port");
    (server, port)
}

const SERVER: &str = r#"
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        assert self.path == "/" and self.headers["Proxy-Connection"] is None, self.headers
        if self.headers["Content-Length"]:
            length = len(self.rfile.read(int(self.headers["Content-Length"])))
        else:
            length = 0
            while size := int(self.rfile.readline(), 16):
                length += len(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        body = f"{length} bytes".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port)
server.serve_forever()
"#;
