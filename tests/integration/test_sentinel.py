"""A pool whose master three Sentinels name: failovers planned, by kill -9 and by SIGSTOP, under load, and Sentinels that die.

The oracle: a value carries its key; the replies of a client come in its order, and each has one; INCR gives no value twice but those
that were acknowledged by a master shortly before another took its place, which asynchronous replication may lose.
"""

import contextlib
import signal
import socket
import threading
import time

import pytest

import kit

redis = pytest.importorskip("redis")

pytestmark = pytest.mark.needs("redis-server")

DOWN_AFTER = 1.0
CLIENTS = 8
# From the promotion of a replica until requests are answered again, at most.
AFTER_PROMOTION = 0.2
# Longest time before the end of a master whose writes may be lost with it.
REPLICATION_LAG = 0.5
MASTER_CHANGED = b"-ERR the master was replaced"


class Scene:
    """Three redis-servers, three Sentinels that watch master `m`, and the proxy with a pool `p`."""

    def __init__(self, stack):
        self.stack = stack
        self.nodes = {}
        first = self.start_node("n0")
        for name in ("n1", "n2"):
            self.start_node(name, "--replicaof", "127.0.0.1", first.port)
        kit.until(lambda: self.at("n0").info("replication")["connected_slaves"] == 2, "two replicas")
        kit.until(lambda: all(self.is_in_step(name) for name in ("n1", "n2")), "replicas in step")
        self.sentinels = [self.start_sentinel(n, first.port) for n in range(3)]
        kit.until(lambda: self.is_watched(2), "Sentinels that know each other and both replicas")
        self.port, self.admin = kit.free_port(), kit.free_port()
        listed = [f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels]
        self.conf = stack.path / "nuthatch.toml"
        self.conf.write_text(
            f'threads = 2\n[admin]\nlisten = "127.0.0.1:{self.admin}"\n[pool.p]\nlisten = "127.0.0.1:{self.port}"\n'
            f'topology = "sentinel"\nsentinels = {listed}\nmasters = ["m"]\ntimeout = "1s"\n'
        )
        self.program = stack.keep_proxy(
            kit.Program("nuthatch", [kit.BINARY, "run", "-c", self.conf], [self.port, self.admin], stack.path)
        )
        assert self.program.is_ready(), self.program.output()
        kit.until(lambda: self.shown()["address"], "the address of the master")

    def start_node(self, name, *options):
        options = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", *map(str, options))
        self.nodes[name] = kit.start_redis(name, self.stack.path, *options)
        self.stack.callback(self.end, self.nodes[name])
        return self.nodes[name]

    def start_sentinel(self, number, port, own_port=None):
        name = f"sentinel{number}"
        path = self.stack.path / f"{name}.conf"

        def argv(own):
            path.write_text(
                f"port {own}\nbind 127.0.0.1\ndir {self.stack.path}\nsentinel monitor m 127.0.0.1 {port} 2\n"
                f"sentinel down-after-milliseconds m {int(DOWN_AFTER * 1000)}\nsentinel failover-timeout m 3000\n"
            )
            return ["redis-server", path, "--sentinel"]

        program = kit.start(name, 1, argv, self.stack.path)
        self.stack.callback(self.end, program)
        return program

    @staticmethod
    def end(program):
        """A program of which the test may have stopped or killed the process."""
        with contextlib.suppress(ProcessLookupError):
            program.signal(signal.SIGCONT)
        program.kill()

    def at(self, name):
        return redis.Redis(port=self.nodes[name].port, socket_timeout=5)

    def is_in_step(self, name):
        return self.at(name).info("replication").get("master_link_status") == "up"

    def is_watched(self, count=1):
        """Every Sentinel knows the others, and so many replicas that could take over."""
        def sees_all(sentinel):
            ask = redis.Redis(port=sentinel.port, socket_timeout=5)
            replicas = ask.sentinel_slaves("m")
            good = [one for one in replicas if one["master-link-status"] == "ok" and not one["is_sdown"]]
            return len(good) >= count and ask.sentinel_master("m")["num-other-sentinels"] == 2

        live = [sentinel for sentinel in self.sentinels if sentinel.process.poll() is None]
        return all(sees_all(sentinel) for sentinel in live)

    def master(self):
        """Name of the node that the Sentinels name."""
        _, port = redis.Redis(port=self.sentinels[-1].port).sentinel_get_master_addr_by_name("m")
        return next(name for name, node in self.nodes.items() if node.port == port)

    def shown(self):
        """What the admin port shows of the master."""
        [master] = kit.fetch(self.admin, "/api/status")[1]["masters"] or [{"address": None}]
        return master

    def rejoin(self, name):
        """Makes a node a replica of the master at once, which Sentinels take ten seconds to do."""
        master = self.nodes[self.master()].port
        kit.until(lambda: self.at(name).replicaof("127.0.0.1", master), "REPLICAOF")
        kit.until(lambda: self.is_in_step(name), "a replica in step")
        kit.until(self.is_watched, "Sentinels that see a replica")


class Watcher(threading.Thread):
    """Asks the nodes but one for their role, and notes when one of them is a master."""

    def __init__(self, scene, but):
        super().__init__(daemon=True)
        self.nodes = [(name, node.port) for name, node in scene.nodes.items() if name != but]
        self.promoted_at = self.promoted = None
        self.start()

    def run(self):
        asked = [(name, redis.Redis(port=port, socket_timeout=5)) for name, port in self.nodes]
        while self.promoted_at is None:
            for name, client in asked:
                with contextlib.suppress(redis.RedisError):
                    if client.execute_command("ROLE")[0] == b"master":
                        self.promoted, self.promoted_at = name, time.monotonic()
                        return
            time.sleep(0.005)


class Client(threading.Thread):
    """Sends INCR, SET and GET three at a time, until told to stop, and checks each reply."""

    def __init__(self, port, number, stop):
        super().__init__(daemon=True)
        self.port, self.number, self.stop = port, number, stop
        self.counted, self.errors, self.fault = [], [], None
        self.start()

    def run(self):
        try:
            self.work()
        except Exception as fault:  # noqa: BLE001: shown by the test
            self.fault = fault

    def work(self):
        counter, key = f"n:{self.number}", f"k:{self.number}"
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as sock, sock.makefile("rb") as replies:
            turn = 0
            while not self.stop.is_set():
                turn += 1
                value = f"{key}={turn}"
                requests = [["INCR", counter], ["SET", key, value], ["GET", key]]
                words = lambda request: "".join(f"${len(word)}\r\n{word}\r\n" for word in request)
                sock.sendall("".join(f"*{len(one)}\r\n{words(one)}" for one in requests).encode())
                incr, done, got = (self.reply(replies) for _ in requests)
                now = time.monotonic()
                failed = [reply for reply in (incr, done, got) if isinstance(reply, bytes) and reply.startswith(b"-")]
                self.errors += [(now, reply) for reply in failed]
                if incr not in failed:
                    assert isinstance(incr, int), incr
                    self.counted.append((now, incr))
                if done not in failed:
                    assert done == b"+OK", done
                if got not in failed:
                    assert got is None or got.startswith(f"{key}=".encode()), got
                time.sleep(0.001)

    @staticmethod
    def reply(replies):
        line = replies.readline()
        assert line.endswith(b"\r\n"), f"closed: {line!r}"
        line = line[:-2]
        if line.startswith(b":"):
            return int(line[1:])
        if line.startswith(b"$"):
            length = int(line[1:])
            return None if length < 0 else replies.read(length + 2)[:-2]
        assert line[:1] in (b"+", b"-"), line
        return line


class Load(contextlib.ExitStack):
    """Clients at work while something happens."""

    def __init__(self, scene):
        super().__init__()
        self.stop = threading.Event()
        self.clients = [Client(scene.port, n, self.stop) for n in range(CLIENTS)]
        self.callback(self.end)
        kit.until(self.flows, "every client to count")

    def flows(self, since=0.0):
        return all(client.fault or (client.counted and client.counted[-1][0] > since) for client in self.clients)

    def count(self):
        """Number of writes that were answered."""
        return sum(len(client.counted) for client in self.clients)

    def end(self):
        self.stop.set()
        for client in self.clients:
            client.join(30)
            assert not client.is_alive(), "a request without an answer"
            assert client.fault is None, client.fault

    def first_after(self, moment):
        """When the last client had its first value after a moment."""
        return max(min(at for at, _ in client.counted if at > moment) for client in self.clients)

    def check_values(self, end):
        """No value twice, but for those that the old master acknowledged just before its end."""
        for client in self.clients:
            values = [value for _, value in client.counted]
            back = next((n for n in range(1, len(values)) if values[n] <= values[n - 1]), len(values))
            for part in (values[:back], values[back:]):
                assert part == sorted(set(part)), f"values go back twice: {part}"
            if back < len(values):
                at = client.counted[back][0]
                assert at >= end, f"values go back {end - at} s before the end"
                first_lost = next(then for then, old in client.counted if old >= values[back])
                assert first_lost >= end - REPLICATION_LAG, f"lost {end - first_lost} s before the end"


@pytest.fixture(scope="module")
def scene(stack):
    return Scene(stack)


def gap_of(load, watcher, began):
    """Time between the promotion and the first reply to every client."""
    kit.until(lambda: watcher.promoted_at, "a promotion")
    kit.until(lambda: load.flows(watcher.promoted_at), "replies of the new master")
    back = load.first_after(watcher.promoted_at)
    print(f"promoted after {watcher.promoted_at - began:.2f} s, answered {back - watcher.promoted_at:.2f} s later")
    return back - watcher.promoted_at


def check_gap(gap, others):
    if others.leave_room():
        assert gap <= AFTER_PROMOTION, gap


def settled(scene, old, load):
    """The proxy follows the Sentinels, which name another master than before."""
    kit.until(lambda: scene.master() != old, "the Sentinels to name another master")
    new = scene.nodes[scene.master()].port
    kit.until(lambda: scene.shown()["address"] == f"127.0.0.1:{new}", "the proxy to name it too")
    now = time.monotonic()
    kit.until(lambda: load.flows(now), "replies after it is settled")


def test_the_master_is_shown(scene):
    shown = scene.shown()
    assert shown["address"] == f"127.0.0.1:{scene.nodes['n0'].port}"
    kit.until(lambda: scene.shown()["sentinels_answering"] == scene.shown()["sentinels"] == 3, "three Sentinels")
    metrics = kit.fetch(scene.admin, "/metrics")[1]
    assert 'nuthatch_master_known{pool="p",master="m"} 1' in metrics
    assert 'nuthatch_master_sentinels_answering{pool="p",master="m"} 3' in metrics


def test_the_page_says_what_is_believed(scene):
    """The master with its address, which Sentinels answer and whom they name, the replicas that are read from, and the server of a key."""
    port, admin = kit.free_port(), kit.free_port()
    listed = [f"127.0.0.1:{sentinel.port}" for sentinel in scene.sentinels]
    text = (
        f'threads = 1\n[admin]\nlisten = "127.0.0.1:{admin}"\n[pool.r]\nlisten = "127.0.0.1:{port}"\ntopology = "sentinel"\nsentinels = {listed}\n'
        'masters = ["m"]\nread_from = "prefer_replica"\nreplica_lag_max = "10s"\ntopology_refresh = "500ms"\n'
    )
    kit.start_configured(scene.stack, "shown", text, [port, admin])
    whole = lambda query="": kit.fetch(admin, f"/pools/r{query}")[1]
    page = lambda: whole().split('id="topology"')[-1].split('id="whereabouts"')[0]
    kit.until(lambda: page().count(">read from<") == 2, "both replicas to be read from")
    kit.until(lambda: page().count(">answers<") == 3, "all Sentinels to answer")
    address = f"127.0.0.1:{scene.nodes[scene.master()].port}"
    shown = page()
    assert "3 of 3 answer" in shown and all(sentinel in shown for sentinel in listed), shown
    assert shown.count(f"<code>{address}</code>") == 4, "the master's own, and what three Sentinels name"
    assert f"is served by <b><a href=\"/pools/r/m\">m</a></b> at <code>{address}</code>" in whole("?key=k")
    replicas = kit.fetch(admin, "/api/status")[1]["replicas"]
    assert len(replicas) == 2 and all(found["not_read"] is None and found["lag_ms"] < 10_000 for found in replicas), replicas
    scene.sentinels[0].signal(signal.SIGSTOP)
    try:
        kit.until(lambda: "2 of 3 answer" in page() and ">silent<" in page(), "a Sentinel that is silent")
    finally:
        scene.sentinels[0].signal(signal.SIGCONT)
    kit.until(lambda: "3 of 3 answer" in page(), "it answers again")


def test_a_planned_failover(scene):
    old, others = scene.master(), kit.Others(scene.program.process.pid)
    before = scene.shown()["changes"]
    with Load(scene) as load:
        watcher, began = Watcher(scene, old), time.monotonic()
        redis.Redis(port=scene.sentinels[0].port).execute_command("SENTINEL", "FAILOVER", "m")
        check_gap(gap_of(load, watcher, began), others)
        settled(scene, old, load)
    load.check_values(watcher.promoted_at)
    errors = {error for client in load.clients for _, error in client.errors}
    assert all(error.startswith((MASTER_CHANGED, b"-ERR the server is not a master", b"-READONLY")) for error in errors), errors
    assert scene.shown()["changes"] == before + 1
    scene.rejoin(old)


def test_kill_of_the_master_and_its_return_as_a_false_master(scene):
    old, others = scene.master(), kit.Others(scene.program.process.pid)
    with Load(scene) as load:
        watcher, began = Watcher(scene, old), time.monotonic()
        scene.nodes[old].kill()
        check_gap(gap_of(load, watcher, began), others)
        settled(scene, old, load)
        # It comes back as a master, empty, and is one until the Sentinels have seen it.
        argv = ["redis-server", "--bind", "127.0.0.1", "--save", "", "--port", scene.nodes[old].port]
        argv += ["--dbfilename", "again.rdb"]
        back = kit.Program(f"{old}-again", argv, scene.nodes[old].ports, scene.stack.path)
        assert back.is_ready(), back.output()
        scene.nodes[old] = back
        scene.stack.callback(scene.end, back)
        now, before = time.monotonic(), load.count()
        kit.until(lambda: load.flows(now + 1), "a second of load")
        assert scene.at(old).execute_command("ROLE")[0] == b"master", "it was to be a false master"
        assert scene.at(old).dbsize() == 0, "a write reached the false master"
        print(f"0 of {load.count() - before} writes reached the false master")
    load.check_values(began)
    scene.rejoin(old)


def test_a_frozen_master_that_thaws(scene):
    old, others = scene.master(), kit.Others(scene.program.process.pid)
    with Load(scene) as load:
        watcher, began = Watcher(scene, old), time.monotonic()
        scene.nodes[old].signal(signal.SIGSTOP)
        check_gap(gap_of(load, watcher, began), others)
        settled(scene, old, load)
        thawed = time.monotonic()
        scene.nodes[old].signal(signal.SIGCONT)
        kit.until(lambda: load.flows(thawed + 1), "a second of load")
    # What it acknowledges late reaches nobody: values go on rising.
    load.check_values(began)
    scene.rejoin(old)


def gets(scene):
    """How many GETs each node has executed."""
    calls = lambda name: scene.at(name).info("commandstats").get("cmdstat_get", {"calls": 0})["calls"]
    return {name: calls(name) for name in scene.nodes}


def readers(scene, client, count=10):
    """The nodes that a client's reads go to."""
    before = gets(scene)
    for _ in range(count):
        client.get("read")
    return {name for name, calls in gets(scene).items() if calls > before[name]}


def test_reads_go_to_replicas_while_they_may_be_read_from(scene):
    port = kit.free_port()
    listed = [f"127.0.0.1:{sentinel.port}" for sentinel in scene.sentinels]
    text = (
        f'threads = 2\n[pool.r]\nlisten = "127.0.0.1:{port}"\ntopology = "sentinel"\nsentinels = {listed}\nmasters = ["m"]\n'
        'timeout = "5s"\nread_from = "prefer_replica"\nreplica_lag_max = "500ms"\ntopology_refresh = "500ms"\n'
    )
    kit.start_configured(scene.stack, "replica-reads", text, [port])
    master = scene.master()
    replicas = set(scene.nodes) - {master}
    clients = [redis.Redis(port=port, decode_responses=True, socket_timeout=20, retry=None) for _ in range(8)]
    kit.until(lambda: clients[0].set("read", "v") and clients[0].get("read") == "v", "the pool to serve")
    read_by = lambda: set().union(*(readers(scene, client, 3) for client in clients))
    kit.until(lambda: read_by() == replicas, "both replicas to be read from")
    # A master that is none for its replica: its data grow old, and it is left at once; the other is read from.
    cut, other = sorted(replicas)
    scene.at(cut).config_set("masterauth", "wrong")
    scene.at(cut).execute_command("CLIENT", "KILL", "TYPE", "master")
    try:
        kit.until(lambda: read_by() == {other}, "the other replica to be read from alone")
        # It freezes: reads wait a moment, then go to the master.
        scene.nodes[other].signal(signal.SIGSTOP)
        begun = time.monotonic()
        # One that waited for the pool's timeout would get an error.
        assert [client.get("read") for client in clients] == ["v"] * len(clients)
        print(f"8 clients read over a replica that froze: {time.monotonic() - begun:.2f} s")
        scene.nodes[other].signal(signal.SIGCONT)
    finally:
        scene.nodes[other].signal(signal.SIGCONT)
        scene.at(cut).config_set("masterauth", "")
    kit.until(lambda: read_by() == replicas, "both replicas to be read from again")
    # A failover under reads: no error for them, and the old master is a replica in the end.
    ending, errors, values = threading.Event(), [], []

    def work(client):
        while not ending.is_set():
            try:
                values.append(client.get("read"))
            except redis.RedisError as error:
                errors.append(str(error))

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        redis.Redis(port=scene.sentinels[0].port).execute_command("SENTINEL", "FAILOVER", "m")
        kit.until(lambda: scene.master() != master, "the failover")
        now = len(values)
        kit.until(lambda: len(values) > now + 1000, "reads after it")
    finally:
        ending.set()
        for thread in threads:
            thread.join()
    assert not errors, errors[:3]
    assert set(values) == {"v"}, set(values)
    kit.until(lambda: scene.is_in_step(master), "the old master to follow")
    kit.until(lambda: scene.master() not in read_by(), "no read to go to the new master")
    assert clients[0].set("read", "v")


def test_sentinels_that_die(scene):
    """Two of three die, then all: the last address stays in use. Back again, they are followed."""
    with Load(scene) as load:
        for sentinel in scene.sentinels[:2]:
            sentinel.kill()
        kit.until(lambda: scene.shown()["sentinels_answering"] == 1, "one Sentinel left")
        scene.sentinels[2].kill()
        kit.until(lambda: scene.shown()["sentinels_answering"] == 0, "no Sentinel left")
        now = time.monotonic()
        kit.until(lambda: load.flows(now + 0.3), "load without Sentinels")
        assert not any(client.errors for client in load.clients)
        restarted = []
        for number, sentinel in enumerate(scene.sentinels):
            path = scene.stack.path / f"sentinel{number}.conf"
            argv = ["redis-server", path, "--sentinel"]
            program = kit.Program(f"sentinel{number}-again", argv, sentinel.ports, scene.stack.path)
            assert program.is_ready(), program.output()
            scene.stack.callback(scene.end, program)
            restarted.append(program)
        scene.sentinels = restarted
        kit.until(lambda: scene.shown()["sentinels_answering"] == 3, "three Sentinels")
        kit.until(scene.is_watched, "Sentinels that see a replica")
        old = scene.master()
        watcher = Watcher(scene, old)
        redis.Redis(port=scene.sentinels[0].port).execute_command("SENTINEL", "FAILOVER", "m")
        gap_of(load, watcher, time.monotonic())
        settled(scene, old, load)
    load.check_values(watcher.promoted_at)


def test_a_start_without_sentinels(stack):
    """Requests get an error that says why, until a Sentinel is there. One that refuses the login does not hinder the others."""
    node = stack.keep(kit.start_redis("alone", stack.path))
    ports, port = [kit.free_port() for _ in range(2)], kit.free_port()
    secret = stack.path / "secret"
    secret.write_text("s3cret\n")
    secret.chmod(0o600)
    conf = stack.path / "alone.toml"
    conf.write_text(
        f'[pool.a]\nlisten = "127.0.0.1:{port}"\ntopology = "sentinel"\nmasters = ["alone"]\n'
        f'sentinels = ["127.0.0.1:{ports[0]}", "127.0.0.1:{ports[1]}"]\nsentinel_password_file = "{secret}"\n'
    )
    proxy = stack.keep_proxy(kit.Program("alone-proxy", [kit.BINARY, "run", "-c", conf], [port], stack.path))
    assert proxy.is_ready(), proxy.output()
    with kit.Wire(port) as wire:
        wire.ask(b"GET k\r\n", b"-ERR no Sentinel has named the master yet\r\n")
        for number, password in enumerate(["s3cret", "other"]):
            path = stack.path / f"alone{number}.conf"
            path.write_text(
                f"port {ports[number]}\nbind 127.0.0.1\ndir {stack.path}\nrequirepass {password}\n"
                f"sentinel monitor alone 127.0.0.1 {node.port} 1\n"
            )
            argv = ["redis-server", path, "--sentinel"]
            program = kit.Program(f"sentinel-alone{number}", argv, [ports[number]], stack.path)
            assert program.is_ready(), program.output()
            stack.callback(program.kill)

        def works():
            wire.send(b"GET k\r\n")
            return wire.line() == b"$-1\r\n"

        kit.until(works, "the pool to heal")
    kit.until(lambda: "WRONGPASS" in proxy.output(), "the refusal in the log")
