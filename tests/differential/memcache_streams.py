"""Random memcached streams through Debian's nutcracker and through nuthatch: the same bytes, the same replies.

    memcache_streams.py [--short | --minutes N] [--seed S [--case C]]

`--short` plays the same cases every time, from seeds 1, 2 and 3 (`SHORT` in _stage.py); `--minutes` has a new seed, and prints it.
Three kinds of case take turns:

- `valid`: several clients at once, each with a pipeline of commands that nutcracker serves, in pieces cut at random, at
  every byte, or not at all. Every reply is equal, but for the order of a multi-get's blocks: ours is the request's.
- `beyond`: what nutcracker hangs up on. A plain memcached tells what is right: we answer as it does, meta commands too.
- `damaged`: a request with bytes changed. Either nutcracker served it, then we answer the same; or it hung up, then we
  answer what memcached answers, or an error: we are stricter where docs/compat-memcache-meta.md says so.
"""

import re
import sys
from contextlib import ExitStack

import _stage
from _stage import Conversation, Difference
from redis_streams import damage

CLIENTS = 3
POOL = {"hash": "fnv1a_64", "distribution": "ketama"}


def value(rng):
    length = rng.choice([0, 1, 3, 10, 60]) if rng.random() < 0.95 else rng.choice([5000, 16384, 40000])
    # A number that becomes shorter is padded with blanks, but only while nobody reads the old one (memcached 1.6.18), which is
    # a matter of time: those that streams count with keep their length.
    number = b"%d" % rng.randrange(2_000_000, 9_000_000)
    data = rng.choice([rng.randbytes(length), number, b"END\r\nVALUE x 0 1\r\n"[:length]])
    # incr and decr of nothing but white space read on behind the value, in what was there before it (memcached 1.6.18).
    return data if data.strip() or not data else b"w" + data[1:]


def stored(verb, key, data, flags=0, exptime=0, tail=""):
    return f"{verb} {key} {flags} {exptime} {len(data)}{tail}\r\n".encode() + data + b"\r\n"


def served(rng, prefix):
    """A command that nutcracker serves, and whether it is answered."""

    def key():
        return f"{prefix}{rng.randrange(8)}"

    def keys():
        return " ".join(key() for _ in range(rng.randint(2, 9)))

    verb = rng.choice(["set", "set", "set", "add", "replace", "append", "prepend"])
    flags, exptime = rng.choice([0, 1, 4294967295]), rng.choice([0, 0, 1000])
    quiet = [
        lambda: stored(verb, key(), value(rng), flags, exptime, " noreply"),
        lambda: f"delete {key()} noreply\r\n".encode(),
        lambda: f"incr {key()} 1 noreply\r\n".encode(),
        lambda: f"touch {key()} 1000 noreply\r\n".encode(),
    ]
    loud = [
        *[lambda: f"get {key()}\r\n".encode(), lambda: stored(verb, key(), value(rng), flags, exptime)] * 4,
        *[lambda: f"get {keys()}\r\n".encode()] * 3,
        lambda: f"gets {key()}\r\n".encode(),
        lambda: f"gets  {keys()} \r\n".encode(),
        # A server counts its stores in the order in which clients' requests reach it: only a value that it will not come to
        # is answered alike.
        lambda: stored("cas", key(), value(rng), tail=f" {2**63 + rng.randrange(50)}"),
        lambda: f"incr {key()} {rng.randrange(5)}\r\n".encode(),
        lambda: f"decr {key()} 3\r\n".encode(),
        lambda: f"touch {key()} 1000\r\n".encode(),
        lambda: f"delete {key()}\r\n".encode(),
        lambda: b"version\r\n",
        lambda: f"   get {key()}\r\n".encode(),
        lambda: stored("set", "k" * 250, b"long"),
    ]
    is_loud = rng.random() < 0.9
    return rng.choice(loud if is_loud else quiet)(), is_loud


def in_order(reply):
    """The blocks of a multi-get's reply, and what is behind them; cas values, which count a server's stores, are left out."""
    found, at = [], 0
    while reply[at : at + 6] == b"VALUE ":
        line_end = reply.find(b"\r\n", at)
        words = reply[at:line_end].split(b" ")
        end = line_end + 2 + int(words[3]) + 2
        found.append((words[1:4], reply[line_end:end]))
        at = end
    return found, reply[at:]


def blocks(reply):
    """The same in any order."""
    found, rest = in_order(reply)
    return sorted(found), rest


def check_order(request, reply):
    """Ours: blocks follow the request's keys."""
    asked = request.split()[1:]
    at = 0
    for (key, *_), _ in in_order(reply)[0]:
        while at < len(asked) and asked[at] != key:
            at += 1
        if at == len(asked):
            raise Difference(f"{request!r:.300}: blocks out of the request's order: {reply!r:.300}")
        at += 1


def valid(lanes, rng, number):
    """Several clients pipeline at once through both."""
    streams = [[served(rng, f"{number}:{client}:") for _ in range(rng.choice([1, 5, 40, 150]))] for client in range(CLIENTS)]
    replies = {}
    for lane in lanes[:2]:
        with ExitStack() as open_now:
            talks = [open_now.enter_context(Conversation(lane, "memcache")) for _ in streams]
            for talk, stream in zip(talks, streams):
                data = b"".join(request for request, _ in stream) + b"get sentinel\r\n"
                how = rng.choice(["byte", "random", "whole"]) if len(data) < 6000 else rng.choice(["random", "whole"])
                talk.send(data, _stage.cuts(rng, len(data), how))
            for client, (talk, stream) in enumerate(zip(talks, streams)):
                loud = [request for request, is_loud in stream if is_loud]
                found, _ = talk.take(len(loud) + 1)
                if len(found) < len(loud) + 1 or found[-1] != b"END\r\n":
                    raise Difference(f"{lane.name}: {len(found)} of {len(loud) + 1} replies, then closed")
                replies[lane.name, client] = found
    for client, stream in enumerate(streams):
        loud = [request for request, is_loud in stream if is_loud]
        for request, first, second in zip(loud, replies["nutcracker", client], replies["nuthatch", client]):
            is_get = request.split()[0] in (b"get", b"gets")
            if blocks(first) != blocks(second) if is_get else first != second:
                raise Difference(f"{request!r:.300}\n  nutcracker {first!r:.300}\n  nuthatch   {second!r:.300}")
            if is_get:
                check_order(request, second)


# -- what nutcracker hangs up on ---------------------------------------------------------------------------------------


def beyond(rng, key):
    """A request that nutcracker closes its client for, or hangs at, and that memcached has an answer to."""
    return rng.choice([
        *[f"{line}\r\n".encode() for line in [
            "foo", "GET k", "get", "gets", "set", f"set {key}", f"set {key} 0", f"set {key} 0 0", "delete", "incr", f"incr {key}",
            f"incr {key} x", f"touch {key}", "touch", f"delete {key} 0", f"delete {key} junk", f"gat 100 {key}", f"gats 100 {key} x",
            f"mg {key}", f"mg {key} v t f k s", f"mg {key} v q", "mn", f"md {key}", f"md {key} q", f"ma {key}", f"ma {key} N0 J5 v",
            f"me {key}", f"mg {key} O123 k v", "flush_all 1000", "verbosity 1", "", "get " + "k" * 251, f"incr {key} 1.5", "mg",
            f"touch {key} 1 2", f"delete {key} 0 noreply", "versionx", f"get {key} " + "k" * 251, f"mg {key} !", "mg aGk= b k v",
        ]],
        f"get {key}\n".encode(),
        f"ms {key} 2 T1000\r\nab\r\n".encode(),
        f"ms {key} 2 q\r\nab\r\n".encode(),
        f"ms {key} 2 I C1\r\nab\r\n".encode(),
        stored("set", key, b"x", exptime=-1),
        stored("set", key, b"x", flags=4294967296),
        stored("set", key, b"x", flags=2**64),
    ])


def answers(lane, rng, before, request):
    """The replies up to that of `mn`, or to the close. memcached is asked one thing at a time: it forgets replies that it has
    not sent when it finds a key too long."""
    with Conversation(lane, "memcache") as talk:
        data, found = b"".join(before) + request + b"mn\r\n", []
        if lane.name == "plain":
            for earlier in before:
                talk.send(earlier)
                found += talk.take(1)[0]
            data = request + b"mn\r\n"
        talk.send(data, _stage.cuts(rng, len(data), rng.choice(["byte", "random", "whole"])))
        while not found or found[-1] != b"MN\r\n":
            more, closed = talk.take(1)
            found += more
            if closed:
                break
        return found


def wider(lanes, rng, number):
    """We answer as memcached does, and nothing is lost before or after."""
    key = f"{number}:1"
    request = beyond(rng, key)
    if request == b"mn\r\n":
        return
    # cas values count a server's stores, so only requests that do not ask for them come before.
    before = [r for r, is_loud in (served(rng, f"{number}:") for _ in range(rng.randint(0, 5))) if is_loud and b"gets" not in r]
    _, ours, plain = lanes
    right, got = answers(plain, rng, before, request), answers(ours, rng, before, request)
    # A storage line short of one word: nobody knows where the next request starts, so we close after the error.
    if request == f"set {key} 0 0\r\n".encode() and got == right[:-1]:
        return
    # A storage line that is wrong: memcached runs its data block as a command, we swallow it.
    if request.startswith(b"set ") and len(right) > len(got) and right[-2] == b"ERROR\r\n":
        del right[-2]
    if right != got and [shape(r) for r in right] != [shape(r) for r in got]:
        raise Difference(f"{[*before, request]!r:.600}\n  memcached {right!r:.400}\n  nuthatch  {got!r:.400}")


def shape(reply):
    """A reply, but for what a server counts (cas, age, time to live), and but for the words of an error."""
    if reply.startswith((b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR")):
        return b"error"
    if reply.startswith(b"ME "):
        return re.sub(rb" (cas|la|exp)=\d+", b"", reply)
    if reply.startswith((b"VA ", b"HD ")):
        head, end, rest = reply.partition(b"\r\n")
        return re.sub(rb" t\d+", b" t", head) + end + rest
    return blocks(reply) if reply.startswith(b"VALUE ") else reply


# -- damage ------------------------------------------------------------------------------------------------------------


def whole(lane, rng, data, quiet=None):
    with Conversation(lane, "memcache") as talk:
        talk.send(data, _stage.cuts(rng, len(data), rng.choice(["byte", "random", "whole"])), finish=True)
        return talk.rest(quiet)


def damaged(lanes, rng, number):
    """One request, damaged, and then the end of the stream."""
    request, _ = served(rng, f"{rng.randbytes(4).hex()}:")
    data = damage(rng, request[:2000])
    victim, ours, plain = lanes
    got, left = whole(ours, rng, data)
    how = rng.getstate()

    def judge(patience):
        rng.setstate(how)
        right, _ = whole(plain, rng, data, quiet=patience)
        told = f"{data!r:.400}\n  memcached {right!r:.200}\n  nuthatch  {got!r:.200} {left!r}"
        if left:
            raise Difference(f"half a reply: {told}")
        mine, theirs = [shape(r) for r in got], [shape(r) for r in right]
        if may_differ(mine, theirs):
            return
        expected, _ = whole(victim.sound(), rng, data, quiet=0.2 * patience)
        victim.refresh()
        if mine != [shape(r) for r in expected]:
            raise Difference(f"{told}\n  nutcracker {expected!r:.200}")

    _stage.patiently(judge, "memcache", [victim.lane, plain])


def may_differ(mine, theirs):
    """Our answers are memcached's, or stricter than they are."""
    if mine == theirs:
        return True
    # We stop at the first error that leaves the stream unreadable, swallow the data block of a refused line instead of running it,
    # and refuse what other servers would read otherwise.
    if b"error" in mine and mine[: mine.index(b"error")] == theirs[: mine.index(b"error")]:
        return True
    # The same, said for a request whose error nobody is told (noreply): memcached runs the data as commands.
    return not mine and all(reply == b"error" for reply in theirs)


CASES = [valid, valid, wider, wider, damaged, damaged, damaged]


def main():
    return _stage.streams(__doc__.splitlines()[0], "memcache", "memcached", CASES, damaged, POOL)


if __name__ == "__main__":
    sys.exit(main())
