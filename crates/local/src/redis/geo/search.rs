//! `GEOSEARCH`, `GEOSEARCHSTORE`, and the older commands that do the same, `GEORADIUS` and its kin.

use wire::redis::encode;

use super::super::call::{Call, Words};
use super::super::fault::Fault;
use super::super::integer::integer;
use super::super::score;
use super::hash::Point;
use super::{point, put_distance, unit};
use crate::events::Class;
use crate::value::sorted_set::SortedSet;

/// Shape of a search, in metres.
#[derive(Clone, Copy)]
enum Shape {
    Radius(f64),
    /// Width and height.
    Box(f64, f64),
}

#[derive(Default)]
struct Options<'c> {
    centre: Option<Point>,
    /// The shape, and the metres of its unit.
    shape: Option<(Shape, f64)>,
    count: Option<usize>,
    any: bool,
    descending: Option<bool>,
    with_distance: bool,
    with_hash: bool,
    with_place: bool,
    store_distance: bool,
    /// The key of `STORE` or `STOREDIST`.
    destination: Option<&'c [u8]>,
}

/// A place that was found.
struct Found {
    member: Box<[u8]>,
    score: f64,
    /// In metres.
    distance: f64,
}

/// `GEOSEARCH key FROMMEMBER … | FROMLONLAT … BYRADIUS … | BYBOX … [ASC | DESC] [COUNT count [ANY]]
/// [WITHCOORD] [WITHDIST] [WITHHASH]`
pub(in super::super) fn geosearch(call: &mut Call<'_>) -> Result<(), Fault> {
    let options = parse(call, 2, false)?;
    let found = search(call, call.arg(1), &options)?;
    reply(call, &options, found)
}

/// Replies with places, and what was asked for of each.
fn reply(call: &mut Call<'_>, options: &Options<'_>, found: Vec<Found>) -> Result<(), Fault> {
    let metres = options.shape.map_or(1.0, |(_, metres)| metres);
    let extras = [options.with_distance, options.with_hash, options.with_place];
    let extras = extras.iter().filter(|extra| **extra).count();
    let (out, version) = (&mut *call.out, call.version);
    encode::array(out, found.len());
    for place in found {
        if extras > 0 {
            encode::array(out, 1 + extras);
        }
        encode::bulk(out, &place.member);
        if options.with_distance {
            put_distance(out, place.distance / metres);
        }
        if options.with_hash {
            encode::integer(out, place.score as i64);
        }
        if options.with_place {
            Point::of_score(place.score).put(out, version);
        }
    }
    Ok(())
}

/// `GEOSEARCHSTORE destination source …  [STOREDIST]`
pub(in super::super) fn geosearchstore(call: &mut Call<'_>) -> Result<(), Fault> {
    let options = parse(call, 3, true)?;
    let found = search(call, call.arg(2), &options)?;
    store(call, call.arg(1), &options, &found)
}

/// Stores places, in the place of what the key holds.
fn store(call: &mut Call<'_>, key: &[u8], options: &Options<'_>, found: &[Found]) -> Result<(), Fault> {
    let metres = options.shape.map_or(1.0, |(_, metres)| metres);
    let mut result = SortedSet::default();
    for place in found {
        result.set(&place.member, if options.store_distance { place.distance / metres } else { place.score });
    }
    let event = if call.name == "geosearchstore" { "geosearchstore" } else { "georadiusstore" };
    call.replace(key, result, (Class::SORTED_SET, event))?;
    call.count(found.len())
}

/// `GEORADIUS key longitude latitude radius unit [option …] [STORE key | STOREDIST key]`
pub(in super::super) fn georadius(call: &mut Call<'_>) -> Result<(), Fault> {
    radius(call, Centre::Place, true)
}

/// `GEORADIUS_RO key longitude latitude radius unit [option …]`
pub(in super::super) fn georadius_ro(call: &mut Call<'_>) -> Result<(), Fault> {
    radius(call, Centre::Place, false)
}

/// `GEORADIUSBYMEMBER key member radius unit [option …] [STORE key | STOREDIST key]`
pub(in super::super) fn georadiusbymember(call: &mut Call<'_>) -> Result<(), Fault> {
    radius(call, Centre::Member, true)
}

/// `GEORADIUSBYMEMBER_RO key member radius unit [option …]`
pub(in super::super) fn georadiusbymember_ro(call: &mut Call<'_>) -> Result<(), Fault> {
    radius(call, Centre::Member, false)
}

/// The way that a centre is given in.
#[derive(Clone, Copy)]
enum Centre {
    Place,
    Member,
}

fn radius(call: &mut Call<'_>, centre: Centre, may_store: bool) -> Result<(), Fault> {
    let key = call.arg(1);
    call.collection::<SortedSet>(key)?;
    let (centre, at) = match centre {
        Centre::Place => (point(call.arg(2), call.arg(3))?, 4),
        Centre::Member => (place_of(call, key, call.arg(2))?, 3),
    };
    // Around a member of nothing there is nothing, whatever the radius.
    let shape = if at == 3 && call.peek(key).is_none() {
        (Shape::Radius(0.0), 1.0)
    } else {
        let radius = length(call.arg(at), "ERR need numeric radius")?;
        let metres = unit_of(radius < 0.0, "ERR radius cannot be negative", call.arg(at + 1))?;
        (Shape::Radius(radius * metres), metres)
    };
    let shape = Some(shape);
    let mut options = Options { centre: Some(centre), shape, ..Options::default() };
    let mut rest = call.args.get(at + 2..).unwrap_or_default();
    while let [option, more @ ..] = rest {
        rest = match (option.to_ascii_lowercase().as_slice(), more) {
            (b"store", [key, after @ ..]) if may_store => {
                (options.destination, options.store_distance) = (Some(*key), false);
                after
            }
            (b"storedist", [key, after @ ..]) if may_store => {
                (options.destination, options.store_distance) = (Some(*key), true);
                after
            }
            _ => options.take(option, more)?.ok_or(Fault::Syntax)?,
        };
    }
    if options.destination.is_some() && options.shows_more() {
        return Err(Fault::Other(
            "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
        ));
    }
    options.check_any()?;
    let found = search(call, key, &options)?;
    match options.destination {
        Some(destination) => store(call, destination, &options, &found),
        None => reply(call, &options, found),
    }
}

impl<'c> Options<'c> {
    /// Takes an option that all searches have; the words behind it, or None for another one.
    fn take(&mut self, option: &[u8], more: Words<'c>) -> Result<Option<Words<'c>>, Fault> {
        match (option.to_ascii_lowercase().as_slice(), more) {
            (b"withdist", _) => self.with_distance = true,
            (b"withhash", _) => self.with_hash = true,
            (b"withcoord", _) => self.with_place = true,
            (b"any", _) => self.any = true,
            (b"asc", _) => self.descending = Some(false),
            (b"desc", _) => self.descending = Some(true),
            (b"count", [count, after @ ..]) => {
                let count = usize::try_from(integer(count)?).ok().filter(|count| *count > 0);
                self.count = Some(count.ok_or(Fault::Other("ERR COUNT must be > 0"))?);
                return Ok(Some(after));
            }
            _ => return Ok(None),
        }
        Ok(Some(more))
    }

    /// True if the reply has more of a place than its member.
    fn shows_more(&self) -> bool {
        self.with_distance || self.with_hash || self.with_place
    }

    fn check_any(&self) -> Result<(), Fault> {
        if self.any && self.count.is_none() {
            return Err(Fault::Other("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }
}

fn parse<'c>(call: &mut Call<'c>, at: usize, stores: bool) -> Result<Options<'c>, Fault> {
    // The type of the key is looked at first.
    call.collection::<SortedSet>(call.arg(at - 1))?;
    let mut options = Options::default();
    let mut rest = call.args.get(at..).unwrap_or_default();
    while let [option, more @ ..] = rest {
        rest = more;
        if let Some(after) = options.take(option, more)? {
            rest = after;
            continue;
        }
        match (option.to_ascii_lowercase().as_slice(), more) {
            (b"storedist", _) if stores => options.store_distance = true,
            (b"frommember", [member, after @ ..]) if options.centre.is_none() => {
                options.centre = Some(place_of(call, call.arg(at - 1), member)?);
                rest = after;
            }
            (b"fromlonlat", [longitude, latitude, after @ ..]) if options.centre.is_none() => {
                options.centre = Some(point(longitude, latitude)?);
                rest = after;
            }
            (b"byradius", [radius, name, after @ ..]) if options.shape.is_none() => {
                let radius = length(radius, "ERR need numeric radius")?;
                let metres = unit_of(radius < 0.0, "ERR radius cannot be negative", name)?;
                options.shape = Some((Shape::Radius(radius * metres), metres));
                rest = after;
            }
            (b"bybox", [width, height, name, after @ ..]) if options.shape.is_none() => {
                let (width, height) =
                    (length(width, "ERR need numeric width")?, length(height, "ERR need numeric height")?);
                let is_negative = width < 0.0 || height < 0.0;
                let metres = unit_of(is_negative, "ERR height or width cannot be negative", name)?;
                options.shape = Some((Shape::Box(width * metres, height * metres), metres));
                rest = after;
            }
            _ => return Err(Fault::Syntax),
        }
    }
    check(call, &options, stores)?;
    Ok(options)
}

/// The place of a member; any, if there are no places at all.
fn place_of(call: &mut Call<'_>, key: &[u8], member: &[u8]) -> Result<Point, Fault> {
    let missing = Fault::Other("ERR could not decode requested zset member");
    let Some(set) = call.collection::<SortedSet>(key)? else { return Ok(Point::of_score(0.0)) };
    set.score(member).map(Point::of_score).ok_or(missing)
}

fn length(text: &[u8], fault: &'static str) -> Result<f64, Fault> {
    score::parse(text).ok_or(Fault::Other(fault))
}

fn unit_of(is_negative: bool, fault: &'static str, name: &[u8]) -> Result<f64, Fault> {
    if is_negative { Err(Fault::Other(fault)) } else { unit(name) }
}

fn check(call: &Call<'_>, options: &Options<'_>, stores: bool) -> Result<(), Fault> {
    let name = call.name;
    if stores && options.shows_more() {
        let name = name.to_ascii_uppercase();
        return Err(Fault::Text(format!(
            "ERR {name} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
        )));
    }
    if options.centre.is_none() {
        return Err(Fault::Text(format!(
            "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}"
        )));
    }
    if options.shape.is_none() {
        return Err(Fault::Text(format!(
            "ERR exactly one of BYRADIUS and BYBOX can be specified for {name}"
        )));
    }
    options.check_any()
}

fn search(call: &mut Call<'_>, key: &[u8], options: &Options<'_>) -> Result<Vec<Found>, Fault> {
    let (Some(centre), Some((shape, _))) = (options.centre, options.shape) else { return Err(Fault::Syntax) };
    let Some(set) = call.collection::<SortedSet>(key)? else { return Ok(Vec::new()) };
    let enough = options.count.filter(|_| options.any).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    let radius = match shape {
        Shape::Radius(radius) => radius,
        Shape::Box(width, height) => (width * width + height * height).sqrt() / 2.0,
    };
    for cell in centre.cells(radius) {
        let rank = |from: u64| set.count_while(|score, _| score < from as f64);
        for (member, score) in set.range(rank(cell.start)..rank(cell.end)) {
            if let Some(distance) =
                shape.distance(centre, Point::of_score(score)).filter(|_| found.len() < enough)
            {
                found.push(Found { member: member.into(), score, distance });
            }
        }
    }
    let sorted = options.descending.or(options.count.filter(|_| !options.any).map(|_| false));
    if let Some(descending) = sorted {
        found.sort_by(|a, b| {
            let order = a.distance.total_cmp(&b.distance);
            if descending { order.reverse() } else { order }
        });
    }
    found.truncate(options.count.unwrap_or(usize::MAX));
    Ok(found)
}

impl Shape {
    /// The distance of a place within the shape.
    fn distance(self, centre: Point, place: Point) -> Option<f64> {
        match self {
            Shape::Radius(radius) => Some(centre.distance(place)).filter(|distance| *distance <= radius),
            Shape::Box(width, height) => {
                let across = place.distance(Point { longitude: centre.longitude, ..place });
                let is_within = centre.distance_of_latitudes(place) <= height / 2.0 && across <= width / 2.0;
                is_within.then(|| centre.distance(place))
            }
        }
    }
}
