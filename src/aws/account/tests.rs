use std::time::UNIX_EPOCH;

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_credential_types::{
    Credentials,
    provider::{self, SharedCredentialsProvider, error::CredentialsError, future},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{
    super::{endpoints::Endpoints, http_client::HttpWay},
    *,
};

const TARGET: &str = "i-0123456789abcdef0";
const SESSION: &str = "jane-0a1b2c3d4e5f6a7b8";
const STREAM: &str = "wss://ssmmessages.eu-west-1.amazonaws.com/v1/data-channel/jane-0a1b2c3d4e5f6a7b8?role=publish_subscribe";

fn keys() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "the-secret-key", None, None, "test")
}

/// An account that knows nothing of the machine's environment, files or certificates.
fn account(endpoint: &str, credentials: impl ProvideCredentials + 'static) -> Account {
    let http = HttpWay::trusting_nobody();
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .http_client(http.client())
        .retry_config(RetryConfig::disabled())
        .build();
    Account::new(Configuration {
        region: "eu-west-1".to_owned(),
        profile: "default".to_owned(),
        endpoints: Endpoints { all: Some(endpoint.to_owned()), ..Endpoints::default() },
        endpoint_places: Vec::new(),
        http,
        signs: true,
        sdk,
        authorities: Authorities::default(),
        credentials: CredentialStore::new(credentials),
    })
}

/// Answers every request with the same status and body, and remembers the last request.
struct Server {
    listener: TcpListener,
    status: u16,
    body: String,
    request: String,
}

impl Server {
    async fn new(status: u16, body: impl ToString) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, status, body: body.to_string(), request: String::new() }
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    fn account(&self) -> Account {
        account(&self.endpoint(), keys())
    }

    /// What `call` gives while the server is there.
    async fn during<T>(&mut self, call: impl Future<Output = T>) -> T {
        tokio::select! {
            given = call => given,
            () = self.serve() => unreachable!("it serves for ever"),
        }
    }

    async fn serve(&mut self) {
        loop {
            let (mut socket, _) = self.listener.accept().await.unwrap();
            self.request = read_request(&mut socket).await;
            let (status, body) = (self.status, &self.body);
            let answer = format!(
                "HTTP/1.1 {status} Some\r\ncontent-type: application/x-amz-json-1.1\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    fn body_of_request(&self) -> serde_json::Value {
        let (_, body) = self.request.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }
}

async fn read_request(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let read = socket.read(&mut buffer).await.unwrap();
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8(bytes.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
        });
        if body.len() == length.map_or(0, |length| length.parse().unwrap()) {
            return text;
        }
    }
}

fn a_shell() -> StartSession {
    StartSession { target: TARGET.to_owned(), ..StartSession::default() }
}

async fn failed_start(status: u16, body: impl ToString) -> AwsError {
    let mut server = Server::new(status, body).await;
    let account = server.account();
    server.during(account.start_session(&a_shell())).await.unwrap_err()
}

fn refusal(code: &str, message: &str) -> String {
    serde_json::json!({ "__type": code, "message": message }).to_string()
}

#[tokio::test]
async fn a_session_starts_with_all_that_was_asked_for() {
    let answer = serde_json::json!({
        "SessionId": SESSION, "StreamUrl": STREAM, "TokenValue": "secret-token",
    });
    let mut server = Server::new(200, answer).await;
    let account = server.account();
    let request = StartSession {
        target: TARGET.to_owned(),
        document: Some("AWS-StartPortForwardingSession".to_owned()),
        parameters: [("portNumber".to_owned(), vec!["5432".to_owned()])].into(),
        reason: Some("a look".to_owned()),
    };
    let started = server.during(account.start_session(&request)).await.unwrap();

    assert_eq!((started.session_id.as_str(), started.stream_url.as_str()), (SESSION, STREAM));
    assert_eq!(started.token, Token::new("secret-token"));
    let sent = serde_json::json!({
        "Target": TARGET,
        "DocumentName": "AWS-StartPortForwardingSession",
        "Parameters": { "portNumber": ["5432"] },
        "Reason": "a look",
    });
    assert_eq!(server.body_of_request(), sent);
    let head = server.request.to_ascii_lowercase();
    assert!(head.contains("x-amz-target: amazonssm.startsession\r\n"), "{head}");
    assert!(head.contains("credential=akidexample/"), "{head}");
    assert!(head.contains("/eu-west-1/ssm/aws4_request"), "{head}");
}

#[tokio::test]
async fn a_plain_start_sends_the_target_alone() {
    let answer = serde_json::json!({ "SessionId": "s", "StreamUrl": "u", "TokenValue": "t" });
    let mut server = Server::new(200, answer).await;
    let account = server.account();
    server.during(account.start_session(&a_shell())).await.unwrap();
    assert_eq!(server.body_of_request(), serde_json::json!({ "Target": TARGET }));
}

#[tokio::test]
async fn a_denied_access_is_refused_in_awss_own_words() {
    let words = "User: arn:aws:iam::123456789012:user/jane is not authorized to perform: \
                 ssm:StartSession on resource: arn:aws:ec2:eu-west-1:123456789012:instance/i-0";
    let error = failed_start(400, refusal("AccessDeniedException", words)).await;
    assert!(matches!(error, AwsError::Refused { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("StartSession on {TARGET} was refused: {words} (AccessDeniedException)")
    );
}

#[tokio::test]
async fn an_absent_node_is_not_connected() {
    let words = format!("{TARGET} is not connected.");
    let error = failed_start(400, refusal("TargetNotConnected", &words)).await;
    assert_eq!(
        error,
        AwsError::TargetNotConnected { target: TARGET.to_owned(), message: words.clone() }
    );
    assert_eq!(
        error.to_string(),
        format!("StartSession on {TARGET}: {words} (TargetNotConnected)")
    );
}

#[tokio::test]
async fn a_wrong_request_is_rejected() {
    let words = "1 validation error detected: Value at 'target' failed to satisfy constraint";
    let error = failed_start(400, refusal("ValidationException", words)).await;
    assert!(matches!(error, AwsError::Rejected { .. }), "{error:?}");
    assert!(error.to_string().contains(words), "{error}");

    let error = failed_start(400, refusal("InvalidDocument", "Document x does not exist.")).await;
    assert!(matches!(error, AwsError::Rejected { .. }), "{error:?}");
}

#[tokio::test]
async fn a_busy_service_is_unavailable() {
    let error = failed_start(400, refusal("ThrottlingException", "Rate exceeded")).await;
    assert!(matches!(error, AwsError::Unavailable { .. }), "{error:?}");
    let error = failed_start(500, refusal("InternalServerError", "")).await;
    assert!(matches!(error, AwsError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_no_answer_of_ssm_is_said_to_be_none() {
    let page = "<html>\n<body>Sign in to the network</body></html>";
    for (status, body) in [(200, page), (503, page), (403, ""), (200, "{\"SessionId\":")] {
        let error = failed_start(status, body).await;
        assert!(matches!(error, AwsError::Answer { .. }), "{status} {body}: {error:?}");
        assert!(error.to_string().contains("http://127.0.0.1:"), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    let missing = serde_json::json!({ "SessionId": "s", "StreamUrl": "u" });
    let error = failed_start(200, missing).await;
    assert!(error.to_string().ends_with("stream URL or token is missing"), "{error}");
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let endpoint = Server::new(200, "").await.endpoint();
    let error = account(&endpoint, keys()).start_session(&a_shell()).await.unwrap_err();
    let AwsError::Unreachable { endpoint: named, why, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(named, &endpoint);
    assert!(why.contains("refused"), "{why}");
}

#[tokio::test]
async fn a_resumed_session_has_a_new_token() {
    let answer = serde_json::json!({
        "SessionId": SESSION, "StreamUrl": STREAM, "TokenValue": "new-token",
    });
    let mut server = Server::new(200, answer).await;
    let account = server.account();
    let resumed = server.during(account.resume_session(SESSION)).await.unwrap().unwrap();
    assert_eq!(resumed.token, Token::new("new-token"));
    assert_eq!(resumed.stream_url, STREAM);
    assert_eq!(server.body_of_request(), serde_json::json!({ "SessionId": SESSION }));
}

#[tokio::test]
async fn a_session_without_a_token_is_over() {
    for answer in [
        serde_json::json!({ "SessionId": SESSION, "StreamUrl": STREAM, "TokenValue": "" }),
        serde_json::json!({ "SessionId": SESSION, "TokenValue": null }),
        serde_json::json!({}),
    ] {
        let mut server = Server::new(200, answer).await;
        let account = server.account();
        assert_eq!(server.during(account.resume_session(SESSION)).await, Ok(None));
    }
}

#[tokio::test]
async fn sessions_are_ended_and_unknown_ones_not_found() {
    let mut server = Server::new(200, serde_json::json!({ "SessionId": SESSION })).await;
    let account = server.account();
    server.during(account.terminate_session(SESSION)).await.unwrap();
    assert_eq!(server.body_of_request(), serde_json::json!({ "SessionId": SESSION }));

    let words = "Session does not exist";
    let mut server = Server::new(400, refusal("DoesNotExistException", words)).await;
    let account = server.account();
    let error = server.during(account.terminate_session(SESSION)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("TerminateSession on {SESSION}: {words} (DoesNotExistException)")
    );
    assert!(matches!(error, AwsError::NotFound { .. }), "{error:?}");
}

#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let error = CredentialsError::provider_error("the SSO session has expired");
        future::ProvideCredentials::ready(provider::Result::Err(error))
    }
}

#[tokio::test]
async fn without_credentials_no_call_is_made_and_no_upgrade_signed() {
    let account = account("http://127.0.0.1:9", NoCredentials);
    let error = account.start_session(&a_shell()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no AWS credentials: an error occurred while loading credentials: \
         the SSO session has expired"
    );
    assert!(account.sign_upgrade(&STREAM.parse().unwrap(), UNIX_EPOCH).await.is_empty());
}

#[tokio::test]
async fn upgrades_are_signed_in_the_accounts_region_and_name() {
    let account = account("http://127.0.0.1:9", SharedCredentialsProvider::new(keys()));
    let now = UNIX_EPOCH + Duration::from_secs(1_795_285_805);
    let headers = account.sign_upgrade(&STREAM.parse().unwrap(), now).await;
    let authorization = headers["authorization"].to_str().unwrap();
    assert!(
        authorization.contains("Credential=AKIDEXAMPLE/20261121/eu-west-1/ssmmessages/"),
        "{authorization}"
    );
}

#[tokio::test]
async fn presigned_upgrades_and_those_that_shall_not_be_are_not_signed() {
    let mut account = account("http://127.0.0.1:9", keys());
    let presigned = format!("{STREAM}&X-Amz-Signature=abc").parse().unwrap();
    assert!(account.sign_upgrade(&presigned, UNIX_EPOCH).await.is_empty());

    account.signs = false;
    assert!(account.sign_upgrade(&STREAM.parse().unwrap(), UNIX_EPOCH).await.is_empty());
}

#[tokio::test]
async fn a_data_key_is_asked_for_with_its_context_and_shown_to_nobody() {
    let plaintext = data_encoding::BASE64.encode(&[7; 64]);
    let answer = serde_json::json!({
        "CiphertextBlob": "YmxvYg==", "KeyId": KEY, "Plaintext": plaintext,
    });
    let mut server = Server::new(200, answer).await;
    let account = server.account();
    let context = [("aws:ssm:SessionId".to_owned(), SESSION.to_owned())].into();
    let key = server.during(account.generate_data_key(KEY, context)).await.unwrap();
    assert_eq!((key.toward_client(), key.ciphertext()), (&[7; 32][..], &b"blob"[..]));
    assert!(!format!("{key:?}").contains('7'));
    assert!(server.request.to_ascii_lowercase().contains("trentservice.generatedatakey"));
    assert_eq!(
        server.body_of_request(),
        serde_json::json!({
            "KeyId": KEY,
            "NumberOfBytes": 64,
            "EncryptionContext": {"aws:ssm:SessionId": SESSION},
        })
    );
}

#[tokio::test]
async fn a_key_of_another_length_is_no_key() {
    for (plaintext, why) in [
        ("AAAA", "the data key has 3 bytes instead of 64"),
        ("a key", "the data key is not base64"),
    ] {
        let answer = serde_json::json!({
            "CiphertextBlob": "YmxvYg==", "KeyId": KEY, "Plaintext": plaintext,
        });
        let mut server = Server::new(200, answer).await;
        let account = server.account();
        let error = server.during(account.generate_data_key(KEY, [].into())).await.unwrap_err();
        let endpoint = server.endpoint();
        let text =
            format!("GenerateDataKey on {KEY}: {endpoint} did not answer as KMS does: {why}");
        assert_eq!(error.to_string(), text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_does_not_come_is_given_up_as_other_calls_are() {
    // The system takes connections, and nobody answers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let account = account(&format!("http://{}", listener.local_addr().unwrap()), keys());
    let asked = tokio::time::Instant::now();
    let error = account.generate_data_key(KEY, [].into()).await.unwrap_err();
    assert!(matches!(error, AwsError::Unreachable { .. }), "{error}");
    assert!(asked.elapsed() < Duration::from_secs(31), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_refused_key_is_told_with_the_permission_that_is_missing() {
    let mut server = Server::new(400, refusal("AccessDeniedException", "not authorized")).await;
    let account = server.account();
    let error = server.during(account.generate_data_key(KEY, [].into())).await.unwrap_err();
    let text =
        format!("GenerateDataKey on {KEY} was refused: not authorized (AccessDeniedException)");
    assert_eq!(error.to_string(), text);
    // As with other calls: these keys are a user's own, whose rights may hang on a second factor.
    let step = format!(
        "ask for a policy that allows kms:GenerateDataKey on {KEY} \
         (if it is allowed with MFA only, `ssmport login` is enough)"
    );
    assert_eq!(error.next_step(), Some(step));
}

#[tokio::test]
async fn a_sessions_target_is_looked_up() {
    let answer = serde_json::json!({"Sessions": [{"SessionId": SESSION, "Target": TARGET}]});
    let mut server = Server::new(200, answer).await;
    let account = server.account();
    assert_eq!(server.during(account.session_target(SESSION)).await.unwrap(), TARGET);
    assert_eq!(
        server.body_of_request(),
        serde_json::json!({
            "State": "Active", "Filters": [{"key": "SessionId", "value": SESSION}],
        })
    );
    let mut server = Server::new(200, r#"{"Sessions": []}"#).await;
    let account = server.account();
    let error = server.during(account.session_target(SESSION)).await.unwrap_err();
    assert!(error.to_string().contains("is not among those alive"), "{error}");
}

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234";
