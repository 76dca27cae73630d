//! TARGET: where a session goes.

use std::str::FromStr;

/// A node, or the embedded endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Target {
    /// The embedded endpoint, started in this process.
    Local,
    /// A node by the id that the service knows it by.
    Node(String),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "local" {
            return Ok(Self::Local);
        }
        let is_instance = ["i-", "mi-"].iter().any(|prefix| {
            text.strip_prefix(prefix)
                .is_some_and(|id| id.len() >= 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
        });
        let is_task = text.strip_prefix("ecs:").is_some_and(|task| task.matches('_').count() >= 2);
        if is_instance || is_task {
            return Ok(Self::Node(text.to_owned()));
        }
        Err("a target is i-..., mi-..., ecs:CLUSTER_TASK_RUNTIME, or local".to_owned())
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Node(id) => id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_local_are_targets() {
        assert_eq!("local".parse(), Ok(Target::Local));
        for id in ["i-0123456789abcdef0", "i-01234567", "mi-0123456789abcdef0", "ecs:c_t_r"] {
            assert_eq!(id.parse(), Ok(Target::Node(id.to_owned())));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "i-", "i-xyz", "web", "ecs:", "ecs:c_t", "i-0123456789abcdef0 "] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
