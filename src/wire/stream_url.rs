//! What a stream URL tells by its form.

/// Whether the URL carries its own signature (any `X-Amz-*` query parameter): it is dialled as it
/// is, unsigned, and only once.
pub fn is_presigned(url: &str) -> bool {
    let sent = url.split('#').next().unwrap_or_default();
    let query = sent.split_once('?').map(|(_, query)| query).unwrap_or_default();
    query.split('&').any(|parameter| {
        parameter.get(..6).is_some_and(|prefix| prefix.eq_ignore_ascii_case("x-amz-"))
    })
}

/// The URL as it may be shown: secrets stand in front of the host, in the query and in the fragment.
pub fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = url.split_at(url.find("://").map_or(0, |at| at + 3));
    let authority = rest.split('/').next().unwrap_or_default();
    // A password may have a slash in it, which is no URL; an id in the path may have an `@`, which is.
    let is_host = |text: &str| match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() => {
            !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => !text.contains(':'),
    };
    let is_host = |text: &str| text.starts_with('[') && text.ends_with(']') || is_host(text);
    let searched = if is_host(authority) { authority } else { rest };
    let user = searched.rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}{}", &rest[user..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_amz_parameter_makes_a_url_presigned() {
        assert!(is_presigned("wss://h/p?role=publish_subscribe&X-Amz-Signature=1"));
        assert!(is_presigned("wss://h/p?x-amz-date=1"));
        assert!(!is_presigned("wss://h/X-Amz-Signature=1?role=publish_subscribe"));
        assert!(!is_presigned("wss://h/p?ünï=1"));
        assert!(!is_presigned("wss://h/p?a=1#&X-Amz-Signature=1"), "nobody is sent it");
    }

    #[test]
    fn neither_query_nor_fragment_nor_user_is_shown() {
        for (url, shown) in [
            ("wss://h/p?X-Amz-Signature=secret", "wss://h/p"),
            ("wss://h/p#X-Amz-Signature=secret", "wss://h/p"),
            ("wss://h/p#a?X-Amz-Signature=secret", "wss://h/p"),
            ("wss://user:secret@h:443/p", "wss://h:443/p"),
            ("https://user:sec/ret@h/p", "https://h/p"),
            ("https://user:sec@ret@h/p", "https://h/p"),
            ("https://user:/secret@h/p", "https://h/p"),
            ("https://user\\:secret@h/p", "https://h/p"),
            ("user:secret@h", "h"),
            ("wss://h/v1/data-channel/jo@corp.test-1", "wss://h/v1/data-channel/jo@corp.test-1"),
            ("wss://[::1]:80/jo@corp-1", "wss://[::1]:80/jo@corp-1"),
            ("http://[fd00::1]/p", "http://[fd00::1]/p"),
            ("wss://[::1]/jo@corp-1", "wss://[::1]/jo@corp-1"),
            ("nonsense", "nonsense"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(url), shown, "{url}");
        }
    }
}
