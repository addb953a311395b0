//! Random changes to bytes, reproducible from a seed.
//!
//! An input is a seed with a few changes that keep most of it valid, so that the code after the first checks
//! is reached: a byte, a bit, a number one off or at a border, a word of the language, a piece removed,
//! repeated, moved or taken from another seed.

/// Longest input, in bytes.
pub const INPUT_BYTES_MAX: usize = 16 * 1024;

/// Numbers at which codecs change their behaviour.
const BORDERS: [i64; 22] = [
    0,
    1,
    2,
    -1,
    9,
    10,
    15,
    16,
    25,
    26,
    64,
    127,
    128,
    250,
    255,
    256,
    65_535,
    65_536,
    1 << 20,
    0x7fff_ffff,
    0x8000_0000,
    i64::MAX,
];

/// Random numbers (splitmix64). The same seed gives the same numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Generator with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 if that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.number() >> 16) as usize % limit.max(1)
    }

    /// Random element of `from`, which must not be empty.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// An input from one of `seeds`, with up to 16 changes; sometimes none, sometimes noise alone.
#[must_use]
pub fn input(random: &mut Random, seeds: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut bytes = match random.below(32) {
        0 => (0..random.below(300)).map(|_| random.number() as u8).collect(),
        1 => (0..=random.below(12)).flat_map(|_| word(random, words)).collect(),
        _ if seeds.is_empty() => Vec::new(),
        _ => random.pick(seeds).clone(),
    };
    bytes.truncate(INPUT_BYTES_MAX);
    let changes = 1 << random.below(5);
    for _ in 0..random.below(changes + 1) {
        change(random, &mut bytes, seeds, words);
        bytes.truncate(INPUT_BYTES_MAX);
    }
    bytes
}

/// Makes one change.
fn change(random: &mut Random, bytes: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str]) {
    let at = random.below(bytes.len() + 1);
    let length = random.below(bytes.len() - at + 1).min(1 << random.below(10));
    match random.below(12) {
        0 if at < bytes.len() => bytes[at] = random.number() as u8,
        1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        2 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add([1, 255][random.below(2)]),
        3 => drop(bytes.drain(at..at + length)),
        4 => {
            let piece = bytes[at..at + length].to_vec();
            let to = random.below(bytes.len() + 1);
            bytes.splice(to..to, piece).for_each(drop);
        }
        5 => bytes.truncate(at),
        6 => digits(random, bytes, at),
        7 => binary(random, bytes, at),
        8 if !seeds.is_empty() => {
            let other = random.pick(seeds);
            let from = random.below(other.len() + 1);
            let piece = other[from..(from + (1 << random.below(10))).min(other.len())].to_vec();
            bytes.splice(at..at + length, piece).for_each(drop);
        }
        9 => {
            let word = word(random, words);
            bytes.splice(at..at + length.min(8), word).for_each(drop);
        }
        10 => bytes.splice(at..at, vec![random.number() as u8; 1 << random.below(9)]).for_each(drop),
        _ => {
            let word = word(random, words);
            bytes.splice(at..at, word).for_each(drop);
        }
    }
}

fn word(random: &mut Random, words: &[&str]) -> Vec<u8> {
    match random.below(4) {
        0 => (*random.pick(&BORDERS)).to_string().into_bytes(),
        1 => vec![*random.pick(b"\r\n \t\0:,;=\"'{}[]()*$+-#%\\/<>&?~|!@^_\x7f\xff")],
        _ if words.is_empty() => vec![random.number() as u8],
        _ => random.pick(words).as_bytes().to_vec(),
    }
}

/// Replaces the next digits by another number.
fn digits(random: &mut Random, bytes: &mut Vec<u8>, at: usize) {
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|offset| at + offset) else {
        return;
    };
    let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let old = std::str::from_utf8(&bytes[start..start + length]).unwrap_or_default();
    let number = match (random.below(3), old.parse::<i64>()) {
        (0, Ok(old)) => old.saturating_add(1),
        (1, Ok(old)) => old.saturating_sub(1),
        _ => *random.pick(&BORDERS),
    };
    bytes.splice(start..start + length, number.to_string().into_bytes()).for_each(drop);
}

/// Overwrites bytes with a border as a number of 1, 2, 4 or 8 bytes, in either order.
fn binary(random: &mut Random, bytes: &mut [u8], at: usize) {
    let number = *random.pick(&BORDERS);
    let width = 1 << random.below(4);
    let mut form = if random.below(4) == 0 {
        number.to_le_bytes().to_vec()
    } else {
        number.to_be_bytes()[8 - width..].to_vec()
    };
    form.truncate(width);
    if let Some(there) = bytes.get_mut(at..at + width) {
        there.copy_from_slice(&form);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_says_it_all() {
        let seeds = [b"PUB t\n\0\0\0\x01x".to_vec(), b"{\"a\":12}".to_vec()];
        let made = |seed| input(&mut Random::new(seed), &seeds, &["word"]);
        for seed in 0..2_000 {
            let bytes = made(seed);
            assert_eq!(bytes, made(seed));
            assert!(bytes.len() <= INPUT_BYTES_MAX);
        }
        assert!((0..100).any(|seed| made(seed) != made(seed + 1)));
    }

    #[test]
    fn nothing_to_begin_from() {
        (0..500).for_each(|seed| drop(input(&mut Random::new(seed), &[], &[])));
    }
}
