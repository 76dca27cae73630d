//! A session whose connections break, with a control plane that counts.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use http::{HeaderMap, Uri};
use ssmport::{
    session::{ControlPlane, Pending, Refusal, Session, Ticket},
    streams::{Chosen, Forward, Listeners},
    wire::Token,
};
use tokio::time::timeout;

use super::{
    raw_frame::{RawFrame, START_PUBLICATION},
    raw_gateway::*,
};

/// Resumes as often as it is asked to.
struct Patient {
    stream_url: String,
    resumed: AtomicU32,
}

impl Patient {
    fn ticket(&self) -> Ticket {
        Ticket {
            session_id: SESSION_ID.to_owned(),
            stream_url: self.stream_url.clone(),
            token: Token::new(TOKEN),
        }
    }
}

impl ControlPlane for Patient {
    fn resume<'a>(&'a self, _id: &'a str) -> Pending<'a, Result<Option<Ticket>, Refusal>> {
        self.resumed.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(Some(self.ticket())) })
    }

    fn terminate<'a>(&'a self, _id: &'a str) -> Pending<'a, Result<(), Refusal>> {
        Box::pin(async { Ok(()) })
    }

    fn sign<'a>(&'a self, _url: &'a Uri) -> Pending<'a, HeaderMap> {
        Box::pin(async { HeaderMap::new() })
    }
}

/// A gateway that takes each connection and closes it must not be asked without a pause, whether
/// it greets or not.
#[tokio::test]
async fn connections_that_break_at_once_are_not_opened_in_a_rush() {
    for is_greeted in [false, true] {
        let gateway = RawGateway::start().await;
        let control = Patient { stream_url: gateway.stream_url(), resumed: AtomicU32::new(0) };
        let session = Session::new(SESSION_ID, "1.2.764.0", &control);
        let never = || Box::pin(std::future::pending());
        let mut forward = Chosen::new(
            never(),
            Box::new(|peer| {
                Ok(Box::new(Forward::new(Listeners::new(Vec::new()), peer, never(), |_| {})))
            }),
        );
        let closing = async {
            let mut agent = gateway.accept_and_shake_hands(0).await;
            loop {
                close(&mut agent).await;
                agent = gateway.accept().await;
                if is_greeted {
                    agent.send_frame(&RawFrame::new(START_PUBLICATION, 0, 0, b"{}")).await;
                }
            }
        };
        let ended = timeout(Duration::from_secs(3), async {
            tokio::select! {
                end = session.run(control.ticket(), &mut forward) => panic!("ended: {end:?}"),
                () = closing => {}
            }
        });
        assert!(ended.await.is_err());
        let resumed = control.resumed.load(Ordering::Relaxed);
        assert!((2..20).contains(&resumed), "resumed {resumed} times in 3 s");
    }
}
