//! Messages between a process and its successor.

use wire::upgrade::{MESSAGE_BYTES_MAX, Message};

/// A message: refused, or equal after being written and read again.
pub fn message(bytes: &[u8]) {
    let Ok(message) = Message::decode(bytes) else { return };
    let written = message.encode().expect("what was read is within the limits");
    assert!(written.len() <= MESSAGE_BYTES_MAX);
    assert_eq!(Message::decode(&written), Ok(message));
}
