#!/usr/bin/env python3
"""kill -9 of nsq_to_file under load, with an oracle over what is in its files.

    to_file.py [--rounds N] [--kills N] [--seed S] [--short]

A round is one way to write (plain, gzip or zstd; rotated by size or not; with a work directory or not; raw or JSON). Numbered
messages are published all the time; the tool is killed at random moments and started again. What the oracle holds against it:

  missing     a message that the daemon has seen FIN for is in no file, asked after each kill and at the end
  repeated    a message is there more often than a kill could account for: once, and once for each kill that it was unfinished at
  not sent    a line that nobody published, but for one that a kill has cut

Files are read as they are: what a kill has cut off at the end of a compressed file is passed over. `NUTHATCH_BIN` is the binary
(default: target/release/nuthatch)."""

import collections
import json
import shutil
import subprocess
import sys
import threading
import urllib.request
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

import kit  # noqa: E402
import nsqlib  # noqa: E402
import _trial  # noqa: E402

TOPIC, CHANNEL = "crash", "nsq_to_file"
MAX_IN_FLIGHT = 50
BATCH = 20
BODY = 150


def body(number):
    return b"%08d %s." % (number, b"x" * (number % BODY))


def number_of(line):
    """The number of a line that is whole, or None."""
    if not line[:8].isdigit():
        return None
    number = int(line[:8])
    return number if line == body(number) else None


class Publisher(threading.Thread):
    """Publishes until it is stopped; what has got OK counts."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.connection = nsqlib.Connection(port)
        self.accepted, self.stopping = 0, threading.Event()

    def run(self):
        while not self.stopping.wait(0.004):
            bodies = [body(self.accepted + n) for n in range(BATCH)]
            self.connection.send(nsqlib.mpub(TOPIC.encode(), bodies))
            kind, data = self.connection.frame()
            assert (kind, data) == (nsqlib.RESPONSE, b"OK"), data
            self.accepted += BATCH

    def stop(self):
        self.stopping.set()
        self.join()


def unzipped(data):
    """The text of a gzip file, up to where it is cut off."""
    text = b""
    while data:
        member = zlib.decompressobj(wbits=31)
        text += member.decompress(data)
        if not member.eof:
            break
        data = member.unused_data
    return text


def text_of(path):
    if path.suffix == ".gz":
        return unzipped(path.read_bytes())
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dcq", str(path)], capture_output=True, check=False).stdout
    return path.read_bytes()


class Files:
    """What the tool has written."""

    def __init__(self, directories, is_json):
        self.copies, self.strange = collections.Counter(), []
        for directory in directories:
            for path in sorted(directory.glob("*")):
                self.read(text_of(path).splitlines(), is_json)

    def read(self, lines, is_json):
        for line in lines:
            if is_json:
                try:
                    line = json.loads(line)["body"].encode()
                except ValueError:
                    line = b"cut"
            number = number_of(line)
            if number is None:
                self.strange.append(line)
            else:
                self.copies[number] += 1


class Round:
    """One way to write, and its daemon."""

    def __init__(self, stack, chance, compression):
        self.chance = chance
        self.out, self.work = stack.path / "out", stack.path / "work"
        self.is_json = chance.random() < 0.3
        self.options = [f"--{compression}"] if compression else []
        self.options += ["--rotate-size=4000"] if chance.random() < 0.5 else []
        self.options += [f"--work-dir={self.work}"] if chance.random() < 0.5 else []
        self.options += ["--output-format=jsonl"] if self.is_json else []
        self.stack, self.nsqd = stack, stack.keep(kit.start_nsqd(stack.path))
        self.kills = 0

    def start(self):
        argv = [kit.BINARY, "nsq_to_file", f"--topic={TOPIC}", f"--nsqd-tcp-address=127.0.0.1:{self.nsqd.port}"]
        argv += [f"--output-dir={self.out}", "--filename-format=<TOPIC><REV>.log", f"--max-in-flight={MAX_IN_FLIGHT}"]
        argv += [f"--sync-interval={self.chance.choice([20, 100, 500])}ms", *self.options]
        return kit.Program("nsq_to_file", argv, [], self.stack.path)

    def channel(self):
        url = f"http://127.0.0.1:{self.nsqd.ports[1]}/stats?format=json&topic={TOPIC}&channel={CHANNEL}"
        with urllib.request.urlopen(url, timeout=kit.ANSWER_SECONDS) as answer:
            topics = json.load(answer)["topics"]
        channels = topics[0]["channels"] if topics else []
        return channels[0] if channels else None

    def finished(self):
        """Messages that the daemon has seen FIN for, once the tool is gone."""
        kit.until(lambda: not (self.channel() or {}).get("client_count"), "the daemon to notice")
        channel = self.channel()
        if channel is None:
            return 0
        return channel["message_count"] - channel["depth"] - channel["in_flight_count"] - channel["deferred_count"]

    def files(self):
        return Files([self.out, self.work], self.is_json)

    def kill(self, tool):
        """Lets it work, kills it, and looks whether what was finished is there."""
        before = self.channel()
        goal = (before or {"message_count": 0})["message_count"] + self.chance.randrange(1, 400)
        kit.until(lambda: (self.channel() or {"message_count": 0})["message_count"] > goal, "messages to be delivered")
        threading.Event().wait(self.chance.random() * 0.05)
        tool.kill()
        self.kills += 1
        finished, there = self.finished(), len(self.files().copies)
        return [] if there >= finished else [f"missing: {finished} finished, {there} there ({self.options})"]

    def run(self, kills):
        publisher = Publisher(self.nsqd.port)
        publisher.start()
        faults = []
        for _ in range(kills):
            faults += self.kill(self.start())
        publisher.stop()
        tool = self.start()
        kit.until(lambda: (c := self.channel()) and c["depth"] == c["in_flight_count"] == 0, "the rest to be written")
        tool.stop()
        return faults + self.judge(publisher.accepted)

    def judge(self, accepted):
        files, faults = self.files(), []
        missing = [number for number in range(accepted) if not files.copies[number]]
        if missing:
            faults.append(f"missing: {len(missing)} of {accepted}, the first is {missing[0]} ({self.options})")
        repeated = sum(files.copies.values()) - len(files.copies)
        if repeated > self.kills * MAX_IN_FLIGHT or max(files.copies.values(), default=0) > 1 + self.kills:
            faults.append(f"repeated: {repeated} in {self.kills} kills ({self.options})")
        if len(files.strange) > self.kills:
            faults.append(f"not sent: {len(files.strange)}, as {files.strange[0]!r:.100} ({self.options})")
        print(f"{accepted} messages, {self.kills} kills, {repeated} repeated, {self.options}", flush=True)
        return faults


def main():
    short = ("three rounds with four kills", {"rounds": 3, "kills": 4})
    options, chance = _trial.begin(__doc__, 12, short, [("kills", 15)])
    compressions = ["", "gzip", "zstd"] if shutil.which("zstd") else ["", "gzip"]
    faults = []
    for number in range(options.rounds):
        with kit.Stack() as stack:
            compression = compressions[number % len(compressions)]
            faults += Round(stack, chance, compression).run(options.kills)
    sys.exit(_trial.end(faults))


if __name__ == "__main__":
    main()
