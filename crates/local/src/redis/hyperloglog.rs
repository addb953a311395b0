//! Cardinality sketches, which are strings in Redis' dense form: a head, and 16,384 registers of six bits.
//!
//! ```text
//! HYLL  encoding  0 0 0  cached cardinality (8 bytes, never used)  registers
//! ```
//! A sketch in the sparse form of Redis, which a client has copied here, is read; a change makes it dense.
//! Hash and estimate are those of Redis, so that counts are the same.

use super::call::Call;
use super::fault::Fault;
use super::string::write_at;
use crate::entry::NEVER;
use crate::events::Class;

const REGISTERS: usize = 1 << 14;
const HEAD: usize = 16;
const DENSE: usize = HEAD + REGISTERS * 6 / 8;
/// Last byte of the cached cardinality, whose first bit says that it is none.
const NO_CACHE: usize = 15;

const NOT_A_SKETCH: Fault = Fault::Other("WRONGTYPE Key is not a valid HyperLogLog string value.");
const CORRUPTED: Fault = Fault::Other("INVALIDOBJ Corrupted HLL object detected");

/// `PFADD key element …`
pub(super) fn pfadd(call: &mut Call<'_>) -> Result<(), Fault> {
    let key = call.arg(1);
    let elements = call.args.iter().skip(2).map(|element| place(element));
    let Some(string) = call.string(key)? else {
        let mut registers = vec![0; REGISTERS];
        elements.for_each(|(at, rank)| registers[at] = rank.max(registers[at]));
        call.put(key, &dense(&registers), NEVER)?;
        call.tell(Class::STRING, "pfadd", key);
        return call.integer(1);
    };
    check(string)?;
    if !is_dense(string) {
        let mut registers = vec![0; REGISTERS];
        merge(&mut registers, string)?;
        let before = registers.clone();
        elements.for_each(|(at, rank)| registers[at] = rank.max(registers[at]));
        if registers != before {
            let deadline_ms = call.peek(key).map_or(NEVER, |entry| entry.deadline_ms);
            call.put(key, &dense(&registers), deadline_ms)?;
            call.tell(Class::STRING, "pfadd", key);
        }
        return call.integer(i64::from(registers != before));
    }
    let higher: Vec<(usize, u8)> = elements.filter(|(at, rank)| register(string, *at) < *rank).collect();
    for (at, rank) in &higher {
        let string = call.string(key)?.unwrap_or_default();
        if register(string, *at) < *rank {
            let (byte, bits) = with_register(string, *at, *rank);
            write_at(call, key, byte, bits.get(..DENSE - byte).unwrap_or(&bits));
        }
    }
    if !higher.is_empty() {
        write_at(call, key, NO_CACHE, &[0x80]);
        call.tell(Class::STRING, "pfadd", key);
    }
    call.integer(i64::from(!higher.is_empty()))
}

/// `PFCOUNT key …`
pub(super) fn pfcount(call: &mut Call<'_>) -> Result<(), Fault> {
    let mut registers = vec![0; REGISTERS];
    for key in call.keys() {
        merge_key(call, &mut registers, key)?;
    }
    call.integer(estimate(&registers))
}

/// `PFMERGE destination source …`
pub(super) fn pfmerge(call: &mut Call<'_>) -> Result<(), Fault> {
    let mut registers = vec![0; REGISTERS];
    for key in call.keys() {
        merge_key(call, &mut registers, key)?;
    }
    let key = call.arg(1);
    let deadline_ms = call.peek(key).map_or(NEVER, |entry| entry.deadline_ms);
    call.put(key, &dense(&registers), deadline_ms)?;
    call.tell(Class::STRING, "pfadd", key);
    call.ok()
}

fn merge_key(call: &mut Call<'_>, registers: &mut [u8], key: &[u8]) -> Result<(), Fault> {
    match call.string(key)? {
        None => Ok(()),
        Some(string) => {
            check(string)?;
            merge(registers, string)
        }
    }
}

fn check(string: &[u8]) -> Result<(), Fault> {
    let is_whole = match string.get(4) {
        Some(0) => string.len() == DENSE,
        Some(1) => string.len() >= HEAD,
        _ => false,
    };
    if is_whole && string.starts_with(b"HYLL") { Ok(()) } else { Err(NOT_A_SKETCH) }
}

fn is_dense(string: &[u8]) -> bool {
    string.get(4) == Some(&0)
}

/// Raises registers to those of a sketch.
fn merge(registers: &mut [u8], string: &[u8]) -> Result<(), Fault> {
    if is_dense(string) {
        for (at, own) in registers.iter_mut().enumerate() {
            *own = register(string, at).max(*own);
        }
        return Ok(());
    }
    // Runs: 00nnnnnn and 01nnnnnn nnnnnnnn of zeros, 1vvvvvnn of a value.
    let (mut at, mut code) = (0, string.iter().skip(HEAD));
    while let Some(&byte) = code.next() {
        let (value, run) = match byte >> 6 {
            0 => (0, usize::from(byte & 0x3f) + 1),
            1 => {
                let low = code.next().ok_or(CORRUPTED)?;
                (0, (usize::from(byte & 0x3f) << 8 | usize::from(*low)) + 1)
            }
            _ => ((byte >> 2 & 0x1f) + 1, usize::from(byte & 3) + 1),
        };
        let run = registers.get_mut(at..at + run).ok_or(CORRUPTED)?;
        run.iter_mut().for_each(|own| *own = value.max(*own));
        at += run.len();
    }
    if at == REGISTERS { Ok(()) } else { Err(CORRUPTED) }
}

/// A register of a dense sketch.
fn register(string: &[u8], at: usize) -> u8 {
    let (byte, shift) = (HEAD + at * 6 / 8, at * 6 % 8);
    let bits = |byte: usize| u16::from(string.get(byte).copied().unwrap_or_default());
    ((bits(byte) | bits(byte + 1) << 8) >> shift & 0x3f) as u8
}

/// The two bytes of a register that is to have a rank, and the place of the first.
fn with_register(string: &[u8], at: usize, rank: u8) -> (usize, [u8; 2]) {
    let (byte, shift) = (HEAD + at * 6 / 8, at * 6 % 8);
    let bits = |byte: usize| u16::from(string.get(byte).copied().unwrap_or_default());
    let both = (bits(byte) | bits(byte + 1) << 8) & !(0x3f << shift) | u16::from(rank) << shift;
    (byte, both.to_le_bytes())
}

fn dense(registers: &[u8]) -> Vec<u8> {
    let mut string = vec![0; DENSE];
    string[..4].copy_from_slice(b"HYLL");
    string[NO_CACHE] = 0x80;
    for (at, rank) in registers.iter().enumerate() {
        let (byte, bits) = with_register(&string, at, *rank);
        string[byte] = bits[0];
        string.get_mut(byte + 1).into_iter().for_each(|place| *place = bits[1]);
    }
    string
}

/// The register of an element and its rank there: the place of the first bit set in what is left of the hash.
fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur(element);
    let rest = hash >> 14 | 1 << 50;
    ((hash & (REGISTERS as u64 - 1)) as usize, rest.trailing_zeros() as u8 + 1)
}

/// `MurmurHash64A` with Redis' seed.
fn murmur(bytes: &[u8]) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    let mut hash = 0xadc8_3b19 ^ (bytes.len() as u64).wrapping_mul(M);
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let mut word = word.first_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word)).wrapping_mul(M);
        word = (word ^ word >> 47).wrapping_mul(M);
        hash = (hash ^ word).wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |last, byte| last << 8 | u64::from(*byte));
        hash = (hash ^ last).wrapping_mul(M);
    }
    hash = (hash ^ hash >> 47).wrapping_mul(M);
    hash ^ hash >> 47
}

/// The number of elements, after Ertl's "New cardinality estimation algorithms for `HyperLogLog` sketches".
fn estimate(registers: &[u8]) -> i64 {
    const M: f64 = REGISTERS as f64;
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    let mut with_rank = [0u32; 64];
    registers.iter().for_each(|rank| with_rank[usize::from(rank & 63)] += 1);
    let mut z = M * tau((M - f64::from(with_rank[51])) / M);
    for rank in (1..=50).rev() {
        z = (z + f64::from(with_rank[rank])) * 0.5;
    }
    z += M * sigma(f64::from(with_rank[0]) / M);
    (ALPHA * M * M / z).round() as i64
}

fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}
