//! A place, and its geohash of 52 bits: 26 of the latitude and 26 of the longitude, in turn.

use wire::redis::{Version, encode};

const LATITUDE_MAX: f64 = 85.051_128_78;
const LONGITUDE_MAX: f64 = 180.0;
const STEP: u32 = 26;
/// Radius of the earth in metres, as Redis has it.
const EARTH: f64 = 6_372_797.560_856;

/// A place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) longitude: f64,
    pub(super) latitude: f64,
}

impl Point {
    /// True within the part of the earth that a geohash can name.
    pub(super) fn is_on_the_map(self) -> bool {
        self.longitude.abs() <= LONGITUDE_MAX && self.latitude.abs() <= LATITUDE_MAX
    }

    pub(super) fn hash(self) -> u64 {
        self.hash_within(LATITUDE_MAX)
    }

    fn hash_within(self, latitude_max: f64) -> u64 {
        let cells = f64::from(1u32 << STEP);
        let cell = |value: f64, max: f64| ((value + max) / (2.0 * max) * cells) as u64;
        interleave(cell(self.latitude, latitude_max), cell(self.longitude, LONGITUDE_MAX))
    }

    /// The centre of the cell that a score names.
    pub(super) fn of_score(score: f64) -> Point {
        let hash = score as u64;
        let cells = f64::from(1u32 << STEP);
        let middle = |cell: u64, max: f64| {
            let edge = |cell: u64| -max + cell as f64 / cells * (2.0 * max);
            f64::midpoint(edge(cell), edge(cell + 1)).clamp(-max, max)
        };
        Point {
            latitude: middle(even_bits(hash), LATITUDE_MAX),
            longitude: middle(even_bits(hash >> 1), LONGITUDE_MAX),
        }
    }

    /// The geohash as others write it: eleven letters, the last always 0.
    pub(super) fn text(self) -> [u8; 11] {
        const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let hash = self.hash_within(90.0);
        std::array::from_fn(|at| match at {
            10 => LETTERS[0],
            at => LETTERS[(hash >> (52 - (at + 1) * 5) & 31) as usize],
        })
    }

    /// Metres to another place.
    pub(super) fn distance(self, other: Point) -> f64 {
        let half = ((other.longitude.to_radians() - self.longitude.to_radians()) / 2.0).sin();
        if half == 0.0 {
            return self.distance_of_latitudes(other);
        }
        let (from, to) = (self.latitude.to_radians(), other.latitude.to_radians());
        let u = ((to - from) / 2.0).sin();
        2.0 * EARTH * (u * u + from.cos() * to.cos() * half * half).sqrt().asin()
    }

    /// Metres between the latitudes of two places.
    pub(super) fn distance_of_latitudes(self, other: Point) -> f64 {
        EARTH * (other.latitude.to_radians() - self.latitude.to_radians()).abs()
    }

    /// Replies with longitude and latitude.
    pub(super) fn put(self, out: &mut Vec<u8>, version: Version) {
        encode::array(out, 2);
        for number in [self.longitude, self.latitude] {
            let text = format!("{number:.17}");
            let text = text.trim_end_matches('0').trim_end_matches('.');
            match version {
                Version::Resp2 => encode::bulk(out, text.as_bytes()),
                Version::Resp3 => out.extend_from_slice(format!(",{text}\r\n").as_bytes()),
            }
        }
    }

    /// Ranges of scores in which every place within a radius is: the cell of this place and those around it,
    /// as small as they may be.
    pub(super) fn cells(self, radius: f64) -> Vec<std::ops::Range<u64>> {
        let reach = (radius / EARTH).to_degrees() * 1.001 + 1e-9;
        let farthest = (self.latitude.abs() + reach).min(89.999);
        let reach_across = reach / farthest.to_radians().cos();
        let is_enough = |step: &u32| {
            let cells = f64::from(1u32 << step);
            2.0 * LATITUDE_MAX / cells >= reach && 2.0 * LONGITUDE_MAX / cells >= reach_across
        };
        let Some(step) = (2..=STEP).rev().find(is_enough) else {
            return std::iter::once(0..1 << (2 * STEP)).collect();
        };
        let (hash, shift, cells) = (self.hash(), STEP - step, 1i64 << step);
        let (row, column) = ((even_bits(hash) >> shift) as i64, (even_bits(hash >> 1) >> shift) as i64);
        let mut ranges = Vec::with_capacity(9);
        for row in (row - 1..=row + 1).filter(|row| (0..cells).contains(row)) {
            for column in column - 1..=column + 1 {
                let cell = interleave(row as u64, column.rem_euclid(cells) as u64);
                ranges.push(cell << (2 * shift)..(cell + 1) << (2 * shift));
            }
        }
        ranges
    }
}

/// The bits of a latitude at the even places, those of a longitude at the odd ones.
fn interleave(latitude: u64, longitude: u64) -> u64 {
    (0..32).fold(0, |hash, bit| {
        hash | (latitude >> bit & 1) << (2 * bit) | (longitude >> bit & 1) << (2 * bit + 1)
    })
}

fn even_bits(hash: u64) -> u64 {
    (0..STEP).fold(0, |bits, bit| bits | (hash >> (2 * bit) & 1) << bit)
}
