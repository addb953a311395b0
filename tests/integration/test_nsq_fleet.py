"""A fleet: lookups and queues of ours, and clients that find the queues through the lookups, while both come and go."""

import asyncio
import contextlib
import signal
import socket

import kit
import pytest

nsq = pytest.importorskip("nsq")

SECONDS = 90
POLL_SECONDS = 1
# What a busy machine may take beside the poll itself.
SLACK_SECONDS = 10


async def until(condition):
    """Waits until something holds."""
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


def fetch(program, path, method="GET", body=None):
    """Status and body of an answer of a program over HTTP."""
    return kit.fetch(program.ports[1], path, method, body)


def producers_of(lookup, topic):
    """TCP ports of those who have a topic, as this lookup says."""
    status, answer = fetch(lookup, f"/lookup?topic={topic}")
    return sorted(node["tcp_port"] for node in answer["producers"]) if status == 200 else []


class Fleet(kit.Stack):
    """Lookups, queues that register with all of them, and readers."""

    def __init__(self, lookups, queues):
        super().__init__()
        self.lookups = [self.lookup(f"lookup{n}") for n in range(lookups)]
        self.queues = [self.queue(f"queue{n}") for n in range(queues)]
        self.readers = []

    def lookup(self, name, ports=None):
        return self.keep_proxy(kit.start_nsqlookupd(self.path, name=name, ports=ports))

    def queue(self, name):
        peers = [f"--lookupd-tcp-address=127.0.0.1:{lookup.ports[0]}" for lookup in self.lookups]
        return self.keep_proxy(kit.start_nsqd(self.path, "--broadcast-address=127.0.0.1", *peers, name=name))

    def lose(self, program):
        """Kills it: nobody minds its status at the end."""
        program.kill()
        program.stop = lambda: 0

    def read(self, topic, channel, handler):
        """A reader of pynsq that knows the lookups only."""
        reader = nsq.Reader(
            message_handler=handler,
            topic=topic,
            channel=channel,
            lookupd_http_addresses=[f"http://127.0.0.1:{lookup.ports[1]}" for lookup in self.lookups],
            lookupd_poll_interval=POLL_SECONDS,
            lookupd_poll_jitter=0.0,
            max_in_flight=20,
        )
        self.readers.append(reader)

    def close_readers(self):
        for reader in self.readers:
            reader.close()


def publish(queue, topic, body):
    assert fetch(queue, f"/pub?topic={topic}", "POST", body) == (200, "OK")


def test_a_fleet_that_moves_loses_nothing():
    """One lookup is killed, one queue is killed and comes back elsewhere, a topic is tombstoned and deleted on one of them."""

    async def scenario(fleet):
        first, second = fleet.lookups
        sent, got = set(), set()

        def send(queue, number):
            body = b"%s-%d" % (queue.name.encode(), number)
            publish(queue, "orders", body)
            sent.add(body)

        def handler(message):
            got.add(message.body)
            return True

        for queue in fleet.queues:
            send(queue, 0)
        fleet.read("orders", "billing", handler)
        await until(lambda: got == sent)
        ports = sorted(queue.ports[0] for queue in fleet.queues)
        assert producers_of(first, "orders") == producers_of(second, "orders") == ports

        # A lookup dies: whoever is connected stays, and the other one answers.
        fleet.lose(first)
        for queue in fleet.queues:
            send(queue, 1)
        await until(lambda: got == sent)

        # A queue dies with messages and comes back on other ports, with the same data.
        moved = fleet.queues[0]
        for number in range(2, 50):
            send(moved, number)
        fleet.lose(moved)
        await until(lambda: moved.ports[0] not in producers_of(second, "orders"))
        fleet.lookups = [second]
        fleet.queues[0] = fleet.queue("queue0")
        await until(lambda: fleet.queues[0].ports[0] in producers_of(second, "orders"))
        send(fleet.queues[0], 50)
        await until(lambda: got == sent)

        # A topic goes from one queue: hidden first, so that no reader makes it again, then deleted.
        last = fleet.queues[2]
        node = f"127.0.0.1:{last.ports[1]}"
        assert fetch(second, f"/topic/tombstone?topic=orders&node={node}", "POST")[0] == 200
        assert last.ports[0] not in producers_of(second, "orders")
        assert fetch(last, "/topic/delete?topic=orders", "POST")[0] == 200
        for queue in fleet.queues[:2]:
            send(queue, 60)
        await until(lambda: got == sent)
        assert len(producers_of(second, "orders")) == 2
        fleet.close_readers()

    with Fleet(lookups=2, queues=3) as fleet:
        asyncio.run(scenario(fleet))


class Producer:
    """Publishes numbered messages to a queue, without a pause, and notes which were accepted."""

    def __init__(self, queue, topic):
        self.queue, self.topic, self.sent, self.on = queue, topic, set(), True
        self.task = asyncio.create_task(self.run())

    async def run(self):
        number = 0
        while self.on:
            body = f"{self.queue.name}:{self.queue.ports[0]}:{number}"
            with contextlib.suppress(OSError):
                path = f"/pub?topic={self.topic}"
                if (await asyncio.to_thread(kit.fetch, self.queue.ports[1], path, "POST", body)) == (200, "OK"):
                    self.sent.add(body.encode())
            number += 1
            await asyncio.sleep(0.005)

    async def stop(self):
        self.on = False
        await self.task


def test_everything_moves_while_messages_flow():
    """Consumers come and go, a lookup dies, a queue moves, nsqadmin takes a topic from another: nobody loses a message, and
    consumers reach each queue within the interval of their polls."""

    async def scenario(fleet):
        loop = asyncio.get_running_loop()
        first, second = fleet.lookups
        got, first_seen = set(), {}

        def handler(message):
            got.add(message.body)
            first_seen.setdefault(message.body.split(b":")[1], loop.time())
            return True

        def all_arrived():
            return set().union(*(producer.sent for producer in producers)) <= got

        async def reached(queue):
            await until(lambda: queue.ports[0] in producers_of(second, "orders"))
            known = loop.time()
            await until(lambda: b"%d" % queue.ports[0] in first_seen)
            assert first_seen[b"%d" % queue.ports[0]] - known < POLL_SECONDS + SLACK_SECONDS

        producers = [Producer(queue, "orders") for queue in fleet.queues]
        fleet.read("orders", "billing", handler)
        fleet.read("orders", "billing", handler)
        for queue in fleet.queues:
            await reached(queue)

        # A consumer leaves with messages in flight, another one comes.
        fleet.readers.pop(0).close()
        fleet.read("orders", "billing", handler)
        await until(lambda: sum(len(producer.sent) for producer in producers) > 100)

        # A lookup dies, then a queue, which comes back elsewhere.
        fleet.lose(first)
        moved = fleet.queues[0]
        await producers[0].stop()
        fleet.lose(moved)
        fleet.lookups = [second]
        fleet.queues[0] = fleet.queue("queue0")
        assert fleet.queues[0].ports != moved.ports
        producers.append(Producer(fleet.queues[0], "orders"))
        await reached(fleet.queues[0])

        # A queue is drained and loses the topic, by way of nsqadmin, which knows of the dead lookup.
        last = fleet.queues[2]
        await producers[2].stop()
        await until(lambda: producers[2].sent <= got)
        asked = [f"--lookupd-http-address=127.0.0.1:{lookup.ports[1]}" for lookup in (first, second)]
        admin = fleet.keep_proxy(kit.start_nsqadmin(fleet.path, *asked))
        node = f"127.0.0.1:{last.ports[1]}"
        status, answer = await asyncio.to_thread(
            kit.fetch, admin.port, f"/api/nodes/{node}", "DELETE", {"topic": "orders"}
        )
        assert status == 200 and answer["message"].startswith("WARNING: "), answer
        assert last.ports[0] not in producers_of(second, "orders")

        before = len(got)
        await until(lambda: len(got) > before + 100)
        for producer in (producers[1], producers[3]):
            await producer.stop()
        await until(all_arrived)
        assert len(producers_of(second, "orders")) == 2, "no consumer made the topic anew"
        fleet.close_readers()

    with Fleet(lookups=2, queues=3) as fleet:
        asyncio.run(scenario(fleet))


def test_a_lookup_that_comes_back_is_filled_again():
    """On its old ports and empty: the queues register again by themselves."""

    async def scenario(fleet):
        (lookup,) = fleet.lookups
        for queue in fleet.queues:
            publish(queue, "orders", b"x")
            assert fetch(queue, "/channel/create?topic=orders&channel=billing", "POST")[0] == 200
        await until(lambda: len(producers_of(lookup, "orders")) == 2)
        fleet.lose(lookup)
        again = fleet.lookup("again", lookup.ports)
        await until(lambda: len(producers_of(again, "orders")) == 2)
        assert fetch(again, "/channels?topic=orders") == (200, {"channels": ["billing"]})

    with Fleet(lookups=1, queues=2) as fleet:
        asyncio.run(scenario(fleet))


def test_a_lookup_that_restarts_answers_from_its_snapshot():
    """At once, marked stale; queues that register again are stale no more, and those that do not are forgotten in time."""
    with kit.Stack() as stack:
        options = {"snapshot": stack.path / "lookup.json", "snapshot_lifetime": "4s"}
        lookup = stack.keep_proxy(kit.start_lookup(stack.path, options))
        queues = [
            stack.keep_proxy(
                kit.start_nsqd(
                    stack.path,
                    "--broadcast-address=127.0.0.1",
                    f"--lookupd-tcp-address=127.0.0.1:{lookup.ports[0]}",
                    name=f"queue{number}",
                )
            )
            for number in range(2)
        ]
        for queue in queues:
            publish(queue, "orders", b"x")
        kit.until(lambda: len(producers_of(lookup, "orders")) == 2, "both are registered")
        kit.until(lambda: b"orders" in read_bytes(options["snapshot"]), "a snapshot is written")
        kit.until(lambda: read_bytes(options["snapshot"]).count(b"orders") == 2, "of both")
        lookup.kill()
        lookup.stop = lambda: 0
        # One queue cannot register again: it is there all the same, until the snapshot is too old.
        queues[1].signal(signal.SIGSTOP)
        again = stack.keep_proxy(kit.start_lookup(stack.path, options, ports=lookup.ports, name="again"))
        first = fetch(again, "/lookup?topic=orders")[1]["producers"]
        assert sorted(node["tcp_port"] for node in first) == sorted(queue.ports[0] for queue in queues)

        def stale():
            nodes = fetch(again, "/lookup?topic=orders")[1]["producers"]
            assert len({node["tcp_port"] for node in nodes}) == len(nodes), "nobody is there twice"
            return {node["tcp_port"]: node.get("stale", False) for node in nodes}

        kit.until(lambda: stale().get(queues[0].ports[0]) is False, "the first is back")
        kit.until(lambda: queues[1].ports[0] not in stale(), "the second is forgotten")
        queues[1].signal(signal.SIGCONT)
        kit.until(lambda: stale() == {queue.ports[0]: False for queue in queues}, "it comes back")
        assert again.stop() == 0
        assert read_bytes(options["snapshot"]).count(b"orders") == 2, "a stop writes a last one"
        again.stop = lambda: 0


def read_bytes(path):
    return path.read_bytes() if path.exists() else b""


def test_nuthatches_that_carry_lookups_name_each_others():
    """Three of them, each with a queue and a lookup, registered with all three: any one may die, the others know the rest."""
    with kit.Stack() as stack:
        ports = [kit.free_port() for _ in range(6)]
        peers = [f"127.0.0.1:{port}" for port in ports[:3]]
        nodes = [
            stack.keep_proxy(kit.start_node(stack.path, (ports[n], ports[n + 3]), peers, name=f"node{n}")) for n in range(3)
        ]
        for node in nodes:
            assert kit.fetch(node.ports[1], "/pub?topic=orders", "POST", "x") == (200, "OK")
        all_three = sorted(node.ports[0] for node in nodes)

        def known_by(port):
            status, answer = kit.fetch(port, "/lookup?topic=orders")
            return sorted(node["tcp_port"] for node in answer["producers"]) if status == 200 else []

        for port in ports[3:]:
            kit.until(lambda: known_by(port) == all_three, "every lookup knows every queue")
        nodes[0].kill()
        nodes[0].stop = lambda: 0
        for port in ports[4:]:
            kit.until(lambda: known_by(port) == sorted(node.ports[0] for node in nodes[1:]), "the others know the rest")


def test_a_queue_registers_with_the_lookup_of_its_own_process():
    """Without being told; the admin port has the lookup's numbers."""
    with kit.Stack() as stack:
        lookup_tcp, lookup_http, admin = (kit.free_port() for _ in range(3))
        node = stack.keep_proxy(kit.start_node(stack.path, (lookup_tcp, lookup_http), [], name="node", admin=admin))
        assert kit.fetch(node.ports[1], "/pub?topic=orders", "POST", "x") == (200, "OK")

        def is_known():
            status, answer = kit.fetch(lookup_http, "/lookup?topic=orders")
            return status == 200 and [it["tcp_port"] for it in answer["producers"]] == [node.ports[0]]

        def numbers():
            lines = kit.fetch(admin, "/metrics")[1].splitlines()
            return dict(line.split() for line in lines if line.startswith("nuthatch_lookup_"))

        kit.until(is_known, "the lookup knows the queue")
        expected = {"connections": "1", "producers": "1", "stale_producers": "0", "topics": "1", "channels": "0"}
        expected = {f"nuthatch_lookup_{name}": value for name, value in expected.items()}
        kit.until(lambda: numbers() == expected, numbers)


@pytest.mark.needs("node")
def test_nsqjs_finds_queues_through_a_lookup():
    """One message on each queue reaches a reader that knows the lookup only."""
    with Fleet(lookups=1, queues=2) as fleet:
        (lookup,) = fleet.lookups
        for number, queue in enumerate(fleet.queues):
            publish(queue, "orders", b"from-%d" % number)
        asyncio.run(until(lambda: len(producers_of(lookup, "orders")) == 2))
        assert kit.node("nsqjs_lookup.js", f"127.0.0.1:{lookup.ports[1]}", "orders", 2).strip() == "ok"


def test_a_packet_that_kills_the_original_does_nothing_here():
    """nsqlookupd dies of a size below zero."""
    with kit.Stack() as stack:
        lookup = stack.keep_proxy(kit.start_nsqlookupd(stack.path))
        for packet in (b"  V1IDENTIFY\n\xff\xff\xff\xff", b"  V1IDENTIFY\n\x7f\xff\xff\xff", b"  V1" + b"x" * 100_000):
            with socket.create_connection(("127.0.0.1", lookup.ports[0]), timeout=30) as client:
                client.sendall(packet)
                answer = client.recv(1000)
                assert answer == b"" or b"E_" in answer, answer
        assert fetch(lookup, "/ping") == (200, "OK")
        assert fetch(lookup, "/topic/create?topic=t", "POST")[0] == 200
        assert fetch(lookup, "/topic/delete?topic=*", "POST")[0] == 200
        assert fetch(lookup, "/topics") == (200, {"topics": ["t"]})
