#!/usr/bin/env python3
"""kill -9 under load, with an oracle over what the clients know.

    crash.py [--rounds N] [--seed S] [--deferred N] [--short]

Rounds, half of them with durability `os`, half with `fsync`: publishers (PUB, MPUB, DPUB) and consumers of two channels (FIN, REQ
with a delay, deliveries left to time out) work until the daemon is killed at a random moment; it is started again on the same
directory, and they go on. At the end everything is drained. What the oracle holds against the daemon:

  lost        a message that got OK is never delivered on a channel
  came back   a message is delivered again although its FIN was confirmed (an answer to a later command of the same connection
              came) more than WINDOW seconds before a kill, or with no kill at all since
  too early   DPUB or a confirmed REQ was cut short, kill or not
  not sent    a body that nobody published

FINs within the window, or not confirmed, may be forgotten: they are counted and shown. Then, per durability, a round of its own: so
many messages are deferred (pipelined DPUB), the daemon is killed, and each must come once, not before its time.
`NUTHATCH_BIN` is the binary (default: target/release/nuthatch)."""

import random
import struct
import sys
import threading
import time
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

import kit  # noqa: E402
import nsqlib  # noqa: E402
import _trial  # noqa: E402

TOPIC, CHANNELS, FENCE = b"crash", (b"one", b"two"), b"fence#ephemeral"
# Events are written 25 ms after they happened; the rest is for a busy machine.
WINDOW = 0.15
# A delay is kept to the millisecond, and clocks are read on both sides.
EARLY = 0.005
# A delivery that nobody answers comes again after this. Longer than any consumer is ever kept from running, or else it would read
# deliveries that are no longer its own.
TIMEOUT = 3.0
LAG_MAX = TIMEOUT / 3
UNFINISHED_MAX = 4000
DRAIN_SECONDS = 60


def start(directory, durability):
    def argv(tcp, http):
        lines = ["[queue]", f'tcp = "127.0.0.1:{tcp}"', f'http = "127.0.0.1:{http}"']
        lines += [f'data_path = "{directory}/data"', f'durability = "{durability}"']
        conf = directory / "nuthatch.toml"
        conf.write_text("\n".join(lines) + "\n")
        return [kit.BINARY, "run", "-c", conf]

    return kit.start("nuthatch", 2, argv, directory)


class Deed:
    """A FIN or REQ, and what is known of it."""

    __slots__ = ("kind", "due", "confirmed")

    def __init__(self, kind, due=0.0):
        self.kind, self.due, self.confirmed = kind, due, None


class Oracle:
    """What all clients know together."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent, self.accepted, self.due = set(), set(), {}
        self.last = {channel: {} for channel in CHANNELS}
        self.kills, self.faults = [], []
        self.counts = dict.fromkeys(
            ["sent", "accepted", "deferred", "deliveries", "finished", "requeued", "left", "repeated_unconfirmed"], 0
        )
        self.counts["repeated_in_window"] = self.counts["delays_forgotten"] = self.counts["stale"] = 0
        self.oldest_forgotten = self.latest = 0.0

    def fault(self, what, body, detail=""):
        self.faults.append(f"{what}: {body[:40]!r} {detail}")

    def publish(self, bodies, due=None):
        with self.lock:
            self.sent.update(bodies)
            self.counts["sent"] += len(bodies)
            if due is not None:
                self.due.update(dict.fromkeys(bodies, due))
                self.counts["deferred"] += len(bodies)

    def accept(self, bodies):
        with self.lock:
            self.accepted.update(bodies)
            self.counts["accepted"] += len(bodies)

    def deliver(self, channel, message, lag):
        """A delivery: is it one that may be? It was read at most `lag` seconds after it came."""
        now, body = time.monotonic(), message.body
        with self.lock:
            self.counts["deliveries"] += 1
            if body not in self.sent:
                self.fault("not sent", body)
            due = self.due.get(body)
            if due is not None and now < due - EARLY:
                self.fault("too early", body, f"DPUB, by {due - now:.3f} s")
            deed = self.last[channel].get(body)
            if deed and lag > LAG_MAX:
                self.counts["stale"] += 1
                return False
            self.last[channel].pop(body, None)
            if deed and deed.kind == "FIN":
                self.came_back(message, deed)
            elif deed and deed.kind == "REQ" and now < deed.due - EARLY:
                if self.may_be_forgotten(deed):
                    self.counts["delays_forgotten"] += 1
                else:
                    self.fault("too early", body, f"REQ, by {deed.due - now:.3f} s, attempt {message.attempts}")
            return True

    def may_be_forgotten(self, deed):
        return deed.confirmed is None or self.age(deed) <= WINDOW

    def age(self, deed):
        """Seconds between the confirmation and the first kill after it."""
        return min((kill - deed.confirmed for kill in self.kills if kill >= deed.confirmed), default=float("inf"))

    def came_back(self, message, deed):
        if deed.confirmed is None:
            self.counts["repeated_unconfirmed"] += 1
        elif self.age(deed) <= WINDOW:
            self.counts["repeated_in_window"] += 1
            self.oldest_forgotten = max(self.oldest_forgotten, self.age(deed))
        else:
            ago = time.monotonic() - deed.confirmed
            detail = f"FIN confirmed {ago:.3f} s ago, {self.age(deed):.3f} s before a kill, attempt {message.attempts}"
            self.fault("came back", message.body, detail)

    def unfinished(self, channel):
        last = self.last[channel]
        with self.lock:
            return [body for body in self.accepted if (deed := last.get(body)) is None or deed.kind != "FIN"]

    def backlog(self):
        return self.counts["accepted"] * len(CHANNELS) - self.counts["finished"]


def body_of(name, rng):
    """A body that tells whether it is whole."""
    filling = rng.randbytes(rng.choice((0, 20, 200, 2000)))
    return b"%s %08x " % (name.encode(), zlib.crc32(filling)) + filling


class Publisher(threading.Thread):
    def __init__(self, name, port, oracle, stop, seed):
        super().__init__(name=name, daemon=True)
        self.port, self.oracle, self.stop, self.rng, self.number = port, oracle, stop, random.Random(seed), 0

    def bodies(self, count):
        self.number += count
        return [body_of(f"{self.name}-{self.number - n}", self.rng) for n in range(count)]

    def run(self):
        try:
            connection = nsqlib.Connection(self.port)
            while not self.stop.is_set():
                if self.oracle.backlog() > UNFINISHED_MAX:
                    self.stop.wait(0.01)
                    continue
                self.one(connection)
        except OSError:
            pass  # The daemon was killed.

    def one(self, connection):
        kind = self.rng.choice(("PUB", "PUB", "MPUB", "DPUB"))
        bodies = self.bodies(self.rng.choice((1, 3, 20)))
        if kind == "MPUB":
            self.oracle.publish(bodies)
            connection.send(nsqlib.mpub(TOPIC, bodies))
            connection.answers(1)
            self.oracle.accept(bodies)
            return
        delay = self.rng.randrange(20, 2500) if kind == "DPUB" else None
        self.oracle.publish(bodies, None if delay is None else time.monotonic() + delay / 1000)
        if delay is None:
            connection.send(b"".join(nsqlib.pub(TOPIC, body) for body in bodies))
        else:
            connection.send(b"".join(nsqlib.dpub(TOPIC, delay, body) for body in bodies))
        for body in bodies:
            connection.answers(1)
            self.oracle.accept([body])


class Consumer(threading.Thread):
    """Consumes one channel. Every FIN and REQ is confirmed by the OK to a publication that follows it."""

    def __init__(self, name, port, oracle, stop, seed, channel, drains=False):
        super().__init__(name=name, daemon=True)
        self.port, self.oracle, self.stop, self.rng = port, oracle, stop, random.Random(seed)
        self.channel, self.drains, self.life = channel, drains, len(oracle.kills)
        self.by_id, self.unfenced, self.fences = {}, [], []
        self.read = self.lag = 0.0

    def run(self):
        try:
            connection = nsqlib.Connection(self.port, msg_timeout=int(TIMEOUT * 1000), feature_negotiation=True)
            connection.subscribe(TOPIC, self.channel, 100)
            self.read = time.monotonic()
            while not self.stop.is_set():
                frames = connection.frames(0.05)
                self.lag, self.read = time.monotonic() - self.read, time.monotonic()
                out = [answer for frame in frames if (answer := self.handle(*frame))]
                if self.unfenced and len(self.fences) < 4:
                    self.fences.append(self.unfenced)
                    self.unfenced = []
                    out.append(nsqlib.pub(FENCE, b"."))
                if out:
                    connection.send(b"".join(out))
        except OSError:
            pass  # The daemon was killed.

    def handle(self, kind, data):
        if kind == nsqlib.MESSAGE:
            return self.message(nsqlib.Message(data))
        if kind == nsqlib.ERROR:
            self.failed(data)
        elif data == b"OK":
            # What is read after the kill was written before it.
            killed = self.oracle.kills[self.life : self.life + 1]
            for deed in self.fences.pop(0):
                deed.confirmed = min([time.monotonic(), *killed])
        return None

    def message(self, message):
        if not self.oracle.deliver(self.channel, message, self.lag):
            return None
        choice = 0.0 if self.drains else self.rng.random()
        if choice > 0.97:
            self.oracle.counts["left"] += 1
            return None
        if choice > 0.85:
            delay = self.rng.choice((0, 100, 500, 1500))
            self.note(message, Deed("REQ", time.monotonic() + delay / 1000))
            return b"REQ %s %d\n" % (message.id, delay)
        self.note(message, Deed("FIN"))
        return b"FIN %s\n" % message.id

    def note(self, message, deed):
        with self.oracle.lock:
            self.oracle.counts["finished" if deed.kind == "FIN" else "requeued"] += 1
            self.oracle.last[self.channel][message.body] = deed
        self.by_id[message.id] = (message.body, deed)
        self.unfenced.append(deed)

    def failed(self, text):
        """The message had timed out before: what was done to it did not happen."""
        words = text.split()
        if words[0] not in (b"E_FIN_FAILED", b"E_REQ_FAILED"):
            self.oracle.fault("refused", text)
            return
        body, deed = self.by_id[words[2]]
        with self.oracle.lock:
            self.oracle.counts["finished" if deed.kind == "FIN" else "requeued"] -= 1
            if self.oracle.last[self.channel].get(body) is deed:
                del self.oracle.last[self.channel][body]


def crew(port, oracle, rng, name):
    """Starts everybody; gives the event that stops them."""
    stop = threading.Event()
    threads = [Publisher(f"{name}-p{n}", port, oracle, stop, rng.random()) for n in range(2)]
    for channel in CHANNELS:
        threads += [Consumer(f"{name}-{channel}-{n}", port, oracle, stop, rng.random(), channel) for n in range(2)]
    for thread in threads:
        thread.start()
    return stop, threads


def end(stop, threads):
    stop.set()
    for thread in threads:
        thread.join()


def drain(port, oracle, rng):
    """Consumes until nothing is left, or nothing has come for a while."""
    stop = threading.Event()
    threads = [Consumer(f"drain-{c}", port, oracle, stop, rng.random(), c, drains=True) for c in CHANNELS]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + DRAIN_SECONDS
    while any(oracle.unfinished(channel) for channel in CHANNELS) and time.monotonic() < deadline:
        stop.wait(0.2)
    end(stop, threads)
    for channel in CHANNELS:
        for body in oracle.unfinished(channel):
            oracle.fault("lost", body, f"on channel {channel.decode()}")


def create_channels(port):
    """Both channels are there before anything is published."""
    connections = [nsqlib.Connection(port) for _ in CHANNELS]
    for connection, channel in zip(connections, CHANNELS):
        connection.subscribe(TOPIC, channel, 0)
    for connection in connections:
        connection.close()


def rounds(directory, durability, count, rng):
    """So many kills, then a drain. Gives the oracle."""
    oracle = Oracle()
    daemon = start(directory, durability)
    create_channels(daemon.port)
    for number in range(count):
        stop, threads = crew(daemon.port, oracle, rng, f"{durability}{number}")
        time.sleep(rng.uniform(0.2, 1.6))  # The random moment.
        oracle.kills.append(time.monotonic())
        daemon.kill()
        end(stop, threads)
        check_output(daemon, oracle)
        daemon = start(directory, durability)
        if oracle.faults:
            break
    drain(daemon.port, oracle, rng)
    status = daemon.stop()
    if status != 0:
        oracle.fault("exit status", b"", str(status))
    check_output(daemon, oracle)
    return oracle


def check_output(daemon, oracle):
    if "panicked at" in daemon.output():
        oracle.fault("panic", b"", daemon.output()[-2000:])


def deferred(directory, durability, count, rng):
    """Defers messages, kills the daemon, and takes them when they come. Gives faults and a line to print."""
    daemon = start(directory, durability)
    create_channels(daemon.port)
    publisher, due, faults = nsqlib.Connection(daemon.port), [0.0] * count, []
    begin = time.monotonic()
    base = begin + 4 + count / 20_000
    for first in range(0, count, 500):
        out = []
        for n in range(first, min(first + 500, count)):
            # Where publishing takes longer than expected, what is left is due at once.
            delay = max(1, int((base + rng.uniform(0, 3) - time.monotonic()) * 1000))
            due[n] = time.monotonic() + delay / 1000
            out.append(nsqlib.dpub(TOPIC, delay, struct.pack(">I", n)))
        publisher.send(b"".join(out))
        publisher.answers(len(out))
    published = time.monotonic() - begin
    daemon.kill()
    begin = time.monotonic()
    daemon = start(directory, durability)
    back = time.monotonic() - begin
    seen, late = set(), []
    connection = nsqlib.Connection(daemon.port)
    connection.subscribe(TOPIC, CHANNELS[0], 2500)
    deadline = max(due) + 60
    while len(seen) < count and time.monotonic() < deadline:
        out = []
        for kind, data in connection.frames(1):
            if kind != nsqlib.MESSAGE:
                faults.append(f"answer {data!r}")
                continue
            message, now = nsqlib.Message(data), time.monotonic()
            (n,) = struct.unpack(">I", message.body)
            if n in seen:
                faults.append(f"came back: {n}")
            if now < due[n] - EARLY:
                faults.append(f"too early: {n}, by {due[n] - now:.3f} s")
            seen.add(n)
            late.append(now - due[n])
            out.append(b"FIN %s\n" % message.id)
        if out:
            connection.send(b"".join(out))
    if len(seen) < count:
        faults.append(f"lost: {count - len(seen)} deferred messages")
    daemon.stop()
    late.sort()
    middle, last = (late[len(late) // 2], late[-1]) if late else (0.0, 0.0)
    line = (
        f"{durability}: {count} deferred in {published:.1f} s, killed, back in {back:.2f} s, {len(seen)} delivered, "
        f"late by {middle * 1000:.0f} ms in the middle, {last * 1000:.0f} ms at most"
    )
    return faults, line


def report(durability, count, oracle):
    counts = ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in oracle.counts.items())
    print(f"{durability}: {count} kills; {counts}")
    print(f"{durability}: oldest confirmed FIN that was forgotten: {oracle.oldest_forgotten * 1000:.0f} ms before its kill")
    return [f"{durability}: {fault}" for fault in oracle.faults]


def main():
    short = ("8 rounds and 20,000 deferred messages, half a minute", {"rounds": 8, "deferred": 20_000})
    options, rng = _trial.begin(__doc__, 50, short, [("deferred", 100_000)])
    faults = []
    for durability in ("os", "fsync"):
        with kit.directory() as directory:
            count = (options.rounds + 1) // 2
            faults += report(durability, count, rounds(directory, durability, count, rng))
        with kit.directory() as directory:
            found, line = deferred(directory, durability, options.deferred, rng)
            print(line, flush=True)
            faults += [f"{durability}: {fault}" for fault in found]
    return _trial.end(faults)


if __name__ == "__main__":
    sys.exit(main())
