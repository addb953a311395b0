//! Places on earth: members of a sorted set, whose scores are geohashes.
//!
//! A search looks at the cell of its centre and at those around it, of a size that no place within the radius
//! is beyond them. Distances, hashes and positions are those of Redis.

mod hash;
pub(super) mod search;

use wire::redis::encode;

use super::call::Call;
use super::fault::Fault;
use super::score;
use super::sorted_set;
use crate::value::sorted_set::SortedSet;
use hash::Point;

/// Metres of a unit.
fn unit(text: &[u8]) -> Result<f64, Fault> {
    match text.to_ascii_lowercase().as_slice() {
        b"m" => Ok(1.0),
        b"km" => Ok(1000.0),
        b"ft" => Ok(0.3048),
        b"mi" => Ok(1609.34),
        _ => Err(Fault::Other("ERR unsupported unit provided. please use M, KM, FT, MI")),
    }
}

/// A longitude and a latitude.
fn point(longitude: &[u8], latitude: &[u8]) -> Result<Point, Fault> {
    let parse = |text| score::parse(text).ok_or(Fault::NotFloat);
    let point = Point { longitude: parse(longitude)?, latitude: parse(latitude)? };
    if point.is_on_the_map() {
        return Ok(point);
    }
    let Point { longitude, latitude } = point;
    Err(Fault::Text(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}")))
}

/// Replies with a distance: four decimals.
fn put_distance(out: &mut Vec<u8>, distance: f64) {
    encode::bulk(out, format!("{distance:.4}").as_bytes());
}

/// `GEOADD key [NX | XX] [CH] longitude latitude member …`
pub(super) fn geoadd(call: &mut Call<'_>) -> Result<(), Fault> {
    let (options, at) = sorted_set::Options::parse_some(call.args, 2, &["nx", "xx", "ch"]);
    let places = call.args.get(at..).unwrap_or_default();
    if !places.len().is_multiple_of(3) || options.is_contradictory() {
        return Err(Fault::Syntax);
    }
    let scores = places
        .chunks_exact(3)
        .map(|place| Ok(point(place[0], place[1])?.hash().to_string().into_bytes()))
        .collect::<Result<Vec<_>, Fault>>()?;
    let members = places.chunks_exact(3).map(|place| place[2]);
    let pairs: Vec<&[u8]> =
        scores.iter().zip(members).flat_map(|(score, member)| [&**score, member]).collect();
    sorted_set::add(call, options, &pairs)
}

/// `GEODIST key member member [unit]`
pub(super) fn geodist(call: &mut Call<'_>) -> Result<(), Fault> {
    let metres = match call.args.get(4..).unwrap_or_default() {
        [] => 1.0,
        [name] => unit(name)?,
        _ => return Err(Fault::Syntax),
    };
    let (from, to, version) = (call.arg(2), call.arg(3), call.version);
    let (set, out) = call.collection_and_out::<SortedSet>(call.arg(1))?;
    let place = |member| set.and_then(|set| set.score(member)).map(Point::of_score);
    match (place(from), place(to)) {
        (Some(from), Some(to)) => put_distance(out, from.distance(to) / metres),
        _ => encode::null(out, version),
    }
    Ok(())
}

/// `GEOHASH key [member …]`
pub(super) fn geohash(call: &mut Call<'_>) -> Result<(), Fault> {
    let (members, version) = (call.args.get(2..).unwrap_or_default(), call.version);
    let (set, out) = call.collection_and_out::<SortedSet>(call.arg(1))?;
    encode::array(out, members.len());
    for member in members {
        match set.and_then(|set| set.score(member)) {
            Some(score) => encode::bulk(out, &Point::of_score(score).text()),
            None => encode::null(out, version),
        }
    }
    Ok(())
}

/// `GEOPOS key [member …]`
pub(super) fn geopos(call: &mut Call<'_>) -> Result<(), Fault> {
    let (members, version) = (call.args.get(2..).unwrap_or_default(), call.version);
    let (set, out) = call.collection_and_out::<SortedSet>(call.arg(1))?;
    encode::array(out, members.len());
    for member in members {
        match set.and_then(|set| set.score(member)) {
            Some(score) => Point::of_score(score).put(out, version),
            None => encode::null_array(out, version),
        }
    }
    Ok(())
}
