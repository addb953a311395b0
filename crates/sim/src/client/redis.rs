//! Requests of redis clients.

use super::{Client, node};
use crate::expect::{Got, What};
use crate::resp::{self, Node};
use crate::tamper::{Plan, Tamper};
use crate::value;

/// Refused commands on which later ones depend.
const REFUSED: &[&[&[u8]]] = &[
    &[b"MULTI", b"x"],
    &[b"WATCH"],
    &[b"SELECT", b"1"],
    &[b"SUBSCRIBE"],
    &[b"PSUBSCRIBE"],
    &[b"SSUBSCRIBE"],
    &[b"MONITOR"],
    &[b"ASKING"],
    &[b"CLIENT", b"TRACKING", b"ON"],
    &[b"SCRIPT", b"DEBUG", b"YES"],
];

impl Client {
    pub(super) fn ask_redis(&mut self, uid: u64) {
        match self.rng.below(100) {
            0..30 => self.ask_get(uid),
            30..45 => self.ask_set(uid),
            45..50 => self.ask_transaction(uid),
            50..65 => self.ask_mget(uid),
            65..72 => self.ask_mset(uid),
            72..79 => self.ask_del(uid),
            79..82 => self.ask_exists(uid),
            82 | 83 => self.ask_push(uid),
            // A half-closed client that blocks counts as gone, as it does in Redis.
            84 if self.ending != super::Ending::HalfClose => self.ask_blocking(),
            84 => self.ask_exists(uid),
            85..87 => self.ask_eval(uid),
            87 => self.ask_script_load(uid),
            88 => self.ask_script_exists(uid),
            89 => self.ask_sinter(),
            90..93 => self.push(resp::request(&[b"PING"]), node(Node::Simple(b"PONG".to_vec())), &[]),
            93..95 => self.push(b"ping\r\n".to_vec(), node(Node::Simple(b"PONG".to_vec())), &[]),
            95..98 => {
                let text = format!("echo {uid}").into_bytes();
                self.push(resp::request(&[b"ECHO", &text]), node(Node::Bulk(text.clone())), &[]);
            }
            _ => self.push(resp::request(&[b"FROB", b"x"]), (What::ErrorLike("ERR unknown"), None), &[]),
        }
    }

    /// Ends with a refused command, followed by an INCR that depends on it. No server knows INCR, so a server
    /// that receives it raises a fault. The tamperer sends a refused command on which nothing depends.
    pub(super) fn end_with_refusal(&mut self, plan: &mut Plan) {
        let mut refused: &[&[u8]] = self.rng.pick(REFUSED);
        if plan.strikes(Tamper::GoOnAfterRefusal) {
            refused = &[b"FROB", b"x"];
        }
        let incr = resp::request(&[b"INCR", &self.own_key()]);
        let error = |text| (What::ErrorLike(text), None);
        self.push(resp::request(refused), error("ERR "), &[]);
        if refused[0] == b"MULTI" {
            self.push(incr.clone(), error("ERR not executed"), &[]);
            self.push(resp::request(&[b"EXEC"]), error("EXECABORT "), &[]);
        }
        self.output.extend_from_slice(&incr);
    }

    fn present(&self, key: &[u8]) -> Node {
        self.lookup(key).map_or(Node::Null, Node::Bulk)
    }

    /// Some keys to read, and one that holds the request's number.
    fn keys_to_read(&mut self, uid: u64) -> Vec<Vec<u8>> {
        let mut keys: Vec<Vec<u8>> = (0..self.rng.between(1, 9)).map(|_| self.key()).collect();
        let at = self.rng.below(keys.len() as u64 + 1) as usize;
        keys.insert(at, format!("u:{uid}").into_bytes());
        keys
    }

    fn push_keys(&mut self, name: &[u8], keys: &[Vec<u8>], what: What, exactly: Node) {
        let mut args = vec![name];
        args.extend(keys.iter().map(Vec::as_slice));
        self.push(resp::request(&args), (what, Some(Got::Redis(exactly))), keys);
    }

    fn ask_get(&mut self, uid: u64) {
        let key = if self.rng.one_in(6) { format!("u:{uid}").into_bytes() } else { self.key() };
        let found = self.present(&key);
        self.push_keys(b"GET", std::slice::from_ref(&key), What::Value(key.clone()), found);
    }

    fn ask_set(&mut self, uid: u64) {
        let key = self.own_key();
        let value = self.write_key(&key, uid);
        self.push(resp::request(&[b"SET", &key, &value]), node(Node::Simple(b"OK".to_vec())), &[key]);
    }

    fn ask_mget(&mut self, uid: u64) {
        let keys = self.keys_to_read(uid);
        let found = Node::Array(keys.iter().map(|key| self.present(key)).collect());
        self.push_keys(b"MGET", &keys, What::Values(keys.clone()), found);
    }

    fn ask_mset(&mut self, uid: u64) {
        let mut keys: Vec<Vec<u8>> = (0..self.rng.between(1, 5)).map(|_| self.own_key()).collect();
        keys.sort();
        keys.dedup();
        // One number per pair, since the fragments go to different servers.
        let values: Vec<Vec<u8>> =
            keys.iter().enumerate().map(|(n, key)| self.write_key(key, (n as u64 + 1) << 40 | uid)).collect();
        let mut args: Vec<&[u8]> = vec![b"MSET"];
        args.extend(keys.iter().zip(&values).flat_map(|(k, v)| [&k[..], &v[..]]));
        self.push(resp::request(&args), node(Node::Simple(b"OK".to_vec())), &keys);
    }

    /// Sends a transaction: a read and two writes of its own keys, which live on one server. Some are
    /// discarded.
    fn ask_transaction(&mut self, uid: u64) {
        let simple = |text: &[u8]| Node::Simple(text.to_vec());
        let (read, write, last) =
            (self.key_of_transaction(), self.key_of_transaction(), self.key_of_transaction());
        let executes = !self.rng.one_in(5);
        let mut replies = vec![self.present(&read)];
        let mut requests = vec![resp::request(&[b"GET", &read])];
        for (n, key) in [&write, &last].into_iter().enumerate() {
            // One number per write, of which the lower part is the transaction's.
            let value = match executes {
                true => self.write_key(key, (n as u64 + 1) << 40 | uid),
                false => value::value(key, (n as u64 + 1) << 40 | uid, 0),
            };
            requests.push(resp::request(&[b"SET", key, &value]));
            replies.push(simple(b"OK"));
        }
        self.push(resp::request(&[b"MULTI"]), node(simple(b"OK")), &[]);
        let keys = [read.clone(), write, last];
        for (request, key) in requests.into_iter().zip(&keys) {
            let exactly = Some(Got::Redis(simple(b"QUEUED")));
            self.push(request, (What::Queued, exactly), std::slice::from_ref(key));
        }
        if executes {
            let ok = What::Node(simple(b"OK"));
            let what = What::Exec(vec![What::Value(read), ok.clone(), ok]);
            let exactly = Some(Got::Redis(Node::Array(replies)));
            self.push(resp::request(&[b"EXEC"]), (what, exactly), &keys);
        } else {
            self.push(resp::request(&[b"DISCARD"]), node(simple(b"OK")), &[]);
        }
    }

    /// One of its own keys; all of them live on one server.
    fn key_of_transaction(&mut self) -> Vec<u8> {
        let n = if self.hash_tag { self.rng.below(6) } else { 0 };
        format!("c{}:{n}{{t0}}", self.index).into_bytes()
    }

    /// A list that several clients share.
    fn list(&mut self) -> Vec<u8> {
        format!("list:{}", self.rng.below(3)).into_bytes()
    }

    /// Pushes an element to a list, for whoever takes it.
    fn ask_push(&mut self, uid: u64) {
        let key = self.list();
        let value = value::value(&key, uid, 0);
        let request = resp::request(&[b"RPUSH", &key, &value]);
        self.push(request, (What::Count(i64::MAX), None), &[key]);
    }

    /// Takes an element of a list, or waits for one, for a short time.
    fn ask_blocking(&mut self) {
        let key = self.list();
        let time = self.rng.pick(&[&b"0.002"[..], b"0.01", b"0.03"]);
        let request = resp::request(&[b"BLPOP", &key, time]);
        self.push(request, (What::Popped(key.clone()), None), &[key]);
    }

    fn ask_del(&mut self, uid: u64) {
        let mut keys: Vec<Vec<u8>> = (0..self.rng.between(0, 5)).map(|_| self.own_key()).collect();
        keys.push(format!("u:{uid}").into_bytes());
        let deleted = keys.iter().filter(|key| self.delete_key(key)).count() as i64;
        self.push_keys(b"DEL", &keys, What::Count(keys.len() as i64), Node::Int(deleted));
    }

    fn ask_exists(&mut self, uid: u64) {
        let keys = self.keys_to_read(uid);
        let there = keys.iter().filter(|key| self.lookup(key).is_some()).count() as i64;
        self.push_keys(b"EXISTS", &keys, What::Count(keys.len() as i64), Node::Int(there));
    }

    fn ask_eval(&mut self, uid: u64) {
        let (key, name) = (self.key(), format!("u:{uid}").into_bytes());
        let found = Node::Array(vec![
            Node::Bulk(key.clone()),
            Node::Int(1),
            Node::Array(vec![self.present(&key)]),
            Node::Simple(b"done".to_vec()),
        ]);
        let request = resp::request(&[b"EVAL", b"return 1", b"1", &key, &name]);
        self.push(request, (What::Nested(key.clone()), Some(Got::Redis(found))), &[key]);
    }

    /// Sends SCRIPT LOAD, to which every server has to reply the same.
    fn ask_script_load(&mut self, uid: u64) {
        let script = format!("u:{uid}").into_bytes();
        let name = value::sha_of_script(&script);
        self.scripts.push(name.clone());
        let request = resp::request(&[b"SCRIPT", b"LOAD", &script]);
        self.push(request, node(Node::Bulk(name)), &[script]);
    }

    /// Sends SCRIPT EXISTS for scripts it has loaded, and for one unknown to every server.
    fn ask_script_exists(&mut self, uid: u64) {
        let mut names: Vec<Vec<u8>> = self.scripts.iter().rev().take(3).cloned().collect();
        let exactly = vec![Node::Int(1); names.len()].into_iter().chain([Node::Int(0)]).collect();
        names.push(format!("u:{uid}").into_bytes());
        let mut args: Vec<&[u8]> = vec![b"SCRIPT", b"EXISTS"];
        args.extend(names.iter().map(Vec::as_slice));
        let what = What::Flags(names.len());
        self.push(resp::request(&args), (what, Some(Got::Redis(Node::Array(exactly)))), &names[..1]);
    }

    /// Sends SINTER, which is refused unless its keys live on one server.
    fn ask_sinter(&mut self) {
        let keys = [self.key(), self.key()];
        self.push(resp::request(&[b"SINTER", &keys[0], &keys[1]]), (What::AnyArray, None), &keys);
    }
}
