//! Errors of `EXEC` that are not the server's reply to it.

const ABORTED: &[u8] = b"-EXECABORT Transaction discarded because of: ";

/// The error after a server refused to queue a request with this one.
pub(crate) fn aborted_by(error: &[u8]) -> Vec<u8> {
    let reason = error.strip_prefix(b"-").unwrap_or(error);
    [ABORTED, reason].concat()
}

/// The server's error that is the reason in an error of `EXEC`, or that error itself.
pub(crate) fn reason_of(error: &[u8]) -> Vec<u8> {
    error.strip_prefix(ABORTED).map_or_else(|| error.to_vec(), |reason| [b"-", reason].concat())
}

/// The error if the reply did not come.
pub(crate) fn unknown_outcome(error: &[u8]) -> Vec<u8> {
    let text = error.strip_suffix(b"\r\n").unwrap_or(error);
    [text, b" (the transaction may have been executed)\r\n"].concat()
}
