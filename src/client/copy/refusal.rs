//! Why a script on the node does not do what it was asked for, as its user is told.

use std::fmt::Display;

use crate::client::{Error, Kind};

/// What it has said, and what its tools have complained of before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refusal {
    code: String,
    detail: String,
    complaint: Option<String>,
}

impl Refusal {
    pub(super) fn new(words: &[String], complaint: Option<String>) -> Self {
        let code = words.first().cloned().unwrap_or_default();
        Self { code, detail: words.get(1..).unwrap_or_default().join(" "), complaint }
    }

    /// For the user, about this path of this node.
    pub(super) fn of(self, path: impl Display, node: &str) -> Error {
        let on_node = |what: String| Error::new(Kind::Target, what);
        let Self { code, detail, complaint } = self;
        let error = match code.as_str() {
            "absent" => {
                let path = path.to_string();
                let next = match path {
                    _ if path.contains(['*', '?', '[', '{']) => {
                        "nothing is expanded there: name a file, or a folder".to_owned()
                    }
                    _ if path.starts_with('/') => {
                        "look at its name, and at who may see it".to_owned()
                    }
                    _ => format!(
                        "a path that is relative begins where sessions do: ssmport exec {node} -- pwd"
                    ),
                };
                on_node(format!("there is no {path} on {node}")).next(next)
            }
            "unsized" => on_node(format!("{path} on {node} does not say how long it is"))
                .because("it is made as it is read, as those of /proc")
                .next(format!("ssmport exec {node} -- cat {path}")),
            "unreadable" => on_node(format!("{path} on {node} cannot be read"))
                .because("the session's user has no permission")
                .next("have it copied there first, as who may: sudo cp"),
            "special" => on_node(format!("{path} on {node} is neither a file nor a folder"))
                .next("name another path"),
            "nofolder" => on_node(format!("there is no folder {path} on {node}"))
                .next("make it first, or name one that is there"),
            "noparent" => on_node(format!("the folder of {path} is not there on {node}"))
                .next("make it first, with mkdir -p"),
            "isfolder" => {
                on_node(format!("{path} on {node} is a folder, and the source is a file"))
                    .next("name a file in it")
            }
            "isfile" => on_node(format!("{path} on {node} is a file, and the source is a folder"))
                .next("name a folder, or a path where nothing is"),
            "unwritable" => on_node(format!("{path} on {node} cannot be written"))
                .next("look at its permissions there, and at what is free: df"),
            "busy" => on_node(format!("another copy to {path} is under way on {node}"))
                .next("wait for it, or end it"),
            "differs" => {
                Error::new(Kind::Lost, format!("what has come to {node} is not what was sent"))
                    .because("the digests differ")
                    .next("start it again; what came was removed")
            }
            "tool" => on_node(format!("the node lacks {detail}"))
                .because("a copy needs it there")
                .next("install it, or use scp through ssmport ssh-config"),
            other => on_node(format!("the node refuses the copy of {path}: {other}")),
        };
        match complaint {
            Some(complaint) if error.why.is_none() => error.because(complaint),
            _ => error,
        }
    }
}
