"""Random Redis streams through Debian's nutcracker and through nuthatch: the same bytes, the same replies.

    redis_streams.py [--short | --minutes N] [--seed S [--case C]]

`--short` plays the same cases every time, from seeds 1, 2 and 3 (`SHORT` in _stage.py); `--minutes` has a new seed, and prints it.
Three kinds of case take turns:

- `valid`: several clients at once, each with a pipeline of commands that nutcracker serves, in pieces cut at random, at
  every byte, or not at all. Every reply is equal, but for those that differ from server to server (see `ALIKE`).
- `refused`: a request that nutcracker hangs up on, after some that it serves. A plain redis-server tells what is right:
  we answer as it does, error for error, or refuse what cannot be proxied; see `REFUSED` for what happens then.
- `damaged`: a request with bytes changed, added, taken away. Either nutcracker served it, then we answer the same; or it
  hung up, then we answer what redis-server answers. Both differ where nutcracker passes on lengths that it should not.
"""

import re
import sys
from contextlib import ExitStack

import _stage
from _stage import Conversation, Difference

CLIENTS = 3
POOL = {"hash": "fnv1a_64", "distribution": "ketama", "hash_tag": '"{}"'}


def encode(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


# -- commands that both serve ----------------------------------------------------------------------------------------


def value(rng):
    length = rng.choice([0, 1, 3, 10, 60]) if rng.random() < 0.95 else rng.choice([5000, 16384, 40000])
    return rng.choice([rng.randbytes(length), b"%d" % rng.randrange(1000), b"x" * length])


def served(rng, prefix):
    """A command that nutcracker serves: its words. Keys are few, so that state matters, and have a type by their letter."""

    def key(kind):
        kind = kind if rng.random() < 0.95 else rng.choice("slhqz")
        return f"{prefix}{kind}{rng.randrange(6)}"

    def tagged(kind):
        return f"{{{prefix}t}}{kind}{rng.randrange(4)}"

    def keys(kind):
        return [key(kind) for _ in range(rng.randint(2, 8))]

    def number():
        return rng.choice([rng.randrange(-5, 100), "x", 2**63 - 1])

    s, l, h, q, z = (lambda kind=kind: key(kind) for kind in "slhqz")
    member = lambda: rng.choice("abcdef")  # noqa: E731
    return rng.choice([
        lambda: ("PING",),
        lambda: ("GET", s()), lambda: ("get", s()), lambda: ("SET", s(), value(rng)), lambda: ("SET", s(), value(rng)),
        lambda: ("SET", s(), value(rng), "EX", 1000), lambda: ("SET", s(), 1, "NX", "XX"), lambda: ("SET", s()),
        lambda: ("SETNX", s(), value(rng)), lambda: ("SETEX", s(), rng.choice([1000, 0]), 1), lambda: ("GETSET", s(), 2),
        lambda: ("INCR", s()), lambda: ("DECRBY", s(), number()), lambda: ("INCRBYFLOAT", s(), "1.5"),
        lambda: ("APPEND", s(), value(rng)), lambda: ("STRLEN", s()), lambda: ("GETRANGE", s(), 0, number()),
        lambda: ("SETRANGE", s(), 3, "abc"), lambda: ("GETBIT", s(), 7), lambda: ("SETBIT", s(), 9, 1),
        lambda: ("BITCOUNT", s()), lambda: ("GETDEL", s()), lambda: ("GETEX", s()), lambda: ("DUMP", s()),
        lambda: ("TYPE", s()), lambda: ("TTL", s()), lambda: ("PTTL", s()), lambda: ("EXPIRE", s(), 1000),
        lambda: ("PERSIST", s()), lambda: ("EXISTS", s()), lambda: ("DEL", s()), lambda: ("UNLINK", s()),
        lambda: ("MGET", s()), lambda: ("MGET", *keys("s")), lambda: ("mget", *keys("s")), lambda: ("DEL", *keys("s")),
        lambda: ("UNLINK", *keys("s")), lambda: ("TOUCH", *keys("s")), lambda: ("MGET", *keys("s"), *keys("s")),
        lambda: ("MSET", *[w for k in keys("s") for w in (k, value(rng))]), lambda: ("MSET", s(), value(rng)),
        lambda: ("LPUSH", l(), *"abc"), lambda: ("RPUSH", l(), value(rng)), lambda: ("LPOP", l()), lambda: ("RPOP", l(), 2),
        lambda: ("LRANGE", l(), 0, -1), lambda: ("LLEN", l()), lambda: ("LINDEX", l(), number()),
        lambda: ("LSET", l(), 0, "v"), lambda: ("LINSERT", l(), "BEFORE", "a", "n"), lambda: ("LREM", l(), 1, "a"),
        lambda: ("LTRIM", l(), 0, 5), lambda: ("RPOPLPUSH", tagged("l"), tagged("l")), lambda: ("RPUSH", tagged("l"), 1, 2),
        lambda: ("HSET", h(), member(), value(rng)), lambda: ("HGET", h(), member()), lambda: ("HGETALL", h()),
        lambda: ("HDEL", h(), *"ab"), lambda: ("HINCRBY", h(), member(), 2), lambda: ("HMGET", h(), *"abcd"),
        lambda: ("HKEYS", h()), lambda: ("HVALS", h()), lambda: ("HLEN", h()), lambda: ("HEXISTS", h(), member()),
        lambda: ("SADD", q(), *"abc"), lambda: ("SREM", q(), member()), lambda: ("SCARD", q()), lambda: ("SMEMBERS", q()),
        lambda: ("SISMEMBER", q(), member()), lambda: ("SADD", tagged("q"), member(), member()),
        lambda: ("SUNION", tagged("q"), tagged("q")), lambda: ("SDIFFSTORE", tagged("q"), tagged("q"), tagged("q")),
        lambda: ("ZADD", z(), rng.randrange(9), member()), lambda: ("ZRANGE", z(), 0, -1, "WITHSCORES"),
        lambda: ("ZSCORE", z(), member()), lambda: ("ZINCRBY", z(), "0.5", member()), lambda: ("ZCARD", z()),
        lambda: ("ZRANGEBYSCORE", z(), "-inf", "(5", "LIMIT", 0, 2), lambda: ("ZPOPMIN", z()), lambda: ("ZREM", z(), "a"),
        lambda: ("PFADD", tagged("p"), member()), lambda: ("PFCOUNT", tagged("p"), tagged("p")),
        lambda: ("EVAL", "return {KEYS[1],{1,{2,'x'}},false}", 1, s()), lambda: ("EVAL", "return redis.call('get',KEYS[1])", 1, s()),
        lambda: ("EVALSHA", "0" * 40, 1, s()), lambda: ("SORT", l(), "ALPHA"),
    ])()


def members(reply):
    """A flat array's elements in any order."""
    end = reply.find(b"\r\n") + 2
    found, _ = _stage.replies_of("redis", reply[end:])
    return reply[:end], sorted(found)


def near(reply):
    """A time to live, to two seconds. -1 and -2 are themselves."""
    match = re.fullmatch(rb":(\d+)\r\n", reply)
    return b"" if match and int(match[1]) > 10 else reply


# Replies that depend on a server's hash seed or clock, and what of them is compared.
ALIKE = {
    **dict.fromkeys([b"SMEMBERS", b"SUNION", b"HKEYS", b"HVALS", b"HGETALL"], members),
    **dict.fromkeys([b"TTL", b"PTTL"], near),
    b"DUMP": len,  # a set in its hash's order
}


def check_equal(words, first, second):
    alike = ALIKE.get(words[0].encode(), lambda reply: reply)
    if first != second and alike(first) != alike(second):
        raise Difference(f"{words!r:.300}\n  nutcracker {first!r:.300}\n  nuthatch   {second!r:.300}")


def valid(lanes, rng, number):
    """Several clients pipeline at once through both."""
    streams = [[served(rng, f"{number}:{client}:") for _ in range(rng.choice([1, 5, 40, 150]))] for client in range(CLIENTS)]
    replies = {}
    for lane in lanes[:2]:
        with ExitStack() as open_now:
            talks = [open_now.enter_context(Conversation(lane, "redis")) for _ in streams]
            for talk, stream in zip(talks, streams):
                data = b"".join(encode(*words) for words in stream)
                how = rng.choice(["byte", "random", "whole"]) if len(data) < 6000 else rng.choice(["random", "whole"])
                talk.send(data, _stage.cuts(rng, len(data), how), finish=rng.random() < 0.3)
            for client, (talk, stream) in enumerate(zip(talks, streams)):
                found, _ = talk.take(len(stream))
                if len(found) < len(stream):
                    raise Difference(f"{lane.name} closed after {len(found)} of {len(stream)} replies, at {stream[len(found)]!r}")
                replies[lane.name, client] = found
    for client, stream in enumerate(streams):
        for words, first, second in zip(stream, replies["nutcracker", client], replies["nuthatch", client]):
            check_equal(words, first, second)


# -- requests that nutcracker hangs up on ----------------------------------------------------------------------------

LIKE_REDIS = "as redis-server, byte for byte"
ERROR = "an error; the connection stays"
UNSUPPORTED = "-ERR unknown command '...', unsupported by this proxy; the connection stays"
DEPENDED_ON = "the same, then closed, since what comes behind depends on it"
PROTOCOL = "-ERR Protocol error, then closed, as redis-server"
PROTOCOL_OURS = "-ERR Protocol error, then closed, though redis-server takes it or words it otherwise"
SKIPPED = "no reply; the connection stays"
GOODBYE = "+OK, then closed"


def refused(rng, key):
    """Bytes that nutcracker answers with nothing but a close, and what is right."""
    return rng.choice([
        # Commands that it does not know, or not with these arguments: redis-server shows the answer.
        *[(encode(*words), LIKE_REDIS) for words in [
            ("ECHO", "x"), ("PING", "x"), ("SELECT", 0), ("OBJECT", "ENCODING", key), ("EXPIRE", key, 100, "NX"),
            ("LCS", key, key), ("EXPIRETIME", key), ("BITFIELD_RO", key), ("SORT_RO", key), ("SINTERCARD", 1, key),
            ("XLEN", key), ("XADD", key, "1-1", "f", "v"), ("XRANGE", key, "-", "+"), ("GEORADIUS_RO", key, 0, 0, 1, "m"),
            ("EVAL_RO", "return 1", 1, key), ("ZRANGESTORE", key, key, 0, -1), ("RENAME", key, key), ("LMPOP", 1, key, "LEFT"),
            ("ZDIFF", 1, key), ("SUBSTR", key, 0, 1), ("MSETNX", key, 1), ("COPY", key, key), ("ZINTERCARD", 1, key),
            ("SCRIPT", "LOAD", "return 1"), ("SCRIPT", "EXISTS", "a", "b"), ("SCRIPT", "FLUSH", "SYNC"),
        ]],
        # The wrong number of arguments or keys.
        *[(encode(*words), LIKE_REDIS) for words in [
            ("GET",), ("GET", key, 1), ("SET",), ("INCR", key, 1), ("HGET", key), ("MSET", key), ("MSET", key, 1, key), ("MGET",),
            ("DEL",), ("TOUCH",), ("EXISTS",), ("LINSERT", key, "BEFORE", "p"), ("SETEX", key, 1), ("ZADD",), ("EVAL",),
            ("EVAL", "return 1", "x", key), ("EVAL", "return 1", -1, key), ("EVAL", "return 1", 2, key), ("GETDEL", key, 1),
            ("APPEND", key, "v", "x"), ("SMOVE", key, key), ("AUTH",), ("ECHO",), ("PFMERGE",), ("RPOPLPUSH", key, key, key),
        ]],
        # What a proxy cannot do.
        *[(encode(*words), UNSUPPORTED) for words in [
            ("SHUTDOWN",), ("CLUSTER", "INFO"), ("SLAVEOF", "no", "one"), ("WAIT", 0, 0),
        ]],
        *[(encode(*words), LIKE_REDIS) for words in [("nonsense", key), ("",), ("GETX", key, 1), ("ge",), ("OBJECT", "nosuch", key)]],
        *[(encode(*words), DEPENDED_ON) for words in [
            ("MONITOR",), ("CLIENT", "REPLY", "OFF"), ("ASKING",),
        ]],
        (encode("EVAL", "return 1", 0), ERROR),
        *[(encode("SET", key, "v")[:cut] + junk, PROTOCOL) for cut, junk in [
            (4, b"+3\r\nSET\r\n"), (4, b"$x\r\n"), (4, b"$-1\r\n"), (4, b"*1\r\n"), (4, b":3\r\n"), (0, b"*x\r\n"),
            (0, b"*1\n$4\nPING\n\r\n"), (0, b"*+2\r\n$3\r\nGET\r\n"), (0, b"*99999999999999999999\r\n"),
            (0, b"*02\r\n"), (0, b"*2\r\n$03\r\n"), (0, b"*1\r\n$999999999999\r\n"),
        ]],
        # Redis 7 does not look at the two bytes after a bulk string, so that a wrong length shifts everything.
        (b"*1\r\n$4\r\nPINGX\r\n", PROTOCOL_OURS), (b"*2\r\n$3\r\nGET\r\n$1\r\nkX\r", PROTOCOL_OURS),
        # Inline commands and empty requests.
        (b"PING\r\n", LIKE_REDIS), (f"GET {key}\r\n".encode(), LIKE_REDIS), (f"set {key} 'a b'\n".encode(), LIKE_REDIS),
        (b"junk a b\r\n", LIKE_REDIS), (b"\r\n", SKIPPED), (b"*0\r\n", SKIPPED), (b"*-1\r\n", SKIPPED), (b"\n", SKIPPED),
        (b'get "unbalanced\r\n', PROTOCOL),
        (encode("QUIT"), GOODBYE), (encode("quit"), GOODBYE), (b"QUIT\r\n", GOODBYE),
    ])


def answer_to(lane, rng, before, request):
    """Replies to the requests before, to the request, and whether the connection then stays: PING is answered."""
    with Conversation(lane, "redis") as talk:
        data = b"".join(encode(*words) for words in before) + request + encode("ECHO", "sentinel")
        talk.send(data, _stage.cuts(rng, len(data), rng.choice(["byte", "random", "whole"])), finish=True)
        found, left = talk.rest()
    stays = bool(found) and found[-1] == b"$8\r\nsentinel\r\n"
    found = found[:-1] if stays else found
    return found[: len(before)], b"".join(found[len(before) :]) + left, stays


REFUSED = {
    LIKE_REDIS: lambda ours, redis: ours == redis,
    ERROR: lambda ours, redis: ours[0].startswith(b"-ERR ") and ours[1],
    UNSUPPORTED: lambda ours, redis: b"', unsupported by this proxy: " in ours[0] and ours[1],
    DEPENDED_ON: lambda ours, redis: b"', unsupported by this proxy: " in ours[0] and not ours[1],
    PROTOCOL: lambda ours, redis: ours[0].startswith(b"-ERR Protocol error") and ours == redis,
    PROTOCOL_OURS: lambda ours, redis: ours[0].startswith(b"-ERR Protocol error") and not ours[1],
    SKIPPED: lambda ours, redis: ours == (b"", True) == redis,
    GOODBYE: lambda ours, redis: ours == (b"+OK\r\n", False) == redis,
}


def refusals(lanes, rng, number):
    key = f"{number}:s1"
    before = [w for w in (served(rng, f"{number}:") for _ in range(rng.randint(0, 5))) if w[0] not in ("EVAL", "EVALSHA")]
    request, rule = refused(rng, key)
    _, ours, plain = lanes
    replies, *got = answer_to(ours, rng, before, request)
    # Some of what cannot be proxied would stop the judge.
    expected, *right = answer_to(plain, rng, before, b"" if rule in (UNSUPPORTED, DEPENDED_ON) else request)
    if len(replies) != len(expected):
        raise Difference(f"{request!r} lost replies to what came before it: {replies!r} of {expected!r}")
    for words, first, second in zip(before, expected, replies):
        check_equal(words, first, second)
    if not REFUSED[rule](tuple(got), tuple(right)):
        raise Difference(f"{request!r:.300}: wanted {rule}\n  redis    {right!r:.300}\n  nuthatch {got!r:.300}")


# -- damage ----------------------------------------------------------------------------------------------------------


def damage(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at = rng.randrange(len(data)) if data else 0
        match rng.randrange(5):
            case 0 if data:
                data[at] = rng.randrange(256)
            case 1:
                data.insert(at, rng.choice(b"\r\n$*0123456789 -+:\0x"))
            case 2 if data:
                del data[at]
            case 3 if data:
                del data[at : at + rng.randrange(12)]
            case _ if data:
                data[at] = rng.choice(b"\r\n$*0123456789 -+")
    return bytes(data)


def shape(reply):
    """What is compared of a reply where redis-server is the judge: that it is an error, or the whole of it."""
    if reply.startswith(b"-ERR Protocol error"):
        return b"-ERR Protocol error"
    return b"-" if reply.startswith(b"-") else reply


def whole(lane, rng, data, quiet=None):
    with Conversation(lane, "redis") as talk:
        talk.send(data, _stage.cuts(rng, len(data), rng.choice(["byte", "random", "whole"])), finish=True)
        return talk.rest(quiet)


def damaged(lanes, rng, number):
    """One request, damaged, and then the end of the stream."""
    words = served(rng, f"{rng.randbytes(4).hex()}:")
    data = damage(rng, encode(*words)[:2000])
    victim, ours, plain = lanes
    got, left = whole(ours, rng, data)
    right, _ = whole(plain, rng, data)
    how = rng.getstate()

    def judge(patience):
        rng.setstate(how)
        expected, _ = whole(victim.sound(), rng, data, quiet=0.2 * patience)
        if expected != right:
            victim.refresh()
        told = f"{data!r:.400}\n  nutcracker {expected!r:.200}\n  redis      {right!r:.200}\n  nuthatch   {got!r:.200} {left!r}"
        check_damaged(words, data, (got, left), expected, right, told)

    _stage.patiently(judge, "redis", [victim.lane])


def check_damaged(words, data, ours, expected, right, told):
    """What we answered, and what was left over, is as nutcracker or redis-server has it, or stricter."""
    got, left = ours
    if left:
        raise Difference(f"half a reply: {told}")
    alike = ALIKE.get(words[0].encode(), lambda reply: reply)
    if [alike(r) for r in got] == [alike(r) for r in expected]:
        return
    # redis-server waits for ever for the end of an inline command that has a NUL in it; we read on.
    if b"\0" in data and not right:
        return
    # Lengths that nutcracker passes on and redis-server refuses end in one error; we say it ourselves. redis-server
    # does not look at the two bytes after a bulk string; we do.
    if got and got[-1].startswith(b"-ERR Protocol error") and len(got) <= max(len(right), 1):
        return
    # A command that a proxy cannot serve is refused, whatever redis-server does with it.
    for mine, theirs in zip(got, right):
        if mine.startswith(b"-CROSSSLOT") or b"', unsupported by this proxy: " in mine:
            return
        if shape(mine) != shape(theirs) and alike(mine) != alike(theirs):
            raise Difference(told)
    if len(got) != len(right):
        raise Difference(told)


CASES = [valid, valid, refusals, refusals, damaged, damaged, damaged]


def main():
    return _stage.streams(__doc__.splitlines()[0], "redis", "redis-server", CASES, damaged, POOL)


if __name__ == "__main__":
    sys.exit(main())
