//! Who the caller is, and what time it is, in AWS's eyes.

use std::time::SystemTime;

use aws_smithy_runtime_api::client::http::HttpConnector;
use serde::Deserialize;
use thiserror::Error;

use super::{
    account::Account,
    error::{AwsError, root_cause},
    operation::Operation,
    service::Service,
};
use crate::wire::stream_url::without_secrets;

/// Whom AWS takes the caller for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Identity {
    /// A user's, a role's session's, or the account's own.
    pub arn: String,
    /// The account's id.
    pub account: String,
}

/// The keys in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The public half.
    pub access_key_id: String,
    /// They are a user's own and stay, rather than a session's.
    pub are_long_term: bool,
    /// Until when they hold, if that is known.
    pub expiry: Option<SystemTime>,
}

impl Account {
    /// The keys that calls are signed with, got now if need be.
    ///
    /// # Errors
    /// [`AwsError::NoCredentials`] and its like.
    pub async fn keys(&self) -> Result<Keys, AwsError> {
        let credentials = self.credentials().await?;
        Ok(Keys {
            access_key_id: credentials.access_key_id().to_owned(),
            are_long_term: credentials.session_token().is_none(),
            expiry: credentials.expiry(),
        })
    }

    /// `sts:GetCallerIdentity`, which nobody needs a permission for.
    ///
    /// # Errors
    /// Any of a call.
    pub async fn identity(&self) -> Result<Identity, AwsError> {
        let operation = Operation::new(Service::Sts, "GetCallerIdentity", "");
        let credentials = self.credentials().await?;
        let answer: Answer = self.caller.query(operation, VERSION, [], &credentials).await?;
        Ok(answer.get_caller_identity_result)
    }

    /// The address of a service, for example `https://ssm.eu-west-1.amazonaws.com`.
    ///
    /// # Errors
    /// [`AwsError::Configuration`] for an address that is none.
    pub async fn address(&self, service: Service) -> Result<String, AwsError> {
        Ok(self.caller.addresses().of(service).await?.url)
    }

    /// The time that a service has told, whatever else it said; `None` when it told none.
    ///
    /// # Errors
    /// When there was no answer.
    pub async fn time_of(&self, service: Service) -> Result<Option<SystemTime>, NoTime> {
        let url = self.address(service).await?;
        let request = http::Request::get(format!("{url}/")).body(String::new().into());
        let request = request.ok().and_then(|request| request.try_into().ok());
        let request = request.ok_or_else(|| NoTime::NotAsked(without_secrets(&url)))?;
        let answer = self.caller.connector().call(request).await;
        let answer = answer.map_err(|error| NoTime::Unanswered(root_cause(&error)))?;
        Ok(answer.headers().get("date").and_then(|date| httpdate::parse_http_date(date).ok()))
    }
}

/// Why a service's time is not known.
#[derive(Debug, Error)]
pub enum NoTime {
    /// Its address is not known either.
    #[error(transparent)]
    Address(#[from] AwsError),
    /// Its address is none that a request can be made for.
    #[error("{0} cannot be asked")]
    NotAsked(String),
    /// The connection, or the wait, came to nothing.
    #[error("{0}")]
    Unanswered(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    get_caller_identity_result: Identity,
}

const VERSION: &str = "2011-06-15";
