//! What is done once every port leads to its destination: files that say so, and the way to the background.

use std::collections::BTreeMap;

use tokio::sync::watch;

#[cfg(unix)]
use super::background::First;
use crate::cli::{
    args::ForwardArgs,
    commands::ready_file::{Purpose, ReadyFile},
    failure::{Code, Failure},
    output::Output,
};

/// What is told of the ports that stand, or have once, by the SPEC's place among the others.
pub(super) type Lines = BTreeMap<usize, String>;

/// What is to be done then.
#[derive(Debug)]
pub(super) struct Standing {
    ready_file: Option<std::path::PathBuf>,
    pid_file: Option<std::path::PathBuf>,
    #[cfg(unix)]
    first: Option<First>,
}

/// What is there as long as the ports are.
#[derive(Debug)]
pub(super) struct Signs {
    _files: Vec<ReadyFile>,
}

impl Standing {
    /// What `arguments` want. What others have left behind is removed.
    ///
    /// # Errors
    /// A file could not be there, or whoever started this process is gone.
    pub(super) fn of(arguments: &ForwardArgs) -> Result<Self, Failure> {
        if arguments.ready_file.is_some() && arguments.ready_file == arguments.pid_file {
            return Err(Failure::new(Code::Usage, "both files are the same")
                .next("give --ready-file and --pid-file names of their own"));
        }
        let wanted = [(Purpose::Ready, &arguments.ready_file), (Purpose::Pid, &arguments.pid_file)];
        for (purpose, path) in wanted {
            path.as_deref().map_or(Ok(()), |path| ReadyFile::clear(purpose, path))?;
        }
        #[cfg(unix)]
        let first = arguments.detach_to.as_deref().map(First::at).transpose()?;
        Ok(Self {
            ready_file: arguments.ready_file.clone(),
            pid_file: arguments.pid_file.clone(),
            #[cfg(unix)]
            first,
        })
    }

    /// Waits until `all` of them stand, and does it.
    ///
    /// # Errors
    /// Not all can stand (`None`), or something cannot be done.
    pub(super) async fn reached(
        self,
        lines: &mut watch::Receiver<Lines>,
        all: usize,
        output: &Output,
    ) -> Option<Result<Signs, Failure>> {
        let lines = lines.wait_for(|lines| lines.len() == all).await.ok()?.clone();
        Some(self.tell(&lines, output))
    }

    fn tell(self, lines: &Lines, output: &Output) -> Result<Signs, Failure> {
        let mut files = Vec::new();
        let pid = std::process::id();
        if let Some(path) = &self.pid_file {
            files.push(ReadyFile::write(Purpose::Pid, path, format!("{pid}\n"))?);
        }
        if let Some(path) = &self.ready_file {
            let lines = lines.values().map(|line| format!("{line}\n")).collect();
            files.push(ReadyFile::write(Purpose::Ready, path, lines)?);
        }
        #[cfg(unix)]
        if let Some(first) = self.first {
            output.note(&format!("In the background from now on: `kill {pid}` ends it"));
            first.leave()?;
        }
        #[cfg(not(unix))]
        let _ = output;
        Ok(Signs { _files: files })
    }
}
