//! `XADD` and `XTRIM`: a new entry, and how much is kept.

use super::super::call::Call;
use super::super::fault::Fault;
use super::super::integer::integer;
use super::id::{self, New};
use super::put_id;
use crate::events::Class;
use crate::store::Room;
use crate::value::stream::{Id, Stream};

/// Most entries that go with `~`, as Redis' hundred blocks.
const APPROXIMATE_MAX: usize = 100 * 100;

/// Entries that are kept.
#[derive(Debug, Clone, Copy)]
enum Keep {
    /// `MAXLEN`
    Newest(u64),
    /// `MINID`
    From(Id),
}

/// Options before the id of `XADD`, or after the key of `XTRIM`.
#[derive(Debug, Default)]
struct Options {
    keep: Option<Keep>,
    approximate: bool,
    limit: Option<i64>,
    no_stream: bool,
}

impl Options {
    fn trim(&self, stream: &mut Stream) -> usize {
        let limit = match self.limit {
            Some(0) => usize::MAX,
            Some(limit) => limit as usize,
            None => APPROXIMATE_MAX,
        };
        match self.keep {
            None => 0,
            Some(Keep::Newest(len)) => stream.trim(self.approximate, limit, |left, _| left as u64 > len),
            Some(Keep::From(first)) => stream.trim(self.approximate, limit, |_, id| id < first),
        }
    }

    /// Reads the option at `at`; returns the place after it, or None if it is none.
    fn read(&mut self, args: &[&[u8]], at: usize, adds: bool) -> Result<Option<usize>, Fault> {
        let Some(option) = args.get(at).map(|option| option.to_ascii_lowercase()) else { return Ok(None) };
        let more = args.len() - at - 1;
        match option.as_slice() {
            b"maxlen" | b"minid" if more > 0 => {
                if self.keep.is_some() {
                    return Err(Fault::Other(
                        "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
                    ));
                }
                let mut value = at + 1;
                let word = args.get(value).copied().unwrap_or_default();
                self.approximate = false;
                if more >= 2 && (word == b"~" || word == b"=") {
                    self.approximate = word == b"~";
                    value += 1;
                }
                let text = args.get(value).copied().unwrap_or_default();
                self.keep = Some(if option == b"minid" {
                    Keep::From(id::strict(text, 0)?)
                } else {
                    let len = integer(text)?;
                    let len = u64::try_from(len)
                        .map_err(|_| Fault::Other("ERR The MAXLEN argument must be >= 0."))?;
                    Keep::Newest(len)
                });
                Ok(Some(value + 1))
            }
            b"limit" if more > 0 => {
                let limit = integer(args.get(at + 1).copied().unwrap_or_default())?;
                if limit < 0 {
                    return Err(Fault::Other("ERR The LIMIT argument must be >= 0."));
                }
                self.limit = Some(limit);
                Ok(Some(at + 2))
            }
            b"nomkstream" if adds => {
                self.no_stream = true;
                Ok(Some(at + 1))
            }
            _ => Ok(None),
        }
    }

    fn check(&self, trims: bool) -> Result<(), Fault> {
        if self.limit.is_some_and(|limit| limit > 0) && self.keep.is_none() {
            return Err(Fault::Other(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if trims && self.keep.is_none() {
            return Err(Fault::Other("ERR syntax error, XTRIM must be called with a trimming strategy"));
        }
        if self.limit.is_some() && !self.approximate {
            return Err(Fault::Other("ERR syntax error, LIMIT cannot be used without the special ~ option"));
        }
        Ok(())
    }
}

/// `XADD key [NOMKSTREAM] [MAXLEN | MINID [= | ~] threshold [LIMIT count]] * | id field value …`
pub(in super::super) fn xadd(call: &mut Call<'_>) -> Result<(), Fault> {
    let (mut options, mut at) = (Options::default(), 2);
    while call.arg(at) != b"*"
        && let Some(after) = options.read(call.args, at, true)?
    {
        at = after;
    }
    let wanted = if at < call.args.len() { Some(id::new(call.arg(at))?) } else { None };
    options.check(false)?;
    let fields = call.args.get(at + 1..).unwrap_or_default();
    let Some(wanted) = wanted.filter(|_| !fields.is_empty() && fields.len().is_multiple_of(2)) else {
        return Err(Fault::Arity(call.name));
    };
    if wanted == New::Given(Id::MIN) {
        return Err(Fault::Other("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let (key, now_ms) = (call.arg(1), call.now_ms);
    let added = call.edit_or(key, !options.no_stream, Room::of(fields), |stream: &mut Stream, out| {
        if stream.last == Id::MAX {
            return Err(Fault::Other(
                "ERR The stream has exhausted the last possible ID, unable to add more items",
            ));
        }
        let id = id_after(stream.last, wanted, now_ms).ok_or(Fault::Other(
            "ERR The ID specified in XADD is equal or smaller than the target stream top item",
        ))?;
        stream.push(id, fields.iter().copied());
        let trimmed = options.trim(stream);
        put_id(out, id);
        Ok(trimmed)
    })?;
    let Some(trimmed) = added.transpose()? else { return call.null() };
    call.tell(Class::STREAM, "xadd", key);
    if trimmed > 0 {
        call.tell(Class::STREAM, "xtrim", key);
    }
    Ok(())
}

/// The id of the next entry; None if it would not be the greatest.
fn id_after(last: Id, wanted: New, now_ms: u64) -> Option<Id> {
    let id = match wanted {
        New::Given(id) => id,
        New::At(ms) if ms == last.ms => Id { ms, seq: last.seq.checked_add(1)? },
        New::At(ms) => Id { ms, seq: 0 },
        New::Auto if now_ms > last.ms => Id { ms: now_ms, seq: 0 },
        New::Auto => last.next()?,
    };
    (id > last).then_some(id)
}

/// `XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT count]`
pub(in super::super) fn xtrim(call: &mut Call<'_>) -> Result<(), Fault> {
    let (mut options, mut at) = (Options::default(), 2);
    while at < call.args.len() {
        at = options.read(call.args, at, false)?.ok_or(Fault::Syntax)?;
    }
    options.check(true)?;
    let trimmed =
        call.edit_existing(call.arg(1), Room::default(), |stream: &mut Stream, _| options.trim(stream))?;
    if trimmed.is_some_and(|trimmed| trimmed > 0) {
        call.tell(Class::STREAM, "xtrim", call.arg(1));
    }
    call.count(trimmed.unwrap_or(0))
}
