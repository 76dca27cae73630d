//! EC2 Instance Connect: a public key that a node takes for the next minute.

use serde::Deserialize;
use serde_json::json;

use super::{account::Account, error::AwsError, operation::Operation, service::Service};

impl Account {
    /// `ec2-instance-connect:SendSSHPublicKey`: `user` of the instance can log in with the key for
    /// 60 seconds.
    ///
    /// # Errors
    /// Any of a call; [`AwsError::Answer`] when the service says that it did not succeed.
    pub async fn push_ssh_key(
        &self,
        instance: &str,
        user: &str,
        public_key: &str,
    ) -> Result<(), AwsError> {
        let operation = Operation::new(Service::InstanceConnect, "SendSSHPublicKey", instance);
        let credentials = self.credentials().await?;
        let input = json!({
            "InstanceId": instance,
            "InstanceOSUser": user,
            "SSHPublicKey": public_key,
        });
        let answer: Answer =
            self.caller.json(operation.clone(), TARGET, input, &credentials).await?;
        if answer.success {
            return Ok(());
        }
        Err(AwsError::Answer {
            operation,
            endpoint: Service::InstanceConnect.title().to_owned(),
            why: "it was not successful".to_owned(),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    success: bool,
}

const TARGET: &str = "AWSEC2InstanceConnectService";
