//! Addresses of listeners, as every configuration, native or of an original, gives them.
//!
//! Their syntax is [`endpoint`](crate::endpoint)'s business and, for nsqd's flags, [`nsqd`](crate::nsqd)'s.

use std::path::PathBuf;

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// Host and port; port 0 lets the system choose (tests).
    Tcp {
        /// Name or literal address, without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// Unix socket with optional file mode.
    Unix {
        /// Path of the socket file.
        path: PathBuf,
        /// Mode bits, at most 0o777.
        mode: Option<u32>,
    },
}
