//! A client: it pipelines requests, and checks every reply as it comes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::BytesMut;
use net::Instant;

use super::keys;
use super::scenario::{Scenario, Trouble};
use super::tamper::{Plan, Tamper};
use crate::network::{End, LinkId, Network, Read};
use crate::resp::{self, Node};
use crate::rng::Rng;

/// A request whose reply is to come.
#[derive(Debug, Clone)]
enum Asked {
    Multi,
    Queued,
    Push(usize, u64),
    Exec(usize, [u64; 2]),
    Count(usize),
    /// Texts and their versions.
    Set(Vec<(Vec<u8>, u64)>),
    Get(Text),
    GetMany(Vec<Text>),
    Exists(usize),
}

/// A text that is read: its key, and the last version written before, if it is the client's own.
#[derive(Debug, Clone)]
struct Text {
    key: Vec<u8>,
    sent: Option<u64>,
}

/// An element that a list was told to hold: a slot, a number, and its place if it was acknowledged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pushed {
    pub(super) tag: usize,
    pub(super) number: u64,
    pub(super) place: Option<usize>,
    /// The number that comes right after it in the same transaction.
    pub(super) next: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) index: usize,
    pub(super) link: Option<LinkId>,
    pub(super) is_done: bool,
    /// Time of its next wake-up.
    pub(super) wake_at: Option<Instant>,
    pub(super) pushed: Vec<Pushed>,
    /// Acknowledged values of counters, in order, and the number of increments that may have happened.
    pub(super) counts: BTreeMap<usize, (Vec<u64>, usize)>,
    pub(super) replies: u64,
    pub(super) errors: u64,
    rng: Rng,
    trouble: Trouble,
    clients: usize,
    left: u64,
    depth: usize,
    think_max: u64,
    vanishes: bool,
    next_at: Instant,
    output: BytesMut,
    input: BytesMut,
    /// Requests without a reply, and whether they must succeed.
    line: VecDeque<(Asked, bool)>,
    next_number: u64,
    /// Versions of own texts: the last one sent, the last one acknowledged.
    versions: BTreeMap<Vec<u8>, (u64, u64)>,
    /// Versions that a read has seen that was sent before them: it was sent again after the connection was
    /// lost on which they followed it. They must not be acknowledged.
    early: BTreeSet<(Vec<u8>, u64)>,
    is_last_round: bool,
}

impl Client {
    pub(super) fn new(index: usize, scenario: &Scenario, mut rng: Rng) -> Client {
        Client {
            index,
            link: None,
            is_done: false,
            wake_at: None,
            pushed: Vec::new(),
            counts: BTreeMap::new(),
            replies: 0,
            errors: 0,
            trouble: scenario.trouble,
            clients: scenario.clients,
            left: scenario.requests,
            depth: scenario.depth,
            think_max: scenario.think_max,
            vanishes: rng.one_in(8),
            rng,
            next_at: Instant(0),
            output: BytesMut::new(),
            input: BytesMut::new(),
            line: VecDeque::new(),
            next_number: index as u64 * keys::NUMBERS,
            versions: BTreeMap::new(),
            early: BTreeSet::new(),
            is_last_round: false,
        }
    }

    /// Its state, for an error's text.
    pub(super) fn stuck(&self) -> String {
        let first = self.line.front();
        format!("client {} waits for {} replies, first {first:?}", self.index, self.line.len())
    }

    /// Reads, checks, sends and writes. Returns the time of its next wake-up, or the broken rule.
    pub(super) fn wake(&mut self, net: &mut Network, plan: &mut Plan) -> Result<Option<Instant>, String> {
        let Some(link) = self.link.filter(|_| !self.is_done) else { return Ok(None) };
        if self.vanishes && !self.is_last_round && self.rng.one_in(200) {
            self.leave(net);
            return Ok(None);
        }
        self.read(net, link, plan)?;
        if self.is_done {
            return Ok(None);
        }
        if !self.is_last_round && self.left > 0 && net.now >= self.next_at {
            self.ask_some();
            self.next_at = net.now + Duration::from_micros(self.rng.between(1, self.think_max));
        }
        self.write(net, link);
        if self.is_last_round && self.line.is_empty() && self.output.is_empty() {
            self.leave(net);
        }
        let more = !self.is_last_round && self.left > 0 && self.line.len() < self.depth;
        Ok(more.then_some(self.next_at))
    }

    fn leave(&mut self, net: &mut Network) {
        self.is_done = true;
        for (asked, _) in std::mem::take(&mut self.line) {
            self.give_up(asked);
        }
        if let Some(link) = self.link {
            net.close(link, End::Peer);
        }
    }

    // ---- asking -------------------------------------------------------------------------------------------

    fn ask_some(&mut self) {
        let burst = self.rng.between(1, self.depth as u64);
        for _ in 0..burst {
            if self.left == 0 || self.line.len() >= self.depth {
                return;
            }
            self.left -= 1;
            let tag = self.rng.below(keys::SLOTS as u64) as usize;
            match self.rng.below(10) {
                0..3 => self.push(tag),
                3 => self.push_pair(tag),
                4 => self.count(tag),
                5 => self.set(&[tag]),
                6 => self.get(tag),
                7 => {
                    let tags = self.some_tags();
                    self.set(&tags);
                }
                8 => self.get_many(),
                _ => self.exists(),
            }
        }
    }

    /// Sends the requests of the last round, which must all succeed.
    pub(super) fn begin_last_round(&mut self) {
        self.is_last_round = true;
        for tag in 0..keys::SLOTS {
            self.push(tag);
            self.push_pair(tag);
            self.count(tag);
            self.set(&[tag]);
            self.get(tag);
        }
        let all: Vec<usize> = (0..keys::SLOTS).collect();
        self.set(&all);
        self.get_many();
        self.exists();
    }

    fn send(&mut self, words: &[&[u8]], asked: Asked) {
        self.output.extend_from_slice(&resp::request(words));
        self.line.push_back((asked, self.is_last_round));
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn push(&mut self, tag: usize) {
        let number = self.number();
        let text = number.to_string();
        self.send(&[b"RPUSH", &keys::list(tag), text.as_bytes()], Asked::Push(tag, number));
    }

    fn push_pair(&mut self, tag: usize) {
        let (pair, list) = ([self.number(), self.number()], keys::list(tag));
        self.send(&[b"MULTI"], Asked::Multi);
        for number in pair {
            self.send(&[b"RPUSH", &list, number.to_string().as_bytes()], Asked::Queued);
        }
        self.send(&[b"EXEC"], Asked::Exec(tag, pair));
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
        Text { key, sent }
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

    fn write(&mut self, net: &mut Network, link: LinkId) {
        if !self.output.is_empty()
            && let Ok(taken) = net.write(link, End::Peer, &self.output)
        {
            let _ = self.output.split_to(taken);
        }
    }

    // ---- reading ------------------------------------------------------------------------------------------

    fn read(&mut self, net: &mut Network, link: LinkId, plan: &mut Plan) -> Result<(), String> {
        loop {
            match net.read(link, End::Peer, usize::MAX) {
                Read::Bytes(bytes) => self.input.extend_from_slice(&bytes),
                Read::Dry => break,
                Read::End | Read::Reset => {
                    return Err(format!("the proxy has closed client {}; {}", self.index, self.stuck()));
                }
            }
        }
        while let Some((reply, used)) = resp::parse(&self.input)? {
            let _ = self.input.split_to(used);
            if plan.strikes(Tamper::DropReply) {
                continue;
            }
            let Some((asked, must_succeed)) = self.line.pop_front() else {
                return Err(format!("client {} got a reply too many: {reply:?}", self.index));
            };
            self.replies += 1;
            let shown = format!("client {} got {reply:?} for {asked:?}", self.index);
            if !self.take(asked, &reply, must_succeed) {
                return Err(shown);
            }
        }
        Ok(())
    }

    /// Takes a reply. False if it is none that may come.
    fn take(&mut self, asked: Asked, reply: &Node, must_succeed: bool) -> bool {
        if let Node::Error(text) = reply {
            let may = !must_succeed && self.may_fail(&asked, text);
            self.errors += 1;
            self.give_up(asked);
            return may;
        }
        match (asked, reply) {
            (Asked::Multi, Node::Simple(text)) => text == b"OK",
            (Asked::Queued, Node::Simple(text)) => text == b"QUEUED",
            (Asked::Push(tag, number), Node::Int(place)) => {
                self.pushed.push(Pushed { tag, number, place: usize::try_from(*place).ok(), next: None });
                true
            }
            (Asked::Exec(tag, [first, second]), Node::Array(places)) => {
                let [Node::Int(one), Node::Int(other)] = places[..] else { return false };
                let place = usize::try_from(one).ok();
                self.pushed.push(Pushed { tag, number: first, place, next: Some(second) });
                self.pushed.push(Pushed { tag, number: second, place: place.map(|n| n + 1), next: None });
                other == one + 1
            }
            (Asked::Count(tag), Node::Int(value)) => {
                let counts = self.counts.entry(tag).or_default();
                let value = u64::try_from(*value).unwrap_or(0);
                let is_more = counts.0.last().is_none_or(|last| value > *last);
                counts.0.push(value);
                is_more
            }
            (Asked::Set(texts), Node::Simple(text)) => {
                let was_early = texts.iter().any(|text| self.early.contains(text));
                for (key, version) in texts {
                    let versions = self.versions.entry(key).or_default();
                    versions.1 = versions.1.max(version);
                }
                text == b"OK" && !was_early
            }
            (Asked::Get(text), reply) => self.is_right(&text, reply),
            (Asked::GetMany(texts), Node::Array(replies)) => {
                texts.len() == replies.len()
                    && texts.iter().zip(replies).all(|(text, reply)| self.is_right(text, reply))
            }
            (Asked::Exists(count), Node::Int(found)) => usize::try_from(*found) == Ok(count),
            _ => false,
        }
    }

    /// True if this may be the value of a text now.
    fn is_right(&mut self, text: &Text, reply: &Node) -> bool {
        let Node::Bulk(value) = reply else { return false };
        let Some(version) = keys::version(&text.key, value) else { return false };
        let (last, acked) = self.versions.get(&text.key).copied().unwrap_or_default();
        let Some(sent) = text.sent else { return true };
        if self.trouble > Trouble::Moves && version > sent && version <= last {
            self.early.insert((text.key.clone(), version));
            return true;
        }
        (acked.min(sent)..=sent).contains(&version)
    }

    fn may_fail(&self, asked: &Asked, text: &[u8]) -> bool {
        let is_write = matches!(asked, Asked::Push(..) | Asked::Exec(..) | Asked::Count(_) | Asked::Set(_));
        let is_redirect =
            [&b"MOVED "[..], b"ASK "].iter().any(|word| text.windows(word.len()).any(|part| part == *word));
        match self.trouble {
            Trouble::Moves => false,
            Trouble::Losses => is_write && !is_redirect,
            Trouble::Deaths => !matches!(asked, Asked::Multi | Asked::Queued) && !is_redirect,
        }
    }

    /// Notes that it is not known whether a request was executed.
    fn give_up(&mut self, asked: Asked) {
        let pushed = |tag, number, next| Pushed { tag, number, place: None, next };
        match asked {
            Asked::Push(tag, number) => self.pushed.push(pushed(tag, number, None)),
            Asked::Exec(tag, [first, second]) => {
                self.pushed.push(pushed(tag, first, Some(second)));
                self.pushed.push(pushed(tag, second, None));
            }
            Asked::Count(tag) => self.counts.entry(tag).or_default().1 += 1,
            _ => {}
        }
    }
}
