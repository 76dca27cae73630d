//! Signature Version 4, from the side of who checks it: what a request claims, and whether it is so.
//!
//! ```text
//!   mod.rs         the claim, in the Authorization header or in the query; its time; its check
//!   canonical.rs   the request in the one form that both sides sign
//! ```
//!
//! After AWS's documentation of signing, without the exceptions of S3. No clock, no keys of its
//! own.

mod canonical;
mod error;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use http::{HeaderMap, Method, Uri, header::AUTHORIZATION};
use ring::hmac;

use canonical::{Canonical, Query};
pub use error::SignatureError;

/// What a request says of who sends it, unproven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Of the key that it is signed with.
    pub access_key_id: String,
    /// That goes with temporary keys.
    pub token: Option<String>,
    /// The region that it is for.
    pub region: String,
    /// The service that it is for.
    service: String,
    /// `YYYYMMDD` of the scope.
    date: String,
    /// `YYYYMMDDTHHMMSSZ`
    time: String,
    signed_at: SystemTime,
    /// How long a presigned request is good for.
    expires: Option<Duration>,
    signed_headers: Vec<String>,
    signature: Vec<u8>,
}

impl Claim {
    /// Reads the claim of a request; none when it is not signed.
    ///
    /// # Errors
    /// [`SignatureError::Incomplete`].
    pub fn read(uri: &Uri, headers: &HeaderMap) -> Result<Option<Self>, SignatureError> {
        let query = Query::of(uri);
        if let Some(header) = headers.get(AUTHORIZATION) {
            let header = header.to_str().map_err(|_| incomplete("it is not text"))?;
            return Self::from_header(header, headers).map(Some);
        }
        match query.get("X-Amz-Algorithm") {
            Some(algorithm) => Self::from_query(algorithm, &query).map(Some),
            None => Ok(None),
        }
    }

    fn from_header(header: &str, headers: &HeaderMap) -> Result<Self, SignatureError> {
        let (algorithm, rest) = header.trim().split_once(' ').unwrap_or((header, ""));
        check_algorithm(algorithm)?;
        let part = |name: &str| {
            let mut parts = rest.split(',').filter_map(|part| part.trim().split_once('='));
            let found = parts.find(|(key, _)| *key == name).map(|(_, value)| value);
            found.ok_or_else(|| missing("Authorization header", name))
        };
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let time = match (text("x-amz-date"), text("date")) {
            (Some(time), _) => time.to_owned(),
            (None, Some(date)) => {
                let date = httpdate::parse_http_date(date).map_err(|_| incomplete(NO_DATE))?;
                amz_time(date)
            }
            (None, None) => return Err(incomplete(NO_DATE)),
        };
        let claim = Parts {
            credential: part("Credential")?,
            signed_headers: part("SignedHeaders")?,
            signature: part("Signature")?,
            time,
            token: text("x-amz-security-token").map(str::to_owned),
            expires: None,
        };
        claim.read()
    }

    fn from_query(algorithm: &str, query: &Query) -> Result<Self, SignatureError> {
        check_algorithm(algorithm)?;
        let part = |name: &str| query.get(name).ok_or_else(|| missing("query", name));
        let expires = part("X-Amz-Expires")?.parse().ok().filter(|seconds| *seconds <= WEEK);
        let expires = expires.ok_or_else(|| incomplete("X-Amz-Expires must be 0 to 604800"))?;
        let claim = Parts {
            credential: part("X-Amz-Credential")?,
            signed_headers: part("X-Amz-SignedHeaders")?,
            signature: part("X-Amz-Signature")?,
            time: part("X-Amz-Date")?.to_owned(),
            token: query.get("X-Amz-Security-Token").map(str::to_owned),
            expires: Some(Duration::from_secs(expires)),
        };
        claim.read()
    }

    /// Whether it is neither older than it may be nor of the future.
    ///
    /// # Errors
    /// [`SignatureError::Expired`], [`SignatureError::NotYet`].
    pub fn check_time(&self, now: SystemTime) -> Result<(), SignatureError> {
        let age = self.expires.unwrap_or(SKEW);
        let minutes = age.as_secs() / 60;
        let (time, now_text) = (self.time.clone(), amz_time(now));
        if now > self.signed_at + age {
            let earliest = amz_time(now - age);
            return Err(SignatureError::Expired { time, earliest, now: now_text, minutes });
        }
        if self.signed_at > now + SKEW {
            let latest = amz_time(now + SKEW);
            return Err(SignatureError::NotYet { time, latest, now: now_text });
        }
        Ok(())
    }

    /// Whether it is for the service that it came to.
    ///
    /// # Errors
    /// [`SignatureError::WrongScope`].
    pub fn check_service(&self, service: &'static str) -> Result<(), SignatureError> {
        if self.service == service {
            return Ok(());
        }
        Err(SignatureError::WrongScope { service })
    }

    /// Whether the request was signed with this secret. How long it takes does not tell how wrong
    /// a signature is.
    ///
    /// # Errors
    /// [`SignatureError::Mismatch`]; [`SignatureError::NotSigned`] for a header that has to be.
    pub fn check(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
        secret: &str,
    ) -> Result<(), SignatureError> {
        let must = ["host", "x-amz-target"].into_iter().find(|name| {
            headers.contains_key(*name) && !self.signed_headers.iter().any(|signed| signed == name)
        });
        if let Some(header) = must {
            return Err(SignatureError::NotSigned { header });
        }
        let request =
            Canonical { method, uri, headers, body, signed_headers: &self.signed_headers };
        let scope = format!("{}/{}/{}/{TERMINATOR}", self.date, self.region, self.service);
        let text = format!("{ALGORITHM}\n{}\n{scope}\n{}", self.time, request.digest());
        let key = self.signing_key(secret);
        hmac::verify(&key, text.as_bytes(), &self.signature).map_err(|_| SignatureError::Mismatch)
    }

    fn signing_key(&self, secret: &str) -> hmac::Key {
        let key = |bytes: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let first = key(format!("AWS4{secret}").as_bytes());
        [&self.date, &self.region, &self.service, TERMINATOR]
            .into_iter()
            .fold(first, |last, part| key(hmac::sign(&last, part.as_bytes()).as_ref()))
    }
}

/// The texts of a claim, wherever they stood.
struct Parts<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
    time: String,
    token: Option<String>,
    expires: Option<Duration>,
}

impl Parts<'_> {
    fn read(self) -> Result<Claim, SignatureError> {
        // An access key's id has no slash; what stands behind it is the scope.
        let parts: Vec<&str> = self.credential.splitn(5, '/').collect();
        let [access_key_id, date, region, service, TERMINATOR] = parts[..] else {
            return Err(incomplete("Credential must be KEY/DATE/REGION/SERVICE/aws4_request"));
        };
        let signed_at = parse_amz_time(&self.time).ok_or_else(|| incomplete(NO_DATE))?;
        // It becomes a part of resources' names.
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if region.is_empty() || !region.bytes().all(fits) {
            return Err(incomplete("the region of Credential is none"));
        }
        if self.time.get(..8) != Some(date) {
            return Err(incomplete("the date of Credential is not that of X-Amz-Date"));
        }
        // What is no signature's form is a wrong signature.
        let signature = HEXLOWER.decode(self.signature.as_bytes()).unwrap_or_default();
        let signed_headers: Vec<String> =
            self.signed_headers.split(';').map(str::to_owned).collect();
        // Each of them once, so that none is copied over and over.
        if !signed_headers.is_sorted_by(|one, next| one < next) {
            return Err(incomplete("SignedHeaders must be in order, and each of them once"));
        }
        Ok(Claim {
            access_key_id: access_key_id.to_owned(),
            token: self.token,
            region: region.to_owned(),
            service: service.to_owned(),
            date: date.to_owned(),
            time: self.time,
            signed_at,
            expires: self.expires,
            signed_headers,
            signature,
        })
    }
}

fn check_algorithm(algorithm: &str) -> Result<(), SignatureError> {
    if algorithm == ALGORITHM {
        return Ok(());
    }
    Err(incomplete("the algorithm must be AWS4-HMAC-SHA256"))
}

fn incomplete(problem: &str) -> SignatureError {
    SignatureError::Incomplete { problem: problem.to_owned() }
}

fn missing(place: &str, name: &str) -> SignatureError {
    SignatureError::Incomplete { problem: format!("{place} requires '{name}' parameter.") }
}

/// `20150830T123600Z`
fn parse_amz_time(text: &str) -> Option<SystemTime> {
    let digits = |range: std::ops::Range<usize>| {
        text.get(range).filter(|part| part.bytes().all(|b| b.is_ascii_digit()))
    };
    if text.len() != 16 || text.get(8..9) != Some("T") || text.get(15..) != Some("Z") {
        return None;
    }
    let (year, month, day) = (digits(0..4)?, digits(4..6)?, digits(6..8)?);
    let (hour, minute, second) = (digits(9..11)?, digits(11..13)?, digits(13..15)?);
    let long = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    humantime::parse_rfc3339(&long).ok()
}

fn amz_time(time: SystemTime) -> String {
    let time = time.max(UNIX_EPOCH);
    humantime::format_rfc3339_seconds(time).to_string().replace(['-', ':'], "")
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
const NO_DATE: &str = "it requires existence of either a 'X-Amz-Date' or a 'Date' header.";

/// How far a caller's clock may be wrong.
const SKEW: Duration = Duration::from_secs(300);
const WEEK: u64 = 604_800;

#[cfg(test)]
mod tests;
