#!/usr/bin/env python3
"""Random streams of stateful commands, through a pool and to a server alone: publish/subscribe in RESP2 and RESP3, transactions with
WATCH, blocking commands on lists that have an element, several databases.

Clients take turns. After each request every subscriber of the plain server answers a PING, so that it is known which pushes the
request has caused; through the pool as many are waited for. What one request causes is compared without order, since patterns of a
server have none; from one request to the next the order counts. Transactions keep to keys of one hash tag.
"""

import sys

import _stage
from _stage import Conversation, Difference, kit
from redis_streams import encode

CHANNELS = ["news", "news.a", "log", "a", "b", "c"]
PATTERNS = ["n*", "*", "news.?", "[ab]", "log"]
KEYS = ["{t}1", "{t}2", "{t}l"]
TRANSACTIONS = [
    ["MULTI"], ["MULTI"], ["EXEC"], ["EXEC"], ["EXEC", "x"], ["DISCARD"], ["WATCH", KEYS[0]], ["WATCH", *KEYS], ["UNWATCH"], ["SET", KEYS[0], "1"],
    ["INCR", KEYS[0]], ["INCR", KEYS[1]], ["GET", KEYS[0]], ["RPUSH", KEYS[2], "x", "y"], ["LPUSH", KEYS[0], "wrong type"], ["LRANGE", KEYS[2], "0", "-1"],
    ["BLPOP", KEYS[2], "0.01"], ["BLMOVE", KEYS[2], KEYS[2], "LEFT", "RIGHT", "0.01"], ["SET", KEYS[0]], ["NOSUCH"], ["PING"], ["RESET"], ["DEL", KEYS[0]],
]  # fmt: skip
SELECTS = [["SELECT", db] for db in ("0", "1", "2", "15", "16", "x")]


class Actor:
    """A client on each lane."""

    def __init__(self, lanes, subscribes, resp3):
        self.subscribes, self.resp3 = subscribes, resp3
        # What SELECT is not served in: Redis queues it, and a watch is of one database.
        self.in_transaction = self.watches = False
        self.talks = [Conversation(lane, "redis") for lane in lanes]
        if resp3:
            for talk in self.talks:
                talk.send(encode("HELLO", "3"))
                talk.take(1)

    def request(self, rng):
        """A request of one that does not subscribe."""
        if rng.random() < 0.15 and not self.in_transaction and not self.watches:
            return rng.choice(SELECTS)
        words = rng.choice(TRANSACTIONS)
        match words:
            case ["MULTI"]:
                self.in_transaction = True
            case ["EXEC"] | ["DISCARD"] if self.in_transaction:
                self.in_transaction = self.watches = False
            case ["RESET"] if not self.resp3:
                self.in_transaction = self.watches = False
            case ["WATCH", *_] | ["UNWATCH"] if not self.in_transaction:
                self.watches = words[0] == "WATCH"
        return words

    def close(self):
        for talk in self.talks:
            talk.__exit__()

    def pushes(self, number):
        """What came on the plain server before the answer to a PING."""
        talk = self.talks[0]
        mark = b"mark-%d" % number
        talk.send(encode("PING", mark.decode()))
        found = []
        while True:
            (reply,), closed = talk.take(1)
            if closed:
                raise Difference("the plain server closes")
            if reply.endswith(mark + b"\r\n"):
                return found
            found.append(reply)

    def expect(self, wanted, words):
        for talk in self.talks[1:]:
            got, closed = talk.take(len(wanted))
            if closed or sorted(got) != sorted(wanted):
                raise Difference(f"{words!r}\n  {talk.lane.name}  {sorted(got)!r:.600}\n  redis    {sorted(wanted)!r:.600}")


def subscription(rng):
    kind = rng.choice(["SUBSCRIBE"] * 4 + ["PSUBSCRIBE"] * 3 + ["UNSUBSCRIBE", "PUNSUBSCRIBE", "PING", "GET", "RESET"])
    names = PATTERNS if kind.startswith("P") else CHANNELS
    if kind in ("PING", "RESET"):
        return [kind]
    # One name for those that end one, since all at once come in no order.
    return [kind, *rng.sample(names, rng.randint(1, 3) if kind.endswith("SUBSCRIBE") and "UN" not in kind else 1)]


def main():
    asked = _stage.options(__doc__.splitlines()[0])
    _stage.skip_without("redis-server")
    with kit.Stack() as stack:
        plain = _stage.plain(stack, "redis")
        lanes = [plain]
        for count in (1, 3):
            path = stack.path / f"pool-{count}"
            path.mkdir()
            servers = [stack.keep(kit.start_redis(f"s{n}", path)) for n in range(count)]
            pool = stack.keep(kit.start_native(path, "redis", servers, hash_tag='"{}"', databases=16))
            lanes.append(_stage.Lane(f"pool of {count}", pool.port, servers))

        def case(rng, number):
            for lane in lanes:
                _stage.flush(lane, "redis")
            resp3 = [rng.random() < 0.5 for _ in range(6)]
            actors = [Actor(lanes, n < 3, resp3[n]) for n in range(6)]
            try:
                for step in range(60):
                    actor = rng.choice([*actors, *actors[5:] * 3])
                    if actor is actors[5]:
                        words = ["PUBLISH", rng.choice(CHANNELS), str(step)]
                    elif actor.subscribes:
                        words = subscription(rng)
                        if words == ["RESET"] and resp3[actors.index(actor)]:
                            continue  # it would speak RESP2 from then on
                    else:
                        words = actor.request(rng)
                        if words == ["RESET"] and resp3[actors.index(actor)]:
                            continue
                    for talk in actor.talks:
                        talk.send(encode(*words))
                    if not actor.subscribes:
                        (reply,), _ = actor.talks[0].take(1)
                        actor.expect([reply], words)
                    for subscriber in actors[:3]:
                        subscriber.expect(subscriber.pushes(number * 1000 + step), words)
                # Nothing more has come.
                for subscriber in actors[:3]:
                    for talk in subscriber.talks[1:]:
                        talk.send(encode("PING", "end"))
                        (reply,), _ = talk.take(1)
                        if not reply.endswith(b"end\r\n"):
                            raise Difference(f"{talk.lane.name}: one too many: {reply!r:.300}")
            finally:
                for actor in actors:
                    actor.close()
            stack.check_alive()

        return _stage.run("stateful redis streams", asked, [(1, range(0, 60))], case, stack)


if __name__ == "__main__":
    sys.exit(main())
