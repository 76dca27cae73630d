//! A SOCKS5 proxy that people have: microsocks.

use super::{
    network::Host,
    program::{Program, await_that},
    tools::find_tool,
};

/// A running microsocks.
pub struct Microsocks(Program);

impl Microsocks {
    /// One on `host`, at `address` and [`PORT`], for everybody or for a user with a password.
    pub fn start(host: &Host, address: &str, login: Option<(&str, &str)>) -> Self {
        let mut microsocks = host.command(find_tool("microsocks"));
        microsocks.args(["-i", address, "-p", &PORT.to_string()]);
        if let Some((user, password)) = login {
            microsocks.args(["-u", user, "-P", password]);
        }
        let proxy = Self(Program::start(microsocks));
        // It does not say that it listens: state 0A.
        let line = format!(":{PORT:04X} 00000000:0000 0A ");
        await_that("microsocks listens", || host.run("cat /proc/net/tcp").contains(&line));
        proxy
    }

    /// How often it connected somebody to `host`, with its port.
    pub fn connections_to(&self, host: &str) -> usize {
        self.0
            .stderr()
            .lines()
            .filter(|line| line.ends_with(&format!("connected to {host}")))
            .count()
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        self.0.stderr()
    }
}

/// Its port, on a host that has nothing else there.
pub const PORT: u16 = 1080;
