//! Whatever the network does, every message arrives once and in order; whatever comes, a channel
//! stands.
//!
//! `PROPTEST_CASES=1000000 cargo test --release --lib channel::property` tries for longer.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{
    link::Faults,
    pair::{Pair, agent, client, frame, messages},
};
use crate::wire::{MessageType, PayloadType};

/// What happens to a session on its way.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    /// The client's connection is replaced.
    Cut { agent_is_told: bool },
    /// The service asks for a pause, and the word of its end may be lost.
    Pause { ms: u64, end_is_lost: bool },
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        any::<bool>().prop_map(|agent_is_told| Mishap::Cut { agent_is_told }),
        (0u64..3000, any::<bool>()).prop_map(|(ms, end_is_lost)| Mishap::Pause { ms, end_is_lost }),
    ]
}

fn faults() -> impl Strategy<Value = Faults> {
    let rate = prop_oneof![Just(None), (20_000u32..50_000_000).prop_map(Some)];
    (0u32..300, 0u32..300, 0u32..400, 0u64..300, rate).prop_map(
        |(drop, duplicate, reorder, delay_ms, rate)| {
            let delay = Duration::from_millis(delay_ms);
            Faults { drop, duplicate, reorder, delay, rate, frames: None, queue: None }
        },
    )
}

impl Pair {
    fn suffer(&mut self, mishap: Mishap) {
        match mishap {
            Mishap::Cut { agent_is_told } => self.cut(agent_is_told),
            Mishap::Pause { ms, end_is_lost } => {
                self.announce(MessageType::PausePublication);
                let end = self.now + Duration::from_millis(ms);
                self.run_until_time(end);
                if !end_is_lost {
                    self.announce(MessageType::StartPublication);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(10_000))]

    #[test]
    fn every_message_arrives_once_and_in_order(
        seed: u64,
        faults in faults(),
        up in 0usize..60,
        down in 0usize..60,
        len in 0usize..1500,
        mishaps in proptest::collection::vec((0usize..30, mishap()), 0..5),
    ) {
        let mut pair = Pair::new(faults, seed);
        pair.client.to_send = messages(up, len);
        pair.agent.to_send = messages(down, len);
        for (messages, mishap) in mishaps {
            let until = pair.agent.received.len() + pair.client.received.len() + messages;
            pair.run_until(|pair| {
                pair.agent.received.len() + pair.client.received.len() >= until || pair.all_arrived()
            });
            pair.suffer(mishap);
        }
        pair.run_until(Pair::all_arrived);
        pair.assert_intact();
    }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn many_large_messages_arrive_once_and_in_order(
        seed: u64,
        faults in faults(),
        up in 0usize..600,
        down in 0usize..600,
        cuts in 0usize..4,
    ) {
        let mut pair = Pair::new(faults, seed);
        pair.client.to_send = messages(up, 8000);
        pair.agent.to_send = messages(down, 8000);
        for cut in 0..cuts {
            let until = pair.agent.received.len() + (seed as usize).wrapping_mul(cut + 1) % 50;
            pair.run_until(|pair| pair.agent.received.len() >= until || pair.all_arrived());
            pair.cut(true);
        }
        pair.run_until(Pair::all_arrived);
        pair.assert_intact();
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn any_bytes_leave_a_channel_standing(
        inputs in proptest::collection::vec(
            (any::<u32>(), -3i64..20, any::<bool>(), proptest::collection::vec(any::<u8>(), 0..200)), 0..60),
    ) {
        let mut now = Instant::now();
        for mut channel in [client(now), agent(now)] {
            for (kind, sequence_number, garbage, payload) in &inputs {
                let message_type = match kind % 7 {
                    0 => MessageType::InputStreamData,
                    1 => MessageType::OutputStreamData,
                    2 => MessageType::Acknowledge,
                    3 => MessageType::PausePublication,
                    4 => MessageType::StartPublication,
                    5 => MessageType::ChannelClosed,
                    _ => MessageType::AgentSessionState,
                };
                let payload_type = frame_type(kind / 7);
                let message = if *garbage {
                    payload.clone().into()
                } else {
                    frame(message_type, *sequence_number, payload_type, payload)
                };
                now += Duration::from_millis(u64::from(kind % 300));
                let _ = channel.handle_frame(message, now);
                let _ = channel.handle_timeout(now);
                while channel.poll_event().is_some() {}
                while channel.poll_transmit(now).is_some() {}
            }
        }
    }
}

/// So many cases, or what PROPTEST_CASES says.
fn cases(usual: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig::with_cases(asked.unwrap_or(usual))
}

fn frame_type(number: u32) -> PayloadType {
    let numbered = [
        PayloadType::Output,
        PayloadType::HandshakeRequest,
        PayloadType::HandshakeResponse,
        PayloadType::HandshakeComplete,
        PayloadType::Flag,
        PayloadType::EncChallengeRequest,
        PayloadType::Unknown(77),
    ];
    numbered[number as usize % numbered.len()]
}
