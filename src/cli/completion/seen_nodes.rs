//! The nodes that were shown lately, for completion alone: no session goes where this file says.

use std::{
    collections::HashSet,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{aws::Settings, client::ListedNode, files};

/// The file of an account and region, in the user's folder of caches.
#[derive(Debug)]
pub(in crate::cli) struct SeenNodes(PathBuf);

/// What is kept of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct SeenNode {
    pub(in crate::cli) id: String,
    pub(in crate::cli) name: Option<String>,
    pub(in crate::cli) platform: String,
    /// In seconds since 1970.
    seen: u64,
}

impl SeenNodes {
    /// Those of the account that `settings` mean, as far as that is known without asking anybody; in
    /// `region`, where that is known.
    pub(in crate::cli) fn of(settings: &Settings, region: Option<&str>) -> Option<Self> {
        let region = region.map(str::to_owned).or_else(|| settings.known_region())?;
        let account = format!("{region}\n{}", settings.known_account());
        let name = HEXLOWER.encode(&Sha256::digest(account.as_bytes())[..16]);
        Some(Self(folder()?.join(format!("{name}.json"))))
    }

    /// The nodes that have been seen lately.
    pub(in crate::cli) fn nodes(&self) -> Vec<SeenNode> {
        let text = files::read(&self.0, LARGEST).unwrap_or_default();
        let nodes: Vec<SeenNode> = serde_json::from_slice(&text).unwrap_or_default();
        let oldest = now().saturating_sub(LIFETIME.as_secs());
        nodes.into_iter().filter(|node| node.seen >= oldest).collect()
    }

    /// Keeps nodes that are there now, beside those of before. A completion can do without, so that
    /// a file that cannot be written is no error.
    pub(in crate::cli) fn add(&self, nodes: &[ListedNode]) {
        let ids: HashSet<&str> = nodes.iter().map(|node| &*node.id).collect();
        let old = self.nodes().into_iter().filter(|old| !ids.contains(&*old.id));
        let new = nodes.iter().map(|node| SeenNode {
            id: node.id.clone(),
            name: node.name.clone().or_else(|| node.computer_name.clone()),
            platform: node.platform.clone(),
            seen: now(),
        });
        let kept: Vec<SeenNode> = new.chain(old).take(MOST).collect();
        if let Err(error) = write(&self.0, &kept) {
            tracing::debug!("{}: not written: {error}", self.0.display());
        }
    }
}

/// For its user's eyes only. Others see the old file or the new one, whole.
fn write(path: &Path, nodes: &[SeenNode]) -> io::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)?;
    remove_old(folder);
    let mut file = tempfile::Builder::new().suffix(".tmp").tempfile_in(folder)?;
    file.write_all(&serde_json::to_vec(nodes)?)?;
    file.persist(path)?;
    Ok(())
}

/// Names of nodes that nobody has use for do not stay for ever.
fn remove_old(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let changed = entry.metadata().and_then(|about| about.modified());
        let age = changed.ok().and_then(|changed| changed.elapsed().ok());
        if age.is_some_and(|age| age > LIFETIME) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn folder() -> Option<PathBuf> {
    let given = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let folder = given.filter(|path| path.is_absolute());
    let folder = folder.or_else(|| {
        let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
        Some(home?.join(".cache"))
    });
    Some(folder?.join("ssmport").join("nodes"))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// As long as a list on a screen is believed.
const LIFETIME: Duration = Duration::from_secs(600);
/// More than anybody chooses from, and than is read in the time between two keys.
const MOST: usize = 5000;
/// In bytes; so many nodes have a fifth of it.
const LARGEST: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, name: Option<&str>) -> ListedNode {
        ListedNode {
            id: id.to_owned(),
            name: name.map(str::to_owned),
            platform: "Debian".to_owned(),
            agent_version: "3.3.3050.0".to_owned(),
            ping_status: "Online".to_owned(),
            last_ping: None,
            address: None,
            computer_name: Some("ip-10-0-0-1".to_owned()),
            instance_state: None,
            tags: Vec::new(),
        }
    }

    #[test]
    fn nodes_are_kept_beside_those_of_before_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let seen = SeenNodes(folder.path().join("ssmport/nodes/a.json"));
        assert_eq!(seen.nodes(), []);
        seen.add(&[node("i-1", Some("web")), node("i-2", None)]);
        seen.add(&[node("i-1", Some("new"))]);
        let names = |seen: &SeenNodes| {
            let nodes = seen.nodes().into_iter();
            nodes.map(|node| (node.id, node.name.unwrap_or_default())).collect::<Vec<_>>()
        };
        let pair = |id: &str, name: &str| (id.to_owned(), name.to_owned());
        assert_eq!(names(&seen), [pair("i-1", "new"), pair("i-2", "ip-10-0-0-1")]);

        let mut old = seen.nodes();
        old[1].seen -= LIFETIME.as_secs() + 5;
        write(&seen.0, &old).unwrap();
        assert_eq!(names(&seen), [pair("i-1", "new")]);

        fs::write(&seen.0, "[{]").unwrap();
        assert_eq!(seen.nodes(), []);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_look() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let seen = SeenNodes(folder.path().join("nodes/a.json"));
        seen.add(&[node("i-1", None)]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&seen.0), mode(&folder.path().join("nodes"))), (0o600, 0o700));
    }
}
