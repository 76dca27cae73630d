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
pub(crate) struct Remote(BufReader<UnixStream>);

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
            // The second is what a process that was killed has left.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        folder::check(&folder).map_err(failed)?;
        let mut line = serde_json::to_vec(request).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        stream.write_all(&line).await.map_err(failed)?;
        Ok(Some(Self(BufReader::new(stream))))
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
        let mut bounded = (&mut self.0).take(LONGEST);
        match bounded.read_until(b'\n', &mut line).await {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            // It was killed, perhaps.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(failed(error)),
        }
        let answer: Answer = serde_json::from_slice(&line).map_err(|error| failed(error.into()))?;
        match answer.checked()? {
            Answer::Done { .. } => Ok(None),
            answer => Ok(Some(answer)),
        }
    }

    /// How these tunnels are, or all; `None` where nothing is kept up.
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
        Ok(Some(statuses))
    }
}

/// In bytes, of one part.
const LONGEST: u64 = 1 << 20;
