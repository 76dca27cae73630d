use std::fs;

use super::*;
use crate::local::{Node, account::Account};

/// An account file, and a file of keys beside it.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn keys(&self) -> PathBuf {
        self.0.path().join("keys.toml")
    }

    /// What is shown of the users of this account.
    fn load(&self, account: &str) -> Result<serde_json::Value, String> {
        let path = self.0.path().join("account.toml");
        fs::write(&path, account).expect("written");
        let account = Account::load_with_keys(&path, &self.keys(), &Node::default());
        let account = account.map_err(|error| {
            error.to_string().replace(self.0.path().to_str().expect("Unicode"), "")
        })?;
        Ok(account.users().map(|user| serde_json::json!(user.made_up())).collect())
    }
}

#[test]
fn what_was_made_up_is_the_same_at_the_next_start() {
    let files = Files::new();
    let two = "[users.alice]\nmfa_serial = 'GAHT12345678'\n[users.'b@c.d']\n";
    let first = files.load(two).expect("made up");
    assert!(first[0]["mfa_seed"].is_string() && first[1]["secret_access_key"].is_string());
    assert_eq!(files.load(two).expect("kept"), first);
    // Whom another account does not have is not forgotten, and who is new gets a key.
    let second = files.load("[users.carol]\n").expect("one more");
    assert_ne!(second[0]["access_key_id"], first[0]["access_key_id"]);
    assert_eq!(files.load(two).expect("kept"), first);
    assert_eq!(files.load("[users.carol]\n").expect("kept"), second);
}

#[test]
fn what_the_account_file_gives_goes_before_and_is_not_written() {
    let files = Files::new();
    let made_up = files.load("[users.alice]\n").expect("made up");
    let given = "[users.alice]\nsecret_access_key = 'of the file'\n[users.bob]\n\
                 access_key_id = 'AKIABOB0000000000000'\nsecret_access_key = 'of bob'\n";
    let shown = files.load(given).expect("given");
    assert_eq!(shown[0]["access_key_id"], made_up[0]["access_key_id"]);
    assert!(shown[0]["secret_access_key"].is_null() && shown[1]["secret_access_key"].is_null());
    let kept = fs::read_to_string(files.keys()).expect("kept");
    assert!(!kept.contains("of the file") && !kept.contains("bob"), "{kept}");
}

#[cfg(unix)]
#[test]
fn it_is_its_users_alone_or_not_used() {
    use std::os::unix::fs::PermissionsExt;

    let files = Files::new();
    files.load("[users.alice]\n").expect("made up");
    let mode = || fs::metadata(files.keys()).expect("kept").permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    let text = fs::read_to_string(files.keys()).expect("kept");
    for open in [0o640, 0o602] {
        fs::set_permissions(files.keys(), PermissionsExt::from_mode(open)).expect("changed");
        let error = files.load("[users.alice]\n").expect_err("open to others");
        assert!(error.starts_with("/keys.toml: others have access to it"), "{error}");
    }
    assert_eq!(fs::read_to_string(files.keys()).expect("kept"), text);
    fs::remove_file(files.keys()).expect("removed");
    rustix::fs::mkfifoat(rustix::fs::CWD, files.keys(), rustix::fs::Mode::RUSR).expect("a pipe");
    let error = files.load("[users.alice]\n").expect_err("a pipe");
    assert!(error.starts_with("/keys.toml: "), "{error}");
}

#[test]
fn errors_name_the_line_and_no_secret() {
    let files = Files::new();
    files.load("").expect("made");
    let error = |text: &str| {
        fs::write(files.keys(), text).expect("written");
        files.load("[users.alice]\n[users.bob]\n").expect_err(text)
    };
    assert!(error("[users.a]\nkey = 'x'").starts_with("/keys.toml:2: key: unknown field"));
    let broken = error("[users.alice]\nsecret_access_key = hidden");
    assert!(broken.starts_with("/keys.toml:2: ") && !broken.contains("hidden"), "{broken}");
    let same = "access_key_id = 'AKIA0000000000000000'";
    assert_eq!(
        error(&format!("[users.alice]\n{same}\n[users.bob]\n{same}")),
        "/keys.toml: bob has the access key of alice"
    );
}
