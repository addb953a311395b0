#!/usr/bin/env python3
"""Transactions and blocked clients: the CPU of nuthatch (one thread) in front of one redis-server.

Clients each send three commands (SET, INCR, GET), or the same three between MULTI and EXEC, in one write or one by one. A round is a
request of every client and its replies. CPU per round and client; the ratio of the transaction to its commands is taken within a
round of the bench, and the median of the rounds is shown. New connections are those that redis-server counts. Of blocked clients
(BLPOP without end) the CPU of both programs is shown while nothing happens, with and without them.
"""
import select
import sys

from benchlib import *


def request(*words):
    return b"".join([b"*%d\r\n" % len(words)] + [b"$%d\r\n%s\r\n" % (len(word), word) for word in words])


COMMANDS = [request(b"SET", b"{t}k", b"x" * 100), request(b"INCR", b"{t}n"), request(b"GET", b"{t}k")]
TRANSACTION = [request(b"MULTI"), *COMMANDS, request(b"EXEC")]
BLOCK = request(b"BLPOP", b"nothing", b"0")


class Case:
    """So many clients, each of which sends its requests in one write or waits for each reply."""

    def __init__(self, clients, at_once):
        self.name = "%d-clients-%s" % (clients, "one-write" if at_once else "one-by-one")
        self.clients, self.at_once = clients, at_once


CASES = [Case(50, True), Case(50, False), Case(1, True), Case(200, True)]


class Clients:
    """Connections that send the same, and wait for all replies."""

    def __init__(self, port, count):
        self.sockets = {}
        self.poll = select.epoll()
        for _ in range(count):
            s = socket.create_connection(("127.0.0.1", port))
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets[s.fileno()] = s
            self.poll.register(s.fileno(), select.EPOLLIN)

    def close(self):
        for s in self.sockets.values():
            s.close()

    def ask(self, requests, is_whole):
        """Sends to all, and reads until `is_whole` says that each has its replies."""
        got = dict.fromkeys(self.sockets, b"")
        for s in self.sockets.values():
            s.sendall(requests)
        left = len(got)
        while left:
            for fd, _ in self.poll.poll(30):
                data = self.sockets[fd].recv(1 << 16)
                if not data:
                    raise RuntimeError("a client was closed")
                got[fd] += data
                left -= bool(is_whole(got[fd]))
        return got


def ends(count):
    """True for replies with so many line ends."""
    return lambda data: data.count(b"\r\n") >= count and data.endswith(b"\r\n")


# Line ends in the replies to each request: OK, an integer, a bulk string; OK, QUEUED three times, an array of those.
LINES = {"commands": [1, 1, 2], "transaction": [1, 1, 1, 1, 5]}
REQUESTS = {"commands": COMMANDS, "transaction": TRANSACTION}


def play_round(clients, kind, at_once, repeats):
    requests, lines = REQUESTS[kind], LINES[kind]
    for _ in range(repeats):
        if at_once:
            clients.ask(b"".join(requests), ends(sum(lines)))
        else:
            for one, count in zip(requests, lines):
                clients.ask(one, ends(count))


def connections_of(port):
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(request(b"INFO", b"stats"))
        data = b""
        while b"total_connections_received" not in data or not data.endswith(b"\r\n"):
            data += s.recv(1 << 16)
    return int(re.search(rb"total_connections_received:(\d+)", data).group(1))


def start_pair(stage):
    port = free_port()
    server = stage.start([find("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--maxclients", "15000"], port)
    port = free_port()
    conf = stage.write("nuthatch.toml", 'threads = 1\n[pool.bench]\nlisten = "127.0.0.1:%d"\nservers = ["127.0.0.1:%d"]\n'
                       % (port, server.port))
    return server, stage.start([NUTHATCH, "run", "-c", conf], port)


def run_case(case, rounds, repeats):
    results = {"commands": [], "transaction": []}
    with Stage() as stage:
        server, proxy = start_pair(stage)
        clients = Clients(proxy.port, case.clients)
        for kind in results:
            play_round(clients, kind, case.at_once, 5)
        for _ in range(rounds):
            for kind, runs in results.items():
                count, before, start = connections_of(server.port), proxy.cpu_s(), time.monotonic()
                behind = server.cpu_s()
                play_round(clients, kind, case.at_once, repeats)
                took = time.monotonic() - start
                used, behind = proxy.cpu_s() - before, server.cpu_s() - behind
                each = 1e6 / (repeats * case.clients)
                # One of the new connections is our own question.
                new = connections_of(server.port) - count - 1
                runs.append({"cpu_us": used * each, "server_us": behind * each, "new_per_s": new / took, "per_s": repeats * case.clients / took})
        clients.close()
    return results


def rows_of(case, results):
    rows = []
    for kind, runs in results.items():
        def middle(key, runs=runs):
            return median([run[key] for run in runs])
        of = median([a["cpu_us"] / b["cpu_us"] for a, b in zip(runs, results["commands"])])
        verdict = "" if kind == "commands" else "≤ 1.30: %s; < 1: %s" % ("yes" if of <= 1.3 else "NO", "yes" if middle("new_per_s") < 1 else "NO")
        rows.append([case.name, kind, show(middle("cpu_us")), show(of), show(middle("server_us")), show(middle("new_per_s")), verdict,
                     show(middle("per_s"), 0)])
    return rows


HEAD = ["load", "sent", "CPU µs for three commands", "of commands alone", "redis-server µs", "new connections per s", "aims", "per s"]


def blocked(count, seconds):
    """CPU in permille of a thread, and memory, of both programs with and without blocked clients."""
    rows = []
    with Stage() as stage:
        server, proxy = start_pair(stage)
        clients = None
        for blocked_now in (0, count):
            if blocked_now:
                clients = Clients(proxy.port, count)
                for s in clients.sockets.values():
                    s.sendall(BLOCK)
                deadline = time.monotonic() + 60
                while connections_of(server.port) < count and time.monotonic() < deadline:
                    time.sleep(0.1)
                time.sleep(1)  # what the beginning costs is no part of being idle
            before, start = [one.cpu_s() for one in (proxy, server)], time.monotonic()
            time.sleep(seconds)
            took = time.monotonic() - start
            used = [(one.cpu_s() - was) * 1000 / took for one, was in zip((proxy, server), before)]
            rows.append([str(blocked_now), show(used[0]), show(used[1]), show(proxy.memory_mb("VmRSS"), 1)])
        clients.close()
    return rows


BLOCKED_HEAD = ["blocked clients", "nuthatch, ms of CPU per s", "redis-server, ms of CPU per s", "nuthatch MB"]


def main():
    parser = command_line("stateful", __doc__)
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (7)")
    parser.add_argument("--repeats", type=int, help="requests of each client in a round (200)")
    parser.add_argument("--blocked", type=int, default=1000, help="blocked clients (%(default)s)")
    parser.add_argument("--only", default="", help="regular expression on names of cases")
    options = parser.parse_args()
    raise_file_limit()
    rounds, repeats = options.rounds or (1 if options.quick else 7), options.repeats or (20 if options.quick else 200)
    chosen = [case for case in CASES if re.search(options.only, case.name)]
    raw, rows = play(chosen, lambda case: run_case(case, rounds, repeats), rows_of)
    idle = blocked(options.blocked, 2 if options.quick else 10)
    raw["blocked"] = idle
    keep("stateful", raw)
    versions = [first_line([find("redis-server"), "--version"]), first_line([NUTHATCH, "--version"])]
    publish("stateful", "## Transactions and blocked clients\n\n%s\n\n%s\n\n%s\n" % (heading(versions), table(HEAD, rows), table(BLOCKED_HEAD, idle)),
            options)


if __name__ == "__main__":
    sys.exit(main())
