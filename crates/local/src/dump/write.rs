//! Writing of values, see [`super`].

use super::encode::{length, string};
use super::{kind, write_stream};
use crate::value::Value;

/// Appends type and value of a string.
pub(super) fn text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(kind::STRING);
    string(out, text);
}

/// Appends type and value.
pub(super) fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Raw(grown) => text(out, grown),
        Value::List(list) => {
            out.push(kind::LIST);
            length(out, list.len() as u64);
            list.iter_from(0).for_each(|element| string(out, element));
        }
        Value::Set(set) => {
            out.push(kind::SET);
            length(out, set.len() as u64);
            set.each(|member| string(out, member));
        }
        Value::Hash(hash) => {
            out.push(kind::HASH);
            length(out, hash.len() as u64);
            for (field, value) in hash.iter() {
                string(out, field);
                string(out, value);
            }
        }
        Value::SortedSet(set) => {
            out.push(kind::SORTED_SET_2);
            length(out, set.len() as u64);
            for (member, score) in set.range(0..set.len()) {
                string(out, member);
                out.extend_from_slice(&score.to_le_bytes());
            }
        }
        Value::Stream(stream) => {
            out.push(kind::STREAM_2);
            write_stream::stream(out, stream);
        }
    }
}
