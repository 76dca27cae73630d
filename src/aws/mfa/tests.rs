use std::sync::atomic::AtomicUsize;

use super::*;
use crate::aws::{Operation, Service};

/// Somebody who gives these answers, one after the other.
#[derive(Debug)]
struct Somebody {
    answers: Vec<Result<&'static str, io::ErrorKind>>,
    asked: AtomicUsize,
    is_open: bool,
}

impl Prompt for Somebody {
    fn is_open(&self) -> bool {
        self.is_open
    }

    fn ask(&self, question: &str) -> io::Result<Zeroizing<String>> {
        let turn = self.asked.fetch_add(1, Ordering::Relaxed);
        let again = if turn > 0 { "Not accepted. " } else { "" };
        assert_eq!(question, format!("{again}MFA code for arn:mfa/alice: "));
        match self.answers[turn] {
            Ok(answer) => Ok(Zeroizing::new(answer.to_owned())),
            Err(kind) => Err(kind.into()),
        }
    }
}

fn somebody(answers: &[Result<&'static str, io::ErrorKind>]) -> Mfa {
    let answers = answers.to_vec();
    let prompt = Somebody { answers, asked: AtomicUsize::new(0), is_open: true };
    Mfa { prompt: Some(Arc::new(prompt)), ..Mfa::default() }
}

fn busy() -> Arc<dyn Prompt> {
    Arc::new(Somebody { answers: Vec::new(), asked: AtomicUsize::new(0), is_open: false })
}

fn device(process: Option<&str>) -> Device {
    Device { serial: "arn:mfa/alice".to_owned(), process: process.map(str::to_owned) }
}

fn wrong_code() -> AwsError {
    AwsError::Refused {
        operation: Operation::new(Service::Sts, "GetSessionToken", "arn:mfa/alice"),
        code: "AccessDenied".to_owned(),
        message: REFUSAL.to_owned(),
        is_long_term: true,
    }
}

fn wrong(message: &str) -> MfaError {
    MfaError::Wrong { serial: "arn:mfa/alice".to_owned(), message: message.to_owned() }
}

/// The codes that are tried when AWS accepts none, and the error in the end.
async fn tried(mfa: Mfa, process: Option<&str>) -> (Vec<String>, MfaError) {
    let (codes, device) = (Codes::new(mfa), device(process));
    let mut attempts = codes.of(&device);
    let mut tried = Vec::new();
    loop {
        match attempts.next().await {
            Ok(code) => tried.push(code.to_string()),
            Err(error) => return (tried, error),
        }
        attempts.refused(wrong_code()).unwrap();
    }
}

#[tokio::test]
async fn somebody_is_asked_three_times_at_most() {
    let mfa = somebody(&[Ok(" 123456 "), Ok("12345"), Ok("234567")]);
    // What is no code is not sent, but counts.
    assert_eq!(tried(mfa, None).await, (vec!["123456".into(), "234567".into()], wrong(REFUSAL)));
    let mfa = somebody(&[Ok(""), Ok("abcdef"), Ok("1234567")]);
    assert_eq!(tried(mfa, None).await, (vec![], wrong(NOT_A_CODE)));
}

#[tokio::test]
async fn what_is_given_or_made_is_tried_once() {
    let given = Mfa { code: Some("123456".to_owned()), ..somebody(&[]) };
    assert_eq!(tried(given, None).await, (vec!["123456".into()], wrong(REFUSAL)));
    let malformed = Mfa { code: Some("12345".to_owned()), ..somebody(&[]) };
    assert_eq!(tried(malformed, None).await, (vec![], wrong(NOT_A_CODE)));
    let made = tried(somebody(&[]), Some("echo 234567")).await;
    assert_eq!(made, (vec!["234567".into()], wrong(REFUSAL)));
    let typed = Mfa { process: Some("echo 345678".to_owned()), ..Mfa::default() };
    let made = tried(typed, Some("echo 234567")).await;
    assert_eq!(made, (vec!["345678".into()], wrong(REFUSAL)));
}

#[tokio::test]
async fn a_given_code_is_good_for_one_call() {
    let codes = Codes::new(Mfa { code: Some("123456".to_owned()), ..Mfa::default() });
    let device = device(None);
    assert_eq!(codes.check(&device), Ok(()));
    assert_eq!(&**codes.of(&device).next().await.as_ref().unwrap(), "123456");
    let none = MfaError::NoTerminal { serial: device.serial.clone() };
    assert_eq!(codes.check(&device), Err(none.clone()));
    assert_eq!(codes.of(&device).next().await, Err(none));
}

#[tokio::test]
async fn once_a_session_has_the_terminal_nobody_is_asked() {
    let mfa = Mfa { prompt: Some(busy()), ..Mfa::default() };
    assert_eq!(Codes::new(mfa.clone()).check(&device(None)), Err(MfaError::Expired));
    assert_eq!(tried(mfa, None).await, (vec![], MfaError::Expired));
}

/// Of the drop-in, which must not wait for anybody.
#[tokio::test]
async fn without_a_prompt_the_profiles_program_is_not_run() {
    let (tried, error) = tried(Mfa::default(), Some("echo 123456")).await;
    assert!(tried.is_empty() && matches!(error, MfaError::NoTerminal { .. }), "{error}");
}

#[tokio::test]
async fn what_becomes_of_the_question_is_told() {
    for (kind, expected) in [
        (io::ErrorKind::Interrupted, MfaError::Interrupted),
        (io::ErrorKind::NotFound, MfaError::NoTerminal { serial: "arn:mfa/alice".to_owned() }),
    ] {
        assert_eq!(tried(somebody(&[Err(kind)]), None).await, (vec![], expected));
    }
    let (_, error) = tried(somebody(&[Err(io::ErrorKind::UnexpectedEof)]), None).await;
    assert!(matches!(error, MfaError::Terminal { .. }), "{error}");
}

#[test]
fn other_refusals_are_not_about_the_code() {
    let codes = Codes::new(Mfa::default());
    let other = AwsError::Refused {
        operation: Operation::new(Service::Sts, "AssumeRole", "arn:role"),
        code: "AccessDenied".to_owned(),
        message: "User: arn:user is not authorized to perform: sts:AssumeRole".to_owned(),
        is_long_term: true,
    };
    assert_eq!(codes.of(&device(None)).refused(other.clone()), Err(other));
}

#[tokio::test]
async fn a_program_prints_a_code_and_nothing_else() {
    let long = Duration::from_secs(20);
    let code = run("printf ' 123456 \\r\\n'; echo touch the key >&2", false, long).await;
    assert_eq!(&**code.as_ref().unwrap(), "123456");
    for (command, why) in [
        ("echo the secret 123456", "it prints no code of six digits"),
        ("true", "it prints no code of six digits"),
        ("yes 123456", "it prints no code of six digits"),
        ("exit 3", "it failed: exit status: 3"),
        ("cat; exit 4", "it failed: exit status: 4"),
    ] {
        let error = run(command, false, long).await.unwrap_err();
        assert_eq!(error.to_string(), why, "{command}");
    }
    let slow = run("exec sleep 60", false, Duration::from_millis(10)).await;
    assert_eq!(slow.unwrap_err().to_string(), "no code within 0 s");
}

const REFUSAL: &str = "MultiFactorAuthentication failed with invalid MFA one time pass code. ";
