//! The drop-in's port sessions.

use std::net::{Ipv4Addr, TcpListener};

use tokio::{sync::watch, time::sleep};

use super::{
    super::{
        signals,
        tunnel::{CLIENT_VERSION, STOP_TIMEOUT, stopped, terminate},
    },
    invocation::Invocation,
    say,
};
use crate::{
    channel::Ready,
    session::{ControlPlane, Session, SessionEnd},
    streams::{Forward, ForwardEvent},
};

/// Attaches to the session and forwards its port until it ends.
pub(super) async fn attach(invocation: Invocation) -> Result<(), String> {
    let ticket = invocation.ticket.clone();
    let session_id = ticket.session_id.clone();
    say(&format!("\nStarting session with SessionId: {session_id}\n"));

    let signal = signals::termination().map_err(|error| error.to_string())?;
    let (stop, is_stopped) = watch::channel(false);
    let signalled = async {
        signal.await;
        say("Terminate signal received, exiting.\n");
        say(&format!("\n\nExiting session with sessionId: {session_id}.\n\n"));
        stop.send_replace(true);
        // The session may be between two connections, and not hear of it.
        sleep(STOP_TIMEOUT).await;
    };
    let open = {
        let session_id = session_id.clone();
        move |ready: &Ready| open_port(ready, &session_id)
    };
    let mut has_connection = false;
    let observer = |event| match event {
        ForwardEvent::Accepted(_) if !has_connection => {
            has_connection = true;
            say(&format!("\nConnection accepted for session [{session_id}]\n"));
        }
        ForwardEvent::DestinationRefused => {
            say("\nConnection to destination port failed, check SSM Agent logs.\n");
        }
        ForwardEvent::Stalled { .. } | ForwardEvent::NotAccepted(_) => {
            tracing::warn!("{event:?}");
        }
        _ => {}
    };
    let control_plane = control_plane(&invocation);
    let session = Session::new(&session_id, CLIENT_VERSION, &*control_plane);
    let mut forward = Forward::new(Box::new(open), Box::pin(stopped(is_stopped)), observer);
    let end = tokio::select! {
        end = session.run(ticket, &mut forward) => end.map_err(|error| error.to_string())?,
        () = signalled => {
            terminate(&*control_plane, &session_id).await;
            SessionEnd::Done
        }
    };
    if let Some(why) = forward.failure() {
        return Err(why.to_owned());
    }
    match end {
        // Said when the signal came.
        SessionEnd::Done => {}
        SessionEnd::Closed { reason } if reason.is_empty() => {
            say(&format!("\n\nExiting session with sessionId: {session_id}.\n\n"));
        }
        SessionEnd::Closed { reason } => {
            say(&format!("\n\nSessionId: {session_id} : {reason}\n\n"))
        }
        SessionEnd::TimedOut => say(&format!("Session: {session_id} timed out.\n")),
    }
    Ok(())
}

fn open_port(ready: &Ready, session_id: &str) -> Result<Vec<tokio::net::TcpListener>, String> {
    if !ready.customer_message.is_empty() {
        say(&format!("{}\n", ready.customer_message));
    }
    let port = ready.property("localPortNumber").unwrap_or_default();
    let port: u16 = match port.as_str() {
        "" => 0,
        port => port.parse().map_err(|_| format!("local port {port} is not a port"))?,
    };
    let listening = |error| format!("listen tcp 127.0.0.1:{port}: {error}");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(listening)?;
    listener.set_nonblocking(true).map_err(listening)?;
    let port = listener.local_addr().map_err(listening)?.port();
    let listener = tokio::net::TcpListener::from_std(listener).map_err(listening)?;
    say(&format!("Port {port} opened for sessionId {session_id}.\nWaiting for connections...\n"));
    Ok(vec![listener])
}

#[cfg(feature = "aws")]
fn control_plane(invocation: &Invocation) -> Box<dyn ControlPlane> {
    Box::new(super::super::control::AwsControl::new(crate::aws::Settings {
        profile: invocation.profile.clone(),
        region: Some(invocation.region.clone()).filter(|region| !region.is_empty()),
        ssm_endpoint: invocation.ssm_endpoint.clone(),
    }))
}

#[cfg(not(feature = "aws"))]
fn control_plane(_invocation: &Invocation) -> Box<dyn ControlPlane> {
    Box::new(crate::session::NoControlPlane)
}
