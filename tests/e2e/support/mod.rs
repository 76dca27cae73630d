//! Processes under test, and the servers and clients that they are tested with. Each of them dies
//! with its guard.
//!
//! ```text
//!   Program          a child in a process group of its own; waits for lines and for its end
//!   Endpoint         ssmport local            Forward   ssmport forward
//!   Plugin           session-manager-plugin   AwsCli    aws, with the plugin on its PATH
//!   Terminal         tmux, with one of them on it
//!   Postgres, Nginx, Sshd                     what is forwarded
//! ```

mod aws_cli;
mod digest;
mod endpoint;
mod forward;
mod nginx;
mod plugin;
mod postgres;
mod processes;
mod program;
mod sshd;
mod terminal;
mod tools;
mod transcript;

pub use aws_cli::AwsCli;
pub use digest::file_digest;
pub use endpoint::{Endpoint, NODE, REGION, port_request};
pub use forward::Forward;
pub use nginx::{Nginx, start_nginx};
pub use plugin::Plugin;
pub use postgres::Postgres;
pub use processes::{await_gone, await_running, mark};
pub use program::{DEADLINE, Finished, Program, command, in_shell};
pub use rustix::process::Signal;
pub use sshd::Sshd;
pub use terminal::{Terminal, await_that};
pub use tools::{find_tool, free_port};
