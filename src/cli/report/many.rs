//! What `exec --on` tells of its nodes.

use serde::Serialize;

/// A node's turn has come.
#[derive(Debug, Serialize)]
pub(crate) struct NodeStarted<'a> {
    pub(crate) name: &'a str,
    pub(crate) id: &'a str,
}

/// A line of a command's output, or what there is of one.
#[derive(Debug, Serialize)]
pub(crate) struct NodeOutput<'a> {
    pub(crate) name: &'a str,
    pub(crate) id: &'a str,
    pub(crate) stream: &'static str,
    /// With the line's end, if it has one.
    pub(crate) text: Option<&'a str>,
    /// Of what is no text.
    pub(crate) base64: Option<String>,
}

/// It is over on a node.
#[derive(Debug, Serialize)]
pub(crate) struct NodeEnded<'a> {
    pub(crate) name: &'a str,
    pub(crate) id: &'a str,
    pub(crate) state: NodeState,
    /// As `exec` on this node alone would have ended.
    pub(crate) exit_code: Option<u8>,
    pub(crate) seconds: f64,
    /// Of a failure.
    pub(crate) why: Option<String>,
    pub(crate) next: Option<String>,
}

/// How it came out on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NodeState {
    Ok,
    Failure,
    /// It was ended from this side.
    Stopped,
    NotStarted,
}

/// It is over everywhere.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) nodes: usize,
    pub(crate) done: usize,
    pub(crate) failed: usize,
    pub(crate) stopped: usize,
    pub(crate) not_started: usize,
}
