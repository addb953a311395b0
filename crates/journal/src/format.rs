//! The bytes on disk. Numbers are little-endian, checksums are CRC-32C (Castagnoli).
//!
//! The layouts are drawn in the three modules, one per kind of data.

pub mod checkpoint;
pub mod record;
pub mod segment;

/// Version of all three layouts.
pub const VERSION: u32 = 1;

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
