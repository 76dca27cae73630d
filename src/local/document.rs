//! Session documents: what a session is to carry, read from the document's name and parameters.
//!
//! The names, the parameters and their defaults are those of the documents that AWS owns.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::ServiceError;

/// A document's parameters as StartSession carries them: every value is a list of strings.
pub type Parameters = BTreeMap<String, Vec<String>>;

/// What a session carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Workload {
    /// TCP connections to one destination.
    Port(PortForward),
}

impl Workload {
    /// Reads a document.
    ///
    /// # Errors
    /// The document is unknown or not served, has no such parameter, or a value is out of range.
    pub fn from_document(document: &str, parameters: &Parameters) -> Result<Self, ServiceError> {
        let document = short_name(document);
        match document {
            PORT_FORWARDING => {
                let known = Known::of(document, &[PORT, LOCAL_PORT], parameters)?;
                Ok(Self::Port(PortForward {
                    host: None,
                    port: port_number(&known, PORT, "80", 1)?,
                    local_port: port_number(&known, LOCAL_PORT, "0", 0)?,
                }))
            }
            PORT_FORWARDING_TO_REMOTE_HOST => {
                let known = Known::of(document, &[HOST, PORT, LOCAL_PORT], parameters)?;
                Ok(Self::Port(PortForward {
                    host: Some(host_name(&known)?),
                    port: port_number(&known, PORT, "80", 1)?,
                    local_port: port_number(&known, LOCAL_PORT, "0", 0)?,
                }))
            }
            _ if NOT_SERVED.contains(&document) => {
                Err(ServiceError::DocumentNotServed { document: document.to_owned() })
            }
            _ => Err(ServiceError::UnknownDocument { document: document.to_owned() }),
        }
    }

    /// `SessionType` of the agent's handshake request.
    pub fn session_type(&self) -> &'static str {
        match self {
            Self::Port(_) => "Port",
        }
    }

    /// `Properties` of the agent's handshake request: all values are strings, as the real agent
    /// sends them.
    pub fn properties(&self) -> Value {
        match self {
            Self::Port(forward) => forward.properties(),
        }
    }
}

/// Where the connections of a port session go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortForward {
    /// The host that the node dials; none means the node itself.
    pub host: Option<String>,
    /// The port that the node dials, at least 1.
    pub port: u16,
    /// The port that the client is to listen on; 0 leaves the choice to the client.
    pub local_port: u16,
}

impl PortForward {
    fn properties(&self) -> Value {
        // In the order of the alphabet, as the real agent writes a map.
        let mut properties = Map::new();
        if let Some(host) = &self.host {
            properties.insert(HOST.to_owned(), host.as_str().into());
        }
        properties.insert(LOCAL_PORT.to_owned(), self.local_port.to_string().into());
        properties.insert(PORT.to_owned(), self.port.to_string().into());
        properties.insert("type".to_owned(), "LocalPortForwarding".into());
        Value::Object(properties)
    }
}

/// Documents are named by name or by ARN (`arn:aws:ssm:REGION::document/NAME`).
pub fn short_name(document: &str) -> &str {
    document.rsplit('/').next().unwrap_or(document)
}

/// Parameters of which every name is known to the document.
struct Known<'a>(&'a Parameters);

impl<'a> Known<'a> {
    fn of(
        document: &str,
        names: &[&str],
        parameters: &'a Parameters,
    ) -> Result<Self, ServiceError> {
        let unknown: Vec<String> =
            parameters.keys().filter(|name| !names.contains(&name.as_str())).cloned().collect();
        if unknown.is_empty() {
            return Ok(Self(parameters));
        }
        Err(ServiceError::UnknownParameters { document: document.to_owned(), names: unknown })
    }

    /// The one value of a parameter that takes one.
    fn single(&self, name: &str, default: &'static str) -> Result<&'a str, ServiceError> {
        match self.0.get(name).map(Vec::as_slice) {
            None => Ok(default),
            Some([value]) => Ok(value),
            Some(values) => Err(ServiceError::InvalidParameter {
                name: name.to_owned(),
                problem: format!("takes one value, but has {}", values.len()),
            }),
        }
    }
}

/// Plain decimal digits, as the documents' patterns want it: no sign, no leading zero.
fn port_number(
    parameters: &Known<'_>,
    name: &str,
    default: &'static str,
    least: u16,
) -> Result<u16, ServiceError> {
    let text = parameters.single(name, default)?;
    match text.parse::<u16>() {
        Ok(port) if port >= least && port.to_string() == text => Ok(port),
        _ => Err(ServiceError::InvalidParameter {
            name: name.to_owned(),
            problem: format!("is not a port number from {least} to {}", u16::MAX),
        }),
    }
}

fn host_name(parameters: &Known<'_>) -> Result<String, ServiceError> {
    let host = parameters.single(HOST, "localhost")?;
    let plain = |c: char| !c.is_whitespace() && !c.is_control();
    if host.is_empty() || host.len() > HOST_LIMIT || !host.chars().all(plain) {
        return Err(ServiceError::InvalidParameter {
            name: HOST.to_owned(),
            problem: format!("is not a host name or address of 1 to {HOST_LIMIT} characters"),
        });
    }
    Ok(host.to_owned())
}

/// The document of a session that names none: a shell.
pub const DEFAULT_DOCUMENT: &str = "SSM-SessionManagerRunShell";

const PORT_FORWARDING: &str = "AWS-StartPortForwardingSession";
const PORT_FORWARDING_TO_REMOTE_HOST: &str = "AWS-StartPortForwardingSessionToRemoteHost";

/// Documents of AWS that this endpoint knows by name only.
const NOT_SERVED: [&str; 5] = [
    DEFAULT_DOCUMENT,
    "AWS-StartSSHSession",
    "AWS-StartInteractiveCommand",
    "AWS-StartNonInteractiveCommand",
    "AWS-StartPortForwardingSessionToSocket",
];

const HOST: &str = "host";
const PORT: &str = "portNumber";
const LOCAL_PORT: &str = "localPortNumber";

/// The longest name that DNS can carry has 253 characters.
const HOST_LIMIT: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(given: &[(&str, &str)]) -> Parameters {
        given.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect()
    }

    fn read(document: &str, given: &[(&str, &str)]) -> Result<Workload, ServiceError> {
        Workload::from_document(document, &parameters(given))
    }

    fn refusal(document: &str, given: &[(&str, &str)]) -> (&'static str, String) {
        let error = read(document, given).expect_err("must be refused");
        (error.code(), error.to_string())
    }

    #[test]
    fn a_port_session_has_the_properties_that_the_real_agent_sends() {
        let workload = read(PORT_FORWARDING, &[("portNumber", "9100")]).expect("served");
        assert_eq!(workload.session_type(), "Port");
        assert_eq!(
            workload.properties().to_string(),
            r#"{"localPortNumber":"0","portNumber":"9100","type":"LocalPortForwarding"}"#
        );
    }

    #[test]
    fn a_remote_host_session_has_the_host_too() {
        let given = [("host", "127.0.0.1"), ("portNumber", "9100"), ("localPortNumber", "0")];
        let workload = read(PORT_FORWARDING_TO_REMOTE_HOST, &given).expect("served");
        let expected = r#"{"host":"127.0.0.1","localPortNumber":"0","portNumber":"9100","type":"LocalPortForwarding"}"#;
        assert_eq!(workload.properties().to_string(), expected);
    }

    #[test]
    fn defaults_are_those_of_the_documents() {
        let plain = PortForward { host: None, port: 80, local_port: 0 };
        assert_eq!(read(PORT_FORWARDING, &[]), Ok(Workload::Port(plain.clone())));
        let remote = PortForward { host: Some("localhost".to_owned()), ..plain };
        assert_eq!(read(PORT_FORWARDING_TO_REMOTE_HOST, &[]), Ok(Workload::Port(remote)));
    }

    #[test]
    fn a_document_may_be_named_by_its_arn() {
        let arn = format!("arn:aws:ssm:eu-central-1::document/{PORT_FORWARDING}");
        assert_eq!(read(&arn, &[]), read(PORT_FORWARDING, &[]));
    }

    #[test]
    fn ports_keep_to_their_ranges() {
        for port in ["1", "65535"] {
            assert!(read(PORT_FORWARDING, &[("portNumber", port)]).is_ok(), "{port}");
        }
        for port in ["0", "65536", "-1", "+80", "080", " 80", "http", ""] {
            let (code, text) = refusal(PORT_FORWARDING, &[("portNumber", port)]);
            assert_eq!(code, "InvalidParameters", "{port:?}");
            assert_eq!(text, "Parameter portNumber is not a port number from 1 to 65535.");
        }
        assert!(read(PORT_FORWARDING, &[("localPortNumber", "0")]).is_ok());
        let (_, text) = refusal(PORT_FORWARDING, &[("localPortNumber", "x")]);
        assert!(text.contains("localPortNumber") && text.contains("from 0 to 65535"));
    }

    #[test]
    fn a_host_is_not_empty_not_long_and_has_no_spaces() {
        for host in ["db.internal", "::1", "10.0.0.7"] {
            assert!(read(PORT_FORWARDING_TO_REMOTE_HOST, &[("host", host)]).is_ok());
        }
        for host in ["", "a b", "a\nb", &"x".repeat(254)] {
            let (code, _) = refusal(PORT_FORWARDING_TO_REMOTE_HOST, &[("host", host)]);
            assert_eq!(code, "InvalidParameters", "{host:?}");
        }
    }

    #[test]
    fn unknown_parameters_are_named() {
        let given = [("portNumber", "80"), ("zone", "a"), ("host", "db")];
        let (code, text) = refusal(PORT_FORWARDING, &given);
        assert_eq!(code, "InvalidParameters");
        assert_eq!(
            text,
            "document AWS-StartPortForwardingSession does not support parameters: host, zone."
        );
    }

    #[test]
    fn a_parameter_takes_exactly_one_value() {
        for values in [vec![], vec!["80".to_owned(), "81".to_owned()]] {
            let parameters = Parameters::from([("portNumber".to_owned(), values)]);
            let error = Workload::from_document(PORT_FORWARDING, &parameters).expect_err("refused");
            assert_eq!(error.code(), "InvalidParameters");
        }
    }

    #[test]
    fn known_documents_are_refused_by_name_and_unknown_ones_do_not_exist() {
        for document in NOT_SERVED {
            let (code, text) = refusal(document, &[]);
            assert_eq!(code, "InvalidDocument");
            assert!(text.starts_with(&format!("Document {document} is not served")));
        }
        let (code, text) = refusal("Mine", &[]);
        assert_eq!(code, "InvalidDocument");
        assert_eq!(text, "Document with name Mine does not exist.");
    }
}
