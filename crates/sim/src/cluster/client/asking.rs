//! Requests of a client.

use net::Instant;

use super::super::keys;
use super::{Asked, Client, Text};
use crate::network::{End, LinkId, Network};
use crate::resp;

impl Client {
    pub(super) fn ask_some(&mut self) {
        let burst = self.rng.between(1, self.depth as u64);
        for _ in 0..burst {
            if self.left == 0 || self.line.len() >= self.depth || self.swapping.is_some() {
                return;
            }
            self.left -= 1;
            let tag = self.rng.below(keys::SLOTS as u64) as usize;
            match self.rng.below(if self.sessions { 13 } else { 10 }) {
                0..3 => self.push(tag),
                3 => self.push_pair(tag, false),
                4 => self.count(tag),
                5 => self.set(&[tag]),
                6 => self.get(tag),
                7 => {
                    let tags = self.some_tags();
                    self.set(&tags);
                }
                8 => self.get_many(),
                9 => self.exists(),
                _ => self.ask_of_session(tag),
            }
        }
    }

    /// Sends the requests of the last round, which must all succeed.
    pub(in crate::cluster) fn begin_last_round(&mut self, now: Instant) {
        (self.now, self.is_last_round) = (now, true);
        if self.swapping.take().is_some() {
            self.send(&[b"UNWATCH"], Asked::Unwatch);
        }
        for tag in 0..keys::SLOTS {
            self.push(tag);
            self.push_pair(tag, false);
            self.count(tag);
            self.set(&[tag]);
            self.get(tag);
            if self.sessions {
                self.push_watched(tag);
                self.enqueue(tag);
                self.pop(tag);
            }
        }
        let all: Vec<usize> = (0..keys::SLOTS).collect();
        self.set(&all);
        self.get_many();
        self.exists();
    }

    pub(super) fn send(&mut self, words: &[&[u8]], asked: Asked) {
        self.output.extend_from_slice(&resp::request(words));
        self.line.push_back((asked, self.is_last_round));
    }

    pub(super) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn push(&mut self, tag: usize) {
        let number = self.number();
        let text = number.to_string();
        self.send(&[b"RPUSH", &keys::list(tag), text.as_bytes()], Asked::Push(tag, number));
    }

    /// Pushes two numbers in a transaction.
    pub(super) fn push_pair(&mut self, tag: usize, is_watched: bool) {
        let (pair, list) = ([self.number(), self.number()], keys::list(tag));
        self.send(&[b"MULTI"], Asked::Multi);
        for number in pair {
            self.send(&[b"RPUSH", &list, number.to_string().as_bytes()], Asked::Queued(is_watched));
        }
        self.send(&[b"EXEC"], Asked::Exec(tag, pair, is_watched));
    }

    fn count(&mut self, tag: usize) {
        self.send(&[b"INCR", &keys::counter(tag)], Asked::Count(tag));
    }

    fn some_tags(&mut self) -> Vec<usize> {
        (0..keys::SLOTS).filter(|_| self.rng.one_in(2)).collect()
    }

    fn set(&mut self, tags: &[usize]) {
        let mut texts: Vec<(Vec<u8>, u64)> = Vec::new();
        for tag in tags {
            let key = keys::text(*tag, self.index);
            let versions = self.versions.entry(key.clone()).or_default();
            versions.0 += 1;
            texts.push((key, versions.0));
        }
        let values: Vec<Vec<u8>> = texts.iter().map(|(key, version)| keys::value(key, *version)).collect();
        let name: &[u8] = match texts.len() {
            0 => return,
            1 => b"SET",
            _ => b"MSET",
        };
        let mut words: Vec<&[u8]> = vec![name];
        texts.iter().zip(&values).for_each(|((key, _), value)| words.extend([&key[..], &value[..]]));
        let words: Vec<Vec<u8>> = words.into_iter().map(<[u8]>::to_vec).collect();
        self.send(&words.iter().map(Vec::as_slice).collect::<Vec<_>>(), Asked::Set(texts));
    }

    fn text(&mut self, tag: usize) -> Text {
        let owner =
            if self.rng.one_in(2) { self.index } else { self.rng.below(self.clients as u64) as usize };
        let key = keys::text(tag, owner);
        let sent = (owner == self.index).then(|| self.versions.get(&key).map_or(0, |versions| versions.0));
        Text { key, at: self.now, sent }
    }

    fn get(&mut self, tag: usize) {
        let text = self.text(tag);
        self.send(&[b"GET", &text.key.clone()], Asked::Get(text));
    }

    fn some_texts(&mut self) -> Vec<Text> {
        let count = self.rng.between(1, 8);
        (0..count)
            .map(|_| {
                let tag = self.rng.below(keys::SLOTS as u64) as usize;
                self.text(tag)
            })
            .collect()
    }

    fn get_many(&mut self) {
        let texts = self.some_texts();
        let words: Vec<Vec<u8>> = texts.iter().map(|text| text.key.clone()).collect();
        let words: Vec<&[u8]> =
            std::iter::once(&b"MGET"[..]).chain(words.iter().map(Vec::as_slice)).collect();
        self.send(&words, Asked::GetMany(texts));
    }

    fn exists(&mut self) {
        let words: Vec<Vec<u8>> = self.some_texts().into_iter().map(|text| text.key).collect();
        let count = words.len();
        let words: Vec<&[u8]> =
            std::iter::once(&b"EXISTS"[..]).chain(words.iter().map(Vec::as_slice)).collect();
        self.send(&words, Asked::Exists(count));
    }

    pub(super) fn write(&mut self, net: &mut Network, link: LinkId) {
        if !self.output.is_empty()
            && let Ok(taken) = net.write(link, End::Peer, &self.output)
        {
            let _ = self.output.split_to(taken);
        }
    }
}
