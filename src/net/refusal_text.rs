//! What an answer that nobody wanted says, in one line: of JSON and XML the message, of a page its
//! title.

use serde_json::Value;

use crate::wire::foreign_text;

/// The reason that `body` gives; empty if it gives none.
pub(super) fn of_body(body: &str, secrets: &[String]) -> String {
    let body = body.trim();
    let text = match serde_json::from_str::<Value>(body) {
        Ok(Value::Object(fields)) => {
            let named = |name| fields.iter().find(move |field| field.0.eq_ignore_ascii_case(name));
            let found = ["message", "error", "reason"].into_iter().find_map(named);
            found.and_then(|(_, value)| value.as_str()).unwrap_or_default().to_owned()
        }
        Ok(_) => String::new(),
        Err(_) if is_page(body) => title(body).map_or_else(|| words(body), str::to_owned),
        Err(_) => without_tags(body),
    };
    one_line(&text, secrets)
}

/// A text without secrets and what a terminal would act on, and not longer than people read.
pub(super) fn one_line(text: &str, secrets: &[String]) -> String {
    let hidden = secrets.iter().filter(|secret| !secret.is_empty());
    let text = hidden.fold(text.to_owned(), |text, secret| text.replace(secret, "..."));
    foreign_text::one_line_within(LONGEST, &text)
}

fn is_page(body: &str) -> bool {
    let start: String = body.chars().take(200).collect::<String>().to_ascii_lowercase();
    start.contains("<html") || start.contains("<!doctype html")
}

fn title(page: &str) -> Option<&str> {
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower[start..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    page.get(start..end)
}

/// What a page without a title says, if it is plain.
fn words(page: &str) -> String {
    let lower = page.to_ascii_lowercase();
    let is_plain = !["<script", "<style"].iter().any(|tag| lower.contains(tag));
    if is_plain { without_tags(page) } else { String::new() }
}

/// What stands between the tags of XML.
fn without_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        out.push(' ');
        rest = after.split_once('>').map_or("", |(_, after)| after);
    }
    out + rest
}

/// In characters.
const LONGEST: usize = 240;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_found_in_what_servers_and_portals_write() {
        for (body, expected) in [
            ("", ""),
            ("plain words\n", "plain words"),
            (r#"{"message":"expired"}"#, "expired"),
            (r#"{"__type":"X","Message":"a\nb\u001b[2J"}"#, "a b [2J"),
            (r#"{"code":7}"#, ""),
            ("[1]", ""),
            (
                "<BadRequest xmlns=\"\"><message>0000: not authenticated.</message></BadRequest>",
                "0000: not authenticated.",
            ),
            ("<html><head><TITLE>Please sign in</TITLE><script>x()</script>", "Please sign in"),
            ("<!DOCTYPE html><body>words for people", "words for people"),
            ("<html><style>p {}</style>words", ""),
            ("cut <off", "cut"),
            ("\u{130}<title>x</title><html", "x"),
        ] {
            assert_eq!(of_body(body, &[]), expected, "{body}");
        }
    }

    #[test]
    fn secrets_and_lengths_are_kept_within_bounds() {
        let secrets = ["s3cret".to_owned(), String::new()];
        assert_eq!(of_body("canonical: s3cret\n", &secrets), "canonical: ...");
        assert_eq!(one_line(&"é".repeat(1000), &[]).chars().count(), LONGEST + 3);
    }
}
