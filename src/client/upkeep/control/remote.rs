//! The process that keeps tunnels up, as seen by another one.

use std::io;

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

use super::{Answer, Request, folder};
use crate::client::{error::Error, upkeep::Status};

/// One request to it, whose answer is read part by part.
#[derive(Debug)]
pub(crate) struct Remote {
    stream: BufReader<UnixStream>,
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
            Error::local(format!("cannot ask at {}", path.display())).because(error)
        };
        let mut stream = match UnixStream::connect(&path).await {
            Ok(stream) => stream,
            Err(error) if is_end(&error) || is_nobody(&error) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        folder::check(&folder).map_err(failed)?;
        let mut line = serde_json::to_vec(request).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        match stream.write_all(&line).await {
            // It has just ended.
            Err(error) if is_end(&error) => return Ok(None),
            written => written.map_err(failed)?,
        }
        Ok(Some(Self { stream: BufReader::new(stream), is_done: false }))
    }

    /// The next part; `None` when it is all there, or the other process has ended.
    ///
    /// # Errors
    /// When the other one refuses, or says something that is not known here.
    pub(crate) async fn next(&mut self) -> Result<Option<Answer>, Error> {
        let mut line = Vec::new();
        let failed = |error: io::Error| {
            Error::local("the ssmport that keeps the tunnels up does not answer").because(error)
        };
        let mut bounded = (&mut self.stream).take(LONGEST);
        match bounded.read_until(b'\n', &mut line).await {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if is_end(&error) => return Ok(None),
            Err(error) => return Err(failed(error)),
        }
        let answer: Answer = serde_json::from_slice(&line).map_err(|error| failed(error.into()))?;
        match answer.checked()? {
            Answer::Done { .. } => {
                self.is_done = true;
                Ok(None)
            }
            answer => Ok(Some(answer)),
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

/// In bytes, of one part.
const LONGEST: u64 = 1 << 20;
