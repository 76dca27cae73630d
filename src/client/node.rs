//! A node, and what can be had of it.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};
use tokio_util::task::TaskTracker;

use super::{
    Client, Error, Kind, Limits,
    command::CommandBuilder,
    copy::{Download, NodePath, Upload},
    forwarding::TunnelBuilder,
    lane::{Lane, Lasting},
    proxy::ProxyBuilder,
    service::{Request, SessionSource},
    shell::ShellBuilder,
    spec::Spec,
};
use crate::{session::Ticket, streams};

/// A node, or a container, that sessions can be started on. Clones are the same node, and share its
/// sessions; these end when the last clone, and the last connection, is dropped. That takes a moment: a
/// program that is about to end awaits [`end`](Self::end), or the service finds out by itself much later.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    client: Client,
    service: SessionSource,
    reason: Option<String>,
    /// How many sessions a destination has: one. A proxy has [its own](super::lanes) of them.
    lanes: Mutex<HashMap<String, Arc<Lane>>>,
    tasks: TaskTracker,
}

/// A connection to a destination through a node: what `connect` gives.
///
/// The end of what it reads is the destination's own; where the session was lost for good, or the
/// destination has refused the connection, reading is an error. Shutting it down closes the half that
/// writes, and the answer can still be read.
pub struct Connection {
    stream: streams::Connection,
    lane: Arc<Lane>,
}

impl Node {
    pub(crate) fn new(client: Client, service: SessionSource) -> Self {
        let lanes = Mutex::default();
        Self(Arc::new(Inner { client, service, reason: None, lanes, tasks: TaskTracker::new() }))
    }

    /// The same node, with `reason` in the records of the sessions that are started on it from now on.
    #[must_use]
    pub fn with_reason(&self, reason: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            client: self.0.client.clone(),
            service: self.0.service.clone(),
            reason: Some(reason.into()),
            lanes: Mutex::default(),
            tasks: self.0.tasks.clone(),
        }))
    }

    /// The same node, with sessions of its own: ending one does not end the other's.
    pub(super) fn apart(&self) -> Self {
        let Inner { client, service, reason, .. } = &*self.0;
        Self(Arc::new(Inner {
            client: client.clone(),
            service: service.clone(),
            reason: reason.clone(),
            lanes: Mutex::default(),
            tasks: TaskTracker::new(),
        }))
    }

    /// Its id, as StartSession knows it.
    pub fn id(&self) -> String {
        self.0.service.target()
    }

    /// Connects to `destination`: `HOST:PORT` as the node sees it, or `PORT` of the node's own.
    ///
    /// Connections to the same destination share a session, which begins with the first of them and is
    /// replaced when it is lost. A destination that nobody answers at shows when the connection is read:
    /// that is an error of the kind [`ConnectionRefused`](std::io::ErrorKind::ConnectionRefused).
    ///
    /// # Errors
    /// When no session can be had, or `destination` is none.
    pub async fn connect(&self, destination: &str) -> Result<Connection, Error> {
        let lane = self.lane(&spec_of(destination)?);
        let stream = lane.connect().await?;
        Ok(Connection { stream, lane })
    }

    /// The same by a session of its own, which ends with the connection.
    pub(super) async fn connect_alone(&self, destination: &str) -> Result<Connection, Error> {
        let spec = spec_of(destination)?;
        let observer = |event| tracing::debug!("{event:?}");
        let lane = Arc::new(Lane::start(self, &spec, Lasting::Once, observer, |_, _| {}));
        let stream = lane.connect().await?;
        Ok(Connection { stream, lane })
    }

    /// A file or a folder of the node, with all that is in it, to `to` here. As cp(1) has it: in a folder
    /// that is there it keeps its name. Paths that are relative begin where the node's sessions do.
    pub fn download(&self, from: impl AsRef<OsStr>, to: impl Into<PathBuf>) -> Download {
        Download::new(self.clone(), NodePath::new(from.as_ref()), to.into())
    }

    /// A file of the node to `to`. What is written is known to be right at the end only.
    pub fn download_to(
        &self,
        from: impl AsRef<OsStr>,
        to: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Download {
        Download::into_writer(self.clone(), NodePath::new(from.as_ref()), Box::new(to))
    }

    /// A file or a folder from here, with all that is in it, to `to` on the node, as
    /// [`download`](Self::download) has it.
    pub fn upload(&self, from: impl Into<PathBuf>, to: impl AsRef<OsStr>) -> Upload {
        Upload::new(self.clone(), from.into(), NodePath::new(to.as_ref()))
    }

    /// What comes of `from`, up to its end, to the file `to` on the node.
    pub fn upload_from(
        &self,
        from: impl AsyncRead + Send + Unpin + 'static,
        to: impl AsRef<OsStr>,
    ) -> Upload {
        Upload::of_reader(self.clone(), Box::new(from), NodePath::new(to.as_ref()))
    }

    /// Forwards a local port, or a socket file: `spec` is that of `ssmport forward`, for example
    /// `15432:db.internal:5432`, `8080`, or `127.0.0.1:0:5432` for a free port.
    pub fn forward(&self, spec: &str) -> TunnelBuilder {
        TunnelBuilder::new(self.clone(), spec)
    }

    /// The same of a SPEC that is understood.
    pub(crate) fn forward_spec(&self, spec: Spec) -> TunnelBuilder {
        TunnelBuilder::of(self.clone(), spec)
    }

    /// Listens at `listen`, `1080` or `127.0.0.1:1080` for one, as a proxy that speaks SOCKS5, SOCKS4 and HTTP:
    /// whatever its clients connect to is reached through this node, each destination by a session of its
    /// own.
    pub fn proxy(&self, listen: &str) -> ProxyBuilder {
        ProxyBuilder::new(self.clone(), listen)
    }

    /// Runs a command, of which each word arrives as it is.
    pub fn command<I, S>(&self, words: I) -> CommandBuilder
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        CommandBuilder::new(self.clone(), words.into_iter().map(Into::into).collect())
    }

    /// Opens a shell.
    pub fn shell(&self) -> ShellBuilder {
        ShellBuilder::new(self.clone())
    }

    /// Starts a session of any document, and leaves it to the caller: what an
    /// [`Session`](crate::session::Session) or a client of the bare protocol goes on with.
    ///
    /// # Errors
    /// When the service does not start it.
    pub async fn start_session(&self, request: &Request) -> Result<Ticket, Error> {
        self.0.service.start(request).await
    }

    /// Ends what runs on this node by way of [`connect`](Self::connect), and cuts off what is still open;
    /// waits until the service has heard of the end of every session, those of handles that were dropped
    /// before included. Tunnels, shells and commands are waited for until their handles are dropped.
    pub async fn end(&self) {
        self.lanes().drain().for_each(|(_, lane)| lane.end());
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.tasks.reopen();
    }

    fn lane(&self, spec: &Spec) -> Arc<Lane> {
        let mut lanes = self.lanes();
        let known = lanes.get(&spec.destination()).filter(|lane| !lane.is_over());
        if let Some(lane) = known {
            return Arc::clone(lane);
        }
        let destination = spec.destination();
        let observer = move |event| tracing::debug!("{destination}: {event:?}");
        let lane = Arc::new(Lane::start(self, spec, Lasting::Replaced, observer, |_, _| {}));
        lanes.insert(spec.destination(), Arc::clone(&lane));
        lane
    }

    fn lanes(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Lane>>> {
        self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn service(&self) -> &SessionSource {
        &self.0.service
    }

    pub(super) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(crate) fn limits(&self) -> Limits {
        self.0.client.limits()
    }

    pub(super) fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// Runs `work` to its end, whoever waits for it.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn(work);
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.id()).finish()
    }
}

fn spec_of(destination: &str) -> Result<Spec, Error> {
    format!("0:{destination}").parse().map_err(|_| {
        let what = format!("`{destination}` is no destination");
        Error::new(Kind::Usage, what).next("give HOST:PORT, or a PORT of the node's own")
    })
}

/// What ends a session when its handle is dropped.
pub(super) fn stop_on_drop() -> (watch::Sender<bool>, impl Fn() -> streams::Stop + Send + Sync) {
    let (stop, stopped) = watch::channel(false);
    (stop, move || {
        let mut stopped = stopped.clone();
        Box::pin(async move {
            // An error means that the handle is gone.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        })
    })
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// Ends its session at once, for one that has no other connection and whose last byte is known to have
    /// arrived.
    pub(super) fn end_session(&self) {
        self.lane.end();
    }
}

streams::delegate!(Connection, stream, read);
