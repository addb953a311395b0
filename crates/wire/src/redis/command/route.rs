//! From a scanned request to its treatment.
//!
//! The order of checks is Redis' own: known command, number of arguments, the same for the subcommand, then
//! the keys. A command with one key, which is nearly every one, needs only the first two.

use bytes::BufMut;

use super::merge::Merge;
use super::{BlockTime, Command, KeyError, KeySpec, Keys, Local, Parts, Proxied, Refusal, flags};
use crate::redis::args::Argument;
use crate::redis::{Request, encode};

/// Destination of a request.
#[derive(Debug, Clone, Copy)]
pub enum Route<'a> {
    /// Answered by the proxy itself.
    Local(Local),
    /// Forwarded verbatim to the server of this key, the only one.
    One(Argument<'a>),
    /// Forwarded verbatim to the server of these keys, at least two, if they all live on one.
    Same(Keys<'a>),
    /// Split into one request per server, for at least two keys.
    Split(Merge, Parts<'a>),
    /// Forwarded verbatim to every server.
    Every(Merge),
    /// Forwarded verbatim to any server.
    Any,
    /// Forwarded verbatim to the server of a pool that has one; otherwise refused.
    Only(Refusal<'a>),
    /// Forwarded to the server that the cursor names.
    Scan,
    /// Begins or ends subscriptions.
    Subscribe,
    /// Forwarded verbatim to the server of these keys, where it may block for this long.
    Block(Keys<'a>, BlockTime),
}

impl Request {
    /// Looks the request up in the table: its command (the subcommand, for containers) and its route, or its
    /// error.
    #[inline]
    pub fn route<'a>(&self, frame: &'a [u8]) -> Result<(&'static Command, Route<'a>), Refusal<'a>> {
        const FIRST: KeySpec = KeySpec::Range { first: 1, last: 1, step: 1 };
        let Some(command) = self.command() else { return Err(Refusal::Unknown(self.args(frame))) };
        if !command.takes(self.argument_count()) {
            return Err(unless_refused(command, Refusal::Arity(command)));
        }
        match (command.proxied, command.keys, self.first(frame)) {
            (Proxied::Forward, FIRST, Some(key)) => Ok((command, Route::One(key))),
            _ => self.route_further(frame, command),
        }
    }

    fn route_further<'a>(
        &self,
        frame: &'a [u8],
        container: &'static Command,
    ) -> Result<(&'static Command, Route<'a>), Refusal<'a>> {
        let command = self.subcommand_of(frame, container)?;
        let route = match command.proxied {
            Proxied::Local(local) => Route::Local(local),
            Proxied::Every(merge) => Route::Every(merge),
            Proxied::Any => Route::Any,
            Proxied::Only(reason) => Route::Only(Refusal::Unsupported(command, reason)),
            Proxied::Scan => Route::Scan,
            Proxied::Subscribe => Route::Subscribe,
            Proxied::Channel => match self.first(frame) {
                Some(channel) => Route::One(channel),
                None => return Err(Refusal::Arity(command)),
            },
            Proxied::Block => self.block(frame, command)?,
            Proxied::Forward if command.flags & flags::BLOCKING != 0 && self.blocks(frame, command) => {
                self.block(frame, command)?
            }
            Proxied::Refused(reason) => return Err(Refusal::Unsupported(command, reason)),
            Proxied::Forward => {
                let mut keys = match self.keys(frame, command) {
                    Err(none @ Refusal::Keys(_, KeyError::NoKey)) => return Ok((command, Route::Only(none))),
                    keys => keys?,
                };
                match keys.count_left() {
                    1 => Route::One(keys.next().ok_or(Refusal::Keys(command, KeyError::Syntax))?),
                    _ => Route::Same(keys),
                }
            }
            Proxied::Split(merge) => self.split(frame, command, merge)?,
        };
        Ok((command, route))
    }

    /// The subcommand of `container`; `container` itself if it has none.
    fn subcommand_of<'a>(
        &self,
        frame: &'a [u8],
        container: &'static Command,
    ) -> Result<&'static Command, Refusal<'a>> {
        let Some(name) = self.first(frame).filter(|_| !container.subcommands.is_empty()) else {
            return Ok(container);
        };
        match container.subcommand(name.bytes()) {
            None => Err(Refusal::UnknownSubcommand(container.name, name.bytes())),
            Some(command) if command.takes(self.argument_count()) => Ok(command),
            Some(command) => Err(unless_refused(command, Refusal::Arity(command))),
        }
    }

    fn blocks(&self, frame: &[u8], command: &'static Command) -> bool {
        command.block_time(self.args(frame)).is_some()
    }

    fn block<'a>(&self, frame: &'a [u8], command: &'static Command) -> Result<Route<'a>, Refusal<'a>> {
        let keys = self.keys(frame, command)?;
        // Malformed arguments are the server's to answer, which it does at once.
        let at_once = BlockTime::AtMost(std::time::Duration::ZERO);
        Ok(Route::Block(keys, command.block_time(self.args(frame)).unwrap_or(at_once)))
    }

    fn keys<'a>(&self, frame: &'a [u8], command: &'static Command) -> Result<Keys<'a>, Refusal<'a>> {
        self.whole_pairs(command)?;
        command.keys.find(self.args(frame)).map_err(|error| Refusal::Keys(command, error))
    }

    fn split<'a>(
        &self,
        frame: &'a [u8],
        command: &'static Command,
        merge: Merge,
    ) -> Result<Route<'a>, Refusal<'a>> {
        let arguments_each = self.whole_pairs(command)?;
        match self.first(frame) {
            Some(key) if self.argument_count() == 1 + arguments_each => Ok(Route::One(key)),
            _ => Ok(Route::Split(merge, Parts::new(self.args(frame), arguments_each))),
        }
    }

    /// Number of arguments per key; an error if the last key lacks its value.
    fn whole_pairs(&self, command: &'static Command) -> Result<usize, Refusal<'static>> {
        match command.keys {
            KeySpec::Range { first, last: -1, step } => {
                let step = usize::from(step);
                let whole = self.argument_count().saturating_sub(first.into()).is_multiple_of(step);
                if whole { Ok(step) } else { Err(Refusal::Arity(command)) }
            }
            _ => Ok(1),
        }
    }
}

/// Unsupported commands report that, not arity.
fn unless_refused(command: &'static Command, refusal: Refusal<'static>) -> Refusal<'static> {
    match command.proxied {
        Proxied::Refused(reason) if command.subcommands.is_empty() => Refusal::Unsupported(command, reason),
        _ => refusal,
    }
}

/// Appends the head of a split request for one server: `*n\r\n$4\r\nmget\r\n`, in lower case as nutcracker
/// 0.5.0. `keys` parts follow, copied from the client's request (see [`super::Part::end`]).
pub fn write_split_head(out: &mut impl BufMut, command: &Command, keys: usize, arguments_each: usize) {
    encode::array(out, 1 + keys * arguments_each);
    encode::bulk(out, command.name.as_bytes());
}
