//! Writing of streams, in the form that `read_stream.rs` draws.

use super::encode::{length, string};
use super::packed::length_bytes;
use crate::value::stream::{Group, Id, Stream};

/// Most entries of a node, as Redis' `stream-node-max-entries`.
const NODE_ENTRIES: usize = 100;

pub(super) fn stream(out: &mut Vec<u8>, stream: &Stream) {
    let entries: Vec<(Id, Vec<&[u8]>)> =
        stream.range(Id::MIN, Id::MAX).map(|(id, fields)| (id, fields.collect())).collect();
    let nodes = entries.chunks(NODE_ENTRIES);
    length(out, nodes.len() as u64);
    for entries in nodes {
        let first = entries.first().map(|(id, _)| *id).unwrap_or_default();
        length(out, 16);
        raw_id(out, first);
        string(out, &node(first, entries));
    }
    length(out, stream.len() as u64);
    for shown in [stream.last, stream.first(), stream.deleted_max] {
        id(out, shown);
    }
    length(out, stream.added);
    length(out, stream.groups().len() as u64);
    for (name, of_name) in stream.groups() {
        string(out, name);
        group(out, of_name);
    }
}

fn raw_id(out: &mut Vec<u8>, id: Id) {
    out.extend_from_slice(&id.ms.to_be_bytes());
    out.extend_from_slice(&id.seq.to_be_bytes());
}

fn id(out: &mut Vec<u8>, id: Id) {
    length(out, id.ms);
    length(out, id.seq);
}

/// A listpack being written.
struct Pack {
    bytes: Vec<u8>,
    count: usize,
}

impl Pack {
    /// Appends an element, encoding and value, and its length.
    fn element(&mut self, head: &[u8], body: &[u8]) {
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(body);
        self.count += 1;
        // Seven bits in each byte, the highest first, all but the first marked.
        let own = head.len() + body.len();
        let len = length_bytes(own);
        for place in (0..len).rev() {
            let mark = if place + 1 == len { 0 } else { 0x80 };
            self.bytes.push((own >> (7 * place)) as u8 & 0x7f | mark);
        }
    }

    fn number(&mut self, number: i64) {
        match u8::try_from(number) {
            Ok(small @ ..0x80) => self.element(&[small], b""),
            _ => self.element(&[0xf4], &number.to_le_bytes()),
        }
    }

    fn text(&mut self, text: &[u8]) {
        match text.len() {
            len @ 0..0x40 => self.element(&[0x80 | len as u8], text),
            len @ 0x40..0x1000 => self.element(&(0xe000 | len as u16).to_be_bytes(), text),
            len => {
                let mut head = vec![0xf0];
                head.extend_from_slice(&(len as u32).to_le_bytes());
                self.element(&head, text);
            }
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.push(0xff);
        let len = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&len.to_le_bytes());
        let count = u16::try_from(self.count).unwrap_or(u16::MAX);
        self.bytes[4..6].copy_from_slice(&count.to_le_bytes());
        self.bytes
    }
}

/// The listpack of entries, of which the first has this id. The master entry has the fields of the first.
fn node(first: Id, entries: &[(Id, Vec<&[u8]>)]) -> Vec<u8> {
    let mut pack = Pack { bytes: vec![0; 6], count: 0 };
    let names =
        |fields: &[&[u8]]| -> Vec<Vec<u8>> { fields.iter().step_by(2).map(|name| name.to_vec()).collect() };
    let master = entries.first().map(|(_, fields)| names(fields)).unwrap_or_default();
    pack.number(entries.len() as i64);
    pack.number(0);
    pack.number(master.len() as i64);
    master.iter().for_each(|name| pack.text(name));
    pack.number(0);
    for (id, fields) in entries {
        let has_same = names(fields) == master;
        pack.number(if has_same { 2 } else { 0 });
        pack.number(id.ms.wrapping_sub(first.ms) as i64);
        pack.number(id.seq.wrapping_sub(first.seq) as i64);
        let pairs = fields.len() / 2;
        if has_same {
            fields.iter().skip(1).step_by(2).for_each(|value| pack.text(value));
        } else {
            pack.number(pairs as i64);
            fields.iter().for_each(|field| pack.text(field));
        }
        // Elements of this entry: flags and id, values, and fields with their number where they differ.
        pack.number((if has_same { pairs + 3 } else { 2 * pairs + 4 }) as i64);
    }
    pack.finish()
}

fn group(out: &mut Vec<u8>, group: &Group) {
    id(out, group.last);
    length(out, group.read.unwrap_or(u64::MAX));
    length(out, group.pending().len() as u64);
    for (id, pending) in group.pending() {
        raw_id(out, *id);
        out.extend_from_slice(&pending.delivered_ms.to_le_bytes());
        length(out, pending.deliveries);
    }
    length(out, group.consumers().len() as u64);
    for (name, consumer) in group.consumers() {
        string(out, name);
        out.extend_from_slice(&consumer.seen_ms.to_le_bytes());
        length(out, consumer.pending.len() as u64);
        consumer.pending.iter().for_each(|id| raw_id(out, *id));
    }
}
