//! Merges the replies to the parts of a request into one reply.

use std::collections::HashSet;

use net::Io;
use wire::memcache::Blocks;
use wire::redis::{Elements, Reply as Scanned, ReplyLimits, ReplyScan, ReplyScanner, encode};

use crate::client::{Client, Reply};
use crate::fail::Failure;
use crate::gather::{Gather, GatherId, Merge};
use crate::proxy::Proxy;
use crate::response::scan::write_scanned;

impl Proxy {
    /// Answers a request whose parts are all answered. `client` is given if the caller holds it.
    pub(crate) fn finish_gather<I: Io>(&mut self, io: &mut I, client: Option<&mut Client>, id: GatherId) {
        if self.gathers.get(id).piece.is_some() && self.sends_piece_again(io, id) {
            return;
        }
        let mut merged = std::mem::take(&mut self.scratch.reply);
        merged.clear();
        let gather = self.gathers.get_mut(id);
        let (to, seq, at, pool) = (gather.client, gather.seq, gather.at, gather.pool);
        let protocol = self.pools[pool].config.protocol;
        let is_transaction = gather.merge == Merge::Exec;
        let (silent, failed, outer) = (gather.silent, gather.error.is_some(), gather.outer.take());
        let written = match (gather.merge, gather.error.take()) {
            (Merge::About(about, version), error) => {
                let request = std::mem::take(&mut gather.keys.0);
                let said = if error.is_none() { gather.parts.first_mut().map(std::mem::take) } else { None };
                self.write_about(io, pool, (about, version), &request, said.as_deref(), &mut merged)
            }
            (Merge::AnyOk, Some(_)) if gather.used().any(|part| part.starts_with(b"+")) => {
                merged.extend_from_slice(b"+OK\r\n");
                Some(())
            }
            (_, Some(error)) => {
                merged.extend_from_slice(&error);
                Some(())
            }
            (Merge::Published(server, kind), None) => {
                let count = gather.used().next().and_then(|reply| scanned(reply)?.integer());
                let channel = std::mem::take(&mut gather.keys.0);
                let more = self.uncounted_receivers(pool, (server, kind), &channel);
                count.map(|count| encode::integer(&mut merged, count + more))
            }
            (Merge::Counts(kind), None) => {
                let gather = self.gathers.get(id);
                self.write_counts(pool, kind, gather.used(), &mut merged)
            }
            (_, None) => write_merged(gather, &mut merged),
        };
        if written.is_none() {
            merged.clear();
            Failure::Garbage.write(protocol, &mut merged);
        }
        if silent {
            merged.clear();
        }
        self.gathers.close(id);
        if let Some((outer, part)) = outer {
            let finished = if failed {
                self.gathers.fail(outer, &merged)
            } else {
                self.gathers.store(outer, part, &merged)
            };
            self.scratch.reply = merged;
            if finished {
                self.finish_gather(io, client, outer);
            }
            return;
        }
        let is_given = client.is_some();
        match client {
            Some(client) => {
                let pool = &self.pools[pool];
                pool.count_reply(merged.len());
                pool.stats.latency.record(io.now().micros_since(at));
                client.reply_size.note(merged.len());
                client.fulfil(io, seq, Reply::Slice(&merged));
            }
            None if failed => self.fail(io, to, seq, &merged, at),
            None => self.reply(io, to, seq, Reply::Slice(&merged), at),
        }
        if is_transaction && !is_given {
            self.after_private(io, to);
        }
        merged.shrink_to(1 << 20);
        self.scratch.reply = merged;
    }
}

/// Writes the merged reply; None if a part's reply is not of the right kind.
fn write_merged(gather: &Gather, out: &mut Vec<u8>) -> Option<()> {
    match gather.merge {
        Merge::Array => merge_arrays(gather, out),
        Merge::Sum => {
            let mut sum = 0i64;
            for part in gather.used() {
                sum = sum.checked_add(scanned(part)?.integer()?)?;
            }
            encode::integer(out, sum);
            Some(())
        }
        Merge::Ok | Merge::AnyOk => {
            if gather.used().any(|part| part.first() != Some(&b'+')) {
                return None;
            }
            out.extend_from_slice(b"+OK\r\n");
            Some(())
        }
        Merge::Exec => gather.used().next().map(|reply| out.extend_from_slice(reply)),
        Merge::Same => {
            let mut parts = gather.used();
            let first = parts.next()?;
            parts.all(|part| part == first).then(|| out.extend_from_slice(first))
        }
        Merge::Least => merge_least(gather, out),
        Merge::Lists => merge_lists(gather, out),
        Merge::Some => {
            let is_null = |part: &&[u8]| part.starts_with(b"$-1") || part.starts_with(b"_");
            let found = gather.used().find(|part| !is_null(part)).or_else(|| gather.used().next())?;
            out.extend_from_slice(found);
            Some(())
        }
        Merge::Scan { at, count } => write_scanned(gather.used().next()?, (at, count), out),
        Merge::Values => merge_values(gather, out),
        Merge::OkLine => {
            out.extend_from_slice(b"OK\r\n");
            Some(())
        }
        Merge::Stats => {
            merge_stats(gather, out);
            Some(())
        }
        Merge::Union => merge_union(gather, out),
        Merge::Greatest => {
            let numbers = gather.used().map(|part| scanned(part)?.integer());
            numbers.collect::<Option<Vec<i64>>>()?.into_iter().max().map(|most| encode::integer(out, most))
        }
        // The proxy itself has a part in these.
        Merge::About(..) | Merge::Published(..) | Merge::Counts(_) => None,
    }
}

/// Merges arrays element by element, in the order of the request's keys.
fn merge_arrays(gather: &Gather, out: &mut Vec<u8>) -> Option<()> {
    let mut parts = Vec::with_capacity(gather.count as usize);
    for part in gather.used() {
        parts.push(Elements::of_array(part)?);
    }
    encode::array(out, gather.order.len());
    for part in &gather.order {
        let (_, element) = parts.get_mut(*part as usize)?.next()?;
        out.extend_from_slice(element);
    }
    parts.iter_mut().all(|rest| rest.next().is_none()).then_some(())
}

/// Merges arrays by appending one to the other.
fn merge_lists(gather: &Gather, out: &mut Vec<u8>) -> Option<()> {
    let mut count = 0;
    for part in gather.used() {
        count += Elements::of_array(part)?.count();
    }
    encode::array(out, count);
    for part in gather.used() {
        Elements::of_array(part)?.for_each(|(_, element)| out.extend_from_slice(element));
    }
    Some(())
}

/// Merges arrays by appending what is new of one to the other.
fn merge_union(gather: &Gather, out: &mut Vec<u8>) -> Option<()> {
    let (mut seen, mut all) = (HashSet::new(), Vec::new());
    for part in gather.used() {
        all.extend(Elements::of_array(part)?.map(|(_, element)| element).filter(|new| seen.insert(*new)));
    }
    encode::array(out, all.len());
    all.iter().for_each(|element| out.extend_from_slice(element));
    Some(())
}

/// Merges arrays of integers by the least at each place. Arrays of different lengths cannot be merged.
fn merge_least(gather: &Gather, out: &mut Vec<u8>) -> Option<()> {
    let mut least: Option<Vec<i64>> = None;
    for part in gather.used() {
        let these: Vec<i64> = Elements::of_array(part)?.map(|(n, _)| n.integer()).collect::<Option<_>>()?;
        least = Some(match least {
            None => these,
            Some(before) if before.len() == these.len() => {
                before.iter().zip(&these).map(|(a, b)| *a.min(b)).collect()
            }
            Some(_) => return None,
        });
    }
    let least = least?;
    encode::array(out, least.len());
    for n in least {
        encode::integer(out, n);
    }
    Some(())
}

/// Scans a part's reply, which was found whole before.
pub(crate) fn scanned(part: &[u8]) -> Option<Scanned> {
    match ReplyScanner::new().scan(part, &ReplyLimits::default()) {
        ReplyScan::Done(reply) => Some(reply),
        _ => None,
    }
}

/// Merges VALUE blocks in the order of the request's keys: a key was a miss if its server's next block is for
/// another key.
fn merge_values(gather: &Gather, out: &mut Vec<u8>) -> Option<()> {
    let mut parts: Vec<_> = gather.used().map(|part| (Blocks::new(part), part)).collect();
    let mut start = 0;
    for (part, end) in gather.order.iter().zip(&gather.keys.1) {
        let key = &gather.keys.0[start as usize..*end as usize];
        start = *end;
        let (blocks, bytes) = parts.get_mut(*part as usize)?;
        if let Some(block) = blocks.next_for(key) {
            out.extend_from_slice(&bytes[block.whole]);
        }
    }
    out.extend_from_slice(b"END\r\n");
    parts.iter_mut().all(|(rest, _)| rest.next().is_none()).then_some(())
}

/// Statistics that describe a server rather than count something: the first server's value is used.
const NOT_SUMMED: [&[u8]; 11] = [
    b"pid",
    b"uptime",
    b"time",
    b"pointer_size",
    b"max_connections",
    b"threads",
    b"hash_power_level",
    b"slab_reassign_running",
    b"accepting_conns",
    b"log_worker_dropped",
    b"hash_is_expanding",
];

/// Merges statistics: one line per name of the first server, with integers added up over all servers.
fn merge_stats(gather: &Gather, out: &mut Vec<u8>) {
    let others: Vec<_> = gather.used().skip(1).collect();
    for (name, value) in gather.used().take(1).flat_map(stat_lines) {
        let sum = number(value).filter(|_| !NOT_SUMMED.contains(&name)).map(|first| {
            let same = |part: &&[u8]| stat_lines(part).find(|(n, _)| *n == name).and_then(|(_, v)| number(v));
            others.iter().filter_map(same).fold(first, u64::saturating_add)
        });
        out.extend_from_slice(b"STAT ");
        out.extend_from_slice(name);
        out.push(b' ');
        match sum {
            Some(sum) => out.extend_from_slice(sum.to_string().as_bytes()),
            None => out.extend_from_slice(value),
        }
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"END\r\n");
}

fn stat_lines(part: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    part.split(|b| *b == b'\n').filter_map(|line| {
        let rest = line.trim_ascii_end().strip_prefix(b"STAT ")?;
        let at = rest.iter().position(|b| *b == b' ')?;
        Some((&rest[..at], &rest[at + 1..]))
    })
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
