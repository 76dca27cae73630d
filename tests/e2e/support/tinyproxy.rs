//! A proxy that people have: tinyproxy.

use std::fs;

use rustix::process::Signal;

use super::{network::Host, program::Program, tools::find_tool};

/// A running tinyproxy.
pub struct Tinyproxy(Program);

impl Tinyproxy {
    /// One on `host`, at `address` and [`PORT`], with more lines of configuration.
    pub fn start(host: &Host, address: &str, settings: &str) -> Self {
        let configuration = host.folder().join("tinyproxy.conf");
        let text = format!("Port {PORT}\nListen {address}\nTimeout 600\nLogLevel Info\n{settings}");
        fs::write(&configuration, text).expect("tinyproxy's settings");
        let mut tinyproxy = host.command(find_tool("tinyproxy"));
        tinyproxy.arg("-d").arg("-c").arg(&configuration);
        let program = Program::start(tinyproxy);
        program.wait_for_stdout(|line| line.contains("Starting main loop"));
        Self(program)
    }

    /// How often it was asked to connect to `host`, with its port.
    pub fn tunnels_to(&self, host: &str) -> usize {
        self.0.stdout().matches(&format!("CONNECT {host} ")).count()
    }

    /// Ends it, with its connections.
    pub fn stop(self, signal: Signal) {
        self.0.stop(signal);
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        self.0.stdout()
    }
}

/// Its port, on a host that has nothing else there.
pub const PORT: u16 = 8888;
