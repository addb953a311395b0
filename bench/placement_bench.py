#!/usr/bin/env python3
"""The same load with every process bound to a core: what the scheduler's choice of cores does to the CPU per request.

On two cores, load, proxy and two redis servers cannot each have one. Which of them share is the scheduler's choice, from run
to run, and matters more than anything else: waking a process on a core that sleeps costs several times what waking one on
the same core does. Bound to cores, runs differ by a few percent. Load by redis-benchmark, 50 clients, no pipeline.
"""
import sys

from benchlib import *
import proxy_bench

# (load, proxy, first server, second server): the core of each.
PLACEMENTS = {
    "load / proxy and servers": ("0", "1", "1", "1"),
    "load and a server / proxy and a server": ("0", "1", "0", "1"),
    "load and servers / proxy": ("0", "1", "0", "0"),
    "as the scheduler likes": ("0,1",) * 4,
}
OPERATIONS = {"GET": "get", "SET": "set", "MGET of 10": "mget"}


def bind(pid, cores):
    """All threads of a process; what it starts from then on is bound as well."""
    for task in os.listdir("/proc/%d/task" % pid):
        os.sched_setaffinity(int(task), map(int, cores.split(",")))


def load(proxy, cores, operation, requests):
    """CPU microseconds of the proxy per request."""
    bind(os.getpid(), cores)
    before = proxy.cpu_s()
    proxy_bench.Case("redis", operation, 1, 50, requests).load(proxy.port, requests)
    return (proxy.cpu_s() - before) * 1e6 / requests


def main():
    parser = command_line("placement", __doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (%(default)s)")
    parser.add_argument("--requests", type=int, default=50_000, help="requests of each run (%(default)s)")
    options = parser.parse_args()
    rows = []
    with Stage() as stage:
        servers = proxy_bench.start_servers(stage, "redis")
        for server in servers:
            proxy_bench.fill("redis", server.port, 100)
        ports = [server.port for server in servers]
        proxies = [proxy_bench.PROXIES[name](stage, "redis", ports) for name in ("nutcracker", "nuthatch")]
        for placement, (of_load, of_proxy, *of_servers) in PLACEMENTS.items():
            for server, cores in zip(servers, of_servers):
                bind(server.popen.pid, cores)
            for proxy in proxies:
                bind(proxy.popen.pid, of_proxy)
            for name, operation in OPERATIONS.items():
                print("%s, %s ..." % (placement, name), file=sys.stderr, flush=True)
                runs = [[load(proxy, of_load, operation, options.requests) for proxy in proxies] for _ in range(options.rounds)]
                theirs, ours = (median(column) for column in zip(*runs))
                spread = "%.2f to %.2f" % (min(run[1] for run in runs), max(run[1] for run in runs))
                rows.append([placement, name, show(theirs), show(ours), spread, show(median(run[1] / run[0] for run in runs))])
    head = ["first core / second core", "load", "nutcracker, CPU µs per request", "nuthatch", "least to most", "ratio"]
    text = heading(proxy_bench.versions("nuthatch", "nutcracker", "redis")) + "\n\n" + table(head, rows)
    publish("placement", text, options)


if __name__ == "__main__":
    main()
