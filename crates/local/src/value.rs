//! Values of an entry besides a plain string: a list, a hash, a set, a sorted set, a stream.
//!
//! Each type is compact while it is small, and reports the bytes it has allocated and how many a change may
//! add, so that the store can refuse a change or make room before it happens.

pub(crate) mod hash;
pub(crate) mod list;
mod order;
mod pack;
pub(crate) mod set;
pub(crate) mod sorted_set;
pub(crate) mod stream;
pub(crate) mod table;

use hash::Hash;
use list::List;
use set::Set;
use sorted_set::SortedSet;
use stream::Stream;

/// The value of an entry that does not stand beside its key.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// A string that has grown, with spare capacity.
    Raw(Vec<u8>),
    List(List),
    Hash(Hash),
    Set(Set),
    SortedSet(SortedSet),
    Stream(Box<Stream>),
}

impl Value {
    /// Bytes allocated.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Value::Raw(string) => string.capacity(),
            Value::List(list) => list.bytes(),
            Value::Hash(hash) => hash.bytes(),
            Value::Set(set) => set.bytes(),
            Value::SortedSet(set) => set.bytes(),
            Value::Stream(stream) => size_of::<Stream>() + stream.bytes(),
        }
    }

    /// Redis' name for the type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Value::Raw(_) => "string",
            Value::List(_) => "list",
            Value::Hash(_) => "hash",
            Value::Set(_) => "set",
            Value::SortedSet(_) => "zset",
            Value::Stream(_) => "stream",
        }
    }

    /// Redis' name for the encoding.
    pub(crate) fn encoding(&self) -> &'static str {
        match self {
            Value::Raw(_) => "raw",
            Value::List(_) => "quicklist",
            Value::Hash(hash) => hash.encoding(),
            Value::Set(set) => set.encoding(),
            Value::SortedSet(set) => set.encoding(),
            Value::Stream(_) => "stream",
        }
    }
}

/// A type of values that grow and shrink, and whose key goes when they are empty.
pub(crate) trait Collection: Default {
    /// The value as this type.
    fn of(value: &Value) -> Option<&Self>;
    /// The value as this type, to change it.
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    /// Itself as a value.
    fn into_value(self) -> Value;
    /// Number of elements.
    fn count(&self) -> usize;
    /// Upper bound of the bytes that `elements` of `bytes` together allocate.
    fn room_for(&self, elements: usize, bytes: usize) -> usize;
}

macro_rules! collection {
    ($kind:ident) => {
        impl Collection for $kind {
            fn of(value: &Value) -> Option<&Self> {
                if let Value::$kind(own) = value { Some(own) } else { None }
            }

            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                if let Value::$kind(own) = value { Some(own) } else { None }
            }

            fn into_value(self) -> Value {
                Value::$kind(self)
            }

            fn count(&self) -> usize {
                self.len()
            }

            fn room_for(&self, elements: usize, bytes: usize) -> usize {
                self.growth(elements, bytes)
            }
        }
    };
}

collection!(List);
collection!(Hash);
collection!(Set);
collection!(SortedSet);

impl Collection for Stream {
    fn of(value: &Value) -> Option<&Self> {
        if let Value::Stream(own) = value { Some(own) } else { None }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        if let Value::Stream(own) = value { Some(own) } else { None }
    }

    fn into_value(self) -> Value {
        Value::Stream(Box::new(self))
    }

    /// At least 1: a stream stays without entries.
    fn count(&self) -> usize {
        self.len().max(1)
    }

    fn room_for(&self, elements: usize, bytes: usize) -> usize {
        self.growth(elements, bytes) + size_of::<Stream>()
    }
}
