"""The statistics document after the same traffic through nutcracker and through nuthatch: same shape, same counts.

    stats_document.py [--short]

Keys and their order are equal, and so is every counter that the traffic sets, but for those that are defects of the
original: `fragments` stays 0 there. A server that went away counts as ejected once.
"""

import argparse
import json
import sys
import threading
import time

import _stage
from _stage import Conversation, Difference, kit
from redis_streams import encode

SECONDS_MAX = 60
POOL = {"hash": "fnv1a_64", "distribution": "ketama"}
# How many requests and parts of requests reach the servers.
TRAFFIC = {
    "redis": (
        [encode("SET", f"k{n}", "v" * n) for n in range(20)]
        + [encode("GET", f"k{n}") for n in range(30)]
        + [encode("PING"), encode("LPUSH", "k1", "x"), encode("MGET", *[f"k{n}" for n in range(20)])]
        + [encode("DEL", *[f"k{n}" for n in range(20)])],
        20 + 30 + 1 + 2 + 2,
    ),
    "memcache": (
        [b"set k%d 0 0 3\r\nabc\r\n" % n for n in range(20)]
        + [b"get k%d\r\n" % n for n in range(30)]
        + [b"get " + b" ".join(b"k%d" % n for n in range(20)) + b"\r\n", b"delete k1\r\n", b"incr k2 1\r\n"],
        20 + 30 + 2 + 2,
    ),
}
SERVER_COUNTERS = [
    "server_eof", "server_err", "server_timedout", "server_connections", "server_ejected_at", "requests", "request_bytes",
    "responses", "response_bytes", "in_queue", "in_queue_bytes", "out_queue", "out_queue_bytes",
]  # fmt: skip
POOL_COUNTERS = ["client_eof", "client_err", "client_connections", "server_ejects", "forward_error"]


def document(port):
    """One document, whole: the other side closes after it."""
    with kit.Wire(port) as wire:
        data = b""
        while more := wire.socket.recv(65536):
            data += more
    return json.loads(data)


def after(lane, protocol, requests, total, differences=lambda doc: []):
    """The document once all of the traffic is in it. nutcracker's counters arrive later, and gauges of ours are brought up to date
    now and then: so long as there are differences, it is asked for again."""
    with Conversation(lane, protocol) as talk:
        talk.send(b"".join(requests))
        found, _ = talk.take(len(requests))
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            doc = document(lane.stats)
            counts = [server["responses"] for server in doc["alpha"].values() if isinstance(server, dict)]
            is_whole = sum(counts) >= total and doc["alpha"]["client_connections"] == 1
            found = differences(doc) if is_whole else [f"{sum(counts)} responses of {total} in {doc}"]
            if not found:
                return doc
            if time.monotonic() > deadline:
                raise Difference(f"{protocol}, {lane.name}: {'; '.join(found)}")
            threading.Event().wait(0.02)


def shape(doc):
    """Keys in their order, all the way down, and the kinds of the values."""
    return [(key, shape(value) if isinstance(value, dict) else type(value).__name__) for key, value in doc.items()]


def differences(protocol, theirs, ours):
    """What of the counters differs, in words. One connection was a probe of readiness on both sides."""
    found = []
    for counter in POOL_COUNTERS:
        if theirs["alpha"][counter] != ours["alpha"][counter]:
            found.append(f"{counter} {theirs['alpha'][counter]} there, {ours['alpha'][counter]} here")
    for server in ("s1", "s2"):
        for counter in SERVER_COUNTERS:
            pair = theirs["alpha"][server][counter], ours["alpha"][server][counter]
            # nutcracker ends the part of a multi-get with a space that nobody needs.
            if protocol == "memcache" and counter == "request_bytes" and pair[0] == pair[1] + 1:
                continue
            if pair[0] != pair[1]:
                found.append(f"{server} {counter} {pair[0]} there, {pair[1]} here")
    return found


def compare(protocol):
    requests, total = TRAFFIC[protocol]
    with kit.Stack() as stack:
        lanes = []
        for start in (_stage.original, _stage.ours):
            lanes.append(start(stack, protocol, 2, **POOL))
            lanes[-1].stats = stack.programs[-1].ports[1]
        theirs = after(lanes[0], protocol, requests, total)
        ours = after(lanes[1], protocol, requests, total, lambda doc: differences(protocol, theirs, doc))
    if shape(theirs) != shape(ours):
        raise Difference(f"{protocol}: shapes differ\n  nutcracker {shape(theirs)}\n  nuthatch   {shape(ours)}")
    if ours["alpha"]["fragments"] == 0:
        raise Difference(f"{protocol}: split requests are not counted")


def ejection():
    """A server that went away is ejected once, however many shards leave it out."""
    keys = {**POOL, "auto_eject_hosts": "true", "server_failure_limit": 1, "server_retry_timeout": 60000}
    counts = []
    for start in (_stage.original, _stage.ours):
        with kit.Stack() as stack:
            lane = start(stack, "redis", 2, **keys)
            lane.servers[0].stop()
            with Conversation(lane, "redis") as talk:
                talk.send(b"".join(TRAFFIC["redis"][0]))
                talk.take(len(TRAFFIC["redis"][0]))
            ejects, deadline = 0, time.monotonic() + SECONDS_MAX
            while ejects == 0 and time.monotonic() < deadline:
                ejects = document(stack.programs[-1].ports[1])["alpha"]["server_ejects"]
            # A second count would be there by now.
            counts.append(document(stack.programs[-1].ports[1])["alpha"]["server_ejects"])
    if counts != [1, 1]:
        raise Difference(f"redis: server_ejects {counts[0]} there, {counts[1]} here")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="the same: there is only one form")
    parser.parse_args()
    _stage.skip_without("nutcracker", "redis-server", "memcached")
    failed = 0
    comparisons = {protocol: lambda protocol=protocol: compare(protocol) for protocol in TRAFFIC} | {"ejection": ejection}
    for name, comparison in comparisons.items():
        try:
            comparison()
            print(f"{name}: the documents agree")
        except Difference as difference:
            failed += 1
            print(f"FAILED {difference}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
