//! The clock of this machine: the source of due times of deferred messages, the
//! age of messages and times in logs.

use super::finding::Finding;
use super::patient::Patient;

/// Checks with the kernel that the clock is synchronized.
pub(super) fn check(_: &Patient) -> Vec<Finding> {
    vec![match is_synchronised() {
        Some(true) => Finding::fine("kept right"),
        Some(false) => Finding::warning(
            "nothing keeps it right: delays and ages of messages, and the times of the log, drift with it",
            "run chrony or systemd-timesyncd",
        ),
        None => Finding::skipped("the kernel does not tell"),
    }]
}

#[cfg(target_os = "linux")]
fn is_synchronised() -> Option<bool> {
    // SAFETY: timex is made of numbers, for which all bits zero are a value.
    let mut clock: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: with modes 0 nothing is set; the kernel writes into `clock`, which lives until the call
    // returns.
    let state = unsafe { libc::adjtimex(&raw mut clock) };
    (state >= 0).then_some(state != libc::TIME_ERROR)
}

#[cfg(not(target_os = "linux"))]
fn is_synchronised() -> Option<bool> {
    None
}
