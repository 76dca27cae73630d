//! What a program writes, as it comes.

use std::{
    io::Read,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// One output of a program, read in the background so that the program never waits for us.
#[derive(Clone)]
pub struct Transcript(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    text: Vec<u8>,
    has_ended: bool,
}

impl Transcript {
    /// Keeps the first [`LIMIT`] bytes of what `source` gives, and reads on to its end.
    pub fn of(source: impl Read + Send + 'static) -> Self {
        let transcript =
            Self(Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() }));
        let writer = transcript.clone();
        thread::spawn(move || writer.read(source));
        transcript
    }

    fn read(&self, mut source: impl Read) {
        let mut buffer = vec![0; 8192];
        loop {
            let read = source.read(&mut buffer).unwrap_or(0);
            let mut state = self.state();
            let room = LIMIT.saturating_sub(state.text.len()).min(read);
            state.text.extend_from_slice(&buffer[..room]);
            state.has_ended = read == 0;
            self.0.changed.notify_all();
            if state.has_ended {
                return;
            }
        }
    }

    /// All that has come.
    pub fn text(&self) -> String {
        self.text_from(0)
    }

    /// What has come from the byte `from` on.
    pub fn text_from(&self, from: usize) -> String {
        let state = self.state();
        String::from_utf8_lossy(state.text.get(from..).unwrap_or_default()).into_owned()
    }

    /// What has come from the byte `from` up to the byte `to`.
    pub fn text_between(&self, from: usize, to: usize) -> String {
        let state = self.state();
        String::from_utf8_lossy(state.text.get(from..to).unwrap_or_default()).into_owned()
    }

    /// Where `wanted` first stands at or behind the byte `from`.
    pub fn wait_for_text(
        &self,
        from: usize,
        wanted: &str,
        limit: Duration,
    ) -> Result<usize, String> {
        let mut found = None;
        self.wait(limit, |state| {
            let rest = state.text.get(from..).unwrap_or_default();
            let at = rest.windows(wanted.len()).position(|window| window == wanted.as_bytes());
            found = at.map(|at| from + at);
            found.is_some() || state.has_ended
        });
        found.ok_or_else(|| self.why_not(limit))
    }

    /// The first whole line that `wanted` accepts, without its line feed.
    pub fn wait_for_line(
        &self,
        mut wanted: impl FnMut(&str) -> bool,
        limit: Duration,
    ) -> Result<String, String> {
        let mut seen = 0;
        let mut found = None;
        self.wait(limit, |state| {
            while let Some(len) = state.text[seen..].iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&state.text[seen..seen + len]).into_owned();
                seen += len + 1;
                if wanted(&line) {
                    found = Some(line);
                    return true;
                }
            }
            state.has_ended
        });
        found.ok_or_else(|| self.why_not(limit))
    }

    fn why_not(&self, limit: Duration) -> String {
        match self.state().has_ended {
            true => "the output ended without it".to_owned(),
            false => format!("not within {limit:?}"),
        }
    }

    /// Whether the output ends within `limit`.
    pub fn wait_for_end(&self, limit: Duration) -> bool {
        self.wait(limit, |state| state.has_ended)
    }

    fn wait(&self, limit: Duration, mut is_enough: impl FnMut(&State) -> bool) -> bool {
        let give_up_at = Instant::now() + limit;
        let mut state = self.state();
        while !is_enough(&state) {
            let rest = give_up_at.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return false;
            }
            let waited = self.0.changed.wait_timeout(state, rest);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// More than any program here says; what comes behind it is read and forgotten.
const LIMIT: usize = 4 << 20;
