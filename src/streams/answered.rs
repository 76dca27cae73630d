//! A client of a proxy on its way into a relay: it is answered in its own protocol, and then relayed as it is.
//!
//! That a destination cannot be reached is told late, and that it can be not at all. So the first
//! connection to a destination is answered when something has come from there, or when no refusal has come
//! for a while; once a destination has spoken, the others are answered at once.

use std::{
    io,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{
    Manner, ProxyFailure, Refusals, Rest,
    proxy_request::{Reply, begins_request},
};
use crate::net::{Parting, Socket};

/// The socket of a client whose request has been read.
pub struct Answered<L> {
    socket: Box<dyn Socket>,
    manner: Manner,
    /// What is told when the destination is not reached.
    not_reached: (ProxyFailure, String),
    stage: Stage,
    /// What is to be read first.
    ahead: Vec<u8>,
    ahead_from: usize,
    /// How much of what the client sends then is for the destination.
    rest: Rest,
    /// The answer to a plain request.
    reply: Reply,
    /// The client has sent another request, for which it is to connect anew.
    is_followed: bool,
    /// It has, and has had all of its answer.
    is_served: bool,
    /// Who reads, and may have to hear of that.
    reader: Option<Waker>,
    refusals: Refusals,
    refused_before: u64,
    /// Something has come from the destination for this client.
    has_heard: bool,
    /// It is to be cut off, and has had no answer yet.
    is_cut: AtomicBool,
    /// Is let go with the connection.
    _lease: L,
}

#[derive(Debug)]
enum Stage {
    /// Not answered yet; nothing is read either.
    Held {
        until: Pin<Box<Sleep>>,
        reader: Option<Waker>,
    },
    /// So much of the answer has been written.
    Answering(usize),
    Open,
}

impl<L> Answered<L> {
    /// Takes a client that wants `ahead` sent, and `rest` of its further bytes, and may have sent another
    /// request behind that. `refusals` are those of the
    /// session that it is handed to next, and tell whether the destination has spoken before.
    pub fn new(
        socket: Box<dyn Socket>,
        manner: Manner,
        (ahead, rest, is_followed): (Vec<u8>, Rest, bool),
        not_reached: (ProxyFailure, String),
        refusals: Refusals,
        lease: L,
    ) -> Self {
        let stage = match (manner, refusals.has_spoken()) {
            // Its answer is the destination's.
            (Manner::Plain, _) => Stage::Open,
            (_, true) => Stage::Answering(0),
            (_, false) => Stage::Held { until: Box::pin(sleep(HELD)), reader: None },
        };
        let reply = Reply::to(&ahead);
        Self {
            socket,
            manner,
            not_reached,
            stage,
            ahead,
            ahead_from: 0,
            rest,
            reply,
            is_followed,
            is_served: false,
            reader: None,
            refused_before: refusals.count(),
            refusals,
            has_heard: false,
            is_cut: AtomicBool::new(false),
            _lease: lease,
        }
    }

    /// Whether the client can still be told in its protocol that there is no connection.
    fn can_fail(&self) -> bool {
        match self.stage {
            Stage::Held { .. } => true,
            Stage::Answering(written) => written == 0,
            Stage::Open => self.manner == Manner::Plain && !self.has_heard,
        }
    }

    fn was_refused(&self) -> bool {
        !self.has_heard && self.refusals.count() > self.refused_before
    }

    /// Tells the client that there is none. A few bytes, for which there is room in every socket.
    fn fail(&mut self, failure: ProxyFailure, words: &str) {
        let answer = self.manner.failed(failure, words);
        let mut cx = Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut self.socket).poll_write(&mut cx, &answer);
        // Who waits to read is to see the client go.
        self.release();
        self.stage = Stage::Open;
        self.has_heard = true;
    }

    /// Ready when the client may be read and written.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Stage::Answering(written) = &mut self.stage {
            let answer = &self.manner.accepted()[*written..];
            if answer.is_empty() {
                self.stage = Stage::Open;
                break;
            }
            match ready!(Pin::new(&mut self.socket).poll_write(cx, answer))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                more => *written += more,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Goes on to the answer, if it has been held back.
    fn release(&mut self) {
        if let Stage::Held { reader, .. } = &mut self.stage {
            reader.take().into_iter().for_each(Waker::wake);
            self.stage = Stage::Answering(0);
        }
    }

    /// Reads what is for the destination. What the client sends behind that goes nowhere, and ends the
    /// connection when the answer has come: not every destination heeds that it is to close, and a client that
    /// goes on would wait for ever. What it has sent too early, it sends again on another connection (RFC
    /// 9112, 9.3.2).
    fn poll_rest(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_over() && !self.is_served {
            self.is_served = self.is_followed && self.reply.is_over();
            if self.is_served {
                break;
            }
            self.reader = Some(cx.waker().clone());
            let mut nowhere = [0; 4096];
            let mut nowhere = ReadBuf::new(&mut nowhere);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut nowhere))?;
            if nowhere.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.is_followed |= begins_request(nowhere.filled());
        }
        if self.is_served {
            return Poll::Ready(Ok(()));
        }
        let mut part = ReadBuf::new(buffer.initialize_unfilled());
        if !self.rest.is_malformed() {
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut part))?;
        }
        let taken = self.rest.take(part.filled());
        if taken == 0 && self.rest.is_malformed() {
            let why = "the chunks of the request are malformed";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
        }
        buffer.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl<L: Send + Unpin> AsyncRead for Answered<L> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Stage::Held { until, reader } = &mut this.stage {
            if until.as_mut().poll(cx).is_pending() {
                *reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            this.stage = Stage::Answering(0);
        }
        ready!(this.poll_open(cx))?;
        let ahead = &this.ahead[this.ahead_from..];
        if ahead.is_empty() {
            return this.poll_rest(cx, buffer);
        }
        let length = ahead.len().min(buffer.remaining());
        buffer.put_slice(&ahead[..length]);
        this.ahead_from += length;
        if this.ahead_from == this.ahead.len() {
            (this.ahead, this.ahead_from) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl<L: Send + Unpin> AsyncWrite for Answered<L> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.release();
        if !std::mem::replace(&mut this.has_heard, true) {
            this.refusals.note_speech();
        }
        ready!(this.poll_open(cx))?;
        let written = Pin::new(&mut this.socket).poll_write(cx, bytes);
        if this.manner == Manner::Plain
            && let Poll::Ready(Ok(len)) = written
        {
            this.reply.receive(&bytes[..len]);
            if this.is_followed && this.reply.is_over() {
                this.reader.take().into_iter().for_each(Waker::wake);
            }
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// The end of what the destination says, which may be that it has not been reached.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.was_refused() {
            if !this.can_fail() {
                this.socket.reset_on_close();
                return Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into()));
            }
            let (failure, words) = this.not_reached.clone();
            this.fail(failure, &words);
        }
        this.release();
        ready!(this.poll_open(cx))?;
        Pin::new(&mut this.socket).poll_shutdown(cx)
    }
}

impl<L: Send + Unpin> Socket for Answered<L> {
    fn reset_on_close(&self) {
        match self.can_fail() {
            // An answer first, which a reset would throw away.
            true => self.is_cut.store(true, Ordering::Relaxed),
            false => self.socket.reset_on_close(),
        }
    }

    fn parting(&self) -> Parting {
        match self.is_served {
            true => Parting::Closed,
            false => self.socket.parting(),
        }
    }
}

impl<L> Drop for Answered<L> {
    fn drop(&mut self) {
        let is_cut = self.is_cut.load(Ordering::Relaxed) || !matches!(self.stage, Stage::Open);
        if is_cut && self.can_fail() {
            self.fail(ProxyFailure::NoSession, "the session is over; try again");
        }
    }
}

/// Longer than a refusal takes from most nodes. It is the first connection's alone, which has waited for a
/// session to begin.
const HELD: Duration = Duration::from_millis(400);

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::Instant,
    };

    use super::*;

    type Client = tokio::io::DuplexStream;

    fn answered(manner: Manner, ahead: &[u8], rest: Rest) -> (Client, Answered<()>, Refusals) {
        let (client, socket) = duplex(4096);
        let refusals = Refusals::default();
        let not_reached = (ProxyFailure::Refused, "nobody is there".to_owned());
        let ahead = (ahead.to_vec(), rest, false);
        let socket =
            Answered::new(Box::new(socket), manner, ahead, not_reached, refusals.clone(), ());
        (client, socket, refusals)
    }

    async fn heard(mut client: Client) -> Vec<u8> {
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        heard
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_is_answered_after_a_while_or_when_the_destination_speaks() {
        let began = Instant::now();
        let (mut client, mut socket, _) = answered(Manner::Socks5, b"ahead", Rest::All);
        client.write_all(b" and more").await.unwrap();
        let mut read = [0; 14];
        socket.read_exact(&mut read).await.unwrap();
        assert_eq!((&read, began.elapsed() >= HELD), (b"ahead and more", true));
        drop(socket);
        assert_eq!(heard(client).await, Manner::Socks5.accepted());

        let began = Instant::now();
        let (client, mut socket, refusals) = answered(Manner::Connect, b"", Rest::All);
        assert!(!refusals.has_spoken());
        socket.write_all(b"220 hello").await.unwrap();
        assert!(refusals.has_spoken(), "the next one need not wait");
        drop(socket);
        assert_eq!(heard(client).await, [Manner::Connect.accepted(), b"220 hello"].concat());
        assert!(began.elapsed() < HELD);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_to_be_read_is_woken_when_the_destination_speaks() {
        let (mut client, socket, _) = answered(Manner::Socks5, b"", Rest::All);
        let (mut reader, mut writer) = tokio::io::split(socket);
        client.write_all(b"x").await.unwrap();
        let began = Instant::now();
        let reading = tokio::spawn(async move { reader.read_u8().await.unwrap() });
        tokio::task::yield_now().await;
        writer.write_all(b"y").await.unwrap();
        assert_eq!(reading.await.unwrap(), b'x');
        assert!(began.elapsed() < HELD);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_to_be_read_hears_that_a_refused_client_goes() {
        for manner in [Manner::Socks5, Manner::Connect] {
            let (client, socket, refusals) = answered(manner, b"", Rest::All);
            let (mut reader, mut writer) = tokio::io::split(socket);
            let reading = tokio::spawn(async move { reader.read(&mut [0]).await.unwrap() });
            tokio::task::yield_now().await;
            refusals.note();
            writer.shutdown().await.unwrap();
            drop(client);
            let began = Instant::now();
            assert_eq!(reading.await.unwrap(), 0);
            assert!(began.elapsed() < HELD);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_told_in_the_clients_protocol() {
        for manner in [Manner::Socks5, Manner::Socks4, Manner::Connect, Manner::Plain] {
            let (client, mut socket, refusals) = answered(manner, b"", Rest::Counted(0));
            refusals.note();
            socket.shutdown().await.unwrap();
            drop(socket);
            let told = manner.failed(ProxyFailure::Refused, "nobody is there");
            assert_eq!(heard(client).await, told);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_comes_too_late_is_no_clean_end() {
        let (_client, mut socket, refusals) = answered(Manner::Socks5, b"x", Rest::All);
        socket.read_u8().await.unwrap();
        refusals.note();
        assert!(socket.shutdown().await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_is_gone_is_told_to_whoever_has_no_answer_yet() {
        for (manner, words) in [(Manner::Connect, &b"HTTP/1.1 502 "[..]), (Manner::Socks5, &[5, 1])]
        {
            let (client, socket, _) = answered(manner, b"", Rest::All);
            socket.reset_on_close();
            drop(socket);
            let told = heard(client).await;
            assert!(told.starts_with(words), "{told:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_behind_a_plain_request_goes_nowhere() {
        let (mut client, mut socket, _) = answered(Manner::Plain, b"POST", Rest::Counted(4));
        client.write_all(b"bodyGET http://other/").await.unwrap();
        client.shutdown().await.unwrap();
        let mut read = Vec::new();
        socket.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"POSTbody");
    }

    #[tokio::test(start_paused = true)]
    async fn another_plain_request_on_a_connection_that_was_answered_ends_it() {
        let (mut client, mut socket, _) = answered(Manner::Plain, b"GET", Rest::Counted(0));
        socket.write_all(ANSWER).await.unwrap();
        client.write_all(b"\r\n").await.unwrap();
        let mut read = [0; 8];
        socket.read_exact(&mut read[..3]).await.unwrap();
        let ended = tokio::time::timeout(HELD, socket.read(&mut read)).await;
        assert!(ended.is_err(), "an empty line is no request");
        client.write_all(b"GET http://other/").await.unwrap();
        assert_eq!(socket.read(&mut read).await.unwrap(), 0);
        assert_eq!((socket.read(&mut read).await.unwrap(), socket.parting()), (0, Parting::Closed));
    }

    /// A client that does not wait: what it has sent early ends the connection once all of the answer came.
    #[tokio::test(start_paused = true)]
    async fn another_plain_request_before_the_answer_ends_it_behind_the_answer() {
        let (mut client, socket, _) = answered(Manner::Plain, b"", Rest::Counted(0));
        client.write_all(b"GET http://other/").await.unwrap();
        let (mut reader, mut writer) = tokio::io::split(socket);
        let reading = tokio::spawn(async move { reader.read(&mut [0]).await.unwrap() });
        let (head, tail) = ANSWER.split_at(ANSWER.len() - 1);
        writer.write_all(head).await.unwrap();
        tokio::time::sleep(HELD).await;
        assert!(!reading.is_finished(), "there is more to come");
        writer.write_all(tail).await.unwrap();
        assert_eq!(reading.await.unwrap(), 0);
        drop(writer);
        assert_eq!(heard(client).await, ANSWER);
    }

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";

    #[tokio::test(start_paused = true)]
    async fn nothing_behind_a_body_in_chunks_is_passed_on() {
        let (mut client, mut socket, _) = answered(Manner::Plain, b"POST", chunked());
        client.write_all(b"4\r\nbody\r\n0\r\n\r\nGET http://other/").await.unwrap();
        client.shutdown().await.unwrap();
        let mut read = Vec::new();
        socket.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"POST4\r\nbody\r\n0\r\n\r\n");

        let (mut client, mut socket, _) = answered(Manner::Plain, b"POST", chunked());
        client.write_all(b"4\r\nbody, and more of it").await.unwrap();
        let mut read = Vec::new();
        assert!(socket.read_to_end(&mut read).await.is_err());
        assert_eq!(read, b"POST4\r\nbody");
    }

    fn chunked() -> Rest {
        let mut reader = crate::streams::ProxyReader::default();
        reader.receive(b"POST http://x/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        match reader.step() {
            crate::streams::Step::Serve(crate::streams::Wanted::Connection(request)) => {
                request.rest
            }
            other => panic!("{other:?}"),
        }
    }
}
