//! The list of faults, as it is written behind `--faults`.

use std::time::Duration;

use thiserror::Error;

use super::schedule::Schedule;
use crate::channel::link;

/// What a faulty service does. The default is a service that can be relied on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Faults {
    /// What happens to frames, each way.
    pub(super) link: link::Faults,
    /// How long connections last on average, before they break without a word.
    pub(super) cut: Option<Duration>,
    /// The first connection of every session breaks behind the agent's first message.
    pub(super) cut_handshake: bool,
    /// How long the agent's own connections last on average, before they break without a word to
    /// the client.
    pub(super) agent_cut: Option<Duration>,
    /// How long connections last on average, before they are closed in good order.
    pub(super) bye: Option<Duration>,
    pub(super) pause: Option<Schedule>,
    pub(super) restart: Option<Schedule>,
    /// A message longer than that breaks its connection.
    pub(super) longest: Option<usize>,
    /// StartSession is answered so often a second.
    throttle: Option<u32>,
    seed: u64,
}

impl Faults {
    /// Reads a list of `NAME=VALUE` with commas between them. Without a `seed` it takes one at
    /// random.
    ///
    /// # Errors
    /// [`FaultsError`] for the first word that is none of those in [`explained`](Self::explained).
    pub fn parse(list: &str) -> Result<Self, FaultsError> {
        // Few enough digits to be typed again, and to be exact in any JSON.
        let seed = rand::random::<u32>().into();
        let mut faults = Self { seed, ..Self::default() };
        for word in list.split(',').map(str::trim) {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let Some(entry) = TABLE.iter().find(|entry| entry.name() == name) else {
                let names: Vec<_> = TABLE.iter().map(Entry::name).collect();
                return Err(FaultsError::new(word, &names.join(", ")));
            };
            let read = (entry.read)(&mut faults, value);
            read.ok_or_else(|| FaultsError::new(word, entry.form))?;
        }
        Ok(faults)
    }

    /// How each fault is written, and what it does.
    pub fn explained() -> impl Iterator<Item = (&'static str, &'static str)> {
        TABLE.iter().map(|entry| (entry.form, entry.about))
    }

    /// What everything random follows from: with the same one, each session's connections fare the
    /// same again.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How many sessions may be started in a second.
    pub(in crate::local) fn throttle(&self) -> Option<u32> {
        self.throttle
    }

    /// Whether data channels can be relied on.
    pub fn is_none(&self) -> bool {
        *self == Self { seed: self.seed, throttle: self.throttle, ..Self::default() }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            link: link::Faults { delay: Duration::ZERO, ..link::Faults::NONE },
            cut: None,
            cut_handshake: false,
            agent_cut: None,
            bye: None,
            pause: None,
            restart: None,
            longest: None,
            throttle: None,
            seed: 0,
        }
    }
}

/// A word that is no fault.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("`{word}` is no fault; allowed: {allowed}")]
pub struct FaultsError {
    word: String,
    allowed: String,
}

impl FaultsError {
    fn new(word: &str, allowed: &str) -> Self {
        Self { word: word.to_owned(), allowed: allowed.to_owned() }
    }
}

struct Entry {
    /// The name, `=`, and an example or the names of the parts.
    form: &'static str,
    about: &'static str,
    read: fn(&mut Faults, &str) -> Option<()>,
}

impl Entry {
    fn name(&self) -> &'static str {
        self.form.split('=').next().unwrap_or_default()
    }
}

const TABLE: [Entry; 15] = [
    Entry {
        form: "drop=1%",
        about: "frames that are lost, of a hundred each way, in steps of 0.1",
        read: |faults, value| per_thousand(value).map(|it| faults.link.drop = it),
    },
    Entry {
        form: "dup=1%",
        about: "frames that come twice",
        read: |faults, value| per_thousand(value).map(|it| faults.link.duplicate = it),
    },
    Entry {
        form: "reorder=1%",
        about: "frames that are held back for up to one delay, or 5 ms, and overtaken",
        read: |faults, value| per_thousand(value).map(|it| faults.link.reorder = it),
    },
    Entry {
        form: "delay=100ms",
        about: "how long a frame takes, each way",
        read: |faults, value| time(value).map(|it| faults.link.delay = it),
    },
    Entry {
        form: "rate=60KB",
        about: "bytes that pass in a second, each way; the rest waits",
        read: |faults, value| rate(value).map(|it| faults.link.rate = Some(it)),
    },
    Entry {
        form: "messages=1000",
        about: "messages that pass in a second, each way; the rest waits",
        read: |faults, value| count(value).map(|it| faults.link.frames = Some(it)),
    },
    Entry {
        form: "size=32KB",
        about: "a message that is longer, header included, breaks its connection",
        read: |faults, value| rate(value).map(|it| faults.longest = usize::try_from(it).ok()),
    },
    Entry {
        form: "queue=100ms",
        about: "where there is a rate, frames that would have to wait longer are lost",
        read: |faults, value| time(value).map(|it| faults.link.queue = Some(it)),
    },
    Entry {
        form: "cut=5s|handshake",
        about: "connections break after about this long, or each session's first one at the \
                agent's first message",
        read: |faults, value| match value {
            "handshake" => {
                faults.cut_handshake = true;
                Some(())
            }
            _ => positive(value).map(|it| faults.cut = Some(it)),
        },
    },
    Entry {
        form: "agent-cut=5s",
        about: "the agent's side of a connection breaks after about this long, again and again; the \
                agent comes back by itself, and the client is told nothing",
        read: |faults, value| positive(value).map(|it| faults.agent_cut = Some(it)),
    },
    Entry {
        form: "bye=5s",
        about: "connections are closed after about this long, as the real service does each hour",
        read: |faults, value| positive(value).map(|it| faults.bye = Some(it)),
    },
    Entry {
        form: "pause=10s/2s",
        about: "publication pauses every 10 s, for 2 s",
        read: |faults, value| schedule(value).map(|it| faults.pause = Some(it)),
    },
    Entry {
        form: "restart=10s/1s",
        about: "the service goes away every 10 s, for 1 s; sessions and agents survive it",
        read: |faults, value| schedule(value).map(|it| faults.restart = Some(it)),
    },
    Entry {
        form: "throttle=3",
        about: "more sessions than that are not started in a second: ThrottlingException",
        read: |faults, value| count(value).map(|it| faults.throttle = Some(it)),
    },
    Entry {
        form: "seed=7",
        about: "makes the same things happen again",
        read: |faults, value| value.parse().ok().map(|it| faults.seed = it),
    },
];

/// A percentage with at most one digit behind the point.
fn per_thousand(text: &str) -> Option<u32> {
    let (whole, tenths) = {
        let number = text.strip_suffix('%')?;
        number.split_once('.').unwrap_or((number, "0"))
    };
    if tenths.len() != 1 {
        return None;
    }
    let tenths = tenths.parse().ok()?;
    let of_thousand = whole.parse::<u32>().ok()?.checked_mul(10)?.checked_add(tenths)?;
    (of_thousand <= 1000).then_some(of_thousand)
}

fn count(text: &str) -> Option<u32> {
    text.parse().ok().filter(|count| *count > 0)
}

/// A number of bytes with its unit, at least one byte and at most 4 GB.
fn rate(text: &str) -> Option<u32> {
    let (number, unit) = match text.strip_suffix("KB") {
        Some(number) => (number, 1e3),
        None => (text.strip_suffix("MB")?, 1e6),
    };
    let bytes = number.parse::<f64>().ok()? * unit;
    (1.0..=f64::from(u32::MAX)).contains(&bytes).then_some(bytes as u32)
}

fn schedule(text: &str) -> Option<Schedule> {
    let (every, lasts) = text.split_once('/')?;
    Schedule::new(time(every)?, time(lasts)?)
}

fn positive(text: &str) -> Option<Duration> {
    time(text).filter(|time| !time.is_zero())
}

/// A number with its unit, at most an hour.
fn time(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s')?, 1.0),
    };
    let seconds = number.parse::<f64>().ok()? * unit;
    let time = Duration::try_from_secs_f64(seconds).ok()?;
    (time <= LONGEST).then_some(time)
}

const LONGEST: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_what_happens() {
        let list = "drop=1%, dup=0.5%,reorder=100%,delay=100ms,rate=1.5MB,queue=200ms,\
                    cut=handshake,cut=1.5s,agent-cut=3s,bye=5s,pause=10s/2s,restart=1s/100ms,throttle=3,messages=500,size=32KB,\
                    seed=7";
        let faults = Faults::parse(list).unwrap();
        let seconds = Duration::from_secs;
        assert_eq!(
            faults,
            Faults {
                link: link::Faults {
                    drop: 10,
                    duplicate: 5,
                    reorder: 1000,
                    delay: Duration::from_millis(100),
                    rate: Some(1_500_000),
                    frames: Some(500),
                    queue: Some(Duration::from_millis(200)),
                },
                cut: Some(Duration::from_millis(1500)),
                cut_handshake: true,
                agent_cut: Some(seconds(3)),
                bye: Some(seconds(5)),
                pause: Schedule::new(seconds(10), seconds(2)),
                restart: Schedule::new(seconds(1), Duration::from_millis(100)),
                longest: Some(32_000),
                throttle: Some(3),
                seed: 7,
            }
        );
        assert!(!faults.is_none());
    }

    #[test]
    fn a_seed_alone_is_no_fault() {
        assert!(Faults::parse("seed=7").unwrap().is_none());
        assert!(Faults::parse("throttle=7").unwrap().is_none());
        assert!(Faults::default().is_none());
        assert!(!Faults::parse("delay=1ms").unwrap().is_none());
    }

    #[test]
    fn a_seed_is_found_where_none_is_given() {
        let seeds: Vec<_> = (0..4).map(|_| Faults::parse("drop=1%").unwrap().seed()).collect();
        assert!(seeds.iter().any(|seed| *seed != seeds[0]));
    }

    #[test]
    fn wrong_words_are_named_with_what_is_allowed() {
        for (list, word, allowed) in [
            ("", "``", "drop, dup, reorder"),
            ("drop=1%,lose=1%", "lose=1%", "drop, dup, reorder"),
            ("drop", "drop", "drop=1%"),
            ("drop=1", "drop=1", "drop=1%"),
            ("drop=101%", "drop=101%", "drop=1%"),
            ("drop=429496729.9%", "drop=429496729.9%", "drop=1%"),
            ("dup=0.05%", "dup=0.05%", "dup=1%"),
            ("dup=-1%", "dup=-1%", "dup=1%"),
            ("delay=100", "delay=100", "delay=100ms"),
            ("delay=NaNs", "delay=NaNs", "delay=100ms"),
            ("rate=60", "rate=60", "rate=60KB"),
            ("rate=0KB", "rate=0KB", "rate=60KB"),
            ("rate=-1MB", "rate=-1MB", "rate=60KB"),
            ("rate=NaNMB", "rate=NaNMB", "rate=60KB"),
            ("rate=4295MB", "rate=4295MB", "rate=60KB"),
            ("queue=1", "queue=1", "queue=100ms"),
            ("agent-cut=0s", "agent-cut=0s", "agent-cut=5s"),
            ("agent-cut=handshake", "agent-cut=handshake", "agent-cut=5s"),
            ("cut=0s", "cut=0s", "cut=5s|handshake"),
            ("bye=2h", "bye=2h", "bye=5s"),
            ("pause=10s", "pause=10s", "pause=10s/2s"),
            ("restart=1s/2s", "restart=1s/2s", "restart=10s/1s"),
            ("throttle=0", "throttle=0", "throttle=3"),
            ("messages=0", "messages=0", "messages=1000"),
            ("size=32", "size=32", "size=32KB"),
            ("seed=x", "seed=x", "seed=7"),
        ] {
            let error = Faults::parse(list).expect_err(list).to_string();
            assert!(error.contains(word) && error.contains(allowed), "{list}: {error}");
        }
    }
}
