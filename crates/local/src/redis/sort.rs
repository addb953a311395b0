//! `SORT`: the elements of a list, a set or a sorted set by their number, their bytes, or what other keys
//! hold.

use std::cmp::Ordering;

use wire::redis::encode;

use super::call::Call;
use super::fault::Fault;
use super::integer::integer;
use super::score;
use crate::events::Class;
use crate::value::hash::Hash;
use crate::value::list::{End, List};
use crate::value::{Collection, Value};

/// Order and selection of a sorted reply.
#[derive(Debug, Default)]
struct Options<'a> {
    by: Option<&'a [u8]>,
    get: Vec<&'a [u8]>,
    offset: i64,
    count: Option<i64>,
    descending: bool,
    alpha: bool,
    store: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(args: &[&'a [u8]], stores: bool) -> Result<Options<'a>, Fault> {
        let mut options = Options::default();
        let mut rest = args.get(2..).unwrap_or_default();
        while let [option, behind @ ..] = rest {
            rest = behind;
            match (option.to_ascii_lowercase().as_slice(), behind) {
                (b"asc", _) => options.descending = false,
                (b"desc", _) => options.descending = true,
                (b"alpha", _) => options.alpha = true,
                (b"limit", [offset, count, behind @ ..]) => {
                    (options.offset, options.count) = (integer(offset)?, Some(integer(count)?));
                    rest = behind;
                }
                (b"store", [key, behind @ ..]) if stores => {
                    options.store = Some(key);
                    rest = behind;
                }
                (b"by", [pattern, behind @ ..]) => {
                    options.by = Some(pattern);
                    rest = behind;
                }
                (b"get", [pattern, behind @ ..]) => {
                    options.get.push(pattern);
                    rest = behind;
                }
                _ => return Err(Fault::Syntax),
            }
        }
        Ok(options)
    }

    /// True if the pattern names no other keys: then the order stays.
    fn keeps_order(&self) -> bool {
        self.by.is_some_and(|pattern| !pattern.contains(&b'*'))
    }

    /// The part of these many elements that is wanted.
    fn limits(&self, len: usize) -> std::ops::Range<usize> {
        let start = usize::try_from(self.offset).unwrap_or(0).min(len);
        let count = self.count.and_then(|count| usize::try_from(count).ok()).unwrap_or(len);
        start..start.saturating_add(count).min(len)
    }
}

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA] [STORE destination]`
pub(super) fn sort(call: &mut Call<'_>) -> Result<(), Fault> {
    sorted(call, true)
}

/// `SORT_RO key …`: without `STORE`.
pub(super) fn sort_ro(call: &mut Call<'_>) -> Result<(), Fault> {
    sorted(call, false)
}

fn sorted(call: &mut Call<'_>, stores: bool) -> Result<(), Fault> {
    let options = Options::parse(call.args, stores)?;
    let (mut elements, has_order) = elements(call)?;
    if !options.keeps_order() {
        order(call, &mut elements, &options)?;
    } else if has_order && options.descending {
        elements.reverse();
    }
    let elements = elements.get(options.limits(elements.len())).unwrap_or_default();
    let patterns: &[&[u8]] = if options.get.is_empty() { &[b"#"] } else { &options.get };
    let mut results = Vec::with_capacity(elements.len() * patterns.len());
    for element in elements {
        results.extend(patterns.iter().map(|pattern| look_up(call, pattern, element)));
    }
    if let Some(destination) = options.store {
        let mut list = List::default();
        results.iter().for_each(|result| list.push(End::Right, result.as_deref().unwrap_or_default()));
        call.replace(destination, list, (Class::LIST, "sortstore"))?;
        return call.count(results.len());
    }
    encode::array(call.out, results.len());
    for result in results {
        match result {
            Some(value) => encode::bulk(call.out, &value),
            None => encode::null(call.out, call.version),
        }
    }
    Ok(())
}

/// The elements, and whether their order means something besides the list's own.
fn elements(call: &mut Call<'_>) -> Result<(Vec<Vec<u8>>, bool), Fault> {
    let key = call.arg(1);
    let Some(entry) = call.peek(key) else { return Ok((Vec::new(), false)) };
    let mut elements = Vec::new();
    match entry.value() {
        Some(Value::List(list)) => elements.extend(list.iter_from(0).map(<[u8]>::to_vec)),
        Some(Value::Set(set)) => set.each(|member| elements.push(member.to_vec())),
        Some(Value::SortedSet(set)) => {
            elements.extend(set.range(0..set.len()).map(|(member, _)| member.to_vec()));
            return Ok((elements, true));
        }
        _ => return Err(Fault::WRONG_TYPE),
    }
    Ok((elements, false))
}

fn order(call: &mut Call<'_>, elements: &mut Vec<Vec<u8>>, options: &Options<'_>) -> Result<(), Fault> {
    let mut weighed = Vec::with_capacity(elements.len());
    for element in elements.drain(..) {
        let weight = match options.by {
            Some(pattern) => look_up(call, pattern, &element),
            None => Some(element.clone()),
        };
        let number = match &weight {
            Some(text) if !options.alpha => score::parse_loosely(text).ok_or(Fault::SORT_NOT_FLOAT)?,
            _ => 0.0,
        };
        weighed.push((number, weight, element));
    }
    weighed.sort_by(|(number, weight, element), (other_number, other_weight, other)| {
        let order = if options.alpha {
            weight.cmp(other_weight)
        } else {
            // No number is NaN; -0 is 0.
            number.partial_cmp(other_number).unwrap_or(Ordering::Equal).then_with(|| element.cmp(other))
        };
        if options.descending { order.reverse() } else { order }
    });
    elements.extend(weighed.into_iter().map(|(_, _, element)| element));
    Ok(())
}

/// The value that a pattern names for an element: `#` the element, `key_*` a string, `key_*->field` a field
/// of a hash.
fn look_up(call: &mut Call<'_>, pattern: &[u8], element: &[u8]) -> Option<Vec<u8>> {
    if pattern == b"#" {
        return Some(element.to_vec());
    }
    let star = pattern.iter().position(|byte| *byte == b'*')?;
    let (front, back) = (&pattern[..star], &pattern[star + 1..]);
    let arrow = back.windows(2).position(|pair| pair == b"->").filter(|at| at + 2 < back.len());
    let (back, field) = match arrow {
        Some(at) => (&back[..at], Some(&back[at + 2..])),
        None => (back, None),
    };
    let key = [front, element, back].concat();
    let entry = call.peek(&key)?;
    match field {
        None => entry.string().map(<[u8]>::to_vec),
        Some(field) => Hash::of(entry.value()?)?.get(field).map(<[u8]>::to_vec),
    }
}
