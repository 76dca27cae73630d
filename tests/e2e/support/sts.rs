//! AWS's STS and IAM as far as MFA goes, with a list of the codes that are good.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use http::{Request, Response};
use hyper::body::Bytes;

use super::HttpServer;

/// The service. Each of its codes is good for one use.
pub struct Sts {
    pub url: String,
    state: Arc<Mutex<State>>,
    _server: HttpServer,
}

#[derive(Default)]
struct State {
    codes: Vec<String>,
    /// How long what is issued next holds, whatever is asked for.
    lifetimes: VecDeque<Duration>,
    /// Operations that were called, each with its parameters.
    calls: Vec<(String, BTreeMap<String, String>)>,
    /// Keys that were issued: who they are, and whether with a code.
    issued: BTreeMap<String, (String, bool)>,
}

type Parameters = BTreeMap<String, String>;

impl Sts {
    /// One that takes these codes.
    pub fn start(codes: &[&str]) -> Self {
        let codes = codes.iter().map(|&code| code.to_owned()).collect();
        let state = Arc::new(Mutex::new(State { codes, ..State::default() }));
        let server = HttpServer::start({
            let state = Arc::clone(&state);
            move |request| lock(&state).answer(&request)
        });
        Self { url: server.url.clone(), state, _server: server }
    }

    /// Has what is issued next expire so soon.
    pub fn issue_next_for(&self, lifetime: Duration) {
        lock(&self.state).lifetimes.push_back(lifetime);
    }

    /// How often an operation was called.
    pub fn count(&self, operation: &str) -> usize {
        lock(&self.state).calls.iter().filter(|(name, _)| name == operation).count()
    }

    /// The parameters of the last call of an operation.
    pub fn last(&self, operation: &str) -> Parameters {
        let state = lock(&self.state);
        let found = state.calls.iter().rev().find(|(name, _)| name == operation);
        found.unwrap_or_else(|| panic!("{operation} was not called")).1.clone()
    }
}

impl State {
    fn answer(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        let form = form_urlencoded::parse(request.body());
        let parameters: Parameters = form.into_owned().collect();
        let operation = parameters["Action"].clone();
        let signature = request.headers()["authorization"].to_str().expect("a signature");
        let key = signature.split("Credential=").nth(1).and_then(|rest| rest.split('/').next());
        let key = key.expect("a key").to_owned();
        let result = self.call(&operation, &parameters, &key);
        self.calls.push((operation.clone(), parameters));
        let (status, body) = match result {
            Ok(result) => (
                200,
                format!(
                    "<{operation}Response><{operation}Result>{result}</{operation}Result>\
                     <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>\
                     </{operation}Response>"
                ),
            ),
            Err(message) => (
                403,
                format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
                     <Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
                ),
            ),
        };
        let response = Response::builder().status(status).header("content-type", "text/xml");
        response.body(body.into()).expect("a response")
    }

    fn call(
        &mut self,
        operation: &str,
        parameters: &Parameters,
        key: &str,
    ) -> Result<String, &'static str> {
        let given = |name: &str| parameters.get(name).map(String::as_str);
        let user = (USER.to_owned(), false);
        let (arn, with_mfa) = self.issued.get(key).cloned().unwrap_or(user);
        let has_code = match given("SerialNumber") {
            None => false,
            Some(serial) => {
                let code = self.codes.iter().position(|code| Some(&**code) == given("TokenCode"));
                self.codes.remove(code.filter(|_| serial == DEVICE).ok_or(WRONG_CODE)?);
                true
            }
        };
        match operation {
            "GetCallerIdentity" => {
                Ok(format!("<Arn>{arn}</Arn><UserId>1</UserId><Account>{ACCOUNT}</Account>"))
            }
            "ListMFADevices" => Ok(format!(
                "<MFADevices><member><UserName>alice</UserName>\
                 <SerialNumber>{DEVICE}</SerialNumber>\
                 <EnableDate>2026-01-01T00:00:00Z</EnableDate></member></MFADevices>\
                 <IsTruncated>false</IsTruncated>"
            )),
            "GetSessionToken" => Ok(self.issue(arn, has_code, given("DurationSeconds"), 43200)),
            "AssumeRole" if !has_code && !with_mfa && given("RoleArn") == Some(GUARDED) => {
                Err("User: arn is not authorized to perform: sts:AssumeRole on resource: role")
            }
            "AssumeRole" => {
                let role = given("RoleArn").and_then(|arn| arn.rsplit('/').next()).expect("a role");
                let name = given("RoleSessionName").expect("a name");
                let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}");
                let who = format!(
                    "<AssumedRoleUser><Arn>{arn}</Arn>\
                     <AssumedRoleId>AROA:{name}</AssumedRoleId></AssumedRoleUser>"
                );
                Ok(who + &self.issue(arn, with_mfa, given("DurationSeconds"), 3600))
            }
            other => panic!("{other} was called"),
        }
    }

    fn issue(&mut self, arn: String, mfa: bool, asked: Option<&str>, default: u64) -> String {
        let key = format!("ASIA{:016}", self.issued.len());
        self.issued.insert(key.clone(), (arn, mfa));
        let asked = asked.map_or(default, |seconds| seconds.parse().expect("a number"));
        let lifetime = self.lifetimes.pop_front().unwrap_or(Duration::from_secs(asked));
        let expiration = humantime::format_rfc3339_seconds(SystemTime::now() + lifetime);
        format!(
            "<Credentials><AccessKeyId>{key}</AccessKeyId>\
             <SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>{TOKEN}</SessionToken>\
             <Expiration>{expiration}</Expiration></Credentials>"
        )
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is issued beside the key, and to be seen nowhere.
pub const SECRET: &str = "stub-secret-access-key";
pub const TOKEN: &str = "stub-session-token";
pub const ACCOUNT: &str = "123456789012";
pub const USER: &str = "arn:aws:iam::123456789012:user/alice";
/// The user's device.
pub const DEVICE: &str = "arn:aws:iam::123456789012:mfa/alice";
/// A role that nobody assumes without a code.
pub const GUARDED: &str = "arn:aws:iam::123456789012:role/guarded";
/// What is said of codes that are wrong, or were used.
pub const WRONG_CODE: &str =
    "MultiFactorAuthentication failed with invalid MFA one time pass code. ";
