//! What is told of the connections to one destination.

mod log;
mod records;
mod unreached;

pub(super) use log::ConnectionLog;
pub(super) use records::{Ended, Records};

use super::{amounts, output::Output};
use crate::{
    client::{Closed, ForwardEvent},
    net::{Rationed, now},
};

/// The connections of one forwarded port, or to one destination of a proxy.
pub(super) struct Connections {
    destination: String,
    target: String,
    /// Where they come in; 0 for a Unix socket.
    port: u16,
    output: Output,
    records: Records,
    refusals: Rationed,
    not_accepted: Rationed,
    slow: Rationed,
    unanswered: Rationed,
    full: Rationed,
    is_told_slow: bool,
    /// Connections that the last session's end has cut off.
    cut_off: usize,
}

impl Connections {
    pub(super) fn new(
        destination: &str,
        target: &str,
        port: u16,
        output: Output,
        records: Records,
    ) -> Self {
        Self {
            destination: destination.to_owned(),
            target: target.to_owned(),
            port,
            output,
            records,
            refusals: Rationed::default(),
            not_accepted: Rationed::default(),
            slow: Rationed::default(),
            unanswered: Rationed::default(),
            full: Rationed::default(),
            is_told_slow: false,
            cut_off: 0,
        }
    }

    /// What is said from now on is said by this.
    pub(super) fn say_by(&mut self, output: Output) {
        self.output = output;
    }

    pub(super) fn event(&mut self, event: ForwardEvent) {
        let Self { destination, output, .. } = &*self;
        match event {
            ForwardEvent::Accepted(peer) => {
                tracing::info!("{peer} connected, for {destination}");
            }
            // What comes behind it says more.
            ForwardEvent::DestinationRefused => {}
            ForwardEvent::Closed(closed) => self.closed(&closed),
            ForwardEvent::NotReached { after, why } => {
                let Some(times) = self.refusals.tell(now()) else { return };
                let Self { target, destination, .. } = &*self;
                let told = match why {
                    Some(why) => unreached::told_why(target, destination, &why, &times),
                    None => unreached::told(target, destination, after, &times),
                };
                self.output.warn(&told);
            }
            ForwardEvent::Stalled { discarded } => output.warn(&format!(
                "a connection to {destination} was hardly read for a minute and held up the others; \
                 it was reset, with {discarded} bytes not delivered"
            )),
            ForwardEvent::Slow(peer) => {
                let Some(times) = self.slow.tell(now()) else { return };
                self.is_told_slow = true;
                self.output.warn(&format!(
                    "{peer} reads slowly what comes from {}{times}, and the other connections wait \
                     behind it; a forward of its own would keep them apart",
                    self.destination
                ));
            }
            ForwardEvent::Flowing { after } => {
                if std::mem::take(&mut self.is_told_slow) {
                    let (after, destination) = (after.as_secs(), &self.destination);
                    self.output.warn(&format!(
                        "connections to {destination} are no longer held up by a slow one, after \
                         {after} s"
                    ));
                }
            }
            ForwardEvent::NotAccepted(why) => {
                let Some(times) = self.not_accepted.tell(now()) else { return };
                let destination = &self.destination;
                self.output
                    .warn(&format!("a connection to {destination} was not taken{times}: {why}"));
            }
            ForwardEvent::Unanswered(peer) => {
                let Some(times) = self.unanswered.tell(now()) else { return };
                self.output.warn(&format!(
                    "{peer} had sent its request and waited, and the answer from {} did not come in \
                     time{times}; its connection was reset; --answer-within TIME sets how long it may \
                     take, and should be short where none is to come",
                    self.destination
                ));
            }
            ForwardEvent::Full { connections } => {
                let Some(times) = self.full.tell(now()) else { return };
                self.output.warn(&format!(
                    "{connections} connections to {} are open{times}, as many as one session carries \
                     without harm to the node; further ones wait until one of them ends",
                    self.destination
                ));
            }
            ForwardEvent::CutOff { connections } => self.cut_off = connections,
        }
    }

    fn closed(&self, closed: &Closed) {
        let Self { destination, target, port, records, .. } = self;
        let Closed { peer, lasted, sent, received, end } = closed;
        tracing::info!(
            "{peer} to {destination}: {} sent, {} received in {:.1} s; {end}",
            amounts::bytes(*sent),
            amounts::bytes(*received),
            lasted.as_secs_f64(),
        );
        let (port, destination, target) = (*port, Some(&**destination), &**target);
        let (sent, received, lasted) = (*sent, *received, *lasted);
        let (from, end) = (peer.to_string(), end.name());
        records.add(&Ended { port, destination, target, from, sent, received, lasted, end });
    }

    /// `2 connections were cut off; `, since the last time; or nothing.
    pub(super) fn take_cut_off(&mut self) -> (usize, String) {
        let count = std::mem::take(&mut self.cut_off);
        let told = match count {
            0 => String::new(),
            connections => format!("{}; ", ForwardEvent::CutOff { connections }),
        };
        (count, told)
    }
}
