//! Messages of an upgrade over a channel, for both sides.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use net::{Channel, Received};
use wire::upgrade::{FIELD_BYTES_MAX, Message};

/// The variable with the descriptor number of the successor's end.
pub const DESCRIPTOR: &str = "NUTHATCH_UPGRADE_FD";

/// Time limit for the other side to read a message.
const SEND_PATIENCE: Duration = Duration::from_secs(10);

/// Sends a message with descriptors.
///
/// # Errors
/// The reason, for the operator.
pub fn send(channel: &Channel, message: &Message, descriptors: &[BorrowedFd<'_>]) -> Result<(), String> {
    let told = |why: &dyn std::fmt::Display| format!("{} cannot be sent: {why}", message.name());
    let bytes = message.encode().map_err(|error| told(&error))?;
    channel.send(&bytes, descriptors, SEND_PATIENCE).map_err(|error| told(&error))
}

/// Sends the other side the reason of the failure, if possible.
pub fn send_failure(channel: &Channel, reason: &str) {
    let mut end = reason.len().min(FIELD_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let _ = send(channel, &Message::Failed { reason: reason[..end].to_owned() }, &[]);
}

/// The next known message. Unknown ones are skipped.
///
/// # Errors
/// The other side reports a failure, or cannot be understood.
pub fn receive(channel: &mut Channel, patience: Duration) -> Result<Heard, String> {
    loop {
        let Received { bytes, descriptors } = match channel.receive(patience) {
            Ok(Some(received)) => received,
            Ok(None) => return Ok(Heard::End),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(Heard::Nothing),
            Err(error) => return Err(error.to_string()),
        };
        match Message::decode(&bytes).map_err(|error| error.to_string())? {
            Message::Unknown { .. } => {}
            Message::Failed { reason } => return Err(reason),
            message => return Ok(Heard::Message(message, descriptors)),
        }
    }
}

/// Outcome of [`receive`].
#[derive(Debug)]
pub enum Heard {
    /// A message, and the descriptors beside it.
    Message(Message, Vec<OwnedFd>),
    /// Nothing arrived in time.
    Nothing,
    /// The other side has closed its end.
    End,
}

/// Text for a message out of turn.
pub fn unexpected(message: &Message) -> String {
    format!("unexpected {}", message.name())
}

/// The descriptors of files, for [`send`].
pub fn borrowed<F: AsFd>(files: &[F]) -> Vec<BorrowedFd<'_>> {
    files.iter().map(AsFd::as_fd).collect()
}
