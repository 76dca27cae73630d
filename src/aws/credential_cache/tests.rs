use tempfile::TempDir;

use super::*;

const NONE: Duration = Duration::ZERO;

/// 2026-11-21 18:30:05 UTC.
fn expiration() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_285_805)
}

fn issued() -> Issued {
    Issued {
        access_key_id: "ASIAEXAMPLE".to_owned(),
        secret_access_key: "the-secret-key".to_owned(),
        session_token: "the-token".to_owned(),
        expiration: expiration(),
        assumed_role: Some(AssumedRole {
            id: "AROAEXAMPLE:alice".to_owned(),
            arn: "arn:aws:sts::123456789012:assumed-role/operator/alice".to_owned(),
        }),
    }
}

fn role() -> RoleRequest {
    RoleRequest { arn: ROLE.to_owned(), ..RoleRequest::default() }
}

const ROLE: &str = "arn:aws:iam::123456789012:role/operator";

/// A folder that is not there yet, as in a new home directory.
fn cache() -> (TempDir, CredentialCache, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("cli").join("cache");
    (home, CredentialCache::at(&folder), folder)
}

#[test]
fn a_role_has_the_key_that_botocore_gives_it() {
    // Both made by botocore's rule, with Python.
    assert_eq!(Key::of_role(&role(), None).0, "0de3a54b2f3eb42628b7a2e08b9bbb5f71334700");
    let whole = RoleRequest {
        session_name: Some("alice".to_owned()),
        external_id: Some("a\"b\\ü\u{1f600}\t\u{7f}".to_owned()),
        duration: Some(Duration::from_secs(900)),
        ..role()
    };
    let key = Key::of_role(&whole, Some("arn:aws:iam::123456789012:mfa/alice"));
    assert_eq!(key.0, "86d8daca5c998a58ac4cd0985a518360b000aa2c");
}

#[test]
fn what_is_kept_is_found_until_it_expires() {
    let (_home, cache, folder) = cache();
    let key = Key::of_role(&role(), None);
    assert_eq!(cache.find(&key, NONE, UNIX_EPOCH), None);
    cache.keep(&key, &issued());
    let before = |seconds| expiration() - Duration::from_secs(seconds);
    assert_eq!(cache.find(&key, NONE, before(1)), Some(issued()));
    assert_eq!(cache.find(&key, NONE, before(0)), None);
    let window = Duration::from_secs(900);
    assert_eq!(cache.find(&key, window, before(901)), Some(issued()));
    assert_eq!(cache.find(&key, window, before(900)), None);
    let names: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, [format!("{}.json", key.0).as_str()], "and nothing beside it");
}

#[test]
fn an_entry_is_json_as_botocore_writes_it() {
    let (_home, cache, folder) = cache();
    let key = Key::of_session("AKIAEXAMPLE");
    cache.keep(&key, &issued());
    let text = fs::read_to_string(folder.join(format!("{}.json", key.0))).unwrap();
    let expected = serde_json::json!({
        "Credentials": {
            "AccessKeyId": "ASIAEXAMPLE",
            "SecretAccessKey": "the-secret-key",
            "SessionToken": "the-token",
            "Expiration": "2026-11-21T18:30:05UTC",
            "AccountId": "123456789012",
        },
        "AssumedRoleUser": {
            "AssumedRoleId": "AROAEXAMPLE:alice",
            "Arn": "arn:aws:sts::123456789012:assumed-role/operator/alice",
        },
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
}

#[cfg(unix)]
#[test]
fn entries_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_home, cache, folder) = cache();
    let key = Key::of_session("AKIAEXAMPLE");
    cache.keep(&key, &issued());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.join(format!("{}.json", key.0))), 0o600);
    assert_eq!(mode(&folder), 0o700);
}

#[test]
fn what_is_no_entry_is_left_out_and_replaced() {
    let (_home, cache, folder) = cache();
    let key = Key::of_session("AKIAEXAMPLE");
    cache.keep(&key, &issued());
    let path = folder.join(format!("{}.json", key.0));
    let whole = fs::read(&path).unwrap();
    let no_date = String::from_utf8(whole.clone()).unwrap().replace("2026", "soon");
    for content in [&b""[..], b"{", b"[]", b"{}", b"\xff\xfe", &whole[..80], no_date.as_bytes()] {
        fs::write(&path, content).unwrap();
        assert_eq!(cache.find(&key, NONE, UNIX_EPOCH), None, "{content:?}");
    }
    cache.keep(&key, &issued());
    assert_eq!(cache.find(&key, NONE, UNIX_EPOCH), Some(issued()));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(cache.find(&key, NONE, UNIX_EPOCH), None, "a folder");
}

#[tokio::test]
async fn without_a_folder_everything_is_as_if_it_were_empty() {
    let (home, _, _) = cache();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    for cache in [CredentialCache::default(), CredentialCache::at(&file.join("cache"))] {
        let key = Key::of_session("AKIAEXAMPLE");
        assert!(cache.lock(&key, || unreachable!("nobody is before us")).await.is_none());
        cache.keep(&key, &issued());
        assert_eq!(cache.find(&key, NONE, UNIX_EPOCH), None);
    }
}

#[tokio::test]
async fn whoever_comes_second_waits_and_hears_of_it() {
    let (_home, cache, _) = cache();
    let key = Key::of_session("AKIAEXAMPLE");
    let first = cache.lock(&key, || unreachable!("nobody is before us")).await.unwrap();
    let (tell, waits) = tokio::sync::oneshot::channel();
    let second = cache.lock(&key, || tell.send(()).unwrap());
    let release = async {
        waits.await.unwrap();
        drop(first);
    };
    assert!(tokio::join!(second, release).0.is_some());
}

#[test]
fn no_secret_shows_in_what_is_logged() {
    let shown = format!("{:?}", issued());
    assert!(!shown.contains("the-secret-key") && !shown.contains("the-token"), "{shown}");
}
