//! Splits a request whose keys live on several servers into one request per server.

use net::Io;
use wire::redis::{Command, Parts, write_split_head};

use crate::client::Client;
use crate::fail::Failure;
use crate::feeds::FeedKind;
use crate::gather::{GatherId, Merge};
use crate::proxy::{Part, Proxy, Scratch};
use crate::request::Frame;
use crate::request::embedded::is_error;
use crate::request::forward::{Forwarded, Traits};
use crate::request::reader::NoReplica;
use crate::server::pending::{Expect, Owner, Pending};

/// Largest part buffer that is kept for the next split.
pub(super) const KEEP_REQUEST: usize = 64 * 1024;

impl Proxy {
    /// Sorts the keys of a request by group: see [`Proxy::sort_keys`].
    #[inline(never)]
    pub(super) fn plan_split(
        &mut self,
        client: &Client,
        command: &Command,
        parts: Parts<'_>,
    ) -> Option<Result<(), NoReplica>> {
        let mut ends = std::mem::take(&mut self.scratch.ends);
        ends.clear();
        let keys = parts.map(|part| {
            ends.push(part.end() as u32);
            part.key.bytes()
        });
        let sorted = self.sort_keys(client, keys);
        self.scratch.ends = ends;
        sorted?;
        let is_read = self.is_replica_read(client, command);
        Some(if is_read { self.read_parts_elsewhere(client) } else { Ok(()) })
    }

    /// Sends each part of a read to the node that its slot is read from.
    #[cold]
    fn read_parts_elsewhere(&mut self, client: &Client) -> Result<(), NoReplica> {
        for part in 0..self.scratch.parts.len() {
            let Some(group) = self.scratch.parts[part].group else { continue };
            self.earn_hedge(client.pool);
            let reader = self.reader_of(client.pool, group, client.id.index as usize)?;
            self.scratch.parts[part].lane = reader.map(|server| self.servers[server].lane_of(client));
        }
        Ok(())
    }

    /// Sends the parts planned by [`Proxy::plan_split`].
    pub(super) fn split_redis<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        command: &'static Command,
        merge: wire::redis::Merge,
        parts: Parts<'_>,
        frame: &[u8],
    ) {
        let traits = Traits::of(command);
        let gather = self.open_gather(io, client, merge_of(merge));
        let count = self.scratch.parts.len();
        // One of many nodes: which is what its client wants to know.
        self.gathers.get_mut(gather).names_servers = self.pools[client.pool].placement.slots().is_some();
        let mut requests = self.take_requests(count);
        for (request, part) in requests.iter_mut().zip(&self.scratch.parts) {
            write_split_head(request, command, part.keys as usize, parts.arguments_each());
        }
        copy_runs(
            frame,
            parts.start(),
            &self.scratch.ends,
            &self.gathers.get_mut(gather).order,
            &mut requests,
        );
        self.scratch.ends.shrink_to(KEEP_REQUEST);
        for (part, request) in requests.iter().enumerate().take(count) {
            let expect = Expect { keys: self.scratch.parts[part].keys, ..traits.expect };
            let traits = Traits { expect, ..traits };
            self.forward_part(io, client, (gather, part as u16), Frame::Slice(request), traits);
        }
        self.give_requests(requests);
    }

    /// Takes at least `count` empty buffers for the parts of a request.
    pub(super) fn take_requests(&mut self, count: usize) -> Vec<Vec<u8>> {
        let mut requests = std::mem::take(&mut self.scratch.requests);
        if requests.len() < count {
            requests.resize_with(count, Vec::new);
        }
        requests.iter_mut().for_each(Vec::clear);
        requests
    }

    pub(super) fn give_requests(&mut self, mut requests: Vec<Vec<u8>>) {
        requests.retain(|r| r.capacity() <= KEEP_REQUEST);
        self.scratch.requests = requests;
    }

    /// Sorts keys into one part per group: fills `scratch.parts` and `scratch.order`. None if there is no
    /// server at all.
    pub(super) fn sort_keys<'a>(
        &mut self,
        client: &Client,
        keys: impl Iterator<Item = &'a [u8]>,
    ) -> Option<()> {
        let pool = &mut self.pools[client.pool];
        let (parts, order) = (&mut self.scratch.parts, &mut self.scratch.order);
        parts.clear();
        order.clear();
        if pool.placement.slots().is_some() {
            self.sort_by_slot(client, keys);
            return Some(());
        }
        for key in keys {
            let group = pool.placement.group_of(key)?;
            let part = match parts.iter().position(|part| part.group == Some(group)) {
                Some(part) => part,
                None => {
                    let server = pool.placement.server_of(group)?;
                    let lane = Some(self.servers[server].lane_of(client));
                    parts.push(Part { lane, group: Some(group), keys: 0, refused: false });
                    parts.len() - 1
                }
            };
            parts[part].keys += 1;
            order.push(part as u16);
        }
        Some(())
    }

    /// Sorts keys into one part per slot. There may be as many parts as keys, so parts are found by a table.
    fn sort_by_slot<'a>(&mut self, client: &Client, keys: impl Iterator<Item = &'a [u8]>) {
        const NO_PART: u16 = u16::MAX;
        let placement = &mut self.pools[client.pool].placement;
        let Scratch { parts, order, part_of, .. } = &mut self.scratch;
        part_of.resize(ring::SLOTS, NO_PART);
        for key in keys {
            let Some(group) = placement.group_of(key) else { continue };
            let part = &mut part_of[usize::from(group.slot())];
            if *part == NO_PART {
                let server = placement.server_of(group);
                let lane = server.map(|server| self.servers[server].lane_of(client));
                *part = parts.len() as u16;
                parts.push(Part { lane, group: Some(group), keys: 0, refused: false });
            }
            parts[usize::from(*part)].keys += 1;
            order.push(*part);
        }
        for group in parts.iter().filter_map(|part| part.group) {
            part_of[usize::from(group.slot())] = NO_PART;
        }
    }

    /// Cuts the parts found by [`Proxy::sort_keys`] so that none has more than `max` bytes of keys. `lens`
    /// are the keys' lengths.
    pub(super) fn cut_parts(&mut self, lens: impl Iterator<Item = usize>, max: usize) {
        let (parts, order) = (&mut self.scratch.parts, &mut self.scratch.order);
        // For each part, the piece that gets its next key and the bytes already in it.
        let mut last: Vec<(u16, usize)> = (0..parts.len() as u16).map(|part| (part, 0)).collect();
        for (part, len) in order.iter_mut().zip(lens) {
            let first = *part as usize;
            let (to, bytes) = &mut last[first];
            if *bytes + len + 1 > max {
                (*to, *bytes) = (parts.len() as u16, 0);
                parts.push(Part { keys: 0, ..parts[first] });
            }
            *bytes += len + 1;
            if *to != *part {
                parts[first].keys -= 1;
                parts[*to as usize].keys += 1;
                *part = *to;
            }
        }
    }

    /// Opens a gather record for the parts found by [`Proxy::sort_keys`], and the client's slot for the
    /// reply.
    pub(super) fn open_gather<I: Io>(&mut self, io: &I, client: &mut Client, merge: Merge) -> GatherId {
        let id = self.gathers.open(client.id, client.pool, merge, io.now());
        let parts = self.scratch.parts.len();
        self.pools[client.pool].stats.fragments.add(parts as u64);
        let record = self.gathers.get_mut(id);
        record.seq = client.next_seq();
        client.add_slot();
        record.waiting = parts as u32;
        record.count = parts as u16;
        std::mem::swap(&mut record.order, &mut self.scratch.order);
        if record.parts.len() < parts {
            record.parts.resize_with(parts, Vec::new);
        }
        self.gathers.recount(id);
        id
    }

    /// Sends one part of a request, found by its index in `scratch.parts`.
    pub(super) fn forward_part<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        (gather, part): (GatherId, u16),
        frame: Frame<'_>,
        traits: Traits,
    ) {
        let owner = Owner::Part(gather, part);
        let (expect, counted) = (traits.expect, traits.counted);
        let pending = Pending { expect, counted, ..Pending::new(owner, io.now(), frame.bytes().len()) };
        let Part { lane, refused, .. } = self.scratch.parts[part as usize];
        let detour = (frame.bytes(), traits.keep.safe, traits.expect);
        let Some(lane) = lane else {
            if !self.take_detour(io, client, owner, detour, None) {
                self.refuse_part(io, client, gather, Failure::Overloaded);
            }
            return;
        };
        let sent = if refused {
            self.servers[lane.server].count_refusal();
            Forwarded::Refused(Failure::Overloaded)
        } else {
            self.forward(io, client, lane, frame, pending, traits.keep)
        };
        let finished = match sent {
            Forwarded::Queued => return,
            Forwarded::Answered | Forwarded::Blocks(_) => {
                let protocol = self.pools[client.pool].config.protocol;
                if is_error(protocol, &self.scratch.local) {
                    let error = std::mem::take(&mut self.scratch.local);
                    let finished = self.fail_part((gather, part), lane, &error);
                    self.scratch.local = error;
                    finished
                } else {
                    self.gathers.store(gather, part, &self.scratch.local)
                }
            }
            Forwarded::Refused(failure)
                if self.may_take_detour(client.pool, failure)
                    && self.take_detour(io, client, owner, detour, Some((lane.server, failure))) =>
            {
                return;
            }
            Forwarded::Refused(failure) => {
                let protocol = self.pools[client.pool].config.protocol;
                self.pools[client.pool].stats.forward_error.inc();
                self.fail_part((gather, part), lane, &failure.reply(protocol))
            }
        };
        if finished {
            self.finish_gather(io, Some(client), gather);
        }
    }
}

impl Proxy {
    /// Fails a part that no server gets.
    #[cold]
    fn refuse_part<I: Io>(&mut self, io: &mut I, client: &mut Client, gather: GatherId, failure: Failure) {
        let pool = &self.pools[client.pool];
        pool.stats.forward_error.inc();
        if self.gathers.fail(gather, &failure.reply(pool.config.protocol)) {
            self.finish_gather(io, Some(client), gather);
        }
    }
}

/// Copies each key, with its value, into the request of its part. The items follow one another from `start`;
/// `ends` has the end of each. A run of neighbours that goes into one part is copied at once.
fn copy_runs(frame: &[u8], start: usize, ends: &[u32], order: &[u16], requests: &mut [Vec<u8>]) {
    let Some(mut to) = order.first() else { return };
    let (mut begin, mut end) = (start, start);
    for (next_end, next) in ends.iter().zip(order) {
        if next != to {
            requests[*to as usize].extend_from_slice(&frame[begin..end]);
            (begin, to) = (end, next);
        }
        end = *next_end as usize;
    }
    requests[*to as usize].extend_from_slice(&frame[begin..end]);
}

pub(crate) fn merge_of(merge: wire::redis::Merge) -> Merge {
    match merge {
        wire::redis::Merge::Values => Merge::Array,
        wire::redis::Merge::Sum => Merge::Sum,
        wire::redis::Merge::AllOk => Merge::Ok,
        wire::redis::Merge::AnyOk => Merge::AnyOk,
        wire::redis::Merge::Lists => Merge::Lists,
        wire::redis::Merge::Some => Merge::Some,
        wire::redis::Merge::Same => Merge::Same,
        wire::redis::Merge::Least => Merge::Least,
        wire::redis::Merge::Union => Merge::Union,
        wire::redis::Merge::ChannelCounts => Merge::Counts(FeedKind::Channel),
        wire::redis::Merge::ShardCounts => Merge::Counts(FeedKind::Sharded),
        wire::redis::Merge::Greatest => Merge::Greatest,
    }
}
