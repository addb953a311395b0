#!/usr/bin/env python3
"""An nsqd directory is taken over although the daemon is killed again and again while it does so.

    import.py [--rounds N] [--seed S] [--short]

A round writes a directory as nsqd would have left it, starts the daemon on it and kills it (SIGKILL) at a random moment, up to
five times, then lets it finish. Every channel must give exactly its messages: id, timestamp, attempts and body. Then the golden
directories, if they are there, the same way. `NUTHATCH_BIN` is the binary (default: target/release/nuthatch)."""

import json
import random
import shutil
import struct
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

import kit  # noqa: E402
import nsqlib  # noqa: E402
import _trial  # noqa: E402

GOLDEN = kit.ROOT.parent / "shared/golden/nsqd-data"
SECONDS = 60
# Messages in each of five queues.
EACH = 10_000
TIME = 1_700_000_000_000_000_000


class Queue:
    """A disk queue: `(id, timestamp, attempts, body)` of what is unread."""

    def __init__(self, numbers, rng):
        self.messages = [(n + 1, TIME + n, rng.randrange(3), b"%d " % n + b"x" * rng.randrange(200)) for n in numbers]

    def write(self, directory, name):
        """Two files, and a meta file that says that some of the first was read already."""
        read = self.record(0, TIME, 1, b"read long ago") * 7
        half = len(self.messages) // 2
        first = read + b"".join(self.record(*message) for message in self.messages[:half])
        second = b"".join(self.record(*message) for message in self.messages[half:])
        (directory / f"{name}.diskqueue.000000.dat").write_bytes(first)
        (directory / f"{name}.diskqueue.000001.dat").write_bytes(second)
        meta = f"{len(self.messages)}\n0,{len(read)}\n1,{len(second)}\n"
        (directory / f"{name}.diskqueue.meta.dat").write_text(meta)

    @staticmethod
    def record(number, timestamp, attempts, body):
        message = struct.pack(">qH", timestamp, attempts) + b"%016x" % number + body
        return struct.pack(">I", len(message)) + message


def made(rng, count):
    """A directory's writer and its manifest: topic -> paused, own messages, channel -> paused, messages."""
    parts = [range(n * count, (n + 1) * count) for n in range(5)]
    own, a, b, alone, c = (Queue(part, rng).messages for part in parts)
    return {
        "t": (False, own, {"a": (False, a), "b": (True, b)}),
        "alone": (True, alone, {}),
        "p": (True, c, {"only": (False, [])}),
    }


def write(directory, manifest):
    listed = []
    for topic, (paused, own, channels) in manifest.items():
        named = [{"name": name, "paused": channel[0]} for name, channel in channels.items()]
        listed.append({"name": topic, "paused": paused, "channels": named})
        queues = [(topic, own), *((f"{topic}:{name}", channel[1]) for name, channel in channels.items())]
        for name, messages in queues:
            queue = Queue((), random)
            queue.messages = messages
            queue.write(directory, name)
    (directory / "nsqd.dat").write_text(json.dumps({"topics": listed, "version": "1.3.0"}))


def golden(case):
    """The manifest of a golden directory."""
    text = lambda s: s.encode("latin-1")  # noqa: E731
    messages = lambda given: [(int(m["id"], 16), m["ts"], m["attempts"], text(m["body"])) for m in given]  # noqa: E731
    return {
        topic: (
            given["paused"],
            messages(given["messages"]),
            {name: (c["paused"], messages(c["messages"])) for name, c in given["channels"].items()},
        )
        for topic, given in json.loads((case / "manifest.json").read_text())["topics"].items()
    }


def start(directory):
    def argv(tcp, http):
        addresses = [f"--tcp-address=127.0.0.1:{tcp}", f"--http-address=127.0.0.1:{http}"]
        return [kit.BINARY, "nsqd", *addresses, f"--data-path={directory / 'data'}"]

    return argv


def stage(data):
    """How far the import had come."""
    if (data / "topics/imported.json").exists():
        return "moving originals away"
    if (data / "topics").exists():
        return "done"
    return "writing journals" if (data / "topics.importing").exists() else "not begun"


def killed(directory, rng, longest, stages):
    """Starts the daemon and kills it after a while."""
    program = kit.Program("nsqd", start(directory)(kit.free_port(), kit.free_port()), [], directory)
    time.sleep(longest * rng.random() ** 3)  # The random moment; the import comes first.
    program.kill()
    found = stage(directory / "data")
    stages[found] = stages.get(found, 0) + 1


def consume(port, topic, channel, expected):
    """Everything that a channel has, until as many have come as should and a while nothing more."""
    connection, got = nsqlib.Connection(port), []
    connection.subscribe(topic.encode(), channel.encode(), 2500)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        frames = connection.frames(0.2 if len(got) >= expected else 1)
        if not frames and len(got) >= expected:
            break
        messages = [nsqlib.Message(data) for kind, data in frames if kind == nsqlib.MESSAGE]
        got += [(int(m.id, 16), m.timestamp, m.attempts - 1, m.body) for m in messages]
        connection.send(b"".join(b"FIN %s\n" % message.id for message in messages))
    connection.close()
    return sorted(got)


def check(daemon, manifest):
    """What differs from the manifest."""
    faults = []

    def post(path):
        request = urllib.request.Request(f"http://127.0.0.1:{daemon.ports[1]}{path}", method="POST")
        urllib.request.urlopen(request, timeout=SECONDS).close()

    url = f"http://127.0.0.1:{daemon.ports[1]}/stats?format=json"
    stats = {topic["topic_name"]: topic for topic in json.load(urllib.request.urlopen(url, timeout=SECONDS))["topics"]}
    if sorted(stats) != sorted(manifest):
        return [f"topics {sorted(stats)}, expected {sorted(manifest)}"]
    for topic, (paused, own, channels) in manifest.items():
        shown = {c["channel_name"]: c["paused"] for c in stats[topic]["channels"]}
        if (stats[topic]["paused"], shown) != (paused, {name: channel[0] for name, channel in channels.items()}):
            faults.append(f"topic {topic}: {stats[topic]['paused']}, {shown}")
        if paused:
            post(f"/topic/unpause?topic={topic}")
        for name, (channel_paused, _) in channels.items():
            if channel_paused:
                post(f"/channel/unpause?topic={topic}&channel={name}")
        for name, (_, messages) in (channels or {"first": (False, [])}).items():
            expected = sorted(messages + own)
            got = consume(daemon.port, topic, name, len(expected))
            if got != expected:
                missing, extra = set(expected) - set(got), set(got) - set(expected)
                faults.append(f"{topic}/{name}: {len(got)} of {len(expected)}, {len(missing)} missing, {len(extra)} extra")
    return faults


def finish(directory, manifest):
    """Lets the import end, and looks at what is there. Gives the faults and the seconds until the daemon was ready."""
    begin = time.monotonic()
    daemon = kit.start("nsqd", 2, start(directory), directory)
    ready = time.monotonic() - begin
    faults = check(daemon, manifest)
    daemon.stop()
    left = [path.name for path in (directory / "data").iterdir() if "diskqueue" in path.name or path.name == "nsqd.dat"]
    return faults + ([f"originals still there: {left[:3]}"] if left else []), ready


def main():
    options, rng = _trial.begin(__doc__, 30, ("5 rounds", {"rounds": 5}))
    rounds, faults, stages = options.rounds, [], {}
    with kit.directory() as directory:
        (directory / "data").mkdir()
        manifest = made(rng, EACH)
        write(directory / "data", manifest)
        found, longest = finish(directory, manifest)
        faults += [f"without a kill: {fault}" for fault in found]
    for number in range(rounds):
        with kit.directory() as directory:
            (directory / "data").mkdir()
            manifest = made(rng, EACH)
            write(directory / "data", manifest)
            for _ in range(rng.randrange(1, 6)):
                killed(directory, rng, longest, stages)
            faults += [f"round {number}: {fault}" for fault in finish(directory, manifest)[0]]
    cases = sorted(GOLDEN.iterdir()) if GOLDEN.is_dir() else []
    if not cases:
        print(f"SKIPPED: {GOLDEN} is not there")
    for case in cases:
        with kit.directory() as directory:
            shutil.copytree(case / "data", directory / "data")
            for _ in range(3):
                killed(directory, rng, longest / 2, stages)
            faults += [f"{case.name}: {fault}" for fault in finish(directory, golden(case))[0]]
    hits = ", ".join(f"{name} {count}" for name, count in sorted(stages.items()))
    print(f"{rounds} rounds of {5 * EACH} messages, {len(cases)} golden directories; killed while: {hits}")
    return _trial.end(faults)


if __name__ == "__main__":
    sys.exit(main())
