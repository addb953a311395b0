#!/usr/bin/env python3
"""Damage to a topic's files while the daemon is down, with an oracle over what is lost.

    damage.py [--rounds N] [--seed S] [--short]

A topic of two channels is filled once with a checkpoint and once without one: channel `one` has finished some of its messages, `two`
none. Then, kind by kind, a copy of its files is damaged: bits of messages, runs of bytes, headers, whole segments, the checkpoint, the
tail; the daemon is started on it. What the oracle holds against it:

  lost        a message whose record was not touched is not delivered to a channel that had not finished it
  came back   a message is delivered that the channel had finished, where no FIN and no checkpoint was touched
  made up     a body that nobody published, or one whose record was damaged
  depth       what `/stats` counts before the first delivery, and after the last one, is not what there is
  silence     neither the log nor `/damage` says that something was damaged, or one does and nothing was, or after it was acknowledged
  id          a new message has the id of an old one
  later       what is published after the damage does not arrive

Each round takes other messages. `NUTHATCH_BIN` is the binary (default: target/release/nuthatch)."""

import concurrent.futures
import json
import re
import shutil
import struct
import sys
import tempfile
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

import kit  # noqa: E402
import nsqlib  # noqa: E402
import _trial  # noqa: E402

TOPIC, CHANNELS = b"damage", (b"one", b"two")
SEGMENT = "16KiB"
MESSAGES, BODY = 60, 1000
# So much behind them that a checkpoint is due.
FILLERS, FILLER = 9, 1_000_000
LATER = 3
HEADER, RECORD = 32, 9
KIND_MESSAGE, KIND_FINISHED = 1, 4
# No more messages come when none has come for so long.
QUIET_SECONDS = 5.0
# Cases that run at a time.
AT_ONCE = 4


def start(directory):
    def argv(tcp, http):
        lines = ["[queue]", f'tcp = "127.0.0.1:{tcp}"', f'http = "127.0.0.1:{http}"']
        lines += [f'data_path = "{directory}/data"', f'max_bytes_per_file = "{SEGMENT}"']
        conf = directory / "nuthatch.toml"
        conf.write_text("\n".join(lines) + "\n")
        return [kit.BINARY, "run", "-c", conf]

    return kit.start("nuthatch", 2, argv, directory)


def files_of(directory):
    return directory / "data/topics" / f"{TOPIC.decode()}.topic"


def body_of(number, size=BODY):
    return (b"<%06d>" % number).ljust(size, b".")


def number_of(body):
    found = re.match(rb"<(\d{6})>", body)
    return int(found[1]) if found and not body[8:].strip(b".") else None


class Base:
    """A topic that was used, and what its channels are owed."""

    def __init__(self, directory, checkpoint, rng):
        self.directory, self.checkpoint = directory, checkpoint
        self.numbers, self.ids = [], set()
        self.finished = set()
        program = start(directory)
        publisher = nsqlib.Connection(program.ports[0])
        for channel in CHANNELS:
            nsqlib.Connection(program.ports[0]).subscribe(TOPIC, channel, 0)
        self.publish(publisher, MESSAGES)
        self.consume(program, rng)
        if checkpoint:
            self.publish(publisher, FILLERS, FILLER)
            kit.until((files_of(directory) / "checkpoint").exists, "a checkpoint")
            self.publish(publisher, MESSAGES // 3)
            self.consume(program, rng)
        publisher.close()
        assert program.stop() == 0, program.output()

    def publish(self, connection, count, size=BODY):
        first = len(self.numbers)
        for number in range(first, first + count):
            connection.send(nsqlib.pub(TOPIC, body_of(number, size)))
            self.numbers.append(number)
        connection.answers(count)

    def consume(self, program, rng):
        """Takes what there is on the first channel, and finishes a part of it."""
        connection = nsqlib.Connection(program.ports[0])
        connection.subscribe(TOPIC, CHANNELS[0], len(self.numbers))
        for message in take(connection, len(self.numbers) - len(self.finished)):
            self.ids.add(message.id)
            if rng.random() < 0.4:
                self.finished.add(number_of(message.body))
                connection.send(b"FIN %s\n" % message.id)
        connection.send(nsqlib.pub(b"fence", b"x"))
        connection.answers(1)
        connection.close()

    def owed(self, channel):
        return set(self.numbers) - (self.finished if channel == CHANNELS[0] else set())


def ask(program, path, body=None):
    """GET, or POST if there is a body."""
    return json.load(urllib.request.urlopen(f"http://127.0.0.1:{program.ports[1]}{path}", body, timeout=60))


def take(connection, count):
    """So many messages; fewer if no more come."""
    messages = []
    while len(messages) < count:
        try:
            kind, data = connection.frame(QUIET_SECONDS)
        except TimeoutError:
            break
        if kind == nsqlib.MESSAGE:
            messages.append(nsqlib.Message(data))
    return messages


class Record:
    """A record in a segment's file."""

    def __init__(self, path, at, content):
        self.path, self.at = path, at
        length, self.kind = struct.unpack_from("<IB", content, at + 4)
        self.end = at + RECORD + length
        body = content[at + RECORD + 9 : self.end] if self.kind == KIND_MESSAGE else b""
        self.number = number_of(body)


class Files:
    """The files of a topic, to be damaged. Notes which messages that costs."""

    def __init__(self, directory, rng):
        self.directory, self.rng = directory, rng
        self.lost, self.forgets, self.gone = set(), False, False
        self.segments = sorted(path for path in directory.glob("*.log"))
        self.records = {path: list(records_of(path)) for path in self.segments}

    def messages(self):
        return [record for records in self.records.values() for record in records if record.number is not None]

    def message(self):
        return self.rng.choice([record for record in self.messages() if record.end - record.at < 2 * BODY])

    def whole(self):
        """Segments behind the first, which has the channels, and before the last."""
        inner = self.segments[1:-1]
        return self.rng.choice([path for path in inner if len(self.records[path]) > 3])

    def change(self, path, how):
        content = bytearray(path.read_bytes())
        how(content)
        path.write_bytes(content)

    def flip(self, path, at):
        def one(content):
            content[at] ^= 1 << self.rng.randrange(8)

        self.change(path, one)

    def lose(self, path, begin, end):
        """What overlaps these bytes is lost."""
        for record in self.records[path]:
            if record.at < end and begin < record.end:
                self.lost |= {record.number} - {None}
                self.forgets |= record.kind == KIND_FINISHED

    def overwrite(self, path, begin, data):
        def over(content):
            content[begin : begin + len(data)] = data

        self.change(path, over)
        self.lose(path, begin, begin + len(data))

    def cut(self, path, at):
        self.change(path, lambda content: content.__delitem__(slice(at, None)))
        self.lose(path, at, 1 << 60)

    def remove(self, path):
        path.unlink()
        self.lose(path, 0, 1 << 60)


def records_of(path):
    content = path.read_bytes()
    at = HEADER
    while at + RECORD <= len(content):
        record = Record(path, at, content)
        yield record
        at = record.end


def in_message(offset):
    def damage(files):
        record = files.message()
        files.flip(record.path, record.at + offset)
        files.lost.add(record.number)

    return damage


def several_messages(files):
    for _ in range(5):
        in_message(RECORD + 20)(files)
    # Two bits of one message may have been the same one.
    files.lost = {record.number for record in files.messages() if not is_sound(record)}


def is_sound(record):
    content = record.path.read_bytes()[record.at + RECORD + 9 : record.end]
    return number_of(content) == record.number


def zeroed_message(files):
    record = files.message()
    files.overwrite(record.path, record.at, bytes(record.end - record.at))


def swapped_messages(files):
    pairs = [
        (one, other)
        for records in files.records.values()
        for one, other in zip(records, records[1:])
        if None not in (one.number, other.number) and one.end - one.at == other.end - other.at
    ]
    one, other = files.rng.choice(pairs)
    content = one.path.read_bytes()
    files.overwrite(one.path, one.at, content[other.at : other.end] + content[one.at : one.end])


def page(filling):
    def damage(files):
        path = files.whole()
        files.overwrite(path, 4096, filling * 4096)

    return damage


def finished(files):
    events = [r for records in files.records.values() for r in records if r.kind == KIND_FINISHED]
    record = files.rng.choice(events)
    files.flip(record.path, record.at + RECORD)
    files.lose(record.path, record.at, record.end)


def header(at):
    def damage(files):
        files.flip(files.rng.choice(files.segments[:-1]), at)

    return damage


def headers(files):
    for path in files.segments[1:]:
        files.overwrite(path, 0, b"\xee" * HEADER)


def appended(where, data):
    def damage(files):
        path = files.segments[where]
        files.change(path, lambda content: content.extend(data))

    return damage


def half_record(files):
    content = files.segments[0].read_bytes()
    appended(-1, content[HEADER : HEADER + 40])(files)


def truncated(files):
    path = files.whole()
    record = files.rng.choice([record for record in files.records[path] if record.number is not None])
    files.cut(path, record.at + files.rng.randrange(1, record.end - record.at))


def tail(files):
    last = files.records[files.segments[-1]]
    record = files.rng.choice(last)
    files.cut(files.segments[-1], record.at + (record.end - record.at) // 2)


def emptied(files):
    path = files.whole()
    files.cut(path, 0)


def missing(files):
    files.remove(files.whole())


def last_missing(files):
    files.remove(files.segments[-1])


def topic_missing(files):
    files.lost = {record.number for record in files.messages()}
    files.gone = True
    shutil.rmtree(files.directory)


def checkpoint(how):
    def damage(files):
        how(files.directory / "checkpoint", files)
        # The segments are all there, and so is every FIN.

    return damage


def strays(files):
    some = files.segments[0].read_bytes()
    for name in ("x.log", f"{(1 << 64) - 1:020}.log", "00000000000000000007", "checkpoint.tmp", "17.log"):
        (files.directory / name).write_bytes(some)


def foreign(files):
    (files.directory / f"{1 << 40:020}.log").write_bytes(b"nuthatch" + files.rng.randbytes(5000))


# Name, what is done, whether the log is to tell of it, and with what kind of files: with a checkpoint (True), without (False).
BOTH = (True, False)
CASES = [
    ("nothing", lambda files: None, False, BOTH),
    ("a checksum", in_message(1), True, BOTH),
    ("a length", in_message(4), True, BOTH),
    ("a length, too large", in_message(7), True, BOTH),
    ("a kind", in_message(8), True, BOTH),
    ("flags", in_message(RECORD), True, BOTH),
    ("a time", in_message(RECORD + 3), True, BOTH),
    ("a body", in_message(RECORD + 9 + 400), True, BOTH),
    ("several bodies", several_messages, True, BOTH),
    ("a message of zeros", zeroed_message, True, BOTH),
    ("two messages in each other's place", swapped_messages, True, BOTH),
    ("a page of zeros", page(b"\0"), True, BOTH),
    ("a page of ones", page(b"\xff"), True, BOTH),
    ("a FIN", finished, True, BOTH),
    ("a header's magic", header(3), True, BOTH),
    ("a header's version", header(8), True, BOTH),
    ("a header's checksum", header(13), True, BOTH),
    ("a header's tag", header(20), True, BOTH),
    ("a header's start", header(25), True, BOTH),
    ("all headers but the first", headers, True, BOTH),
    ("zeros behind a closed segment", appended(0, bytes(100)), False, BOTH),
    ("bytes behind the last segment", appended(-1, b"\x55" * 300), True, BOTH),
    ("half a record behind the last segment", half_record, True, BOTH),
    ("a segment that was cut", truncated, True, BOTH),
    ("an empty segment", emptied, True, BOTH),
    ("a segment that is gone", missing, True, BOTH),
    ("a tail that was cut", tail, True, BOTH),
    ("the last segment is gone", last_missing, True, BOTH),
    ("the topic's directory is gone", topic_missing, True, BOTH),
    ("a checkpoint with a flipped bit", checkpoint(lambda path, files: files.flip(path, 60)), True, (True,)),
    ("half a checkpoint", checkpoint(lambda path, files: path.write_bytes(path.read_bytes()[:50])), True, (True,)),
    ("an empty checkpoint", checkpoint(lambda path, _: path.write_bytes(b"")), True, (True,)),
    ("no checkpoint", checkpoint(lambda path, _: path.unlink()), False, (True,)),
    ("files of other names", strays, False, BOTH),
    ("a file of somebody else", foreign, True, BOTH),
]


class Case:
    """A damaged copy of a base."""

    def __init__(self, base, name, damage, told, rng):
        self.base, self.told, self.faults = base, told, []
        self.name = f"{name}, {'with' if base.checkpoint else 'without'} a checkpoint"
        self.directory = Path(tempfile.mkdtemp(prefix="damage-", dir=base.directory.parent))
        shutil.copytree(base.directory / "data", self.directory / "data")
        self.files = Files(files_of(self.directory), rng)
        damage(self.files)

    def fault(self, what, detail=""):
        self.faults.append(f"{what}: {self.name}: {detail}")

    def run(self):
        program = start(self.directory)
        try:
            self.check(program)
            self.acknowledge(program)
        except (OSError, AssertionError) as error:
            self.fault("failed", f"{error!r}\n{program.output()}")
        finally:
            program.stop()
        self.look_into(program.output(), self.told)
        program = start(self.directory)
        try:
            self.depths(program, {channel: 0 for channel in CHANNELS}, "after another start")
        finally:
            program.stop()
        self.look_into(program.output(), False)
        shutil.rmtree(self.directory)
        return self.faults

    def left(self, channel):
        return self.base.owed(channel) - self.files.lost

    def check(self, program):
        if self.files.gone:
            for channel in CHANNELS:
                nsqlib.Connection(program.ports[0]).subscribe(TOPIC, channel, 0)
        if not self.files.forgets:
            self.depths(program, {channel: len(self.left(channel)) for channel in CHANNELS}, "at the start")
        connection = nsqlib.Connection(program.ports[0])
        later = [body_of(900_000 + n) for n in range(LATER)]
        for body in later:
            connection.send(nsqlib.pub(TOPIC, body))
        connection.answers(LATER)
        connection.close()
        for channel in CHANNELS:
            self.drain(program, channel, {number_of(body) for body in later})
        self.depths(program, {channel: 0 for channel in CHANNELS}, "in the end")

    def acknowledge(self, program):
        found = ask(program, "/damage")["damage"]
        if bool(found) != self.told:
            self.fault("silence" if self.told else "false alarm", f"/damage: {found}")
        if ask(program, "/damage/acknowledge", b"")["count"] != len(found):
            self.fault("silence", "not all was acknowledged")

    def depths(self, program, expected, when):
        topics = ask(program, f"/stats?format=json&topic={TOPIC.decode()}")["topics"]
        found = {channel["channel_name"].encode(): channel["depth"] for channel in topics[0]["channels"]}
        if found != expected:
            self.fault("depth", f"{when}: {found}, not {expected}")

    def drain(self, program, channel, later):
        connection = nsqlib.Connection(program.ports[0])
        connection.subscribe(TOPIC, channel, 2500)
        left, most = self.left(channel), len(self.base.numbers) + LATER
        wanted = most if self.files.forgets else len(left) + LATER
        messages = take(connection, wanted)
        for message in messages:
            connection.send(b"FIN %s\n" % message.id)
        connection.send(nsqlib.pub(b"fence", b"x"))
        connection.answers(1)
        connection.close()
        got = [number_of(message.body) for message in messages]
        numbers = set(got)
        for what, wrong in (
            ("lost", left - numbers),
            ("made up", numbers & self.files.lost | numbers - set(self.base.numbers) - later),
            ("came back", set() if self.files.forgets else numbers - left - later - self.files.lost),
            ("later", later - numbers),
            ("twice", {number for number in got if got.count(number) > 1}),
        ):
            if wrong:
                self.fault(what, f"{channel.decode()}: {sorted(wrong, key=str)[:10]}")
        new = {message.id for message in messages if number_of(message.body) in later}
        if new & self.base.ids:
            self.fault("id", f"{channel.decode()}: {new & self.base.ids}")

    def look_into(self, log, expected):
        told = " ERROR " in log
        if told != expected:
            self.fault("silence" if expected else "false alarm", log)


def run_round(directory, number, rng):
    bases = []
    for with_checkpoint in BOTH:
        place = directory / f"base-{number}-{with_checkpoint}"
        place.mkdir()
        bases.append(Base(place, with_checkpoint, rng))
    cases = [
        Case(base, name, damage, told, rng)
        for name, damage, told, kinds in CASES
        for base in bases
        if base.checkpoint in kinds
    ]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        faults = [fault for found in pool.map(Case.run, cases) for fault in found]
    print(f"round {number}: {len(cases)} cases, {len(faults)} faults", flush=True)
    return faults


def main():
    options, rng = _trial.begin(__doc__, 5, ("one round", {"rounds": 1}))
    with tempfile.TemporaryDirectory(prefix="nuthatch-damage-") as directory:
        return _trial.end(
            [fault for n in range(options.rounds) for fault in run_round(Path(directory), n, rng)]
        )


if __name__ == "__main__":
    sys.exit(main())
