//! Panics: faults of ours or of a dependency. They end in one line and an exit code; what
//! programmers want to see comes with RUST_BACKTRACE.

use std::{
    env,
    io::Write,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
};

use crate::{term::restore_on_panic, wire::foreign_text::one_line};

/// Has a panic restore the terminal, and tell of itself in a line of `program`'s.
pub(super) fn tell_in_a_line(program: &'static str) {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let _ = writeln!(std::io::stderr(), "{}", line(program, panic));
        if env::var_os("RUST_BACKTRACE").is_some_and(|value| !value.is_empty()) {
            print(panic);
        }
    }));
    restore_on_panic();
}

/// What `work` gives; `None` when it panicked, which has been told by then.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(work)).ok()
}

fn line(program: &str, panic: &PanicHookInfo<'_>) -> String {
    let why = one_line(panic.payload_as_str().unwrap_or("no reason given"));
    let place = panic.location().map(|place| format!(" ({}:{})", place.file(), place.line()));
    let place = place.unwrap_or_default();
    format!("{program}: a fault of {program} itself, please report it: {why}{place}")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_panic_is_a_line_and_an_end() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&told);
        let print = panic::take_hook();
        // Others may fail meanwhile; they are told as ever.
        panic::set_hook(Box::new(move |panic| {
            lines.lock().unwrap().push(line("ssmport", panic));
            print(panic);
        }));
        assert_eq!(caught(|| 1), Some(1));
        assert_eq!(caught(|| panic!("no\n{}", "endpoint")), None::<()>);
        let lines = told.lock().unwrap();
        let expected =
            "ssmport: a fault of ssmport itself, please report it: no endpoint (src/cli/";
        assert!(lines.iter().any(|line| line.starts_with(expected)), "{lines:?}");
    }
}
