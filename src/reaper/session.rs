//! A session at the service, whose client is gone.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A session that runs, and what it is ended with: this program's own `sessions stop`, which has the account's
/// credentials from where its client had them. The service would keep it until it has been idle for too long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// The session's id.
    pub id: String,
    /// Options of the program that name the account and its services. No secrets: others see them.
    pub options: Vec<String>,
    /// Where the client runs, which its environment may name files from.
    pub folder: PathBuf,
}

/// Ends sessions, those of an account by one program. What cannot be ended is left to the service.
pub(super) fn end(sessions: Vec<Session>) {
    let mut of_account: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for Session { id, options, folder } in sessions {
        of_account.entry((options, folder)).or_default().push(id);
    }
    let started: Vec<_> = of_account
        .into_iter()
        .filter_map(|((options, folder), ids)| start(options, &folder, ids))
        .collect();
    for mut program in started {
        let _ = program.wait();
    }
}

fn start(options: Vec<String>, folder: &Path, ids: Vec<String>) -> Option<Child> {
    let mut stop = Command::new(env::current_exe().ok()?);
    stop.args(["sessions", "stop", "--yes"]).args(options).arg("--").args(ids);
    stop.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    stop.current_dir(folder).spawn().ok()
}
