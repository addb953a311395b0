//! The 12 key hashes of nutcracker 0.5.0.
//!
//! All give 32 bits. nutcracker reads key bytes as C `char`, which is signed on x86-64: in `one_at_a_time`,
//! the four `fnv` hashes and the three-byte tail of `hsieh`, a byte of 0x80 or more therefore counts as a
//! negative number. Fleets rely on that, so these functions do the same on every machine.
//!
//! `Hash::hash` is the function itself. A pool treats the empty key separately (its hash is 0): see
//! [`crate::Ring`].

mod bytes;
mod crc;
mod fnv;
mod hsieh;
mod jenkins;
mod murmur;

use md5::{Digest, Md5};

crate::table::named_enum! {
    /// A key hash, by its nutcracker name.
    pub enum Hash {
        /// Bob Jenkins's one-at-a-time.
        OneAtATime = "one_at_a_time",
        /// First four bytes of the MD5 digest, little-endian.
        Md5 = "md5",
        /// CRC-16 (polynomial 0x1021) whose accumulator is never cut to 16 bits.
        Crc16 = "crc16",
        /// 15 bits of CRC-32, as libmemcached. With ketama all keys land on one server.
        Crc32 = "crc32",
        /// CRC-32 as in zlib.
        Crc32a = "crc32a",
        /// FNV-1, lower half of 64 bits.
        Fnv1_64 = "fnv1_64",
        /// FNV-1a, computed in 32 bits from the lower halves of the 64-bit constants. nutcracker's default.
        #[default]
        Fnv1a64 = "fnv1a_64",
        /// FNV-1, 32 bits.
        Fnv1_32 = "fnv1_32",
        /// FNV-1a, 32 bits.
        Fnv1a32 = "fnv1a_32",
        /// Paul Hsieh's `SuperFastHash`, started at 0.
        Hsieh = "hsieh",
        /// `MurmurHash2`.
        Murmur = "murmur",
        /// Bob Jenkins's lookup3 (hashlittle), initial value 13.
        Jenkins = "jenkins",
    }
}

impl Hash {
    /// The hash of `key`, bit-exact with nutcracker 0.5.0 on x86-64.
    #[inline]
    pub fn hash(self, key: &[u8]) -> u32 {
        match self {
            Hash::OneAtATime => jenkins::one_at_a_time(key),
            Hash::Md5 => md5_words(key)[0],
            Hash::Crc16 => crc::crc16(key),
            Hash::Crc32 => crc::crc32_15_bits(key),
            Hash::Crc32a => crc32fast::hash(key),
            Hash::Fnv1_64 => fnv::fnv1(key, fnv::INIT_64, fnv::PRIME_64),
            Hash::Fnv1a64 => fnv::fnv1a(key, fnv::INIT_64, fnv::PRIME_64),
            Hash::Fnv1_32 => fnv::fnv1(key, fnv::INIT_32, fnv::PRIME_32),
            Hash::Fnv1a32 => fnv::fnv1a(key, fnv::INIT_32, fnv::PRIME_32),
            Hash::Hsieh => hsieh::hsieh(key),
            Hash::Murmur => murmur::murmur2(key),
            Hash::Jenkins => jenkins::lookup3(key),
        }
    }
}

/// The MD5 digest as four little-endian words: the first is the `md5` hash, all four are ketama points.
pub(crate) fn md5_words(text: &[u8]) -> [u32; 4] {
    let digest: [u8; 16] = Md5::digest(text).into();
    let mut words = [0; 4];
    for (word, quarter) in words.iter_mut().zip(digest.chunks_exact(4)) {
        *word = bytes::little_endian(quarter);
    }
    words
}

#[cfg(test)]
#[allow(clippy::unreadable_literal, reason = "as the original prints them")]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_nutcrackers() {
        assert_eq!(Hash::default().name(), "fnv1a_64");
        assert_eq!(Hash::ALL.len(), 12);
    }

    #[test]
    fn names_go_both_ways() {
        for &hash in Hash::ALL {
            assert_eq!(Hash::from_name(hash.name()), Some(hash));
        }
        for name in ["", "MD5", "md5 ", "fnv1a", "crc"] {
            assert_eq!(Hash::from_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn published_vectors() {
        // `apple`, and bytes above 0x7f, as nutcracker 0.5.0 computes them.
        let apple: [u32; 12] = [
            2297466611, 3195025439, 3662830516, 10542, 2838417488, 473199127, 1488911807, 67176023,
            280767167, 3738850110, 4142305122, 1442444624,
        ];
        let high: [u32; 12] = [
            1158673978, 119543810, 1024950283, 15843, 3185783089, 3042462154, 1067650324, 4287133418,
            256845524, 3216075114, 2071247584, 116558577,
        ];
        for (i, &hash) in Hash::ALL.iter().enumerate() {
            assert_eq!(hash.hash(b"apple"), apple[i], "{hash} of apple");
            assert_eq!(hash.hash(b"\xff\x80\xc3\xa9z"), high[i], "{hash} of high bytes");
        }
        assert_eq!(Hash::OneAtATime.hash(b"ab\xe9"), 2087468527);
        assert_eq!(Hash::Hsieh.hash(b"ab\xe9"), 307729637);
    }
}
