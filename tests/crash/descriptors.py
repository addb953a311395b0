#!/usr/bin/env python3
"""A limit of file descriptors that comes and goes under load, with an oracle over what the clients know.

    descriptors.py [--rounds N] [--seed S] [--short]

Half of the rounds with durability `os`, half with `fsync`. Publishers write to topics with small segments, so that files are opened
all the time, make new topics, and connect anew; one consumer per topic finishes what it gets. Again and again the daemon's limit is
set (prlimit) to what it has open, or a few more, and given back a moment later. What the oracle holds against the daemon:

  lost        a message that got OK is never delivered
  came back   a message is delivered again after a kill, although its FIN was confirmed before the quiet that goes before it
  not well    within HEAL_SECONDS after the limit was given back /ping does not say OK, or a topic takes no message
  not sent    a body that nobody published
  ended       the daemon ended by itself, or had to be started again

`NUTHATCH_BIN` is the binary (default: target/release/nuthatch)."""

import os
import random
import resource
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

import kit  # noqa: E402
import nsqlib  # noqa: E402
import _trial  # noqa: E402

TOPICS = [b"t%d" % n for n in range(12)]
CHANNEL, FENCE = b"c", b"fence#ephemeral"
SEGMENT_BYTES = 64 << 10
HEAL_SECONDS = 30
# Retries are a second apart; events are written 25 ms after they happened.
QUIET_SECONDS = 3
DRAIN_SECONDS = 60


def start(directory, durability):
    def argv(tcp, http):
        lines = ["[queue]", f'tcp = "127.0.0.1:{tcp}"', f'http = "127.0.0.1:{http}"', f"max_bytes_per_file = {SEGMENT_BYTES}"]
        lines += [f'data_path = "{directory}/data"', f'durability = "{durability}"']
        conf = directory / "nuthatch.toml"
        conf.write_text("\n".join(lines) + "\n")
        return [kit.BINARY, "run", "-c", conf]

    return kit.start("nuthatch", 2, argv, directory)


class Oracle:
    """What all clients know together."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent, self.accepted, self.delivered, self.finished = set(), set(), set(), set()
        self.topics, self.faults = set(TOPICS), []
        self.counts = dict.fromkeys(["sent", "accepted", "refused", "closed", "shortages", "new_topics"], 0)

    def fault(self, what, detail=""):
        self.faults.append(f"{what}: {detail}")

    def count(self, name):
        with self.lock:
            self.counts[name] += 1

    def deliver(self, body):
        with self.lock:
            self.delivered.add(body)
            if body not in self.sent:
                self.fault("not sent", repr(body[:40]))


class Publisher(threading.Thread):
    def __init__(self, name, port, oracle, stop, seed):
        super().__init__(name=name, daemon=True)
        self.port, self.oracle, self.stop, self.rng, self.number = port, oracle, stop, random.Random(seed), 0

    def run(self):
        while not self.stop.is_set():
            try:
                connection = nsqlib.Connection(self.port)
                while not self.stop.is_set() and self.one(connection):
                    pass
                connection.close()
            except OSError:
                # Refused, or not accepted as long as the limit lasts.
                self.oracle.count("closed")
                self.stop.wait(0.05)

    def one(self, connection):
        """One publication. False if the connection is of no more use."""
        self.number += 1
        topic = self.rng.choice(TOPICS)
        if self.rng.random() < 0.01:
            topic = b"new-%s-%d" % (self.name.encode(), self.number)
        body = b"%s %d " % (self.name.encode(), self.number) + bytes(self.rng.choice((0, 500, 5000)))
        with self.oracle.lock:
            self.oracle.sent.add(body)
            self.oracle.counts["sent"] += 1
        connection.send(nsqlib.pub(topic, body))
        kind, data = connection.frame()
        if (kind, data) == (nsqlib.RESPONSE, b"OK"):
            with self.oracle.lock:
                self.oracle.accepted.add(body)
                self.oracle.counts["accepted"] += 1
                self.oracle.counts["new_topics"] += topic not in self.oracle.topics
                self.oracle.topics.add(topic)
            return self.rng.random() > 0.02
        self.oracle.count("refused")
        if not data.startswith(b"E_PUB_FAILED"):
            self.oracle.fault("refused otherwise", repr(data))
        return False


class Consumer(threading.Thread):
    """Finishes what it gets. When it is told to stop, its FINs are confirmed by the OK to a publication that follows them."""

    def __init__(self, topic, port, oracle, stop):
        super().__init__(name=f"consumer-{topic.decode()}", daemon=True)
        self.topic, self.oracle, self.stop, self.done = topic, oracle, stop, []
        self.connection = nsqlib.Connection(port)
        self.connection.subscribe(topic, CHANNEL, 100)

    def run(self):
        while not self.stop.is_set():
            self.take(0.1)
        self.connection.send(nsqlib.pub(FENCE, b"."))
        fenced = False
        while not fenced:
            before = len(self.done)
            fenced = self.take(nsqlib.ANSWER_SECONDS)
        with self.oracle.lock:
            self.oracle.finished.update(self.done[:before])
        self.connection.close()

    def take(self, timeout):
        """Takes what comes. True if an OK is among it."""
        out, ok = [], False
        for kind, data in self.connection.frames(timeout):
            if kind == nsqlib.MESSAGE:
                message = nsqlib.Message(data)
                self.oracle.deliver(message.body)
                self.done.append(message.body)
                out.append(b"FIN %s\n" % message.id)
            elif data == b"OK":
                ok = True
            else:
                self.oracle.fault("consumer refused", repr(data))
        if out:
            self.connection.send(b"".join(out))
        return ok


def starve(daemon, oracle, rng, seconds):
    """Takes descriptors away from the daemon, and gives them back, for so long."""
    pid, whole = daemon.process.pid, resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        left = rng.choice((0, 0, 1, 2, 5))
        limit = len(os.listdir(f"/proc/{pid}/fd")) + left
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, whole[1]))
        oracle.count("shortages")
        time.sleep(rng.uniform(0.05, 1.5))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, whole)
        time.sleep(rng.uniform(0, 1))


def what_is_wrong(daemon):
    """What /ping says; nothing if that is OK."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{daemon.ports[1]}/ping", timeout=10) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        text = error.read()
    except OSError as error:
        return repr(error)
    return "" if text == b"OK" else text.decode()


def takes_messages(port, oracle):
    connection = nsqlib.Connection(port)
    for topic in sorted(oracle.topics):
        body = b"at last " + topic + b" %d" % len(oracle.sent)
        oracle.sent.add(body)
        connection.send(nsqlib.pub(topic, body))
        kind, data = connection.frame()
        if (kind, data) != (nsqlib.RESPONSE, b"OK"):
            oracle.fault("not well", f"{topic!r}: {data!r}")
            return
        oracle.accepted.add(body)
    connection.close()


def one_round(directory, durability, rng):
    oracle = Oracle()
    daemon = start(directory, durability)
    stop, quiet = threading.Event(), threading.Event()
    consumers = [Consumer(topic, daemon.port, oracle, quiet) for topic in TOPICS]
    publishers = [Publisher(f"{durability}{n}", daemon.port, oracle, stop, rng.random()) for n in range(4)]
    for thread in consumers + publishers:
        thread.start()
    starve(daemon, oracle, rng, rng.uniform(4, 10))
    stop.set()
    for thread in publishers:
        thread.join()
    healed = time.monotonic() + HEAL_SECONDS
    while (wrong := what_is_wrong(daemon)) and time.monotonic() < healed:
        time.sleep(0.2)
    if wrong:
        oracle.fault("not well", wrong)
    takes_messages(daemon.port, oracle)
    quiet.set()
    for thread in consumers:
        thread.join()
    time.sleep(QUIET_SECONDS)
    if daemon.process.poll() is not None:
        oracle.fault("ended", daemon.output()[-2000:])
    if "panicked at" in daemon.output():
        oracle.fault("panic", daemon.output()[-2000:])
    daemon.kill()
    daemon = start(directory, durability)
    drain(daemon.port, oracle)
    status = daemon.stop()
    if status != 0:
        oracle.fault("exit status", str(status))
    return oracle


def drain(port, oracle):
    """Takes what is left, new topics too. Nothing of it was finished, and then nothing is missing."""
    before, deadline = set(oracle.finished), time.monotonic() + DRAIN_SECONDS
    for topic in sorted(oracle.topics):
        connection = nsqlib.Connection(port)
        connection.subscribe(topic, CHANNEL, 2500)
        while frames := connection.frames(0.3):
            for message in (nsqlib.Message(data) for kind, data in frames if kind == nsqlib.MESSAGE):
                oracle.deliver(message.body)
                if message.body in before:
                    oracle.fault("came back", repr(message.body[:40]))
                connection.send(b"FIN %s\n" % message.id)
            if time.monotonic() > deadline:
                break
        connection.close()
    for body in sorted(oracle.accepted - oracle.delivered):
        oracle.fault("lost", repr(body[:40]))


def main():
    short = ("2 rounds, half a minute", {"rounds": 2})
    options, rng = _trial.begin(__doc__, 20, short)
    faults = []
    for number in range(options.rounds):
        durability = ("os", "fsync")[number % 2]
        with kit.directory() as directory:
            oracle = one_round(directory, durability, rng)
        counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in oracle.counts.items())
        print(f"{durability}: {counts}", flush=True)
        faults += [f"{durability}: {fault}" for fault in oracle.faults]
    return _trial.end(faults)


if __name__ == "__main__":
    sys.exit(main())
