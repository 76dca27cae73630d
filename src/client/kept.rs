//! What the service would keep of a process that is killed.

#[cfg(all(unix, feature = "aws"))]
use crate::{
    aws::{Service, Settings},
    reaper::{Entrusted, Remnant, Session},
};

/// A session that runs: while this is there, its end is seen to if this process is killed, where programs have
/// [a reaper](crate::reaper).
#[must_use]
pub(crate) struct Kept {
    #[cfg(all(unix, feature = "aws"))]
    _entrusted: Option<Entrusted>,
}

impl Kept {
    /// Of a session that ends with this process.
    pub(super) fn by_nobody() -> Self {
        Self {
            #[cfg(all(unix, feature = "aws"))]
            _entrusted: None,
        }
    }

    /// Of a session in an account that is called with these settings.
    #[cfg(all(unix, feature = "aws"))]
    pub(super) fn by_account(settings: &Settings, session_id: &str) -> Self {
        let session = std::env::current_dir().map(|folder| Session {
            id: session_id.to_owned(),
            options: options(settings),
            folder,
        });
        Self { _entrusted: session.ok().map(|session| Entrusted::new(Remnant::Session(session))) }
    }
}

/// The options of the command line that say the same as `settings`, as far as ending a session needs it. What the
/// environment and the files say is read there again.
#[cfg(all(unix, feature = "aws"))]
fn options(settings: &Settings) -> Vec<String> {
    let endpoints = &settings.endpoints;
    let options = [
        ("profile", settings.profile.as_deref()),
        ("region", settings.region.as_deref()),
        ("mfa-serial", settings.mfa.serial.as_deref()),
        ("endpoint-url", endpoints.all.as_deref()),
        ("ssm-endpoint", endpoints.own(Service::Ssm)),
        ("sts-endpoint", endpoints.own(Service::Sts)),
    ];
    let given = options.into_iter().filter_map(|(name, value)| Some((name, value?)));
    given.map(|(name, value)| format!("--{name}={value}")).collect()
}

#[cfg(all(test, unix, feature = "aws", feature = "cli"))]
mod tests {
    use super::*;
    use crate::aws::{Endpoints, Mfa};

    /// One value that begins with a dash, as no option does.
    #[test]
    fn an_accounts_settings_are_said_as_options_without_secrets() {
        let endpoints = Endpoints { all: Some("http://a".to_owned()), ..Endpoints::default() };
        let settings = Settings {
            profile: Some("-a b".to_owned()),
            region: Some("eu-west-1".to_owned()),
            endpoints: endpoints.with(Service::Ssm, Some("http://b".to_owned())),
            mfa: Mfa { code: Some("123456".to_owned()), ..Mfa::default() },
            ..Settings::default()
        };
        let expected = [
            "--profile=-a b",
            "--region=eu-west-1",
            "--endpoint-url=http://a",
            "--ssm-endpoint=http://b",
        ];
        assert_eq!(options(&settings), expected);
    }
}
