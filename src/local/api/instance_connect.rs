//! The API of EC2 Instance Connect: a public key that a node's SSH server takes for one minute.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, Call, json::read, resource::Resource};
use crate::local::service::EmbeddedService;

/// Performs an operation; `None` when there is none of this name here.
pub fn perform(
    operation: &str,
    call: &Call<'_>,
    service: &EmbeddedService,
) -> Option<Result<Value, ApiError>> {
    Some(match operation {
        "SendSSHPublicKey" => send_ssh_public_key(call, service),
        _ => return None,
    })
}

fn send_ssh_public_key(call: &Call<'_>, service: &EmbeddedService) -> Result<Value, ApiError> {
    let body: KeyBody = read(call.request.body)?;
    if !is_user(&body.user) {
        let pattern =
            "Member must satisfy regular expression pattern: [A-Za-z_][A-Za-z0-9@._-]{0,30}";
        return Err(ApiError::constraint("instanceOSUser", pattern));
    }
    if !is_key(&body.key) {
        let form = "Member must be a public key of type ssh-rsa or ssh-ed25519, in one line";
        return Err(ApiError::constraint("sSHPublicKey", form));
    }
    let instance = Resource::target(&body.instance, call, service);
    let keys = [("ec2:osuser", &*body.user)];
    call.authorize_with("ec2-instance-connect:SendSSHPublicKey", &instance, &keys)?;
    if !service.node(&body.instance).is_some_and(|node| node.ec2) {
        return Err(ApiError::NoSuchInstance { id: body.instance.chars().take(64).collect() });
    }
    let pushed = service.pushed_keys().ok_or_else(|| ApiError::Invalid {
        problem: "This local endpoint has nowhere to put keys: start it with --pushed-keys"
            .to_owned(),
    })?;
    pushed.push(&body.user, &body.key, call.request.now)?;
    Ok(json!({ "RequestId": call.request.id, "Success": true }))
}

/// It becomes the name of a file.
fn is_user(name: &str) -> bool {
    let may_begin = |c: char| c.is_ascii_alphabetic() || c == '_';
    let may_follow = |c: char| c.is_ascii_alphanumeric() || "@._-".contains(c);
    (1..=31).contains(&name.len()) && name.starts_with(may_begin) && name.chars().all(may_follow)
}

/// Nothing before the key's type: that would be options of `authorized_keys`.
fn is_key(key: &str) -> bool {
    let mut words = key.trim_end().split(' ');
    let is_known = words.next().is_some_and(|kind| ["ssh-rsa", "ssh-ed25519"].contains(&kind));
    let is_base64 = |word: &str| data_encoding::BASE64.decode(word.as_bytes()).is_ok();
    (80..=4096).contains(&key.len())
        && is_known
        && words.next().is_some_and(is_base64)
        && !key.trim_end().contains(char::is_control)
}

#[derive(Deserialize)]
struct KeyBody {
    #[serde(rename = "InstanceId")]
    instance: String,
    #[serde(rename = "InstanceOSUser")]
    user: String,
    #[serde(rename = "SSHPublicKey")]
    key: String,
}

/// What its operations' names begin with.
pub const TARGET: &str = "AWSEC2InstanceConnectService";

/// Its name in signatures.
pub const SIGNING_NAME: &str = "ec2-instance-connect";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_names_of_files_and_keys_one_line_without_options() {
        for name in ["ec2-user", "_x", "a.b@c"] {
            assert!(is_user(name), "{name}");
        }
        for name in ["", ".", "..", "../etc", "a/b", "-a", "a b", &"a".repeat(32)] {
            assert!(!is_user(name), "{name}");
        }
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAx me";
        assert!(is_key(key) && is_key(&format!("{key}\n")));
        for key in [
            "",
            &format!("command=\"sh\" {key}"),
            &format!("{key}\n{key}"),
            &key.replace("AAAA", "****"),
            &key.replace("ed25519", "dss"),
        ] {
            assert!(!is_key(key), "{key}");
        }
    }
}
