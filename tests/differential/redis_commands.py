"""Every command that redis-server knows, with none to six arguments, through nutcracker, through nuthatch and to a server.

    redis_commands.py [--short | --minutes N] [--seed S [--case C]]

A case is one command or subcommand: each number of arguments, in any case of letters, with keys and words of several kinds,
upon a key of any type. What nutcracker serves, we serve and answer alike; what it hangs up on, we answer as redis-server
does, or refuse. `INSTEAD` has the answers that are neither. The short form is every command once.
"""

import re
import sys

import _stage
from _stage import Conversation, Difference, kit
from redis_streams import ALIKE, encode

ARGUMENTS_MAX = 6
POOL = {"hash": "fnv1a_64", "distribution": "modula", "hash_tag": '"{}"'}
# Arguments beside keys. No word may make a reply depend on the time or on chance.
WORDS = [
    0, 1, 1, 2, -1, "x", "0", "1-1", "-", "+", "[a", "(1", "(", "m", "EX", "NX", "GET", "KEYS", "STREAMS", "STORE", "LIMIT", "COUNT",
    "WITHSCORES", "WEIGHTS", "BY", "LEFT", "RIGHT", "BEFORE", "AND", "FROMMEMBER", "BYRADIUS", "ID", "GROUP", "REPLACE", "MAXLEN",
    "return 1", "FULL", "u8", "incrby",
]  # fmt: skip
# A key of each type, by a command that nutcracker serves.
SEEDS = [None, ("SET", 5), ("RPUSH", 1, "x"), ("HSET", "x", 1), ("SADD", "x"), ("ZADD", 1, "x")]
# Where commands that may block say for how long: a number there becomes a short time, since 0 is for ever.
TIMEOUT_AT = {"BLPOP": -1, "BRPOP": -1, "BZPOPMIN": -1, "BZPOPMAX": -1, "BRPOPLPUSH": -1, "BLMOVE": -1, "BLMPOP": 0, "BZMPOP": 0}
SHORT_TIME = "0.01"
STRANGE = [["nosuchcommand"], [""], ["getx"], ["OBJECT", "nosuch"], ["XINFO"]]
# Answered by the proxy about itself; a server answers otherwise.
OWN = {"CLIENT", "COMMAND", "CONFIG", "HELLO", "INFO", "LOLWUT", "QUIT", "RESET", "TIME"}
# One makes a server look for another one, one tells the time; what others find depends on chance, or on what other cases
# have left; the last change what a connection does next, or have a reply for each argument.
LEFT_OUT = {
    "MIGRATE", "OBJECT|IDLETIME", "DBSIZE", "RANDOMKEY", "SCAN",
    "MULTI", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE",
}  # fmt: skip
# A cursor that nobody gave out finds what a server's hash seed says.
# What is in a slow log is up to the machine.
ALIKE_HERE = {**ALIKE, b"SSCAN": lambda reply: reply[:1], b"SLOWLOG": lambda reply: re.sub(rb"(?s)^[*:].*", rb"*", reply)}
# Refused, whatever the arguments and the servers are.
UNSUPPORTED = re.compile(
    rb"-ERR unknown command '[^']*', unsupported by this proxy: |-ERR '[^']*' (is not allowed in this pool|needs a pool with one server)"
)
IN_REFUSED_TRANSACTION = b"-ERR not executed, since the MULTI before it was refused\r\n"
NUMKEYS = (b"-ERR value is not an integer or out of range\r\n", b"-ERR Number of keys can't be ")
FUNCTION_NUMKEYS = (b"-ERR Bad number of keys provided\r\n", b"-ERR Number of keys can't be ")
# Beginnings of errors that we give where a server gives another one, or none.
INSTEAD = {
    "AUTH": (b"-ERR Client sent AUTH, but no password is set\r\n",),
    "SELECT": (b"-ERR DB index is out of range: this pool serves database 0 only",),
    "EVAL": (b"-ERR 'eval' needs at least one key here",),
    "EVAL_RO": (b"-ERR 'eval_ro' needs at least one key here",),
    # Its keys are looked for before its other words are.
    "XREAD": (b"-ERR syntax error",),
    "XREADGROUP": (b"-ERR syntax error",),
    # The number of keys is looked at before the server looks for the script.
    "EVALSHA": (b"-ERR 'evalsha' needs at least one key here", *NUMKEYS),
    "EVALSHA_RO": (b"-ERR 'evalsha_ro' needs at least one key here", *NUMKEYS),
    "FCALL": (b"-ERR 'fcall' needs at least one key here", *FUNCTION_NUMKEYS),
    "FCALL_RO": (b"-ERR 'fcall_ro' needs at least one key here", *FUNCTION_NUMKEYS),
}


class Talker:
    """A lane's connection, made again when it was closed."""

    def __init__(self, lane):
        self.lane, self.talk = lane, None

    def ask(self, requests):
        """The reply to the last of the requests, or None if the other side closed instead of giving it."""
        self.talk = self.talk or Conversation(self.lane, "redis")
        self.talk.send(b"".join(requests) + encode("PING"))
        found, closed = self.talk.take(len(requests) + 1)
        if closed or found[-1] == IN_REFUSED_TRANSACTION:
            self.close()
        elif found[-1] != b"+PONG\r\n":
            raise Difference(f"{self.lane.name}: {requests!r:.300} has more than one reply: {found!r:.300}")
        return found[len(requests) - 1] if len(found) >= len(requests) else None

    def close(self):
        if self.talk:
            self.talk.__exit__()
            self.talk = None


def commands(port):
    """All commands and subcommands that the server knows, as words, and some that it does not."""
    with kit.Wire(port) as wire:
        wire.send(encode("COMMAND", "LIST"))
        data = b""
        while _stage.redis_reply_end(data) is None:
            data += wire.socket.recv(65536)
    names, _ = _stage.replies_of("redis", data[data.find(b"\r\n") + 2 :])
    found = {name.split(b"\r\n")[1].decode().upper() for name in names}
    return [name.split("|") for name in sorted(found - LEFT_OUT)] + STRANGE


def cased(rng, word):
    return rng.choice([word, word.lower(), "".join(rng.choice([c, c.lower()]) for c in word)])


def arguments(rng, count, key):
    keys = [key, key, f"{{{key}}}2", f"{key}3"]
    match rng.randrange(4):
        case 0:
            return [rng.choice(keys) for _ in range(count)]
        case 1:
            return ([key] + [1] * count)[:count]
        case _:
            first = [0.8] + [0.3] * count
            return [rng.choice(keys if rng.random() < first[n] else WORDS) for n in range(count)]


def impatient(name, words):
    """The arguments of a command, which does not block for long."""
    at = TIMEOUT_AT.get(name)
    if at is not None and words and re.fullmatch(r"\d+", str(words[at])):
        words[at] = SHORT_TIME
    return words


def fault(words, theirs, ours, right):
    """What is wrong with our answer. `right` is redis-server's; it is not asked what we refuse."""
    name = words[0].upper()
    alike = ALIKE_HERE.get(name.encode(), lambda reply: reply)
    if ours is None:
        return "closed"
    if theirs is not None and alike(theirs) == alike(ours):
        return None
    if UNSUPPORTED.match(ours) and theirs is not None:
        return "nutcracker serves it"
    # What goes to every server tells whose error it is.
    ours = re.sub(rb"^(-.*) \(server s\d\)\r\n$", rb"\1\r\n", ours)
    if name in OWN or right is None or ours.startswith(INSTEAD.get(name, ())) or alike(ours) == alike(right):
        return None
    return "as neither of them"


def main():
    asked = _stage.options(__doc__.splitlines()[0])
    _stage.skip_without("nutcracker", "redis-server")
    with kit.Stack() as stack:
        lanes = [_stage.original(stack, "redis", 2, **POOL), _stage.ours(stack, "redis", 2, **POOL), _stage.plain(stack, "redis")]
        nutcracker, nuthatch, redis = (Talker(lane) for lane in lanes)
        known = commands(lanes[2].port)

        def case(rng, number):
            name = known[number % len(known)]
            for count in [*range(ARGUMENTS_MAX + 1)] * 2:
                key = f"{number}:{rng.randrange(10**9)}"
                words = [*[cased(rng, word) for word in name], *impatient(name[0], arguments(rng, count, key))]
                seed = rng.choice(SEEDS)
                requests = [encode(seed[0], key, *seed[1:])] if seed else []
                requests.append(encode(*words))
                theirs, ours, right = nutcracker.ask(requests), nuthatch.ask(requests), None
                if ours and not UNSUPPORTED.match(ours) and not ours.startswith(b"-CROSSSLOT ") and name[0] not in OWN:
                    right = redis.ask(requests)
                if name[0] in ("AUTH", "SELECT"):
                    redis.close()
                if wrong := fault(words, theirs, ours, right):
                    told = f"\n  nutcracker {theirs!r:.300}\n  nuthatch   {ours!r:.300}\n  redis      {right!r:.300}"
                    raise Difference(f"{wrong}: {words!r:.300} after {seed}{told}")
            stack.check_alive()

        try:
            return _stage.run("redis commands", asked, [(1, range(len(known)))], case, stack)
        finally:
            for talker in (nutcracker, nuthatch, redis):
                talker.close()


if __name__ == "__main__":
    sys.exit(main())
