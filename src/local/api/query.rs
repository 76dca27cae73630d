//! The query protocol: a form whose `Action` and `Version` name the operation, and XML back.
//!
//! ```text
//!   Version      service
//!   2011-06-15   STS
//!   2010-05-08   IAM
//!   2016-11-15   EC2
//! ```

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use http::StatusCode;
use quick_xml::escape::escape;
use serde::Serialize;

use super::{ApiError, Call, Protocol, Reply, Request, ec2, iam, sts};
use crate::local::service::EmbeddedService;

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

    /// The value of a member that has to be there; `name` is how errors write it.
    ///
    /// # Errors
    /// [`ApiError::Invalid`].
    pub fn required(&self, member: &str, name: &str) -> Result<&str, ApiError> {
        let missing = || ApiError::constraint(name, "Member must not be null");
        self.get(member).ok_or_else(missing)
    }

    /// A member whose name is one of these, or begins with one that ends in a dot.
    pub fn first_of(&self, names: &[&str]) -> Option<&str> {
        let is_meant = |member: &&String| {
            names
                .iter()
                .any(|name| *name == *member || name.ends_with('.') && member.starts_with(name))
        };
        self.0.keys().find(is_meant).map(String::as_str)
    }

    /// The values of the members `prefix` and a number, in the order of the numbers.
    pub fn numbered(&self, prefix: String) -> impl Iterator<Item = &str> {
        (1..).map_while(move |number| self.get(&format!("{prefix}{number}")))
    }

    /// The value of a member.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Answers a request.
pub fn answer(request: &Request<'_>, form: &Form, service: &mut EmbeddedService) -> Reply {
    let version = form.get("Version").unwrap_or_default();
    let protocol = if version == ec2::VERSION { Protocol::Ec2 } else { Protocol::Query };
    let action = form.action().unwrap_or_default();
    let operation = Some(short(action));
    match perform(request, form, service) {
        Ok((namespace, result)) => Reply {
            status: StatusCode::OK,
            content_type: CONTENT_TYPE,
            body: show_response(protocol, action, namespace, &result, request.id),
            operation,
            refused: None,
        },
        Err(error) => {
            let code = error.code(protocol);
            Reply {
                status: error.status(),
                content_type: CONTENT_TYPE,
                body: show_error(protocol, code, &error, request.id),
                operation,
                refused: Some(code),
            }
        }
    }
}

/// The answer's namespace and its result.
fn perform(
    request: &Request<'_>,
    form: &Form,
    service: &mut EmbeddedService,
) -> Result<(&'static str, String), ApiError> {
    let version = form.get("Version").unwrap_or_default();
    let action = form.action().unwrap_or_default();
    let (namespace, answer) = match version {
        sts::VERSION => {
            let call = Call::identify(request, service, sts::SIGNING_NAME)?;
            (sts::NAMESPACE, sts::perform(action, form, &call, service))
        }
        iam::VERSION => {
            let call = Call::identify(request, service, iam::SIGNING_NAME)?;
            (iam::NAMESPACE, iam::perform(action, form, &call, service))
        }
        ec2::VERSION => {
            let call = Call::identify(request, service, ec2::SIGNING_NAME)?;
            (ec2::NAMESPACE, ec2::perform(action, form, &call, service))
        }
        _ => ("", None),
    };
    let unknown = || ApiError::UnknownAction { action: short(action), version: short(version) };
    Ok((namespace, answer.ok_or_else(unknown)??))
}

/// A result as XML.
pub fn show(name: &str, result: &impl Serialize) -> Result<String, ApiError> {
    Ok(quick_xml::se::to_string_with_root(name, result)?)
}

/// The members of a result as XML, without a name around them, as EC2 has it.
pub fn show_members(result: &impl Serialize) -> Result<String, ApiError> {
    let whole = quick_xml::se::to_string_with_root(ROOT, result)?;
    let members = whole.strip_prefix("<r>").and_then(|rest| rest.strip_suffix("</r>"));
    Ok(members.unwrap_or_default().to_owned())
}

/// A time as the query protocol has it.
pub fn date(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time.max(UNIX_EPOCH)).to_string()
}

/// The action is one that there is, so its name needs no escaping.
fn show_response(
    protocol: Protocol,
    action: &str,
    namespace: &str,
    result: &str,
    request_id: &str,
) -> String {
    if protocol == Protocol::Ec2 {
        return format!(
            "{DECLARATION}<{action}Response xmlns=\"{namespace}\"><requestId>{request_id}</requestId>\
             {result}</{action}Response>"
        );
    }
    format!(
        "<{action}Response xmlns=\"{namespace}\">{result}<ResponseMetadata><RequestId>{request_id}\
         </RequestId></ResponseMetadata></{action}Response>"
    )
}

fn show_error(protocol: Protocol, code: &str, error: &ApiError, request_id: &str) -> String {
    // XML has no control characters.
    let blank = |c: char| if c.is_control() { ' ' } else { c };
    let message: String = error.to_string().chars().map(blank).collect();
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

const ROOT: &str = "r";
const CONTENT_TYPE: &str = "text/xml";
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
