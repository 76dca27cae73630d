//! A request in the one form in which it is signed.

use data_encoding::HEXLOWER;
use http::{HeaderMap, Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// A request, and which of its headers are signed.
pub struct Canonical<'a> {
    pub method: &'a Method,
    pub uri: &'a Uri,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    /// In the order of the signature.
    pub signed_headers: &'a [String],
}

impl Canonical<'_> {
    /// The SHA-256 of the canonical request, in hexadecimal digits.
    pub fn digest(&self) -> String {
        hex_digest(self.text().as_bytes())
    }

    pub(super) fn text(&self) -> String {
        let headers: String = self.signed_headers.iter().map(|name| self.header(name)).collect();
        format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            self.method,
            path(self.uri.path()),
            Query::of(self.uri).canonical(),
            self.signed_headers.join(";"),
            hex_digest(self.body),
        )
    }

    /// `name:value`, with single spaces, and commas between several values.
    fn header(&self, name: &str) -> String {
        let values = self.headers.get_all(name).iter();
        let trimmed = |value: &http::HeaderValue| {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let values: Vec<_> = values.map(trimmed).collect();
        format!("{name}:{}\n", values.join(","))
    }
}

/// The names and values of a query, decoded.
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn of(uri: &Uri) -> Self {
        let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        };
        Self(pairs.map(pair).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Encoded and in order, without the signature.
    fn canonical(&self) -> String {
        let signed = self.0.iter().filter(|(name, _)| name != "X-Amz-Signature");
        let mut pairs: Vec<_> = signed.map(|(name, value)| (encode(name), encode(value))).collect();
        pairs.sort();
        let pairs: Vec<_> =
            pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("&")
    }
}

/// Without dots and empty segments, each segment encoded once more than it is.
fn path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let is_folder = path.ends_with(['/', '.']) && !segments.is_empty();
    let segments: Vec<_> = segments.into_iter().map(encode).collect();
    format!("/{}{}", segments.join("/"), if is_folder { "/" } else { "" })
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn hex_digest(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
