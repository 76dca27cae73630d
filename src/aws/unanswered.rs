//! Calls that got no answer: who is to blame, and what to do.

use std::{error::Error, iter};

use aws_sdk_ssm::error::ConnectorError;

use super::{
    error::{AwsError, root_cause},
    http_client::{ATTEMPT_TIMEOUT, CONNECT_TIMEOUT},
    operation::{Operation, one_line},
};
use crate::net::DialError;

impl AwsError {
    /// The failure of a call that did not get to `endpoint`, or got nothing back.
    pub(super) fn unanswered(
        operation: Operation,
        endpoint: String,
        error: &ConnectorError,
    ) -> Self {
        match dial_error(error).map(|dialled| (dialled, dialled.next_step())) {
            Some((DialError::Tls(error), _)) => Self::Tls(error.clone()),
            Some((dialled, Some(step))) => {
                Self::Barred { operation, endpoint, why: one_line(&dialled.to_string()), step }
            }
            _ => Self::Unreachable { operation, endpoint, why: no_answer(error) },
        }
    }
}

/// Why there is no connection, if that is why a call failed.
fn dial_error(error: &ConnectorError) -> Option<&DialError> {
    let error: &(dyn Error + 'static) = error;
    iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

fn no_answer(error: &ConnectorError) -> String {
    if error.is_timeout() {
        format!("no connection within {} s", CONNECT_TIMEOUT.as_secs())
    } else {
        root_cause(error)
    }
}

pub(super) fn too_late() -> String {
    format!("no answer within {} s", ATTEMPT_TIMEOUT.as_secs())
}
