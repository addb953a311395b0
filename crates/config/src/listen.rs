//! Addresses of listeners, common to the native configuration and the originals'.
//!
//! [`endpoint`](crate::endpoint) has their syntax, and [`nsqd`](crate::nsqd) that of nsqd's flags.

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
