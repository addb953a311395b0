#!/usr/bin/env python3
"""NATS alone under the deaths of tests/crash/engine.py: does JetStream itself keep what it has acknowledged?

    _nats_alone.py [--rounds N] [--seed S] [--short]

Three servers keep three streams (R3): `log` (limits, nobody consumes), `limits` and `interest` (each with two durable pull
consumers that acknowledge explicitly). Publishers send each message with a Nats-Msg-Id until it has a PubAck, consumers acknowledge
what they get, and now and then let a message time out or return it. In each round servers die (kill -9 of a stream's leader, of a
follower, of two) or stop (SIGSTOP). No Nuthatch is involved: this tells which losses are NATS' own. Reported for each stream:

  gone        acknowledged to its publisher, never delivered to a consumer, and not in the stream
  moved       acknowledged at a sequence at which the stream has another message
  differs     a sequence at which two servers have different messages: consumers, who know messages by their sequence, miss some of
              them when the other server leads
  skipped     in the stream, and never delivered to a consumer, DRAIN_SECONDS after the end

`NATS_SERVER` is the binary (default: nats-server)."""

import base64
import contextlib
import json
import signal
import socket
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

import _trial  # noqa: E402
import kit  # noqa: E402
import nats  # noqa: E402

STREAMS = {"log": ("limits", ()), "limits": ("limits", ("one", "two")), "interest": ("interest", ("one", "two"))}
KINDS = ("leader", "follower", "two", "stop")
ACK_WAIT = 5
DRAIN_SECONDS = 60
LEADERS_TRIED = 20
BATCH = 10


class Client:
    """A connection, with one subscription to an inbox of its own."""

    def __init__(self, port, timeout=2):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.reader = self.socket.makefile("rb")
        self.inbox = f"_INBOX.{id(self)}{time.monotonic_ns()}"
        self.send(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n' + f"SUB {self.inbox}.* 1\r\nPING\r\n".encode())

    def send(self, data):
        self.socket.sendall(data)

    def publish(self, subject, body, answer="", headers=""):
        reply = f"{self.inbox}.{answer} " if answer else ""
        if headers:
            head = f"NATS/1.0\r\n{headers}\r\n\r\n".encode()
            self.send(f"HPUB {subject} {reply}{len(head)} {len(head) + len(body)}\r\n".encode() + head + body + b"\r\n")
        else:
            self.send(f"PUB {subject} {reply}{len(body)}\r\n".encode() + body + b"\r\n")

    def next(self):
        """The next message: its token, reply subject, header and body."""
        while True:
            words = self.reader.readline().split()
            if not words:
                raise OSError("closed")
            if words[0] == b"PING":
                self.send(b"PONG\r\n")
            elif words[0] in (b"MSG", b"HMSG"):
                data = self.reader.read(int(words[-1]) + 2)[:-2]
                head = int(words[-2]) if words[0] == b"HMSG" else 0
                fixed = 5 if words[0] == b"HMSG" else 4
                reply = words[3].decode() if len(words) > fixed else ""
                return words[1].decode().rsplit(".", 1)[1], reply, data[:head], data[head:]

    def close(self):
        self.socket.close()


class Worker(_trial.Worker):
    """A client of some server, which goes to another one whenever its connection fails."""

    FAILURES = (OSError, ValueError)

    def __init__(self, ports, random):
        super().__init__()
        self.ports, self.random = ports, random

    def connect(self):
        return Client(self.random.choice(self.ports))


class Publisher(Worker):
    def __init__(self, ports, random, stream, name):
        super().__init__(ports, random)
        self.stream, self.name, self.number = stream, name, 0
        self.acked, self.open = {}, []

    def work(self, client):
        while not self.ending.is_set():
            if not self.open:
                self.open = [f"{self.name}-{self.number + n}" for n in range(BATCH)]
                self.number += BATCH
            for body in self.open:
                client.publish(f"s.{self.stream}", body.encode(), body, f"Nats-Msg-Id: {body}")
            for _ in list(self.open):
                token, _, _, data = client.next()
                answer = json.loads(data) if data else {"error": "no responders"}
                if "error" not in answer and token in self.open:
                    self.acked[token] = answer["seq"]
                    self.open.remove(token)
            self.ending.wait(0.06)


class Consumer(Worker):
    def __init__(self, ports, random, stream, name, got):
        super().__init__(ports, random)
        self.stream, self.name, self.got, self.is_finishing = stream, name, got, False

    def work(self, client):
        while not self.ending.is_set():
            request = b'{"batch":50,"expires":1000000000}'
            client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{self.stream}.{self.name}", request, "m")
            for _ in range(50):
                _, reply, head, body = client.next()
                if not reply:
                    break
                self.got.setdefault(body.decode(), int(reply.split(".")[5]))
                chance = 1 if self.is_finishing else self.random.random()
                if chance > 0.04:
                    client.publish(reply, b"+ACK")
                elif chance > 0.02:
                    client.publish(reply, b'-NAK {"delay":1000000000}')


def ask(ports, subject, request=b""):
    """An answer without an error from whichever server gives one."""
    for port in ports:
        with contextlib.suppress(OSError, AssertionError, ValueError):
            answer = nats.ask(port, subject, request)
            if "error" not in answer:
                return answer
    return None


def set_up(ports):
    for stream, (retention, consumers) in STREAMS.items():
        config = {"name": stream, "subjects": [f"s.{stream}"], "retention": retention, "num_replicas": 3, "storage": "file"}
        config |= {"discard": "old", "duplicate_window": 120_000_000_000, "max_msgs": -1, "max_bytes": -1, "max_consumers": -1}
        kit.until(lambda: ask(ports, f"STREAM.CREATE.{stream}", json.dumps(config).encode()), f"stream {stream}", 60)
        for name in consumers:
            durable = {"durable_name": name, "ack_policy": "explicit", "deliver_policy": "all", "replay_policy": "instant"}
            durable |= {"ack_wait": ACK_WAIT * 10**9, "max_ack_pending": -1}
            request = json.dumps({"stream_name": stream, "config": durable}).encode()
            kit.until(lambda: ask(ports, f"CONSUMER.DURABLE.CREATE.{stream}.{name}", request), f"consumer {name}", 60)


def contents(ports, stream, step=1):
    """Each message of a stream, or each `step`th, by sequence."""
    state = kit.until(lambda: ask(ports, f"STREAM.INFO.{stream}"), f"{stream} again", 60)["state"]
    found = {}
    if state["messages"]:
        client = Client(ports[0], 30)
        for sequence in range(state["first_seq"], state["last_seq"] + 1, step):
            client.publish(f"$JS.API.STREAM.MSG.GET.{stream}", b'{"seq":%d}' % sequence, "g")
            answer = json.loads(client.next()[3])
            if "message" in answer:
                found[sequence] = base64.b64decode(answer["message"]["data"]).decode()
        client.close()
    return state, found


def harm(cluster, ports, kind, random):
    leader = (ask(ports, f"STREAM.INFO.{random.choice(list(STREAMS))}") or {"cluster": {}})["cluster"].get("leader", "nats0")
    others = [name for name in cluster.ports if name != leader]
    if kind == "stop":
        server = cluster.nodes[random.choice([leader, *others])]
        server.signal(signal.SIGSTOP)
        return lambda: server.signal(signal.SIGCONT)
    victims = {"leader": [leader], "follower": [random.choice(others)], "two": [leader, random.choice(others)]}[kind]
    for name in victims:
        cluster.nodes[name].kill()
    return lambda: [cluster.start(name) for name in victims]


def differences(ports, stream):
    """Sequences, of each hundredth, at which the servers have different messages. Each has to lead once to be read."""
    seen = {}
    for _ in range(LEADERS_TRIED):
        leader = kit.until(lambda: (ask(ports, f"STREAM.INFO.{stream}") or {"cluster": {}})["cluster"].get("leader"), "a leader", 60)
        if leader not in seen:
            seen[leader] = contents(ports, stream, 100)[1]
        if len(seen) == len(ports):
            break
        ask(ports, f"STREAM.LEADER.STEPDOWN.{stream}")
    print(f"{stream}: read from {sorted(seen)}")
    first, *others = seen.values()
    return [sequence for sequence, body in first.items() if any(other.get(sequence) != body for other in others)]


def judge(ports, publishers, got):
    faults = []
    for stream, (_, consumers) in STREAMS.items():
        state, found = contents(ports, stream)
        kept = set(found.values())
        acked = {body: sequence for its in publishers if its.stream == stream for body, sequence in its.acked.items()}
        print(f"{stream}: {len(acked)} acknowledged, {state['messages']} in the stream, {state['first_seq']} to {state['last_seq']}")
        moved = [body for body, sequence in acked.items() if found.get(sequence, body) != body]
        faults += [f"moved: {stream} {body} at {acked[body]}" for body in moved]
        if stream != "interest":
            faults += [f"differs: {stream} at {sequence}" for sequence in differences(ports, stream)]
        if not consumers:
            faults += [f"gone: {stream} {body} at {acked[body]}" for body in acked if body not in kept]
        for name in consumers:
            missed = [body for body in acked if body not in got[stream, name]]
            told = ask(ports, f"CONSUMER.INFO.{stream}.{name}") or {}
            kinds = {"gone": [b for b in missed if b not in kept], "skipped": [b for b in missed if b in kept]}
            print(f"  {name}: {len(kinds['gone'])} gone, {len(kinds['skipped'])} skipped", end="; ")
            print({key: told.get(key) for key in ("delivered", "ack_floor", "num_pending", "num_ack_pending")})
            faults += [f"{kind}: {stream} {name} {body} at {acked[body]}" for kind, bodies in kinds.items() for body in bodies]
    return faults


def main():
    options, random = _trial.begin(__doc__, 40, ("four rounds", {"rounds": 4}))
    print(f"NATS {'.'.join(map(str, nats.version()))}", flush=True)
    with kit.Stack() as stack:
        cluster = nats.Cluster(stack, "--no_advertise")
        stack.callback(cluster.stop)
        ports = [port for port, _ in cluster.ports.values()]
        set_up(ports)
        child = lambda: type(random)(random.random())
        got = {(stream, name): {} for stream, (_, consumers) in STREAMS.items() for name in consumers}
        publishers = [Publisher(ports, child(), stream, f"{stream}{n}") for stream in STREAMS for n in range(2)]
        consumers = [Consumer(ports, child(), *key, got[key]) for key in got]
        for worker in consumers + publishers:
            worker.start()
        order = [kind for _ in range(options.rounds // len(KINDS) + 1) for kind in random.sample(KINDS, len(KINDS))]
        for number, kind in enumerate(order[: options.rounds]):
            time.sleep(random.uniform(0.5, 2))
            end = harm(cluster, ports, kind, random)
            time.sleep(random.uniform(1, 7))
            end()
            counts = [len(publisher.acked) for publisher in publishers]
            with contextlib.suppress(AssertionError):
                kit.until(lambda: all(len(its.acked) > n for its, n in zip(publishers, counts)), "publishing", 60)
            print(f"round {number}: {kind}, {sum(len(its.acked) for its in publishers)} acknowledged", flush=True)
        for worker in publishers:
            worker.ending.set()
        for worker in publishers:
            worker.join()
        for worker in consumers:
            worker.is_finishing = True
        acked = lambda stream: {body for its in publishers if its.stream == stream for body in its.acked}
        with contextlib.suppress(AssertionError):
            kit.until(lambda: all(acked(stream) <= bodies.keys() for (stream, _), bodies in list(got.items())), "all", DRAIN_SECONDS)
        for worker in consumers:
            worker.ending.set()
        for worker in consumers:
            worker.join()
        faults = judge(ports, publishers, got)
    kinds = [fault.split(":")[0] for fault in faults]
    print({kind: kinds.count(kind) for kind in sorted(set(kinds))})
    return _trial.end(faults)


if __name__ == "__main__":
    sys.exit(main())
