//! Failures of Redis commands, in Redis's own words.
//!
//! Clients match on these texts, so each is spelled once, here. Two are our own: unsupported commands, and
//! values too large for the cache.

use std::borrow::Cow;

use crate::store::EditFault;

/// A failed command; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// No arguments at all, not even a name.
    EmptyRequest,
    /// An unsupported command; its name, shortened and printable.
    Unsupported(String),
    /// Wrong number of arguments for this command.
    Arity(&'static str),
    /// An unknown option, or one in the wrong place.
    Syntax,
    /// An unknown option of `EXPIRE`.
    UnsupportedOption(String),
    /// `NX` with another option of `EXPIRE`.
    NxWithOthers,
    /// `GT` with `LT`.
    GtWithLt,
    /// Not a 64-bit integer.
    NotInteger,
    /// Not a number for `INCRBYFLOAT`.
    NotFloat,
    /// The sum exceeds 64 bits.
    Overflow,
    /// `DECRBY` of the only number without a negation.
    DecrementOverflow,
    /// The sum is not a finite number.
    NotFinite,
    /// A time to live that is not positive, or overflows, for this command.
    ExpireTime(&'static str),
    /// A negative offset.
    Offset,
    /// Beyond Redis' own limit of 512 MB.
    StringTooLong,
    /// No key at all, for this command.
    NoInputKey(&'static str),
    /// Another failure: its whole text.
    Other(&'static str),
    /// Another failure: its text, with words of the client.
    Text(String),
    /// Too large for the cache; the maximum size.
    TooLarge(usize),
}

/// Most bytes of a client's word that an error repeats.
const WORD_BYTES_MAX: usize = 128;

impl Fault {
    /// The key holds another type.
    pub(super) const WRONG_TYPE: Fault =
        Fault::Other("WRONGTYPE Operation against a key holding the wrong kind of value");
    /// `RENAME`, `LSET` of a missing key.
    pub(super) const NO_KEY: Fault = Fault::Other("ERR no such key");
    /// `LSET` beyond the ends.
    pub(super) const INDEX: Fault = Fault::Other("ERR index out of range");
    /// A count that is negative or no number.
    pub(super) const NOT_POSITIVE: Fault = Fault::Other("ERR value is out of range, must be positive");
    /// A count whose negation or double exceeds 64 bits.
    pub(super) const OUT_OF_RANGE: Fault = Fault::Other("ERR value is out of range");
    /// A field whose value is no integer.
    pub(super) const HASH_NOT_INTEGER: Fault = Fault::Other("ERR hash value is not an integer");
    /// A field whose value is no number.
    pub(super) const HASH_NOT_FLOAT: Fault = Fault::Other("ERR hash value is not a float");
    /// A sum of scores that is no number.
    pub(super) const SCORE_NAN: Fault = Fault::Other("ERR resulting score is not a number (NaN)");
    /// A bound of scores that is no number.
    pub(super) const SCORE_RANGE: Fault = Fault::Other("ERR min or max is not a float");
    /// A bound of members without `[` or `(`.
    pub(super) const LEX_RANGE: Fault = Fault::Other("ERR min or max not valid string range item");
    /// A cursor that is no number.
    pub(super) const CURSOR: Fault = Fault::Other("ERR invalid cursor");
    /// `ZADD` with options that exclude each other.
    pub(super) const XX_AND_NX: Fault =
        Fault::Other("ERR XX and NX options at the same time are not compatible");
    /// `ZADD` with options that exclude each other.
    pub(super) const GT_LT_NX: Fault =
        Fault::Other("ERR GT, LT, and/or NX options at the same time are not compatible");
    /// `ZADD INCR` with several members.
    pub(super) const INCR_PAIR: Fault =
        Fault::Other("ERR INCR option supports a single increment-element pair");
    /// A weight that is no number.
    pub(super) const WEIGHT: Fault = Fault::Other("ERR weight value is not a float");
    /// `LIMIT` by ranks.
    pub(super) const LIMIT_BY_RANK: Fault =
        Fault::Other("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
    /// Scores of a range of members.
    pub(super) const SCORES_BY_LEX: Fault =
        Fault::Other("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
    /// `LPOS` with rank 0.
    pub(super) const RANK_ZERO: Fault = Fault::Other(
        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to \
         start from the end of the list",
    );
    /// `LPOS` with a negative `COUNT`.
    pub(super) const COUNT_NEGATIVE: Fault = Fault::Other("ERR COUNT can't be negative");
    /// `LPOS` with a negative `MAXLEN`.
    pub(super) const MAXLEN_NEGATIVE: Fault = Fault::Other("ERR MAXLEN can't be negative");
    /// A number of keys that is not positive.
    pub(super) const NUMKEYS: Fault = Fault::Other("ERR numkeys should be greater than 0");
    /// A number of keys beyond the arguments.
    pub(super) const NUMKEYS_ARGS: Fault =
        Fault::Other("ERR Number of keys can't be greater than number of args");
    /// A limit below 0.
    pub(super) const LIMIT_NEGATIVE: Fault = Fault::Other("ERR LIMIT can't be negative");
    /// A count that is not positive.
    pub(super) const COUNT_ZERO: Fault = Fault::Other("ERR count should be greater than 0");
    /// `OBJECT FREQ`.
    pub(super) const NO_LFU: Fault = Fault::Other(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
         switching between policies at runtime LRU and LFU data will take some time to adjust.",
    );
    /// `SORT` by something that is no number.
    pub(super) const SORT_NOT_FLOAT: Fault =
        Fault::Other("ERR One or more scores can't be converted into double");
    /// A bit that is neither 0 nor 1.
    pub(super) const BIT: Fault = Fault::Other("ERR bit is not an integer or out of range");
    /// The offset of a bit that is negative, or beyond 512 MB.
    pub(super) const BIT_OFFSET: Fault = Fault::Other("ERR bit offset is not an integer or out of range");
    /// `COPY` onto itself.
    pub(super) const SAME_OBJECT: Fault = Fault::Other("ERR source and destination objects are the same");
    /// A database other than 0.
    pub(super) const DATABASE: Fault = Fault::Other("ERR DB index is out of range");

    /// The fault of an unsupported command.
    pub(super) fn unsupported(name: &[u8]) -> Fault {
        Fault::Unsupported(word(name))
    }

    /// The fault of an unknown option of `EXPIRE`.
    pub(super) fn unsupported_option(option: &[u8]) -> Fault {
        // Redis prints it as a C string.
        let shown = option.split(|&byte| byte == 0).next().unwrap_or_default();
        Fault::UnsupportedOption(word(shown))
    }

    /// The fault of a change that did not happen.
    pub(super) fn of_edit(fault: EditFault, item_bytes_max: usize) -> Fault {
        match fault {
            EditFault::WrongType => Fault::WRONG_TYPE,
            EditFault::TooLarge => Fault::TooLarge(item_bytes_max),
        }
    }

    /// The error line, without the leading `-` and the line end.
    pub(super) fn text(&self) -> Cow<'static, str> {
        match self {
            Fault::EmptyRequest => "ERR empty request".into(),
            Fault::Unsupported(name) => format!(
                "ERR the embedded cache does not serve '{name}', which needs a redis server (set servers = [...])"
            )
            .into(),
            Fault::Arity(name) => format!("ERR wrong number of arguments for '{name}' command").into(),
            Fault::Syntax => "ERR syntax error".into(),
            Fault::UnsupportedOption(option) => {
                format!("ERR Unsupported option {}", option.trim_end_matches(['\r', '\n'])).into()
            }
            Fault::NxWithOthers => {
                "ERR NX and XX, GT or LT options at the same time are not compatible".into()
            }
            Fault::GtWithLt => "ERR GT and LT options at the same time are not compatible".into(),
            Fault::NotInteger => "ERR value is not an integer or out of range".into(),
            Fault::NotFloat => "ERR value is not a valid float".into(),
            Fault::Overflow => "ERR increment or decrement would overflow".into(),
            Fault::DecrementOverflow => "ERR decrement would overflow".into(),
            Fault::NotFinite => "ERR increment would produce NaN or Infinity".into(),
            Fault::ExpireTime(name) => format!("ERR invalid expire time in '{name}' command").into(),
            Fault::Offset => "ERR offset is out of range".into(),
            Fault::StringTooLong => "ERR string exceeds maximum allowed size (proto-max-bulk-len)".into(),
            Fault::NoInputKey(name) => {
                format!("ERR at least 1 input key is needed for '{name}' command").into()
            }
            Fault::Other(text) => (*text).into(),
            Fault::Text(text) => text.clone().into(),
            Fault::TooLarge(bytes_max) => format!(
                "OOM the value does not fit into the embedded cache (at most {bytes_max} bytes of key and value)"
            )
            .into(),
        }
    }
}

/// A client's word for an error: truncated, and valid text. The encoder handles line ends.
pub(super) fn word(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..WORD_BYTES_MAX).unwrap_or(bytes)).into_owned()
}
