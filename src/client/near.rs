//! What was meant by a word with a slip in it.

/// The name that was meant, if one is near to what was typed: another case, a part of it, a slip or two.
pub(crate) fn near<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let distance = |name: &str| {
        let name = name.to_lowercase();
        let slips = strsim::damerau_levenshtein(&typed, &name);
        let is_part = typed.chars().count() >= 3 && name.contains(&typed);
        let most = (typed.chars().count() / 3).min(2);
        (is_part || slips <= most).then_some(slips)
    };
    let near = names.filter_map(|name| Some((distance(name)?, name)));
    near.min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_found_and_a_far_one_is_not() {
        let names = ["web-1", "web-2", "database", "x"];
        let near = |typed| near(typed, names.into_iter());
        for (typed, meant) in [
            ("web", Some("web-1")),
            ("wbe-2", Some("web-2")),
            ("WEB-2", Some("web-2")),
            ("databse", Some("database")),
            ("base", Some("database")),
            ("mail", None),
            ("y", None),
            ("", None),
        ] {
            assert_eq!(near(typed), meant, "{typed}");
        }
    }
}
