//! Failures of Redis commands, in Redis's own words.
//!
//! Clients match on these texts, so each is spelled once, here. Two are our own: unsupported commands, and
//! values too large for the cache.

use std::borrow::Cow;

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
    /// Too large for the cache; the maximum size.
    TooLarge(usize),
}

/// Most bytes of a client's word that an error repeats.
const WORD_BYTES_MAX: usize = 128;

impl Fault {
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

    /// The error line, without the leading `-` and the line end.
    pub(super) fn text(&self) -> Cow<'static, str> {
        match self {
            Fault::EmptyRequest => "ERR empty request".into(),
            Fault::Unsupported(name) => format!(
                "ERR the embedded cache holds strings only: '{name}' needs a redis server (set servers = [...])"
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
            Fault::TooLarge(bytes_max) => format!(
                "OOM the value does not fit into the embedded cache (at most {bytes_max} bytes of key and value)"
            )
            .into(),
        }
    }
}

/// A client's word for an error: truncated, and valid text. The encoder handles line ends.
fn word(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..WORD_BYTES_MAX).unwrap_or(bytes)).into_owned()
}
