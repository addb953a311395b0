//! Time that a blocking command may wait: an argument of its own, in seconds or milliseconds.

use std::time::Duration;

use super::Command;
use crate::redis::args::Args;

/// Time a blocking request may wait at its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockTime {
    /// Until there is something.
    Forever,
    /// At most this long. Malformed arguments count as no time: the server answers them at once.
    AtMost(Duration),
}

impl Command {
    /// Time that a request with these arguments, the name first, may block; None if it does not block.
    pub fn block_time(&self, args: Args<'_>) -> Option<BlockTime> {
        let seconds = |text: &[u8]| {
            let text = std::str::from_utf8(text).ok()?;
            Duration::try_from_secs_f64(text.parse().ok()?).ok()
        };
        let millis = |text: &[u8]| std::str::from_utf8(text).ok()?.parse().ok().map(Duration::from_millis);
        let last = args.count_left().checked_sub(1)?;
        let time = match self.name {
            "xread" | "xreadgroup" => millis(block_option(args)?.bytes()),
            "blmpop" | "bzmpop" => seconds(args.clone().nth(1)?.bytes()),
            _ => seconds(args.clone().nth(last)?.bytes()),
        };
        Some(match time.unwrap_or(Duration::from_nanos(1)) {
            Duration::ZERO => BlockTime::Forever,
            time => BlockTime::AtMost(time),
        })
    }
}

/// The argument of `BLOCK` before `STREAMS`.
fn block_option(mut args: Args<'_>) -> Option<crate::redis::args::Argument<'_>> {
    args.next();
    while let Some(option) = args.next() {
        match () {
            () if option.is("block") => return args.next(),
            () if option.is("count") => drop(args.next()),
            () if option.is("group") => drop(args.nth(1)),
            () if option.is("streams") => return None,
            () => {}
        }
    }
    None
}
