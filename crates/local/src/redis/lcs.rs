//! `LCS`: the longest common subsequence of two strings.
//!
//! ```text
//! lengths[i][j]   of the subsequence of the first i and the first j bytes, row after row
//! ```
//! Walking back from the last cell gives the subsequence, and the ranges in which it stands in both.

use wire::redis::encode;

use super::call::Call;
use super::fault::Fault;
use super::integer::integer;

/// Most cells of the table: the product of the lengths. Beyond it a request would hold its thread for long.
const CELLS_MAX: usize = 16 << 20;

#[derive(Default)]
struct Options {
    length_only: bool,
    indexes: bool,
    with_lengths: bool,
    shortest: i64,
}

/// A range that stands in both strings, from its first to its last byte.
struct Range {
    first: (usize, usize),
    last: (usize, usize),
}

/// `LCS key key [LEN] [IDX] [MINMATCHLEN length] [WITHMATCHLEN]`
pub(super) fn lcs(call: &mut Call<'_>) -> Result<(), Fault> {
    let (first, second) = (text(call, call.arg(1))?, text(call, call.arg(2))?);
    let options = parse(call)?;
    if first.len().saturating_add(1).saturating_mul(second.len().saturating_add(1)) > CELLS_MAX {
        return Err(Fault::Other(
            "ERR the strings are too long for LCS on the embedded cache (at most 16777216 pairs of bytes)",
        ));
    }
    let lengths = Lengths::of(&first, &second);
    let length = lengths.at(first.len(), second.len()) as usize;
    if options.length_only {
        return call.count(length);
    }
    let (common, ranges) = walk(&lengths, &first, &second);
    if !options.indexes {
        encode::bulk(call.out, &common);
        return Ok(());
    }
    reply_ranges(call, &options, &ranges, length)
}

fn parse(call: &Call<'_>) -> Result<Options, Fault> {
    let mut options = Options::default();
    let mut rest = call.args.get(3..).unwrap_or_default();
    while let [option, more @ ..] = rest {
        rest = more;
        match (option.to_ascii_lowercase().as_slice(), more) {
            (b"len", _) => options.length_only = true,
            (b"idx", _) => options.indexes = true,
            (b"withmatchlen", _) => options.with_lengths = true,
            (b"minmatchlen", [length, after @ ..]) => {
                options.shortest = integer(length)?.max(0);
                rest = after;
            }
            _ => return Err(Fault::Syntax),
        }
    }
    if options.length_only && options.indexes {
        return Err(Fault::Other("ERR If you want both the length and indexes, please just use IDX."));
    }
    Ok(options)
}

fn text(call: &mut Call<'_>, key: &[u8]) -> Result<Vec<u8>, Fault> {
    let wrong_type = Fault::Other("ERR The specified keys must contain string values");
    call.string(key).map(|text| text.unwrap_or_default().to_vec()).map_err(|_| wrong_type)
}

struct Lengths {
    cells: Vec<u32>,
    width: usize,
}

impl Lengths {
    fn of(first: &[u8], second: &[u8]) -> Lengths {
        let width = second.len() + 1;
        let mut cells = vec![0; (first.len() + 1) * width];
        for (i, a) in first.iter().enumerate() {
            let (before, row) = cells[i * width..(i + 2) * width].split_at_mut(width);
            for (j, b) in second.iter().enumerate() {
                row[j + 1] = if a == b { before[j] + 1 } else { before[j + 1].max(row[j]) };
            }
        }
        Lengths { cells, width }
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.cells[i * self.width + j]
    }
}

/// The subsequence, and its ranges from the last one on.
fn walk(lengths: &Lengths, first: &[u8], second: &[u8]) -> (Vec<u8>, Vec<Range>) {
    let (mut common, mut ranges): (Vec<u8>, Vec<Range>) = (Vec::new(), Vec::new());
    let (mut i, mut j) = (first.len(), second.len());
    while i > 0 && j > 0 {
        if first[i - 1] == second[j - 1] {
            (i, j) = (i - 1, j - 1);
            common.push(first[i]);
            match ranges.last_mut() {
                Some(range) if range.first == (i + 1, j + 1) => range.first = (i, j),
                _ => ranges.push(Range { first: (i, j), last: (i, j) }),
            }
        } else if lengths.at(i - 1, j) > lengths.at(i, j - 1) {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    common.reverse();
    (common, ranges)
}

fn reply_ranges(
    call: &mut Call<'_>,
    options: &Options,
    ranges: &[Range],
    length: usize,
) -> Result<(), Fault> {
    let length_of = |range: &Range| range.last.0 - range.first.0 + 1;
    let is_long = |range: &&Range| length_of(range) as i64 >= options.shortest;
    let shown: Vec<&Range> = ranges.iter().filter(is_long).collect();
    encode::map(call.out, 2, call.version);
    encode::bulk(call.out, b"matches");
    encode::array(call.out, shown.len());
    for range in shown {
        encode::array(call.out, 2 + usize::from(options.with_lengths));
        for (from, to) in [(range.first.0, range.last.0), (range.first.1, range.last.1)] {
            encode::array(call.out, 2);
            encode::integer(call.out, from as i64);
            encode::integer(call.out, to as i64);
        }
        if options.with_lengths {
            encode::integer(call.out, length_of(range) as i64);
        }
    }
    encode::bulk(call.out, b"len");
    call.count(length)
}
