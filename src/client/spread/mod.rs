//! A forward's further sessions, over which its connections are spread.
//!
//! ```text
//!   Listeners -> Forward, the first session's -> place: it stays there, or goes
//!                      ^                           to a lane: a session of its own,
//!                      +---- back ---------------- which is started for it, or stands
//! ```
//!
//! What comes from a node comes at its agent's pace, 0.7 MB/s a session. The first session is the forward's
//! own, and replaced when it ends; a lane is not: what it loses are its own connections, and the next one has
//! another. A lane that cannot be had costs nothing but the time that its first connection waited.

mod choice;
mod lane;

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::{Notify, watch},
    time::sleep_until,
};

use super::{
    Error, Kind,
    tunnel::{ForwardedPort, TunnelEvent, stopped},
};
use crate::{
    net::now,
    session::SessionEnd,
    streams::{Accepted, Connector, ForwardEvent, Meter, Place, Within},
};
pub use choice::LaneCount;
use choice::{Choice, Load, choose};
pub use lane::LaneEvent;
use lane::{Lane, Rate};

/// The sessions of one forward beside its first.
pub(super) struct Spread {
    count: LaneCount,
    state: Mutex<State>,
    /// There is something to do.
    changed: Notify,
}

struct State {
    /// The first session's own connections.
    first: (Arc<Meter>, Rate),
    lanes: Vec<Lane>,
    /// The last one's number. The first session is number 1.
    number: u32,
    /// Leads to the first session, for connections that a lane cannot have.
    back: Connector,
    refused: Option<Pause>,
    is_over: bool,
}

/// For how long no further session is asked for.
struct Pause {
    until: Instant,
    length: Duration,
}

/// How a lane has ended, and whether it ever stood.
type Ended = (u32, Result<SessionEnd, Error>, bool);

impl Spread {
    /// None yet, and what leads connections back to the first session.
    pub(super) fn new(count: LaneCount) -> (Arc<Self>, Within) {
        let (within, back, _) = Within::new();
        let state = State {
            first: Default::default(),
            lanes: Vec::new(),
            number: 1,
            back,
            refused: None,
            is_over: false,
        };
        (Arc::new(Self { count, state: Mutex::new(state), changed: Notify::new() }), within)
    }

    /// Where each connection is brought that the first session is about to take.
    pub(super) fn place(self: &Arc<Self>) -> Place {
        let spread = Arc::clone(self);
        Box::new(move |socket, peer| {
            let stays = spread.state().place((socket, peer), spread.count, now());
            spread.changed.notify_one();
            stays
        })
    }

    /// Starts and ends lanes until [`end`](Self::end), and all of them are over. `port` gives one, `tell` is
    /// told what becomes of them.
    pub(super) async fn run(
        &self,
        port: impl Fn(Within, watch::Receiver<bool>) -> ForwardedPort,
        stop: watch::Receiver<bool>,
        tell: impl Fn(TunnelEvent) + Send + Sync,
    ) {
        let mut running: FuturesUnordered<BoxFuture<'_, Ended>> = FuturesUnordered::new();
        let mut stop = pin!(stopped(stop).fuse());
        loop {
            let (due, look_again) = self.state().due(now());
            for event in due {
                tell(event);
            }
            let new = self.state().unstarted();
            for (number, within, stop) in new {
                running.push(self.lane(number, port(within, stop), &tell).boxed());
            }
            if running.is_empty() && self.state().is_over {
                return;
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = sleep_until(look_again.into()) => {}
                () = &mut stop => self.end(),
                Some((number, ended, has_stood)) = running.next() => {
                    let event = self.state().over(number, ended, has_stood, now());
                    event.into_iter().for_each(&tell);
                }
            }
        }
    }

    async fn lane(
        &self,
        number: u32,
        mut port: ForwardedPort,
        tell: &(impl Fn(TunnelEvent) + Send + Sync),
    ) -> Ended {
        let observer = |event| match event {
            TunnelEvent::Ready(_) => {
                self.state().stands(number, now());
                tell(TunnelEvent::Lane { lane: number, event: LaneEvent::Stands });
            }
            // Told together with the reason.
            TunnelEvent::Forward(ForwardEvent::CutOff { connections }) => {
                if let Some(lane) = self.state().lane(number) {
                    lane.cut_off = connections;
                }
            }
            event => tell(event),
        };
        // Boxed: within the forward's own future it would be too deep for the compiler.
        let (ended, has_stood) = port.once(observer).boxed().await;
        // What its session has not taken is for another one.
        let mut state = self.state();
        if let Some(lane) = state.lane(number) {
            lane.is_ending = true;
        }
        while let Some(Ok(accepted)) = port.listeners.next().now_or_never() {
            state.give_back(accepted);
        }
        (number, ended, has_stood)
    }

    /// Ends all lanes; there are no others from now on.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.is_over = true;
        for lane in &mut state.lanes {
            lane.end();
        }
        drop(state);
        self.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes a connection for one of the lanes, or leaves it to the first session.
    fn place(&mut self, accepted: Accepted, count: LaneCount, now: Instant) -> Option<Accepted> {
        // One that is ending takes no more.
        let open: Vec<_> = (0..self.lanes.len()).filter(|at| !self.lanes[*at].is_ending).collect();
        let mut loads = vec![self.first_load()];
        loads.extend(open.iter().map(|at| self.lanes[*at].load()));
        let may = !self.is_over && self.refused.as_ref().is_none_or(|pause| now >= pause.until);
        let left = match choose(count, &loads, may) {
            Choice::Lane(0) => Some(accepted),
            Choice::Lane(index) => self.lanes[open[index - 1]].take(accepted, now),
            Choice::Another => {
                self.number += 1;
                self.lanes.push(Lane::new(self.number, accepted, now));
                None
            }
        };
        left.map(|(socket, peer)| (self.first.0.count(socket), peer))
    }

    fn first_load(&self) -> Load {
        let (meter, rate) = &self.first;
        Load { connections: meter.read().open, rate: rate.last(), is_starting: false }
    }

    fn lane(&mut self, number: u32) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.number == number)
    }

    fn unstarted(&mut self) -> Vec<(u32, Within, watch::Receiver<bool>)> {
        let new = self.lanes.iter_mut();
        new.filter_map(|lane| Some((lane.number, lane.within.take()?, lane.stop.subscribe())))
            .collect()
    }

    fn stands(&mut self, number: u32, now: Instant) {
        // One that was on its way already does not end what was said of others.
        self.refused.take_if(|pause| now >= pause.until);
        let Some(lane) = self.lane(number) else { return };
        for accepted in lane.stands(now) {
            self.give_back(accepted);
        }
    }

    /// What there is to be done now, what is to be told of it, and when to look again.
    fn due(&mut self, now: Instant) -> (Vec<TunnelEvent>, Instant) {
        let (meter, rate) = &mut self.first;
        rate.note(meter.read().received, now);
        let (mut events, mut late) = (Vec::new(), Vec::new());
        for lane in &mut self.lanes {
            lane.note(now);
            late.append(&mut lane.late(now));
            if let Some(event) = lane.close_idle(now) {
                events.push(TunnelEvent::Lane { lane: lane.number, event });
            }
        }
        for accepted in late {
            self.give_back(accepted);
        }
        let is_used = self.first.0.read().open > 0 || !self.lanes.is_empty();
        (events, now + if is_used { TICK } else { LONG })
    }

    /// A lane is over; what is told of that.
    fn over(
        &mut self,
        number: u32,
        ended: Result<SessionEnd, Error>,
        has_stood: bool,
        now: Instant,
    ) -> Option<TunnelEvent> {
        let at = self.lanes.iter().position(|lane| lane.number == number)?;
        let mut lane = self.lanes.remove(at);
        for accepted in lane.held() {
            self.give_back(accepted);
        }
        let error = match ended {
            // It was ended from here.
            Ok(SessionEnd::Done) => return None,
            Ok(end) if has_stood => Error::new(Kind::Lost, end.to_string()),
            Ok(end) => Error::new(Kind::Lost, "it ended as it began").because(end),
            Err(error) => error,
        };
        let event = if has_stood {
            let carried = lane.meter.read();
            LaneEvent::Lost { error, cut_off: lane.cut_off, carried }
        } else {
            let length = self.refused.as_ref().map(|pause| pause.length * 2);
            let length = length.unwrap_or(SHORTEST).min(LONGEST);
            self.refused = Some(Pause { until: now + length, length });
            LaneEvent::NotStarted { error, again: length }
        };
        Some(TunnelEvent::Lane { lane: number, event })
    }

    /// To the first session, which asks again where it is to go.
    fn give_back(&mut self, accepted: Accepted) {
        if let Err((socket, _)) = self.back.try_hand_over(accepted, |socket| socket) {
            socket.reset_on_close();
        }
    }
}

/// How often what comes is looked at, while something may.
const TICK: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_secs(24 * 3600);
/// Behind a lane that could not be had: the service counts what it is asked, and whoever forbids it does so
/// for long.
const SHORTEST: Duration = Duration::from_secs(15);
const LONGEST: Duration = Duration::from_secs(15 * 60);

#[cfg(all(test, feature = "local"))]
mod tests;
