//! Signals that were ignored when the tests were started, by `nohup` or a script's `&`: what they start
//! would ignore them, too.

use std::{fs, sync::Once, thread};

use tokio::signal::unix::{SignalKind, signal};

/// Has the programs that are started from now on heed the signals that end them.
pub fn heed_signals() {
    static DONE: Once = Once::new();
    // In a thread of its own: a test's own runtime may be running in this one.
    DONE.call_once(|| thread::spawn(install).join().expect("handlers"));
}

fn install() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    let kinds = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::quit()];
    let ignored = kinds.into_iter().filter(|kind| mask >> (kind.as_raw_value() - 1) & 1 == 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let _entered = runtime.enter();
    // A handler stays, and does nothing; unlike what is ignored it is not inherited.
    ignored.for_each(|kind| drop(signal(kind)));
}
