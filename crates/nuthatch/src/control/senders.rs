//! Senders of signals, as the kernel names them: for the audit of what a signal changes.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libc::siginfo_t;

/// Codes of signals that a process has sent: `kill`, `sigqueue`, `tgkill`. A terminal or a timer is nobody.
const SENT: [i32; 3] = [libc::SI_USER, libc::SI_QUEUE, libc::SI_TKILL];

/// Sender of the last signal of a kind, until it is taken: process id above, user id below.
/// Zero: unknown.
#[derive(Debug, Default)]
pub(super) struct LastSender(AtomicU64);

/// A process that has sent a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Its process id; 0 for one outside of this process' container.
    process: u32,
    /// Its user id.
    user: u32,
    /// Its program, if it has not ended yet.
    program: Option<String>,
}

impl LastSender {
    pub const fn unknown() -> LastSender {
        LastSender(AtomicU64::new(0))
    }

    /// Records the senders of a signal from now on. Call it before anybody else handles the signal: actions
    /// run in the order of their registration.
    ///
    /// # Errors
    /// The system's error.
    pub fn follow(&'static self, signal: i32) -> io::Result<()> {
        let record = move |info: &siginfo_t| self.0.store(packed(info), Relaxed);
        // SAFETY: the action reads what the kernel has given and stores to an atomic, which a handler may do.
        unsafe { signal_hook_registry::register_sigaction(signal, record)? };
        Ok(())
    }

    /// The sender of the last signal. Of signals that arrived together, one has no sender.
    pub fn take(&self) -> Option<Sender> {
        let packed = self.0.swap(0, Relaxed);
        let (process, user) = ((packed >> 32) as u32, packed as u32);
        (packed != 0).then(|| Sender { process, user, program: program_of(process) })
    }
}

fn packed(info: &siginfo_t) -> u64 {
    if !SENT.contains(&info.si_code) {
        return 0;
    }
    // SAFETY: the kernel fills in both fields for signals of these codes.
    let (process, user) = unsafe { (info.si_pid(), info.si_uid()) };
    u64::from(process.unsigned_abs()) << 32 | u64::from(user)
}

/// Name of the program of a process.
fn program_of(process: u32) -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    // Its owner may have chosen any bytes.
    let name: String = name.trim_end().chars().filter(char::is_ascii_graphic).collect();
    (!name.is_empty()).then_some(name)
}

impl fmt::Display for Sender {
    /// `process 12 (systemd) of user 0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sender { process, user, program } = self;
        match (process, program) {
            (0, _) => write!(f, "user {user}"),
            (_, Some(program)) => write!(f, "process {process} ({program}) of user {user}"),
            (_, None) => write!(f, "process {process} of user {user}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_names_its_sender() {
        static LAST: LastSender = LastSender::unknown();
        LAST.follow(libc::SIGURG).unwrap();
        assert_eq!(LAST.take(), None);
        let own = std::process::id();
        // SAFETY: the signal is ignored unless somebody handles it, as is done above.
        assert_eq!(unsafe { libc::kill(own.cast_signed(), libc::SIGURG) }, 0);
        // Another thread may be the one that handles it.
        let sender = std::iter::from_fn(|| Some(LAST.take())).flatten().next().unwrap();
        let (name, user) = (program_of(own).unwrap(), rustix::process::getuid().as_raw());
        assert_eq!(sender.to_string(), format!("process {own} ({name}) of user {user}"));
        assert_eq!(LAST.take(), None, "it is named once");
    }

    #[test]
    fn senders_in_words() {
        for (process, program, words) in [
            (0, None, "user 7"),
            (12, Some("systemd"), "process 12 (systemd) of user 7"),
            (12, None, "process 12 of user 7"),
        ] {
            let sender = Sender { process, user: 7, program: program.map(str::to_owned) };
            assert_eq!(sender.to_string(), words);
        }
    }
}
