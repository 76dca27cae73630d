//! How long the head of a request or an answer is: hyper's own limit is one of its buffer's, which holds
//! twice as much before anything is refused.

use http::HeaderMap;

/// As many bytes as these headers have on the wire.
pub fn headers_len(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum()
}
