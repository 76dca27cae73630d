//! Processes under test, and the servers and clients that they are tested with. Each of them dies
//! with its guard.
//!
//! ```text
//!   Program          a child in a process group of its own; waits for lines and for its end
//!   Terminal         a program on a terminal, somebody at its keyboard
//!   Endpoint         ssmport local            Forward   ssmport forward
//!   Socks            ssmport socks
//!   Plugin           session-manager-plugin   AwsCli    aws, with the plugin on its PATH
//!   Tmux             a program on a terminal whose screen can be looked at
//!   Ansible          ansible, by way of the plugin; ObjectStore is the bucket that it needs
//!   Account          an endpoint whose users the AWS CLI is; their codes are oathtool's
//!   Postgres, Nginx, Sshd                     what is forwarded
//!   HttpServer       a service of AWS in a few lines
//!   Sts, Home        codes of MFA, and the settings of AWS that several programs share
//!   Relay            a way to an endpoint that can be listened in on, and cut
//!   Reserved         a port for several endpoints, one after the other
//!   ConnectProxy     an HTTP proxy in a few lines, which may misbehave; Tinyproxy is a real one,
//!                    Microsocks one that speaks SOCKS5
//!   Recipe, Reader  docs/recipes.md, and who follows it; Mariadb and Redis are for recipes
//!   Network, Host    network namespaces with a cable between them
//!   windows          a program of ours for Windows, under wine
//!   Line             the same with a slow line; Server, Typist: what is sent over it
//! ```

mod account;
mod ansible;
mod aws_cli;
mod connect_proxy;
mod digest;
mod endpoint;
mod forward;
mod heeded;
#[cfg(feature = "aws")]
pub mod home;
mod http_server;
#[cfg(feature = "aws")]
mod line;
#[cfg(feature = "aws")]
mod mariadb;
#[cfg(feature = "aws")]
mod microsocks;
#[cfg(feature = "aws")]
mod network;
mod nginx;
mod object_store;
mod plugin;
mod postgres;
mod processes;
mod program;
#[cfg(feature = "aws")]
mod recipe;
#[cfg(feature = "aws")]
mod redis;
#[cfg(feature = "aws")]
mod relay;
#[cfg(feature = "aws")]
mod reserved;
#[cfg(feature = "aws")]
mod socks;
mod sshd;
#[cfg(feature = "aws")]
pub mod sts;
mod terminal;
#[cfg(feature = "aws")]
mod tinyproxy;
mod tmux;
mod tools;
mod transcript;
#[cfg(feature = "aws")]
mod transfer;
#[cfg(feature = "aws")]
mod wine;

pub use account::{Account, Keys, example, mfa_code, mfa_serial};
pub use ansible::{Ansible, find as find_with_ansible};
pub use aws_cli::{AwsCli, each_installation, with_programs};
pub use connect_proxy::{ConnectProxy, Habit};
pub use digest::file_digest;
pub use endpoint::{Endpoint, NODE, REGION, faulty, port_request};
pub use forward::Forward;
pub use http_server::HttpServer;
#[cfg(feature = "aws")]
pub use line::{FAR, Line, Passed, Quality};
#[cfg(feature = "aws")]
pub use mariadb::Mariadb;
#[cfg(feature = "aws")]
pub use microsocks::Microsocks;
#[cfg(feature = "aws")]
pub use network::{BLACK_HOLE, GATEWAY, GATEWAY_V6, Host, INNER, Network};
#[cfg(feature = "aws")]
pub use nginx::try_nginx;
pub use nginx::{Nginx, start_nginx};
pub use plugin::Plugin;
pub use postgres::Postgres;
pub use processes::{await_gone, await_running, mark};
pub use program::{DEADLINE, Finished, Program, await_that, command, copy_environment, in_shell};
#[cfg(feature = "aws")]
pub use recipe::{Reader, Recipe};
#[cfg(feature = "aws")]
pub use redis::Redis;
#[cfg(feature = "aws")]
pub use relay::Relay;
#[cfg(feature = "aws")]
pub use reserved::Reserved;
pub use rustix::process::Signal;
#[cfg(feature = "aws")]
pub use socks::Socks;
pub use sshd::Sshd;
pub use terminal::Terminal;
#[cfg(feature = "aws")]
pub use tinyproxy::{PORT as PROXY_PORT, Tinyproxy};
pub use tmux::Tmux;
pub use tools::{find_tool, free_port, outside_address};
#[cfg(feature = "aws")]
pub use tools::{missing, without};
#[cfg(feature = "aws")]
pub use transfer::{Bulk, Direction, Exchanged, Server, Typist};
#[cfg(feature = "aws")]
pub use wine::{forget_credentials, noting_modes, windows, windows_path, windows_with};
