use std::{future::pending, time::Duration};

use tokio::sync::oneshot;

use super::*;
use crate::{
    streams::{Pipe, harness::Pair},
    wire::{MessageType, PayloadType},
};

fn pipe() -> Box<dyn Application + Send> {
    let (input, output) = (tokio::io::empty(), tokio::io::sink());
    Box::new(Pipe::new(input, output, Box::pin(pending()), Box::pin(pending()), |_| {}))
}

#[tokio::test]
async fn what_the_service_says_before_the_agent_is_there_changes_nothing() {
    let mut pair = Pair::port();
    let mut chosen = Chosen::new(Box::pin(pending()), Box::new(|_| Ok(pipe())));
    let now = pair.now;
    pair.agent.announce(MessageType::PausePublication, "s-1", "i-1", now);
    pair.agent.announce(MessageType::StartPublication, "s-1", "i-1", now);
    pair.run(&mut chosen);
    assert!(chosen.application.is_some());
    assert_eq!(chosen.peer().map(|peer| &*peer.peer_version), Some("3.3.3050.0"));
}

#[tokio::test]
async fn an_end_that_was_asked_for_opens_nothing_any_more() {
    let mut pair = Pair::port();
    pair.is_agent_deaf = true;
    let (stop, stopped) = oneshot::channel::<()>();
    let choose = Box::new(|_: &Ready| -> Result<_, ApplicationError> { panic!("too late") });
    let mut chosen = Chosen::new(Box::pin(async { drop(stopped.await) }), choose);
    pair.run(&mut chosen);
    stop.send(()).unwrap();
    pair.run(&mut chosen);
    assert_eq!(pair.turn, Turn::Done);
    pair.is_agent_deaf = false;
    pair.run(&mut chosen);
    assert_eq!(chosen.peer(), None, "so that the service is told instead");
}

#[tokio::test]
async fn a_session_of_no_use_is_ended_and_says_why() {
    let mut pair = Pair::port();
    let choose = Box::new(|_: &Ready| Err("of no use".into()));
    let mut chosen = Chosen::new(Box::pin(pending()), choose);
    pair.run(&mut chosen);
    pair.advance(Duration::from_millis(10), &mut chosen);
    assert_eq!((pair.turn, chosen.failure()), (Turn::Done, Some("of no use")));
    assert_eq!(pair.flags, [Flag::TerminateSession]);
    pair.send(PayloadType::Output, b"ignored");
    pair.run(&mut chosen);
}
