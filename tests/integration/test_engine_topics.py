"""Settings, dead letters, limits, retention, moved channels and shown messages of topics on NATS JetStream: two nuthatches over one
server, and a cluster where a leader matters."""

import datetime
import json
import sys
import threading
import time

import pytest

import kit
from nats import Cluster, ask, put, start_nats, start_node
from test_engine import channel, consumer, post, publish, publishes, receive, spare, stats, take_each

sys.path.insert(0, str(kit.ROOT / "tests/crash"))
from nsqlib import Connection, dpub, mpub, pub  # noqa: E402

pytestmark = [
    pytest.mark.needs("nats-server"),
    pytest.mark.skipif(kit.IS_ORIGINAL, reason="the binary is nutcracker"),
]


@pytest.fixture(scope="module")
def pair(stack):
    """Two nodes over one server."""
    nats = stack.keep(start_nats(stack))
    servers = [f"127.0.0.1:{nats.port}"]
    nodes = [stack.keep(start_node(stack, name, servers)) for name in ("one", "two")]
    return [nats] + nodes


def send(node, method, path, body="", wanted=200):
    status, answer = kit.fetch(node.ports[1], path, method, body)
    assert status == wanted, (path, status, answer)
    return answer


def shown(node, path):
    return [message["body"] for message in send(node, "GET", path)["messages"]]


def configure(node, topic, name=None, **settings):
    path = f"/topic/settings?topic={topic}" if name is None else f"/channel/settings?topic={topic}&channel={name}"
    send(node, "PUT", path, json.dumps(settings))


def create(nodes, topic, name="c"):
    """A topic with a channel that all nodes know."""
    post(nodes[0], f"/topic/create?topic={topic}")
    post(nodes[0], f"/channel/create?topic={topic}&channel={name}")
    for node in nodes:
        kit.until(lambda: channel(node, topic, name), "the channel at each node")


def requeue(reader, count, seconds=60):
    """Requeues so many deliveries at once; returns the bodies and attempts."""
    got = receive(reader, count, seconds, finish=False)
    reader.send(b"".join(b"REQ %s 0\n" % message.id for message in got))
    return [(message.body, message.attempts) for message in got]


def counted(node, topic, name=None):
    """The figures of a topic or a channel, those beyond nsqd's among them."""
    found = send(node, "GET", f"/stats?format=json&include_limits=true&topic={topic}")["topics"][0]
    return found if name is None else next(its for its in found["channels"] if its["channel_name"] == name)


def stream(nats, topic):
    """The stream of a topic, with its state."""
    return ask(nats.port, f"STREAM.INFO.nuthatch-{topic}")


def consumers(nats, topic):
    return ask(nats.port, f"CONSUMER.NAMES.nuthatch-{topic}")["consumers"] or []


def test_settings_hold_at_all_nodes_and_after_a_restart(stack, pair):
    _, one, two = pair
    create(pair[1:], "set")
    configure(one, "set", ttl_seconds=3600, bytes_max=100000)
    configure(two, "set", "c", max_attempts=7)
    third = spare(stack, "third")
    for node in (one, two, third):
        of_topic = lambda: send(node, "GET", "/topic/settings?topic=set")
        kit.until(lambda: channel(node, "set", "c") and of_topic()["ttl_seconds"] == 3600, "the settings of the topic")
        of_channel = lambda: send(node, "GET", "/channel/settings?topic=set&channel=c")
        kit.until(lambda: of_channel()["max_attempts"] == 7, "the settings of the channel")
        assert of_topic()["bytes_max"] == 100000
    third.kill()
    # A topic of the same name that is created again has none of them.
    post(two, "/topic/delete?topic=set")
    kit.until(lambda: stats(one, "set") is None, "the deletion")
    create(pair[1:], "set")
    assert send(one, "GET", "/topic/settings?topic=set")["ttl_seconds"] == 0


def test_a_message_whose_attempts_are_used_up_is_a_letter_on_the_engine_and_comes_back(pair):
    nats, one, two = pair
    create(pair[1:], "tried")
    post(one, "/channel/create?topic=tried&channel=other")
    configure(one, "tried", "c", max_attempts=2)
    other = consumer(one, b"tried", b"other")
    kit.until(lambda: send(two, "GET", "/channel/settings?topic=tried&channel=c")["max_attempts"] == 2, "the setting")
    reader = consumer(two, b"tried", b"c")
    publish(one, pub(b"tried", b"a"), pub(b"tried", b"b"))
    assert len(receive(other, 2)) == 2
    assert sorted(requeue(reader, 2) + requeue(reader, 2)) == [(b"a", 1), (b"a", 2), (b"b", 1), (b"b", 2)]
    letters = "/channel/peek?topic=tried&channel=c&what=dead"
    kit.until(lambda: len(shown(one, letters)) == 2, "the letters at the other node")
    [first, _] = send(one, "GET", letters)["messages"]
    origin = first["origin"]
    assert (origin["topic"], origin["channel"], origin["attempts"], origin["reason"]) == ("tried", "c", 2, "requeued")
    assert [counted(node, "tried", "c")["dead_count"] for node in (one, two)] == [0, 2]
    assert stats(one, "tried.c.dead")["storage"] == "engine"
    assert send(one, "POST", "/channel/redrive?topic=tried&channel=c&count=1") == {"count": 1}
    assert [message.attempts for message in receive(reader, 1)] == [1]
    assert not other.frames(0.5), "it is for one channel alone"
    assert send(two, "POST", "/channel/redrive?topic=tried&channel=c") == {"count": 1}
    assert send(two, "POST", "/channel/redrive?topic=tried&channel=c") == {"count": 0}
    assert len(receive(reader, 1)) == 1
    assert shown(two, letters) == []
    kit.until(lambda: stream(nats, "tried")["state"]["messages"] == 0, "the end of the messages")
    reader.close()
    other.close()


def test_only_letters_that_died_in_time_are_brought_back(pair):
    _, one, _ = pair
    create(pair[1:], "late")
    configure(one, "late", "c", max_attempts=1)
    reader = consumer(one, b"late", b"c")
    publish(one, pub(b"late", b"early"))
    requeue(reader, 1)
    letters = "/channel/peek?topic=late&channel=c&what=dead"
    kit.until(lambda: shown(one, letters) == ["early"], "the first letter")
    between = send(one, "GET", letters)["messages"][0]["timestamp"] + 1_000_000
    publish(one, pub(b"late", b"late"))
    requeue(reader, 1)
    kit.until(lambda: shown(one, letters) == ["early", "late"], "both letters")
    since = datetime.datetime.fromtimestamp(between / 1e9, datetime.timezone.utc).isoformat().replace("+00:00", "Z")
    assert send(one, "POST", f"/channel/redrive?topic=late&channel=c&since={since}") == {"count": 1}
    assert [message.body for message in receive(reader, 1)] == [b"late"]
    assert send(one, "POST", "/channel/redrive?topic=late&channel=c") == {"count": 1}
    assert [message.body for message in receive(reader, 1)] == [b"early"]
    reader.close()


def test_a_node_that_dies_while_it_writes_letters_loses_none(stack, pair):
    """Killed again and again while messages die at it: each is a letter in the end, once."""
    _, one, _ = pair
    create(pair[1:], "dying")
    configure(one, "dying", "c", max_attempts=1)
    bodies = {b"%d" % n for n in range(300)}
    publish(one, mpub(b"dying", sorted(bodies)))
    letters = consumer(one, b"dying.c.dead", b"r", ready=500)
    got = []
    note = lambda seconds: take_each(letters, got.append, after(seconds))
    for round in range(4):
        dying = spare(stack, f"dying{round}")
        kit.until(lambda: channel(dying, "dying", "c"), "the channel")
        reader = consumer(dying, b"dying", b"c", ready=50)
        killer = threading.Timer(0.4 + 0.1 * round, dying.kill)
        killer.start()
        try:
            while True:
                requeue(reader, 1, seconds=5)
        except (OSError, AssertionError):
            pass
        killer.join()
        note(0.3)
    reader = consumer(one, b"dying", b"c", ready=500)
    requeued = threading.Thread(target=requeue_all, args=(reader, lambda: bodies <= set(got)), daemon=True)
    requeued.start()
    take_each(letters, got.append, lambda: bodies <= set(got))
    note(2)
    requeued.join()
    assert set(got) == bodies
    # The engine recognizes a letter that is written again within two minutes.
    assert len(got) == len(bodies), f"{len(got) - len(bodies)} letters came twice"
    letters.close()


def after(seconds):
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() > deadline


def requeue_all(reader, enough):
    while not enough():
        for _, data in reader.frames(0.2):
            reader.send(b"REQ %s 0\n" % data[10:26])
    reader.close()


def test_a_full_topic_refuses_or_drops(pair):
    nats, one, two = pair
    create(pair[1:], "full")
    configure(one, "full", bytes_max=10000)
    publish(two, *(pub(b"full", b"%d" % n + b"x" * 1000) for n in range(8)))
    status, answer = kit.fetch(two.ports[1], "/pub?topic=full", "POST", "y" * 3000)
    assert status == 503 and "TOPIC_FULL" in str(answer), (status, answer)
    client = Connection(one.port)
    client.send(pub(b"full", b"y" * 3000))
    assert client.frames(5)[0][1] == b"E_PUB_FAILED PUB failed topic is full"
    client.close()
    kit.until(lambda: counted(two, "full")["rejected_count"] == 1, "the count")
    configure(two, "full", bytes_max=10000, at_limit="drop-oldest")
    publish(one, pub(b"full", b"last" + b"y" * 3000))
    reader = consumer(two, b"full", b"c")
    got = [message.body[:1] for message in receive(reader, 7)]
    assert got[-1] == b"l" and got[0] != b"0" and not reader.frames(0.5), got
    assert stream(nats, "full")["config"]["max_bytes"] == 10000
    configure(one, "full")
    assert stream(nats, "full")["config"]["max_bytes"] == -1
    reader.close()


def test_a_message_that_is_too_old_is_not_delivered(pair):
    _, one, two = pair
    create(pair[1:], "aged")
    configure(one, "aged", ttl_seconds=1)
    publish(one, pub(b"aged", b"old"))
    kit.until(lambda: send(two, "GET", "/topic/settings?topic=aged")["ttl_seconds"] == 1, "the setting")
    kit.until(after(1.5), "the message to be too old")
    publish(one, pub(b"aged", b"new"))
    reader = consumer(two, b"aged", b"c")
    assert [message.body for message in receive(reader, 1)] == [b"new"]
    kit.until(lambda: counted(two, "aged", "c")["expired_count"] == 1, "the count")
    reader.close()


def test_finished_messages_are_kept_and_read_again(pair):
    nats, one, two = pair
    create(pair[1:], "replayed")
    configure(one, "replayed", retention_seconds=600)
    kit.until(lambda: any(name.startswith("~kept~") for name in consumers(nats, "replayed")), "retention")
    reader = consumer(two, b"replayed", b"c")
    publish(one, pub(b"replayed", b"a"), pub(b"replayed", b"b"))
    assert len(receive(reader, 2)) == 2
    kit.until(after(1.1), "another second")
    middle = int(time.time())
    publish(one, pub(b"replayed", b"c"))
    assert len(receive(reader, 1)) == 1
    # In flight at one node, while another one moves the channel.
    publish(one, pub(b"replayed", b"d"))
    [held] = receive(reader, 1, finish=False)
    seek = lambda node, to: send(node, "POST", f"/channel/seek?topic=replayed&channel=c&to={to}")
    assert seek(one, "beginning") == {"count": 4, "complete": True}
    assert [message.body for message in receive(reader, 4)] == [b"a", b"b", b"c", b"d"]
    assert seek(two, middle)["count"] == 2
    assert [message.body for message in receive(reader, 2)] == [b"c", b"d"]
    assert seek(one, "beginning")["count"] == 4
    assert seek(one, "end") == {"count": 0, "complete": True}
    kit.until(lambda: not any(reader.frames(0.3)), "the end of what was on its way")
    publish(two, pub(b"replayed", b"e"))
    assert [message.body for message in receive(reader, 1)] == [b"e"]
    reader.send(b"FIN %s\n" % held.id)
    error = reader.frames(5)
    assert error and error[0][1].startswith(b"E_FIN_FAILED"), error
    assert [name for name in consumers(nats, "replayed") if name.startswith("~seek")] == []
    assert ask(nats.port, "STREAM.INFO.nuthatch-replayed")["state"]["messages"] == 5
    # Without retention all of it goes.
    configure(one, "replayed")
    kit.until(lambda: stream(nats, "replayed")["state"]["messages"] == 0, "the end of what was kept")
    reader.close()


def test_retention_ends(pair):
    nats, one, _ = pair
    create(pair[1:], "brief")
    configure(one, "brief", retention_seconds=3)
    kit.until(lambda: any(name.startswith("~kept~") for name in consumers(nats, "brief")), "retention")
    reader = consumer(one, b"brief", b"c")
    publish(one, pub(b"brief", b"a"))
    finished = time.monotonic()
    receive(reader, 1)
    # What no channel has finished stays.
    post(one, "/channel/create?topic=brief&channel=slow")
    publish(one, pub(b"brief", b"b"))
    receive(reader, 1)
    kit.until(lambda: stream(nats, "brief")["state"]["messages"] == 1, "the end of the first message", seconds=60)
    assert time.monotonic() - finished >= 3
    slow = consumer(one, b"brief", b"slow")
    assert [message.body for message in receive(slow, 1)] == [b"b"]
    kit.until(lambda: stream(nats, "brief")["state"]["messages"] == 0, "the end of the second message", seconds=60)
    assert len([name for name in consumers(nats, "brief") if name.startswith("~kept~")]) == 1
    reader.close()
    slow.close()


def test_a_move_that_its_node_did_not_complete_is_completed(stack, pair):
    """The key is in the bucket and nothing else was done, as after a kill -9."""
    nats, one, two = pair
    create(pair[1:], "orphan")
    configure(one, "orphan", retention_seconds=600)
    kit.until(lambda: any(name.startswith("~kept~") for name in consumers(nats, "orphan")), "retention")
    reader = consumer(one, b"orphan", b"c")
    publish(one, pub(b"orphan", b"a"))
    receive(reader, 1)
    put(nats.port, "$KV.nuthatch.seek.channel.orphan.c", b'"beginning"')
    assert [message.body for message in receive(reader, 1, seconds=90)] == [b"a"]
    reader.close()


def test_messages_are_shown_and_stay(pair):
    _, one, two = pair
    post(one, "/topic/create?topic=looked")
    publish(one, pub(b"looked", b"a"), pub(b"looked", b"b"), dpub(b"looked", 3600000, b"later"))
    assert shown(two, "/topic/peek?topic=looked") == ["a", "b"]
    post(one, "/channel/create?topic=looked&channel=c")
    assert shown(one, "/topic/peek?topic=looked") == []
    kit.until(lambda: channel(two, "looked", "c"), "the channel at the other node")
    path = "/channel/peek?topic=looked&channel=c"
    assert shown(two, path) == ["a", "b"]
    assert shown(two, path + "&count=1") == ["a"]
    [later] = send(one, "GET", path + "&what=deferred")["messages"]
    assert later["body"] == "later" and later["due"] / 1e9 - time.time() > 3500
    reader = consumer(two, b"looked", b"c", ready=1)
    [held] = receive(reader, 1, finish=False)
    assert shown(two, path + "&what=in_flight") == ["a"]
    assert shown(one, path + "&what=in_flight") == []
    assert shown(one, path) == ["b"]
    reader.send(b"FIN %s\n" % held.id)
    assert [message.body for message in receive(reader, 1)] == [b"b"]
    reader.close()


def test_limits_and_letters_hold_in_a_cluster():
    """Three servers: the topic's leader dies between the settings and their use."""
    with kit.Stack() as stack:
        cluster = Cluster(stack)
        stack.callback(cluster.stop)
        nodes = [stack.keep(start_node(stack, name, cluster.addresses(), replicas=3)) for name in ("one", "two")]
        kit.until(lambda: publishes(nodes[0], b"led"), "the cluster's first election")
        create(nodes, "led")
        configure(nodes[0], "led", "c", max_attempts=1)
        configure(nodes[0], "led", bytes_max=20000, retention_seconds=600)
        keeps = lambda: any(name.startswith("~kept~") for name in consumers(cluster.nodes["nats0"], "led"))
        kit.until(keeps, "retention")
        leader = kit.until(lambda: stats(nodes[1], "led")["leader"], "the leader")
        cluster.nodes[leader].kill()
        kit.until(lambda: publishes(nodes[1], b"led"), "another leader")
        reader = consumer(nodes[1], b"led", b"c")
        requeue(reader, 2)
        cluster.start(leader)
        letters = "/channel/peek?topic=led&channel=c&what=dead"
        kit.until(lambda: len(shown(nodes[0], letters)) == 2, "the letters")
        assert send(nodes[0], "POST", "/channel/redrive?topic=led&channel=c") == {"count": 2}
        assert len(receive(reader, 2)) == 2
        full = lambda: kit.fetch(nodes[0].ports[1], "/pub?topic=led", "POST", "y" * 3000)[0] == 503
        kit.until(full, "the limit")
        reader.close()
