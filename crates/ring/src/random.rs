//! The C library's `random()`, which nutcracker's `random` distribution draws from.
//!
//! glibc's default generator (`TYPE_3`) is additive feedback over 31 words: each new word is the sum of the
//! words 3 and 31 before it, and a draw is that word without its lowest bit. State is a value here: rings do
//! not affect each other, and a seed replays a run. Good for spreading load; not cryptographically secure.

/// Words of state.
const DEGREE: usize = 31;
/// Distance between the two words that are added.
const SEPARATION: usize = 3;
/// Draws discarded after seeding.
const WARM_UP: usize = 10 * DEGREE;

/// glibc's `srandom` and `random`.
#[derive(Debug, Clone)]
pub struct Random {
    words: [u32; DEGREE],
    /// Position of the oldest word; the next sum replaces it.
    oldest: usize,
}

impl Random {
    /// As `srandom(seed)`; seed 0 means 1 there too.
    pub fn new(seed: u32) -> Random {
        let mut words = [0u32; DEGREE];
        let mut word = if seed == 0 { 1 } else { seed } as i32;
        for slot in &mut words {
            *slot = word as u32;
            word = minimal_standard(word);
        }
        // The generator's two hands start at word 3 and word 0: the word that is replaced first is word 3.
        let mut random = Random { words, oldest: SEPARATION };
        for _ in 0..WARM_UP {
            random.draw();
        }
        random
    }

    /// Next draw, as `random()`: 0..=2147483647.
    #[inline]
    pub fn draw(&mut self) -> u32 {
        let behind = (self.oldest + DEGREE - SEPARATION) % DEGREE;
        let word = self.words[self.oldest].wrapping_add(self.words[behind]);
        self.words[self.oldest] = word;
        self.oldest = (self.oldest + 1) % DEGREE;
        word >> 1
    }
}

/// 16807 * word mod 2147483647 in 32-bit signed arithmetic, as glibc computes it (Schrage's method).
fn minimal_standard(word: i32) -> i32 {
    let (high, low) = (word / 127_773, word % 127_773);
    let next = 16_807 * low - 2_836 * high;
    if next < 0 { next + 2_147_483_647 } else { next }
}

#[cfg(test)]
#[allow(clippy::unreadable_literal, reason = "as the original prints them")]
mod tests {
    use super::Random;

    /// Draws of glibc 2.36 after `srandom(seed)`: the first four, and the thousandth.
    const GLIBC: &[(u32, [u32; 4], u32)] = &[
        (0, [1804289383, 846930886, 1681692777, 1714636915], 1143565421),
        (1, [1804289383, 846930886, 1681692777, 1714636915], 1143565421),
        (2, [1505335290, 1738766719, 190686788, 260874575], 2057566690),
        (42, [71876166, 708592740, 1483128881, 907283241], 896784309),
        (1700000000, [280491303, 626398474, 65378190, 821524244], 2092117282),
        (2147483647, [1065668062, 2142264300, 1066566375, 1064012770], 1698607095),
        (2147483648, [1336741213, 1210407648, 1447044896, 337392383], 193932953),
        (4294967295, [254925627, 1205188300, 366127624, 1401405153], 1892540048),
    ];

    #[test]
    fn draws_as_glibc() {
        for &(seed, first, thousandth) in GLIBC {
            let mut random = Random::new(seed);
            let drawn: Vec<u32> = (0..1000).map(|_| random.draw()).collect();
            assert_eq!(drawn[..4], first, "seed {seed}");
            assert_eq!(drawn[999], thousandth, "seed {seed}");
        }
    }
}
