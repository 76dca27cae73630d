//! IAM: the MFA devices of a user.

use aws_credential_types::Credentials;
use serde::Deserialize;

use super::{
    account::Account, call::Caller, error::AwsError, operation::Operation, service::Service,
};

impl Caller {
    /// `iam:ListMFADevices`: the serial numbers of the devices of the user whose long-term
    /// `credentials` these are.
    ///
    /// # Errors
    /// Any of a call. Policies that demand MFA for everything else allow this one, as a rule.
    pub(super) async fn mfa_devices(
        &self,
        credentials: &Credentials,
    ) -> Result<Vec<String>, AwsError> {
        let operation = Operation::new(Service::Iam, "ListMFADevices", "");
        let answer: Answer = self.query(operation, VERSION, [], credentials).await?;
        let devices = answer.list_mfa_devices_result.mfa_devices.member;
        Ok(devices.into_iter().map(|device| device.serial_number).collect())
    }
}

impl Account {
    /// `iam:ListMFADevices`: the serial numbers of the caller's own devices.
    ///
    /// # Errors
    /// Any of a call.
    pub async fn mfa_devices(&self) -> Result<Vec<String>, AwsError> {
        self.caller.mfa_devices(&self.credentials().await?).await
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(rename = "ListMFADevicesResult")]
    list_mfa_devices_result: Found,
}

#[derive(Deserialize)]
struct Found {
    #[serde(rename = "MFADevices", default)]
    mfa_devices: Devices,
}

#[derive(Deserialize, Default)]
struct Devices {
    #[serde(default)]
    member: Vec<Device>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Device {
    serial_number: String,
}

const VERSION: &str = "2010-05-08";

#[cfg(test)]
mod tests {
    use super::*;

    fn serials(devices: &str) -> Vec<String> {
        let text = format!(
            "<ListMFADevicesResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\
             <ListMFADevicesResult><IsTruncated>false</IsTruncated>{devices}\
             </ListMFADevicesResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>\
             </ListMFADevicesResponse>"
        );
        let answer: Answer = quick_xml::de::from_str(&text).unwrap();
        let devices = answer.list_mfa_devices_result.mfa_devices.member;
        devices.into_iter().map(|device| device.serial_number).collect()
    }

    #[test]
    fn none_one_and_several_devices_are_read() {
        let device = |name: &str| {
            format!(
                "<member><UserName>jane</UserName><SerialNumber>{name}</SerialNumber>\
                 <EnableDate>2026-01-01T00:00:00Z</EnableDate></member>"
            )
        };
        assert_eq!(serials("<MFADevices/>"), [""; 0]);
        assert_eq!(serials(""), [""; 0]);
        let one = format!("<MFADevices>{}</MFADevices>", device("a"));
        assert_eq!(serials(&one), ["a"]);
        let two = format!("<MFADevices>{}{}</MFADevices>", device("a"), device("b"));
        assert_eq!(serials(&two), ["a", "b"]);
    }
}
