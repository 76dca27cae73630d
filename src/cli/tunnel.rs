//! One forwarded port: its listeners, its session, its end.

use std::collections::BTreeMap;

use tokio::sync::watch;

use super::{
    attachment::Attachment,
    failure::{Code, Failure},
    service::{Request, Service},
    spec::Spec,
};
use crate::{
    channel::Ready,
    session::SessionEnd,
    streams::{Basic, Chosen, Forward, ForwardEvent, Listener, PortKind, Stop},
};

/// A port session that is to be started.
pub(super) struct Tunnel {
    pub(super) service: Service,
    pub(super) request: Request,
    pub(super) listeners: Vec<Listener>,
    /// Becomes true when the tunnel is to end.
    pub(super) stop: watch::Receiver<bool>,
}

/// What a tunnel tells its observer.
#[derive(Debug)]
pub(super) enum TunnelEvent {
    /// The session stands; connections are accepted from now on.
    Ready(Ready),
    /// Something happened to a connection.
    Forward(ForwardEvent),
}

impl Tunnel {
    /// Starts the session and forwards until it is stopped or lost.
    pub(super) async fn run(
        self,
        mut observer: impl FnMut(TunnelEvent) + Send,
    ) -> Result<SessionEnd, Failure> {
        let Self { service, request, listeners, stop } = self;
        let stop = || stopped(stop.clone());
        let ticket = tokio::select! {
            ticket = service.start(&request) => ticket?,
            () = stop() => return Ok(SessionEnd::Done),
        };
        let stop_forward = stop();
        let choose = |ready: &Ready| {
            let kind = PortKind::of(ready);
            observer(TunnelEvent::Ready(ready.clone()));
            let observer = move |event| observer(TunnelEvent::Forward(event));
            match kind {
                Some(PortKind::Multiplexed) => {
                    Ok(Box::new(Forward::new(listeners, ready, stop_forward, observer)) as _)
                }
                Some(PortKind::Basic) => {
                    Ok(Box::new(Basic::new(listeners, stop_forward, observer)) as _)
                }
                Some(PortKind::Stream) => {
                    Err("the session is a single stream, not port forwarding".to_owned())
                }
                None => {
                    let name = ready.session_type.name();
                    Err(format!("the agent offers a {name} session, not port forwarding"))
                }
            }
        };
        let control_plane = service.control_plane();
        let mut streams = Chosen::new(stop(), Box::new(choose));
        let attachment =
            Attachment { ticket, control_plane: &*control_plane, is_patient: false, stop: stop() };
        let end = attachment.run(&mut streams).await?;
        match streams.failure() {
            Some(why) => {
                Err(Failure::new(Code::Target, "the node cannot forward this").because(why))
            }
            None => Ok(end),
        }
    }
}

/// What StartSession is asked for.
pub(super) fn request(spec: &Spec, local_port: u16, reason: Option<String>) -> Request {
    let mut parameters = BTreeMap::from([
        ("portNumber".to_owned(), vec![spec.port.to_string()]),
        ("localPortNumber".to_owned(), vec![local_port.to_string()]),
    ]);
    let document = match &spec.host {
        None => "AWS-StartPortForwardingSession",
        Some(host) => {
            parameters.insert("host".to_owned(), vec![host.clone()]);
            "AWS-StartPortForwardingSessionToRemoteHost"
        }
    };
    Request { document: Some(document.into()), parameters, reason }
}

fn stopped(mut stop: watch::Receiver<bool>) -> Stop {
    Box::pin(async move {
        // An error means that nobody can stop us any more: then we are to end, too.
        let _ = stop.wait_for(|stop| *stop).await;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_hosts_have_a_document_of_their_own() {
        let near = request(&"1:5432".parse().unwrap(), 1, None);
        assert_eq!(near.document.as_deref(), Some("AWS-StartPortForwardingSession"));
        assert_eq!(near.parameters["portNumber"], ["5432"]);
        assert!(!near.parameters.contains_key("host"));
        let far = request(&"1:db:5432".parse().unwrap(), 1, None);
        assert_eq!(far.document.as_deref(), Some("AWS-StartPortForwardingSessionToRemoteHost"));
        assert_eq!(far.parameters["host"], ["db"]);
    }
}
