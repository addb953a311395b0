//! The subjects of a request for access rules: its keys with the use of each, and its channels.

use super::side::{Side, Sides};
use super::{Command, KeyError, KeySpec, Keys, flags};
use crate::redis::args::{Args, Argument};

impl Command {
    /// The keys of a request with these arguments, the name first, each with its use.
    pub fn sided_keys<'a>(&self, args: Args<'a>) -> Result<SidedKeys<'a>, KeyError> {
        let (first, rest) = self.sides.of(args);
        let keys = if self.sides == Sides::Channels { KeySpec::None } else { self.keys };
        Ok(SidedKeys { keys: keys.find(args)?, next: first, rest })
    }

    /// Its publish/subscribe channels, which Redis' access control checks. Unsubscribing is always allowed.
    pub fn channels(&self) -> Channels {
        match self.name {
            _ if self.flags & flags::PUBSUB == 0 => Channels::None,
            "publish" | "spublish" => Channels::First,
            "subscribe" | "ssubscribe" => Channels::All,
            "psubscribe" => Channels::Patterns,
            _ => Channels::None,
        }
    }
}

/// The arguments that are channel names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// None.
    None,
    /// The argument after the command's name.
    First,
    /// All of them.
    All,
    /// All of them, each a glob that matches channels.
    Patterns,
}

/// The keys of one request in order, each with its use.
#[derive(Debug, Clone, Copy)]
pub struct SidedKeys<'a> {
    keys: Keys<'a>,
    next: Side,
    rest: Side,
}

impl<'a> Iterator for SidedKeys<'a> {
    type Item = (Argument<'a>, Side);

    fn next(&mut self) -> Option<Self::Item> {
        let side = std::mem::replace(&mut self.next, self.rest);
        Some((self.keys.next()?, side))
    }
}
