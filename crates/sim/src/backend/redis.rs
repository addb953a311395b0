//! Replies of a redis server.

use std::collections::VecDeque;
use std::time::Duration;

use net::Instant;

use super::{Backend, Mood, Watch};
use crate::resp::{self, Node};
use crate::tamper::Tamper;
use crate::value;

/// Executes the request at the front of `input`, if complete; returns its length.
pub(super) fn work(
    input: &[u8],
    backend: &mut Backend,
    session: &mut Session,
    watch: &mut Watch<'_>,
    (now, reply): (Instant, &mut Vec<u8>),
) -> Result<Option<usize>, String> {
    let Some((node, used)) = resp::parse(input)? else { return Ok(None) };
    let wrong = || format!("'{}' is no request", resp::show(input));
    let Node::Array(items) = node else { return Err(wrong()) };
    let args: Option<Vec<&[u8]>> =
        items.iter().map(|i| if let Node::Bulk(bytes) = i { Some(&bytes[..]) } else { None }).collect();
    let args = args.filter(|a| !a.is_empty()).ok_or_else(wrong)?;
    if session.resp3 && backend.rng.one_in(12) {
        let news = Node::Push(vec![
            Node::Bulk(b"invalidate".to_vec()),
            Node::Array(vec![Node::Bulk(b"x".to_vec())]),
        ]);
        resp::write(&news, true, reply);
    }
    let answer = match session.transact(&args, backend, watch)? {
        Some(answer) => answer,
        None => match session.handshake(&args, backend) {
            Some(answer) => answer,
            None => {
                session.check(&args, backend)?;
                if session.blocks(&args, backend, watch, now)? {
                    return Ok(Some(used));
                }
                execute(&args, backend, watch)?
            }
        },
    };
    resp::write(&answer, session.resp3, reply);
    Ok(Some(used))
}

/// Answers a blocked connection if there is an element for it, or its time is over. False while it is
/// blocked.
pub(super) fn unblock(
    backend: &mut Backend,
    session: &mut Session,
    watch: &mut Watch<'_>,
    now: Instant,
    reply: &mut Vec<u8>,
) -> bool {
    let Some((key, until)) = session.blocked.clone() else { return true };
    match pop(&key, backend, watch) {
        Some(popped) => resp::write(&popped, session.resp3, reply),
        None if until <= now && session.resp3 => reply.extend_from_slice(b"_\r\n"),
        None if until <= now => reply.extend_from_slice(b"*-1\r\n"),
        None => return false,
    }
    session.blocked = None;
    true
}

/// Takes the first element of a list.
fn pop(key: &[u8], backend: &mut Backend, watch: &mut Watch<'_>) -> Option<Node> {
    let value = backend.lists.get_mut(key)?.pop_front()?;
    if let Ok(uid) = value::written_by(key, &value) {
        watch.oracle.popped(uid);
    }
    Some(Node::Array(vec![Node::Bulk(key.to_vec()), Node::Bulk(value)]))
}

fn ok() -> Node {
    Node::Simple(b"OK".to_vec())
}

fn error(text: &str) -> Node {
    Node::Error(text.as_bytes().to_vec())
}

/// Handshake state of a connection.
#[derive(Debug, Default)]
pub(super) struct Session {
    password: bool,
    resp3: bool,
    db: u32,
    /// True once the server has refused a command: nothing may follow.
    refused: bool,
    /// The transaction that it is in.
    transaction: Option<Transaction>,
    /// The list that it waits for an element of, and until when.
    pub(super) blocked: Option<(Vec<u8>, Instant)>,
}

/// Requests between MULTI and EXEC.
#[derive(Debug, Default)]
struct Transaction {
    requests: Vec<Vec<Vec<u8>>>,
    /// One was not queued.
    spoiled: bool,
}

impl Session {
    /// Answers the handshake and the probe's command.
    fn handshake(&mut self, args: &[&[u8]], backend: &mut Backend) -> Option<Node> {
        let unfriendly = backend.mood == Mood::Unfriendly;
        Some(match args {
            [b"AUTH", password] => {
                self.password =
                    Some(*password) == backend.password.as_ref().map(String::as_bytes) && !unfriendly;
                self.refused |= !self.password;
                if self.password { ok() } else { error("WRONGPASS invalid username-password pair") }
            }
            [b"HELLO", b"3"] => {
                self.resp3 = !unfriendly;
                self.refused |= unfriendly;
                if unfriendly { error("ERR unknown command 'HELLO'") } else { Node::Map(vec![ok(), ok()]) }
            }
            [b"SELECT", db] => {
                self.refused |= unfriendly;
                self.db = std::str::from_utf8(db).ok().and_then(|db| db.parse().ok()).unwrap_or_default();
                if unfriendly { error("ERR DB index is out of range") } else { ok() }
            }
            [b"PING"] if backend.mood == Mood::Loading => {
                error("LOADING Redis is loading the dataset in memory")
            }
            [b"PING"] => Node::Simple(b"PONG".to_vec()),
            _ => return None,
        })
    }

    /// Answers MULTI, EXEC, and what is queued between them. Nobody else's requests may be among those: all
    /// have keys and numbers of one client's transaction.
    fn transact(
        &mut self,
        args: &[&[u8]],
        backend: &mut Backend,
        watch: &mut Watch<'_>,
    ) -> Result<Option<Node>, String> {
        if self.transaction.is_none() {
            return match args {
                [b"MULTI"] => {
                    self.check(args, backend)?;
                    self.transaction = Some(Transaction::default());
                    Ok(Some(ok()))
                }
                [b"EXEC"] => Err("EXEC came without MULTI".into()),
                _ => Ok(None),
            };
        }
        if !matches!(args, [b"EXEC"]) {
            let key = keys(args)?[0];
            let refuses = backend.mood == Mood::Loading || backend.is_busy();
            let Some(transaction) = &mut self.transaction else { return Ok(None) };
            if refuses {
                transaction.spoiled = true;
                return Ok(Some(Node::Error([b"BUSY the server is, key:", key].concat())));
            }
            transaction.requests.push(args.iter().map(|arg| arg.to_vec()).collect());
            return Ok(Some(Node::Simple(b"QUEUED".to_vec())));
        }
        let Some(Transaction { requests, spoiled }) = self.transaction.take() else { return Ok(None) };
        if spoiled {
            return Ok(Some(error("EXECABORT Transaction discarded because of previous errors.")));
        }
        of_one_client(&requests)?;
        let mood = std::mem::replace(&mut backend.mood, Mood::Good);
        let replies = requests.iter().map(|request| {
            let args: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
            execute(&args, backend, watch)
        });
        let replies: Result<Vec<Node>, String> = replies.collect();
        backend.mood = mood;
        Ok(Some(Node::Array(replies?)))
    }

    /// True for a BLPOP of an empty list, which waits.
    fn blocks(
        &mut self,
        args: &[&[u8]],
        backend: &mut Backend,
        watch: &mut Watch<'_>,
        now: Instant,
    ) -> Result<bool, String> {
        let [b"BLPOP", key, time] = args else { return Ok(false) };
        let is_empty = backend.lists.get(*key).is_none_or(VecDeque::is_empty);
        if !is_empty || backend.mood == Mood::Loading {
            return Ok(false);
        }
        watch.oracle.served(backend.pool, watch.index, &[key], &[], false);
        let seconds: f64 = std::str::from_utf8(time)
            .ok()
            .and_then(|time| time.parse().ok())
            .ok_or("BLPOP without a time")?;
        self.blocked = Some((key.to_vec(), now + Duration::from_secs_f64(seconds)));
        Ok(true)
    }

    /// Checks that no request precedes the handshake or follows a refused one.
    fn check(&self, args: &[&[u8]], backend: &Backend) -> Result<(), String> {
        let (wants_password, command) = (backend.password.is_some(), args[0].escape_ascii());
        if self.refused {
            return Err(format!("'{command}' came though the handshake was refused"));
        }
        if (wants_password && !self.password) || self.db != backend.db {
            return Err(format!("'{command}' came ahead of the password or the database"));
        }
        Ok(())
    }
}

/// Checks that the requests of a transaction have the keys of one client and the number of one transaction.
fn of_one_client(requests: &[Vec<Vec<u8>>]) -> Result<(), String> {
    let mut owner: Option<(Vec<u8>, Option<u64>)> = None;
    for request in requests {
        let args: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
        let key = keys(&args)?[0];
        let client = key.split(|byte| *byte == b':').next().unwrap_or_default().to_vec();
        let uid = match args[..] {
            [b"SET", key, value] => Some(value::written_by(key, value)? & ((1 << 40) - 1)),
            _ => None,
        };
        let (first, number) = owner.get_or_insert((client.clone(), uid));
        if *first != client || number.zip(uid).is_some_and(|(number, uid)| number != uid) {
            return Err(format!("'{}' is in another client's transaction", key.escape_ascii()));
        }
        *number = number.or(uid);
    }
    Ok(())
}

fn execute(args: &[&[u8]], backend: &mut Backend, watch: &mut Watch<'_>) -> Result<Node, String> {
    let (name, keys) = (args[0].to_ascii_uppercase(), keys(args)?);
    let reads = matches!(&name[..], b"GET" | b"MGET" | b"EXISTS" | b"SINTER");
    let mut uids: Vec<u64> = keys.iter().filter_map(|key| value::uid_of_key(key)).collect();
    let everywhere = name == b"SCRIPT";
    if everywhere {
        // Count each request once per server.
        for uid in &mut uids {
            *uid |= (watch.index as u64 + 1) << 52;
        }
    }
    if matches!(&name[..], b"SET" | b"MSET" | b"RPUSH") {
        for pair in args[1..].chunks(2) {
            uids.push(value::written_by(pair[0], pair[1])?);
        }
    } else if name == b"EVAL" {
        uids.extend(args.last().and_then(|uid| value::uid_of_key(uid)));
    }
    let homes = if everywhere { &[] } else { &keys[..] };
    watch.oracle.served(backend.pool, watch.index, homes, &uids, reads);
    if !reads && !uids.is_empty() && watch.plan.strikes(Tamper::RepeatWrite) {
        watch.oracle.served(backend.pool, watch.index, homes, &uids, reads);
    }
    if backend.mood == Mood::Loading || backend.is_busy() {
        return Ok(Node::Error([b"BUSY the server is, key:", keys[0]].concat()));
    }
    let of = |backend: &Backend, key: &[u8]| backend.get(key).map_or(Node::Null, Node::Bulk);
    Ok(match &name[..] {
        b"GET" => of(backend, keys[0]),
        b"MGET" => Node::Array(keys.iter().map(|key| of(backend, key)).collect()),
        b"EXISTS" => Node::Int(keys.iter().filter(|key| backend.get(key).is_some()).count() as i64),
        b"DEL" => Node::Int(keys.iter().filter(|key| backend.delete(key)).count() as i64),
        b"SET" | b"MSET" => {
            args[1..].chunks(2).for_each(|pair| backend.set(pair[0], pair[1]));
            ok()
        }
        b"SINTER" => Node::Array(vec![]),
        b"RPUSH" => {
            let list = backend.lists.entry(args[1].to_vec()).or_default();
            list.push_back(args[2].to_vec());
            Node::Int(list.len() as i64)
        }
        b"BLPOP" => pop(args[1], backend, watch).unwrap_or(Node::Null),
        b"SCRIPT" if args[1] == b"LOAD" => {
            let sha = value::sha_of_script(args[2]);
            backend.scripts.insert(sha.clone());
            Node::Bulk(sha)
        }
        b"SCRIPT" => {
            Node::Array(keys.iter().map(|k| Node::Int(backend.scripts.contains(*k).into())).collect())
        }
        _ => Node::Array(vec![
            Node::Bulk(keys[0].to_vec()),
            Node::Int(1),
            Node::Array(vec![of(backend, keys[0])]),
            Node::Simple(b"done".to_vec()),
        ]),
    })
}

/// Keys of a request; an error if the simulator's clients send no such request.
fn keys<'a>(args: &[&'a [u8]]) -> Result<Vec<&'a [u8]>, String> {
    let name = args[0].to_ascii_uppercase();
    let keys: Vec<&[u8]> = match (&name[..], args.len()) {
        (b"GET", 2) | (b"SET", 3) => vec![args[1]],
        (b"RPUSH" | b"BLPOP", 3) => vec![args[1]],
        (b"MGET" | b"EXISTS" | b"DEL" | b"SINTER", 2..) => args[1..].to_vec(),
        (b"MSET", n) if n >= 3 && n % 2 == 1 => args[1..].iter().step_by(2).copied().collect(),
        (b"EVAL", 5) => vec![args[3]],
        (b"SCRIPT", 3..) if matches!(args[1], b"LOAD" | b"EXISTS") => args[2..].to_vec(),
        (_, n) => return Err(format!("'{}' with {n} arguments", name.escape_ascii())),
    };
    Ok(keys)
}
