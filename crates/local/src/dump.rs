//! Values as bytes: the payloads of `DUMP` and `RESTORE`, in the format of Redis' RDB files.
//!
//! ```text
//! type   value …   version (2 bytes)   CRC-64 of all before it (8 bytes)      little-endian
//! ```
//! Values are written in the plain forms, for Redis 7.0 and later. Those of Redis 2.8 to 7.2 are read: packed
//! ones too, and compressed strings. A payload is checked as it is read: one that is cut, contradicts itself
//! or names a size that it does not have is refused.

mod crc;
mod encode;
mod input;
mod kind;
mod lzf;
mod packed;
mod read;
mod read_stream;
mod reader;
mod write;
mod write_stream;

pub(crate) use input::Bad;
pub(crate) use read::Content;

use crate::entry::Entry;

/// The newest version that is read: that of Redis 7.4.
const VERSION_MAX: u16 = 12;
/// The version that is written: that of Redis 7.0.
const VERSION: u16 = 10;
/// Bytes of the version and of the checksum.
const FOOT: usize = 10;

/// The payload of an entry's value.
pub(crate) fn dump(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::new();
    match entry.value() {
        None => write::text(&mut out, entry.text()),
        Some(value) => write::value(&mut out, value),
    }
    out.extend_from_slice(&VERSION.to_le_bytes());
    let sum = crc::crc64(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

/// The part of a payload with type and value; None if version or checksum is wrong. A checksum of 0 stands
/// for none, as in Redis.
pub(crate) fn checked(payload: &[u8]) -> Option<&[u8]> {
    let (body, foot) = payload.split_at_checked(payload.len().checked_sub(FOOT)?)?;
    let (version, sum) = foot.split_first_chunk::<2>()?;
    let sum = u64::from_le_bytes(*sum.first_chunk::<8>()?);
    let summed = payload.get(..payload.len() - 8)?;
    (u16::from_le_bytes(*version) <= VERSION_MAX && (sum == 0 || sum == crc::crc64(summed))).then_some(body)
}

/// The value of a part that was [`checked`], of at most about `bytes_max` bytes.
pub(crate) fn restore(body: &[u8], bytes_max: usize) -> Result<Content, Bad> {
    read::content(body, bytes_max)
}

#[cfg(test)]
mod tests;
