//! What a stream URL tells by its form.

/// Whether the URL carries its own signature (any `X-Amz-*` query parameter): it is dialled as it
/// is, unsigned, and only once.
pub fn is_presigned(url: &str) -> bool {
    let query = url.split_once('?').map(|(_, query)| query).unwrap_or_default();
    query.split('&').any(|parameter| {
        parameter.get(..6).is_some_and(|prefix| prefix.eq_ignore_ascii_case("x-amz-"))
    })
}

/// The URL as it may be shown.
pub fn without_query(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
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
    }

    #[test]
    fn the_query_is_not_shown() {
        assert_eq!(without_query("wss://h/p?X-Amz-Signature=secret"), "wss://h/p");
    }
}
