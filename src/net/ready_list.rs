//! Which of many sockets woke the task, so that a poll touches those alone.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// Collects the keys of the wakers that fired, each at most once.
#[derive(Debug)]
pub struct ReadyList<K>(Arc<Shared<K>>);

#[derive(Debug)]
struct Shared<K> {
    fired: Mutex<VecDeque<(K, Arc<AtomicBool>)>>,
    task: AtomicWaker,
}

impl<K: Copy + Send + Sync + 'static> ReadyList<K> {
    /// A list without entries.
    pub fn new() -> Self {
        Self(Arc::new(Shared { fired: Mutex::default(), task: AtomicWaker::new() }))
    }

    /// A waker that puts `key` on the list and wakes the task.
    pub fn waker(&self, key: K) -> Waker {
        Waker::from(Arc::new(Entry {
            key,
            listed: Arc::new(AtomicBool::new(false)),
            list: Arc::clone(&self.0),
        }))
    }

    /// Wakes `task` from now on. Call before [`pop`](Self::pop), so that no firing is missed.
    pub fn register(&self, task: &Waker) {
        self.0.task.register(task);
    }

    /// A key whose waker has fired since it was last popped.
    pub fn pop(&self) -> Option<K> {
        let (key, listed) = self.0.lock().pop_front()?;
        listed.store(false, Ordering::Release);
        Some(key)
    }
}

impl<K: Copy + Send + Sync + 'static> Default for ReadyList<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> Shared<K> {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(K, Arc<AtomicBool>)>> {
        self.fired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Entry<K> {
    key: K,
    listed: Arc<AtomicBool>,
    list: Arc<Shared<K>>,
}

impl<K: Copy + Send + Sync> Wake for Entry<K> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.listed.swap(true, Ordering::AcqRel) {
            self.list.lock().push_back((self.key, Arc::clone(&self.listed)));
        }
        self.list.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_each_fired_key_once_until_it_is_popped() {
        let list = ReadyList::new();
        let (one, two) = (list.waker(1), list.waker(2));
        two.wake_by_ref();
        one.wake_by_ref();
        two.wake_by_ref();
        assert_eq!((list.pop(), list.pop(), list.pop()), (Some(2), Some(1), None));
        two.wake();
        assert_eq!((list.pop(), list.pop()), (Some(2), None));
    }

    #[test]
    fn wakes_the_registered_task() {
        let (list, task) = (ReadyList::new(), ReadyList::new());
        list.register(&task.waker("task"));
        list.waker(1).wake();
        assert_eq!(task.pop(), Some("task"));
    }
}
