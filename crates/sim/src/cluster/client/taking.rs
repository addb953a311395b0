//! Replies to a client: each is checked as it comes.

use super::super::keys;
use super::super::scenario::Trouble;
use super::super::store::Store;
use super::super::tamper::Tamper;
use super::session::says_not_executed;
use super::{Asked, Client, Pushed, Text};
use crate::network::{End, LinkId, Network, Read};
use crate::resp::{self, Node};

impl Pushed {
    /// A number that may be in its list, or not.
    pub(super) fn unsure(tag: usize, number: u64) -> Pushed {
        Pushed { tag, number, place: None, next: None, is_absent: false }
    }

    /// One that must not be there.
    pub(super) fn absent(tag: usize, number: u64) -> Pushed {
        Pushed { is_absent: true, ..Pushed::unsure(tag, number) }
    }
}

impl Client {
    pub(super) fn read(&mut self, net: &mut Network, link: LinkId, store: &mut Store) -> Result<(), String> {
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
            if store.plan.strikes(Tamper::DropReply) {
                continue;
            }
            let Some((asked, must_succeed)) = self.line.pop_front() else {
                return Err(format!("client {} got a reply too many: {reply:?}", self.index));
            };
            self.replies += 1;
            let shown = format!("client {} got {reply:?} for {asked:?}", self.index);
            if !self.take(asked, &reply, must_succeed, store) {
                return Err(shown);
            }
        }
        Ok(())
    }

    /// Takes a reply. False if it is none that may come.
    fn take(&mut self, asked: Asked, reply: &Node, must_succeed: bool, store: &Store) -> bool {
        if let Node::Error(text) = reply {
            let may = !must_succeed && self.may_fail(&asked, text);
            self.errors += 1;
            self.give_up(asked, text);
            return may;
        }
        match (asked, reply) {
            (Asked::Multi, Node::Simple(text)) => text == b"OK",
            (Asked::Queued(_), Node::Simple(text)) => text == b"QUEUED",
            (Asked::Watch(_) | Asked::Unwatch, Node::Simple(text)) => text == b"OK",
            (Asked::Push(tag, number), Node::Int(place)) => {
                let place = usize::try_from(*place).ok();
                self.pushed.push(Pushed { place, ..Pushed::unsure(tag, number) });
                true
            }
            (Asked::Exec(tag, [first, second], _), Node::Array(places)) => {
                let [Node::Int(one), Node::Int(other)] = places[..] else { return false };
                let place = usize::try_from(one).ok();
                self.pushed.push(Pushed { place, next: Some(second), ..Pushed::unsure(tag, first) });
                self.pushed.push(Pushed { place: place.map(|n| n + 1), ..Pushed::unsure(tag, second) });
                other == one + 1
            }
            (Asked::Exec(tag, pair, true), Node::Null) => {
                self.broken_watches += 1;
                self.pushed.extend(pair.map(|number| Pushed::absent(tag, number)));
                true
            }
            (Asked::Read(tag, swap), reply) => self.take_watched(tag, swap, reply),
            (Asked::Swap(tag, number), reply) => self.take_swap(tag, number, reply),
            (Asked::Enqueue(tag, number), Node::Int(_)) => {
                self.queues.given.entry(tag).or_default().push(number);
                true
            }
            (Asked::Pop(tag), reply) => self.take_popped(tag, reply),
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
                text == b"OK" && (!was_early || self.reads.are_copies())
            }
            (Asked::Get(text), reply) => self.is_right(&text, reply, store, false),
            (Asked::GetMany(texts), Node::Array(replies)) => {
                let mut pairs = texts.iter().zip(replies);
                texts.len() == replies.len()
                    && pairs.all(|(text, reply)| self.is_right(text, reply, store, texts.len() > 1))
            }
            (Asked::Exists(count), Node::Int(found)) => usize::try_from(*found) == Ok(count),
            _ => false,
        }
    }

    /// True if this may be the value of a text now. A read of several keys that was answered `TRYAGAIN` is
    /// sent key by key, behind what followed it on its connection: it may see a write behind it.
    fn is_right(&mut self, text: &Text, reply: &Node, store: &Store, may_be_late: bool) -> bool {
        let Node::Bulk(value) = reply else { return false };
        let Some(version) = keys::version(&text.key, value) else { return false };
        let (last, acked) = self.versions.get(&text.key).copied().unwrap_or_default();
        if self.reads.are_copies() {
            return (text.sent.is_none() || version <= last) && !self.is_too_old(text, version, store);
        }
        if self.is_too_old(text, version, store) {
            return false;
        }
        let Some(sent) = text.sent else { return true };
        if self.trouble > Trouble::Moves && version > sent && version <= last {
            if !may_be_late {
                self.early.insert((text.key.clone(), version));
            }
            return true;
        }
        (acked.min(sent)..=sent).contains(&version)
    }

    /// True if a later version of a text was written long before it was asked for.
    fn is_too_old(&self, text: &Text, version: u64, store: &Store) -> bool {
        let Some(age_max) = self.reads.age_max() else { return false };
        store.superseded_at(&text.key, version).is_some_and(|at| at + age_max < text.at)
    }

    fn may_fail(&self, asked: &Asked, text: &[u8]) -> bool {
        if asked.is_of_session() {
            return self.may_fail_in_session(text);
        }
        if text.starts_with(b"ERR no replica of this key") {
            return self.reads.from == "replica" && asked.is_read();
        }
        let is_write = matches!(asked, Asked::Push(..) | Asked::Enqueue(..) | Asked::Exec(..))
            || matches!(asked, Asked::Count(_) | Asked::Set(_));
        let is_redirect =
            [&b"MOVED "[..], b"ASK "].iter().any(|word| text.windows(word.len()).any(|part| part == *word));
        match self.trouble {
            Trouble::Moves => false,
            Trouble::Losses => is_write && !is_redirect,
            Trouble::Deaths => !matches!(asked, Asked::Multi | Asked::Queued(_)) && !is_redirect,
        }
    }

    /// Notes that it is not known whether a request was executed; or that it was not, as its error says.
    pub(super) fn give_up(&mut self, asked: Asked, error: &[u8]) {
        let is_absent = error.starts_with(b"EXECABORT ");
        let pushed = |tag, number, next| Pushed { next, is_absent, ..Pushed::unsure(tag, number) };
        match asked {
            Asked::Push(tag, number) => self.pushed.push(Pushed::unsure(tag, number)),
            Asked::Exec(tag, [first, second], _) => {
                self.pushed.push(pushed(tag, first, Some(second)));
                self.pushed.push(pushed(tag, second, None));
            }
            Asked::Count(tag) => self.counts.entry(tag).or_default().1 += 1,
            Asked::Pop(tag) if !says_not_executed(error) => {
                *self.queues.unsure.entry(tag).or_default() += 1;
            }
            Asked::Watch(Some(swap)) | Asked::Read(_, swap) => self.end_swap(swap),
            _ => {}
        }
    }
}
