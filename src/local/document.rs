//! Session documents: what a session is to carry, read from the document's name and parameters.
//!
//! The names, the parameters and their defaults are those of the documents that AWS owns.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::error::ServiceError;
use crate::wire::handshake::{SessionType, SessionTypeParameters};

/// A document's parameters as StartSession carries them: every value is a list of strings.
pub type Parameters = BTreeMap<String, Vec<String>>;

/// What a session carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Workload {
    /// TCP connections to one destination.
    Port(PortForward),
    /// A byte stream to the node's SSH server.
    Ssh {
        /// Where it listens, at least 1.
        port: u16,
    },
    /// A program on a terminal.
    #[cfg(unix)]
    Shell {
        /// What the shell runs; none means that its user types.
        command: Option<String>,
    },
    /// A program without a terminal.
    Command(NonInteractiveCommand),
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
            SSH => {
                let known = Known::of(document, &[PORT], parameters)?;
                Ok(Self::Ssh { port: port_number(&known, PORT, "22", 1)? })
            }
            DEFAULT_DOCUMENT | INTERACTIVE_COMMAND | NON_INTERACTIVE_COMMAND => {
                Self::of_program(document, parameters)
            }
            NOT_SERVED => Err(ServiceError::DocumentNotServed { document: document.to_owned() }),
            _ => Err(ServiceError::UnknownDocument { document: document.to_owned() }),
        }
    }

    /// Terminals are those of Unix.
    fn of_program(document: &str, parameters: &Parameters) -> Result<Self, ServiceError> {
        match document {
            NON_INTERACTIVE_COMMAND => {
                let names = [COMMAND, SEPARATE, STDOUT_PREFIX, STDERR_PREFIX];
                let known = Known::of(document, &names, parameters)?;
                NonInteractiveCommand::read(&known).map(Self::Command)
            }
            #[cfg(unix)]
            INTERACTIVE_COMMAND => {
                let known = Known::of(document, &[COMMAND], parameters)?;
                Ok(Self::Shell { command: Some(known.required(COMMAND)?.to_owned()) })
            }
            #[cfg(unix)]
            _ => {
                Known::of(document, &[], parameters)?;
                Ok(Self::Shell { command: None })
            }
            #[cfg(not(unix))]
            _ => Err(ServiceError::DocumentNotServed { document: document.to_owned() }),
        }
    }

    /// Whether standard output and standard error come as two streams.
    pub fn keeps_outputs_apart(&self) -> bool {
        match self {
            Self::Command(command) => command.separate.is_some(),
            _ => false,
        }
    }

    /// What the agent's handshake request says: `SessionType`, and the document's parameters as
    /// `Properties`, all of them strings as the real agent sends them. None for sessions without a
    /// handshake.
    pub fn handshake(&self) -> Option<SessionTypeParameters> {
        let (session_type, properties) = match self {
            Self::Port(forward) => (SessionType::Port, forward.properties()),
            Self::Ssh { port } => (SessionType::Port, json!({ PORT: port.to_string() })),
            #[cfg(unix)]
            Self::Shell { .. } => return None,
            Self::Command(_) => (SessionType::NonInteractiveCommands, Value::Null),
        };
        Some(SessionTypeParameters { session_type: session_type.name().to_owned(), properties })
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

/// A command of AWS-StartNonInteractiveCommand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NonInteractiveCommand {
    /// The program and its arguments, in words as a shell would split them.
    pub command: String,
    /// None when both outputs come as one, and only at the command's end.
    pub separate: Option<Prefixes>,
}

/// What stands in front of each line of a separate output, or of what is read at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefixes {
    /// At most 30 characters.
    pub stdout: String,
    /// At most 30 characters.
    pub stderr: String,
}

impl NonInteractiveCommand {
    fn read(known: &Known<'_>) -> Result<Self, ServiceError> {
        let command = known.required(COMMAND)?.to_owned();
        let separate = match known.single(SEPARATE, "false")?.to_ascii_lowercase().as_str() {
            "true" => Some(Prefixes {
                stdout: prefix(known, STDOUT_PREFIX)?,
                stderr: prefix(known, STDERR_PREFIX)?,
            }),
            "false" => None,
            _ => {
                return Err(ServiceError::InvalidParameter {
                    name: SEPARATE.to_owned(),
                    problem: "is neither true nor false".to_owned(),
                });
            }
        };
        Ok(Self { command, separate })
    }
}

/// Documents are named by name or by ARN (`arn:aws:ssm:REGION::document/NAME`).
pub fn short_name(document: &str) -> &str {
    let of_arn = document.strip_prefix("arn:").and_then(|rest| {
        let mut parts = rest.splitn(5, ':').skip(1);
        parts.next().filter(|service| *service == "ssm")?;
        parts.nth(2)?.strip_prefix("document/")
    });
    of_arn.unwrap_or(document)
}

/// Whether a document is one of AWS's own, which belong to no account.
pub fn is_of_aws(name: &str) -> bool {
    name.starts_with("AWS-")
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

    /// The one value of a parameter without a default.
    fn required(&self, name: &str) -> Result<&'a str, ServiceError> {
        match self.0.get(name) {
            Some(_) => self.single(name, ""),
            None => Err(ServiceError::InvalidParameter {
                name: name.to_owned(),
                problem: "has no default, and no value was given".to_owned(),
            }),
        }
    }
}

/// The characters are those that the real agent takes.
fn prefix(parameters: &Known<'_>, name: &str) -> Result<String, ServiceError> {
    let text = parameters.single(name, "")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '\r' | '\n' | '_' | ':' | '-');
    if text.len() > PREFIX_LIMIT || !text.chars().all(plain) {
        return Err(ServiceError::InvalidParameter {
            name: name.to_owned(),
            problem: format!(
                "is not of at most {PREFIX_LIMIT} letters, digits, line ends, or any of _ : -"
            ),
        });
    }
    Ok(text.to_owned())
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

const SSH: &str = "AWS-StartSSHSession";
const INTERACTIVE_COMMAND: &str = "AWS-StartInteractiveCommand";
const NON_INTERACTIVE_COMMAND: &str = "AWS-StartNonInteractiveCommand";

/// A document of AWS that this endpoint knows by name only: its parameters are not published.
const NOT_SERVED: &str = "AWS-StartPortForwardingSessionToSocket";

const HOST: &str = "host";
const PORT: &str = "portNumber";
const LOCAL_PORT: &str = "localPortNumber";
const COMMAND: &str = "command";
const SEPARATE: &str = "separateOutputStream";
const STDOUT_PREFIX: &str = "stdoutSeparatorPrefix";
const STDERR_PREFIX: &str = "stderrSeparatorPrefix";

/// The longest name that DNS can carry has 253 characters.
const HOST_LIMIT: usize = 253;

const PREFIX_LIMIT: usize = 30;

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
        let handshake = workload.handshake().expect("it has one");
        assert_eq!(handshake.session_type, "Port");
        assert_eq!(
            handshake.properties.to_string(),
            r#"{"localPortNumber":"0","portNumber":"9100","type":"LocalPortForwarding"}"#
        );
    }

    #[test]
    fn a_remote_host_session_has_the_host_too() {
        let given = [("host", "127.0.0.1"), ("portNumber", "9100"), ("localPortNumber", "0")];
        let workload = read(PORT_FORWARDING_TO_REMOTE_HOST, &given).expect("served");
        let expected = r#"{"host":"127.0.0.1","localPortNumber":"0","portNumber":"9100","type":"LocalPortForwarding"}"#;
        let handshake = workload.handshake().expect("it has one");
        assert_eq!(handshake.properties.to_string(), expected);
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
        let (code, text) = refusal(NOT_SERVED, &[]);
        assert_eq!(code, "InvalidDocument");
        assert!(text.starts_with(&format!("Document {NOT_SERVED} is not served")));
        let (code, text) = refusal("Mine", &[]);
        assert_eq!(code, "InvalidDocument");
        assert_eq!(text, "Document with name Mine does not exist.");
    }

    #[test]
    fn an_ssh_session_has_nothing_but_its_port() {
        let handshake = read(SSH, &[]).expect("served").handshake().expect("it has one");
        assert_eq!(handshake.session_type, "Port");
        assert_eq!(handshake.properties.to_string(), r#"{"portNumber":"22"}"#);
        assert_eq!(read(SSH, &[("portNumber", "2222")]), Ok(Workload::Ssh { port: 2222 }));
        assert_eq!(refusal(SSH, &[("localPortNumber", "0")]).0, "InvalidParameters");
    }

    #[cfg(unix)]
    #[test]
    fn shells_and_interactive_commands_have_no_handshake() {
        let shell = read(DEFAULT_DOCUMENT, &[]).expect("served");
        assert_eq!(shell, Workload::Shell { command: None });
        assert_eq!(shell.handshake(), None);
        let top = read(INTERACTIVE_COMMAND, &[("command", "top")]).expect("served");
        assert_eq!(top, Workload::Shell { command: Some("top".to_owned()) });
        assert_eq!(top.handshake(), None);
        assert_eq!(refusal(DEFAULT_DOCUMENT, &[("command", "top")]).0, "InvalidParameters");
    }

    #[cfg(unix)]
    #[test]
    fn a_command_must_be_given() {
        for document in [INTERACTIVE_COMMAND, NON_INTERACTIVE_COMMAND] {
            let (code, text) = refusal(document, &[]);
            assert_eq!(code, "InvalidParameters");
            assert_eq!(text, "Parameter command has no default, and no value was given.");
        }
    }

    #[cfg(unix)]
    #[test]
    fn outputs_are_kept_apart_on_demand() {
        let given = |separate: &str| {
            let given = [
                ("command", "ls"),
                ("separateOutputStream", separate),
                ("stdoutSeparatorPrefix", "OUT:"),
                ("stderrSeparatorPrefix", "ERR_1-\n"),
            ];
            read(NON_INTERACTIVE_COMMAND, &given)
        };
        let prefixes = Prefixes { stdout: "OUT:".to_owned(), stderr: "ERR_1-\n".to_owned() };
        for (text, separate) in
            [("true", Some(prefixes.clone())), ("True", Some(prefixes)), ("false", None)]
        {
            let command = NonInteractiveCommand { command: "ls".to_owned(), separate };
            let workload = Workload::Command(command);
            let handshake = workload.handshake().expect("it has one");
            assert_eq!(handshake.session_type, "NonInteractiveCommands");
            assert_eq!(handshake.properties, Value::Null);
            assert_eq!(given(text), Ok(workload), "{text}");
        }
        assert_eq!(given("yes").expect_err("refused").code(), "InvalidParameters");
        for prefix in ["std@OUT:", "a b", &"x".repeat(31)] {
            let given = [
                ("command", "ls"),
                ("separateOutputStream", "true"),
                ("stdoutSeparatorPrefix", prefix),
            ];
            assert_eq!(refusal(NON_INTERACTIVE_COMMAND, &given).0, "InvalidParameters");
        }
    }
}
