//! The demo's steps, each on connections through a forward of its own kind.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    Measured,
    peers::{self, Operation, Peer},
    sessions,
};
use crate::{
    cli::failure::Failure,
    client::{Node, Tunnel},
};

/// One thing to be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Upload,
    Download,
    Parallel,
    Echo,
    Connections,
    RemoteHost,
    HalfClose,
    Refused,
    OneByOne,
    SingleStream,
    Command,
    CommandOnTerminal,
    Shell,
    Encrypted,
}

impl Step {
    const ALL: &[Self] = &[
        Self::Upload,
        Self::Download,
        Self::Parallel,
        Self::Echo,
        Self::Connections,
        Self::RemoteHost,
        Self::HalfClose,
        Self::Refused,
        Self::OneByOne,
        Self::SingleStream,
        Self::Command,
        Self::CommandOnTerminal,
        Self::Shell,
        Self::Encrypted,
    ];

    /// Those that the embedded agent serves on this system: it has terminals on Unix alone.
    pub(super) fn served() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|step| cfg!(unix) || !step.wants_terminal())
    }

    fn wants_terminal(self) -> bool {
        matches!(self, Self::CommandOnTerminal | Self::Shell)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Upload => "port: upload, one connection",
            Self::Download => "port: download, one connection",
            Self::Parallel => "port: 50 connections, both ways",
            Self::Echo => "port: one byte there and back",
            Self::Connections => "port: new connections, one by one",
            Self::RemoteHost => "port of another host, both ways",
            Self::HalfClose => "port: reply after client's end of file",
            Self::Refused => "port: nobody listens at the destination",
            Self::OneByOne => "port: old agent, one connection a time",
            Self::SingleStream => "single stream (ssh), both ways",
            Self::Command => "command: output, errors, exit code",
            Self::CommandOnTerminal => "command on a terminal: exit code",
            Self::Shell => "shell: a key there and back",
            Self::Encrypted => "command: encrypted with a key of KMS",
        }
    }
}

/// A node with a destination behind it, and the tunnels that lead there.
pub(super) struct Bench {
    peer: Peer,
    near: Tunnel,
    far: Tunnel,
    closed: Tunnel,
    /// To an agent without a multiplexer.
    old: Tunnel,
    node: Node,
    /// Encrypts its commands.
    encrypted: Node,
    size: u64,
}

impl Bench {
    /// `old` is the same node with an old agent, `encrypted` with one that has a key.
    pub(super) async fn new(
        node: Node,
        old: &Node,
        encrypted: Node,
        size: u64,
    ) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::local("cannot open a port").because(error);
        let peer = Peer::start().await.map_err(failed)?;
        let nobody = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let closed = nobody.local_addr().map_err(failed)?.port();
        drop(nobody);
        let port = peer.port;
        let open = async |node: &Node, destination: String| {
            node.forward(&format!("127.0.0.1:0:{destination}")).start().await
        };
        Ok(Self {
            near: open(&node, port.to_string()).await?,
            far: open(&node, format!("127.0.0.1:{port}")).await?,
            closed: open(&node, closed.to_string()).await?,
            old: open(old, port.to_string()).await?,
            peer,
            node,
            encrypted,
            size,
        })
    }

    pub(super) async fn end(self) {
        for tunnel in [self.near, self.far, self.closed, self.old] {
            if let Err(error) = tunnel.end().await {
                tracing::warn!("{error}");
            }
        }
        drop(self.peer);
    }

    pub(super) async fn run(&self, step: Step) -> io::Result<Measured> {
        let begin = Instant::now();
        let size = self.size;
        let [near, far, closed, old] =
            [&self.near, &self.far, &self.closed, &self.old].map(address);
        let done = match step {
            Step::Upload => upload(near, size).await.map(|()| bulk(size)),
            Step::Download => download(near, size).await.map(|()| bulk(size)),
            Step::Parallel => parallel(near, size).await.map(bulk),
            Step::RemoteHost => both_ways(far, size / 4).await.map(|()| bulk(size / 2)),
            Step::Echo => echo(near).await,
            Step::Connections => connections(near).await,
            Step::HalfClose => half_close(near).await,
            Step::Refused => refused(closed).await,
            Step::OneByOne => one_by_one(old, size / 4).await,
            Step::SingleStream => {
                sessions::single_stream(&self.node, self.peer.port, size / 2).await
            }
            Step::Command => sessions::command(&self.node, size / 4).await,
            Step::CommandOnTerminal => sessions::command_on_terminal(&self.node).await,
            Step::Shell => sessions::shell(&self.node).await,
            Step::Encrypted => sessions::command(&self.encrypted, size / 4).await,
        };
        let (bytes, note) = done?;
        Ok(Measured { bytes, took: begin.elapsed(), note })
    }
}

/// Where a tunnel begins; a TCP port each.
fn address(tunnel: &Tunnel) -> SocketAddr {
    tunnel.local_addr().unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 0).into())
}

pub(super) type Done = io::Result<(u64, String)>;

fn bulk(bytes: u64) -> (u64, String) {
    (bytes, String::new())
}

async fn upload(address: SocketAddr, len: u64) -> io::Result<()> {
    let mut socket = peers::connect(address, Operation::Take, len).await?;
    peers::give(&mut socket, len).await?;
    peers::confirm(&mut socket).await
}

async fn download(address: SocketAddr, len: u64) -> io::Result<()> {
    let mut socket = peers::connect(address, Operation::Give, len).await?;
    peers::take(&mut socket, len).await
}

async fn both_ways(address: SocketAddr, len: u64) -> io::Result<()> {
    let mut socket = peers::connect(address, Operation::Echo, 0).await?;
    let (mut from, mut to) = socket.split();
    tokio::try_join!(peers::give(&mut to, len), peers::take(&mut from, len))?;
    Ok(())
}

async fn parallel(address: SocketAddr, size: u64) -> io::Result<u64> {
    let each = (size / PARALLEL / 2).max(1);
    let mut connections = JoinSet::new();
    for _ in 0..PARALLEL {
        connections.spawn(both_ways(address, each));
    }
    while let Some(ended) = connections.join_next().await {
        ended.map_err(io::Error::other)??;
    }
    Ok(each * PARALLEL * 2)
}

async fn echo(address: SocketAddr) -> Done {
    let mut socket = peers::connect(address, Operation::Echo, 0).await?;
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let begin = Instant::now();
        socket.write_u8(round as u8).await?;
        if socket.read_u8().await? != round as u8 {
            return Err(io::Error::other("another byte came back"));
        }
        times.push(begin.elapsed());
    }
    Ok((2 * ROUNDS as u64, percentiles(times)))
}

async fn connections(address: SocketAddr) -> Done {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let mut socket = peers::connect(address, Operation::Give, 1).await?;
        peers::take(&mut socket, 1).await?;
        times.push(begin.elapsed());
    }
    Ok((ROUNDS as u64, percentiles(times)))
}

async fn half_close(address: SocketAddr) -> Done {
    let mut socket = peers::connect(address, Operation::GiveLater, REPLY).await?;
    socket.shutdown().await?;
    peers::take(&mut socket, REPLY).await?;
    Ok((REPLY, "the reply arrived".to_owned()))
}

async fn one_by_one(address: SocketAddr, len: u64) -> Done {
    for _ in 0..2 {
        both_ways(address, len / 2).await?;
    }
    Ok((len * 2, String::new()))
}

async fn refused(address: SocketAddr) -> Done {
    let mut socket = TcpStream::connect(address).await?;
    match socket.read_u8().await {
        Err(_) => Ok((0, "closed, forward goes on".to_owned())),
        Ok(_) => Err(io::Error::other("somebody answered")),
    }
}

pub(super) fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    format!("{:.2} ms, 99 %: {:.2} ms", at(50), at(99))
}

const PARALLEL: u64 = 50;
const ROUNDS: usize = 500;
const REPLY: u64 = 4096;
