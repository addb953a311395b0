#!/usr/bin/env python3
"""Publish/subscribe: nuthatch's fan-out against redis-server's own, interleaved, over the same redis-server.

Subscribers of one channel connect to redis-server, or to nuthatch (one thread) in front of it; a publisher sends messages of 100 bytes
in bursts, and the next burst follows once every subscriber has the last one. CPU is that of the program which the subscribers are
connected to, per message delivered to one subscriber; "with redis" adds that of the redis-server behind nuthatch. A ratio is taken
within a round, and the median of the rounds is shown.
"""
import multiprocessing
import select
import sys

from benchlib import *

MESSAGE = b"x" * 100
PUBLISH = b"*3\r\n$7\r\nPUBLISH\r\n$4\r\nnews\r\n$100\r\n%s\r\n" % MESSAGE
SUBSCRIBE = b"*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnews\r\n"
PUSH = len(b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$100\r\n%s\r\n" % MESSAGE)
ACKNOWLEDGED = len(b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n")


class Case:
    """So many subscribers, and messages in a burst."""

    def __init__(self, subscribers, burst, deliveries):
        self.name = "%d-subscribers-burst-%d" % (subscribers, burst)
        self.subscribers, self.burst = subscribers, burst
        self.bursts = max(deliveries // subscribers // burst, 3)


CASES = [Case(10000, 1, 400000), Case(10000, 10, 1000000), Case(1000, 1, 200000), Case(100, 10, 400000), Case(1, 1, 3000)]


def drain(port, subscribers, pipe):
    """Subscribers that count what they get; a number of bytes that each is to have comes and goes over the pipe."""
    raise_file_limit()
    poll = select.epoll()
    sockets = {}
    for _ in range(subscribers):
        s = socket.create_connection(("127.0.0.1", port))
        s.sendall(SUBSCRIBE)
        sockets[s.fileno()] = s
    for s in sockets.values():
        left = ACKNOWLEDGED
        while left:
            left -= len(s.recv(left))
        s.setblocking(False)
        poll.register(s.fileno(), select.EPOLLIN)
    pipe.send("ready")
    while True:
        wanted = pipe.recv()
        if not wanted:
            return
        left = wanted * subscribers
        while left:
            for fd, _ in poll.poll(30):
                got = len(sockets[fd].recv(1 << 16))
                if not got:
                    raise SystemExit("a subscriber was closed")
                left -= got
        pipe.send("done")


def play_case(case, port, through):
    """CPU seconds of the programs in `through` for one run, and its time."""
    pipe, theirs = multiprocessing.Pipe()
    reader = multiprocessing.Process(target=drain, args=(port, case.subscribers, theirs), daemon=True)
    reader.start()
    try:
        if not pipe.poll(120):
            raise RuntimeError("the subscribers are not ready")
        pipe.recv()
        with socket.create_connection(("127.0.0.1", port)) as publisher:
            def burst():
                pipe.send(case.burst * PUSH)
                publisher.sendall(PUBLISH * case.burst)
                if not pipe.poll(60):
                    raise RuntimeError("messages are missing")
                pipe.recv()
                counts = b""
                while counts.count(b"\n") < case.burst:
                    counts += publisher.recv(4096)
                if any(count != b":%d\r" % case.subscribers for count in counts.split(b"\n")[:-1]):
                    raise RuntimeError("PUBLISH counts %r" % counts[:40])
            burst()
            before = [process.cpu_s() for process in through]
            start = time.monotonic()
            for _ in range(case.bursts):
                burst()
            took = time.monotonic() - start
            used = [process.cpu_s() - was for process, was in zip(through, before)]
        pipe.send(0)
        reader.join(10)
    finally:
        reader.kill()
    return used, took


def run_case(case, rounds):
    results = {"redis-server": [], "nuthatch": []}
    with Stage() as stage:
        def start_redis():
            port = free_port()
            return stage.start([find("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--maxclients", "15000"], port)
        server, behind = start_redis(), start_redis()
        port = free_port()
        conf = stage.write("nuthatch.toml", 'threads = 1\n[pool.bench]\nlisten = "127.0.0.1:%d"\nservers = ["127.0.0.1:%d"]\n'
                           % (port, behind.port))
        proxy = stage.start([NUTHATCH, "run", "-c", conf], port)
        deliveries = case.subscribers * case.burst * case.bursts
        for _ in range(rounds):
            for name, at, through in (("redis-server", server, [server]), ("nuthatch", proxy, [proxy, behind])):
                used, took = play_case(case, at.port, through)
                results[name].append({"cpu_us": used[0] * 1e6 / deliveries, "all_us": sum(used) * 1e6 / deliveries,
                                      "per_s": deliveries / took})
        for name, process in (("redis-server", server), ("nuthatch", proxy)):
            results[name][-1]["memory_mb"] = process.memory_mb("VmHWM")
    return results


def rows_of(case, results):
    rows = []
    for name, runs in results.items():
        def middle(key, runs=runs):
            return median([run[key] for run in runs])
        of = median([a["cpu_us"] / b["cpu_us"] for a, b in zip(runs, results["redis-server"])])
        verdict = "" if name != "nuthatch" or case.subscribers == 1 else "≤ 1.00: %s" % ("yes" if of <= 1 else "NO")
        rows.append([case.name, name, show(middle("cpu_us"), 3), show(of), verdict, show(middle("all_us"), 3),
                     show(middle("per_s"), 0), show(runs[-1]["memory_mb"], 0)])
    return rows


HEAD = ["load", "program", "CPU µs per delivery", "of redis-server", "aim", "with redis", "deliveries per s", "peak MB"]


def main():
    parser = command_line("pubsub", __doc__)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (5)")
    parser.add_argument("--only", default="", help="regular expression on names of cases")
    options = parser.parse_args()
    raise_file_limit()
    rounds = options.rounds or (1 if options.quick else 5)
    chosen = [case for case in CASES if re.search(options.only, case.name)]
    raw, rows = play(chosen, lambda case: run_case(case, rounds), rows_of)
    keep("pubsub", raw)
    versions = [first_line([find("redis-server"), "--version"]), first_line([NUTHATCH, "--version"])]
    publish("pubsub", "## Publish and subscribe\n\n%s\n\n%s\n" % (heading(versions), table(HEAD, rows)), options)


if __name__ == "__main__":
    sys.exit(main())
