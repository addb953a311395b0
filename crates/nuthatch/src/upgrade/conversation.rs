//! Messages of an upgrade over a channel, as both sides send and receive them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use net::{Channel, Received};
use wire::upgrade::{FIELD_BYTES_MAX, Message};

/// The variable that names the descriptor of the successor's end.
pub const DESCRIPTOR: &str = "NUTHATCH_UPGRADE_FD";

/// Time the other side may take to read what it was sent.
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

/// Tells the other side why nothing comes of it, as far as it can be told.
pub fn send_failure(channel: &Channel, reason: &str) {
    let mut end = reason.len().min(FIELD_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let _ = send(channel, &Message::Failed { reason: reason[..end].to_owned() }, &[]);
}

/// The next message that is known; None when the other side is gone or silent for so long.
///
/// # Errors
/// The other side says why nothing comes of it, or cannot be understood.
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
    /// Nothing came in time.
    Nothing,
    /// The other side has closed its end.
    End,
}

/// Text for a message that comes out of turn.
pub fn unexpected(message: &Message) -> String {
    format!("{} comes out of turn", message.name())
}

/// The descriptors of files, for [`send`].
pub fn borrowed<F: AsFd>(files: &[F]) -> Vec<BorrowedFd<'_>> {
    files.iter().map(AsFd::as_fd).collect()
}
