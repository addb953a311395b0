#!/usr/bin/env python3
"""What nsq_to_file costs: CPU seconds per million messages, of the tool and of the daemon, and messages per second.

So many messages of 200 bytes are published first; then the tool writes them to the disk, with a sync every 30 s, or as soon as all
that may be in flight waits for one. The publication is not measured."""

import json
import os
import random
import socket
import struct
import time
import urllib.request

import benchlib

BATCH = 500
# Bytes of a message: hexadecimal digits, which halve when they are compressed, as much of what is logged does.
BODY = 200
WAYS = {"plain": [], "gzip": ["--gzip"], "zstd": ["--zstd"], "jsonl": ["--output-format=jsonl"]}
CHANNEL = "nsq_to_file"


def publish(port, count):
    """MPUB after MPUB, each answered before the next."""
    chance, size = random.Random(1), struct.pack(">I", BODY)
    head = b"MPUB bench\n" + struct.pack(">II", 4 + BATCH * (4 + BODY), BATCH)
    with socket.create_connection(("127.0.0.1", port)) as conn:
        conn.sendall(b"  V2")
        for _ in range(count // BATCH):
            conn.sendall(head + b"".join(size + chance.randbytes(BODY // 2).hex().encode() for _ in range(BATCH)))
            answer = b""
            while len(answer) < 10:
                answer += conn.recv(10 - len(answer))
            if not answer.endswith(b"OK"):
                raise RuntimeError("MPUB: %r" % answer)


def unfinished(http, total):
    """Messages that are not finished."""
    url = "http://127.0.0.1:%d/stats?format=json&topic=bench&channel=%s" % (http, CHANNEL)
    with urllib.request.urlopen(url) as answer:
        channels = [channel for topic in json.load(answer)["topics"] for channel in topic["channels"]]
    return channels[0]["depth"] + channels[0]["in_flight_count"] if channels else total


def measure(way, messages, in_flight):
    with benchlib.Stage() as stage:
        tcp, http = benchlib.free_port(), benchlib.free_port()
        address = "127.0.0.1:%d"
        daemon = stage.start([benchlib.NUTHATCH, "nsqd", "--tcp-address", address % tcp, "--http-address", address % http,
                              "--max-rdy-count", str(in_flight), "--log-level=error"], tcp)
        publish(tcp, messages)
        before, begun = daemon.cpu_s(), time.monotonic()
        tool = stage.start([benchlib.NUTHATCH, "nsq_to_file", "--topic=bench", "--nsqd-tcp-address", address % tcp,
                            "--output-dir=out", "--max-in-flight", str(in_flight), "--sync-interval=30s",
                            "--log-level=error"] + WAYS[way])
        # The last of them wait for the interval; they are not waited for here.
        while unfinished(http, messages) > in_flight:
            if not tool.is_running():
                raise RuntimeError("the tool has ended")
            time.sleep(0.05)
        took = time.monotonic() - begun
        tool_s, daemon_s = tool.cpu_s(), daemon.cpu_s() - before
        tool.stop()
        if tool.popen.returncode != 0 or unfinished(http, messages):
            raise RuntimeError("%d messages are not finished" % unfinished(http, messages))
        out = os.path.join(tool.directory, "out")
        size = sum(os.path.getsize(os.path.join(out, name)) for name in os.listdir(out))
    millions = messages / 1e6
    return [way, "%.0fk" % (messages / took / 1000), benchlib.show(tool_s / millions), benchlib.show(daemon_s / millions),
            "%.0f" % (size / messages)]


def main():
    parser = benchlib.command_line("tools", __doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--in-flight", type=int, default=2500, help="what a sync is for, at most")
    options = parser.parse_args()
    head = ["files", "messages per s", "tool, CPU s per million", "daemon, CPU s per million", "bytes on disk per message"]
    load = "Load of the machine before: %.1f. Where it is busy, messages per second say little, CPU seconds do." % os.getloadavg()[0]
    rows = [measure(way, options.messages, options.in_flight) for way in WAYS]
    text = "## nsq_to_file\n\n%s\n\n%s\n\n%s" % (
        benchlib.heading([benchlib.first_line([benchlib.NUTHATCH, "version"])]), load, benchlib.table(head, rows))
    benchlib.publish("tools", text, options)


if __name__ == "__main__":
    main()
