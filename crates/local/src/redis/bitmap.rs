//! Commands about the bits of strings. The first bit is the highest one of the first byte.

use wire::redis::encode;

use super::call::Call;
use super::fault::Fault;
use super::integer::integer;
use super::string::write_at;
use crate::entry::NEVER;
use crate::events::Class;

/// Redis' limit: the bits of 512 MB.
const BITS_MAX: usize = 512 << 23;

fn offset(text: &[u8]) -> Result<usize, Fault> {
    let offset = integer(text).ok().and_then(|offset| usize::try_from(offset).ok());
    offset.filter(|offset| *offset < BITS_MAX).ok_or(Fault::BIT_OFFSET)
}

fn bit(text: &[u8], wrong: Fault) -> Result<u8, Fault> {
    match text {
        b"0" => Ok(0),
        b"1" => Ok(1),
        _ => Err(wrong),
    }
}

fn bit_of(string: &[u8], at: usize) -> u8 {
    string.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1)
}

/// `GETBIT key offset`
pub(super) fn getbit(call: &mut Call<'_>) -> Result<(), Fault> {
    let at = offset(call.arg(2))?;
    let bit = bit_of(call.string(call.arg(1))?.unwrap_or_default(), at);
    call.integer(i64::from(bit))
}

/// `SETBIT key offset value`: replies with the old bit.
pub(super) fn setbit(call: &mut Call<'_>) -> Result<(), Fault> {
    let (key, at) = (call.arg(1), offset(call.arg(2))?);
    let new = bit(call.arg(3), Fault::BIT)?;
    let string = call.string(key)?;
    let (is_there, old) = (string.is_some(), string.unwrap_or_default());
    let (old_bit, length) = (bit_of(old, at), old.len().max(at / 8 + 1));
    let is_change = old.len() < length || old_bit != new;
    let byte = old.get(at / 8).copied().unwrap_or(0);
    let mask = 0x80 >> (at % 8);
    call.check_length(key, length)?;
    if !is_there {
        call.put(key, b"", NEVER)?;
    }
    let byte = if new == 1 { byte | mask } else { byte & !mask };
    write_at(call, key, at / 8, &[byte]);
    if is_change {
        call.tell(Class::STRING, "setbit", key);
    }
    call.integer(i64::from(old_bit))
}

/// Bits of a string: from the first to the last, both included.
fn bits(args: &[&[u8]], length: usize) -> Result<std::ops::Range<usize>, Fault> {
    let (start, end, unit) = match args {
        [start, end] => (integer(start)?, integer(end)?, 8),
        [start, end, unit] if unit.eq_ignore_ascii_case(b"byte") => (integer(start)?, integer(end)?, 8),
        [start, end, unit] if unit.eq_ignore_ascii_case(b"bit") => (integer(start)?, integer(end)?, 1),
        _ => return Err(Fault::Syntax),
    };
    let range = units(start, end, length * 8 / unit);
    Ok(range.start * unit..range.end * unit)
}

/// The bytes or bits from `start` to `end` of `len`, both included, negative ones from the back. An end in
/// front of the first one is the first.
fn units(start: i64, end: i64, len: usize) -> std::ops::Range<usize> {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let from_end = |index: i64| if index < 0 { index.saturating_add(len).max(0) } else { index };
    let (start, end) = (from_end(start), from_end(end).min(len - 1));
    if start > end { 0..0 } else { start as usize..end as usize + 1 }
}

/// True if a range counted from the back ends before it begins, however long the string is.
fn is_backward(args: &[&[u8]]) -> bool {
    let from_back = |text: &&[u8]| integer(text).ok().filter(|index| *index < 0);
    matches!((args.first().and_then(from_back), args.get(1).and_then(from_back)), (Some(start), Some(end)) if start > end)
}

/// `BITCOUNT key [start end [BYTE | BIT]]`
pub(super) fn bitcount(call: &mut Call<'_>) -> Result<(), Fault> {
    let args = call.args.get(2..).unwrap_or_default();
    // A missing key is looked at before the range.
    let Some(string) = call.string(call.arg(1))? else { return call.count(0) };
    let range = if args.is_empty() { 0..string.len() * 8 } else { bits(args, string.len())? };
    let range = if is_backward(args) { 0..0 } else { range };
    let count = count_ones(string, range);
    call.count(count)
}

fn count_ones(string: &[u8], range: std::ops::Range<usize>) -> usize {
    let (first, last) = (range.start.next_multiple_of(8), range.end / 8 * 8);
    if first >= last {
        return range.filter(|at| bit_of(string, *at) == 1).count();
    }
    let edges = (range.start..first).chain(last..range.end);
    let whole = string.get(first / 8..last / 8).unwrap_or_default();
    edges.filter(|at| bit_of(string, *at) == 1).count()
        + whole.iter().map(|byte| byte.count_ones() as usize).sum::<usize>()
}

/// `BITPOS key bit [start [end [BYTE | BIT]]]`
pub(super) fn bitpos(call: &mut Call<'_>) -> Result<(), Fault> {
    let wanted = match integer(call.arg(2))? {
        bit @ (0 | 1) => bit as u8,
        _ => return Err(Fault::Other("ERR The bit argument must be 1 or 0.")),
    };
    let args = call.args.get(3..).unwrap_or_default();
    let string = call.string(call.arg(1))?;
    let Some(string) = string else { return call.integer(if wanted == 1 { -1 } else { 0 }) };
    let range = match args {
        [] => 0..string.len() * 8,
        [start] => bits(&[start, b"-1"], string.len())?,
        args => bits(args, string.len())?,
    };
    let skipped = if wanted == 1 { 0 } else { 0xff };
    let mut at = range.start;
    let found = loop {
        if at >= range.end {
            break None;
        }
        if at.is_multiple_of(8) && string.get(at / 8) == Some(&skipped) {
            at += 8;
        } else if bit_of(string, at) == wanted {
            break Some(at);
        } else {
            at += 1;
        }
    };
    // Beyond the string there are zeros, unless the client has said where to end.
    let open_end = wanted == 0 && args.len() < 2 && !range.is_empty();
    let found = found.map(|at| at as i64).or(open_end.then_some(range.end as i64));
    call.integer(found.unwrap_or(-1))
}

/// `BITOP AND | OR | XOR | NOT destination key …`
pub(super) fn bitop(call: &mut Call<'_>) -> Result<(), Fault> {
    let operation = call.arg(1).to_ascii_lowercase();
    let keys = call.args.get(3..).unwrap_or_default();
    let combine: fn(u8, u8) -> u8 = match operation.as_slice() {
        b"and" => |a, b| a & b,
        b"or" => |a, b| a | b,
        b"xor" => |a, b| a ^ b,
        b"not" if keys.len() == 1 => |a, _| !a,
        b"not" => return Err(Fault::Other("ERR BITOP NOT must be called with a single source key.")),
        _ => return Err(Fault::Syntax),
    };
    let mut strings = Vec::with_capacity(keys.len());
    for key in keys {
        strings.push(call.string(key)?.unwrap_or_default().to_vec());
    }
    let length = strings.iter().map(Vec::len).max().unwrap_or(0);
    let (first, rest) = strings.split_first().ok_or(Fault::Syntax)?;
    let byte = |string: &[u8], at: usize| string.get(at).copied().unwrap_or(0);
    let result: Vec<u8> = (0..length)
        .map(|at| match rest {
            [] if operation == b"not" => combine(byte(first, at), 0),
            rest => rest.iter().fold(byte(first, at), |sum, string| combine(sum, byte(string, at))),
        })
        .collect();
    let destination = call.arg(2);
    if result.is_empty() {
        call.remove(destination);
    } else {
        call.put(destination, &result, NEVER)?;
        call.tell(Class::STRING, "set", destination);
    }
    call.count(length)
}

/// An operation of `BITFIELD`.
enum Operation {
    Get,
    Set(i64),
    Add(i64),
}

/// Treatment of a number that does not fit.
#[derive(Clone, Copy)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

/// A number in a string: its type and the offset of its first bit.
#[derive(Clone, Copy)]
struct Place {
    signed: bool,
    width: u32,
    at: usize,
}

impl Place {
    fn parse(kind: &[u8], at: &[u8]) -> Result<Place, Fault> {
        const TYPE: Fault = Fault::Other(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        );
        let (signed, digits) = match kind {
            [b'i', digits @ ..] => (true, digits),
            [b'u', digits @ ..] => (false, digits),
            _ => return Err(TYPE),
        };
        let width = integer(digits).ok().and_then(|width| u32::try_from(width).ok()).ok_or(TYPE)?;
        if !(1..=if signed { 64 } else { 63 }).contains(&width) {
            return Err(TYPE);
        }
        let (scaled, digits) = match at {
            [b'#', digits @ ..] => (width as usize, digits),
            digits => (1, digits),
        };
        let at = integer(digits).ok().and_then(|at| usize::try_from(at).ok()).ok_or(Fault::BIT_OFFSET)?;
        let at = at.checked_mul(scaled).filter(|at| *at + 64 < BITS_MAX).ok_or(Fault::BIT_OFFSET)?;
        Ok(Place { signed, width, at })
    }

    fn read(self, string: &[u8]) -> i64 {
        let bits = (self.at..self.at + self.width as usize)
            .fold(0u64, |number, at| number << 1 | u64::from(bit_of(string, at)));
        if self.signed { (bits << (64 - self.width)) as i64 >> (64 - self.width) } else { bits as i64 }
    }

    fn write(self, string: &mut [u8], number: i64) {
        for i in 0..self.width as usize {
            let bit = (number as u64 >> (self.width as usize - 1 - i) & 1) as u8;
            let at = self.at + i;
            let mask = 0x80 >> (at % 8);
            if let Some(byte) = string.get_mut(at / 8) {
                *byte = if bit == 1 { *byte | mask } else { *byte & !mask };
            }
        }
    }

    /// A number as it is kept; None if it does not fit and must not be changed.
    fn fit(self, number: i128, overflow: Overflow) -> Option<i64> {
        let (low, high) = if self.signed {
            (-(1i128 << (self.width - 1)), (1i128 << (self.width - 1)) - 1)
        } else {
            (0, (1i128 << self.width) - 1)
        };
        if (low..=high).contains(&number) {
            return Some(number as i64);
        }
        match overflow {
            Overflow::Fail => None,
            Overflow::Saturate => Some(number.clamp(low, high) as i64),
            Overflow::Wrap => Some((number - low).rem_euclid(1i128 << self.width).wrapping_add(low) as i64),
        }
    }
}

/// `BITFIELD key [GET type offset] [SET type offset value] [INCRBY type offset increment] [OVERFLOW …] …`
pub(super) fn bitfield(call: &mut Call<'_>) -> Result<(), Fault> {
    fields(call, true)
}

/// `BITFIELD_RO key GET type offset …`
pub(super) fn bitfield_ro(call: &mut Call<'_>) -> Result<(), Fault> {
    fields(call, false)
}

fn fields(call: &mut Call<'_>, writes: bool) -> Result<(), Fault> {
    let mut rest = call.args.get(2..).unwrap_or_default();
    let (mut steps, mut overflow, mut end) = (Vec::new(), Overflow::Wrap, 0);
    while let [word, behind @ ..] = rest {
        let (step, behind) = match (word.to_ascii_lowercase().as_slice(), behind) {
            (b"get", [kind, at, behind @ ..]) => ((Place::parse(kind, at)?, Operation::Get), behind),
            (b"set", [kind, at, value, behind @ ..]) => {
                let place = Place::parse(kind, at)?;
                ((place, Operation::Set(integer(value)?)), behind)
            }
            (b"incrby", [kind, at, value, behind @ ..]) => {
                let place = Place::parse(kind, at)?;
                ((place, Operation::Add(integer(value)?)), behind)
            }
            (b"overflow", [how, behind @ ..]) => {
                overflow = match how.to_ascii_lowercase().as_slice() {
                    b"wrap" => Overflow::Wrap,
                    b"sat" => Overflow::Saturate,
                    b"fail" => Overflow::Fail,
                    _ => return Err(Fault::Other("ERR Invalid OVERFLOW type specified")),
                };
                rest = behind;
                continue;
            }
            _ => return Err(Fault::Syntax),
        };
        if !matches!(step.1, Operation::Get) {
            if !writes {
                return Err(Fault::Other("ERR BITFIELD_RO only supports the GET subcommand"));
            }
            end = end.max((step.0.at + step.0.width as usize).div_ceil(8));
        }
        steps.push((step.0, step.1, overflow));
        rest = behind;
    }
    let key = call.arg(1);
    let old = call.string(key)?;
    let (is_there, mut string) = (old.is_some(), old.unwrap_or_default().to_vec());
    let (has_grown, mut has_changed) = (string.len() < end, false);
    if end > 0 {
        call.check_length(key, string.len().max(end))?;
        string.resize(string.len().max(end), 0);
    }
    encode::array(call.out, steps.len());
    for (place, operation, overflow) in steps {
        let old = place.read(&string);
        let (new, answer) = match operation {
            Operation::Get => (None, Some(old)),
            Operation::Set(value) => {
                let value = if place.signed { i128::from(value) } else { i128::from(value as u64) };
                let new = place.fit(value, overflow);
                (new, new.map(|_| old))
            }
            Operation::Add(by) => {
                let new = place.fit(i128::from(old) + i128::from(by), overflow);
                (new, new)
            }
        };
        if let Some(new) = new {
            has_changed |= has_grown || place.read(&string) != new;
            place.write(&mut string, new);
        }
        match answer {
            Some(answer) => encode::integer(call.out, answer),
            None => encode::null(call.out, call.version),
        }
    }
    if end > 0 {
        if !is_there {
            call.put(key, b"", NEVER)?;
        }
        write_at(call, key, 0, &string);
        if has_changed {
            call.tell(Class::STRING, "setbit", key);
        }
    }
    Ok(())
}
