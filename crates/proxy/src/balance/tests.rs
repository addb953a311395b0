use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use net::{App, Input, Instant, Peer};

use super::*;
use crate::generation::Generation;
use crate::proxy::Setup;
use crate::testing::{FakeIo, settings};

const POOLS: &str = "[pool.far]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:2\"]\n\
                     [pool.near]\nlisten = \"127.0.0.1:3\"\nservers = [\"local\"]\n";
const FAR: u32 = 0;
const NEAR: u32 = 1;

type Post = Arc<Mutex<Vec<(usize, Mail)>>>;

struct Shard {
    io: FakeIo,
    proxy: Proxy,
    post: Post,
}

/// One of several shards whose loads are as given.
fn shard(index: usize, loads: &Arc<[AtomicU32]>) -> Shard {
    shard_of(index, loads, &Arc::new(AtomicU64::new(1)))
}

/// One of several shards with shared client numbers.
fn shard_of(index: usize, loads: &Arc<[AtomicU32]>, numbers: &Arc<AtomicU64>) -> Shard {
    let post = Post::default();
    let mut io = FakeIo::default();
    io.load = loads[index].load(Ordering::Relaxed);
    let out = Arc::clone(&post);
    let setup = Setup {
        generation: Arc::new(Generation::first(loads.len(), settings(POOLS))),
        budget: Arc::new(crate::Budget::new(1 << 20, loads.len())),
        stats: Arc::default(),
        seed: 1,
        notify: Box::new(|_| {}),
        shard: index,
        loads: Arc::clone(loads),
        post: Box::new(move |to, mail| out.lock().unwrap().push((to, mail))),
        client_numbers: Arc::clone(numbers),
        verify: Box::new(|_| false),
        doubt: Box::new(drop),
    };
    let proxy = Proxy::new(setup, &mut io);
    Shard { io, proxy, post }
}

fn loads(permille: &[u32]) -> Arc<[AtomicU32]> {
    permille.iter().map(|l| AtomicU32::new(*l)).collect()
}

impl Shard {
    fn accept(&mut self, pool: u32) -> ConnId {
        let id = self.io.open();
        self.proxy.accepted(&mut self.io, pool, id, Peer::Unix);
        id
    }

    fn receive(&mut self, id: ConnId, bytes: &[u8]) {
        self.proxy.received(&mut self.io, id, &mut Input::scratch(bytes));
    }

    /// Runs the maintenance that traffic has requested.
    fn maintain(&mut self) {
        self.io.now = Instant(self.io.now.0 + 100_000);
        while let Some(((at, _), token)) = self.io.timers.pop_first() {
            assert!(at <= self.io.now, "a timer of another kind");
            self.proxy.timer(&mut self.io, token);
            if token == 0 {
                return;
            }
        }
    }

    fn posted(&mut self) -> Vec<(usize, Mail)> {
        std::mem::take(&mut *self.post.lock().unwrap())
    }
}

#[test]
fn a_new_client_goes_to_the_first_shard_with_room() {
    for (permille, at, expected) in [
        ([0, 0, 0], 2, 0),
        ([599, 0, 0], 2, 0),
        ([600, 0, 0], 2, 1),
        ([900, 700, 10], 0, 2),
        ([900, 700, 800], 2, 1),
        ([1000, 1000, 1000], 1, 0),
    ] {
        let loads = loads(&permille);
        let mut shard = shard(at, &loads);
        shard.accept(FAR);
        let posted = shard.posted();
        let went = posted.first().map_or(at, |(to, _)| *to);
        assert_eq!(went, expected, "{permille:?}");
    }
}

#[test]
fn clients_of_the_embedded_cache_stay_where_it_is() {
    let loads = loads(&[1000, 0]);
    let (mut home, mut other) = (shard(0, &loads), shard(1, &loads));
    home.accept(NEAR);
    assert!(home.posted().is_empty());
    // While a pool moves to the cache's shard, another shard may still have its listener.
    other.accept(NEAR);
    assert_eq!(other.posted().iter().map(|(to, _)| *to).collect::<Vec<_>>(), [0]);
}

#[test]
fn a_moved_client_keeps_its_session() {
    let loads = loads(&[0, 0]);
    let (mut from, mut to) = (shard(0, &loads), shard(1, &loads));
    let ids: Vec<ConnId> = (0..4).map(|_| from.accept(FAR)).collect();
    from.receive(
        ids[0],
        b"*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$3\r\nbob\r\n*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n",
    );
    // A client with a request under way, and one with a partly received request, have to stay.
    from.receive(ids[1], b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
    from.receive(ids[2], b"*2\r\n$3\r\nGE");
    from.io.load = 1000;
    from.maintain();
    let posted = from.posted();
    assert_eq!(posted.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(from.proxy.clients, 2);
    for (_, mail) in posted {
        to.proxy.mail(&mut to.io, mail);
    }
    assert_eq!(to.proxy.clients, 2);
    let moved: Vec<ConnId> = to.proxy.clients().map(|c| c.id).collect();
    to.receive(moved[0], b"*2\r\n$6\r\nCLIENT\r\n$7\r\nGETNAME\r\n*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n");
    assert_eq!(to.io.sent(moved[0]), b"$3\r\nbob\r\n:1\r\n");
}

#[test]
fn no_client_moves_without_need() {
    for (own, other) in [(799, 0), (1000, 900), (0, 0)] {
        let loads = loads(&[0, other]);
        let mut shard = shard(0, &loads);
        let ids: Vec<ConnId> = (0..4).map(|_| shard.accept(FAR)).collect();
        shard.receive(ids[0], b"PING\r\n");
        shard.io.load = own;
        shard.maintain();
        assert!(shard.posted().is_empty(), "{own} {other}");
    }
}

#[test]
fn ids_of_clients_are_their_own_in_the_process() {
    let numbers = Arc::new(AtomicU64::new(1));
    let mut seen = std::collections::BTreeSet::new();
    // A client goes to the first shard with room.
    for (index, permille) in [(0, [0, 0]), (1, [700, 0])] {
        let mut shard = shard_of(index, &loads(&permille), &numbers);
        for _ in 0..3 {
            let id = shard.accept(FAR);
            shard.receive(id, b"CLIENT ID\r\n");
            assert!(seen.insert(shard.io.sent(id).to_vec()));
        }
    }
}
