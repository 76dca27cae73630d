//! A file that lists nodes.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::node::Node;
use crate::files::{self, LONGEST_BY_HAND};

/// Why a list of nodes cannot be used.
#[derive(Debug, Error)]
pub enum NodeListError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A line of it is no node's.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// No line of it is a node's.
    #[error("{}: it lists no nodes", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a file in which each line has a node's id and, if it has one, its name. Empty lines are
/// skipped, and what stands behind a `#`. All else is as `template` has it.
///
/// # Errors
/// [`NodeListError`]: the file cannot be read, or a line is none of these.
pub fn load(path: &Path, template: &Node) -> Result<Vec<Node>, NodeListError> {
    let text = files::read_text(path, LONGEST_BY_HAND)
        .map_err(|source| NodeListError::Read { path: path.to_owned(), source })?;
    read(&text, template).map_err(|wrong| match wrong {
        Some((line, problem)) => NodeListError::Line { path: path.to_owned(), line, problem },
        None => NodeListError::Empty { path: path.to_owned() },
    })
}

/// Fails with the line that is wrong; with none if there are no nodes.
fn read(text: &str, template: &Node) -> Result<Vec<Node>, Option<(usize, String)>> {
    let (mut nodes, mut seen) = (Vec::new(), BTreeSet::new());
    for (index, line) in text.lines().enumerate() {
        let line = without_comment(line).trim();
        if line.is_empty() {
            continue;
        }
        let wrong = |problem: String| Some((index + 1, problem));
        let (id, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if !Node::is_target(id) {
            return Err(wrong(NO_TARGET.to_owned()));
        }
        if !seen.insert(id) {
            return Err(wrong(format!("{id} stands there twice")));
        }
        let mut node = template.called(id.to_owned());
        if !name.is_empty() {
            node.name = name.trim_start().to_owned();
        }
        nodes.push(node);
    }
    if nodes.is_empty() { Err(None) } else { Ok(nodes) }
}

/// As in a shell, a `#` within a word is one of its letters.
fn without_comment(line: &str) -> &str {
    let begins_word = |at: usize| line[..at].chars().next_back().is_none_or(char::is_whitespace);
    let comment = line.match_indices('#').find(|(at, _)| begins_word(*at));
    comment.map_or(line, |(at, _)| &line[..at])
}

/// Said of what is no id.
pub(super) const NO_TARGET: &str = "a node's id is i- or mi- and 17 (or 8) hexadecimal digits, a container's ecs:CLUSTER_TASK_RUNTIME";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_id_and_perhaps_a_name() {
        let text = "# the fleet\n\ni-0123456789abcdef0\n  mi-0123456789abcdef0 \t the db #1 # mine\r\n\
                    ecs:prod_0123_0123-4 app#2";
        let template = Node { name: "local".to_owned(), ip: "::1".to_owned(), ..Node::default() };
        let nodes = read(text, &template).expect("a good list");
        let found: Vec<_> = nodes.iter().map(|node| (&*node.id, &*node.name, node.ec2)).collect();
        let expected = [
            ("i-0123456789abcdef0", "local", true),
            ("mi-0123456789abcdef0", "the db", false),
            ("ecs:prod_0123_0123-4", "app#2", false),
        ];
        assert_eq!(found, expected);
        assert!(nodes.iter().all(|node| node.ip == "::1"));
    }

    #[test]
    fn errors_name_file_and_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("nodes");
        let error = |text: &str| {
            std::fs::write(&path, text).expect("written");
            let error = load(&path, &Node::default()).expect_err(text).to_string();
            error.replace(path.to_str().expect("Unicode"), "nodes")
        };
        let node = "i-0123456789abcdef0";
        assert_eq!(error("# web\nweb\n"), format!("nodes:2: {NO_TARGET}"));
        assert_eq!(error("i-1\n"), format!("nodes:1: {NO_TARGET}"));
        assert_eq!(
            error(&format!("{node}\n\n{node} db")),
            format!("nodes:3: {node} stands there twice")
        );
        assert_eq!(error("# none\n"), "nodes: it lists no nodes");
        std::fs::remove_file(&path).expect("removed");
        let absent = load(&path, &Node::default()).expect_err("absent").to_string();
        assert!(absent.contains("nodes: No such file"), "{absent}");
    }
}
