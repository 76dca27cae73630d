use std::{net::SocketAddr, sync::atomic::Ordering};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::broadcast,
    time::timeout,
};

use super::*;
use crate::{
    client::{Tunnel, throttling::Throttling},
    session::ControlPlane,
};

/// A forward to a server that says everything back.
struct Fixture {
    service: Arc<Throttling>,
    tunnel: Tunnel,
    events: broadcast::Receiver<TunnelEvent>,
}

async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = socket.split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    address
}

async fn fixture(lanes: LaneCount) -> Fixture {
    let service = Throttling::start().await;
    let spec = format!("127.0.0.1:0:{}", echo().await.port());
    let tunnel = service.node().await.forward(&spec).lanes(lanes).start().await.unwrap();
    let events = tunnel.events();
    Fixture { service, tunnel, events }
}

impl Fixture {
    fn sessions(&self) -> usize {
        self.service.control.endpoint.active_sessions()
    }

    fn asked(&self) -> usize {
        self.service.asked.load(Ordering::Relaxed)
    }

    /// A connection that has heard its echo.
    async fn connect(&self) -> TcpStream {
        let address = self.tunnel.local_addr().unwrap();
        let mut socket = TcpStream::connect(address).await.unwrap();
        assert!(echoes(&mut socket).await);
        socket
    }

    async fn lane_event(&mut self) -> (u32, LaneEvent) {
        let told = async {
            loop {
                if let TunnelEvent::Lane { lane, event } = self.events.recv().await.unwrap() {
                    return (lane, event);
                }
            }
        };
        timeout(Duration::from_secs(20), told).await.unwrap()
    }
}

async fn echoes(socket: &mut TcpStream) -> bool {
    let mut answer = [0; 4];
    let exchange = async {
        socket.write_all(b"ping").await?;
        socket.read_exact(&mut answer).await
    };
    let done = timeout(Duration::from_secs(20), exchange).await.expect("an answer, or an end");
    done.is_ok() && answer == *b"ping"
}

#[tokio::test]
async fn each_connection_has_a_session_as_far_as_the_number_goes() {
    let fixture = fixture(LaneCount::Fixed(3)).await;
    assert_eq!(fixture.sessions(), 1, "one that nobody uses is enough");
    let mut open = Vec::new();
    for sessions in [1, 2, 3, 3, 3] {
        open.push(fixture.connect().await);
        assert_eq!(fixture.sessions(), sessions);
    }
    for socket in &mut open {
        assert!(echoes(socket).await);
    }
    drop(open);
    // All of them end with it.
    let Fixture { service, tunnel, .. } = fixture;
    tunnel.end().await.unwrap();
    assert_eq!(service.control.endpoint.active_sessions(), 0);
}

#[tokio::test]
async fn whoever_carries_little_has_one_session() {
    let fixture = fixture(LaneCount::default()).await;
    let _open = [fixture.connect().await, fixture.connect().await, fixture.connect().await];
    assert_eq!(fixture.asked(), 1);
}

#[tokio::test]
async fn what_cannot_be_had_leaves_its_connection_to_the_sessions_there_are() {
    let mut fixture = fixture(LaneCount::Fixed(8)).await;
    fixture.service.throttles.store(true, Ordering::Relaxed);
    let _open = [fixture.connect().await, fixture.connect().await, fixture.connect().await];
    assert_eq!(fixture.asked(), 2, "the service is left alone for a while");
    let (lane, event) = fixture.lane_event().await;
    assert!(matches!(event, LaneEvent::NotStarted { again, .. } if again == SHORTEST), "{event}");
    assert_eq!(lane, 2);
}

#[tokio::test]
async fn a_session_that_is_lost_costs_its_own_connections_alone() {
    let mut fixture = fixture(LaneCount::Fixed(3)).await;
    let mut first = fixture.connect().await;
    let mut second = fixture.connect().await;
    let mut third = fixture.connect().await;
    assert!(matches!(fixture.lane_event().await, (2, LaneEvent::Stands)));
    let id = fixture.service.ids.lock().unwrap()[1].clone();
    fixture.service.control.terminate(&id).await.unwrap();
    let lost = loop {
        if let (2, LaneEvent::Lost { cut_off, carried, .. }) = fixture.lane_event().await {
            break (cut_off, carried.taken, carried.received);
        }
    };
    assert_eq!(lost, (1, 1, 4));
    let mut second_is_over = [0; 1];
    assert!(!matches!(second.read(&mut second_is_over).await, Ok(1..)));
    assert!(echoes(&mut first).await && echoes(&mut third).await);
    // And the next one has a session in its place.
    let _fourth = fixture.connect().await;
    assert_eq!((fixture.sessions(), fixture.asked()), (3, 4));
}

/// One connection that is held, without a session.
fn held(spread: &Arc<Spread>, count: LaneCount, at: Instant) -> tokio::io::DuplexStream {
    let (ours, theirs) = tokio::io::duplex(64);
    let accepted: Accepted = (Box::new(theirs), crate::streams::Peer::Within);
    assert!(spread.state().place(accepted, count, at).is_none(), "it waits for a session");
    ours
}

#[tokio::test]
async fn a_connection_waits_for_a_session_of_its_own_only_for_a_while() {
    let count = LaneCount::Fixed(2);
    let (spread, back) = Spread::new(count);
    let mut listeners = crate::streams::Listeners::new(Vec::new());
    listeners.place_by(Box::new(|socket, peer| Some((socket, peer))), back);
    let at = now();
    let _busy = {
        let (ours, theirs) = tokio::io::duplex(64);
        let accepted: Accepted = (Box::new(theirs), crate::streams::Peer::Within);
        (ours, spread.state().place(accepted, count, at).expect("it is the first session's"))
    };
    let _waits = held(&spread, count, at);
    spread.state().due(at + Duration::from_secs(2));
    assert!(listeners.next().now_or_never().is_none());
    spread.state().due(at + Duration::from_secs(3));
    assert!(listeners.next().now_or_never().is_some(), "the first session is to have it");
}

#[tokio::test]
async fn a_lane_that_nobody_uses_is_closed() {
    let count = LaneCount::Fixed(2);
    let (spread, _back) = Spread::new(count);
    let at = now();
    let (_one, theirs) = tokio::io::duplex(64);
    let _first = spread.state().place((Box::new(theirs), crate::streams::Peer::Within), count, at);
    let other = held(&spread, count, at);
    let (number, within, stop) = spread.state().unstarted().remove(0);
    let mut listeners =
        crate::streams::Listeners::new(vec![crate::streams::Listener::Within(within)]);
    spread.state().stands(number, at);
    let (socket, _) = listeners.next().await.unwrap();
    let later = at + Duration::from_secs(300);
    assert!(spread.state().due(later).0.is_empty(), "it has a connection");
    drop((socket, other));
    assert!(spread.state().due(later + Duration::from_secs(59)).0.is_empty());
    let (events, _) = spread.state().due(later + Duration::from_secs(60));
    let idle = |event: &TunnelEvent| {
        matches!(event, TunnelEvent::Lane { lane: 2, event: LaneEvent::Idle { .. } })
    };
    assert!(events.len() == 1 && idle(&events[0]) && *stop.borrow(), "{events:?}");
}
