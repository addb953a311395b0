#!/usr/bin/env python3
"""Topics on an engine while everything beneath them dies, with an oracle over what the clients know.

    engine.py [--rounds N] [--seed S] [--short]

Two nuthatches over three nats-servers (R3) serve three topics: one whose publications are answered by the quorum, one whose are
answered by the node and forwarded, and one that moves to the nodes and to the engine again. Publishers (PUB, MPUB, DPUB) and
consumers of two channels (FIN, REQ with a delay, deliveries left to time out) work at both nodes. In each round something happens
for some seconds: kill -9 of the leader of a topic, of a follower, of a nuthatch, of two servers; SIGSTOP of a server; a nuthatch is
cut off from all servers. Or the third topic is moved, and a nuthatch is killed meanwhile: the one that was asked, which gets the
messages, or the other. `KINDS` names some of these (`KINDS=move,leader`). What the oracle holds against them:

  lost        a message that got OK is never delivered on a channel
  came back   a message is delivered again although its FIN was sent, and its publication answered, at a quiet time: not within
              WINDOW seconds before a fault, nor during it
  too early   a delay of DPUB was cut short, or one of a REQ that was sent at a quiet time
  stuck       a publisher gets no OK within 60 seconds after the end of a fault, or a move does not end

NATS 2.9 does not pass: its servers come to number the messages of a stream differently (_nats_alone.py, docs/engine.md). Over a
version older than SOUND --short therefore leaves the servers alone. The longest wait for an answer to a publication is printed for
both ways to accept, and for the local topic.
`NUTHATCH_BIN` is the binary (default: target/release/nuthatch), `NATS_SERVER` that of NATS (default: the one of
tests/integration/requirements.txt, else nats-server)."""

import base64
import collections
import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

import _trial  # noqa: E402
import kit  # noqa: E402
import nats  # noqa: E402
import nsqlib  # noqa: E402

# The topic whose publications the quorum accepts, and the one whose the node does.
ON_ENGINE = {b"quorum": "engine", b"stored": "local"}
# The one that is moved.
MOVED = b"moved"
# With one that is no topic of the engine: what its publishers wait for, the machine makes them wait for.
TOPICS = {**ON_ENGINE, MOVED: "engine", b"beside": None}
CHANNELS = (b"one", b"two")
# FINs are passed on within 25 ms, and NATS notes them within 100 ms; the rest is for a busy machine.
WINDOW = 1.0
# A delay is kept to the millisecond, and clocks are read on both sides.
EARLY = 0.005
TIMEOUT_MS = 3000
PACE = 0.005
# Messages of a dead node come back after 30 seconds.
DRAIN_SECONDS = 150
MOVE_SECONDS = 120
# Time without an OK after which publishers tell what they got.
LATE_SECONDS = 20
# Lost messages of each sort that are told one by one.
DIAGNOSED = 5
KINDS = ("leader", "follower", "nuthatch", "two", "stop", "cut", "move")
# Over an old NATS.
KINDS_OLD = ("nuthatch", "cut")
SOUND = (2, 12, 8)


class Oracle:
    """What all clients know together."""

    def __init__(self):
        self.lock = threading.Lock()
        self.accepted, self.due = {topic: {} for topic in TOPICS}, {}
        self.got = {(topic, channel): {} for topic in TOPICS for channel in CHANNELS}
        self.waits = {topic: [] for topic in TOPICS}
        # Faults: begin, and end or infinity.
        self.spells, self.repeated, self.violations = [], [], []
        self.deliveries = 0

    def is_quiet(self, at):
        return not any(begin - WINDOW <= at <= end + WINDOW for begin, end in self.spells)

    def answered(self, topic, bodies, asked, is_ok):
        now = time.monotonic()
        with self.lock:
            self.waits[topic].append(now - asked)
            if is_ok:
                self.accepted[topic].update(dict.fromkeys(bodies, now))

    def delivered(self, topic, channel, body):
        """Notes a delivery; what was decided about the one before."""
        now = time.monotonic()
        with self.lock:
            self.deliveries += 1
            known = self.got[topic, channel]
            before = known.get(body)
            if before is None and now < self.due.get(body, 0) - EARLY:
                self.violations.append(f"too early: {body!r} by {self.due[body] - now:.3f} s")
            # Judged at the end, when all faults are known.
            if before is not None:
                self.repeated.append((topic, channel, body, before, now))
            known[body] = ("held", now, 0)

    def decided(self, topic, channel, body, verdict, delay=0):
        with self.lock:
            self.got[topic, channel][body] = (verdict, time.monotonic(), delay)

    def faults(self):
        """Everything that is held against the daemons."""
        found, came_back = list(self.violations), 0
        for topic, channel, body, (verdict, at, delay), now in self.repeated:
            published = self.accepted[topic].get(body)
            quiet = self.is_quiet(at) and published is not None and self.is_quiet(published)
            if verdict == "FIN":
                came_back += 1
                if quiet:
                    found.append(f"came back: {topic!r} {channel!r} {body!r} {now - at:.3f} s after its FIN")
            elif verdict == "REQ" and quiet and now < at + delay - EARLY:
                found.append(f"too early: {topic!r} {channel!r} {body!r} by {at + delay - now:.3f} s")
        for (topic, channel), bodies in self.got.items():
            lost = self.accepted[topic].keys() - bodies.keys()
            found += [f"lost: {topic!r} {channel!r} {body!r}" for body in sorted(lost)]
        print(f"{came_back} finished messages came again because of faults")
        return found

    def is_drained(self):
        with self.lock:
            return all(self.accepted[topic].keys() <= bodies.keys() for (topic, _), bodies in self.got.items())


class Worker(_trial.Worker):
    """A client of a node, which connects again whenever its connection ends."""

    def __init__(self, node, oracle, random):
        super().__init__()
        self.node, self.oracle, self.random = node, oracle, random

    def connect(self):
        return nsqlib.Connection(self.node.ports[0], msg_timeout=TIMEOUT_MS)


class Publisher(Worker):
    def __init__(self, node, oracle, random, topic, name):
        super().__init__(node, oracle, random)
        self.topic, self.prefix, self.number, self.count = topic, name.encode(), 0, 0
        # Answers other than OK since the last OK.
        self.refusals = []

    def work(self, client):
        while not self.ending.is_set():
            kind, size = self.random.random(), 1
            if kind < 0.2:
                size = self.random.randint(2, 10)
            bodies = [b"%s-%d" % (self.prefix, self.number + n) for n in range(size)]
            self.number += size
            asked = time.monotonic()
            if size > 1:
                client.send(nsqlib.mpub(self.topic, bodies))
            elif kind < 0.4:
                delay = self.random.randint(50, 2000)
                with self.oracle.lock:
                    self.oracle.due[bodies[0]] = asked + delay / 1000
                client.send(nsqlib.dpub(self.topic, delay, bodies[0]))
            else:
                client.send(nsqlib.pub(self.topic, bodies[0]))
            answer = client.frame()
            is_ok = answer == (nsqlib.RESPONSE, b"OK")
            self.oracle.answered(self.topic, bodies, asked, is_ok)
            if not is_ok:
                self.refusals.append((round(time.monotonic() - asked, 1), answer))
                return
            self.count += size
            self.refusals = []
            self.ending.wait(PACE)


class Consumer(Worker):
    def __init__(self, node, oracle, random, topic, channel):
        super().__init__(node, oracle, random)
        self.topic, self.channel, self.is_finishing = topic, channel, False
        self.has_subscribed = threading.Event()

    def work(self, client):
        client.subscribe(self.topic, self.channel, 50)
        self.has_subscribed.set()
        while not self.ending.is_set():
            for kind, data in client.frames(0.2):
                if kind != nsqlib.MESSAGE:
                    raise OSError(f"{data!r}")
                message = nsqlib.Message(data)
                self.oracle.delivered(self.topic, self.channel, message.body)
                chance = 1 if self.is_finishing else self.random.random()
                if chance < 0.03:
                    delay = self.random.randint(0, 1500)
                    self.decide(message, "REQ", delay / 1000)
                    client.send(b"REQ %s %d\n" % (message.id, delay))
                elif chance >= 0.04:
                    self.decide(message, "FIN")
                    client.send(b"FIN %s\n" % message.id)

    def decide(self, message, verdict, delay=0):
        self.oracle.decided(self.topic, self.channel, message.body, verdict, delay)


class Trail:
    """Everything that the taps saw of messages."""

    def __init__(self):
        # Publications of a topic that wait for their acknowledgement, by where it goes; sequences of those that got it.
        self.sent, self.stored, self.refused = {}, {}, {}
        # Words about deliveries, by stream, consumer and sequence.
        self.settled = {}

    def published(self, subject, reply, body):
        self.sent[reply] = (subject.split(b".")[1:], body)

    def acknowledged(self, subject, answer):
        if subject in self.sent:
            (kind, topic), body = self.sent[subject]
            told = json.loads(answer) if answer.startswith(b"{") else {}
            if "error" not in told and told.get("seq"):
                self.stored.setdefault((kind, topic, body), set()).add(told["seq"])
            else:
                self.refused.setdefault((kind, topic, body), set()).add(answer[:120])

    def said(self, subject, word):
        # $JS.ACK.stream.consumer.attempts.sequence…, in newer versions with a domain and an account before the stream.
        tokens = subject.split(b".")
        at = 2 if len(tokens) <= 9 else 4
        self.settled.setdefault((tokens[at], tokens[at + 1], int(tokens[at + 3])), set()).add(word[:4].decode())


class Tap(threading.Thread):
    """A client of one server that sees what Nuthatch publishes, where the stream puts it, and what Nuthatch says of deliveries. It
    asks for no message and has no interest in deliveries, so it changes nothing."""

    SUBJECTS = (b"nuthatch.topic.>", b"nuthatch.deferred.>", b"$JS.ACK.>", b"_INBOX.*.*", b"_INBOX.*.*.*")

    def __init__(self, port, trail):
        super().__init__(daemon=True)
        self.port, self.trail = port, trail

    def run(self):
        while True:
            with contextlib.suppress(OSError, ValueError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as server:
                wanted = b"".join(b"SUB %s %d\r\n" % (subject, number) for number, subject in enumerate(self.SUBJECTS))
                server.sendall(b'CONNECT {"verbose":false,"headers":true}\r\n' + wanted + b"PING\r\n")
                server.settimeout(None)
                self.read(server.makefile("rb"), server)
            time.sleep(0.1)

    def read(self, lines, server):
        for line in lines:
            words = line.split()
            if words[0] == b"PING":
                server.sendall(b"PONG\r\n")
            elif words[0] in (b"MSG", b"HMSG"):
                head = int(words[-2]) if words[0] == b"HMSG" else 0
                body = lines.read(int(words[-1]) + 2)[head:-2]
                if words[1].startswith(b"_INBOX"):
                    self.trail.acknowledged(words[1], body)
                elif words[1].startswith(b"$JS.ACK"):
                    self.trail.said(words[1], body)
                else:
                    self.trail.published(words[1], words[3], body)


class Fleet:
    """Three servers, two nuthatches, and the links between them."""

    # Of a request to a node that dies, or comes up.
    FAILURES = (OSError, http.client.HTTPException, KeyError)

    def __init__(self, stack):
        self.stack = stack
        self.cluster = nats.Cluster(stack, "--no_advertise")
        stack.callback(self.cluster.stop)
        self.links, self.nodes, self.trail = {}, {}, Trail()
        self.is_moved_away = False
        for port, _ in self.cluster.ports.values():
            Tap(port, self.trail).start()
        for name in ("one", "two"):
            self.links[name] = [nats.Link(port) for port, _ in self.cluster.ports.values()]
            self.nodes[name] = self.start(name)
            stack.callback(lambda name=name: self.nodes[name].kill())

    def start(self, name, ports=None):
        servers = [f"127.0.0.1:{link.port}" for link in self.links[name]]
        return nats.start_node(
            self.stack, name, servers, replicas=3, ports=ports, topics={topic.decode(): how for topic, how in TOPICS.items() if how}
        )

    def restart(self, name):
        """Starts a nuthatch again, whose clients find it at its ports."""
        self.nodes[name].process = self.start(name, self.nodes[name].ports).process

    def leader(self, topic):
        """The server that leads a topic's stream; any if none does."""
        for port, _ in self.cluster.ports.values():
            with contextlib.suppress(OSError, AssertionError, KeyError):
                return nats.ask(port, f"STREAM.INFO.nuthatch-{topic.decode()}")["cluster"]["leader"]
        return next(iter(self.cluster.ports))

    def leaders(self):
        """The state of each topic's stream, as the servers that answer tell it."""
        return {topic: self.ask(f"STREAM.INFO.nuthatch-{topic.decode()}").get("cluster") for topic in ON_ENGINE}

    def ask(self, subject, request=b""):
        """The answer of whichever server gives one without an error."""
        for port, _ in self.cluster.ports.values():
            with contextlib.suppress(OSError, AssertionError):
                answer = nats.ask(port, subject, request)
                if "error" not in answer:
                    return answer
        return {}

    def diagnose(self, oracle):
        """What is known of messages that were lost: whether they were published, are still in a stream, were ever at a nuthatch."""
        for (topic, channel), bodies in oracle.got.items():
            lost = oracle.accepted[topic].keys() - bodies.keys()
            if lost and topic in ON_ENGINE:
                print(f"{topic!r} {channel!r} lacks {len(lost)}")
                self.diagnose_part(f"nuthatch-{topic.decode()}", channel, (b"topic", topic), lost)
                self.diagnose_part("nuthatch~deferred", b"mover", (b"deferred", topic), lost & oracle.due.keys())

    def diagnose_part(self, stream, consumer, part, lost):
        state = self.ask(f"STREAM.INFO.{stream}").get("state", {"first_seq": 1, "last_seq": 0})
        found = {}
        for sequence in range(state["first_seq"], state["last_seq"] + 1):
            message = self.ask(f"STREAM.MSG.GET.{stream}", b'{"seq":%d}' % sequence).get("message")
            if message:
                found[base64.b64decode(message["data"])] = sequence
        sent = {body for (kind, topic), body in self.trail.sent.values() if (kind, topic) == part}
        info = self.ask(f"CONSUMER.INFO.{stream}.{consumer.decode()}")
        told = ", ".join(f"{key} {info.get(key)}" for key in ("delivered", "ack_floor", "num_pending", "num_ack_pending"))
        print(f"  {stream}, {state.get('messages')} messages, {state['first_seq']} to {state['last_seq']}; {consumer!r}: {told}")
        counts = collections.Counter()
        for body in sorted(lost):
            where = sorted(self.trail.stored.get((*part, body), ()))
            words = {word for at in where for word in self.trail.settled.get((stream.encode(), consumer, at), ())}
            row = ("sent" if body in sent else "not sent", "stored" if where else "no PubAck")
            row += (("in the stream" if body in found else "gone"), " ".join(sorted(words)) or "never at a nuthatch")
            counts[row] += 1
            if counts[row] <= DIAGNOSED:
                print(f"    {body!r} at {where}: {', '.join(row)}", *self.trail.refused.get((*part, body), ()))
        for row, count in counts.items():
            print(f"  {count}: {', '.join(row)}")

    def harm(self, kind, random):
        """Does it; returns how it ends."""
        leader = self.leader(random.choice(list(ON_ENGINE)))
        others = [name for name in self.cluster.ports if name != leader]
        victims = {"leader": [leader], "follower": [random.choice(others)], "two": [leader, random.choice(others)]}.get(kind)
        if victims:
            for name in victims:
                self.cluster.nodes[name].kill()
            return lambda: [self.cluster.start(name) for name in victims]
        node = random.choice(list(self.nodes))
        if kind == "move":
            return self.move(node, random)
        if kind == "nuthatch":
            self.nodes[node].kill()
            return lambda: self.restart(node)
        if kind == "stop":
            server = self.cluster.nodes[random.choice([leader, *others])]
            server.signal(signal.SIGSTOP)
            return lambda: server.signal(signal.SIGCONT)
        for link in self.links[node]:
            link.open.clear()
        return lambda: [link.open.set() for link in self.links[node]]


    def move(self, first, random):
        """Moves the topic, from the engine to a node that becomes its home or from all nodes to the engine, and kills a node
        at some point of that."""
        storage = "engine" if self.is_moved_away else "local"
        self.is_moved_away = not self.is_moved_away
        names = sorted(self.nodes, key=lambda name: name != first)
        asked = names if storage == "engine" else names[:1]
        asking = threading.Thread(target=lambda: [self.ask_to_move(name, storage) for name in asked], daemon=True)
        asking.start()
        time.sleep(random.uniform(0, 0.5))
        victim = random.choice(names)
        self.nodes[victim].kill()

        def end():
            asking.join()
            self.restart(victim)
            for name in asked:
                kit.until(lambda name=name: self.ask_to_move(name, storage), f"{name} to take the order", seconds=MOVE_SECONDS)
            kit.until(self.is_settled, f"the end of the move to {storage}", seconds=MOVE_SECONDS)

        return end

    def ask_to_move(self, name, storage):
        """True if the node says that the topic is there, or goes there."""
        with contextlib.suppress(*self.FAILURES):
            path = f"/topic/move?topic={MOVED.decode()}&storage={storage}"
            return kit.fetch(self.nodes[name].ports[1], path, "POST", "")[0] == 200
        return False

    def is_settled(self):
        """True if the topic is where it was moved to at all nodes, and nothing is left of it elsewhere."""
        with contextlib.suppress(*self.FAILURES):
            for node in self.nodes.values():
                _, told = kit.fetch(node.ports[1], "/stats?format=json")
                found = {topic["topic_name"]: topic for topic in told["topics"]}
                is_left = any(f"{MOVED.decode()}.{what}" in found for what in ("moving", "leaving"))
                if is_left or (found[MOVED.decode()].get("storage") == "engine") == self.is_moved_away:
                    return False
            return True
        return False


def play(fleet, oracle, random, rounds, kinds):
    """The rounds; returns what stuck."""
    child = lambda: type(random)(random.random())
    publishers = [
        Publisher(node, oracle, child(), topic, f"{name}-{topic.decode()}") for topic in TOPICS for name, node in fleet.nodes.items()
    ]
    consumers = [
        Consumer(node, oracle, child(), topic, channel) for topic in TOPICS for channel in CHANNELS for node in fleet.nodes.values()
    ]
    stuck = []

    def until_publishing(what):
        counts = [publisher.count for publisher in publishers]
        waiting = lambda: [its for its, count in zip(publishers, counts) if its.count <= count]
        begin = time.monotonic()

        def is_moving():
            nonlocal begin
            late = waiting()
            if late and time.monotonic() - begin > LATE_SECONDS:
                print(*(f"{its.prefix!r} still waits: {its.refusals}" for its in late), fleet.leaders(), sep="\n", flush=True)
                begin = time.monotonic()
            return not late

        try:
            kit.until(is_moving, what)
        except AssertionError:
            stuck.append(f"stuck: {what}")

    for worker in consumers:
        worker.start()
    # What a channel that is not the first one gets begins with its creation.
    kit.until(lambda: all(worker.has_subscribed.is_set() for worker in consumers), "all channels")
    for worker in publishers:
        worker.start()
    until_publishing("the start")
    with oracle.lock:
        for waits in oracle.waits.values():
            waits.clear()
    order = [kind for _ in range(rounds // len(kinds) + 1) for kind in random.sample(kinds, len(kinds))]
    for number, kind in enumerate(order[:rounds]):
        time.sleep(random.uniform(0.5, 2))
        begin = time.monotonic()
        with oracle.lock:
            oracle.spells.append((begin, float("inf")))
        end = fleet.harm(kind, random)
        time.sleep(random.uniform(1, 7))
        try:
            end()
        except AssertionError as why:
            stuck.append(f"stuck: round {number}, {kind}: {why}")
        until_publishing(f"round {number}, {kind}")
        with oracle.lock:
            oracle.spells[-1] = (begin, time.monotonic())
        print(f"round {number}: {kind}, {time.monotonic() - begin:.1f} s until all publish again", flush=True)
    for worker in publishers:
        worker.ending.set()
    for worker in publishers:
        worker.join()
    for worker in consumers:
        worker.is_finishing = True
    with contextlib.suppress(AssertionError):
        kit.until(oracle.is_drained, "all messages", seconds=DRAIN_SECONDS)
    for worker in consumers:
        worker.ending.set()
    for worker in consumers:
        worker.join()
    return stuck


def main():
    options, random = _trial.begin(__doc__, 40, ("a round of each kind", {"rounds": len(KINDS)}))
    if "NATS_SERVER" not in os.environ and nats.RECENT.exists():
        nats.SERVER = str(nats.RECENT)
    if kit.missing(nats.SERVER):
        print(f"SKIPPED: {nats.SERVER} is not installed")
        return 0
    print(f"NATS {'.'.join(map(str, nats.version()))}", flush=True)
    oracle = Oracle()
    kinds = KINDS_OLD if options.short and nats.version() < SOUND else KINDS
    if named := os.environ.get("KINDS"):
        kinds = tuple(named.split(","))
    with kit.Stack() as stack:
        fleet = Fleet(stack)
        faults = play(fleet, oracle, random, options.rounds, kinds)
        fleet.diagnose(oracle)
    for topic, how in TOPICS.items():
        waits = sorted(oracle.waits[topic])
        shown = ", ".join(f"p{share * 100:g} {waits[int(len(waits) * share)] * 1000:.1f} ms" for share in (0.5, 0.99, 0.999))
        print(f"{topic.decode()} (accept = {how}): {len(oracle.accepted[topic])} accepted, longest wait {waits[-1]:.3f} s, {shown}")
    print(f"{oracle.deliveries} deliveries, {len(oracle.repeated)} of them again")
    return _trial.end(oracle.faults() + faults)


if __name__ == "__main__":
    sys.exit(main())
