//! An endpoint with an account, and the AWS CLI in its users' hands.

use std::{path::Path, process::Command};

use serde_json::Value;

use super::{
    aws_cli::AwsCli,
    endpoint::Endpoint,
    program::{Finished, Program, command},
    tools::find_tool,
};

/// The endpoint of `examples/account.toml`.
pub struct Account {
    pub endpoint: Endpoint,
    ready: Value,
    aws: AwsCli,
}

/// An access key.
#[derive(Clone, Debug)]
pub struct Keys {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
}

impl Account {
    pub fn start() -> Self {
        Self::with(&example())
    }

    /// Starts one with another account file.
    pub fn with(file: &str) -> Self {
        Self::with_options(file, &[])
    }

    /// As [`with`](Self::with), with more options of the endpoint.
    pub fn with_options(file: &str, options: &[&str]) -> Self {
        let endpoint = Endpoint::with(&[&["--account", file], options].concat());
        let first = endpoint.program.stdout();
        let ready = serde_json::from_str(first.lines().next().expect("a line")).expect("JSON");
        let aws = AwsCli::new(&endpoint);
        Self { endpoint, ready, aws }
    }

    /// The AWS CLI, for any service.
    #[cfg(feature = "aws")]
    pub fn aws(&self) -> &AwsCli {
        &self.aws
    }

    /// What the endpoint has told of a user.
    pub fn told(&self, user: &str) -> &Value {
        let users = self.ready["users"].as_array().expect("users");
        users.iter().find(|told| told["name"] == user).expect("the user")
    }

    /// The keys that were made up for a user.
    pub fn keys(&self, user: &str) -> Keys {
        let told = self.told(user);
        let text = |name: &str| told[name].as_str().unwrap_or_else(|| panic!("{name}")).to_owned();
        Keys { id: text("access_key_id"), secret: text("secret_access_key"), token: None }
    }

    /// `aws SERVICE ARGUMENTS` with these keys, ready to be started.
    pub fn command(&self, keys: &Keys, service: &str, arguments: &[&str]) -> Command {
        let mut aws = self.aws.command_of(service, &self.endpoint.url, arguments);
        aws.env("AWS_ACCESS_KEY_ID", &keys.id).env("AWS_SECRET_ACCESS_KEY", &keys.secret);
        if let Some(token) = &keys.token {
            aws.env("AWS_SESSION_TOKEN", token);
        }
        // For the plugin, and for what a profile makes the CLI call by itself.
        aws.env("AWS_ENDPOINT_URL", &self.endpoint.url);
        aws
    }

    /// Runs `aws SERVICE ARGUMENTS` with these keys.
    pub fn run(&self, keys: &Keys, service: &str, arguments: &[&str]) -> Finished {
        Program::run(self.command(keys, service, arguments))
    }

    /// As [`run`](Self::run): the answer.
    #[track_caller]
    pub fn ask(&self, keys: &Keys, service: &str, arguments: &[&str]) -> Value {
        let answer = self.run(keys, service, arguments).success();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{answer}: {error}"))
    }

    /// As [`run`](Self::run), of what is refused: what the CLI says.
    #[track_caller]
    pub fn refusal(&self, keys: &Keys, service: &str, arguments: &[&str]) -> String {
        let ran = self.run(keys, service, arguments);
        assert!(matches!(ran.code(), 254 | 255), "{ran:#?}");
        assert_eq!(ran.stdout, "");
        ran.stderr.trim().to_owned()
    }

    /// The keys of a user who has shown a code.
    pub fn with_mfa(&self, user: &str) -> Keys {
        let (serial, code) = (mfa_serial(user), mfa_code(user, "now"));
        let arguments = ["get-session-token", "--serial-number", &serial, "--token-code", &code];
        Keys::of(&self.ask(&self.keys(user), "sts", &arguments))
    }
}

impl Keys {
    /// Those in an answer of STS.
    pub fn of(answer: &Value) -> Self {
        let keys = &answer["Credentials"];
        let text =
            |name: &str| keys[name].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        Self {
            id: text("AccessKeyId"),
            secret: text("SecretAccessKey"),
            token: Some(text("SessionToken")),
        }
    }
}

/// The account file that comes with the sources.
pub fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/account.toml");
    path.to_str().expect("a path of Unicode").to_owned()
}

/// A user's device.
pub fn mfa_serial(user: &str) -> String {
    format!("arn:aws:iam::123456789012:mfa/{user}")
}

/// What a user's device shows at a time such as `now + 30 seconds`.
pub fn mfa_code(user: &str, when: &str) -> String {
    let seed = if user == "alice" { "JBSWY3DPEHPK3PXP" } else { "KRSXG5CTMVRXEZLU" };
    let mut oathtool = command(find_tool("oathtool"));
    oathtool.args(["--totp", "-b", "--now", when, seed]);
    Program::run(oathtool).success().trim().to_owned()
}
