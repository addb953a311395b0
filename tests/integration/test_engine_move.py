"""A live topic moves from the journal of its node to NATS JetStream, while the node is killed again and again."""

import collections
import itertools
import subprocess
import sys
import threading
import time

import pytest

import kit
from nats import start_nats, start_node
from test_engine import Publisher, channel, consumer, publish, receive, stats, take_each

sys.path.insert(0, str(kit.ROOT / "tests/crash"))
from nsqlib import mpub, pub  # noqa: E402

pytestmark = [
    pytest.mark.needs("nats-server"),
    pytest.mark.skipif(kit.IS_ORIGINAL, reason="the binary is nutcracker"),
]

#: Topics of these nodes are local unless they are moved.
LOCAL = {"never.*": "engine"}


def move(node, topic, storage="engine"):
    return subprocess.run(
        [kit.BINARY, "topic", "move", topic, "--storage", storage, "--address", f"127.0.0.1:{node.ports[1]}"],
        capture_output=True, text=True, timeout=120, check=False,
    )


def test_clients_stay_connected_while_their_topic_moves():
    with kit.Stack() as stack:
        nats = stack.keep(start_nats(stack))
        servers = [f"127.0.0.1:{nats.port}"]
        one, two = (stack.keep(start_node(stack, name, servers, topics=LOCAL)) for name in ("one", "two"))
        for name in ("a", "b"):
            kit.fetch(one.ports[1], "/topic/create?topic=live", "POST", "")
            kit.fetch(one.ports[1], f"/channel/create?topic=live&channel={name}", "POST", "")
        publish(one, *(mpub(b"live", [b"old-%d" % n for n in range(at, at + 500)]) for at in range(0, 5000, 500)))
        first = consumer(one, b"live", b"a", ready=50)
        got = collections.Counter(message.body for message in receive(first, 100))
        held = receive(first, 20, finish=False)
        publisher = Publisher(one, b"live", "p")
        publisher.start()
        kit.until(lambda: len(publisher.accepted) > 50, "publications before the move")
        outcomes = []
        order = threading.Thread(target=lambda: outcomes.append(move(one, "live")), daemon=True)
        order.start()
        kit.until(lambda: stats(one, "live").get("storage") == "engine", "the switch")
        # What was held before is finished over the same connection.
        for message in held:
            got[message.body] += 1
            first.send(b"FIN %s\n" % message.id)
        enough = len(publisher.accepted)
        take_each(first, lambda body: got.update([body]), lambda: len(publisher.accepted) > enough + 50)
        publisher.ending.set()
        publisher.join()
        expected = set(publisher.accepted) | {b"old-%d" % n for n in range(5000)}
        take_each(first, lambda body: got.update([body]), lambda: expected <= set(got))
        order.join()
        [moved] = outcomes
        assert moved.returncode == 0, moved.stderr
        assert "publishers and consumers use the engine topic" in moved.stdout
        print(f"longest stall of a publisher: {publisher.stall * 1000:.0f} ms")
        kit.until(lambda: channel(two, "live", "b"), "the channel at the other node")
        second = consumer(two, b"live", b"b")
        others = collections.Counter()
        take_each(second, lambda body: others.update([body]), lambda: expected <= set(others))
        assert max(others.values()) == 1, "nothing was given to it before"
        assert max(got.values()) == 1, [body for body, count in got.items() if count > 1][:5]
        kit.until(lambda: stats(one, "live.moving") is None, "the end of the move")
        assert move(one, "live").returncode == 0, "it is there"
        first.close()
        second.close()


def test_a_node_that_dies_again_and_again_goes_on_moving():
    """Killed at points that differ by tens of milliseconds; then every message is at the engine, once for each channel."""
    with kit.Stack() as stack:
        nats = stack.keep(start_nats(stack))
        servers = [f"127.0.0.1:{nats.port}"]
        one = start_node(stack, "one", servers, topics=LOCAL)
        two = stack.keep(start_node(stack, "two", servers, topics=LOCAL))
        count = 30000
        for name in ("a", "b"):
            kit.fetch(one.ports[1], "/topic/create?topic=killed", "POST", "")
            kit.fetch(one.ports[1], f"/channel/create?topic=killed&channel={name}", "POST", "")
        for at in range(0, count, 1000):
            publish(one, mpub(b"killed", [b"%d" % n for n in range(at, at + 1000)]))
        late = itertools.count(count)
        for round in range(8):
            answer = []
            order = threading.Thread(target=lambda: answer.append(move(one, "killed")), daemon=True)
            order.start()
            kit.until(after(0.01 + 0.06 * round), "the point of the kill")
            one.kill()
            order.join()
            one = start_node(stack, "one", servers, ports=one.ports, topics=LOCAL)
            kit.until(lambda: kit.fetch(one.ports[1], "/ping")[0] == 200, "the node to be well")
            publish(one, pub(b"killed", b"%d" % next(late)))
        stack.keep(one)
        assert move(one, "killed").returncode == 0
        assert stats(one, "killed.moving") is None
        expected = {b"%d" % n for n in range(next(late))}
        for name in (b"a", b"b"):
            kit.until(lambda: channel(two, "killed", name.decode()), "the channel at the other node")
            reader = consumer(two, b"killed", name, ready=500)
            got = collections.Counter()
            take_each(reader, lambda body: got.update([body]), lambda: expected <= set(got))
            got.update(data for _, data in reader.frames(1))
            assert set(got) == expected
            # The engine recognizes within two minutes what is sent again.
            assert max(got.values()) == 1, collections.Counter(got.values())
            reader.close()


def after(seconds):
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() > deadline
