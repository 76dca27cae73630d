//! An endpoint in a few words.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use tokio::net::TcpListener;

use super::{
    Endpoint, EndpointConfig,
    account::{AccessKey, Account},
    agent::Quirks,
    faults::Faults,
    node::Node,
    node_list,
    start_error::StartError,
};
use crate::{net::Pace, wire::Version};

/// What an [`Endpoint`] is to be like; see [`Endpoint::builder`]. What is not understood is an error
/// of [`start`](Self::start).
#[derive(Debug)]
#[must_use = "it begins with `start`"]
pub struct EndpointBuilder {
    address: SocketAddr,
    config: EndpointConfig,
    /// By their ids, beside those of the list and of the account.
    nodes: Vec<String>,
    node_list: Option<PathBuf>,
    account: Option<PathBuf>,
    kept_keys: Option<PathBuf>,
    access_key: Option<AccessKey>,
    /// What was not understood first.
    understood: Result<(), StartError>,
}

impl EndpointBuilder {
    /// Where to listen; else a free port of 127.0.0.1.
    pub fn listen(self, address: impl Into<SocketAddr>) -> Self {
        Self { address: address.into(), ..self }
    }

    /// Offers a node of this id; else [`NODE_ID`](super::NODE_ID).
    pub fn node(self, id: impl Into<String>) -> Self {
        self.nodes([id.into()])
    }

    /// Offers nodes of these ids.
    pub fn nodes(mut self, ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.nodes.extend(ids.into_iter().map(Into::into));
        self
    }

    /// Offers the nodes of a file: an id a line, and perhaps a name behind it; `#` begins a comment.
    pub fn nodes_from(self, path: impl Into<PathBuf>) -> Self {
        Self { node_list: Some(path.into()), ..self }
    }

    /// What the service does wrong, as `ssmport local --faults` takes it: `cut=2s,drop=1%`.
    pub fn faults(self, list: &str) -> Self {
        self.with(Faults::parse(list), |endpoint, faults| endpoint.config.faults = faults)
    }

    /// Which habits of the real agent to have, as `ssmport local --quirks` takes it: `real`.
    pub fn quirks(self, list: &str) -> Self {
        self.with(Quirks::parse(list), |endpoint, quirks| endpoint.config.quirks = quirks)
    }

    /// Sends toward the client no faster than this.
    pub fn pace(mut self, pace: Pace) -> Self {
        self.config.pace = Some(pace);
        self
    }

    /// Version that the agent claims, and behaves like.
    pub fn agent_version(self, version: &str) -> Self {
        let read = Version::parse(version).map(|version| version.to_string());
        let read = read.ok_or_else(|| StartError::AgentVersion(version.to_owned()));
        self.with(read, |endpoint, version| endpoint.config.agent_version = version)
    }

    /// Pretends the account that a file describes: callers are known by their signatures, and do what
    /// their policies allow.
    pub fn account(self, path: impl Into<PathBuf>) -> Self {
        Self { account: Some(path.into()), ..self }
    }

    /// Keeps the account's made-up keys in a file, so that they are the same at the next start.
    pub fn kept_keys(self, path: impl Into<PathBuf>) -> Self {
        Self { kept_keys: Some(path.into()), ..self }
    }

    /// Takes this access key and no other. Without one, and without an account, no credentials are
    /// checked.
    pub fn access_key(self, id: &str, secret: &str) -> Self {
        self.with(AccessKey::new(id, secret), |endpoint, key| endpoint.access_key = Some(key))
    }

    /// Whether the API can be called over HTTP; else sessions are started by the [`Endpoint`] alone.
    pub fn serve_api(mut self, serves: bool) -> Self {
        self.config.serves_api = serves;
        self
    }

    /// Encrypts shells and commands with this key, an id or an ARN, which its own KMS has.
    pub fn kms_key(mut self, key: impl Into<String>) -> Self {
        self.config.kms_key = Some(key.into());
        self
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// [`StartError`]: what was not understood, cannot be read, or is taken by somebody else.
    pub async fn start(self) -> Result<Endpoint, StartError> {
        let address = self.address;
        let config = self.into_config()?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| StartError::Listen { address, source })?;
        Endpoint::start(listener, config).map_err(StartError::System)
    }

    fn into_config(self) -> Result<EndpointConfig, StartError> {
        self.understood?;
        let mut config = self.config;
        let places = [(&config.session_logs, "logs"), (&config.pushed_keys, "keys")];
        for (path, what) in places {
            if let Some(path) = path.as_ref().filter(|path| !path.is_dir()) {
                return Err(StartError::NoFolder { path: path.clone(), what });
            }
        }
        let template = config.nodes.first().cloned().unwrap_or_default();
        let template = Node { agent_version: config.agent_version.clone(), ..template };
        let keys = self.kept_keys.as_deref();
        let account = match (&self.account, &self.access_key) {
            (Some(_), Some(_)) => return Err(StartError::TwoKinds),
            (Some(path), None) => Some(match keys {
                Some(keys) => Account::load_with_keys(path, keys, &template),
                None => Account::load(path, &template),
            }),
            (None, _) if keys.is_some() => return Err(StartError::NothingToKeep),
            (None, Some(key)) => Some(Account::of_key(key)),
            (None, None) => None,
        };
        if let Some(account) = account {
            config.account = Some(account.map_err(StartError::Account)?);
        }
        let mut nodes = Vec::new();
        nodes.extend(config.account.iter().flat_map(Account::nodes).cloned());
        if let Some(path) = &self.node_list {
            nodes.extend(node_list::load(path, &template).map_err(StartError::NodeList)?);
        }
        for id in self.nodes {
            if !Node::is_target(&id) {
                return Err(StartError::Node(id));
            }
            nodes.push(template.called(id));
        }
        config.nodes = if nodes.is_empty() { vec![template] } else { nodes };
        Ok(config)
    }

    /// Keeps what was read, or why it could not be.
    fn with<T>(
        mut self,
        read: Result<T, impl Into<StartError>>,
        put: impl FnOnce(&mut Self, T),
    ) -> Self {
        match read {
            Ok(value) => put(&mut self, value),
            Err(error) => self.understood = self.understood.and(Err(error.into())),
        }
        self
    }
}

impl From<EndpointConfig> for EndpointBuilder {
    /// Like this, but for the nodes that are named later.
    fn from(config: EndpointConfig) -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            config,
            nodes: Vec::new(),
            node_list: None,
            account: None,
            kept_keys: None,
            access_key: None,
            understood: Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::net::TcpStream;

    use super::*;
    use crate::local::NODE_ID;

    fn folder_with(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        (folder, path)
    }

    async fn refusal(builder: EndpointBuilder) -> String {
        builder.start().await.expect_err("not to be had").to_string()
    }

    #[tokio::test]
    async fn it_listens_until_it_is_dropped() {
        let endpoint = Endpoint::builder().start().await.expect("an endpoint");
        assert_eq!(endpoint.url(), format!("http://{}", endpoint.address()));
        assert_eq!((endpoint.node_id(), endpoint.node_ids()), (NODE_ID, vec![NODE_ID]));
        let address = endpoint.address();
        drop(TcpStream::connect(address).await.expect("it listens"));
        let taken = refusal(Endpoint::builder().listen(address)).await;
        assert!(taken.starts_with(&format!("cannot listen on {address}: ")), "{taken}");
        drop(endpoint);
        // Its task is ended by the runtime.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn nodes_come_from_everywhere_and_have_the_agents_version() {
        let (_list, list) = folder_with("nodes", "i-0a11ce00000000001 web # first\n");
        let (_account, account) = folder_with("account.toml", "[nodes.i-0a11ce00000000002]\n");
        let config = Endpoint::builder()
            .nodes(["i-0a11ce00000000003", "ecs:prod_0123_0123-4"])
            .nodes_from(list)
            .account(account)
            .agent_version("3.3.1.0")
            .into_config()
            .expect("all good");
        let found = config.nodes.iter().map(|node| (&*node.id, &*node.name, &*node.agent_version));
        let expected = [
            ("i-0a11ce00000000002", "i-0a11ce00000000002", "3.3.1.0"),
            ("i-0a11ce00000000001", "web", "3.3.1.0"),
            ("i-0a11ce00000000003", "local", "3.3.1.0"),
            ("ecs:prod_0123_0123-4", "local", "3.3.1.0"),
        ];
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }

    #[tokio::test]
    async fn what_is_not_understood_is_said_at_the_start() {
        let endpoint = Endpoint::builder;
        let (_folder, account) = folder_with("account.toml", "id = '1'");
        for (builder, expected) in [
            (endpoint().faults("lose=1%").quirks("odd"), "`lose=1%` is no fault; allowed: "),
            (endpoint().quirks("odd"), "`odd` is no quirk: "),
            (endpoint().node("web"), "`web` is no node: a node's id is i- or mi- "),
            (
                endpoint().nodes_from("/nonexistent"),
                "the list of nodes cannot be used: /nonexistent",
            ),
            (endpoint().agent_version("3"), "`3` is no version of an agent: "),
            (endpoint().access_key("short", "secret"), "the access key cannot be used: "),
            (endpoint().kept_keys("/nonexistent"), "without an account no keys are made up"),
            (endpoint().account(&account), "the account file cannot be used: "),
            (
                endpoint().account(&account).access_key("AKIAIOSFODNN7EXAMPLE", "secret"),
                "an account has its users' access keys",
            ),
        ] {
            let refused = refusal(builder).await;
            assert!(refused.starts_with(expected), "{refused}");
        }
        let session_logs = Some("/nonexistent".into());
        let config = EndpointConfig { session_logs, ..EndpointConfig::default() };
        assert_eq!(refusal(config.into()).await, "/nonexistent is no folder for logs");
    }

    #[tokio::test]
    async fn a_test_finds_keys_in_any_case() {
        let endpoint = Endpoint::builder().start().await.expect("an endpoint");
        let keys = &endpoint.users()[0];
        assert_eq!((keys.access_key_id, keys.secret_access_key), ("test", Some("test")));
        let key = Endpoint::builder().access_key("AKIAIOSFODNN7EXAMPLE", "secret");
        let endpoint = key.start().await.expect("an endpoint");
        let keys = &endpoint.users()[0];
        assert_eq!((keys.access_key_id, keys.secret_access_key), ("AKIAIOSFODNN7EXAMPLE", None));
    }
}
