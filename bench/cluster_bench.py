#!/usr/bin/env python3
"""A cluster pool beside a ring pool: what following a Redis Cluster costs, and what a cluster client pays itself.

Three redis-servers form a cluster, three more of the same build are the servers of a ring; both pools are in one nuthatch (one
thread), and redis-benchmark plays GET, SET and MGET of 10 random keys to each of them in interleaved rounds. A MGET of a ring goes out
in a part for each server, that of a cluster in one for each slot, about ten, so the servers' own CPU is shown as well. "Client" is the
CPU of redis-benchmark; `direct` is redis-benchmark --cluster, which finds the nodes itself (GET and SET only: it has no MGET over slots).
CPU is in µs per request. Ratios are taken within a round, and the median of the rounds is shown with the smallest and the largest.
"""
import csv
import io
import resource
import sys

from benchlib import *
import proxy_bench

SLOTS, MASTERS = 16384, 3
# Name, operation, pipeline, requests of a round.
CASES = {
    "GET": ("get", 1, 60000), "SET": ("set", 1, 60000), "MGET of 10": ("mget", 1, 20000),
    "GET, pipeline 16": ("get", 16, 300000), "SET, pipeline 16": ("set", 16, 300000),
}
TARGETS = {"GET": 1.05, "SET": 1.05, "MGET of 10": 1.5, "GET, pipeline 16": 1.05, "SET, pipeline 16": 1.05}


def say(port, *words):
    """One command, and the first line of the answer, or all of it if it is a bulk."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s, s.makefile("rb") as reader:
        s.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word)
                                                     for word in (str(word).encode() for word in words)))
        line = reader.readline()
        return reader.read(int(line[1:])) if line.startswith(b"$") else line


def start_server(stage, *options):
    port = free_port()
    return stage.start([find("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no",
                        *options], port)


def start_cluster(stage):
    """Three masters that share the slots."""
    nodes = [start_server(stage, "--cluster-enabled", "yes", "--cluster-port", str(free_port())) for _ in range(MASTERS)]
    for n, node in enumerate(nodes):
        say(node.port, "CLUSTER", "ADDSLOTSRANGE", n * SLOTS // MASTERS, (n + 1) * SLOTS // MASTERS - 1)
        say(node.port, "CLUSTER", "SET-CONFIG-EPOCH", n + 1)
        bus = re.search(rb"@(\d+)", say(node.port, "CLUSTER", "NODES")).group(1).decode()
        say(nodes[0].port, "CLUSTER", "MEET", "127.0.0.1", node.port, bus)
    end = time.monotonic() + 30
    while not all(b"cluster_state:ok" in (info := say(node.port, "CLUSTER", "INFO"))
                  and b"cluster_known_nodes:%d" % MASTERS in info for node in nodes):
        if time.monotonic() > end:
            raise Unavailable("the cluster does not form")
        time.sleep(0.05)
    return nodes


def start_nuthatch(stage, ring, nodes):
    """-> the process, the port of the ring pool and that of the cluster pool."""
    ports = free_port(), free_port()
    servers = ", ".join('"127.0.0.1:%d:1 s%d"' % (server.port, n) for n, server in enumerate(ring))
    seeds = ", ".join('"127.0.0.1:%d"' % node.port for node in nodes)
    text = ('threads = 1\n[pool.ring]\nlisten = "127.0.0.1:%d"\nservers = [%s]\n[pool.cluster]\nlisten = "127.0.0.1:%d"\n'
            'topology = "cluster"\nservers = [%s]\n' % (ports[0], servers, ports[1], seeds))
    process = stage.start([NUTHATCH, "run", "-c", stage.write("nuthatch.toml", text)], ports[0])
    end = time.monotonic() + 30
    while say(ports[1], "SET", "ready", "x") != b"+OK\r\n":
        if time.monotonic() > end:
            raise Unavailable("the cluster pool does not serve")
    # A slot that had to wait for the map takes detours for a second.
    time.sleep(1.5)
    return process, ports


def play(port, case, requests, *options):
    """One run of redis-benchmark. -> requests per second, p50, p99, and its own CPU per request in µs"""
    operation, pipeline, _ = CASES[case]
    command = [find("redis-benchmark"), "-h", "127.0.0.1", "-p", str(port), "-c", "50", "-P", str(pipeline), "-n", str(requests),
               "-r", str(proxy_bench.KEYS), "-d", "100", "--csv", *options]
    command += ["MGET"] + ["key:__rand_int__"] * 10 if operation == "mget" else ["-t", operation]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = output(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    row = [row for row in csv.reader(io.StringIO(text)) if len(row) >= 7 and row[0] != "test"][-1]
    client = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"requests_per_s": float(row[1]), "p50_us": float(row[4]) * 1000, "p99_us": float(row[6]) * 1000,
            "client_us": client * 1e6 / requests}


def run(stage, options):
    ring, nodes = [start_server(stage) for _ in range(MASTERS)], start_cluster(stage)
    nuthatch, (ring_port, cluster_port) = start_nuthatch(stage, ring, nodes)
    for port in (ring_port, cluster_port):
        proxy_bench.fill("redis", port, 100)
    ways = {"ring": (ring_port, ring, []), "cluster": (cluster_port, nodes, []), "direct": (nodes[0].port, nodes, ["--cluster"])}
    # Its keys have a tag of their node: a read finds them, as those of the pools do.
    play(nodes[0].port, "SET", 100000, "--cluster")
    raw = {}
    for case in [case for case in CASES if re.search(options.only, case)]:
        requests = max(int(CASES[case][2] * options.scale), 2000)
        figures = raw[case] = {name: [] for name in ways if name != "direct" or "MGET" not in case}
        print("%s ..." % case, file=sys.stderr, flush=True)
        for n in range(options.rounds + 1):
            for name in figures:
                port, servers, extra = ways[name]
                before, of_servers = nuthatch.cpu_s(), sum(server.cpu_s() for server in servers)
                found = play(port, case, requests, *extra)
                found["proxy_us"] = (nuthatch.cpu_s() - before) * 1e6 / requests if name != "direct" else 0.0
                found["servers_us"] = (sum(server.cpu_s() for server in servers) - of_servers) * 1e6 / requests
                # The first round warms up.
                if n:
                    figures[name].append(found)
    return raw


def rows_of(case, figures):
    ratio = [ours["proxy_us"] / max(theirs["proxy_us"], 1e-9) for ours, theirs in zip(figures["cluster"], figures["ring"])]
    for name, found in figures.items():
        middle = lambda key: median(one[key] for one in found)
        shown = "–"
        if name == "cluster":
            shown = "%.2f (%.2f to %.2f), aim %.2f" % (median(ratio), min(ratio), max(ratio), TARGETS[case])
        cost = median(one["client_us"] + one["proxy_us"] for one in found)
        yield [case, name, show(middle("proxy_us")) if name != "direct" else "–", shown, show(middle("servers_us")),
               show(middle("client_us")), show(cost), show(middle("requests_per_s"), 0), show(middle("p50_us"), 0),
               show(middle("p99_us"), 0)]


HEAD = ["load, 50 clients", "way", "proxy", "cluster to ring", "servers", "client", "client and proxy", "requests/s", "p50 µs", "p99 µs"]


def main():
    parser = command_line("cluster", __doc__)
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds (%(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="requests of a round, as a multiple (%(default)s)")
    parser.add_argument("--only", default="", help="regular expression on loads")
    parser.add_argument("--list", action="store_true", help="name the loads")
    options = parser.parse_args()
    if options.list:
        print("\n".join(CASES))
        return
    raise_file_limit()
    with Stage() as stage:
        raw = run(stage, options)
    rows = [row for case, figures in raw.items() for row in rows_of(case, figures)]
    text = "\n\n".join([heading(proxy_bench.versions("nuthatch", "redis")), table(HEAD, rows)])
    publish("cluster", text, options)
    print("raw results: " + keep("cluster", raw), file=sys.stderr)


if __name__ == "__main__":
    main()
