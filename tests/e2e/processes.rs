//! Whether processes are still there.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Whether a process of this number runs; one that waits to be collected does not.
pub fn is_alive(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

/// Waits until none of them runs.
pub async fn await_gone(pids: &[u32]) {
    let give_up = Instant::now() + Duration::from_secs(5);
    loop {
        let left: Vec<u32> = pids.iter().copied().filter(|pid| is_alive(*pid)).collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < give_up, "{left:?} are still there");
        sleep(Duration::from_millis(10)).await;
    }
}
