//! One connection of a client, as the oracle follows it: commands sent but not consumed, commands consumed
//! but not answered, and received frames.

use std::collections::VecDeque;

use super::command::Command;
use super::frames::{Frame, Frames, Id};
use crate::network::LinkId;

/// Id of a session; never reused in a run.
pub(crate) type SessionId = usize;

/// An event on a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    /// The daemon has carried out a command; publications await their answer.
    Took(Command),
    /// The daemon has read a command; its execution is uncertain.
    Saw(Command),
    /// Answer to a command: reason of the refusal, or `None` for OK.
    Answered(Command, Option<String>),
    /// A message was sent: id, attempts, uid.
    Delivered(Id, u16, u64),
    /// The daemon has dropped the session.
    Gone,
    /// Bytes that no daemon may send.
    Wrong(String),
}

/// A command of a consumer about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Fin,
    Req,
    Touch,
}

fn names(command: &Command) -> Option<(Verb, Id)> {
    match command {
        Command::Fin(id) => Some((Verb::Fin, *id)),
        Command::Req(id, _) => Some((Verb::Req, *id)),
        Command::Touch(id) => Some((Verb::Touch, *id)),
        _ => None,
    }
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) link: LinkId,
    /// True once the daemon has dropped it.
    pub(crate) closed: bool,
    sent: VecDeque<(usize, Command)>,
    /// Consumed bytes of the first command.
    partial: usize,
    unanswered: VecDeque<Command>,
    /// Answers that arrived before their command was seen to be consumed.
    answers: VecDeque<Option<String>>,
    frames: Frames,
    /// Messages whose FIN, REQ or TOUCH was refused.
    failed: Vec<(Verb, Id)>,
    /// True after an error that ends the connection.
    over: bool,
}

impl Session {
    pub(crate) fn new(link: LinkId) -> Session {
        Session {
            link,
            closed: false,
            sent: VecDeque::new(),
            partial: 0,
            unanswered: VecDeque::new(),
            answers: VecDeque::new(),
            frames: Frames::default(),
            failed: Vec::new(),
            over: false,
        }
    }

    /// Records a command of this many bytes sent by the client.
    pub(crate) fn sends(&mut self, command: Command, bytes: usize) {
        self.sent.push_back((bytes, command));
    }

    /// Records bytes consumed by the daemon. Frames it sent meanwhile were recorded before.
    pub(crate) fn took(&mut self, bytes: usize) -> Vec<Fact> {
        self.partial += bytes;
        let mut commands = Vec::new();
        while let Some((size, command)) = self.sent.pop_front_if(|(size, _)| *size <= self.partial) {
            self.partial -= size;
            commands.push(command);
        }
        for failed in std::mem::take(&mut self.failed) {
            // Of several commands about one message, the last ones fail.
            if let Some(at) = commands.iter().rposition(|command| names(command) == Some(failed)) {
                commands.remove(at);
            }
        }
        let mut facts = Vec::new();
        for command in commands {
            self.consumed(command, &mut facts);
        }
        facts
    }

    fn consumed(&mut self, command: Command, facts: &mut Vec<Fact>) {
        if command.is_answered() {
            self.unanswered.push_back(command.clone());
        }
        facts.push(if self.over { Fact::Saw(command) } else { Fact::Took(command) });
        self.match_answers(facts);
    }

    /// Records bytes sent by the daemon.
    pub(crate) fn got(&mut self, bytes: &[u8]) -> Vec<Fact> {
        let mut facts = Vec::new();
        for frame in self.frames.take(bytes) {
            match frame {
                Frame::Response(_) if frame.is_heartbeat() => {}
                Frame::Response(_) => self.answers.push_back(None),
                Frame::Error(text) => self.refused(&text),
                Frame::Message { id, attempts, uid } => facts.push(Fact::Delivered(id, attempts, uid)),
                Frame::Nonsense(why) => facts.push(Fact::Wrong(why)),
            }
        }
        self.match_answers(&mut facts);
        facts
    }

    fn refused(&mut self, text: &[u8]) {
        let words: Vec<&[u8]> = text.split(|byte| *byte == b' ').collect();
        let verb = match words[0] {
            b"E_FIN_FAILED" => Verb::Fin,
            b"E_REQ_FAILED" => Verb::Req,
            b"E_TOUCH_FAILED" => Verb::Touch,
            _ => {
                self.over = true;
                self.answers.push_back(Some(String::from_utf8_lossy(text).into_owned()));
                return;
            }
        };
        if let Some(id) = words.get(2).and_then(|id| <[u8; 16]>::try_from(*id).ok()) {
            self.failed.push((verb, Id(id)));
        }
    }

    fn match_answers(&mut self, facts: &mut Vec<Fact>) {
        while !self.unanswered.is_empty()
            && let Some(refusal) = self.answers.pop_front()
            && let Some(command) = self.unanswered.pop_front()
        {
            facts.push(Fact::Answered(command, refusal));
        }
    }
}
