//! The process that keeps tunnels up, as seen by another one.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    time::timeout_at,
};

use super::{Answer, Request, folder};
use crate::{
    client::{error::Error, upkeep::Status},
    net::now,
};

/// One request to it, whose answer is read part by part.
#[derive(Debug)]
pub(crate) struct Remote {
    stream: BufReader<UnixStream>,
    /// What has come of a part so far.
    line: Vec<u8>,
    /// By when it has to have said something; `None` once it has.
    hearing: Option<Instant>,
    /// It has said all that it had to say.
    is_done: bool,
}

impl Remote {
    /// Asks; `None` where nothing is kept up.
    ///
    /// # Errors
    /// When the socket cannot be used.
    pub(crate) async fn ask(request: &Request) -> Result<Option<Self>, Error> {
        let folder = folder::path()?;
        let path = folder.join(folder::NAME);
        let failed = |error: io::Error| {
            Error::local(format!("cannot ask at {}", path.display()))
                .because(error)
                .next("check what is there, or set XDG_RUNTIME_DIR to a folder of your own")
        };
        let mut stream = match UnixStream::connect(&path).await {
            Ok(stream) => stream,
            Err(error) if is_end(&error) || is_nobody(&error) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        folder::check(&folder)?;
        let mut line = serde_json::to_vec(request).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        match stream.write_all(&line).await {
            // It has just ended.
            Err(error) if is_end(&error) => return Ok(None),
            written => written.map_err(failed)?,
        }
        Ok(Some(Self {
            stream: BufReader::new(stream),
            line: Vec::new(),
            hearing: Some(now() + HEARING_TAKES),
            is_done: false,
        }))
    }

    /// The next part; `None` when it is all there, or the other process has ended. A call that is given up
    /// loses nothing.
    ///
    /// # Errors
    /// When the other one refuses, says something that is not known here, or does not even hear.
    pub(crate) async fn next(&mut self) -> Result<Option<Answer>, Error> {
        loop {
            let line = match self.hearing {
                None => self.line().await?,
                Some(by) => match timeout_at(by.into(), self.line()).await {
                    Ok(line) => line?,
                    Err(_) => return Err(self.is_deaf()),
                },
            };
            let Some(line) = line else { return Ok(None) };
            self.hearing = None;
            let answer: Answer = serde_json::from_slice(&line).map_err(|error| {
                Error::local("the ssmport that keeps the tunnels up says what is not known here")
                    .because(error)
                    .next("end it with `ssmport down` of its own version, and start it again")
            })?;
            match answer.checked()? {
                Answer::Heard => {}
                Answer::Done { .. } => {
                    self.is_done = true;
                    return Ok(None);
                }
                answer => return Ok(Some(answer)),
            }
        }
    }

    /// Whether it has said that nothing is missing.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    async fn line(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut bounded = (&mut self.stream).take(LONGEST.saturating_sub(self.line.len() as u64));
        match bounded.read_until(b'\n', &mut self.line).await {
            Ok(_) if self.line.is_empty() => Ok(None),
            Ok(_) => Ok(Some(std::mem::take(&mut self.line))),
            Err(error) if is_end(&error) => Ok(None),
            Err(error) => {
                Err(Error::local("the ssmport that keeps the tunnels up does not answer")
                    .because(error)
                    .next("look with ssmport status"))
            }
        }
    }

    fn is_deaf(&self) -> Error {
        let pid = self.stream.get_ref().peer_cred().ok().and_then(|peer| peer.pid());
        let process = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
        let error =
            Error::local(format!("the ssmport that keeps the tunnels up{process} does not answer"));
        match pid {
            Some(pid) => error.next(format!("is it stopped? kill -CONT {pid}, or kill {pid}")),
            None => error.next("is it stopped? Have it go on, or kill it"),
        }
    }

    /// How these tunnels are, or all; `None` where nothing is kept up, or what was has ended before it has
    /// answered.
    ///
    /// # Errors
    /// As of [`ask`](Self::ask) and [`next`](Self::next).
    pub(crate) async fn statuses(request: &Request) -> Result<Option<Vec<Status>>, Error> {
        let Some(mut remote) = Self::ask(request).await? else { return Ok(None) };
        let mut statuses = Vec::new();
        while let Some(answer) = remote.next().await? {
            if let Answer::Status(status) = answer {
                statuses.push(*status);
            }
        }
        Ok(Some(statuses).filter(|_| remote.is_done))
    }
}

/// Whether there is no socket, or one that a process has left that was killed.
fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// Whether the other process has gone, in the middle of it perhaps.
fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// Until it says that it has read what it is asked.
const HEARING_TAKES: Duration = Duration::from_secs(5);
/// In bytes, of one part.
const LONGEST: u64 = 1 << 20;
