//! Addresses of services that can be typed.

use clap::Args;

/// Addresses that were typed.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "AWS")]
pub(crate) struct EndpointArgs {
    /// Address of every service that is not given one of its own: that of `ssmport local`, say.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// Address of SSM, which starts sessions and knows the nodes.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) ssm_endpoint: Option<String>,
    /// Address of Session Manager's message gateway, which carries the sessions: it takes the place of
    /// the host that AWS names.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) ssmmessages_endpoint: Option<String>,
    /// Address of KMS, for encrypted sessions.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) kms_endpoint: Option<String>,
    /// Address of STS, for roles and MFA.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) sts_endpoint: Option<String>,
    /// Address of EC2, for names, tags and addresses of instances.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) ec2_endpoint: Option<String>,
}

impl EndpointArgs {
    /// The options with what they were given.
    pub(crate) fn options(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let options = [
            ("--endpoint-url", &self.endpoint_url),
            ("--ssm-endpoint", &self.ssm_endpoint),
            ("--ssmmessages-endpoint", &self.ssmmessages_endpoint),
            ("--kms-endpoint", &self.kms_endpoint),
            ("--sts-endpoint", &self.sts_endpoint),
            ("--ec2-endpoint", &self.ec2_endpoint),
        ];
        options.into_iter().filter_map(|(option, url)| Some((option, url.as_ref()?)))
    }

    /// For the calls.
    #[cfg(feature = "aws")]
    pub(crate) fn given(&self) -> crate::aws::Endpoints {
        use crate::aws::{Endpoints, Service};
        Endpoints { all: self.endpoint_url.clone(), ..Endpoints::default() }
            .with(Service::Ssm, self.ssm_endpoint.clone())
            .with(Service::SsmMessages, self.ssmmessages_endpoint.clone())
            .with(Service::Kms, self.kms_endpoint.clone())
            .with(Service::Sts, self.sts_endpoint.clone())
            .with(Service::Ec2, self.ec2_endpoint.clone())
    }
}
