//! Reading of values, see [`super`].

use super::input::Bad;
use super::packed::{Element, intset, listpack, ziplist};
use super::reader::{Reader, score};
use super::{kind, read_stream};
use crate::value::Value;
use crate::value::hash::Hash;
use crate::value::list::{End, List};
use crate::value::set::Set;
use crate::value::sorted_set::SortedSet;

/// A value that was read.
#[derive(Debug)]
pub(crate) enum Content {
    /// A string, which stands beside its key.
    Text(Vec<u8>),
    /// Any other.
    Value(Value),
}

/// The value in the whole of `body`.
pub(super) fn content(body: &[u8], bytes_max: usize) -> Result<Content, Bad> {
    let mut reader = Reader::new(body, bytes_max);
    let kind = reader.input.byte()?;
    let content = match kind {
        kind::STRING => Content::Text(reader.string()?),
        kind::LIST | kind::LIST_ZIPLIST | kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => {
            Content::Value(Value::List(list(&mut reader, kind)?))
        }
        kind::SET | kind::SET_INTSET | kind::SET_LISTPACK => {
            Content::Value(Value::Set(set(&mut reader, kind)?))
        }
        kind::HASH | kind::HASH_ZIPLIST | kind::HASH_LISTPACK => {
            Content::Value(Value::Hash(hash(&mut reader, kind)?))
        }
        kind::SORTED_SET | kind::SORTED_SET_2 | kind::SORTED_SET_ZIPLIST | kind::SORTED_SET_LISTPACK => {
            Content::Value(Value::SortedSet(sorted_set(&mut reader, kind)?))
        }
        kind::STREAM | kind::STREAM_2 | kind::STREAM_3 => {
            Content::Value(Value::Stream(Box::new(read_stream::stream(&mut reader, kind)?)))
        }
        _ => return Err(Bad::Format),
    };
    if reader.input.left() == 0 { Ok(content) } else { Err(Bad::Format) }
}

fn list(reader: &mut Reader<'_>, kind: u8) -> Result<List, Bad> {
    /// A node of one element, which is not packed, and one of several.
    const PLAIN: u64 = 1;
    const PACKED: u64 = 2;
    let mut list = List::default();
    let mut add = |reader: &mut Reader<'_>, elements: Vec<Element<'_>>| {
        elements.iter().map(Element::text).try_for_each(|element| {
            reader.count(element.len())?;
            list.push(End::Right, &element);
            Ok(())
        })
    };
    if kind == kind::LIST_ZIPLIST {
        let packed = reader.string()?;
        add(reader, ziplist(&packed)?)?;
    } else {
        for _ in 0..reader.length()? {
            let container = if kind == kind::LIST_QUICKLIST_2 { reader.length()? } else { PACKED };
            let string = reader.string()?;
            match (kind, container) {
                (kind::LIST, _) | (_, PLAIN) => add(reader, vec![Element::Text(&string)])?,
                (kind::LIST_QUICKLIST, _) => add(reader, ziplist(&string)?)?,
                (_, PACKED) => add(reader, listpack(&string)?)?,
                _ => return Err(Bad::Format),
            }
        }
    }
    if list.len() == 0 { Err(Bad::Format) } else { Ok(list) }
}

/// Strings of a collection of `each` for an element: one by one, or packed.
fn strings(reader: &mut Reader<'_>, kind: u8, each: usize) -> Result<Vec<Vec<u8>>, Bad> {
    let unpack = match kind {
        kind::SET_INTSET => intset,
        kind::HASH_ZIPLIST | kind::SORTED_SET_ZIPLIST => ziplist,
        kind::SET_LISTPACK | kind::HASH_LISTPACK | kind::SORTED_SET_LISTPACK => listpack,
        _ => {
            let count = reader.length()?.checked_mul(each as u64).ok_or(Bad::Format)?;
            let mut strings = Vec::new();
            for _ in 0..count {
                strings.push(reader.string()?);
            }
            return Ok(strings);
        }
    };
    let packed = reader.string()?;
    let elements = unpack(&packed)?;
    let mut strings = Vec::new();
    for text in elements.iter().map(Element::text) {
        reader.count(text.len())?;
        strings.push(text);
    }
    if strings.len().is_multiple_of(each) { Ok(strings) } else { Err(Bad::Format) }
}

fn set(reader: &mut Reader<'_>, kind: u8) -> Result<Set, Bad> {
    let mut set = Set::default();
    let are_new = strings(reader, kind, 1)?.iter().all(|member| set.insert(member));
    if are_new && set.len() > 0 { Ok(set) } else { Err(Bad::Format) }
}

fn hash(reader: &mut Reader<'_>, kind: u8) -> Result<Hash, Bad> {
    let mut hash = Hash::default();
    let are_new = strings(reader, kind, 2)?.chunks_exact(2).all(|pair| hash.set(&pair[0], &pair[1]));
    if are_new && hash.len() > 0 { Ok(hash) } else { Err(Bad::Format) }
}

fn sorted_set(reader: &mut Reader<'_>, kind: u8) -> Result<SortedSet, Bad> {
    let mut set = SortedSet::default();
    let mut add = |member: &[u8], score: f64| {
        if score.is_nan() || set.score(member).is_some() {
            return Err(Bad::Format);
        }
        set.set(member, score);
        Ok(())
    };
    match kind {
        kind::SORTED_SET | kind::SORTED_SET_2 => {
            for _ in 0..reader.length()? {
                let member = reader.string()?;
                let score = match kind {
                    kind::SORTED_SET => reader.old_score()?,
                    _ => f64::from_bits(reader.input.u64()?),
                };
                add(&member, score)?;
            }
        }
        _ => {
            for pair in strings(reader, kind, 2)?.chunks_exact(2) {
                add(&pair[0], score(&pair[1])?)?;
            }
        }
    }
    if set.len() > 0 { Ok(set) } else { Err(Bad::Format) }
}
