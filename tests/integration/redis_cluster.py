"""A Redis Cluster of real servers on loopback: three masters, a replica of each, made in about a second."""

import contextlib
import threading

import redis

import kit

SLOTS = 16384
NODE_TIMEOUT_MS = 1000


class Node:
    """One server of the cluster, also after it was killed and started again."""

    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name
        self.ports = None
        self.start()
        self.id = self.say("CLUSTER", "MYID")

    def start(self):
        directory = self.cluster.path / self.name
        directory.mkdir(exist_ok=True)

        def argv(port, bus):
            options = {
                "port": port, "cluster-port": bus, "bind": "127.0.0.1", "cluster-enabled": "yes", "dir": directory,
                "cluster-node-timeout": NODE_TIMEOUT_MS, "save": "", "appendonly": "no", "repl-diskless-sync-delay": 0,
                "enable-debug-command": "yes", **self.cluster.options(port, bus),
            }
            words = [word for key, value in options.items() for word in (f"--{key}", value)]
            return ["redis-server", *words]

        if self.ports is None:
            self.program = kit.start(self.name, 2, argv, self.cluster.path)
            self.ports = self.program.ports
        else:
            self.program = kit.Program(self.name, argv(*self.ports), self.ports, self.cluster.path)
            assert self.program.is_ready(), self.program.output()
        self.direct = redis.Redis(port=self.port, decode_responses=True, socket_timeout=kit.ANSWER_SECONDS)

    @property
    def port(self):
        return self.ports[0]

    def say(self, *words):
        """The answer as it comes: redis-py makes something of its own of CLUSTER commands."""
        connection = self.direct.connection_pool.get_connection()
        try:
            connection.send_command(*words)
            return connection.read_response()
        finally:
            self.direct.connection_pool.release(connection)

    def info(self):
        return dict(line.split(":", 1) for line in self.say("CLUSTER", "INFO").split("\r\n") if line)


class Cluster:
    """Three masters share the slots, and each has a replica."""

    def __init__(self, stack, name="cluster", options=lambda _port, _bus: {}):
        self.path, self.options = stack.path / name, options
        self.path.mkdir()
        self.nodes = [Node(self, f"node{n}") for n in range(6)]
        stack.callback(lambda: [node.program.kill() for node in self.nodes])
        masters, replicas = self.nodes[:3], self.nodes[3:]
        for n, master in enumerate(masters):
            master.say("CLUSTER", "ADDSLOTSRANGE", n * SLOTS // 3, (n + 1) * SLOTS // 3 - 1)
            master.say("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
        for node in self.nodes[1:]:
            self.meet(node)
        self.wait_until_all_know(6)
        for master, replica in zip(masters, replicas):
            replica.say("CLUSTER", "REPLICATE", master.id)
        self.wait_until_whole()

    def meet(self, node):
        node.say("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port, self.bus_of(self.nodes[0]))

    def bus_of(self, node):
        """The port at which other nodes reach one."""
        return self.options(*node.ports).get("cluster-announce-bus-port", node.ports[1])

    def alive(self):
        return [node for node in self.nodes if node.program.process.poll() is None]

    def wait_until_all_know(self, count):
        def known():
            return all(node.info()["cluster_known_nodes"] == str(count) for node in self.alive())

        kit.until(known, "the nodes to know each other")

    def wait_until_whole(self):
        """Every node says that the cluster works, and every replica follows its master."""

        def whole():
            for node in self.alive():
                if node.info()["cluster_state"] != "ok":
                    return False
                replication = node.direct.info("replication")
                if replication["role"] == "slave" and replication["master_link_status"] != "up":
                    return False
            return sum(len(node.say("CLUSTER", "SLOTS")[0]) > 3 for node in self.alive()) == len(self.alive())

        kit.until(whole, "the cluster to be whole")

    @property
    def masters(self):
        """The masters that have slots, in the order of their first ones."""
        found = []
        for _, _, master, *_ in sorted(self.alive()[0].say("CLUSTER", "SLOTS")):
            node = next(node for node in self.nodes if node.port == master[1])
            found += [] if node in found else [node]
        return found

    def owner(self, slot):
        """The master of a slot, as the first node that lives sees it."""
        for first, last, master, *_ in self.alive()[0].say("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == master[1])
        return None

    def replica_of(self, master):
        """A replica of a master that lives."""
        for node in self.alive():
            own = next(line for line in node.say("CLUSTER", "NODES").split("\n") if "myself" in line)
            if f"myself,slave {master.id} " in own:
                return node
        return None

    def begin_move(self, slot, source, target):
        target.say("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.say("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)

    def move_keys(self, source, target, keys):
        if keys:
            source.say("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)

    def end_move(self, slot, source, target):
        target.say("CLUSTER", "SETSLOT", slot, "NODE", target.id)
        # With its last slot a master becomes a replica, possibly before it is told here.
        with contextlib.suppress(redis.ResponseError):
            source.say("CLUSTER", "SETSLOT", slot, "NODE", target.id)
        for node in self.alive():
            if node not in (source, target):
                # A replica learns of it from its master.
                with contextlib.suppress(redis.ResponseError):
                    node.say("CLUSTER", "SETSLOT", slot, "NODE", target.id)
        # Two moves that know nothing of each other may get one epoch, and then both nodes name the other as the owner.
        epoch = target.info()["cluster_my_epoch"]
        kit.until(lambda: f" {epoch} connected" in self.line_of(source, target), "the source to know of the move")

    def line_of(self, node, about):
        """What a node says about another one."""
        return next(line for line in node.say("CLUSTER", "NODES").split("\n") if line.startswith(about.id))

    def move(self, slot, source, target):
        """Moves a slot with all its keys."""
        self.begin_move(slot, source, target)
        while keys := source.say("CLUSTER", "GETKEYSINSLOT", slot, 100):
            self.move_keys(source, target, keys)
        self.end_move(slot, source, target)

    def questions(self):
        """How often nodes were asked about their slots."""
        stats = [node.direct.info("commandstats") for node in self.alive()]
        names = ("cmdstat_cluster|slots", "cmdstat_cluster|shards")
        return sum(found.get(name, {"calls": 0})["calls"] for found in stats for name in names)


def key_slot(key):
    """The slot of a key without a tag."""
    crc = 0
    for byte in key.encode():
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021) & 0xFFFF if crc & 0x8000 else crc << 1
    return crc % SLOTS


def keys_in(slots, count, name="k"):
    """So many keys whose slots are among these."""
    found, n = [], 0
    while len(found) < count:
        if key_slot(f"{name}{n}") in slots:
            found.append(f"{name}{n}")
        n += 1
    return found


class Crew:
    """Clients of a pool, each on a thread of its own, until the end of a `with` block; what goes wrong in one fails the test. A kind of
    crew defines `run(client, number)`, which ends once `ending` is set."""

    def __init__(self, client_of, pool, clients):
        self.client_of, self.pool, self.ending, self.faults = client_of, pool, threading.Event(), []
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *failure):
        self.ending.set()
        for thread in self.threads:
            thread.join()
        if failure == (None, None, None):
            assert not self.faults, self.faults[:5]

    def work(self, n):
        try:
            with self.client_of(self.pool) as client:
                self.run(client, n)
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is the test's failure
            self.faults.append(repr(fault))
