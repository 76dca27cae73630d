//! Tunnels of the configuration file that are kept up, in one process.
//!
//! ```text
//!   files --- watch ---> Upkeep ----+--- Keeper: a port, its sessions, pauses that grow
//!   orders (add, down, restart) ----+--- Keeper
//!                          |
//!                          +---> Status of each, Record of events
//! ```

#[cfg(unix)]
pub(crate) mod control;
mod keeper;
mod record;
mod status;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    sync::{Notify, broadcast, watch},
    time::sleep,
};
use tokio_util::task::TaskTracker;

use super::{
    Client,
    config_file::{ConfigFile, ConfiguredTunnel},
    error::{Error, Kind},
    near::near,
};
use keeper::Keeper;
use record::Record;
pub(crate) use record::{Event, EventKind, MOST};
use status::Condition;
pub(crate) use status::{State, Status};

/// The tunnels of this process. Clones are the same.
#[derive(Clone)]
pub(crate) struct Upkeep(Arc<Inner>);

struct Inner {
    client: Client,
    kept: Mutex<Kept>,
    record: Arc<Record>,
    tasks: TaskTracker,
    /// Nothing is left, and nothing will come.
    over: watch::Sender<bool>,
}

#[derive(Default)]
struct Kept {
    tunnels: BTreeMap<String, Tunnel>,
    wanted: Wanted,
}

/// Which of the configured tunnels are to be kept up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wanted {
    /// All but these, else these.
    all: bool,
    names: BTreeSet<String>,
}

struct Tunnel {
    wanted: ConfiguredTunnel,
    condition: Arc<Condition>,
    stop: watch::Sender<bool>,
    restart: Arc<Notify>,
}

impl Upkeep {
    /// Keeps these tunnels up, or all where none is named.
    ///
    /// # Errors
    /// When the files cannot be used, or there is no such tunnel.
    pub(crate) fn start(client: &Client, names: &[String]) -> Result<Self, Error> {
        let this = Self(Arc::new(Inner {
            client: client.alone(),
            kept: Mutex::default(),
            record: Arc::new(Record::new()),
            tasks: TaskTracker::new(),
            over: watch::Sender::new(false),
        }));
        this.add(names)?;
        Ok(this)
    }

    /// Looks whether the files have these tunnels.
    ///
    /// # Errors
    /// When there is no such tunnel, or none at all.
    pub(crate) fn check(files: &ConfigFile, names: &[String]) -> Result<(), Error> {
        let configured = some(files.tunnels()?)?;
        check(names, configured.iter().map(|tunnel| &*tunnel.name))
    }

    /// Keeps these up beside those that are, or all.
    ///
    /// # Errors
    /// As of [`start`](Self::start).
    pub(crate) fn add(&self, names: &[String]) -> Result<(), Error> {
        let configured = configured()?;
        check(names, configured.iter().map(|tunnel| &*tunnel.name))?;
        let mut kept = self.kept();
        if *self.0.over.borrow() {
            let ending = Error::local("the tunnels that were up are just being ended");
            return Err(ending.next("try again in a moment"));
        }
        match names {
            [] => kept.wanted = Wanted { all: true, names: BTreeSet::new() },
            names => names.iter().for_each(|name| kept.wanted.include(name)),
        }
        self.apply(&mut kept, configured);
        Ok(())
    }

    /// Ends these, or all: then it is over. Gives those that were up, once they have ended.
    ///
    /// # Errors
    /// When one of them is not up.
    pub(crate) async fn down(&self, names: &[String]) -> Result<Vec<String>, Error> {
        let ended = {
            let mut kept = self.kept();
            check(names, kept.tunnels.keys().map(String::as_str))?;
            let names: Vec<String> = match names {
                [] => kept.tunnels.keys().cloned().collect(),
                names => names.to_vec(),
            };
            let mut ended = Vec::new();
            for name in &names {
                kept.wanted.exclude(name);
                ended.extend(kept.tunnels.remove(name));
            }
            if kept.tunnels.is_empty() {
                kept.wanted = Wanted::default();
            }
            ended
        };
        let names = ended.iter().map(|tunnel| tunnel.wanted.name.clone()).collect();
        join_all(ended.into_iter().map(|tunnel| self.ended(tunnel, "ended"))).await;
        if self.kept().tunnels.is_empty() {
            self.0.over.send_replace(true);
        }
        Ok(names)
    }

    /// Has a tunnel's session give way to another.
    ///
    /// # Errors
    /// When it is not up.
    pub(crate) fn restart(&self, name: &str) -> Result<(), Error> {
        let kept = self.kept();
        check(&[name.to_owned()], kept.tunnels.keys().map(String::as_str))?;
        if let Some(tunnel) = kept.tunnels.get(name) {
            tunnel.restart.notify_one();
        }
        Ok(())
    }

    /// How these are, or all, in the order of their names.
    pub(crate) fn statuses(&self, names: &[String]) -> Vec<Status> {
        let kept = self.kept();
        let asked =
            kept.tunnels.iter().filter(|(name, _)| names.is_empty() || names.contains(name));
        asked.map(|(_, tunnel)| tunnel.condition.status()).collect()
    }

    /// Looks whether these tunnels are up, or were, or may be.
    ///
    /// # Errors
    /// When there is no such tunnel.
    #[cfg(unix)]
    pub(crate) fn has_seen(&self, names: &[String]) -> Result<(), Error> {
        let (events, _) = self.events(MOST);
        let mut seen: BTreeSet<_> = events.into_iter().filter_map(|event| event.tunnel).collect();
        seen.extend(self.kept().tunnels.keys().cloned());
        seen.extend(configured().into_iter().flatten().map(|tunnel| tunnel.name));
        check(names, seen.iter().map(String::as_str))
    }

    /// The last events, and those to come.
    pub(crate) fn events(&self, last: usize) -> (Vec<Event>, broadcast::Receiver<Event>) {
        self.0.record.read(last)
    }

    /// Waits until each of these, or of all, has a session or knows why it has none.
    #[cfg(unix)]
    pub(crate) async fn tried(&self, names: &[String]) {
        let states: Vec<_> = {
            let kept = self.kept();
            let asked = kept.tunnels.iter();
            let asked = asked.filter(|(name, _)| names.is_empty() || names.contains(name));
            asked.map(|(_, tunnel)| tunnel.condition.states()).collect()
        };
        join_all(states.into_iter().map(|mut state| async move {
            // One that has ended is waited for no more.
            let _ = state.wait_for(|state| *state != State::Starting).await;
        }))
        .await;
    }

    /// Waits until nothing is left.
    pub(crate) async fn over(&self) {
        let _ = self.0.over.subscribe().wait_for(|over| *over).await;
    }

    /// Takes up what changes in the files, for as long as it is polled.
    pub(crate) async fn follow_files(&self) -> Infallible {
        // They may have changed since they were read.
        let (mut before, mut taken_up) = (None, None);
        let mut is_broken = false;
        loop {
            sleep(LOOK_EVERY).await;
            let found = Some(ConfigFile::fingerprint());
            // While somebody writes a file it may be empty, or away.
            let is_settled = before.as_ref() == found.as_ref();
            before = found;
            if !is_settled || before == taken_up {
                continue;
            }
            let read = ConfigFile::load().and_then(|files| files.tunnels());
            if before != Some(ConfigFile::fingerprint()) {
                continue;
            }
            taken_up.clone_from(&before);
            match read {
                // None at all is something that a file may say by now.
                Ok(configured) => {
                    if std::mem::take(&mut is_broken) {
                        self.0.record.add(None, EventKind::Note, "the file can be used again");
                    }
                    let mut kept = self.kept();
                    self.apply(&mut kept, configured);
                }
                Err(error) => {
                    is_broken = true;
                    let what = format!("what was there stays: {error}");
                    self.0.record.add(None, EventKind::Warning, &what);
                }
            }
        }
    }

    /// Ends all, and waits until the service has heard of it.
    pub(crate) async fn end(&self) {
        let _ = self.down(&[]).await;
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Starts what is wanted and not there, and ends what is there and not wanted, or another by now. What
    /// is the same goes on.
    fn apply(&self, kept: &mut Kept, configured: Vec<ConfiguredTunnel>) {
        let wanted: BTreeMap<_, _> = configured
            .into_iter()
            .filter(|tunnel| kept.wanted.includes(&tunnel.name))
            .map(|tunnel| (tunnel.name.clone(), tunnel))
            .collect();
        let is_same = |tunnel: &Tunnel| {
            wanted.get(&tunnel.wanted.name).is_some_and(|wanted| wanted.is_same(&tunnel.wanted))
        };
        let gone: Vec<_> = kept.tunnels.extract_if(.., |_, tunnel| !is_same(tunnel)).collect();
        let mut leaving: BTreeMap<_, _> = BTreeMap::new();
        for (name, tunnel) in gone {
            leaving.insert(name, tunnel);
        }
        for (name, wanted) in wanted {
            if kept.tunnels.contains_key(&name) {
                continue;
            }
            let before = leaving.remove(&name);
            kept.tunnels.insert(name, self.keep(wanted, before));
        }
        for (_, tunnel) in leaving {
            let this = self.clone();
            self.0.tasks.spawn(async move {
                this.ended(tunnel, "it is no longer in the configuration").await;
            });
        }
    }

    /// Begins to keep a tunnel up, once that of before has left its port.
    fn keep(&self, wanted: ConfiguredTunnel, before: Option<Tunnel>) -> Tunnel {
        let condition = Arc::new(Condition::new(&wanted, Arc::clone(&self.0.record)));
        let (stop, stopped) = watch::channel(false);
        let restart = Arc::new(Notify::new());
        let keeper = Keeper {
            client: self.0.client.clone(),
            wanted: wanted.clone(),
            condition: Arc::clone(&condition),
            stop: stopped,
            restart: Arc::clone(&restart),
        };
        let this = self.clone();
        self.0.tasks.spawn(async move {
            if let Some(before) = before {
                this.ended(before, "the configuration says something else").await;
            }
            keeper.run().await;
        });
        Tunnel { wanted, condition, stop, restart }
    }

    /// Ends a tunnel, and waits for that.
    async fn ended(&self, tunnel: Tunnel, why: &str) {
        tunnel.stop.send_replace(true);
        // Its keeper has the other end.
        tunnel.stop.closed().await;
        self.0.record.add(Some(&tunnel.wanted.name), EventKind::Ended, why);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wanted {
    fn includes(&self, name: &str) -> bool {
        self.all != self.names.contains(name)
    }

    fn include(&mut self, name: &str) {
        if self.all {
            self.names.remove(name)
        } else {
            self.names.insert(name.to_owned())
        };
    }

    fn exclude(&mut self, name: &str) {
        if self.all {
            self.names.insert(name.to_owned())
        } else {
            self.names.remove(name)
        };
    }
}

/// The one of that name.
///
/// # Errors
/// When there is none.
pub(crate) fn find(tunnels: Vec<ConfiguredTunnel>, name: &str) -> Result<ConfiguredTunnel, Error> {
    let tunnels = some(tunnels)?;
    check(&[name.to_owned()], tunnels.iter().map(|tunnel| &*tunnel.name))?;
    let mut found = tunnels.into_iter().filter(|tunnel| tunnel.name == name);
    found.next().ok_or_else(|| Error::new(Kind::Usage, format!("there is no tunnel `{name}`")))
}

/// The tunnels that the files have.
fn configured() -> Result<Vec<ConfiguredTunnel>, Error> {
    some(ConfigFile::load()?.tunnels()?)
}

fn some(tunnels: Vec<ConfiguredTunnel>) -> Result<Vec<ConfiguredTunnel>, Error> {
    match tunnels.is_empty() {
        true => Err(Error::new(Kind::Usage, "no tunnel is configured").next(
            "put [tunnels.NAME] with a target and a port into the configuration file (docs/config.md)",
        )),
        false => Ok(tunnels),
    }
}

/// Fails if one of these is not among those that there are.
fn check<'a>(names: &[String], known: impl Iterator<Item = &'a str> + Clone) -> Result<(), Error> {
    let Some(name) = names.iter().find(|name| !known.clone().any(|known| known == *name)) else {
        return Ok(());
    };
    let error = Error::new(Kind::Usage, format!("there is no tunnel `{name}`"));
    Err(match near(name, known.clone()) {
        Some(meant) => error.next(format!("did you mean {meant}?")),
        None => {
            let known: Vec<_> = known.take(SHOWN).collect();
            error.next(format!("there are {}", known.join(", ")))
        }
    })
}

/// How often the files' times are asked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Names in an error.
const SHOWN: usize = 20;
