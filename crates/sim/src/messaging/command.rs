//! Commands of the NSQ protocol, as sent by clients and as seen by the oracle.

use super::body::{Uid, body};
use super::frames::Id;

/// A topic and one of its channels.
pub(crate) type Name = (String, String);

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Magic,
    /// Message timeout, in milliseconds.
    Identify(u64),
    Publish {
        topic: String,
        /// Messages; more than one is an MPUB.
        uids: Vec<Uid>,
        /// Delay; above zero it is a DPUB.
        delay_ms: u64,
    },
    Sub(Name),
    Rdy(u32),
    Fin(Id),
    Req(Id, u64),
    Touch(Id),
    Cls,
    Nop,
}

impl Command {
    /// True if the daemon answers its success.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self, Command::Identify(_) | Command::Publish { .. } | Command::Sub(_) | Command::Cls)
    }

    /// Wire bytes; bodies have up to `fill_max` bytes of filler.
    pub(crate) fn bytes(&self, fill_max: usize) -> Vec<u8> {
        match self {
            Command::Magic => b"  V2".to_vec(),
            Command::Identify(timeout) => {
                with_body("IDENTIFY\n", format!("{{\"msg_timeout\":{timeout}}}").as_bytes())
            }
            Command::Publish { topic, uids, delay_ms } => publish(topic, uids, *delay_ms, fill_max),
            Command::Sub((topic, channel)) => format!("SUB {topic} {channel}\n").into_bytes(),
            Command::Rdy(count) => format!("RDY {count}\n").into_bytes(),
            Command::Fin(message) => format!("FIN {message:?}\n").into_bytes(),
            Command::Req(message, delay) => format!("REQ {message:?} {delay}\n").into_bytes(),
            Command::Touch(message) => format!("TOUCH {message:?}\n").into_bytes(),
            Command::Cls => b"CLS\n".to_vec(),
            Command::Nop => b"NOP\n".to_vec(),
        }
    }
}

fn publish(topic: &str, uids: &[Uid], delay_ms: u64, fill_max: usize) -> Vec<u8> {
    match uids {
        [uid] if delay_ms > 0 => with_body(&format!("DPUB {topic} {delay_ms}\n"), &body(*uid, fill_max)),
        [uid] => with_body(&format!("PUB {topic}\n"), &body(*uid, fill_max)),
        uids => {
            let mut batch = (uids.len() as u32).to_be_bytes().to_vec();
            for uid in uids {
                batch.extend(with_body("", &body(*uid, fill_max)));
            }
            with_body(&format!("MPUB {topic}\n"), &batch)
        }
    }
}

fn with_body(line: &str, body: &[u8]) -> Vec<u8> {
    [line.as_bytes(), &(body.len() as u32).to_be_bytes(), body].concat()
}
