//! nutcracker's own two cyclic redundancy checks.
//!
//! `crc16` shifts a 32-bit accumulator and never cuts it, so its values use all 32 bits; `crc32` keeps bits
//! 16..=30 of the standard CRC-32, as libmemcached does. (`crc32a` is the standard one and is not implemented
//! here.)

/// CRC-16, polynomial 0x1021, most significant bit first, start 0, accumulator of 32 bits.
pub(super) fn crc16(key: &[u8]) -> u32 {
    key.iter().fold(0u32, |crc, &byte| {
        let row = ((crc >> 8) as u8) ^ byte;
        (crc << 8) ^ u32::from(CRC16_TABLE[usize::from(row)])
    })
}

/// Bits 16..=30 of the standard CRC-32: at most 32767.
pub(super) fn crc32_15_bits(key: &[u8]) -> u32 {
    (crc32fast::hash(key) >> 16) & 0x7fff
}

/// One row per byte value.
static CRC16_TABLE: [u16; 256] = crc16_table();

const fn crc16_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}
