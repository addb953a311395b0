"""What is executed behind each command: through nuthatch, and by redis-server itself.

    redis_behind.py [--short | --minutes N] [--seed S [--case C]]

A case is one command or subcommand in its forms. `INCR`, the command, `INCR` are sent in one packet. If redis-server then does
anything else than execute the second `INCR` in database 0 and answer it with 2 (it queues it, answers nothing, writes another
database …), a proxy that refuses the command may not execute it either: whoever is told of the refusal may repeat all of it.
"""

import socket
import sys

import _stage
from _stage import Difference, kit
from redis_commands import arguments, cased, commands
from redis_streams import encode

POOL = {"hash": "fnv1a_64", "distribution": "modula"}
# Forms of a command that do what it is for; beside them each command has random arguments.
FORMS = {
    "ASKING": [[]], "AUTH": [["x"], ["default", "x"], ["someone", "x"]], "CLIENT|CACHING": [["yes"]],
    "CLIENT|NO-EVICT": [["on"]], "CLIENT|REPLY": [["off"], ["skip"], ["on"]], "CLIENT|SETNAME": [["a"], ["a b"]],
    "CLIENT|TRACKING": [["on"], ["on", "bcast"], ["off"]], "DISCARD": [[]], "EXEC": [[]],
    "HELLO": [[], ["2"], ["3"], ["4"], ["3", "auth", "default", "x"], ["3", "auth", "someone", "x"], ["3", "setname", "a b"]],
    "MONITOR": [[]], "MULTI": [[]], "PSUBSCRIBE": [["c*"]], "QUIT": [[]], "READONLY": [[]], "READWRITE": [[]],
    "REPLCONF": [["listening-port", "1"], ["ack", "1"]], "RESET": [[]], "SCRIPT|DEBUG": [["yes"], ["sync"], ["no"]],
    "SELECT": [["0"], ["1"], ["99"], ["x"]], "SSUBSCRIBE": [["c"]], "SUBSCRIBE": [["c"], ["c", "d"]], "SYNC": [[]],
    "PSYNC": [["?", "-1"]], "UNSUBSCRIBE": [[], ["c"]], "UNWATCH": [[]], "WAIT": [["0", "1"]], "WATCH": [["n"], ["n", "k"]],
}  # fmt: skip
# What would end or change the server that is asked, or keep others waiting.
HARMFUL = {
    "SHUTDOWN", "DEBUG", "REPLICAOF", "SLAVEOF", "FAILOVER", "CLIENT|PAUSE", "CLIENT|KILL", "CONFIG|SET", "CONFIG|REWRITE", "MIGRATE",
    "ACL|SETUSER", "ACL|DELUSER", "ACL|LOAD", "BGSAVE", "BGREWRITEAOF", "SAVE", "PFDEBUG", "PFSELFTEST",
}  # fmt: skip
# What changes the counter itself: INCR finds other data, in the same database and as usual.
OF_DATA = {"FLUSHALL", "FLUSHDB", "SWAPDB"}
# A server that blocks, or has more to say than fits a socket, is ended by the end of the packet.
ENDED = {"BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP", "COMMAND", "COMMAND|DOCS", "COMMAND|INFO"}
LEFT_OUT = HARMFUL | OF_DATA | ENDED
# A reply for each channel.
SEVERAL_REPLIES = {"UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"}


def talk(port, data):
    """All that is answered to these bytes, up to the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=kit.ANSWER_SECONDS) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        parts = []
        while part := s.recv(65536):
            parts.append(part)
    return b"".join(parts)


class Side:
    """One that is asked, and the server where the counter is."""

    def __init__(self, lane):
        self.port, self.server = lane.port, lane.servers[0].port

    def behind(self, words):
        """Was INCR behind this executed as usual, was it executed at all, and what was answered?"""
        talk(self.server, encode("FLUSHALL"))
        answer = talk(self.port, encode("INCR", "n") + encode(*words) + encode("INCR", "n"))
        counts = [talk(self.server, encode("SELECT", db) + encode("GET", "n")) for db in (0, 1)]
        in_place = counts[0] == b"+OK\r\n$1\r\n2\r\n"
        elsewhere = counts[1] != b"+OK\r\n$-1\r\n"
        replies, rest = _stage.replies_of("redis", answer)
        one_each = len(replies) == 3 or words[0].upper() in SEVERAL_REPLIES
        usual = in_place and not elsewhere and one_each and not rest and replies[-1] == b":2\r\n"
        return usual, in_place or elsewhere, answer


def main():
    asked = _stage.options(__doc__.splitlines()[0])
    _stage.skip_without("redis-server")
    with kit.Stack() as stack:
        lanes = [_stage.ours(stack, "redis", 1, **POOL), _stage.plain(stack, "redis")]
        known = [name for name in commands(lanes[1].port) if "|".join(name) not in LEFT_OUT]
        nuthatch, redis = (Side(lane) for lane in lanes)

        def case(rng, number):
            name = known[number % len(known)]
            forms = FORMS.get("|".join(name), [])
            for form in [*forms, *(arguments(rng, count, "k") for count in range(4))]:
                words = [*[cased(rng, word) for word in name], *form]
                usual, _, right = redis.behind(words)
                _, executed, ours = nuthatch.behind(words)
                # CLIENT REPLY is served: what is behind it is executed, and not answered.
                if executed and not usual and ours != right:
                    told = f"{words!r:.300}\n  nuthatch   {ours!r:.300}\n  redis      {right!r:.300}"
                    raise Difference(f"INCR is executed behind {told}")
            stack.check_alive()

        return _stage.run("behind redis commands", asked, [(1, range(len(known)))], case, stack)


if __name__ == "__main__":
    sys.exit(main())
