//! Log lines on stderr, as many as are asked for.

use tracing_subscriber::EnvFilter;

use super::args::Global;

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

/// For the drop-in: nothing unless SSMPORT_LOG says so, since callers read its output.
pub(super) fn for_programs() {
    init("off");
}

fn init(default: &str) {
    let filter = std::env::var("SSMPORT_LOG").ok().and_then(|text| EnvFilter::try_new(text).ok());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new(default)))
        .with_writer(std::io::stderr)
        .with_ansi(anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never)
        .with_target(false)
        .without_time();
    // Set before only by a program that has its own logging.
    let _ = subscriber.try_init();
}
