//! An account in a region: the operations on sessions, and the signature of their WebSockets.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sdk_ssm::{
    Client,
    config::{Config, ProvideCredentials, http::HttpResponse, retry::RetryConfig},
    error::{ProvideErrorMetadata, SdkError},
    types::{SessionFilter, SessionFilterKey, SessionState},
};
use http::{HeaderMap, Uri};

use super::{
    call::Caller,
    called_address::CalledAddress,
    configuration::{Configuration, Settings},
    credentials::CredentialStore,
    endpoints::Addresses,
    error::AwsError,
    operation::Operation,
    sdk::EndpointPlace,
    service::Service,
    signature,
};
use crate::{
    net::{Authorities, Connector},
    wire::{Ticket, Token, stream_url},
};

/// An AWS account in one region, as the configuration gives it. Cheap to clone; the clones share
/// connections and credentials.
#[derive(Clone, Debug)]
pub struct Account {
    region: String,
    profile: String,
    pub(super) ssm: Client,
    pub(super) caller: Caller,
    endpoint: CalledAddress,
    endpoint_places: Vec<(Option<Service>, String, EndpointPlace)>,
    credentials: Arc<CredentialStore>,
    authorities: Authorities,
    connector: Connector,
    signs: bool,
}

impl Account {
    /// Reads the environment and the files in `~/.aws`. Nothing goes over the network yet, and no
    /// credentials are looked up.
    ///
    /// # Errors
    /// [`AwsError::NoRegion`]; [`AwsError::Configuration`] when the profile does not exist, its
    /// file is broken, or the endpoint is no URL.
    pub async fn load(settings: Settings) -> Result<Self, AwsError> {
        Ok(Self::new(Configuration::load(settings).await?))
    }

    fn new(configuration: Configuration) -> Self {
        let Configuration {
            region,
            profile,
            endpoints,
            endpoint_places,
            http,
            signs,
            sdk,
            authorities,
            credentials,
        } = configuration;
        let credentials = Arc::new(credentials);
        let endpoint = CalledAddress::default();
        let provider: Arc<dyn ProvideCredentials> = credentials.clone();
        let mut ssm = aws_sdk_ssm::config::Builder::from(&sdk)
            .credentials_provider(provider)
            .interceptor(endpoint.clone());
        if let Some(url) = endpoints.of(Service::Ssm) {
            ssm = ssm.endpoint_url(url);
        }
        let addresses = Addresses::new(&sdk, endpoints, &region);
        Self {
            region,
            profile,
            ssm: Client::from_conf(ssm.build()),
            caller: Caller::new(http.connector(), addresses),
            endpoint,
            endpoint_places,
            credentials,
            authorities,
            connector: http.dialler().clone(),
            signs,
        }
    }

    /// The region, for example `eu-west-1`.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The name of the profile in use; `default` need not exist.
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// Whom its calls trust; data channels trust the system too.
    pub fn authorities(&self) -> &Authorities {
        &self.authorities
    }

    /// Opens connections as its calls do: by the same proxies, with the same trust.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// The address that the calls go to, once there was one.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.known()
    }

    /// Who says where a service is, if that is not AWS's own address.
    pub fn endpoint_place(&self, service: Service) -> Option<&EndpointPlace> {
        let of = |wanted| self.endpoint_places.iter().find(|(service, ..)| *service == wanted);
        of(Some(service)).or_else(|| of(None)).map(|(.., place)| place)
    }

    /// `ssm:StartSession`: opens a session on a node.
    ///
    /// # Errors
    /// Any [`AwsError`] but [`AwsError::NoRegion`]. It has taken 30 seconds at most, beside the
    /// time that a source of credentials needs to ask its user.
    pub async fn start_session(&self, request: &StartSession) -> Result<Ticket, AwsError> {
        let operation = on("StartSession", &request.target);
        self.need_credentials().await?;
        let parameters = request.parameters.clone().into_iter().collect();
        let call = self
            .ssm
            .start_session()
            .target(&request.target)
            .set_document_name(request.document.clone())
            .set_parameters(Some(parameters).filter(|_| !request.parameters.is_empty()))
            .set_reason(request.reason.clone());
        let started = match call.send().await {
            Ok(started) => started,
            Err(error) => return Err(self.failure(operation, &error)),
        };
        let (session_id, stream_url, token) =
            (started.session_id, started.stream_url, started.token_value);
        match (session_id, stream_url, token) {
            (Some(session_id), Some(stream_url), Some(token)) => {
                Ok(Ticket { session_id, stream_url, token: Token::new(token) })
            }
            _ => Err(AwsError::Answer {
                operation,
                endpoint: self.endpoint.shown(&self.region),
                why: "the session's id, stream URL or token is missing".to_owned(),
            }),
        }
    }

    /// `ssm:ResumeSession`: a new token for a session whose WebSocket is gone. `None` when AWS
    /// answers with no token or an empty one: the session is over. An empty `stream_url` means
    /// that the one of before holds.
    ///
    /// # Errors
    /// As [`start_session`](Self::start_session). [`AwsError::NotFound`] is the end of the session
    /// too.
    pub async fn resume_session(&self, session_id: &str) -> Result<Option<Ticket>, AwsError> {
        self.need_credentials().await?;
        // Whoever resumes tries again sooner, and for longer, than the SDK would.
        let once = Config::builder().retry_config(RetryConfig::disabled());
        let request = self.ssm.resume_session().session_id(session_id);
        let answer = request.customize().config_override(once).send().await;
        let resumed =
            answer.map_err(|error| self.failure(on("ResumeSession", session_id), &error))?;
        let token = resumed.token_value.filter(|token| !token.is_empty());
        Ok(token.map(|token| Ticket {
            session_id: resumed
                .session_id
                .filter(|answered| !answered.is_empty())
                .unwrap_or_else(|| session_id.to_owned()),
            stream_url: resumed.stream_url.unwrap_or_default(),
            token: Token::new(token),
        }))
    }

    /// `ssm:TerminateSession`: ends a session for good.
    ///
    /// # Errors
    /// As [`resume_session`](Self::resume_session).
    pub async fn terminate_session(&self, session_id: &str) -> Result<(), AwsError> {
        self.need_credentials().await?;
        let answer = self.ssm.terminate_session().session_id(session_id).send().await;
        answer.map_err(|error| self.failure(on("TerminateSession", session_id), &error))?;
        Ok(())
    }

    /// `ssm:DescribeSessions`: the target of a session that is alive.
    ///
    /// # Errors
    /// As [`resume_session`](Self::resume_session).
    pub async fn session_target(&self, session_id: &str) -> Result<String, AwsError> {
        let operation = on("DescribeSessions", session_id);
        self.need_credentials().await?;
        let filter = SessionFilter::builder().key(SessionFilterKey::SessionId).value(session_id);
        let filter = filter
            .build()
            .map_err(|error| AwsError::Configuration { why: format!("{operation}: {error}") })?;
        let call = self.ssm.describe_sessions().state(SessionState::Active).filters(filter);
        let found = match call.send().await {
            Ok(found) => found,
            Err(error) => return Err(self.failure(operation, &error)),
        };
        let session = found.sessions.unwrap_or_default().into_iter().next();
        session.and_then(|session| session.target).ok_or_else(|| AwsError::Answer {
            operation,
            endpoint: self.endpoint.shown(&self.region),
            why: "the session is not among those alive".to_owned(),
        })
    }

    /// The headers that sign a WebSocket upgrade of `url` at `now`. They hold for some minutes:
    /// ask again for each upgrade. `host` is among them and takes the place of the client's own.
    ///
    /// Best effort, as the reference client has it: the map is empty without credentials
    /// within a second, for a presigned URL, and when `SSM_PLUGIN_SKIP_CLIENT_CONFIGURE` is `true`.
    pub async fn sign_upgrade(&self, url: &Uri, now: SystemTime) -> HeaderMap {
        if !self.signs || stream_url::is_presigned(&url.to_string()) {
            return HeaderMap::new();
        }
        let Some(credentials) = self.credentials.at_hand(SIGNATURE_PATIENCE, now).await else {
            tracing::debug!("no credentials at hand: the upgrade is not signed");
            return HeaderMap::new();
        };
        let headers = signature::upgrade_headers(url, credentials, &self.region, now);
        headers.unwrap_or_default()
    }

    /// Gets the credentials before the call that uses them: their source may need more time than
    /// a call has, and its failure is another error than a call's.
    pub(super) async fn need_credentials(&self) -> Result<(), AwsError> {
        self.credentials().await.map(|_| ())
    }

    /// For the calls that are signed here.
    pub(super) async fn credentials(&self) -> Result<Credentials, AwsError> {
        let found = self.credentials.at(SystemTime::now()).await;
        found.map_err(|error| AwsError::no_credentials(&error))
    }

    pub(super) fn failure<E>(
        &self,
        operation: Operation,
        error: &SdkError<E, HttpResponse>,
    ) -> AwsError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let error = AwsError::of_call(operation, self.endpoint.shown(&self.region), error);
        // They were just used.
        match self.credentials.unexpired(SystemTime::now()) {
            Some(credentials) => error.signed_with(&credentials),
            None => error,
        }
    }
}

fn on(name: &'static str, subject: &str) -> Operation {
    Operation::new(Service::Ssm, name, subject)
}

/// What `ssm:StartSession` is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartSession {
    /// `i-...`, `mi-...` or `ecs:CLUSTER_TASK_RUNTIME`.
    pub target: String,
    /// The document's name; `None` is the account's shell document.
    pub document: Option<String>,
    /// The document's parameters.
    pub parameters: BTreeMap<String, Vec<String>>,
    /// Why, for the account's records.
    pub reason: Option<String>,
}

/// An unsigned upgrade is better than a late one.
const SIGNATURE_PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
