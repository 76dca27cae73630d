//! What the lines of one session mean together: what was sent again, and when it was acknowledged.

use std::collections::HashMap;

use super::traced::Line;
use crate::cli::args::Way;

/// One session's messages so far.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) out: Half,
    pub(super) inward: Half,
    /// The greatest one.
    pub(super) window: u64,
}

/// What went one way.
#[derive(Debug, Default)]
pub(super) struct Half {
    messages: HashMap<i64, Message>,
    pub(super) frames: u64,
    /// Of payloads, each once.
    pub(super) bytes: u64,
    pub(super) again: u64,
    /// In milliseconds, of messages that were sent once.
    pub(super) round_trips: Vec<f64>,
}

#[derive(Debug)]
struct Message {
    /// When it was sent last.
    at: f64,
    times: u32,
    is_acknowledged: bool,
}

/// What a frame is beside the others.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Meaning {
    Alone,
    /// A message, for the so-manieth time.
    Sent {
        times: u32,
    },
    /// So many milliseconds behind the message that it is for, if that is here; and how often that was
    /// sent.
    Acknowledged {
        after: Option<f64>,
        times: u32,
    },
}

impl Conversation {
    /// Takes the next line.
    pub(super) fn take(&mut self, line: &Line) -> Meaning {
        self.window = self.window.max(line.window.unwrap_or_default());
        let (way, other) = match line.way() {
            None => return Meaning::Alone,
            Some(Way::Out) => (&mut self.out, &mut self.inward),
            Some(Way::In) => (&mut self.inward, &mut self.out),
        };
        way.frames += 1;
        match line.acknowledges {
            Some(number) => other.acknowledge(number, line.t),
            None if line.is_data() => way.send(line),
            None => Meaning::Alone,
        }
    }
}

impl Half {
    fn send(&mut self, line: &Line) -> Meaning {
        let new = Message { at: line.t, times: 0, is_acknowledged: false };
        let message = self.messages.entry(line.sequence).or_insert(new);
        message.times += 1;
        message.at = line.t;
        match message.times {
            1 => self.bytes += line.bytes,
            _ => self.again += 1,
        }
        Meaning::Sent { times: message.times }
    }

    fn acknowledge(&mut self, number: i64, t: f64) -> Meaning {
        let Some(message) = self.messages.get_mut(&number) else {
            return Meaning::Acknowledged { after: None, times: 0 };
        };
        let after = (t - message.at) * 1e3;
        if message.times == 1 && !message.is_acknowledged {
            self.round_trips.push(after);
        }
        message.is_acknowledged = true;
        Meaning::Acknowledged { after: Some(after), times: message.times }
    }

    /// Messages for which no acknowledgement was seen.
    pub(super) fn unacknowledged(&self) -> usize {
        self.messages.values().filter(|message| !message.is_acknowledged).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(json: &str) -> Line {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn repeats_and_acknowledgements_are_seen() {
        let mut conversation = Conversation::default();
        let sent = |t: f64, number: i64| {
            line(&format!(
                r#"{{"t":{t},"direction":"out","kind":"input_stream_data","sequence":{number},"bytes":10}}"#
            ))
        };
        let acknowledged = |t: f64, number: i64| {
            line(&format!(
                r#"{{"t":{t},"direction":"in","kind":"acknowledge","acknowledges":{number}}}"#
            ))
        };
        assert_eq!(conversation.take(&sent(0.0, 0)), Meaning::Sent { times: 1 });
        assert_eq!(conversation.take(&sent(0.0, 1)), Meaning::Sent { times: 1 });
        let told = conversation.take(&acknowledged(0.25, 0));
        assert_eq!(told, Meaning::Acknowledged { after: Some(250.0), times: 1 });
        assert_eq!(conversation.take(&sent(0.5, 1)), Meaning::Sent { times: 2 });
        assert_eq!(conversation.out.unacknowledged(), 1);
        let told = conversation.take(&acknowledged(1.0, 1));
        assert_eq!(told, Meaning::Acknowledged { after: Some(500.0), times: 2 });
        let told = conversation.take(&acknowledged(1.0, 9));
        assert_eq!(told, Meaning::Acknowledged { after: None, times: 0 });
        let Half { frames, bytes, again, round_trips, .. } = &conversation.out;
        assert_eq!((*frames, *bytes, *again, &round_trips[..]), (3, 20, 1, &[250.0][..]));
        assert_eq!((conversation.out.unacknowledged(), conversation.inward.frames), (0, 3));
    }
}
