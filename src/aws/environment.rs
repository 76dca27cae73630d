//! The environment, in which empty is as good as unset.

/// What a variable says.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
