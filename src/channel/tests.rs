//! What a channel does, and two of them with a network between them, in virtual time.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    link::Faults,
    pair::{Pair, agent, client, data_frame, frame, messages, port_session, service_frame},
    *,
};
use crate::wire::{
    Acknowledgement, Flags, Frame, MessageType, Packet, PayloadType, control::Flag,
    handshake::SessionType,
};

fn is_ready(event: &Event) -> bool {
    matches!(event, Event::Ready(_))
}

#[test]
fn time_without_a_connection_is_not_held_against_a_handshake() {
    let start = Instant::now();
    for mut channel in [client(start), agent(start)] {
        let back = start + Duration::from_secs(120);
        channel.handle_reconnected(back);
        assert_eq!(channel.handle_timeout(back), Ok(()));
        let late = channel.handle_timeout(back + Duration::from_secs(30));
        assert!(matches!(late, Err(ChannelError::HandshakeTimeout { .. })), "{late:?}");
    }
}

#[test]
fn handshake_tells_both_ends_what_they_carry() {
    let mut pair = Pair::new(Faults::NONE, 1);
    pair.run_until(|pair| pair.client.events.iter().any(is_ready));
    let Some(Event::Ready(ready)) = pair.client.events.first() else { panic!("not ready") };
    assert_eq!(ready.session_type, SessionType::Port);
    assert_eq!(ready.property("portNumber").as_deref(), Some("5432"));
    assert_eq!(ready.peer_version, "3.3.0.0");
    let Some(Event::Ready(ready)) = pair.agent.events.first() else { panic!("not ready") };
    assert_eq!(ready.peer_version, "1.2.764.0");
    // Request, response, complete: one and a half round trips of 20 ms.
    assert_eq!(pair.elapsed(), Duration::from_millis(30));
}

#[test]
fn first_data_waits_one_round_trip_after_the_handshake() {
    let mut pair = Pair::new(Faults::NONE, 1);
    pair.client.to_send = messages(1, 10);
    pair.run_until(|pair| pair.client.sent == 1);
    assert_eq!(pair.elapsed(), Duration::from_millis(30 + 20));
}

#[test]
fn an_undisturbed_transfer_sends_everything_once() {
    let mut pair = Pair::new(Faults::NONE, 1);
    pair.client.to_send = messages(3000, 1000);
    pair.agent.to_send = messages(100, 8000);
    pair.run_until(Pair::all_arrived);
    pair.assert_intact();
    // Data, acknowledgements of the other side's, one handshake message, two of its.
    assert_eq!(pair.client.transmitted, 3000 + 100 + 1 + 2);
}

#[test]
fn a_lost_acknowledgement_is_healed_by_acknowledging_the_repeat() {
    let mut pair = Pair::new(Faults { drop: 300, ..Faults::NONE }, 3);
    pair.agent.to_send = messages(200, 100);
    pair.run_until(Pair::all_arrived);
    pair.assert_intact();
}

#[test]
fn many_losses_cost_few_round_trips() {
    let mut pair = Pair::new(Faults { drop: 10, ..Faults::NONE }, 5);
    pair.client.to_send = messages(5000, 1000);
    pair.run_until(Pair::all_arrived);
    pair.assert_intact();
    // 50 losses by timeout alone would take more than 50 * 100 ms.
    assert!(pair.elapsed() < Duration::from_secs(2), "took {:?}", pair.elapsed());
}

#[test]
fn a_cut_connection_is_made_good_in_one_round_trip() {
    let mut pair = Pair::new(Faults::NONE, 1);
    pair.client.to_send = messages(900, 1000);
    pair.run_until(|pair| pair.client.sent == 900);
    let cut_at = pair.now;
    pair.cut(true);
    pair.run_until(|pair| pair.agent.received.len() == 900);
    let took = pair.now - cut_at;
    assert!(took <= Duration::from_millis(30), "took {took:?} where one way takes 10 ms");
    pair.run_until(Pair::all_arrived);
    pair.assert_intact();
}

#[test]
fn the_window_holds_the_producer_back() {
    let mut pair = Pair::new(Faults::NONE, 1);
    pair.client.to_send = messages(5000, 1000);
    pair.run_until(|pair| !pair.agent.received.is_empty());
    assert!(pair.client.sent <= 15, "16 KiB of frames of 1120 bytes, and the last one");
    pair.run_until(|pair| pair.agent.received.len() > 30);
    assert!(pair.client.sent > 40, "the window opens as acknowledgements come");
}

#[test]
fn a_long_path_is_filled_and_not_flooded() {
    let faults =
        Faults { delay: Duration::from_millis(100), rate: Some(20_000_000), ..Faults::NONE };
    let mut pair = Pair::new(faults, 1);
    pair.client.to_send = messages(6000, 16_000);
    pair.run_until(|pair| pair.agent.received.len() == 4000);
    let half_time = pair.elapsed();
    let waiting = pair.client.channel.bytes_under_way();
    pair.run_until(Pair::all_arrived);
    let second_half = pair.elapsed() - half_time;
    // 32 MB at 20 MB/s, and a round trip for the last acknowledgement.
    assert!((1600..2000).contains(&second_half.as_millis()), "took {second_half:?}");
    // 4 MB are on their way; what is more waits in a queue.
    assert!((2_900_000..4_700_000).contains(&waiting), "{waiting} bytes under way");
}

#[test]
fn a_pause_holds_data_and_not_acknowledgements() {
    let mut pair = Pair::new(Faults::NONE, 1);
    pair.run_until(|pair| pair.client.channel.can_send());
    let now = pair.now;
    pair.client.channel.handle_frame(service_frame(MessageType::PausePublication), now).unwrap();
    pair.client.to_send = messages(1, 10);
    pair.agent.to_send = messages(1, 10);
    pair.run_until(|pair| pair.agent.channel.is_drained() && !pair.client.received.is_empty());
    assert_eq!(pair.client.sent, 0);
    pair.client.channel.handle_frame(service_frame(MessageType::StartPublication), now).unwrap();
    pair.run_until(Pair::all_arrived);
    assert!(pair.client.events.contains(&Event::Paused));
    assert!(pair.client.events.contains(&Event::Resumed));
}

#[test]
fn a_pause_whose_end_is_lost_ends_by_itself() {
    let mut pair = Pair::new(Faults::NONE, 1);
    pair.run_until(|pair| pair.client.channel.can_send());
    let paused = pair.now;
    pair.client.channel.handle_frame(service_frame(MessageType::PausePublication), paused).unwrap();
    pair.client.to_send = messages(3, 10);
    pair.run_until(Pair::all_arrived);
    pair.assert_intact();
    let waited = pair.now - paused;
    assert!((10..11).contains(&waited.as_secs()), "{waited:?}");
}

#[test]
fn a_pause_that_is_said_again_goes_on() {
    let mut pair = Pair::new(Faults::NONE, 1);
    pair.run_until(|pair| pair.client.channel.can_send());
    let paused = pair.now;
    pair.client.to_send = messages(3, 10);
    for _ in 0..3 {
        let now = pair.now;
        let frame = service_frame(MessageType::PausePublication);
        pair.client.channel.handle_frame(frame, now).unwrap();
        pair.run_until_time(now + Duration::from_secs(8));
        assert_eq!(pair.client.sent, 0);
    }
    pair.run_until(Pair::all_arrived);
    let waited = pair.now - paused;
    assert!((26..27).contains(&waited.as_secs()), "{waited:?}");
}

#[test]
fn flags_arrive_in_their_place() {
    let mut pair = Pair::new(Faults::NONE, 1);
    pair.run_until(|pair| pair.client.channel.can_send());
    pair.client.channel.send_flag(Flag::TerminateSession, pair.now);
    pair.run_until(|pair| pair.agent.events.contains(&Event::Flag(Flag::TerminateSession)));
}

#[test]
fn the_agents_first_frame_begins_the_stream() {
    let now = Instant::now();
    let mut agent = agent(now);
    let frame = Frame::decode(agent.poll_transmit(now).unwrap()).unwrap();
    assert_eq!(frame.header.flags, Flags::SYN);
    assert_eq!(frame.header.message_type, MessageType::OutputStreamData);
    assert_eq!(frame.header.created_ms, 1_795_282_361_748);
}

#[test]
fn output_without_a_handshake_is_a_shell_and_loses_nothing() {
    let now = Instant::now();
    let mut client = client(now);
    client.handle_frame(data_frame(0, PayloadType::Output, b"$ "), now).unwrap();
    let Some(Event::Ready(ready)) = client.poll_event() else { panic!("not ready") };
    assert_eq!(ready.session_type, SessionType::StandardStream);
    assert!(matches!(client.poll_event(), Some(Event::Data { payload, .. }) if payload == "$ "));
    assert!(client.can_send());
}

#[test]
fn unknown_payload_types_are_acknowledged_and_skipped() {
    let now = Instant::now();
    let mut client = client(now);
    client.handle_frame(data_frame(0, PayloadType::Unknown(99), b"?"), now).unwrap();
    client.handle_frame(data_frame(1, PayloadType::Output, b"x"), now).unwrap();
    let frames: Vec<_> = std::iter::from_fn(|| client.poll_transmit(now)).collect();
    assert_eq!(frames.len(), 2);
    assert!(matches!(client.poll_event(), Some(Event::Ready(_))));
    assert!(matches!(client.poll_event(), Some(Event::Data { payload, .. }) if payload == "x"));
}

#[test]
fn a_wrong_digest_is_neither_delivered_nor_acknowledged() {
    let now = Instant::now();
    let mut client = client(now);
    let mut broken = data_frame(0, PayloadType::Output, b"data").to_vec();
    broken[120] ^= 1;
    client.handle_frame(broken.into(), now).unwrap();
    assert!(client.poll_event().is_none());
    assert!(client.poll_transmit(now).is_none());
}

#[test]
fn garbage_ends_the_session_after_sixteen_messages() {
    let now = Instant::now();
    let mut client = client(now);
    for _ in 0..15 {
        client.handle_frame(Bytes::from_static(b"garbage"), now).unwrap();
    }
    let error = client.handle_frame(Bytes::from_static(b"garbage"), now).unwrap_err();
    assert!(error.to_string().starts_with("16 messages in a row are not frames"), "{error}");
}

#[test]
fn a_silent_agent_is_given_up() {
    let now = Instant::now();
    let mut client = client(now);
    client.handle_frame(Bytes::from_static(b"garbage"), now).unwrap();
    let deadline = client.poll_timeout().unwrap();
    let error = client.handle_timeout(deadline).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the handshake did not end within 30 s (frame of 7 bytes is shorter than its 120-byte header)"
    );
}

/// A destination that does not read for six minutes: a program that waits for a lock, say.
#[test]
fn a_peer_that_acknowledges_nothing_is_tried_on_and_told_of_once() {
    let start = Instant::now();
    let (mut client, mut now) = (client(start), start);
    client.handle_frame(data_frame(0, PayloadType::Output, b"$ "), now).unwrap();
    while client.poll_event().is_some() {}
    client.send(PayloadType::Output, Packet::copy_from(b"x"), now);
    let (mut transmissions, mut told) = (Vec::new(), Vec::new());
    while now < start + Duration::from_secs(360) {
        while client.poll_transmit(now).is_some() {
            transmissions.push(now - start);
        }
        now = client.poll_timeout().unwrap();
        client.handle_timeout(now).unwrap();
        told.extend(std::iter::from_fn(|| client.poll_event()));
    }
    let [Event::Unacknowledged { after }] = &told[..] else { panic!("{told:?}") };
    assert!((60..62).contains(&after.as_secs()), "{after:?}");
    let late = transmissions.iter().filter(|at| at.as_secs() >= 62).count();
    assert!((25..35).contains(&late), "{late} repeats in five minutes");
    // Another connection has not failed yet.
    client.handle_reconnected(now);
    let last = client.poll_transmit(now);
    assert!(client.poll_timeout().unwrap() < now + Duration::from_secs(2));

    let mut acknowledgement = Vec::new();
    Acknowledgement::of(&Frame::decode(last.unwrap()).unwrap()).write(&mut acknowledgement);
    let acknowledgement = frame(MessageType::Acknowledge, 0, PayloadType::None, &acknowledgement);
    client.handle_frame(acknowledgement, now).unwrap();
    assert!(client.is_drained());
    // It is as patient, and as quick, with the next one.
    client.send(PayloadType::Output, Packet::copy_from(b"y"), now);
    assert!(client.poll_transmit(now).is_some());
    assert!(client.poll_timeout().unwrap() < now + Duration::from_secs(2));
}

/// The distances in time between a message and its repeats, from `now` on for half a minute in which
/// no answer comes.
fn distances(channel: &mut Channel, mut now: Instant) -> Vec<Duration> {
    let (end, mut sent) = (now + Duration::from_secs(30), Vec::new());
    while now < end {
        while channel.poll_transmit(now).is_some() {
            sent.push(now);
        }
        now = channel.poll_timeout().unwrap();
        channel.handle_timeout(now).unwrap();
    }
    sent.array_windows().map(|[one, next]| *next - *one).collect()
}

/// As RFC 6298 has it, up to two seconds, until a round trip has been measured again.
#[test]
fn repeats_come_at_growing_distances_until_there_is_a_sample() {
    const LONGEST: Duration = Duration::from_secs(2);
    let faults = Faults { delay: Duration::from_millis(100), ..Faults::NONE };
    let mut pair = Pair::new(faults, 1);
    pair.client.to_send = messages(100, 1000);
    pair.run_until(Pair::all_arrived);
    let send_one = |pair: &mut Pair| {
        assert!(pair.client.channel.is_drained());
        pair.client.to_send.push(vec![7; 100]);
        let packet = Packet::copy_from(&[7; 100]);
        pair.client.channel.send(PayloadType::Output, packet, pair.now);
        pair.client.sent += 1;
    };

    send_one(&mut pair);
    let first = distances(&mut pair.client.channel, pair.now);
    assert!((210..500).contains(&first[0].as_millis()), "{first:?}");
    for [one, next] in first.array_windows() {
        assert_eq!(*next, (*one * 2).min(LONGEST), "{first:?}");
    }
    assert!(first.ends_with(&[LONGEST; 5]), "{first:?}");

    // Of which of them this is the acknowledgement nobody knows: it is no sample.
    pair.now += Duration::from_secs(31);
    pair.run_until(Pair::all_arrived);
    send_one(&mut pair);
    let before = pair.client.transmitted;
    pair.run_until(|pair| pair.client.transmitted > before);
    assert_eq!(pair.client.channel.poll_timeout(), Some(pair.now + LONGEST));
    pair.run_until(Pair::all_arrived);
    pair.assert_intact();
    send_one(&mut pair);
    let again = distances(&mut pair.client.channel, pair.now);
    assert_eq!(again, first);
}

#[test]
fn the_service_tells_the_end_and_why() {
    let now = Instant::now();
    let mut client = client(now);
    client.handle_frame(service_frame(MessageType::ChannelClosed), now).unwrap();
    assert_eq!(client.poll_event(), Some(Event::Closed { reason: "why".to_owned() }));
    assert!(!client.can_send());
}

#[test]
fn time_in_which_nothing_can_be_heard_is_not_held_against_the_peer() {
    type Deaf = fn(&mut Channel, Instant);
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let deaf: [Deaf; 2] = [Channel::handle_reconnected, Channel::handle_unread];
    for handle in deaf {
        let start = Instant::now();
        let role = Role::Agent { session: Some(port_session()) };
        let config = Config::new(role, "3.3.0.0", 1_795_282_361_748, 2);
        let mut channel = Channel::new(Config { opening_timeout: None, ..config }, start);
        assert!(channel.poll_transmit(start).is_some());
        let heard = start + minutes(10);
        handle(&mut channel, heard);
        while channel.poll_transmit(heard).is_some() {}
        assert_eq!(channel.unacknowledged_for(heard + minutes(4)), minutes(4));
    }
}

#[test]
fn a_session_may_begin_with_silence_but_a_handshake_that_has_begun_must_end() {
    let start = Instant::now();
    let config = Config::new(Role::Client, "1.2.835.0", 1_795_282_361_748, 2);
    let mut strict = Channel::new(config.clone(), start);
    let late = start + Duration::from_secs(3600);
    assert!(matches!(strict.handle_timeout(late), Err(ChannelError::HandshakeTimeout { .. })));

    let config = Config { opening_timeout: None, ..config };
    let mut patient = Channel::new(config.clone(), start);
    assert_eq!(patient.handle_timeout(late), Ok(()));
    let role = Role::Agent { session: Some(port_session()) };
    let agent = Config::new(role, "3.3.0.0", 1_795_282_361_748, 3);
    let mut agent = Channel::new(agent, late);
    patient.handle_frame(agent.poll_transmit(late).unwrap(), late).unwrap();
    let too_late = patient.handle_timeout(late + config.handshake_timeout);
    assert!(matches!(too_late, Err(ChannelError::HandshakeTimeout { .. })));
}

/// Found by fuzzing: what came before the end of the handshake was told before it was ready, to
/// nobody.
#[test]
fn data_before_the_end_of_the_handshake_ends_it() {
    let now = Instant::now();
    let mut client = client(now);
    let request = br#"{"AgentVersion":"3.3.0.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port"}}]}"#;
    let complete = br#"{"CustomerMessage":"too late"}"#;
    for (number, payload_type, payload) in [
        (0, PayloadType::HandshakeRequest, &request[..]),
        (1, PayloadType::Output, b"early"),
        (2, PayloadType::HandshakeComplete, complete),
    ] {
        client.handle_frame(data_frame(number, payload_type, payload), now).unwrap();
    }
    let Some(Event::Ready(ready)) = client.poll_event() else { panic!("not ready") };
    assert_eq!(ready.session_type, SessionType::Port);
    assert!(matches!(client.poll_event(), Some(Event::Data { payload, .. }) if payload == "early"));
    assert_eq!(client.poll_event(), None, "it is ready once");
}
