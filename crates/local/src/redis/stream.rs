//! Commands about streams.
//!
//! Replies and errors are Redis 7.0's. `XREAD` and `XREADGROUP` may wait; what they wait for is an id that is
//! known, so the request that waits has it in the place of `$`.

pub(super) mod add;
pub(super) mod claim;
pub(super) mod entry;
pub(super) mod group;
pub(super) mod id;
pub(super) mod info;
pub(super) mod pending;
pub(super) mod read;

use wire::redis::{Version, encode};

use super::call::Call;
use super::fault::{Fault, word};
use crate::events::Class;
use crate::value::stream::{Fields, Id, Stream};

/// Replies with an id.
fn put_id(out: &mut Vec<u8>, id: Id) {
    encode::bulk(out, id.to_string().as_bytes());
}

/// Replies with an entry: its id, and its fields and values.
fn put_entry(out: &mut Vec<u8>, id: Id, fields: Fields<'_>) {
    encode::array(out, 2);
    put_id(out, id);
    encode::array(out, fields.count());
    fields.for_each(|field| encode::bulk(out, field));
}

/// Replies with these entries as an array.
fn put_entries<'s>(out: &mut Vec<u8>, entries: impl Iterator<Item = (Id, Fields<'s>)>) {
    let mut count = 0;
    let mut body = Vec::new();
    for (id, fields) in entries {
        put_entry(&mut body, id, fields);
        count += 1;
    }
    encode::array(out, count);
    out.extend_from_slice(&body);
}

/// Replies with a number, or null if it is not known.
fn put_known(out: &mut Vec<u8>, number: Option<u64>, version: Version) {
    match number {
        Some(number) => encode::integer(out, number as i64),
        None => encode::null(out, version),
    }
}

/// The fault of an unknown subcommand, or of options that it has not.
fn wrong_subcommand(call: &Call<'_>) -> Fault {
    let (subcommand, command) = (word(call.arg(1)), call.name.to_ascii_uppercase());
    Fault::Text(format!(
        "ERR unknown subcommand or wrong number of arguments for '{subcommand}'. Try {command} HELP."
    ))
}

/// The fault of a group that a stream has not.
fn unknown_group(key: &[u8], group: &[u8]) -> Fault {
    Fault::Text(format!("NOGROUP No such consumer group '{}' for key name '{}'", word(group), word(key)))
}

/// True if a group of a stream has this consumer, or nobody wants to know.
fn has_consumer(call: &mut Call<'_>, key: &[u8], group: &[u8], consumer: &[u8]) -> bool {
    if !call.store.tells() {
        return true;
    }
    let stream = call.collection::<Stream>(key).ok().flatten();
    let group = stream.and_then(|stream| stream.group(group));
    group.is_some_and(|group| group.consumers().contains_key(consumer))
}

/// Tells of a consumer that a command has made, if it was not there before.
fn tell_consumer(call: &mut Call<'_>, key: &[u8], group: &[u8], consumer: &[u8], was_there: bool) {
    if !was_there && has_consumer(call, key, group, consumer) {
        call.tell(Class::STREAM, "xgroup-createconsumer", key);
    }
}

/// The fault of a group that is not there, or its stream is not.
fn no_group(call: &Call<'_>, group: &[u8]) -> Fault {
    Fault::Text(format!("NOGROUP No such key '{}' or consumer group '{}'", word(call.arg(1)), word(group)))
}
