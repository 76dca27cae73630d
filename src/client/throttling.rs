//! A service that a test tells to throttle, and that counts what it is asked.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, Uri};
use tokio::time::sleep;

use super::{Client, Error, Kind, Node, Request, SessionService, local_control::LocalControl};
use crate::{
    local::{Endpoint, EndpointConfig, NODE_ID, StartSession},
    session::{ControlPlane, Pending, Refusal, Ticket},
};

/// An endpoint that throttles as long as it is told to, and counts what it is asked.
pub(super) struct Throttling {
    pub(super) control: LocalControl,
    pub(super) asked: AtomicUsize,
    pub(super) at_once: AtomicUsize,
    pub(super) most_at_once: AtomicUsize,
    pub(super) throttles: AtomicBool,
    pub(super) ids: Mutex<Vec<String>>,
}

impl Throttling {
    /// One, with an endpoint of its own, which does not throttle yet.
    pub(super) async fn start() -> Arc<Self> {
        let endpoint = Arc::new(Endpoint::in_process(EndpointConfig::default()).await.unwrap());
        Arc::new(Self {
            control: LocalControl { endpoint, node: NODE_ID.to_owned() },
            asked: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            throttles: AtomicBool::new(false),
            ids: Mutex::default(),
        })
    }

    /// Its node.
    pub(super) async fn node(self: &Arc<Self>) -> Node {
        let client = Client::service(Arc::clone(self) as Arc<dyn SessionService>).unwrap();
        client.node("any").await.unwrap()
    }
}

impl SessionService for Throttling {
    fn start<'a>(&'a self, _: &'a str, request: &'a Request) -> Pending<'a, Result<Ticket, Error>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let at_once = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
            self.most_at_once.fetch_max(at_once, Ordering::Relaxed);
            sleep(Duration::from_millis(20)).await;
            self.at_once.fetch_sub(1, Ordering::Relaxed);
            if self.throttles.load(Ordering::Relaxed) {
                return Err(Error::new(Kind::Lost, "Rate exceeded"));
            }
            let ticket = self.control.endpoint.start_session(StartSession {
                target: NODE_ID.to_owned(),
                document: request.document.as_deref().map(str::to_owned),
                parameters: request.parameters.clone(),
                reason: None,
            })?;
            self.ids.lock().unwrap().push(ticket.session_id.clone());
            Ok(ticket)
        })
    }
}

impl ControlPlane for Throttling {
    fn resume<'a>(&'a self, id: &'a str) -> Pending<'a, Result<Option<Ticket>, Refusal>> {
        self.control.resume(id)
    }

    fn terminate<'a>(&'a self, id: &'a str) -> Pending<'a, Result<(), Refusal>> {
        self.control.terminate(id)
    }

    fn sign<'a>(&'a self, url: &'a Uri) -> Pending<'a, HeaderMap> {
        self.control.sign(url)
    }
}
