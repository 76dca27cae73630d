//! The query protocol: a form whose `Action` and `Version` name the operation, and XML back.
//!
//! ```text
//!   Version      service
//!   2011-06-15   STS
//!   2010-05-08   IAM
//!   2016-11-15   EC2
//! ```

use std::collections::BTreeMap;

use http::StatusCode;
use quick_xml::escape::escape;

use super::{ApiError, Protocol, Reply, Request};
use crate::local::service::Service;

/// The names and values of a form; the first one of a name counts.
#[derive(Debug)]
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads a form. There are no broken ones: every text is one.
    pub fn read(text: &[u8]) -> Self {
        let mut members = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text) {
            members.entry(name.into_owned()).or_insert_with(|| value.into_owned());
        }
        Self(members)
    }

    /// The operation's name.
    pub fn action(&self) -> Option<&str> {
        self.get("Action")
    }

    /// The value of a member.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Answers a request.
pub fn answer(request: &Request<'_>, form: &Form, _: &mut Service) -> Reply {
    let version = form.get("Version").unwrap_or_default();
    let protocol = if version == EC2_VERSION { Protocol::Ec2 } else { Protocol::Query };
    let action = form.action().unwrap_or_default();
    let error = ApiError::UnknownAction { action: short(action), version: short(version) };
    let code = error.code(protocol);
    Reply {
        status: error.status(),
        content_type: CONTENT_TYPE,
        body: show_error(protocol, code, &error, request.id),
        operation: Some(short(action)),
        refused: Some(code),
    }
}

fn show_error(protocol: Protocol, code: &str, error: &ApiError, request_id: &str) -> String {
    let message = error.to_string();
    let message = escape(&message);
    if protocol == Protocol::Ec2 {
        return format!(
            "{DECLARATION}<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message>\
             </Error></Errors><RequestID>{request_id}</RequestID></Response>"
        );
    }
    let fault =
        if error.status() == StatusCode::INTERNAL_SERVER_ERROR { "Receiver" } else { "Sender" };
    format!(
        "{DECLARATION}<ErrorResponse><Error><Type>{fault}</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
}

fn short(text: &str) -> String {
    text.chars().take(128).collect()
}

const EC2_VERSION: &str = "2016-11-15";
const CONTENT_TYPE: &str = "text/xml";
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
