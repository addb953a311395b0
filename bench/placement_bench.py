#!/usr/bin/env python3
"""The same load with every process bound to a core: what the scheduler's choice of cores does to the CPU per request.

On two cores, load, proxy and two redis servers cannot each have one. Which of them share is the scheduler's choice, from run
to run, and matters more than anything else: waking a process on a core that sleeps costs several times what waking one on
the same core does. Bound to cores, runs differ by a few percent. Load by redis-benchmark, 50 clients, no pipeline.
"""
import argparse
import sys

from benchlib import *

# (load, proxy, first server, second server): the core of each.
PLACEMENTS = {
    "load / proxy and servers": ("0", "1", "1", "1"),
    "load and a server / proxy and a server": ("0", "1", "0", "1"),
    "load and servers / proxy": ("0", "1", "0", "0"),
    "as the scheduler likes": ("0,1",) * 4,
}
KEY = "key:__rand_int__"
LOADS = {"GET": ["GET", KEY], "SET": ["SET", KEY, "x" * 100], "MGET of 10": ["MGET"] + [KEY] * 10}


def bind(pid, cores):
    output(["taskset", "-a", "-p", "-c", cores, str(pid)])


def nutcracker(stage, servers):
    port, stats = free_port(), free_port()
    conf = stage.write("nutcracker.yml", "bench:\n  listen: 127.0.0.1:%d\n  redis: true\n  servers:\n" % port
                       + "".join("   - 127.0.0.1:%d:1 s%d\n" % (s.port, n) for n, s in enumerate(servers)))
    return stage.start([find("nutcracker"), "-c", conf, "-a", "127.0.0.1", "-s", str(stats)], port)


def nuthatch(stage, servers):
    port = free_port()
    listed = ", ".join('"127.0.0.1:%d:1 s%d"' % (s.port, n) for n, s in enumerate(servers))
    conf = stage.write("nuthatch.toml", 'threads = 1\n[pool.bench]\nlisten = "127.0.0.1:%d"\nservers = [%s]\n' % (port, listed))
    return stage.start([NUTHATCH, "run", "-c", conf], port)


def load(proxy, cores, command, requests):
    """CPU microseconds of the proxy per request."""
    before = proxy.cpu_s()
    output(["taskset", "-c", cores, find("redis-benchmark"), "-p", str(proxy.port), "-c", "50", "-n", str(requests), "-r", "10000",
            "--csv", *command])
    return (proxy.cpu_s() - before) * 1e6 / requests


def main():
    parser = argparse.ArgumentParser(prog="cargo xtask bench placement", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (%(default)s)")
    parser.add_argument("--requests", type=int, default=50_000, help="requests of each run (%(default)s)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    rows = []
    with Stage() as stage:
        servers = []
        for _ in range(2):
            port = free_port()
            servers.append(stage.start([find("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", ""], port))
        proxies = [nutcracker(stage, servers), nuthatch(stage, servers)]
        load(proxies[1], "0,1", LOADS["SET"], options.requests)
        for placement, (of_load, of_proxy, *of_servers) in PLACEMENTS.items():
            for server, cores in zip(servers, of_servers):
                bind(server.popen.pid, cores)
            for proxy in proxies:
                bind(proxy.popen.pid, of_proxy)
            for name, command in LOADS.items():
                print("%s, %s ..." % (placement, name), file=sys.stderr, flush=True)
                runs = [[load(proxy, of_load, command, options.requests) for proxy in proxies] for _ in range(options.rounds)]
                theirs, ours = (median(column) for column in zip(*runs))
                spread = "%.2f to %.2f" % (min(run[1] for run in runs), max(run[1] for run in runs))
                rows.append([placement, name, show(theirs), show(ours), spread, show(median(run[1] / run[0] for run in runs))])
    text = heading([first_line([NUTHATCH, "--version"]), first_line([find("nutcracker"), "-V"]), first_line([find("redis-server"), "--version"])]) + "\n\n" + table(
        ["first core / second core", "load", "nutcracker, CPU µs per request", "nuthatch", "least to most", "ratio"], rows)
    print(text)
    if options.write:
        replace_section(os.path.join(ROOT, "docs", "performance.md"), "placement", text)


if __name__ == "__main__":
    main()
