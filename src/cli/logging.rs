//! Log lines on stderr, as many as are asked for, and none that shows a secret.

use std::{
    fmt::{self, Debug},
    io::{self, IsTerminal, Write},
};

use tracing::{Level, Metadata, field::Field};
use tracing_subscriber::{
    EnvFilter,
    field::MakeExt,
    filter::{FilterExt, filter_fn},
    fmt::format::{self, Writer},
    layer::{Layer, SubscriberExt},
    util::SubscriberInitExt,
};

use super::args::Global;
use crate::{client::WAITING, term, wire::foreign_text::one_line};

/// For `ssmport`: warnings by default, more with `-v`, or what SSMPORT_LOG says.
pub(super) fn for_people(global: &Global) {
    let filter = match (global.quiet, global.verbose) {
        (true, _) => "error",
        // What goes wrong at the embedded agent, its client tells too.
        (_, 0) => "ssmport=warn,ssmport::local=error",
        (_, 1) => "ssmport=info",
        _ => "ssmport=debug,aws_config=debug,info",
    };
    init(filter);
}

/// For the drop-in: nothing unless SSMPORT_LOG says so, since callers read its output; but that a node
/// or the service keeps its user waiting.
pub(super) fn for_programs() {
    init(&format!("off,{WAITING}=warn"));
}

fn init(default: &str) {
    let filter = std::env::var("SSMPORT_LOG").ok().and_then(|text| EnvFilter::try_new(text).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new(default));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| Lines(std::io::stderr()))
        .fmt_fields(format::debug_fn(write_field).delimited(" "))
        .with_ansi(anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never)
        .with_target(false)
        .without_time()
        .with_filter(filter.and(filter_fn(may_be_shown)));
    // Set before only by a program that has its own logging.
    let _ = tracing_subscriber::registry().with(lines).try_init();
}

/// A log line is one line, whatever a node or a service has said in it.
fn write_field(out: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    let value = one_line(&format!("{value:?}"));
    match field.name() {
        MESSAGE => out.write_str(&value),
        name => write!(out, "{name}={value}"),
    }
}

/// tracing's own name for the text of a line.
const MESSAGE: &str = "message";

/// Standard error, on which lines begin at the left: a terminal in raw mode does not see to that.
struct Lines(io::Stderr);

impl Write for Lines {
    /// Takes whole lines, as they are logged.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if term::is_raw() && self.0.is_terminal() {
            let text = String::from_utf8_lossy(lines).replace('\n', "\r\n");
            let text = format!("\r{text}");
            if !term::hold_back(&text) {
                self.0.write_all(text.as_bytes())?;
            }
        } else {
            self.0.write_all(lines)?;
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether a line may be shown, whatever the filter asks for. Other people's crates show requests
/// and answers in their details: the AWS SDK at `trace` an answer of StartSession with its token. Where
/// credentials come from is told at `debug`, without any secret.
fn may_be_shown(metadata: &Metadata<'_>) -> bool {
    let origin = metadata.target().split("::").next().unwrap_or_default();
    let most = match origin {
        "ssmport" => Level::TRACE,
        "aws_config" => Level::DEBUG,
        _ => Level::INFO,
    };
    *metadata.level() <= most
}
