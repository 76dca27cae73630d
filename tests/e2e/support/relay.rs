//! A way to an endpoint that can be listened in on, and cut.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

/// Passes TCP connections on. What is under way when it is cut is lost.
pub struct Relay {
    pub url: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    open: Mutex<Vec<TcpStream>>,
    /// What has come from the endpoint; its WebSocket frames are not masked.
    heard: Mutex<Vec<u8>>,
    is_over: Mutex<bool>,
}

impl Relay {
    /// A relay to `endpoint`.
    pub fn to(endpoint: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let thread = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for client in listener.incoming() {
                    if *lock(&shared.is_over) {
                        return;
                    }
                    let client = client.expect("a connection");
                    let server = TcpStream::connect(endpoint).expect("the endpoint listens");
                    pass_on(&shared, &client, &server, false).expect("two more handles");
                    pass_on(&shared, &server, &client, true).expect("two more handles");
                    lock(&shared.open).extend([client, server]);
                }
            })
        };
        Self { url: format!("http://{address}"), address, shared, thread: Some(thread) }
    }

    /// Breaks every connection; how many there were.
    pub fn cut(&self) -> usize {
        let open = std::mem::take(&mut *lock(&self.shared.open));
        let broken = open.iter().map(|socket| socket.shutdown(Shutdown::Both));
        broken.filter(Result::is_ok).count() / 2
    }

    /// Whether `text` has come by on its way from the endpoint.
    pub fn has_heard(&self, text: &str) -> bool {
        lock(&self.shared.heard).windows(text.len()).any(|part| part == text.as_bytes())
    }

    /// The texts that have come by on their way from the endpoint as members `name` of JSON.
    pub fn heard_of(&self, name: &str) -> Vec<String> {
        let heard = lock(&self.shared.heard);
        let heard = String::from_utf8_lossy(&heard);
        let begin = format!("\"{name}\":\"");
        heard
            .split(&begin)
            .skip(1)
            .filter_map(|text| Some(text.split_once('"')?.0.to_owned()))
            .collect()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        *lock(&self.shared.is_over) = true;
        self.cut();
        // One more connection, for the listener to look up.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn pass_on(shared: &Arc<Shared>, from: &TcpStream, to: &TcpStream, hears: bool) -> io::Result<()> {
    let (mut from, mut to, shared) = (from.try_clone()?, to.try_clone()?, Arc::clone(shared));
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(len @ 1..) = from.read(&mut buffer) {
            if hears {
                lock(&shared.heard).extend_from_slice(&buffer[..len]);
            }
            if to.write_all(&buffer[..len]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
