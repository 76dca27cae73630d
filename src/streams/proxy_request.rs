//! What a client of a proxy asks for: SOCKS5, SOCKS4 and HTTP on one port, told apart by the first byte.
//!
//! A state machine: bytes go in, and what is to be answered and what is wanted come out. Whoever has it
//! reads, writes, and counts the time.

mod destination;
mod http;
mod reply;
mod rest;
mod socks;

pub use destination::Destination;
pub(super) use http::begins_request;
pub use reply::Reply;
pub use rest::Rest;

/// Reads one request, from its first byte on.
#[derive(Debug, Default)]
pub struct ProxyReader {
    buffer: Vec<u8>,
    /// The methods of SOCKS5 have been agreed on.
    is_greeted: bool,
}

/// What is to be done with what has been read so far.
#[derive(PartialEq, Eq, Debug)]
pub enum Step {
    /// Read more.
    More,
    /// Send this, and ask again.
    Answer(&'static [u8]),
    /// Do this.
    Serve(Wanted),
    /// Send this and hang up.
    HangUp(Misplaced),
}

/// What a client wants of a proxy.
#[derive(PartialEq, Eq, Debug)]
pub enum Wanted {
    /// A connection.
    Connection(ProxyRequest),
    /// A page of the proxy's own.
    Page {
        /// Where it is, without a query.
        path: String,
        /// Whose page the client believes it to be.
        host: Option<String>,
        /// It is asked for without its body.
        is_head: bool,
    },
}

/// A connection that is wanted.
#[derive(PartialEq, Eq, Debug)]
pub struct ProxyRequest {
    /// Where to.
    pub destination: Destination,
    /// In which protocol it is answered.
    pub manner: Manner,
    /// What is to be sent there first.
    pub ahead: Vec<u8>,
    /// What of the client's further bytes follows that.
    pub rest: Rest,
    /// Another request has come behind it already.
    pub is_followed: bool,
}

/// What nobody can serve.
#[derive(PartialEq, Eq, Debug)]
pub struct Misplaced {
    /// What its client understands.
    pub answer: Vec<u8>,
    /// What is wrong with it, for people.
    pub why: String,
}

/// The protocol of a client, which its answer is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// SOCKS5.
    Socks5,
    /// SOCKS4, with names or without.
    Socks4,
    /// CONNECT of HTTP.
    Connect,
    /// One request of HTTP that is to be passed on.
    Plain,
}

/// Why a connection cannot be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyFailure {
    /// No session can be had.
    NoSession,
    /// Somebody forbids it.
    NotAllowed,
    /// The way to the service is gone.
    NoWay,
    /// The destination refuses it.
    Refused,
    /// There is no such host, or nobody there who takes connections.
    NotReached,
    /// Too much is going on; later it may be had.
    Busy,
    /// It took too long.
    TimedOut,
}

impl ProxyReader {
    /// Takes what the client has sent.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether anything has come at all.
    pub fn has_begun(&self) -> bool {
        self.is_greeted || !self.buffer.is_empty()
    }

    /// What is next.
    pub fn step(&mut self) -> Step {
        let Some(&first) = self.buffer.first() else { return Step::More };
        let read = match first {
            socks::V5 if !self.is_greeted => match socks::greeting(&self.buffer) {
                Ok(Some(length)) => {
                    self.buffer.drain(..length);
                    self.is_greeted = true;
                    return Step::Answer(socks::WITHOUT_AUTHENTICATION);
                }
                Ok(None) => Ok(None),
                Err(misplaced) => Err(misplaced),
            },
            socks::V5 => socks::request(&self.buffer),
            _ if self.is_greeted => Err(socks::not_the_same_version()),
            socks::V4 => socks::request_of_4(&self.buffer),
            b'A'..=b'Z' => http::request(&self.buffer),
            TLS => Err(Misplaced::silent(
                "it speaks TLS: the proxy's address is http://, not https://",
            )),
            _ => Err(Misplaced::silent("it speaks neither SOCKS nor HTTP")),
        };
        match read {
            Ok(Some(wanted)) => Step::Serve(wanted),
            Ok(None) if self.buffer.len() >= LONGEST => Step::HangUp(http::too_long()),
            Ok(None) => Step::More,
            Err(misplaced) => Step::HangUp(misplaced),
        }
    }
}

impl Manner {
    /// What is answered when the connection stands.
    pub fn accepted(self) -> &'static [u8] {
        match self {
            Self::Socks5 => socks::ACCEPTED,
            Self::Socks4 => socks::ACCEPTED_BY_4,
            Self::Connect => http::ESTABLISHED,
            // The destination answers.
            Self::Plain => &[],
        }
    }

    /// What is answered when it does not; `words` are for people, where the protocol has room for them.
    pub fn failed(self, failure: ProxyFailure, words: &str) -> Vec<u8> {
        match self {
            Self::Socks5 => socks::failed(failure).to_vec(),
            Self::Socks4 => socks::FAILED_BY_4.to_vec(),
            Self::Connect | Self::Plain => http::failed(failure, words),
        }
    }
}

impl Misplaced {
    fn new(answer: impl Into<Vec<u8>>, why: impl Into<String>) -> Self {
        Self { answer: answer.into(), why: why.into() }
    }

    /// Of a client whose language nobody knows.
    fn silent(why: &str) -> Self {
        Self::new([], why)
    }
}

/// A page of the proxy's own, or what there is instead; of HEAD without the body.
pub fn page(status: &str, content_type: &str, body: &str, is_head: bool) -> Vec<u8> {
    match is_head {
        true => http::head(status, content_type, "", body),
        false => http::answer(status, content_type, "", body),
    }
}

/// Most bytes that a request's head may have: cookies are in it.
pub const LONGEST: usize = 64 * 1024;
/// How TLS begins.
const TLS: u8 = 22;

#[cfg(test)]
mod tests;
