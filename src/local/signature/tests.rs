//! The vectors are those of AWS's documentation and of its published test suite, and requests that
//! botocore has presigned.

use http::{HeaderName, HeaderValue};

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// 2015-08-30 12:36:00 UTC, when everything here was signed.
fn then() -> SystemTime {
    parse_amz_time("20150830T123600Z").expect("a time")
}

struct Signed {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: &'static str,
}

impl Signed {
    fn new(method: Method, uri: &str, headers: &[(&str, &str)], body: &'static str) -> Self {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a name");
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        Self { method, uri: uri.parse().expect("a URI"), headers: map, body }
    }

    fn claim(&self) -> Claim {
        Claim::read(&self.uri, &self.headers).expect("well formed").expect("signed")
    }

    fn check(&self, secret: &str) -> Result<(), SignatureError> {
        let body = self.body.as_bytes();
        self.claim().check(&self.method, &self.uri, &self.headers, body, secret)
    }
}

fn authorization(scope: &str, signed_headers: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{scope}/aws4_request, \
         SignedHeaders={signed_headers}, Signature={signature}"
    )
}

/// A request of the test suite: the service is called `service`.
fn suite(
    method: Method,
    uri: &str,
    more: &[(&str, &str)],
    body: &'static str,
    signed_headers: &str,
    signature: &str,
) -> Signed {
    let authorization = authorization("service", signed_headers, signature);
    let fixed = [
        ("host", "example.amazonaws.com"),
        ("x-amz-date", "20150830T123600Z"),
        ("authorization", &authorization),
    ];
    Signed::new(method, uri, &[&fixed[..], more].concat(), body)
}

#[test]
fn the_example_of_the_documentation() {
    let listing = Signed::new(
        Method::GET,
        "/?Action=ListUsers&Version=2010-05-08",
        &[
            ("host", "iam.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            (
                "authorization",
                &authorization(
                    "iam",
                    "content-type;host;x-amz-date",
                    "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
                ),
            ),
        ],
        "",
    );
    let claim = listing.claim();
    let canonical = Canonical {
        method: &listing.method,
        uri: &listing.uri,
        headers: &listing.headers,
        body: b"",
        signed_headers: &claim.signed_headers,
    };
    assert_eq!(
        canonical.text(),
        "GET\n/\nAction=ListUsers&Version=2010-05-08\n\
         content-type:application/x-www-form-urlencoded; charset=utf-8\nhost:iam.amazonaws.com\n\
         x-amz-date:20150830T123600Z\n\ncontent-type;host;x-amz-date\n\
         e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    assert_eq!(
        canonical.digest(),
        "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
    );
    assert_eq!(listing.check(SECRET), Ok(()));
    assert_eq!(claim.check_service("iam"), Ok(()));
    assert!(matches!(claim.check_service("sts"), Err(SignatureError::WrongScope { .. })));
}

#[test]
fn the_test_suite() {
    let plain = "host;x-amz-date";
    for request in [
        suite(
            Method::GET,
            "/",
            &[],
            "",
            plain,
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        suite(
            Method::GET,
            "/?Param2=value2&Param1=value1",
            &[],
            "",
            plain,
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        // Normalised paths.
        suite(
            Method::GET,
            "//./foo/..",
            &[],
            "",
            plain,
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        suite(
            Method::POST,
            "/",
            &[],
            "",
            plain,
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        suite(
            Method::POST,
            "/",
            &[("content-type", "application/x-www-form-urlencoded")],
            "Param1=value1",
            "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
        suite(
            Method::GET,
            "/",
            &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
            "",
            "host;my-header1;my-header2;x-amz-date",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
    ] {
        assert_eq!(request.check(SECRET), Ok(()), "{} {:?}", request.uri, request.headers);
        assert_eq!(request.check("another"), Err(SignatureError::Mismatch));
    }
}

/// As botocore presigns `sts:GetCallerIdentity`, with long-term and with temporary keys.
fn presigned(more: &str, signature: &str) -> Signed {
    let uri = format!(
        "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&\
         X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fsts%2Faws4_request&\
         X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host{more}&\
         X-Amz-Signature={signature}"
    );
    Signed::new(Method::GET, &uri, &[("host", "sts.amazonaws.com")], "")
}

const PRESIGNED: &str = "1d10ef2bc2bb1b02201752f1912e9eb7a5df0d0d7bd2cc98b1f5557b7a9254be";

#[test]
fn a_presigned_query() {
    let request = presigned("", PRESIGNED);
    assert_eq!(request.check(SECRET), Ok(()));
    assert_eq!(request.claim().token, None);
    let with_token = presigned(
        "&X-Amz-Security-Token=a%2Ftoken%2Bof%3Dbase64",
        "d7e3f8108df02e5df6512b534f0a0548aeca0c26a76655c4ca0769126be5b8f6",
    );
    assert_eq!(with_token.check(SECRET), Ok(()));
    assert_eq!(with_token.claim().token.as_deref(), Some("a/token+of=base64"));
    let other = presigned("&X-Amz-Security-Token=another", PRESIGNED);
    assert_eq!(other.check(SECRET), Err(SignatureError::Mismatch));

    let claim = request.claim();
    assert_eq!(claim.check_time(then() + Duration::from_secs(60)), Ok(()));
    assert!(claim.check_time(then() + Duration::from_secs(61)).is_err());
}

#[test]
fn whatever_is_changed_is_noticed() {
    let good = || {
        suite(
            Method::POST,
            "/",
            &[("content-type", "application/x-www-form-urlencoded")],
            "Param1=value1",
            "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        )
    };
    assert_eq!(good().check(SECRET), Ok(()));
    let changed: [fn(&mut Signed); 5] = [
        |request| request.method = Method::PUT,
        |request| request.uri = Uri::from_static("/?a=b"),
        |request| request.uri = Uri::from_static("/x"),
        |request| request.body = "Param1=value2",
        |request| drop(request.headers.insert("host", HeaderValue::from_static("example.com"))),
    ];
    for change in changed {
        let mut request = good();
        change(&mut request);
        assert_eq!(request.check(SECRET), Err(SignatureError::Mismatch));
    }
    let mut targeted = good();
    targeted.headers.insert("x-amz-target", HeaderValue::from_static("AmazonSSM.StartSession"));
    assert_eq!(targeted.check(SECRET), Err(SignatureError::NotSigned { header: "x-amz-target" }));
}

#[test]
fn clocks_may_differ_by_five_minutes() {
    let request = suite(
        Method::GET,
        "/",
        &[],
        "",
        "host;x-amz-date",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    );
    let claim = request.claim();
    let (near, far) = (Duration::from_secs(300), Duration::from_secs(301));
    for now in [then(), then() + near, then() - near] {
        assert_eq!(claim.check_time(now), Ok(()));
    }
    assert_eq!(
        claim.check_time(then() + far).expect_err("old").to_string(),
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z \
         (20150830T124101Z - 5 min.)"
    );
    assert_eq!(
        claim.check_time(then() - far).expect_err("of the future").to_string(),
        "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z \
         (20150830T123059Z + 5 min.)"
    );
}

#[test]
fn half_a_signature_is_none() {
    let headers = |authorization: &str, date: Option<&str>| {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization.parse().expect("a value"));
        date.map(|date| headers.insert("x-amz-date", date.parse().expect("a value")));
        headers
    };
    let root = Uri::from_static("/");
    assert_eq!(Claim::read(&root, &HeaderMap::new()), Ok(None));
    let date = Some("20150830T123600Z");
    let good = authorization("sts", "host", "00");
    assert!(Claim::read(&root, &headers(&good, date)).is_ok());
    for (authorization, date) in [
        (good.as_str(), None),
        (good.as_str(), Some("20150831T123600Z")),
        (good.as_str(), Some("20151330T123600Z")),
        (good.as_str(), Some("20150830T1236é")),
        ("Basic QTpi", date),
        ("AWS4-HMAC-SHA256", date),
        ("AWS4-HMAC-SHA256 Credential=A/20150830/r/s/aws4_request, SignedHeaders=host", date),
        ("AWS4-HMAC-SHA256 Credential=A/20150830/r/s, SignedHeaders=host, Signature=0", date),
        (
            "AWS4-HMAC-SHA256 Credential=A/20150830/r:s/ssm/aws4_request, SignedHeaders=host, Signature=0",
            date,
        ),
        (
            "AWS4-HMAC-SHA256 Credential=A//r/ssm/aws4_request, SignedHeaders=host, Signature=0",
            date,
        ),
        (&authorization("sts", "x-amz-date;host", "00"), date),
        (&authorization("sts", "host;host", "00"), date),
        (
            "AWS4-HMAC-SHA512 Credential=A/20150830/r/s/aws4_request, SignedHeaders=host, Signature=0",
            date,
        ),
    ] {
        let date = date.filter(|date| date.is_ascii());
        let error = Claim::read(&root, &headers(authorization, date)).expect_err(authorization);
        assert!(matches!(error, SignatureError::Incomplete { .. }), "{authorization}");
    }
    let forever = Uri::from_static("/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=604801");
    assert!(Claim::read(&forever, &HeaderMap::new()).is_err());
}
