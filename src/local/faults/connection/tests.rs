//! Connections in virtual time.

use tokio::sync::watch;
use uuid::Uuid;

use super::*;
use crate::{
    local::{Faults, document::Workload, session::SessionState},
    wire::{Flags, Frame, Header, Packet, PayloadType},
};

const MS: Duration = Duration::from_millis(1);

/// A connection and the time that it is there.
struct Bench {
    connection: Connection,
    start: Instant,
    now: Instant,
}

impl Bench {
    fn new(list: &str) -> Self {
        Self::of(list, 3, 1)
    }

    fn of(list: &str, session: u64, opening: u32) -> Self {
        let start = Instant::now();
        let data_channel = DataChannel {
            session_id: "local-0123456789abcdef0".to_owned(),
            number: session,
            target: "i-0123456789abcdef0".to_owned(),
            workload: Workload::Ssh { port: 22 },
            opening,
            state: watch::channel(SessionState::Connected).1,
        };
        let service = FaultyService::new(Faults::parse(list).unwrap(), start);
        let connection = service.connection(&data_channel, start, 1_795_282_361_748).unwrap();
        Self { connection, start, now: start }
    }

    fn send(&mut self, from: Side, frame: &Bytes) {
        self.connection.handle_frame(from, frame.clone(), self.now);
    }

    fn send_all(&mut self, from: Side, frames: &[Bytes]) {
        frames.iter().for_each(|frame| self.send(from, frame));
    }

    /// What is there for `side` now.
    fn arrived(&mut self, side: Side) -> Vec<Departure> {
        self.connection.handle_timeout(self.now);
        std::iter::from_fn(|| self.connection.poll_transmit(side, self.now)).collect()
    }

    fn frames(&mut self, side: Side) -> Vec<Bytes> {
        self.arrived(side).into_iter().map(frame_of).collect()
    }

    /// What comes to `side` until `age`, and the milliseconds at which it comes.
    fn arrivals_until(&mut self, side: Side, age: Duration) -> Vec<(u128, Departure)> {
        let mut all = Vec::new();
        loop {
            let at = (self.now - self.start).as_millis();
            all.extend(self.arrived(side).into_iter().map(|departure| (at, departure)));
            match self.connection.poll_timeout(self.now) {
                Some(next) if next <= self.start + age => self.now = next,
                _ => {
                    self.now = self.start + age;
                    return all;
                }
            }
        }
    }

    /// How long the connection lasts when nothing is sent.
    fn lifetime(&mut self) -> Duration {
        while !self.connection.is_broken() {
            self.now = self.connection.poll_timeout(self.now).expect("a deadline");
            self.connection.handle_timeout(self.now);
        }
        self.now - self.start
    }
}

fn frame_of(departure: Departure) -> Bytes {
    match departure {
        Departure::Frame(frame) => frame,
        Departure::Farewell(farewell) => panic!("{farewell:?}"),
    }
}

fn frame(message_type: MessageType, sequence_number: i64) -> Bytes {
    let header = Header {
        message_type,
        created_ms: 1,
        sequence_number,
        flags: Flags::NONE,
        message_id: Uuid::nil(),
        payload_type: PayloadType::Output,
    };
    header.encode(Packet::copy_from(&[7; 100]))
}

fn data(count: i64) -> Vec<Bytes> {
    (0..count).map(|number| frame(MessageType::InputStreamData, number)).collect()
}

fn number(frame: &Bytes) -> i64 {
    Frame::decode(frame.clone()).unwrap().header.sequence_number
}

fn kinds(departures: &[Departure]) -> Vec<MessageType> {
    let frames = departures.iter().map(|departure| match departure {
        Departure::Frame(frame) => message_type(frame).unwrap(),
        Departure::Farewell(farewell) => panic!("{farewell:?}"),
    });
    frames.collect()
}

#[test]
fn a_delay_holds_for_each_way_and_keeps_the_order() {
    let mut bench = Bench::new("delay=100ms");
    for (from, to) in [(Side::Client, Side::Agent), (Side::Agent, Side::Client)] {
        let start = bench.now;
        bench.send_all(from, &data(3));
        assert_eq!(bench.connection.poll_timeout(bench.now), Some(start + 100 * MS));
        bench.now = start + 99 * MS;
        assert!(bench.arrived(to).is_empty());
        bench.now = start + 100 * MS;
        assert_eq!(bench.frames(to), data(3));
    }
}

#[test]
fn chances_are_as_they_were_asked_for() {
    let sent = data(10_000);
    for (list, most, least) in
        [("drop=20%", 8_200, 7_800), ("dup=10%", 11_150, 10_850), ("reorder=5%", 10_000, 10_000)]
    {
        let mut bench = Bench::new(&format!("{list},seed=1"));
        for frame in &sent {
            bench.send(Side::Agent, frame);
            bench.now += MS / 10;
        }
        bench.now += 10 * MS;
        let arrived = bench.frames(Side::Client);
        assert!((least..=most).contains(&arrived.len()), "{list}: {}", arrived.len());
        let overtaken = arrived.windows(2).filter(|pair| number(&pair[0]) > number(&pair[1]));
        let expected = if list.starts_with("reorder") { 400..=500 } else { 0..=0 };
        let overtaken = overtaken.count();
        assert!(expected.contains(&overtaken), "{list}: {overtaken} overtaken");
    }
}

#[test]
fn the_last_word_of_a_session_is_never_touched() {
    let mut bench = Bench::new("drop=100%,dup=100%,reorder=100%,delay=10ms");
    bench.send_all(Side::Agent, &data(10));
    bench.send(Side::Agent, &frame(MessageType::Acknowledge, 0));
    bench.send(Side::Agent, &frame(MessageType::ChannelClosed, 0));
    let arrivals = bench.arrivals_until(Side::Client, 50 * MS);
    let [(10, Departure::Frame(last))] = &arrivals[..] else { panic!("{arrivals:?}") };
    assert_eq!(message_type(last), Some(MessageType::ChannelClosed));
}

#[test]
fn the_same_seed_is_the_same_fate() {
    let list = "drop=20%,dup=20%,reorder=20%,delay=5ms,cut=1s,seed=7";
    let fate = |session, opening| {
        let mut bench = Bench::of(list, session, opening);
        bench.send_all(Side::Client, &data(100));
        let arrivals = bench.arrivals_until(Side::Agent, 20 * MS);
        let arrivals = arrivals.into_iter().map(|(at, what)| (at, number(&frame_of(what))));
        (arrivals.collect::<Vec<_>>(), bench.lifetime())
    };
    assert_eq!(fate(3, 1), fate(3, 1));
    assert_ne!(fate(3, 1), fate(3, 2));
    assert_ne!(fate(3, 1), fate(4, 1));
}

#[test]
fn a_cut_comes_around_its_time_and_takes_all_with_it() {
    let lifetimes = (0..100).map(|session| Bench::of("cut=2s,seed=1", session, 2).lifetime());
    let lifetimes: Vec<_> = lifetimes.map(|lifetime| lifetime.as_millis()).collect();
    let (least, most) = (lifetimes.iter().min().unwrap(), lifetimes.iter().max().unwrap());
    assert!((1000..1200).contains(least) && (2800..3000).contains(most), "{least} {most}");

    let mut bench = Bench::new("cut=2s,delay=5s");
    bench.send_all(Side::Client, &data(3));
    assert!(bench.arrivals_until(Side::Agent, 10_000 * MS).is_empty());
    assert!(bench.connection.is_broken());
}

#[test]
fn a_cut_in_the_handshake_comes_once_a_session_behind_the_agents_first_message() {
    for (opening, broken) in [(1, true), (2, false)] {
        let mut bench = Bench::of("cut=handshake", 3, opening);
        bench.send(Side::Agent, &frame(MessageType::StartPublication, 0));
        assert_eq!(bench.frames(Side::Client).len(), 1);
        assert!(!bench.connection.is_broken());
        for sequence_number in 0..2 {
            bench.send(Side::Agent, &frame(MessageType::OutputStreamData, sequence_number));
        }
        assert_eq!(bench.frames(Side::Client).len(), if broken { 1 } else { 2 });
        assert_eq!(bench.connection.is_broken(), broken);
    }
}

#[test]
fn a_bye_comes_behind_what_was_sent_before_it() {
    let mut bench = Bench::new("bye=2s,delay=500ms,seed=1");
    let mut sent = 0;
    while !bench.connection.handle_and_is_leaving(bench.now) {
        bench.send(Side::Agent, &frame(MessageType::OutputStreamData, sent));
        sent += 1;
        bench.now += 100 * MS;
    }
    bench.send(Side::Agent, &frame(MessageType::OutputStreamData, sent));
    let mut arrived: Vec<_> = bench.arrivals_until(Side::Client, 10_000 * MS);
    assert_eq!(arrived.pop().unwrap().1, Departure::Farewell(Farewell::Bye));
    let numbers: Vec<_> =
        arrived.into_iter().map(|(_, departure)| number(&frame_of(departure))).collect();
    assert_eq!(numbers, (0..sent).collect::<Vec<_>>());
    assert!(!bench.connection.is_over(), "the agent is still to be told");
    assert_eq!(bench.arrived(Side::Agent), [Departure::Farewell(Farewell::Bye)]);
    assert!(bench.connection.is_over() && !bench.connection.is_broken());
}

impl Connection {
    fn handle_and_is_leaving(&mut self, now: Instant) -> bool {
        self.handle_timeout(now);
        !self.from_agent.is_open()
    }
}

#[test]
fn a_pause_holds_data_back_and_lets_acknowledgements_pass() {
    let mut bench = Bench::new("pause=10s/2s");
    bench.now += 10_000 * MS;
    for side in [Side::Client, Side::Agent] {
        assert_eq!(kinds(&bench.arrived(side)), [MessageType::PausePublication]);
    }
    bench.send_all(Side::Client, &data(3));
    bench.send(Side::Client, &frame(MessageType::Acknowledge, 0));
    assert_eq!(kinds(&bench.arrived(Side::Agent)), [MessageType::Acknowledge]);
    assert_eq!(bench.connection.poll_timeout(bench.now), Some(bench.start + 12_000 * MS));

    bench.now += 2_000 * MS;
    bench.send(Side::Client, &frame(MessageType::InputStreamData, 3));
    let mut arrived = bench.frames(Side::Agent);
    let is_start = |frame: &Bytes| message_type(frame) == Some(MessageType::StartPublication);
    assert_eq!(arrived.extract_if(.., |frame| is_start(frame)).count(), 1);
    assert_eq!(arrived, data(4));
    assert_eq!(kinds(&bench.arrived(Side::Client)), [MessageType::StartPublication]);
}

#[test]
fn what_comes_in_a_pause_is_bounded() {
    let mut bench = Bench::new("pause=10s/2s");
    bench.now += 10_000 * MS;
    bench.arrived(Side::Client);
    let large = {
        let header = Header {
            message_type: MessageType::OutputStreamData,
            created_ms: 1,
            sequence_number: 0,
            flags: Flags::NONE,
            message_id: Uuid::nil(),
            payload_type: PayloadType::Output,
        };
        header.encode(Packet::copy_from(&vec![0; 1 << 20]))
    };
    let mut taken = 0;
    while bench.connection.can_receive(Side::Agent) {
        bench.send(Side::Agent, &large);
        bench.arrived(Side::Client);
        taken += 1;
    }
    assert_eq!(taken, 32);
    assert!(bench.connection.can_receive(Side::Client), "the other way is not concerned");
    bench.now += 2_000 * MS;
    assert_eq!(bench.arrived(Side::Client).len(), 33);
    assert!(bench.connection.can_receive(Side::Agent));
}

#[test]
fn empty_frames_take_room_too() {
    let mut bench = Bench::new("delay=3600s");
    let mut taken = 0;
    while bench.connection.can_receive(Side::Client) {
        bench.send(Side::Client, &Bytes::new());
        taken += 1;
        assert!(taken < 1 << 20, "they are kept without end");
    }
}

#[test]
fn a_restart_breaks_what_is_there_and_what_comes() {
    let mut bench = Bench::new("restart=10s/1s");
    assert_eq!(bench.lifetime(), 10_000 * MS);
    let service = bench.connection.service;
    assert!(service.is_away(bench.now));
    assert!(!service.is_away(bench.now + 1_000 * MS));
}

#[test]
fn what_a_side_sent_before_it_left_arrives() {
    let mut bench = Bench::new("delay=100ms");
    bench.send_all(Side::Client, &data(2));
    bench.send_all(Side::Agent, &data(2));
    bench.connection.handle_closed(Side::Client);
    assert!(!bench.connection.is_over());
    let mut arrived: Vec<_> = bench.arrivals_until(Side::Agent, 1_000 * MS);
    assert_eq!(arrived.pop().unwrap(), (100, Departure::Farewell(Farewell::Plain)));
    assert_eq!(arrived.len(), 2);
    assert_eq!(bench.arrived(Side::Client), []);
    assert!(bench.connection.is_over());
}

impl Bench {
    /// Lets the agent connect, and time pass until its connection breaks.
    fn agents_lifetime(&mut self) -> Duration {
        let start = self.now;
        assert!(self.connection.is_agent_due(self.now));
        self.connection.handle_agent_connected(self.now);
        assert!(!self.connection.is_agent_due(self.now));
        while !self.connection.poll_agent_cut(self.now) {
            self.now = self.connection.poll_timeout(self.now).expect("a deadline");
        }
        self.now - start
    }

    /// Lets time pass until the agent comes back.
    fn agents_absence(&mut self) -> Duration {
        let start = self.now;
        while !self.connection.is_agent_due(self.now) {
            self.now = self.connection.poll_timeout(self.now).expect("a deadline");
        }
        self.now - start
    }
}

#[test]
fn an_agents_connections_break_again_and_again() {
    let mut bench = Bench::new("agent-cut=2s,seed=1");
    let mut spans = Vec::new();
    for _ in 0..100 {
        spans.push((bench.agents_lifetime().as_millis(), bench.agents_absence().as_millis()));
    }
    let (lives, absences): (Vec<_>, Vec<_>) = spans.into_iter().unzip();
    for (spans, least, most) in [(lives, 1100..1300, 2900..3100), (absences, 50..65, 185..200)] {
        let found = (spans.iter().min().unwrap(), spans.iter().max().unwrap());
        assert!(least.contains(found.0) && most.contains(found.1), "{found:?}");
    }
}

#[test]
fn an_agents_connection_breaks_behind_a_frame_where_there_is_one() {
    let idle = Bench::new("agent-cut=2s,seed=1").agents_lifetime();
    let mut bench = Bench::new("agent-cut=2s,seed=1");
    bench.connection.handle_agent_connected(bench.now);
    while !bench.connection.poll_agent_cut(bench.now) {
        bench.now += MS / 2;
        assert!(!bench.connection.poll_agent_cut(bench.now), "not before the frame");
        bench.now += MS / 2;
        bench.send_all(Side::Client, &data(1));
        assert_eq!(bench.frames(Side::Agent).len(), 1);
    }
    let earlier = idle - (bench.now - bench.start);
    assert!((99 * MS..=100 * MS).contains(&earlier), "{earlier:?}");
}

#[test]
fn an_agents_cut_takes_what_is_under_way_and_the_client_is_told_nothing() {
    let mut bench = Bench::new("agent-cut=2s,delay=5s,rate=0.01KB");
    bench.send_all(Side::Client, &data(3));
    bench.send_all(Side::Agent, &data(3));
    bench.agents_lifetime();
    assert!(!bench.connection.is_broken());
    let sent = data(4).split_off(3);
    bench.send_all(Side::Client, &sent);
    bench.agents_absence();
    bench.connection.handle_agent_connected(bench.now);
    // A frame takes 22 s, and those before it take none of the rate any more.
    bench.now += 30_000 * MS;
    assert_eq!(bench.frames(Side::Agent), sent, "what the client has sent since then");
    assert_eq!(bench.arrived(Side::Client), []);
}

#[test]
fn an_agent_that_has_said_its_last_word_is_not_cut_off() {
    let mut bench = Bench::new("agent-cut=1s,delay=1s");
    bench.connection.handle_agent_connected(bench.now);
    bench.send(Side::Agent, &frame(MessageType::ChannelClosed, 0));
    bench.now += 10_000 * MS;
    assert!(!bench.connection.poll_agent_cut(bench.now));
    assert_eq!(kinds(&bench.arrived(Side::Client)), [MessageType::ChannelClosed]);
}

#[test]
fn an_agent_that_ends_while_it_is_away_has_its_last_word_said_for_it() {
    let mut bench = Bench::new("agent-cut=1s");
    bench.agents_lifetime();
    bench.agents_absence();
    bench.connection.handle_agent_over(bench.now);
    let mut arrived = bench.arrived(Side::Client);
    assert_eq!(arrived.pop(), Some(Departure::Farewell(Farewell::Plain)));
    assert_eq!(kinds(&arrived), [MessageType::ChannelClosed]);
    assert!(bench.connection.is_over() && !bench.connection.is_agent_due(bench.now));
}

#[test]
fn what_is_too_much_for_the_rate_waits_or_is_lost_where_the_queue_has_an_end() {
    for (queue, arrived) in [("", 100), (",queue=100ms", 11)] {
        // A frame takes 10 ms.
        let rate = data(1)[0].len() as f64 / 10.0;
        let mut bench = Bench::new(&format!("rate={rate}KB{queue}"));
        bench.send_all(Side::Client, &data(100));
        let arrivals = bench.arrivals_until(Side::Agent, 2_000 * MS);
        let times: Vec<_> = arrivals.into_iter().map(|(at, _)| at).collect();
        assert_eq!(times, (1..=arrived).map(|n| n * 10).collect::<Vec<_>>(), "{queue}");
    }
}
