"""A live topic moves from NATS JetStream to its nodes, while the one that gets what waited is killed again and again."""

import collections
import itertools
import sys
import threading
import time

import pytest

import kit
from nats import start_nats, start_node
from test_engine import Publisher, consumer, publish, receive, stats
from test_engine_move import after, move

sys.path.insert(0, str(kit.ROOT / "tests/crash"))
from nsqlib import MESSAGE, Message, dpub, mpub, pub  # noqa: E402

pytestmark = [
    pytest.mark.needs("nats-server"),
    pytest.mark.skipif(kit.IS_ORIGINAL, reason="the binary is nutcracker"),
]

CHANNELS = (b"a", b"b")
#: A node that has died leaves what it had fetched to the next one after 30 seconds.
SECONDS = 100


def create(node, topic):
    for name in CHANNELS:
        kit.fetch(node.ports[1], f"/topic/create?topic={topic}", "POST", "")
        kit.fetch(node.ports[1], f"/channel/create?topic={topic}&channel={name.decode()}", "POST", "")


def take_all(readers, got, enough):
    """Finishes messages of several consumers until there are enough."""
    deadline = time.monotonic() + SECONDS
    while not enough():
        assert time.monotonic() < deadline, f"{len(got)} messages"
        for reader in readers:
            for kind, data in reader.frames(0.05):
                if kind == MESSAGE:
                    message = Message(data)
                    got[message.body] += 1
                    reader.send(b"FIN %s\n" % message.id)


def is_local(node, topic):
    return stats(node, topic).get("storage") != "engine"


def test_clients_of_all_nodes_stay_connected_while_their_topic_leaves():
    with kit.Stack() as stack:
        nats = stack.keep(start_nats(stack))
        servers = [f"127.0.0.1:{nats.port}"]
        one, two = nodes = [stack.keep(start_node(stack, name, servers)) for name in ("one", "two")]
        create(one, "live")
        publish(one, *(mpub(b"live", [b"old-%d" % n for n in range(at, at + 500)]) for at in range(0, 5000, 500)))
        publish(two, dpub(b"live", 6000, b"later"))
        readers = [consumer(node, b"live", b"a", ready=50) for node in nodes]
        got = collections.Counter(message.body for reader in readers for message in receive(reader, 100))
        held = [receive(reader, 20, finish=False) for reader in readers]
        publishers = [Publisher(node, b"live", f"p{n}") for n, node in enumerate(nodes)]
        for publisher in publishers:
            publisher.start()
        kit.until(lambda: all(len(its.accepted) > 50 for its in publishers), "publications before the move")
        outcomes = []
        order = threading.Thread(target=lambda: outcomes.append(move(one, "live", "local")), daemon=True)
        order.start()
        for node in nodes:
            kit.until(lambda node=node: is_local(node, "live"), "the switch")
        # What was held before is finished over the same connection.
        for reader, messages in zip(readers, held):
            for message in messages:
                got[message.body] += 1
                reader.send(b"FIN %s\n" % message.id)
        enough = [len(its.accepted) + 50 for its in publishers]
        take_all(readers, got, lambda: all(len(its.accepted) > n for its, n in zip(publishers, enough)))
        for publisher in publishers:
            publisher.ending.set()
            publisher.join()
        old = {b"old-%d" % n for n in range(5000)} | {b"later"}
        expected = old.union(*(publisher.accepted for publisher in publishers))
        take_all(readers, got, lambda: expected <= set(got))
        order.join()
        [moved] = outcomes
        assert moved.returncode == 0, moved.stderr
        assert "publishers and consumers use the local topic" in moved.stdout
        print("longest stalls of publishers:", *(f"{its.stall * 1000:.0f} ms" for its in publishers))
        assert max(got.values()) == 1, [body for body, count in got.items() if count > 1][:5]
        others = collections.Counter()
        seconds = [consumer(node, b"live", b"b", ready=500) for node in nodes]
        take_all(seconds, others, lambda: expected <= set(others))
        assert set(others) == expected
        assert max(others.values()) == 1, "nothing was given to it before"
        for node in nodes:
            kit.until(lambda node=node: stats(node, "live.leaving") is None, "the end of the move")
        assert move(one, "live", "local").returncode == 0, "it is there"
        for reader in readers + seconds:
            reader.close()
        # The rules of these nodes put the topic on the engine.
        assert move(one, "live").returncode == 0
        assert not is_local(one, "live")


def test_a_home_that_dies_again_and_again_gets_everything():
    """Killed at points that differ by tens of milliseconds; then every message is at a node, for each channel."""
    with kit.Stack() as stack:
        nats = stack.keep(start_nats(stack))
        servers = [f"127.0.0.1:{nats.port}"]
        one = start_node(stack, "one", servers)
        two = stack.keep(start_node(stack, "two", servers))
        create(one, "killed")
        count = 30000
        for at in range(0, count, 1000):
            publish(one, mpub(b"killed", [b"%d" % n for n in range(at, at + 1000)]))
        late = itertools.count(count)
        for round in range(8):
            order = threading.Thread(target=lambda: move(one, "killed", "local"), daemon=True)
            order.start()
            kit.until(after(0.01 + 0.06 * round), "the point of the kill")
            one.kill()
            order.join()
            one = start_node(stack, "one", servers, ports=one.ports)
            kit.until(lambda: kit.fetch(one.ports[1], "/ping")[0] == 200, "the node to be well")
            for node in (one, two):
                publish(node, pub(b"killed", b"%d" % next(late)))
        stack.keep(one)
        # It is refused until the engine has told what it has.
        kit.until(lambda: move(one, "killed", "local").returncode == 0, "the end of the move", seconds=SECONDS)
        assert stats(one, "killed.leaving") is None
        expected = {b"%d" % n for n in range(next(late))}
        for name in CHANNELS:
            got = collections.Counter()
            readers = [consumer(node, b"killed", name, ready=500) for node in (one, two)]
            take_all(readers, got, lambda: expected <= set(got))
            got.update(Message(data).body for reader in readers for _, data in reader.frames(1))
            assert set(got) == expected
            # What a channel has when its node starts is recognized. Only what consumers finish before a kill, of
            # messages whose end the engine has not heard of (250 of a channel at most), may come twice: none here.
            assert max(got.values()) == 1, collections.Counter(got.values())
            for reader in readers:
                reader.close()
