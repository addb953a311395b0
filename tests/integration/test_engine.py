"""Topics on an engine: two nuthatches over NATS JetStream serve them together, and neither death of a nuthatch nor of a server of
NATS loses a message that was answered with OK."""

import collections
import re
import sys
import threading
import time

import pytest

import kit
import nkeys
from authority import Authority
from nats import SERVER, Cluster, Link, ask, start_nats, start_node

sys.path.insert(0, str(kit.ROOT / "tests/crash"))
from nsqlib import MESSAGE, RESPONSE, Connection, Message, dpub, mpub, pub  # noqa: E402

pytestmark = [
    pytest.mark.needs(SERVER),
    pytest.mark.skipif(kit.IS_ORIGINAL, reason="the binary is nutcracker"),
]


@pytest.fixture(scope="module")
def pair(stack):
    """Two nodes over one server."""
    nats = stack.keep(start_nats(stack))
    servers = [f"127.0.0.1:{nats.port}"]
    nodes = [start_node(stack, name, servers) for name in ("one", "two")]
    return [stack.keep(node) for node in nodes]


def spare(stack, name, ports=None):
    """One more node of the pair, for a test that ends it."""
    servers = next(line for line in (stack.path / "one.toml").read_text().splitlines() if "servers" in line)
    node = start_node(stack, name, [servers.split('"')[1]], ports=ports)
    stack.callback(node.kill)
    return node


def publish(node, *commands):
    """Sends publications, each of which is answered with OK."""
    client = Connection(node.port)
    client.send(b"".join(commands))
    client.answers(len(commands))
    client.close()


def consumer(node, topic, channel, ready=100, **identify):
    client = Connection(node.port, **identify)
    client.subscribe(topic, channel, ready)
    return client


def receive(client, count, seconds=60, finish=True):
    """So many messages, each finished."""
    got = []
    deadline = time.monotonic() + seconds
    while len(got) < count:
        assert time.monotonic() < deadline, f"{len(got)} of {count} messages: {[m.body for m in got][-3:]}"
        for kind, data in client.frames(1):
            assert kind == MESSAGE, (kind, data)
            got.append(Message(data))
            if finish:
                client.send(b"FIN %s\n" % got[-1].id)
    return got


def post(node, path):
    status, answer = kit.fetch(node.ports[1], path, "POST", "")
    assert status == 200, answer


def stats(node, topic):
    """The topic in a node's statistics, or None."""
    _, answer = kit.fetch(node.ports[1], f"/stats?format=json&topic={topic}")
    return next((found for found in answer["topics"] or [] if found["topic_name"] == topic), None)


def channel(node, topic, name):
    found = stats(node, topic) or {"channels": []}
    return next((found for found in found["channels"] if found["channel_name"] == name), None)


def test_what_one_node_accepts_the_other_delivers(pair):
    one, two = pair
    publish(one, pub(b"shared", b"a"), mpub(b"shared", [b"b", b"c"]), dpub(b"shared", 300, b"d"))
    reader = consumer(two, b"shared", b"c")
    got = receive(reader, 4)
    assert sorted(message.body for message in got) == [b"a", b"b", b"c", b"d"]
    assert {message.attempts for message in got} == {1}
    assert len({message.id for message in got}) == 4
    publish(two, pub(b"shared", b"e"))
    assert receive(reader, 1)[0].body == b"e"
    assert not reader.frames(0.5)
    reader.close()


def test_the_first_channel_gets_the_backlog_and_the_second_what_follows(pair):
    one, two = pair
    publish(one, *(pub(b"backlog", b"%d" % n) for n in range(50)))
    first = consumer(two, b"backlog", b"first")
    assert len(receive(first, 50)) == 50
    second = consumer(one, b"backlog", b"second")
    publish(two, pub(b"backlog", b"after"))
    assert [message.body for message in receive(second, 1)] == [b"after"]
    assert [message.body for message in receive(first, 1)] == [b"after"]
    first.close()
    second.close()


def test_a_delay_is_kept_and_survives_the_node_that_accepted_it(stack, pair):
    one, two = pair
    third = spare(stack, "third")
    before = time.time()
    publish(third, dpub(b"later", 3000, b"m"))
    third.kill()
    reader = consumer(two, b"later", b"c")
    [message] = receive(reader, 1)
    assert time.time() - before >= 3.0, "it came early"
    assert message.attempts == 1
    reader.close()


def test_a_lost_request_for_deferred_messages_stops_none():
    """As a server that dies with the request loses it."""
    with kit.Stack() as own:
        link = Link(own.keep(start_nats(own)).port)
        node = own.keep(start_node(own, "alone", [f"127.0.0.1:{link.port}"]))
        publish(node, dpub(b"later", 10, b"before"))
        reader = consumer(node, b"later", b"c")
        assert receive(reader, 1)[0].body == b"before"
        request = re.compile(rb"PUB \S+MSG\.NEXT\.\S+mover \S+ \d+\r\n[^\r]*\r\n")
        for n in range(3):
            link.losing = request
            publish(node, dpub(b"later", 10, b"%d" % n))
            assert receive(reader, 1)[0].body == b"%d" % n
            kit.until(lambda: link.losing is None, "a request")
        reader.close()


def test_requeued_touched_and_timed_out(pair):
    one, two = pair
    publish(one, pub(b"again", b"m"))
    reader = consumer(one, b"again", b"c", msg_timeout=2000)
    [first] = receive(reader, 1, finish=False)
    assert first.attempts == 1
    asked = time.monotonic()
    reader.send(b"REQ %s 1500\n" % first.id)
    [second] = receive(reader, 1, finish=False)
    assert time.monotonic() - asked >= 1.5 and (second.id, second.attempts) == (first.id, 2)
    # Touched in time, it stays; then it times out.
    for _ in range(3):
        assert not reader.frames(1)
        reader.send(b"TOUCH %s\n" % second.id)
    touched = time.monotonic()
    [third] = receive(reader, 1, finish=False)
    assert time.monotonic() - touched >= 1.9 and (third.id, third.attempts) == (first.id, 3)
    reader.send(b"FIN %s\n" % third.id)
    assert not reader.frames(3)
    reader.close()


def test_a_node_that_stops_hands_its_messages_back_at_once(stack, pair):
    one, two = pair
    leaving = spare(stack, "leaving")
    publish(one, *(pub(b"handed", b"%d" % n) for n in range(20)))
    holder = consumer(leaving, b"handed", b"c")
    assert len(receive(holder, 20, finish=False)) == 20
    stopped = time.monotonic()
    assert leaving.stop() == 0
    reader = consumer(two, b"handed", b"c")
    assert len({message.body for message in receive(reader, 20, seconds=15)}) == 20
    assert time.monotonic() - stopped < 15
    reader.close()


def test_a_node_that_dies_hands_its_messages_back_in_time(stack, pair):
    one, two = pair
    dying = spare(stack, "dying")
    publish(one, *(pub(b"orphans", b"%d" % n) for n in range(20)))
    holder = consumer(dying, b"orphans", b"c")
    assert len(receive(holder, 20, finish=False)) == 20
    dying.kill()
    reader = consumer(two, b"orphans", b"c")
    assert len({message.body for message in receive(reader, 20, seconds=40)}) == 20
    reader.close()


def test_a_message_that_is_held_for_long_stays_with_its_consumer(pair):
    one, two = pair
    publish(one, pub(b"long", b"m"))
    holder = consumer(one, b"long", b"c", msg_timeout=60000)
    [message] = receive(holder, 1, finish=False)
    other = consumer(two, b"long", b"c")
    assert not other.frames(36), "the engine has given it to another node"
    holder.send(b"FIN %s\n" % message.id)
    holder.close()
    other.close()


def test_pause_empty_and_delete_hold_for_all_nodes(pair):
    one, two = pair
    publish(one, pub(b"ruled", b"m"))
    post(one, "/channel/create?topic=ruled&channel=c")
    kit.until(lambda: channel(two, "ruled", "c"), "the channel at the other node")
    post(one, "/channel/pause?topic=ruled&channel=c")
    kit.until(lambda: channel(two, "ruled", "c")["paused"], "the pause at the other node")
    reader = consumer(two, b"ruled", b"c")
    assert not reader.frames(1)
    kit.until(lambda: channel(two, "ruled", "c")["depth"] == 1, "the depth at the other node")
    post(two, "/channel/empty?topic=ruled&channel=c")
    post(two, "/channel/unpause?topic=ruled&channel=c")
    publish(two, pub(b"ruled", b"next"))
    assert [message.body for message in receive(reader, 1)] == [b"next"]
    post(two, "/topic/pause?topic=ruled")
    kit.until(lambda: stats(one, "ruled")["paused"], "the topic's pause at the other node")
    publish(one, pub(b"ruled", b"held"))
    assert not reader.frames(1)
    post(one, "/topic/unpause?topic=ruled")
    assert [message.body for message in receive(reader, 1)] == [b"held"]
    post(one, "/channel/delete?topic=ruled&channel=c")
    kit.until(lambda: channel(two, "ruled", "c") is None, "the deletion at the other node")
    post(two, "/topic/delete?topic=ruled")
    kit.until(lambda: stats(one, "ruled") is None, "the deletion at the other node")
    # What comes afterwards is a new topic.
    publish(one, pub(b"ruled", b"new"))
    reader = consumer(two, b"ruled", b"c")
    assert [message.body for message in receive(reader, 1)] == [b"new"]
    reader.close()


def test_an_ephemeral_channel_belongs_to_its_node(pair):
    one, two = pair
    publish(one, pub(b"tailed", b"before"))
    tail = consumer(one, b"tailed", b"tail#ephemeral")
    publish(two, pub(b"tailed", b"after"))
    assert [message.body for message in receive(tail, 1)] == [b"after"]
    assert channel(two, "tailed", "tail#ephemeral") is None
    tail.close()
    kit.until(lambda: channel(one, "tailed", "tail#ephemeral") is None, "the end of the channel")
    # The backlog is kept for the first lasting channel.
    reader = consumer(two, b"tailed", b"c")
    assert [message.body for message in receive(reader, 2)] == [b"before", b"after"]
    reader.close()


@pytest.mark.parametrize("method, path, body", [
    ("POST", "/topic/create?topic=plain&durability=fsync", ""),
    ("PUT", "/topic/settings?topic=plain", '{"durability": "fsync"}'),
    ("PUT", "/topic/settings?topic=plain", '{"retention_seconds": 60, "retention_bytes": 1000}'),
])
def test_what_the_engine_does_not_do_is_refused(pair, method, path, body):
    one, _ = pair
    post(one, "/topic/create?topic=plain")
    status, answer = kit.fetch(one.ports[1], path, method, body)
    assert status == 400 and "not available for topics on the engine" in str(answer), (status, answer)


@pytest.mark.parametrize("login", ["user", "nkey", "credentials"])
def test_nats_is_spoken_to_over_tls_by_who_has_logged_in(login):
    """The server shows a certificate and wants one, and a login."""
    if kit.missing("openssl"):
        pytest.skip("openssl is not installed")
    with kit.Stack() as stack:
        authority = Authority(stack.path, "ca")
        for name in ("nats", "node"):
            authority.issue(name)
        file = lambda name: stack.path / name
        tls = f'tls {{ cert_file: "{file("nats.pem")}", key_file: "{file("nats.key")}", ca_file: "{file("ca.pem")}", verify: true }}\n'
        server, engine = logins(stack.path)[login]
        nats = stack.keep(start_nats(stack, configuration=tls + server))
        own = f'tls = {{ ca = "{file("ca.pem")}", cert = "{file("node.pem")}", key = "{file("node.key")}" }}\n'
        at = [f"nats://localhost:{nats.port}"]
        node = stack.keep(start_node(stack, "one", at, engine=own + engine))
        publish(node, pub(b"private", b"m"))
        reader = consumer(node, b"private", b"c")
        assert [message.body for message in receive(reader, 1)] == [b"m"]
        reader.close()
        # Neither without the certificate nor without the login.
        for name, lines in (("open", engine), ("nobody", own)):
            other = stack.keep(start_node(stack, name, at, engine=lines))
            kit.until(lambda: kit.fetch(other.ports[1], "/ping")[0] == 500, "the trouble with the engine")


def logins(directory):
    """For each kind of login, lines of NATS' configuration and lines of ours."""
    user = nkeys.Key(directory, "lone", nkeys.USER)
    (directory / "nkey").write_text(user.seed + "\n")
    operated, credentials = nkeys.operated(directory)
    (directory / "user.creds").write_text(credentials)
    for name in ("nkey", "user.creds"):
        (directory / name).chmod(0o600)
    return {
        "user": ("authorization { user: u, password: s3cret }", 'user = "u"\npassword = "s3cret"'),
        "nkey": (f"authorization {{ users = [{{ nkey: {user.name} }}] }}", f'nkey_file = "{directory / "nkey"}"'),
        "credentials": (operated, f'credentials_file = "{directory / "user.creds"}"'),
    }


@pytest.mark.parametrize("accept", ["engine", "local"])
def test_a_message_that_nats_does_not_take_is_refused(stack, pair, accept):
    servers = next(line for line in (stack.path / "one.toml").read_text().splitlines() if "servers" in line)
    node = stack.keep(start_node(stack, f"large-{accept}", [servers.split('"')[1]], accept=accept))
    topic = f"large-{accept}"
    status, answer = kit.fetch(node.ports[1], f"/pub?topic={topic}", "POST", "x" * (1 << 20))
    assert status == 413 and "MSG_TOO_BIG" in str(answer), (status, answer)
    largest = b"y" * ((1 << 20) - 256)
    publish(node, dpub(topic.encode(), 100, largest), pub(topic.encode(), b"small"))
    reader = consumer(node, topic.encode(), b"c")
    assert {message.body for message in receive(reader, 2)} == {largest, b"small"}
    reader.close()


def test_a_topic_is_where_its_creator_wants_it(stack, pair):
    one, two = pair
    for path, wanted in (
        ("topic=chosen&storage=local", (200, "")),
        ("topic=chosen&storage=local", (200, "")),
        ("topic=chosen&storage=engine", (400, "STORAGE_IS_FIXED")),
        ("topic=chosen2&storage=disk", (400, "INVALID_STORAGE")),
        ("topic=chosen2&storage=engine", (200, "")),
    ):
        status, answer = kit.fetch(one.ports[1], f"/topic/create?{path}", "POST", "")
        assert status == wanted[0] and wanted[1] in str(answer), (path, status, answer)
    kit.until(lambda: stats(two, "chosen2"), "the topic at the other node")
    assert stats(two, "chosen") is None and "storage" not in stats(one, "chosen")
    found = kit.until(lambda: (t := stats(one, "chosen2"))["leader"] and t, "the topic's leader")
    assert (found["storage"], found["replicas"], found["replicas_in_sync"]) == ("engine", 1, 1)


def test_a_restart_of_a_node_finds_the_topics_again(stack, pair):
    one, _ = pair
    again = spare(stack, "again")
    publish(again, pub(b"kept", b"m"))
    post(again, "/channel/create?topic=kept&channel=c")
    ports = again.ports
    again.kill()
    again = spare(stack, "again", ports=ports)
    kit.until(lambda: channel(again, "kept", "c"), "the channel after the restart")
    reader = consumer(again, b"kept", b"c")
    assert [message.body for message in receive(reader, 1)] == [b"m"]
    reader.close()
    assert again.stop() == 0


def test_store_and_forward_outlives_the_engine_and_the_node():
    """The engine dies, publishing goes on; the node dies too; both come back, and every message arrives once."""
    with kit.Stack() as stack:
        nats = start_nats(stack)
        servers = [f"127.0.0.1:{nats.port}"]
        node = start_node(stack, "one", servers, accept="local")
        publish(node, *(pub(b"stored", b"%d" % n) for n in range(100)))
        reader = consumer(node, b"stored", b"c")
        assert len(receive(reader, 100)) == 100
        kit.until(lambda: unfinished(nats, "stored", "c") == 0, "the last FIN at the engine")
        nats.kill()
        client = Connection(node.port)
        began = time.monotonic()
        for n in range(100, 600):
            client.send(pub(b"stored", b"%d" % n))
            client.answers(1)
        print(f"500 publications without the engine took {time.monotonic() - began:.2f} s")
        waiting = channel(node, "stored.forward", "engine")
        assert waiting["depth"] + waiting["in_flight_count"] == 500
        node.kill()
        nats = stack.keep(start_nats(stack, ports=nats.ports))
        node = stack.keep(start_node(stack, "one", servers, ports=node.ports, accept="local"))
        reader = consumer(node, b"stored", b"c")
        stored, finished = ({b"%d" % n for n in numbers} for numbers in (range(100, 600), range(100)))
        got = collections.Counter()
        take_each(reader, lambda body: got.update([body]), lambda: stored <= set(got))
        got.update(Message(data).body for _, data in reader.frames(2))
        assert {got[body] for body in stored} == {1}
        # NATS notes an acknowledgement within 100 ms, and may have forgotten the last ones.
        assert set(got) <= stored | finished
        reader.close()


def unfinished(nats, topic, name):
    """Messages of a channel that the engine has given to a node and that are not acknowledged."""
    return ask(nats.port, f"CONSUMER.INFO.nuthatch-{topic}.{name}")["num_ack_pending"]


class Publisher(threading.Thread):
    """Publishes numbered messages one after the other, and keeps those that were answered with OK."""

    def __init__(self, node, topic, name):
        super().__init__(daemon=True)
        self.node, self.topic, self.name = node, topic, name
        self.accepted, self.ending, self.stall = [], threading.Event(), 0.0

    def run(self):
        client, number = None, 0
        while not self.ending.is_set():
            body = b"%s-%d" % (self.name.encode(), number)
            began = time.monotonic()
            try:
                client = client or Connection(self.node.port)
                client.send(pub(self.topic, body))
                if client.frame() == (RESPONSE, b"OK"):
                    self.accepted.append(body)
                    self.stall = max(self.stall, time.monotonic() - began)
                else:
                    client = None
            except OSError:
                client = None
                self.ending.wait(0.05)
            number += 1


@pytest.mark.parametrize("victims", [1, 2])
def test_servers_of_the_engine_die_and_nothing_is_lost(victims):
    """Servers die, the leader of the topic's stream among them or not; with two of three publishing waits until one is back."""
    with kit.Stack() as stack:
        cluster = Cluster(stack)
        stack.callback(cluster.stop)
        nodes = [stack.keep(start_node(stack, name, cluster.addresses(), replicas=3)) for name in ("one", "two")]
        kit.until(lambda: publishes(nodes[0], b"safe"), "the cluster's first election")
        reader = consumer(nodes[1], b"safe", b"c")
        publishers = [Publisher(node, b"safe", f"p{n}") for n, node in enumerate(nodes)]
        for publisher in publishers:
            publisher.start()
        got = set()
        take(reader, got, lambda: len(got) >= 100)
        killed = list(cluster.ports)[:victims]
        for name in killed:
            cluster.nodes[name].kill()
        if victims == 1:
            count = [len(publisher.accepted) for publisher in publishers]
            take(reader, got, lambda: all(len(p.accepted) > c + 50 for p, c in zip(publishers, count)))
        else:
            answers = lambda node: kit.fetch(node.ports[1], "/ping")[0] == 200
            kit.until(lambda: not any(map(answers, nodes)), "the loss of the quorum to be told")
        for name in killed:
            cluster.start(name)
        count = [len(publisher.accepted) for publisher in publishers]
        take(reader, got, lambda: all(len(p.accepted) > c + 50 for p, c in zip(publishers, count)))
        for publisher in publishers:
            publisher.ending.set()
        for publisher in publishers:
            publisher.join()
        accepted = {body for publisher in publishers for body in publisher.accepted}
        take(reader, got, lambda: accepted <= got)
        kit.until(lambda: all(kit.fetch(node.ports[1], "/ping")[0] == 200 for node in nodes), "all nodes to be well")
        print(f"{len(accepted)} accepted, longest stall {max(p.stall for p in publishers):.1f} s")
        reader.close()


def publishes(node, topic):
    try:
        publish(node, pub(topic, b"first"))
    except OSError:
        return False
    return True


def take(reader, got, enough, seconds=90):
    """Finishes messages until there are enough; `got` is their bodies."""
    take_each(reader, got.add, enough, seconds)


def take_each(reader, note, enough, seconds=90):
    """Finishes messages until there are enough. `note` gets the body of each."""
    deadline, count = time.monotonic() + seconds, 0
    while not enough():
        assert time.monotonic() < deadline, f"{count} messages"
        for kind, data in reader.frames(0.2):
            if kind == MESSAGE:
                message = Message(data)
                note(message.body)
                count += 1
                reader.send(b"FIN %s\n" % message.id)
