"""A pool over a real Redis Cluster: clients see one server, whatever becomes of its nodes.

The oracle: a value carries its key, a counter never gives a value twice, a list has what was pushed in its order, and nobody is
told that a key is missing which is there.
"""

import contextlib
import signal
import subprocess
import threading
import time

import pytest
import redis

import kit
from redis_cluster import NODE_TIMEOUT_MS, SLOTS, Cluster, Crew, Node, key_slot, keys_in

pytestmark = pytest.mark.needs("redis-server")

# What a failover takes at most: the node is suspected, agreed upon, and the vote waits up to a second.
PROMOTION = 2 * NODE_TIMEOUT_MS / 1000 + 3


@pytest.fixture(scope="module")
def cluster(stack):
    return Cluster(stack)


def start_pool(stack, cluster, name, **options):
    port = kit.free_port()
    seeds = [f"127.0.0.1:{node.port}" for node in cluster.nodes[:2]]
    lines = ["threads = 2", "[pool.c]", f'listen = "127.0.0.1:{port}"', 'topology = "cluster"', f"servers = {seeds}"]
    lines += [f"{key} = {value}" for key, value in options.items()]
    return kit.start_configured(stack, name, "\n".join(lines) + "\n", [port])


@pytest.fixture(scope="module")
def pool(stack, cluster):
    return start_pool(stack, cluster, "nuthatch", timeout='"8s"')


def client_of(pool, **options):
    return redis.Redis(port=pool.port, decode_responses=True, socket_timeout=kit.ANSWER_SECONDS, retry=None, **options)


@pytest.fixture
def client(pool):
    with client_of(pool) as client:
        yield client


class Load(Crew):
    """Clients that work all the time. Each has a counter, values and a MGET; what they see is checked at once.

    A counter never goes back, but for what Redis' replication loses: increments of the last `UNCOPIED` seconds before a master
    was harmed, which its replica had not copied yet.
    """

    UNCOPIED = 0.3

    def __init__(self, pool, clients=8, name="load", stale=False):
        super().__init__(client_of, pool, clients)
        self.name, self.stale = name, stale
        self.errors, self.gaps, self.times = [], {}, []
        self.harmed, self.begun = None, time.monotonic()

    def run(self, client, n):
        counters = [f"{self.name}:{n}:counter:{at}" for at in range(6)]
        values = {f"{self.name}:{n}:value:{at}": f"value of {self.name}:{n}:value:{at}" for at in range(12)}
        client.mset(values)
        last = dict.fromkeys(counters, 0)
        answered = dict.fromkeys(counters, time.monotonic())
        history = {counter: [] for counter in counters}
        while not self.ending.is_set():
            for counter in counters:
                begun = time.monotonic()
                try:
                    got = client.incr(counter)
                except redis.RedisError as error:
                    self.errors.append((time.monotonic(), str(error)))
                    continue
                now = time.monotonic()
                self.times.append(now - begun)
                self.gaps[counter] = max(self.gaps.get(counter, 0), now - answered[counter])
                answered[counter] = now
                if got <= last[counter] and got <= self.copied(history[counter]):
                    self.faults.append(f"{counter} was {last[counter]} and is {got}")
                last[counter] = got
                history[counter].append((now, got))
            self.read(client, values)

    def copied(self, history):
        """The value that a replica must have had of a counter, if a master was harmed; else the last one."""
        until = float("inf") if self.harmed is None else self.harmed - self.UNCOPIED
        return max((value for at, value in history if at <= until or at > self.harmed + self.UNCOPIED), default=0)

    def read(self, client, values):
        try:
            for key, got in zip(values, client.mget(list(values))):
                self.check(key, got, values[key])
            key = next(iter(values))
            self.check(key, client.get(key), values[key])
        except redis.RedisError as error:
            self.errors.append((time.monotonic(), str(error)))

    def check(self, key, got, wanted):
        # A replica may not have it yet.
        if got != wanted and not (self.stale and got is None and time.monotonic() < self.begun + 1):
            self.faults.append(f"{key} is {got}")

    def wait(self, count=200):
        """Waits until so many more requests were answered."""
        wanted = len(self.times) + count
        kit.until(lambda: len(self.times) >= wanted or self.faults, "the clients to go on")


def test_requests_go_where_their_slots_are(client, cluster):
    keys = [f"key:{n}" for n in range(200)]
    assert client.mset({key: f"v{key}" for key in keys})
    assert client.mget(keys) == [f"v{key}" for key in keys]
    assert client.mget([*keys, "absent"])[-1] is None
    assert client.exists(*keys, "absent") == 200
    assert client.touch(*keys) == 200
    assert client.dbsize() == sum(master.direct.dbsize() for master in cluster.masters)
    assert all(0 < master.direct.dbsize() < 200 for master in cluster.masters)
    assert client.delete(*keys[:150]) == 150 and client.unlink(*keys) == 50
    assert client.eval("return redis.call('set', KEYS[1], ARGV[1])", 1, "scripted", "x") == "OK"
    assert client.get("scripted") == "x"
    with pytest.raises(redis.ResponseError, match="CROSSSLOT|Keys in request don't hash to the same slot"):
        client.sinter("a", "b")
    client.sadd("{tag}a", 1, 2)
    client.sadd("{tag}b", 2, 3)
    assert client.sinter("{tag}a", "{tag}b") == {"2"}


def test_resp3_and_large_values(pool):
    with client_of(pool, protocol=3) as client:
        client.hset("hash", mapping={"a": "1"})
        assert client.hgetall("hash") == {"a": "1"}
        client.set("large", "x" * 5_000_000)
        assert client.get("large") == "x" * 5_000_000


def test_a_slot_that_has_half_moved(cluster, client):
    slot, keys = key_slot("half"), [f"{{half}}{n}" for n in range(10)]
    client.mset({key: f"v{key}" for key in keys})
    source = cluster.owner(slot)
    target = next(master for master in cluster.masters if master is not source)
    cluster.begin_move(slot, source, target)
    cluster.move_keys(source, target, keys[:5])
    rounds = 100
    try:
        for _ in range(rounds):
            assert client.mget(*keys, "{half}absent") == [*[f"v{key}" for key in keys], None]
            assert client.exists(*keys) == 10
            assert [client.get(key) for key in keys] == [f"v{key}" for key in keys]
            assert client.mset({keys[0]: f"v{keys[0]}", keys[9]: f"v{keys[9]}", "{half}new": "n"})
            assert client.delete(keys[1], keys[8], "{half}new") == 3
            assert client.mset({keys[1]: f"v{keys[1]}", keys[8]: f"v{keys[8]}"})
    finally:
        while left := source.say("CLUSTER", "GETKEYSINSLOT", slot, 100):
            cluster.move_keys(source, target, left)
        cluster.end_move(slot, source, target)
    assert client.mget(keys) == [f"v{key}" for key in keys]
    cluster.move(slot, target, source)
    assert client.mget(keys) == [f"v{key}" for key in keys]
    print(f"{rounds * 15} requests to a slot that has half moved: all right")


def test_slots_move_under_load_without_an_error(cluster, pool):
    source, target = cluster.masters[0], cluster.masters[1]
    slots = [slot for slot in range(SLOTS // 3)][:150]
    with client_of(pool) as client:
        moved = keys_in(set(slots), 300, "moving")
        client.mset({key: f"value of {key}" for key in moved})
        asked, begun = cluster.questions(), time.monotonic()
        with Load(pool) as load:
            load.wait()
            for slot in slots:
                cluster.move(slot, source, target)
                assert client.get(moved[slot % 300]) == f"value of {moved[slot % 300]}"
            load.wait()
            assert client.mget(moved) == [f"value of {key}" for key in moved]
            for slot in slots:
                cluster.move(slot, target, source)
            load.wait()
        assert not load.errors, load.errors[:3]
        seconds = time.monotonic() - begun
        asked = cluster.questions() - asked
        print(f"{len(load.times)} requests, p99 {sorted(load.times)[len(load.times) * 99 // 100] * 1000:.1f} ms, "
              f"worst {max(load.times) * 1000:.0f} ms, {asked} questions in {seconds:.1f} s")
        assert asked <= 2 * seconds + 2
        assert client.mget(moved) == [f"value of {key}" for key in moved]


def test_redis_cli_rebalances_under_load(cluster, pool):
    source = cluster.masters[0]

    def slots_of(node):
        return sum(last - first + 1 for first, last, master, *_ in node.say("CLUSTER", "SLOTS") if master[1] == node.port)

    def say(command, *options):
        argv = ["redis-cli", "--cluster", command, f"127.0.0.1:{source.port}", *options]
        return subprocess.run(argv, capture_output=True, text=True, timeout=120)

    def rebalance(weight):
        # The nodes have to agree about the slots before.
        kit.until(lambda: say("check").returncode == 0, "the cluster to be as redis-cli wants it")
        done = say(
            "rebalance", "--cluster-weight", f"{source.id}={weight}", "--cluster-threshold", "1", "--cluster-pipeline", "100",
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr

    before, asked, begun = slots_of(source), cluster.questions(), time.monotonic()
    with client_of(pool) as client:
        client.mset({f"balanced{n}": f"value {n}" for n in range(2000)})
        with Load(pool, name="balanced") as load:
            load.wait()
            rebalance(0.9)
            moved = before - slots_of(source)
            assert moved > 300, moved
            rebalance(1)
            load.wait()
        cluster.wait_until_whole()
        assert not load.errors, load.errors[:3]
        assert client.mget([f"balanced{n}" for n in range(2000)]) == [f"value {n}" for n in range(2000)]
    times, seconds = sorted(load.times), time.monotonic() - begun
    asked = cluster.questions() - asked
    print(f"{moved} slots to and fro in {seconds:.1f} s, {len(times)} requests, p99 {times[len(times) * 99 // 100] * 1000:.1f} ms, "
          f"worst {times[-1] * 1000:.0f} ms, {asked} questions, those of redis-cli too")


def test_pushes_keep_their_order_while_their_slot_goes_to_and_fro(cluster, pool):
    slot = key_slot("list")
    source = cluster.owner(slot)
    target = next(master for master in cluster.masters if master is not source)
    ending, moves, answered = threading.Event(), [0], [0]

    def wander():
        here, there = source, target
        while not ending.is_set():
            cluster.move(slot, here, there)
            here, there = there, here
            moves[0] += 1
            # A proxy cannot know of a slot that is back before an answer has reached it.
            seen = answered[0]
            kit.until(lambda: answered[0] >= seen + 30 or ending.is_set(), "answers to pushes")
        if here is not source:
            cluster.move(slot, here, source)

    thread = threading.Thread(target=wander)
    thread.start()
    count, depth = 6000, 32
    moves_min = 145
    try:
        with kit.Wire(pool.port) as wire:
            reader = wire.socket.makefile("rb")
            sent = 0

            def read():
                assert reader.readline() == b":%d\r\n" % (answered[0] + 1)
                answered[0] += 1

            while answered[0] < count or moves[0] < moves_min:
                while sent - answered[0] < depth:
                    value = str(sent)
                    wire.send(f"*3\r\n$5\r\nRPUSH\r\n$4\r\nlist\r\n${len(value)}\r\n{value}\r\n".encode())
                    sent += 1
                read()
            while answered[0] < sent:
                read()
    finally:
        ending.set()
        thread.join()
    with client_of(pool) as client:
        assert client.lrange("list", 0, -1) == [str(n) for n in range(sent)]
        client.delete("list")
    print(f"{moves[0]} moves, {sent} pushes")


def test_a_planned_failover_is_not_noticed(cluster, pool):
    master = cluster.owner(0)
    replica = cluster.replica_of(master)
    with Load(pool) as load:
        load.wait()
        replica.say("CLUSTER", "FAILOVER")
        kit.until(lambda: cluster.owner(0) is replica, "the failover")
        load.wait()
    print(f"gap {max(load.gaps.values()) * 1000:.0f} ms")
    assert not load.errors, load.errors[:3]
    cluster.wait_until_whole()


def failover(cluster, pool, harm, repair, stale=False):
    """Harms the master of the first slots, waits for its replica to serve, repairs it. Gives the load."""
    master = cluster.owner(0)
    with Load(pool, stale=stale) as load:
        load.wait()
        harmed = load.harmed = time.monotonic()
        harm(master)
        others = [node for node in cluster.alive() if node is not master]

        def promoted():
            owner = others[0].say("CLUSTER", "SLOTS")
            return next(entry[2][1] for entry in owner if entry[0] <= 0 <= entry[1]) != master.port

        kit.until(promoted, "a replica to take over")
        load.promoted = time.monotonic() - harmed
        load.wait()
        repair(master)
        load.wait()
    cluster.wait_until_whole()
    gap = max(load.gaps.values())
    print(f"promoted after {load.promoted:.2f} s, gap {gap:.2f} s, {len(load.errors)} errors: {sorted({e for _, e in load.errors})[:3]}")
    load.gap = gap
    return load


def test_a_master_is_killed(cluster, pool):
    load = failover(cluster, pool, lambda master: master.program.kill(), lambda master: master.start())
    # What was under way when it died may have been executed: those clients are told, at once or, where a child of the server keeps
    # its connections open, once the replica has taken over.
    assert len(load.errors) <= 16, load.errors[:10]
    assert load.gap <= load.promoted + 1


def test_a_master_is_frozen(cluster, stack):
    pool = start_pool(stack, cluster, "impatient", timeout='"1s"')
    load = failover(
        cluster, pool,
        lambda master: master.program.signal(signal.SIGSTOP), lambda master: master.program.signal(signal.SIGCONT),
    )
    assert load.gap <= load.promoted + 1


def test_nodes_come_and_go(cluster, pool, client):
    new = Node(cluster, "new")
    cluster.nodes.append(new)
    cluster.meet(new)
    cluster.wait_until_all_know(7)
    kit.until(lambda: new.info()["cluster_state"] == "ok", "the new node to be part of it")
    slots = list(range(100))
    source = cluster.owner(0)
    with Load(pool) as load:
        for slot in slots:
            cluster.move(slot, source, new)
        load.wait()
        keys = keys_in(set(slots), 20, "new")
        assert client.mset({key: key for key in keys})
        assert client.mget(keys) == keys and sorted(new.direct.keys("new*")) == sorted(keys)
        for slot in slots:
            cluster.move(slot, new, source)
        load.wait()
        for node in cluster.alive():
            if node is not new:
                node.say("CLUSTER", "FORGET", new.id)
        new.program.kill()
        cluster.nodes.remove(new)
        load.wait()
        assert client.mget(keys) == keys
    assert not load.errors, load.errors[:3]


def reads(node):
    """How many GETs a node has executed."""
    return node.direct.info("commandstats").get("cmdstat_get", {"calls": 0})["calls"]


def asked_for(cluster, count, get):
    """The nodes that executed GETs while so many were sent, with their share."""
    before = {node.port: reads(node) for node in cluster.alive()}
    for _ in range(count):
        get()
    after = {node.port: reads(node) - before[node.port] for node in cluster.alive()}
    return {port: calls for port, calls in after.items() if calls}


@pytest.mark.parametrize("policy", ["replica", "prefer_replica", "nearest"])
def test_reads_go_where_the_policy_says(cluster, stack, policy):
    pool = start_pool(stack, cluster, policy, timeout='"5s"', read_from=f'"{policy}"')
    master = cluster.owner(key_slot("read"))
    replica = cluster.replica_of(master)
    with client_of(pool) as client:
        client.set("read", "v")
        assert master.direct.execute_command("WAIT", 1, 5000) == 1

        def fit():
            try:
                return client.get("read") == "v" and asked_for(cluster, 1, lambda: client.get("read")) == {replica.port: 1}
            except redis.ResponseError as error:
                assert policy == "replica" and "no replica of this key" in str(error), error
                return False

        if policy != "nearest":
            kit.until(fit, "the replica to be read from")
            assert asked_for(cluster, 20, lambda: client.get("read")) == {replica.port: 20}
        clients = [client_of(pool) for _ in range(8)]
        shares = asked_for(cluster, 5, lambda: [client.get("read") for client in clients])
        print(policy, shares)
        assert set(shares) <= {replica.port, master.port} and sum(shares.values()) == 40
        # Writes go to the master, and what a client reads it reads from a replica that may be behind.
        assert client.incr(f"written:{policy}") == 1
        kit.until(lambda: client.get(f"written:{policy}") == "1", "the replica to have it")


def test_a_replica_that_cannot_be_trusted_is_not_read_from(cluster, stack):
    pool = start_pool(stack, cluster, "lag", timeout='"5s"', read_from='"prefer_replica"', replica_lag_max='"400ms"')
    master = cluster.owner(key_slot("lagging"))
    replica = cluster.replica_of(master)
    with client_of(pool) as client:
        client.set("lagging", "old")

        def readers():
            return set(asked_for(cluster, 1, lambda: client.get("lagging")))

        kit.until(lambda: readers() == {replica.port}, "the replica to be read from")
        # It loses its master and cannot come back.
        replica.direct.config_set("masterauth", "wrong")
        replica.direct.execute_command("CLIENT", "KILL", "TYPE", "master")
        begun = time.monotonic()
        try:
            client.set("lagging", "new")
            written, age, old = time.monotonic(), 0, 0
            while (got := client.get("lagging")) == "old":
                age, old = time.monotonic() - written, old + 1
                assert time.monotonic() - begun < 10, "data older than replica_lag_max were read"
            assert got == "new"
            before = reads(replica)
            for _ in range(1000):
                assert client.get("lagging") == "new"
            print(f"{old} reads of old data, the last {age * 1000:.0f} ms after they were replaced; then "
                  f"{reads(replica) - before} of 1000 at the replica")
            kit.until(lambda: readers() == {master.port}, "the master to be read from")
        finally:
            replica.direct.config_set("masterauth", "")
        kit.until(lambda: readers() == {replica.port}, "the replica to be read from again")
        assert client.get("lagging") == "new"


@pytest.mark.parametrize("policy", ["replica", "nearest"])
def test_a_slot_that_has_half_moved_is_read_from_replicas(cluster, stack, policy):
    """The replicas of the old owner do not know of keys that have moved, and no write has met an ASK."""
    pool = start_pool(stack, cluster, f"half-{policy}", timeout='"5s"', read_from=f'"{policy}"')
    tag = f"halved-{policy}"
    slot, keys = key_slot(tag), [f"{{{tag}}}{n}" for n in range(10)]
    source = cluster.owner(slot)
    target = next(master for master in cluster.masters if master is not source)
    replica = cluster.replica_of(source)
    with contextlib.ExitStack() as clients:
        # With `nearest` some of them read from the master.
        readers = [clients.enter_context(client_of(pool)) for _ in range(4)]
        readers[0].mset({key: f"v{key}" for key in keys})
        assert source.direct.execute_command("WAIT", 1, 5000) >= 1

        def is_read_from():
            with contextlib.suppress(redis.ResponseError):
                return replica.port in asked_for(cluster, 1, lambda: [reader.get(keys[0]) for reader in readers])

        kit.until(is_read_from, "the replica to be read from")
        cluster.begin_move(slot, source, target)
        cluster.move_keys(source, target, keys[:5])
        try:
            assert source.direct.execute_command("WAIT", 1, 5000) >= 1
            for reader in readers:
                assert [reader.get(key) for key in keys] == [f"v{key}" for key in keys]
                assert reader.mget(*keys, f"{{{tag}}}absent") == [*[f"v{key}" for key in keys], None]
                assert reader.exists(*keys) == 10 and reader.strlen(keys[0]) == len(f"v{keys[0]}")
                assert reader.get(f"{{{tag}}}absent") is None
        finally:
            while left := source.say("CLUSTER", "GETKEYSINSLOT", slot, 100):
                cluster.move_keys(source, target, left)
            cluster.end_move(slot, source, target)
        for reader in readers:
            assert [reader.get(key) for key in keys] == [f"v{key}" for key in keys]
        cluster.move(slot, target, source)


@pytest.mark.parametrize("policy", ["prefer_replica", "nearest"])
def test_a_master_that_was_demoted_says_of_no_key_that_it_is_missing(cluster, stack, policy):
    """The pool's map still calls it the owner, and it has nothing of what its new master has been told since."""
    pool = start_pool(stack, cluster, f"demoted-{policy}", timeout='"5s"', read_from=f'"{policy}"', topology_refresh='"60s"')
    tag = f"demoted-{policy}"
    master = cluster.owner(key_slot(tag))
    heir = cluster.replica_of(master)
    with contextlib.ExitStack() as clients:
        # On both shards, and from both nodes with `nearest`.
        readers = [clients.enter_context(client_of(pool)) for _ in range(16)]
        for n, reader in enumerate(readers):
            assert reader.set(f"{{{tag}}}{n}", "v") and reader.get(f"{{{tag}}}{n}") in ("v", None)
        master.direct.config_set("masterauth", "wrong")
        try:
            heir.say("CLUSTER", "FAILOVER")
            kit.until(lambda: master.direct.info("replication")["role"] == "slave", "the master to be demoted")
            for n, reader in enumerate(readers * 4):
                key = f"{{{tag}}}new{n}"
                assert heir.direct.set(key, "w")
                assert (reader.get(key), reader.exists(key), reader.mget(key, key)) == ("w", 1, ["w", "w"]), n
                assert reader.get(f"{{{tag}}}absent") is None
            assert master.direct.info("replication")["master_link_status"] == "down", "it has got the keys after all"
        finally:
            master.direct.config_set("masterauth", "")
        cluster.wait_until_whole()
        master.say("CLUSTER", "FAILOVER")
        kit.until(lambda: heir.direct.info("replication")["role"] == "slave", "the first master to be back")
        cluster.wait_until_whole()


def test_replica_reads_go_on_over_a_failover(cluster, stack):
    pool = start_pool(stack, cluster, "replicas", timeout='"8s"', read_from='"prefer_replica"')
    load = failover(cluster, pool, lambda master: master.program.kill(), lambda master: master.start(), stale=True)
    assert len(load.errors) <= 16, load.errors[:10]
    assert load.gap <= load.promoted + 1


@pytest.mark.parametrize("kind", ["hostname", "unknown-endpoint"])
def test_nodes_are_found_by_every_kind_of_endpoint(cluster, stack, kind):
    for node in cluster.alive():
        node.direct.config_set("cluster-announce-hostname", "localhost")
        node.direct.config_set("cluster-preferred-endpoint-type", kind)
    try:
        kit.until(lambda: all("localhost" in node.say("CLUSTER", "NODES") for node in cluster.alive()), "the names to spread")
        pool, begun = start_pool(stack, cluster, kind), time.monotonic()
        with client_of(pool) as client:
            client.get("named")
        print(f"{kind}: the first answer came {(time.monotonic() - begun) * 1000:.0f} ms after the start")
        slot = key_slot("named")
        source = cluster.owner(slot)
        target = next(cluster.owner(at) for at in (0, SLOTS // 2, SLOTS - 1) if cluster.owner(at) is not source)
        with client_of(pool) as client:
            for n in range(4):
                assert client.set("named", n) and client.get("named") == str(n)
                cluster.move(slot, source, target)
                source, target = target, source
    finally:
        for node in cluster.alive():
            node.direct.config_set("cluster-preferred-endpoint-type", "ip")
            node.direct.config_set("cluster-announce-hostname", "")


def test_one_dead_shard_is_an_error_and_no_missing_value(cluster, stack):
    """The last test: it leaves the cluster broken."""
    for node in cluster.alive():
        node.direct.config_set("cluster-require-full-coverage", "no")
    pool = start_pool(stack, cluster, "short", timeout='"500ms"')
    keys = [f"many:{n}" for n in range(200)]
    with client_of(pool) as client:
        client.mset({key: key for key in keys})
        dead = cluster.owner(0)
        replica = cluster.replica_of(dead)
        for node in (replica, dead):
            node.program.kill()
        # The error names the node.
        begun = time.monotonic()
        with pytest.raises(redis.RedisError, match=f"127.0.0.1:({dead.port}|{replica.port})") as error:
            client.mget(keys)
        print(f"MGET of 200 keys, timeout 0.5 s: '{error.value}' after {time.monotonic() - begun:.2f} s")
        alive = [key for key in keys if key_slot(key) > SLOTS * 2 // 3]
        assert client.mget(alive) == alive
        with pytest.raises(redis.RedisError):
            client.get(next(iter(keys_in({*range(SLOTS // 3)}, 1))))
