//! Requests of memcached clients, including quiet ones.

use super::Client;
use crate::expect::{Expected, Got, What};
use crate::memcache::Reply;
use crate::tamper::{Plan, Tamper};

impl Client {
    pub(super) fn ask_memcache(&mut self, uid: u64) {
        match self.rng.below(100) {
            0..20 => self.ask_get_one(uid),
            20..38 => self.ask_get_many(uid),
            38..52 => self.ask_store(uid),
            52..62 => self.ask_store_silently(uid),
            62..70 => self.ask_delete(uid),
            70..82 => self.ask_meta_get(uid),
            82..90 => self.ask_meta_set(uid),
            90..94 => self.expect(b"mn\r\n".to_vec(), What::Lines(&["MN"]), Some(Reply::line("MN")), &[]),
            94..98 => {
                self.expect(b"frob x\r\n".to_vec(), What::Lines(&["ERROR"]), Some(Reply::line("ERROR")), &[]);
            }
            _ => self.ask_version(),
        }
    }

    /// Ends with `watch`, which is refused along with everything after it. No server knows `incr`, so a
    /// server that receives it raises a fault.
    pub(super) fn end_with_memcached_refusal(&mut self, plan: &mut Plan) {
        const REFUSAL: &str = "CLIENT_ERROR watch is not available through a proxy";
        const UNKNOWN: &str = "ERROR";
        if plan.strikes(Tamper::GoOnAfterRefusal) {
            self.expect(b"frob x\r\n".to_vec(), What::Lines(&[UNKNOWN]), Some(Reply::line(UNKNOWN)), &[]);
        } else {
            let watch = b"watch fetchers\r\n".to_vec();
            self.expect(watch, What::Lines(&[REFUSAL]), Some(Reply::line(REFUSAL)), &[]);
        }
        let key = self.own_key();
        self.output.extend_from_slice(&[b"incr ", &key[..], b" 1\r\n"].concat());
    }

    fn expect(&mut self, request: Vec<u8>, what: What, exactly: Option<Reply>, keys: &[Vec<u8>]) {
        self.push(request, (what, exactly.map(Got::Memcache)), keys);
    }

    fn ask_version(&mut self) {
        // Some server answers; its key is not known here.
        let keys = [b"version".to_vec()];
        self.expect(
            b"version\r\n".to_vec(),
            What::Lines(&["VERSION 1.6.18", "SERVER_ERROR starting"]),
            None,
            &keys,
        );
    }

    fn found(&self, keys: &[Vec<u8>]) -> Reply {
        Reply::Blocks(keys.iter().filter_map(|key| Some((key.clone(), self.lookup(key)?))).collect())
    }

    fn ask_get_one(&mut self, uid: u64) {
        let key = if self.rng.one_in(6) { format!("u:{uid}").into_bytes() } else { self.key() };
        self.ask_get_of(&[key]);
    }

    fn ask_get_many(&mut self, uid: u64) {
        let mut keys: Vec<Vec<u8>> = (0..self.rng.between(1, 9)).map(|_| self.key()).collect();
        keys.push(format!("u:{uid}").into_bytes());
        self.ask_get_of(&keys);
    }

    fn ask_get_of(&mut self, keys: &[Vec<u8>]) {
        let request = [b"get ", &keys.join(&b' ')[..], b"\r\n"].concat();
        let found = self.found(keys);
        self.expect(request, What::Blocks(keys.to_vec()), Some(found), keys);
    }

    fn ask_store(&mut self, uid: u64) {
        let key = self.own_key();
        let add = self.rng.one_in(4);
        let there = self.lookup(&key);
        let value = self.write_key(&key, uid);
        let request = store(if add { "add" } else { "set" }, &key, &value, "");
        let stored = match there {
            Some(old) if add => {
                self.model.insert(key.clone(), old);
                "NOT_STORED"
            }
            _ => "STORED",
        };
        self.expect(request, What::Lines(&["STORED", "NOT_STORED"]), Some(Reply::line(stored)), &[key]);
    }

    fn ask_store_silently(&mut self, uid: u64) {
        let key = self.own_key();
        let value = self.write_key(&key, uid);
        let request = store("set", &key, &value, " noreply");
        self.output.extend_from_slice(&request);
    }

    fn ask_delete(&mut self, uid: u64) {
        let key = if self.rng.one_in(2) { format!("u:{uid}").into_bytes() } else { self.own_key() };
        let line = if self.delete_key(&key) { "DELETED" } else { "NOT_FOUND" };
        let request = [b"delete ", &key[..], b"\r\n"].concat();
        self.expect(request, What::Lines(&["DELETED", "NOT_FOUND"]), Some(Reply::line(line)), &[key]);
    }

    fn ask_meta_get(&mut self, uid: u64) {
        let (key, quiet) = (self.key(), self.rng.one_in(2));
        let name = String::from_utf8_lossy(&key).into_owned();
        let request = format!("mg {name} v k O{uid}{}\r\n", if quiet { " q" } else { "" });
        let reply = match self.lookup(&key) {
            Some(value) => Reply::Va { value, flags: format!("k{name} O{uid}").into_bytes() },
            None => Reply::line("EN"),
        };
        self.output.extend_from_slice(request.as_bytes());
        let quiet = match (self.calm, &reply) {
            (true, Reply::Line(_)) if quiet => return,
            (true, _) => false,
            _ => quiet,
        };
        let what = What::Meta(key.clone(), uid);
        self.line.push(Expected {
            what,
            exactly: Some(Got::Memcache(reply)),
            optional: quiet,
            keys: vec![key],
        });
    }

    fn ask_meta_set(&mut self, uid: u64) {
        let (key, quiet) = (self.own_key(), self.rng.one_in(2));
        let value = self.write_key(&key, uid);
        let name = String::from_utf8_lossy(&key).into_owned();
        let head = format!("ms {name} {} O{uid}{}\r\n", value.len(), if quiet { " q" } else { "" });
        self.output.extend_from_slice(&[head.as_bytes(), &value, b"\r\n"].concat());
        if self.calm && quiet {
            return;
        }
        let exactly = Some(Got::Memcache(Reply::Line(format!("HD O{uid}").into_bytes())));
        let what = What::MetaStored(uid);
        self.line.push(Expected { what, exactly, optional: quiet, keys: vec![key] });
    }
}

/// A command with a data block.
fn store(verb: &str, key: &[u8], value: &[u8], end: &str) -> Vec<u8> {
    let head = format!("{verb} {} 0 0 {}{end}\r\n", String::from_utf8_lossy(key), value.len());
    [head.as_bytes(), value, b"\r\n"].concat()
}
