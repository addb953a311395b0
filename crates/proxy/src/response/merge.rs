//! The replies to the parts of a split request become one reply.

use net::Io;
use wire::redis::{Kind, Reply as Scanned, ReplyLimits, ReplyScan, ReplyScanner, encode};

use crate::client::{Client, Reply};
use crate::fail::Failure;
use crate::gather::{Gather, GatherId, Merge};
use crate::proxy::Proxy;

impl Proxy {
    /// No part is missing any more. `client` is given if the caller holds it.
    pub(crate) fn finish_gather<I: Io>(&mut self, io: &mut I, client: Option<&mut Client>, id: GatherId) {
        let mut merged = std::mem::take(&mut self.scratch.reply);
        merged.clear();
        let gather = self.gathers.get_mut(id);
        let (to, seq, at, pool) = (gather.client, gather.seq, gather.at, gather.pool);
        let protocol = self.pools[pool as usize].config.protocol;
        match gather.error.take() {
            Some(error) => merged.extend_from_slice(&error),
            None => {
                if write_merged(gather, &mut merged).is_none() {
                    merged.clear();
                    Failure::Garbage.write(protocol, &mut merged);
                }
            }
        }
        self.gathers.close(id);
        match client {
            Some(client) => {
                let before = client.held_bytes();
                client.fulfil(io, seq, Reply::Slice(&merged));
                self.held = self.held + client.held_bytes() - before;
            }
            None => self.reply(io, to, seq, Reply::Slice(&merged), at),
        }
        merged.shrink_to(1 << 20);
        self.scratch.reply = merged;
    }
}

/// None if a part's reply is not of the kind that can be merged.
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
        Merge::Ok => {
            if gather.used().any(|part| part.first() != Some(&b'+')) {
                return None;
            }
            out.extend_from_slice(b"+OK\r\n");
            Some(())
        }
        Merge::Values | Merge::SameLine | Merge::Stats => None,
    }
}

/// Element by element, in the order of the request's keys.
fn merge_arrays(gather: &Gather, out: &mut Vec<u8>) -> Option<()> {
    let mut parts = Vec::with_capacity(gather.count as usize);
    for part in gather.used() {
        let reply = scanned(part).filter(|r| r.kind() == Kind::Array)?;
        parts.push(reply.elements(part));
    }
    encode::array(out, gather.order.len());
    for part in &gather.order {
        let (_, element) = parts.get_mut(*part as usize)?.next()?;
        out.extend_from_slice(element);
    }
    parts.iter_mut().all(|rest| rest.next().is_none()).then_some(())
}

/// A part's reply, which was found whole once before.
fn scanned(part: &[u8]) -> Option<Scanned> {
    match ReplyScanner::new().scan(part, &ReplyLimits::default()) {
        ReplyScan::Done(reply) => Some(reply),
        _ => None,
    }
}
