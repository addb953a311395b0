//! Output of commands that print and exit.

use std::io::Write;

/// Prints to standard output. The reader may have gone away, as `head` does: a closed pipe is not an error.
pub fn show(text: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}
