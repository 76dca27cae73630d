//! The way of an upload to the script that takes it.
//!
//! A session of commands has no input. So the script waits behind a listener on the node's own loopback,
//! which tells its port and a secret on standard output, and takes one connection alone, that begins with
//! the secret: a port session brings it. Where there is no python3 or perl for the listener, or no port
//! session to be had, the script runs on a terminal, whose input goes in letters and by small steps.

use std::time::Duration;

use tokio::io::{AsyncWriteExt, DuplexStream};

use super::{
    event::{CopyEvent, Observer},
    node_path::NodePath,
    node_script::{NodeScript, Said, Unexpected, Work, cut, nonsense},
    script::Task,
};
use crate::client::{Connection, Error, Kind, Node};

/// A script that runs, and its input.
pub(super) struct Inlet {
    script: NodeScript,
    sink: Sink,
}

enum Sink {
    Port(Connection),
    Terminal(DuplexStream),
}

/// How the input goes there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    Port,
    Terminal,
}

impl Inlet {
    /// Starts what `task` says, by the best `way` that there is.
    pub(super) async fn open(
        node: &Node,
        task: &Task<'_>,
        way: &mut Way,
        observer: Observer<'_>,
    ) -> Result<Self, Error> {
        if *way == Way::Port {
            match Self::by_port(node, task).await {
                Ok(inlet) => return Ok(inlet),
                Err(NoPort::Failed(error)) => return Err(error),
                Err(NoPort::Not(why)) => {
                    *way = Way::Terminal;
                    observer(CopyEvent::Slower(why));
                }
            }
        }
        let mut script = NodeScript::start(node, task.words(), Work::Typing);
        match script.input.take() {
            Some(input) => Ok(Self { script, sink: Sink::Terminal(input) }),
            None => Err(nonsense()),
        }
    }

    async fn by_port(node: &Node, task: &Task<'_>) -> Result<Self, NoPort> {
        let mut script = NodeScript::start(node, task.listening_words(), Work::Quiet);
        let (port, secret) = match script.said().await.map_err(NoPort::Failed)? {
            Said::Words(words) => match &words[..] {
                [listen, port, secret] if listen == "listen" => (port.clone(), secret.clone()),
                _ => return Err(NoPort::Failed(nonsense())),
            },
            Said::Refusal(_) => {
                return Err(NoPort::Not("the node has neither python3 nor perl".to_owned()));
            }
            Said::Data(_) => return Err(NoPort::Failed(nonsense())),
        };
        let mut connection = match node.connect_alone(&port).await {
            Ok(connection) => connection,
            Err(error) if matches!(error.kind(), Kind::Refused | Kind::Target) => {
                return Err(NoPort::Not(format!("no port session is to be had: {error}")));
            }
            Err(error) => return Err(NoPort::Failed(error)),
        };
        let sent = connection.write_all(secret.as_bytes()).await;
        sent.map_err(|error| NoPort::Failed(cut(&error)))?;
        Ok(Self { script, sink: Sink::Port(connection) })
    }

    /// What the script says next, which is to begin with `word`.
    pub(super) async fn expect(
        &mut self,
        word: &str,
        to: &NodePath,
        node: &str,
    ) -> Result<Vec<String>, Error> {
        let said = self.script.said().await?;
        said.words(word).map_err(|unexpected| match unexpected {
            Unexpected::Refusal(refusal) => refusal.of(to, node),
            Unexpected::Nonsense => nonsense(),
        })
    }

    /// Sends `bytes`, unless the script says that it takes no more.
    pub(super) async fn send(
        &mut self,
        bytes: &[u8],
        to: &NodePath,
        node: &str,
    ) -> Result<(), Error> {
        let Self { script, sink } = self;
        let sending = async {
            match sink {
                Sink::Port(connection) => connection.write_all(bytes).await,
                Sink::Terminal(input) => input.write_all(bytes).await,
            }
        };
        let refused = |said| match said {
            Ok(Said::Refusal(refusal)) => refusal.of(to, node),
            Ok(_) => nonsense(),
            Err(error) => error,
        };
        let sent = tokio::select! {
            said = script.said() => return Err(refused(said)),
            sent = sending => sent,
        };
        match sent {
            Ok(()) => Ok(()),
            // Why is on its way.
            Err(error) => match tokio::time::timeout(LAST_WORDS, script.said()).await {
                Ok(said) => Err(refused(said)),
                Err(_) => Err(cut(&error)),
            },
        }
    }

    /// Ends it once the script has said that all has come: nothing is under way that would have to be waited for.
    pub(super) fn end(self) {
        if let Sink::Port(connection) = &self.sink {
            connection.end_session();
        }
    }

    /// Sends what is in memory of it.
    pub(super) async fn flush(&mut self) -> Result<(), Error> {
        let flushed = match &mut self.sink {
            Sink::Port(connection) => connection.flush().await,
            Sink::Terminal(input) => input.flush().await,
        };
        flushed.map_err(|error| cut(&error))
    }
}

/// Why an upload does not go by a port.
enum NoPort {
    Failed(Error),
    /// It may go by another way.
    Not(String),
}

const LAST_WORDS: Duration = Duration::from_secs(5);
