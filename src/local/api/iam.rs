//! As much of the IAM API as whoever sets up MFA asks for.

use serde::Serialize;

use super::{
    ApiError, Call,
    query::{Form, date, show},
    resource::Resource,
};
use crate::local::{
    account::{Account, Caller, User},
    service::EmbeddedService,
    signature::SignatureError,
};

/// Performs an operation; `None` when there is none of this name here.
pub fn perform(
    action: &str,
    form: &Form,
    call: &Call<'_>,
    service: &EmbeddedService,
) -> Option<Result<String, ApiError>> {
    Some(match action {
        "GetUser" => get_user(form, call, service),
        "ListMFADevices" => list_mfa_devices(form, call, service),
        _ => return None,
    })
}

fn get_user(form: &Form, call: &Call<'_>, service: &EmbeddedService) -> Result<String, ApiError> {
    let (account, user) = find(form, call, service, "iam:GetUser")?;
    let user = ShownUser {
        path: "/",
        user_name: &user.name,
        user_id: &user.id,
        arn: &user.arn,
        create_date: date(account.created()),
    };
    show("GetUserResult", &GotUser { user })
}

fn list_mfa_devices(
    form: &Form,
    call: &Call<'_>,
    service: &EmbeddedService,
) -> Result<String, ApiError> {
    let (account, user) = find(form, call, service, "iam:ListMFADevices")?;
    let devices = user.mfa.iter().map(|device| Device {
        user_name: &user.name,
        serial_number: &device.serial,
        enable_date: date(account.created()),
    });
    let devices = Members { member: devices.collect() };
    show("ListMFADevicesResult", &Devices { is_truncated: false, mfa_devices: devices })
}

/// The user that is named, or the one who asks, if the caller may know.
fn find<'a>(
    form: &'a Form,
    call: &'a Call<'_>,
    service: &'a EmbeddedService,
    action: &str,
) -> Result<(&'a Account, &'a User), ApiError> {
    // As AWS has it, for keys of GetSessionToken that were got without a code.
    if call.caller().is_some_and(Caller::is_session_without_mfa) {
        return Err(SignatureError::UnknownKey.into());
    }
    let asking = call.caller().and_then(|caller| caller.user());
    let name = form.get("UserName").or(asking).ok_or_else(|| ApiError::Invalid {
        problem: "Must specify userName when calling with non-User credentials".to_owned(),
    })?;
    let (_, id) = call.place();
    let found = service.account().and_then(|account| Some((account, account.user(name)?)));
    let arn = format!("arn:aws:iam::{id}:user/{name}");
    call.authorize(action, &Resource::of_iam(arn, found.map(|(_, user)| &*user.tags)))?;
    found.ok_or_else(|| ApiError::NoSuchUser { name: name.chars().take(64).collect() })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GotUser<'a> {
    user: ShownUser<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownUser<'a> {
    path: &'a str,
    user_name: &'a str,
    user_id: &'a str,
    arn: &'a str,
    create_date: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Devices<'a> {
    is_truncated: bool,
    #[serde(rename = "MFADevices")]
    mfa_devices: Members<Device<'a>>,
}

/// A list, as the query protocol writes it.
#[derive(Serialize)]
struct Members<T> {
    member: Vec<T>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Device<'a> {
    user_name: &'a str,
    serial_number: &'a str,
    enable_date: String,
}

/// Of the API.
pub const VERSION: &str = "2010-05-08";

/// Its name in signatures.
pub const SIGNING_NAME: &str = "iam";

/// Of the answers.
pub const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";
