//! Services that start sessions otherwise than this crate does for an account of AWS.

use super::{Error, service::Request};
use crate::session::{ControlPlane, Pending, Ticket};

/// Whoever starts sessions: a program's own client of AWS, a broker that hands out tickets, an endpoint.
///
/// What sessions need while they run is the service's, too: it resumes them when their connection is lost.
pub trait SessionService: ControlPlane {
    /// StartSession on `target`.
    fn start<'a>(
        &'a self,
        target: &'a str,
        request: &'a Request,
    ) -> Pending<'a, Result<Ticket, Error>>;
}
