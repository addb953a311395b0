//! Positions of a request's keys.
//!
//! Every rule of Redis 7.0 reduces to at most two spans of arguments (first, count, step), determined by the
//! number of arguments, by a count among them, or by parsing the options before the keys as the command
//! itself does.

use super::super::args::{Args, Argument};
use super::super::decimal::integer;

/// The rule for finding a command's keys. Indexes count from 0, the command's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySpec {
    /// No keys.
    None,
    /// Every `step`th argument from `first` to `last`; a negative `last` counts from the end.
    Range {
        /// Index of the first key.
        first: u8,
        /// Index of the last key, or -1 for the last argument, -2 for the one before it.
        last: i8,
        /// 1, or 2 for key/value pairs.
        step: u8,
    },
    /// The argument at `at` is the number of keys after it.
    Numkeys {
        /// Index of the count.
        at: u8,
        /// Error for a wrong count.
        count: Count,
    },
    /// Keys after their count; argument 1 is a key too: the destination.
    NumkeysAndDestination {
        /// Index of the count.
        at: u8,
        /// Error for a wrong count.
        count: Count,
    },
    /// `SORT key [BY x] [LIMIT x x] [GET x]… [STORE key]`
    Sort,
    /// `GEORADIUS key … [STORE key | STOREDIST key]`
    Georadius,
    /// `XREAD … STREAMS key… id…`
    Streams,
    /// `MIGRATE host port key|"" … [KEYS key…]`
    Migrate,
}

/// The families of commands with a number of keys; they differ in their errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// `EVAL` and the like. Redis allows 0; a proxy cannot.
    Script,
    /// `FCALL`: as `EVAL`, with other errors.
    Function,
    /// `ZUNION`, `ZINTER`, `ZDIFF`, `ZINTERCARD` and their storing variants.
    Algebra,
    /// `SINTERCARD`
    Card,
    /// `LMPOP`, `ZMPOP`
    Pop,
}

/// The reason keys could not be found. The texts are Redis' own for the same request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// The number of keys is not an integer.
    NotAnInteger,
    /// A function's number of keys is not an integer.
    BadNumber,
    /// A script's number of keys is negative.
    Negative,
    /// More keys than arguments.
    MoreThanArguments,
    /// Set algebra without a set.
    NoInputKey,
    /// A number of keys below 1, or none.
    NotPositive,
    /// The options before the keys are malformed.
    Syntax,
    /// The numbers of streams and ids differ.
    Unbalanced,
    /// `MIGRATE` with both a key and `KEYS`.
    KeyAndKeys,
    /// A script without keys: Redis would run it, but no server can be chosen.
    NoKey,
}

impl KeyError {
    /// The error's text without its code, for a request of the command `name`.
    pub fn text(self, name: &str) -> String {
        match self {
            KeyError::NotAnInteger => "value is not an integer or out of range".into(),
            KeyError::BadNumber => "Bad number of keys provided".into(),
            KeyError::Negative => "Number of keys can't be negative".into(),
            KeyError::MoreThanArguments => "Number of keys can't be greater than number of args".into(),
            KeyError::NoInputKey => format!("at least 1 input key is needed for '{name}' command"),
            KeyError::NotPositive => "numkeys should be greater than 0".into(),
            KeyError::Syntax => "syntax error".into(),
            KeyError::Unbalanced => {
                "Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.".into()
            }
            KeyError::KeyAndKeys => {
                "When using MIGRATE KEYS option, the key argument must be set to the empty string".into()
            }
            KeyError::NoKey => format!(
                "'{name}' needs at least one key here, to find its server by; give it one, used or not"
            ),
        }
    }
}

impl KeySpec {
    /// Place of the first key among the arguments, of which the first ones are at hand; none if it is not
    /// among them, or where only parsing the whole request shows it.
    pub fn first_at(&self, arguments: &[&[u8]]) -> Option<usize> {
        let at = match *self {
            KeySpec::Range { first, .. } => first.into(),
            KeySpec::Numkeys { at, .. } if arguments.get(usize::from(at)) != Some(&&b"0"[..]) => {
                usize::from(at) + 1
            }
            KeySpec::NumkeysAndDestination { .. } | KeySpec::Sort | KeySpec::Georadius => 1,
            KeySpec::None | KeySpec::Numkeys { .. } | KeySpec::Streams | KeySpec::Migrate => return None,
        };
        (at < arguments.len()).then_some(at)
    }

    /// The keys of a request with these arguments, the name first.
    pub fn find<'a>(&self, args: Args<'a>) -> Result<Keys<'a>, KeyError> {
        let count = args.count_left();
        let [one, two] = match *self {
            KeySpec::None => [Span::NONE, Span::NONE],
            KeySpec::Range { first, last, step } => [range(count, first, last, step), Span::NONE],
            KeySpec::Numkeys { at, count } => [numkeys(args, at, count)?, Span::NONE],
            KeySpec::NumkeysAndDestination { at, count } => [Span::one(1), numkeys(args, at, count)?],
            KeySpec::Sort => [Span::one(1), sort_store(args)],
            KeySpec::Georadius => [Span::one(1), georadius_store(args)],
            KeySpec::Streams => [streams(args)?, Span::NONE],
            KeySpec::Migrate => [migrate(args)?, Span::NONE],
        };
        Ok(Keys { args, at: 0, spans: [one, two] })
    }

    /// First key, last key and step as in `COMMAND`: zeros if positions alone cannot express them.
    pub fn first_last_step(&self) -> (i64, i64, i64) {
        match *self {
            KeySpec::Range { first, last, step } => (first.into(), last.into(), step.into()),
            KeySpec::Sort | KeySpec::Georadius | KeySpec::NumkeysAndDestination { .. } => (1, 1, 1),
            KeySpec::Migrate => (3, 3, 1),
            KeySpec::None | KeySpec::Numkeys { .. } | KeySpec::Streams => (0, 0, 0),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first: usize,
    count: usize,
    step: usize,
}

impl Span {
    const NONE: Span = Span { first: 0, count: 0, step: 1 };

    fn one(at: usize) -> Span {
        Span { first: at, count: 1, step: 1 }
    }
}

/// The keys of one request, in order.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    args: Args<'a>,
    /// Index of the next argument of `args`.
    at: usize,
    spans: [Span; 2],
}

impl Keys<'_> {
    /// Number of keys left.
    pub fn count_left(&self) -> usize {
        self.spans[0].count + self.spans[1].count
    }
}

impl<'a> Iterator for Keys<'a> {
    type Item = Argument<'a>;

    fn next(&mut self) -> Option<Argument<'a>> {
        let span = self.spans.iter_mut().find(|span| span.count > 0)?;
        let wanted = span.first;
        span.first += span.step;
        span.count -= 1;
        let key = self.args.nth(wanted.checked_sub(self.at)?)?;
        self.at = wanted + 1;
        Some(key)
    }
}

/// The arguments of a request to be split, one key at a time.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    args: Args<'a>,
    arguments_each: usize,
}

/// One key of a request to be split, with the arguments that belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// The key.
    pub key: Argument<'a>,
    /// End of the last argument of the part: its value for `MSET`, else the key itself.
    end: usize,
}

impl Part<'_> {
    /// End of key (and value) with their headers and line ends, from the start of the frame. The next part
    /// begins there.
    pub fn end(&self) -> usize {
        self.end
    }
}

impl<'a> Parts<'a> {
    /// Arguments from the first key on, `arguments_each` for each key.
    pub(super) fn new(mut args: Args<'a>, arguments_each: usize) -> Self {
        args.next();
        Parts { args, arguments_each }
    }

    /// Number of parts left.
    pub fn count_left(&self) -> usize {
        self.args.count_left() / self.arguments_each
    }

    /// Start of the next one with its header, from the start of the frame.
    pub fn start(&self) -> usize {
        self.args.position()
    }

    /// Arguments per key: 2 for `MSET`, else 1.
    pub fn arguments_each(&self) -> usize {
        self.arguments_each
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Part<'a>> {
        let key = self.args.next()?;
        let last = if self.arguments_each == 1 { key } else { self.args.nth(self.arguments_each - 2)? };
        Some(Part { key, end: last.encoded_range().end })
    }
}

fn range(argument_count: usize, first: u8, last: i8, step: u8) -> Span {
    let (first, step) = (usize::from(first), usize::from(step));
    let last = if last < 0 {
        argument_count.saturating_sub(last.unsigned_abs().into())
    } else {
        usize::from(last.unsigned_abs()).min(argument_count.saturating_sub(1))
    };
    let count = if last < first { 0 } else { (last - first) / step + 1 };
    Span { first, count, step }
}

fn numkeys(args: Args<'_>, at: u8, count: Count) -> Result<Span, KeyError> {
    let at = usize::from(at);
    let follow = args.count_left().saturating_sub(at + 1);
    let keys = args.clone().nth(at).and_then(|argument| integer(argument.bytes()));
    let too_many = match count {
        Count::Script | Count::Function | Count::Card => KeyError::MoreThanArguments,
        Count::Algebra | Count::Pop => KeyError::Syntax,
    };
    match (count, keys) {
        (Count::Card | Count::Pop, None) => Err(KeyError::NotPositive),
        (Count::Function, None) => Err(KeyError::BadNumber),
        (_, None) => Err(KeyError::NotAnInteger),
        (_, Some(keys)) if keys > follow as i64 => Err(too_many),
        (_, Some(keys)) if keys > 0 => Ok(Span { first: at + 1, count: keys as usize, step: 1 }),
        (Count::Script | Count::Function, Some(0)) => Err(KeyError::NoKey),
        (Count::Script | Count::Function, Some(_)) => Err(KeyError::Negative),
        (Count::Algebra, Some(_)) => Err(KeyError::NoInputKey),
        (Count::Card | Count::Pop, Some(_)) => Err(KeyError::NotPositive),
    }
}

/// The last `STORE`, which takes effect; the patterns of `BY` and `GET` are looked up on the same server.
fn sort_store(args: Args<'_>) -> Span {
    let mut store = Span::NONE;
    let mut options = args.enumerate().skip(2);
    while let Some((at, option)) = options.next() {
        if option.is("limit") {
            options.nth(1);
        } else if option.is("by") || option.is("get") {
            options.next();
        } else if option.is("store") && options.next().is_some() {
            store = Span::one(at + 1);
        }
    }
    store
}

/// The last `STORE` or `STOREDIST`, which takes effect.
fn georadius_store(args: Args<'_>) -> Span {
    let mut store = Span::NONE;
    let mut options = args.enumerate().skip(5);
    while let Some((at, option)) = options.next() {
        if (option.is("store") || option.is("storedist")) && options.next().is_some() {
            store = Span::one(at + 1);
        }
    }
    store
}

fn streams(args: Args<'_>) -> Result<Span, KeyError> {
    let argument_count = args.count_left();
    let mut options = args.enumerate().skip(1);
    while let Some((at, option)) = options.next() {
        let follow = argument_count - at - 1;
        if (option.is("count") || option.is("block")) && follow > 0 {
            options.next();
        } else if option.is("group") && follow > 1 {
            options.nth(1);
        } else if option.is("streams") && follow > 0 {
            let balanced = follow.is_multiple_of(2);
            let span = Span { first: at + 1, count: follow / 2, step: 1 };
            return if balanced { Ok(span) } else { Err(KeyError::Unbalanced) };
        } else if !option.is("noack") {
            break;
        }
    }
    Err(KeyError::Syntax)
}

fn migrate(args: Args<'_>) -> Result<Span, KeyError> {
    let argument_count = args.count_left();
    let has_key = args.clone().nth(3).is_some_and(|key| !key.bytes().is_empty());
    let mut options = args.enumerate().skip(6);
    while let Some((at, option)) = options.next() {
        if option.is("keys") {
            let count = argument_count - at - 1;
            return match (has_key, count) {
                (true, _) => Err(KeyError::KeyAndKeys),
                (false, 0) => Err(KeyError::Syntax),
                (false, count) => Ok(Span { first: at + 1, count, step: 1 }),
            };
        } else if option.is("auth") {
            options.next();
        } else if option.is("auth2") {
            options.nth(1);
        }
    }
    Ok(Span::one(3))
}
