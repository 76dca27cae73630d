//! The processes that die, and what they have to do with.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::mpsc,
    thread,
};

use rustix::process::Pid;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{Kind, Moment, PATIENCE, traces::Traces};
use crate::{
    raw_client::{open, start_document},
    raw_frame::{HANDSHAKE_COMPLETE, HANDSHAKE_REQUEST, HANDSHAKE_RESPONSE, INPUT},
    raw_gateway::{HANDSHAKE_COMPLETE_TEXT, RawGateway},
    raw_peer::{Arrival, RawPeer},
    support::{Endpoint, NODE, Plugin, Program, Sshd, Terminal, await_running, command},
};

/// What the processes that die have to do with.
pub struct Scene {
    endpoint: Endpoint,
    sshd: Sshd,
    /// Takes connections and says nothing.
    sink: Sink,
    pub folder: TempDir,
}

impl Scene {
    pub fn start() -> Self {
        let folder = TempDir::new().expect("a directory");
        let keys = folder.path().join("keys");
        fs::create_dir(&keys).expect("a directory");
        Self {
            endpoint: Endpoint::with(&["--pushed-keys", keys.to_str().expect("text")]),
            sshd: Sshd::start(),
            sink: Sink::start(),
            folder,
        }
    }

    /// Whoever else died, the endpoint is there for others.
    pub fn still_serves(&self) {
        let plugin = Plugin::attach(&self.endpoint, self.sink.port());
        TcpStream::connect(plugin.address).expect("the port is open");
    }
}

#[cfg(feature = "aws")]
impl Scene {
    /// `ssmport ssh --push-key` with a program in ssh's place that knows its user and stays.
    fn ssh_with_key(&self) -> Command {
        use std::{env, ffi::OsString, os::unix::fs::PermissionsExt};

        let programs = self.folder.path().join("bin");
        if !programs.exists() {
            fs::create_dir(&programs).expect("a directory");
            let ssh = programs.join("ssh");
            let script = "#!/bin/sh\ncase $1 in -G) echo user jane;; *) exec sleep 5000;; esac\n";
            fs::write(&ssh, script).expect("a program");
            fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).expect("its mode");
        }
        let mut path = OsString::from(programs);
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        let mut ssmport =
            ssmport(&["--endpoint-url", &self.endpoint.url, "ssh", "--push-key", NODE]);
        ssmport.env("PATH", path).env("AWS_REGION", crate::support::REGION);
        ssmport.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        ssmport
    }
}

/// A server that the system's queue answers for.
struct Sink(TcpListener);

impl Sink {
    fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("a port"))
    }

    fn port(&self) -> u16 {
        self.0.local_addr().expect("an address").port()
    }
}
pub enum Victim {
    Program(Program),
    Local(Endpoint),
    Terminal(Terminal),
}

impl Victim {
    pub fn start(moment: &Moment, scene: &Scene, traces: &Traces) -> Self {
        let sink = scene.sink.port();
        let mut program = match moment.kind {
            Kind::ForwardPort => {
                ssmport(&["forward", &format!("{}:{sink}", traces.port), "-t", "local"])
            }
            Kind::ForwardSocket => {
                let spec = format!("{}:{sink}", traces.path.display());
                ssmport(&["forward", &spec, "-t", "local"])
            }
            Kind::Exec => ssmport(&["exec", "local", "--", "sleep", "5000"]),
            Kind::ExecWithJob => {
                let script = "(trap '' HUP INT TERM; exec sleep 5000) & sleep 5000 & wait";
                ssmport(&["exec", "local", "--", "sh", "-c", script])
            }
            Kind::Shell => ssmport(&["shell", "local"]),
            Kind::Proxy => ssmport(&["proxy", "local", &sink.to_string()]),
            Kind::Local => {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, traces.port));
                ssmport(&["local", "--listen", &address.to_string()])
            }
            Kind::DropIn => {
                let request = json!({
                    "Target": NODE,
                    "DocumentName": "AWS-StartPortForwardingSession",
                    "Parameters": {
                        "portNumber": [sink.to_string()],
                        "localPortNumber": [traces.port.to_string()],
                    },
                });
                Plugin::session(&scene.endpoint, &request).1
            }
            Kind::DropInSocket => drop_in_with_socket(&traces.path),
            Kind::DropInShell => Plugin::session(&scene.endpoint, &json!({ "Target": NODE })).1,
            #[cfg(feature = "aws")]
            Kind::SshWithKey => scene.ssh_with_key(),
            Kind::Ssh => {
                let mut ssmport = ssmport(&["ssh"]);
                ssmport.args(scene.sshd.client("ssh").get_args());
                ssmport.args(["-N", "-p", &scene.sshd.port.to_string(), "local"]);
                ssmport
            }
        };
        program.envs(traces.environment());
        match moment.kind {
            Kind::Shell => {
                let terminal = Terminal::start(&program);
                terminal.press("set -m; (trap '' HUP; exec sleep 5000) </dev/null & sleep 5000\n");
                Self::Terminal(terminal)
            }
            Kind::DropInShell => {
                let terminal = Terminal::start(&program);
                terminal.press("sleep 5000\n");
                Self::Terminal(terminal)
            }
            Kind::Local => {
                let url = format!("http://127.0.0.1:{}", traces.port);
                Self::Local(Endpoint { program: Program::start(program), url })
            }
            _ => Self::Program(Program::start(program)),
        }
    }

    pub fn pid(&self) -> Pid {
        match self {
            Self::Program(program) => program.pid(),
            Self::Local(endpoint) => endpoint.program.pid(),
            Self::Terminal(terminal) => terminal.pid(),
        }
    }

    pub fn await_end(self) {
        match self {
            Self::Program(program) | Self::Local(Endpoint { program, .. }) => {
                program.finish_within(PATIENCE);
            }
            Self::Terminal(terminal) => terminal.await_end(),
        }
    }
}

/// The drop-in for a session that asks for a Unix socket: no document of the endpoint's does. The
/// agent is there for as long as it can be of use.
fn drop_in_with_socket(path: &Path) -> Command {
    let request = json!({
        "AgentVersion": "3.3.3050.0",
        "RequestedClientActions": [{
            "ActionType": "SessionType",
            "ActionParameters": {
                "SessionType": "Port",
                "Properties": {
                    "portNumber": "80", "type": "LocalPortForwarding",
                    "localConnectionType": "unix", "localUnixSocket": path,
                },
            },
        }],
    });
    let (tell, plugin) = mpsc::channel();
    let serve = async move {
        let gateway = RawGateway::start().await;
        tell.send(gateway.plugin_command()).expect("somebody waits for it");
        // A client that is killed early never comes: that is no concern of the test's.
        let mut agent = gateway.accept().await;
        agent.send(HANDSHAKE_REQUEST, request.to_string().as_bytes()).await;
        agent.data_of(HANDSHAKE_RESPONSE).await;
        agent.send(HANDSHAKE_COMPLETE, HANDSHAKE_COMPLETE_TEXT.as_bytes()).await;
        loop {
            match agent.arrival_within(PATIENCE).await {
                Some(Arrival::Frame(frame)) if frame.message_type == INPUT => {
                    agent.acknowledge(&frame).await;
                }
                Some(Arrival::End(_)) | None => return,
                Some(_) => {}
            }
        }
    };
    thread::spawn(move || runtime().block_on(serve));
    plugin.recv().expect("a plugin")
}

/// A session of an endpoint that runs a `sleep` of this many seconds.
pub fn sleeping(endpoint: &Endpoint, runtime: &Runtime, seconds: &str) -> RawPeer {
    let command = format!("sleep {seconds}");
    let document = Some("AWS-StartInteractiveCommand");
    let ticket = start_document(endpoint, document, &[("command", &command)]);
    let session = runtime.block_on(open(&ticket));
    await_running(seconds);
    session
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

pub fn ssmport(arguments: &[&str]) -> Command {
    let mut ssmport = command(env!("CARGO_BIN_EXE_ssmport"));
    ssmport.args(arguments);
    ssmport
}
