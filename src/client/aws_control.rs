//! The control plane of running sessions in an account of AWS.
#![expect(clippy::disallowed_methods, reason = "a signature has its time in it")]

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use http::{HeaderMap, Uri};
use tokio::sync::OnceCell;

#[cfg(unix)]
use super::kept::Kept;
use super::{endpoints, target::Whose};
use crate::{
    aws::{Account, AwsError, Service, Settings},
    net::{Authorities, TlsError},
    session::{ControlPlane, DataKeyRequest, Endpoint as Configured, Pending, Refusal, Ticket},
    wire::encryption::{DataKey, encryption_context},
};

/// An account of AWS, looked up when it is first needed: a session that needs no signature
/// does not wait for it.
#[derive(Clone)]
pub(crate) struct AwsControl {
    settings: Settings,
    endpoints: Vec<Configured>,
    gateway: Option<String>,
    account: Arc<OnceCell<Account>>,
    /// Where the sessions go; `None` when it has to be looked up.
    target: Option<String>,
    /// There were credentials once: when they are gone, they may come back.
    had_credentials: Arc<AtomicBool>,
}

impl AwsControl {
    pub(crate) fn new(settings: Settings, target: Option<String>) -> Self {
        let services = [Service::Ssm, Service::SsmMessages];
        let given = services.iter().filter_map(|service| settings.endpoints.of(*service));
        let endpoints = endpoints::configured(given);
        let gateway = settings.endpoints.own(Service::SsmMessages);
        let gateway = endpoints::gateway(gateway);
        let (account, had_credentials) = (Arc::default(), Arc::default());
        Self { settings, endpoints, gateway, account, target, had_credentials }
    }

    /// For sessions that go to `target`.
    pub(crate) fn of_target(&self, target: String) -> Self {
        Self { target: Some(target), ..self.clone() }
    }

    /// For a target whose region is named with it, and of which the configuration file says whose it is.
    pub(crate) fn in_account(&self, region: Option<String>, whose: Whose) -> Self {
        let settings = self.settings.clone();
        let profile = given(settings.profile).or(whose.profile);
        let region = region.or(given(settings.region)).or(whose.region);
        Self::new(Settings { profile, region, ..self.settings.clone() }, self.target.clone())
    }

    /// The same account, of whose codes of MFA nobody is asked.
    pub(crate) fn without_prompt(&self) -> Self {
        let mut settings = self.settings.clone();
        settings.mfa.prompt = None;
        Self::new(settings, self.target.clone())
    }

    /// The one that the user has named.
    pub(crate) fn profile(&self) -> Option<&str> {
        self.settings.profile.as_deref().filter(|name| !name.is_empty())
    }

    /// Sees to it that a session ends if this process is killed.
    #[cfg(unix)]
    pub(super) fn keep(&self, session_id: &str) -> Kept {
        Kept::by_account(&self.settings, session_id)
    }

    pub(crate) async fn account(&self) -> Result<&Account, AwsError> {
        self.account.get_or_try_init(|| Account::load(self.settings.clone())).await
    }
}

impl ControlPlane for AwsControl {
    fn resume<'a>(&'a self, id: &'a str) -> Pending<'a, Result<Option<Ticket>, Refusal>> {
        Box::pin(async move {
            let resumed = match self.account().await {
                Ok(account) => account.resume_session(id).await,
                Err(error) => Err(error),
            };
            match resumed {
                Ok(resumed) => {
                    self.had_credentials.store(true, Ordering::Relaxed);
                    Ok(resumed)
                }
                // What the service does not know any more is over.
                Err(AwsError::NotFound { .. }) => Ok(None),
                Err(error) => {
                    let heals = heals(&error, self.had_credentials.load(Ordering::Relaxed));
                    let refusal = refusal(error);
                    Err(Refusal { is_temporary: refusal.is_temporary || heals, ..refusal })
                }
            }
        })
    }

    fn terminate<'a>(&'a self, id: &'a str) -> Pending<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let account = self.account().await.map_err(refusal)?;
            account.terminate_session(id).await.map_err(refusal)
        })
    }

    fn sign<'a>(&'a self, url: &'a Uri) -> Pending<'a, HeaderMap> {
        Box::pin(async move {
            // Only the embedded endpoint is reached without TLS, and it asks for none.
            if url.scheme_str() == Some("ws") {
                return HeaderMap::new();
            }
            match self.account().await {
                Ok(account) => {
                    let headers = account.sign_upgrade(url, SystemTime::now()).await;
                    self.had_credentials.fetch_or(!headers.is_empty(), Ordering::Relaxed);
                    headers
                }
                Err(error) => {
                    tracing::debug!("data channel unsigned: {error}");
                    HeaderMap::new()
                }
            }
        })
    }

    fn authorities(&self) -> Pending<'_, Result<Authorities, TlsError>> {
        Box::pin(async move {
            match self.account().await {
                Ok(account) => Ok(account.authorities().clone().beside_system()),
                Err(AwsError::Tls(error)) => Err(error),
                // Without a region or a profile the channel is dialled all the same, unsigned.
                Err(_) => {
                    let bundle = Authorities::of_environment()?;
                    Ok(bundle.unwrap_or_default().beside_system())
                }
            }
        })
    }

    fn endpoints(&self) -> Vec<Configured> {
        let called = self.account.get().and_then(Account::endpoint).and_then(Configured::parse);
        self.endpoints.iter().cloned().chain(called).collect()
    }

    fn gateway(&self) -> Option<&str> {
        self.gateway.as_deref()
    }

    fn data_key<'a>(
        &'a self,
        request: &'a DataKeyRequest,
    ) -> Pending<'a, Result<DataKey, Refusal>> {
        Box::pin(async move {
            self.generate_data_key(request).await.map_err(|error| {
                let next = error.next_step();
                let mut refusal = refusal(error);
                // There is but one line for it.
                if let Some(next) = next.filter(|next| !refusal.message.ends_with(next)) {
                    refusal.message = format!("{}; {next}", refusal.message);
                }
                refusal
            })
        })
    }
}

impl AwsControl {
    async fn generate_data_key(&self, request: &DataKeyRequest) -> Result<DataKey, AwsError> {
        let account = self.account().await?;
        let target = match &self.target {
            Some(target) => Cow::Borrowed(target),
            // Some callers of the drop-in do not tell it.
            None => Cow::Owned(account.session_target(&request.session_id).await?),
        };
        let challenge = request.challenge.as_deref();
        let context = encryption_context(&request.session_id, &target, challenge);
        account.generate_data_key(&request.key_id, context).await
    }
}

/// Empty is as good as not given.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// Whether what keeps a session from being resumed may be over without anyone's doing: a clock
/// that is not set yet after a sleep, a file of keys that is being written. Of one that never
/// `had_credentials` nothing is to be expected.
fn heals(error: &AwsError, had_credentials: bool) -> bool {
    match error {
        AwsError::Refused { code, .. } => OF_CLOCKS_AND_KEYS.contains(&code.as_str()),
        AwsError::NoCredentials { .. } | AwsError::Configuration { .. } => had_credentials,
        _ => false,
    }
}

fn refusal(error: AwsError) -> Refusal {
    let is_temporary = matches!(
        error,
        AwsError::Unreachable { .. }
            | AwsError::Barred { .. }
            | AwsError::Unavailable { .. }
            | AwsError::Answer { .. }
    ) || error.heals_with_login();
    let message = match (&error, error.next_step()) {
        (AwsError::Sso { .. } | AwsError::Console { .. } | AwsError::Mfa(_), Some(next)) => {
            format!("{error}; {next}")
        }
        _ => error.to_string(),
    };
    Refusal { message, is_temporary }
}
const OF_CLOCKS_AND_KEYS: [&str; 3] =
    ["RequestExpired", "SignatureDoesNotMatch", "InvalidSignatureException"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Operation;

    fn refused(code: &str) -> AwsError {
        AwsError::Refused {
            operation: Operation {
                service: Service::Ssm,
                name: "ResumeSession",
                subject: "s-1".to_owned(),
            },
            code: code.to_owned(),
            message: "no".to_owned(),
            is_long_term: false,
        }
    }

    #[test]
    fn a_clock_and_keys_may_be_right_a_little_later() {
        for code in OF_CLOCKS_AND_KEYS {
            assert!(heals(&refused(code), false), "{code}");
        }
        let why = String::new;
        let lost = AwsError::NoCredentials { why: why(), is_temporary: false };
        let half = AwsError::Configuration { why: why() };
        for error in [lost, half] {
            assert!(heals(&error, true), "{error}");
            assert!(!heals(&error, false), "{error}");
        }
    }

    /// A policy without `ssm:ResumeSession` must not hold a forward up.
    #[test]
    fn what_is_forbidden_stays_so() {
        for code in ["AccessDenied", "AccessDeniedException", "UnrecognizedClientException"] {
            let error = refused(code);
            assert!(!heals(&error, true) && !refusal(error).is_temporary, "{code}");
        }
    }
}
