//! Connections of which nobody knows yet whose they are: one that has shown a session's token is a
//! stranger no more, all others are.
//!
//! There is room for as many as sessions can be alive, so that these could all be opened at once. The
//! oldest one gives way to the newcomer beyond: whoever has had the longest time, and no token, is the
//! one to lose, and whoever holds a token is out of its reach.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// The places for strangers.
#[derive(Debug, Clone)]
pub struct Strangers {
    limit: usize,
    places: Arc<Mutex<Places>>,
}

#[derive(Debug, Default)]
struct Places {
    /// Those who came, ever.
    came: u64,
    /// By the order in which they came. Without its sender a place is lost.
    taken: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A stranger's place, which is free again when it is dropped.
#[derive(Debug)]
pub struct Place {
    number: u64,
    lost: oneshot::Receiver<()>,
    places: Arc<Mutex<Places>>,
}

impl Strangers {
    /// Room for `limit`, at least one.
    pub fn at_most(limit: usize) -> Self {
        Self { limit: limit.max(1), places: Arc::default() }
    }

    /// A place for a newcomer; the oldest one's if all are taken.
    pub fn take_in(&self) -> Place {
        let (place, lost) = oneshot::channel();
        let mut places = lock(&self.places);
        if places.taken.len() >= self.limit {
            places.taken.pop_first();
        }
        let number = places.came;
        places.came += 1;
        places.taken.insert(number, place);
        Place { number, lost, places: Arc::clone(&self.places) }
    }
}

impl Place {
    /// What comes of `work`; nothing if the place is lost first.
    pub async fn keep_while<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        if self.lost.is_terminated() {
            return None;
        }
        tokio::select! {
            done = work => Some(done),
            _ = &mut self.lost => None,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.places).taken.remove(&self.number);
    }
}

fn lock(places: &Mutex<Places>) -> MutexGuard<'_, Places> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn the_oldest_gives_way_to_a_newcomer() {
        let strangers = Strangers::at_most(2);
        let (mut first, mut second) = (strangers.take_in(), strangers.take_in());
        let mut third = strangers.take_in();
        assert_eq!(first.keep_while(pending::<()>()).await, None);
        assert_eq!(first.keep_while(ready(1)).await, None);
        assert_eq!(second.keep_while(ready(2)).await, Some(2));
        assert_eq!(third.keep_while(ready(3)).await, Some(3));
        // One who is known now, or gone, has left a place.
        drop(second);
        let mut fourth = strangers.take_in();
        assert_eq!(third.keep_while(ready(3)).await, Some(3));
        assert_eq!(fourth.keep_while(ready(4)).await, Some(4));
        drop(first);
        let _fifth = strangers.take_in();
        assert_eq!(third.keep_while(pending::<()>()).await, None);
    }
}
