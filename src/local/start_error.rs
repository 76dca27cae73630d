//! Why an endpoint does not start.

use std::{io, net::SocketAddr, path::PathBuf};

use thiserror::Error;

use super::{
    account::{AccessKeyError, AccountError},
    agent::QuirksError,
    faults::FaultsError,
    node_list::{NO_TARGET, NodeListError},
};

/// What cannot be had of an endpoint, or is not understood.
#[derive(Debug, Error)]
pub enum StartError {
    /// Somebody else has the port, or the address is not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The id of a node is none.
    #[error("`{0}` is no node: {NO_TARGET}")]
    Node(String),
    /// The list of nodes cannot be used.
    #[error("the list of nodes cannot be used: {0}")]
    NodeList(#[source] NodeListError),
    /// The agent's version is none.
    #[error("`{0}` is no version of an agent: it has four numbers, such as 3.3.3050.0")]
    AgentVersion(String),
    /// The faults are not understood.
    #[error(transparent)]
    Faults(#[from] FaultsError),
    /// The quirks are not understood.
    #[error(transparent)]
    Quirks(#[from] QuirksError),
    /// The account file, or the file of its keys, cannot be used.
    #[error("the account file cannot be used: {0}")]
    Account(#[source] AccountError),
    /// The access key is none.
    #[error("the access key cannot be used: {0}")]
    AccessKey(#[from] AccessKeyError),
    /// In an account each user has a key.
    #[error("an account has its users' access keys, and takes no other")]
    TwoKinds,
    /// Keys are made up in an account alone.
    #[error("without an account no keys are made up that could be kept")]
    NothingToKeep,
    /// Something is to be written to a folder that there is not.
    #[error("{} is no folder for {what}", path.display())]
    NoFolder {
        /// The folder.
        path: PathBuf,
        /// What was to be there.
        what: &'static str,
    },
    /// The system tells no address, or has no randomness.
    #[error("cannot start the endpoint: {0}")]
    System(#[source] io::Error),
}
