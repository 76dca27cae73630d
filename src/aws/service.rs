//! The services of AWS that are called, by their several names.

/// A service of AWS.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Service {
    /// Systems Manager: sessions and managed nodes.
    Ssm,
    /// Session Manager's message gateway: the data channels.
    SsmMessages,
    /// The keys of encrypted sessions.
    Kms,
    /// Identities and temporary credentials.
    Sts,
    /// Instances: their names, tags and addresses.
    Ec2,
    /// Users' MFA devices.
    Iam,
    /// Containers and their tasks.
    Ecs,
    /// Keys for one SSH login.
    InstanceConnect,
}

impl Service {
    pub(super) const ALL: [Self; 8] = [
        Self::Ssm,
        Self::SsmMessages,
        Self::Kms,
        Self::Sts,
        Self::Ec2,
        Self::Iam,
        Self::Ecs,
        Self::InstanceConnect,
    ];

    /// As policies, signatures and host names have it, for example `ssm`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ssm => "ssm",
            Self::SsmMessages => "ssmmessages",
            Self::Kms => "kms",
            Self::Sts => "sts",
            Self::Ec2 => "ec2",
            Self::Iam => "iam",
            Self::Ecs => "ecs",
            Self::InstanceConnect => "ec2-instance-connect",
        }
    }

    /// As people have it, for example `SSM`.
    pub fn title(self) -> &'static str {
        match self {
            Self::Ssm => "SSM",
            Self::SsmMessages => "Session Manager",
            Self::Kms => "KMS",
            Self::Sts => "STS",
            Self::Ec2 => "EC2",
            Self::Iam => "IAM",
            Self::Ecs => "ECS",
            Self::InstanceConnect => "EC2 Instance Connect",
        }
    }

    /// As the configuration has it: in `AWS_ENDPOINT_URL_...` in capitals, in a profile's
    /// `services` as it is.
    pub fn id(self) -> &'static str {
        match self {
            Self::InstanceConnect => "ec2_instance_connect",
            _ => self.name(),
        }
    }
}
