//! Signals that end the program.

use std::io;

/// Waits for a signal that asks the program to end; gives its number.
///
/// Handlers are installed explicitly: the AWS CLI ignores SIGINT while it runs the plugin, and a
/// child inherits that.
#[cfg(unix)]
pub(super) fn termination() -> io::Result<impl Future<Output = u8> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        let kind = tokio::select! {
            _ = interrupt.recv() => SignalKind::interrupt(),
            _ = quit.recv() => SignalKind::quit(),
            _ = terminate.recv() => SignalKind::terminate(),
            _ = hangup.recv() => SignalKind::hangup(),
        };
        u8::try_from(kind.as_raw_value()).unwrap_or_default()
    })
}

/// Waits for Ctrl-C, which counts as SIGINT.
#[cfg(not(unix))]
pub(super) fn termination() -> io::Result<impl Future<Output = u8> + Send + 'static> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        2
    })
}
