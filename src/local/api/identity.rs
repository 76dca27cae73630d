//! Who sent a request: its signature, checked against the keys of the account.

use super::Request;
use crate::local::{
    account::{Account, Caller},
    signature::{Claim, SignatureError},
};

/// A caller whose signature was checked.
pub struct Identity {
    pub caller: Caller,
    /// The region that it signed for.
    pub region: String,
}

impl Identity {
    /// Finds out who sent `request` to the service whose name in signatures is `service`.
    ///
    /// # Errors
    /// [`SignatureError`], [`SignatureError::Missing`] for a request without a signature among them.
    pub fn check(
        request: &Request<'_>,
        account: &Account,
        service: &'static str,
    ) -> Result<Self, SignatureError> {
        let claim = Claim::read(request.uri, request.headers)?.ok_or(SignatureError::Missing)?;
        claim.check_time(request.now)?;
        let token = claim.token.as_deref();
        let key = account.key(&claim.access_key_id, token, request.now)?;
        let Request { method, uri, headers, body, .. } = request;
        claim.check(method, uri, headers, body, key.secret.expose())?;
        claim.check_service(service)?;
        Ok(Self { caller: key.caller, region: claim.region })
    }
}
