//! How long sessions are waited for, and how they send, as it is typed.

use clap::ValueEnum;

use super::Global;
use crate::client::{Limits, Order, Sending};

/// In which order messages leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum SendOrder {
    /// So that no data can come twice when the node's own connection breaks.
    Guarded,
    /// As they were written.
    Plain,
}

impl From<SendOrder> for Order {
    fn from(order: SendOrder) -> Self {
        match order {
            SendOrder::Guarded => Self::Guarded,
            SendOrder::Plain => Self::Plain,
        }
    }
}

impl Global {
    /// How long sessions are to wait.
    pub(crate) fn limits(&self) -> Limits {
        let defaults = Limits::default();
        Limits {
            silence: self.dead_after.unwrap_or(defaults.silence),
            resumption: self.resume_for.unwrap_or(defaults.resumption),
            answer: self.answer_within.unwrap_or(defaults.answer),
            sending: Sending {
                order: self.send_order.map_or(defaults.sending.order, Order::from),
                payload_len: self.payload_size.unwrap_or(defaults.sending.payload_len),
            },
        }
    }
}
