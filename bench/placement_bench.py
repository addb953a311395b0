#!/usr/bin/env python3
"""Unpipelined requests with every process bound to cores: what waking and being woken costs, and what gathering saves.

On two cores, load, proxy and two servers cannot each have one. Which of them share is the scheduler's choice, from run to run, and
matters more than anything else: waking a process on a core that sleeps costs several times what waking one on the same core
does. Bound to cores, runs differ by a few percent. Four tables:

closed   clients that wait for their replies: nutcracker, nuthatch with `coalesce = "off"` and as it is by default
maxima   GET of 50 clients with other values of `coalesce`, and the relay that does nothing but scan and gather (one server), at
         once and sleeping 100 µs before each poll
floors   the default and that relay with 200 clients and with SET, where proxy and servers share
open     requests at a rate of their own, 20, 50 and 80 % of what nutcracker reaches in the closed loop; latency counts from the
         moment a request was meant to be sent, so that a proxy that lets them wait cannot hide it

Load: redis-benchmark and our load generator; bench/loadgen/src/bin/openloop.rs for the open loop. All rounds are interleaved.
"""
import functools
import re
import sys

from benchlib import *
import floor_bench
import proxy_bench

OPENLOOP = os.path.join(TARGET, "release", "openloop")
# (load, proxy, first server, second server): the core of each.
PLACEMENTS = {
    "proxy alone": ("0", "1", "0", "0"),
    "beside a server": ("0", "1", "0", "1"),
    "beside the servers": ("0", "1", "1", "1"),
    "free": ("0,1",) * 4,
}
# Protocol, operation, pipeline, clients.
CASES = {
    "GET, 8 clients": ("redis", "get", 1, 8),
    "GET, 16 clients": ("redis", "get", 1, 16),
    "GET, 50 clients": ("redis", "get", 1, 50),
    "GET, 200 clients": ("redis", "get", 1, 200),
    "SET, 50 clients": ("redis", "set", 1, 50),
    "SET, 200 clients": ("redis", "set", 1, 200),
    "MGET of 10, 50 clients": ("redis", "mget", 1, 50),
    "MGET of 10, 200 clients": ("redis", "mget", 1, 200),
    "GET, 50 clients, pipeline 4": ("redis", "get", 4, 50),
    "memcached get, 50 clients": ("memcache", "get", 1, 50),
}
MAXIMA = ["50us", "100us", "200us", "400us"]
SHARES = [0.2, 0.5, 0.8]


def nuthatch(coalesce=None):
    """Starts nuthatch with one thread; `coalesce` is its default if None."""
    def start(stage, protocol, servers):
        port = free_port()
        text = proxy_bench.nuthatch_toml(1)(protocol, port, servers)
        text = text if coalesce is None else 'coalesce = "%s"\n' % coalesce + text
        return stage.start([NUTHATCH, "run", "-c", stage.write("nuthatch.toml", text)], port)
    return start


PROXIES = {"nutcracker": proxy_bench.start_nutcracker(), "off": nuthatch("off"), "default": nuthatch()}


def bind(pid, cores):
    """All threads of a process; what it starts from then on is bound as well."""
    for task in os.listdir("/proc/%d/task" % pid):
        os.sched_setaffinity(int(task), map(int, cores.split(",")))


class Setting:
    """Proxies in front of the same two servers, and a load."""

    def __init__(self, stage, protocol, proxies):
        self.servers = proxy_bench.start_servers(stage, protocol)
        for server in self.servers:
            proxy_bench.fill(protocol, server.port, 100)
        ports = [server.port for server in self.servers]
        self.proxies = {name: start(stage, protocol, ports) for name, start in proxies.items()}

    def place(self, placement):
        of_load, of_proxy, *of_servers = PLACEMENTS[placement]
        for server, cores in zip(self.servers, of_servers):
            bind(server.popen.pid, cores)
        for proxy in self.proxies.values():
            bind(proxy.popen.pid, of_proxy)
        bind(os.getpid(), of_load)

    def rounds(self, count, load):
        """Interleaved rounds of `load(port)`. -> {proxy: [figures of a round]}"""
        figures = {name: [] for name in self.proxies}
        for _ in range(count):
            for name, proxy in self.proxies.items():
                before, switches = proxy.cpu_s(), proxy.waits()
                result = load(proxy.port)
                result["cpu_us"] = (proxy.cpu_s() - before) * 1e6 / result["requests"]
                result["waits"] = (proxy.waits() - switches) / result["requests"]
                figures[name].append(result)
        return figures


def ratios(figures, name, base, key):
    """Of neighbours in each round."""
    return [ours[key] / max(theirs[key], 1e-9) for ours, theirs in zip(figures[name], figures[base])]


def middle(figures, name, key):
    return median(run[key] for run in figures[name])


def closed(setting, case, options, seconds=None):
    protocol, operation, pipeline, clients = CASES[case]

    def load(port, requests):
        return proxy_bench.Case(protocol, operation, pipeline, clients, requests).load(port, requests)

    # A first run of each, to converge and to learn how many requests are a round.
    rate = median(load(proxy.port, 5000)["requests_per_s"] for proxy in setting.proxies.values())
    requests = max(int(rate * (seconds or options.seconds)), 2000)
    return setting.rounds(options.rounds, lambda port: load(port, requests))


def closed_table(options):
    rows, raw = [], {}
    for protocol in ("redis", "memcache"):
        with Stage() as stage:
            setting = Setting(stage, protocol, PROXIES)
            for placement in PLACEMENTS:
                setting.place(placement)
                for case in [case for case in CASES if CASES[case][0] == protocol]:
                    if not re.search(options.only, "%s, %s" % (placement, case)):
                        continue
                    figures = closed(setting, case, options)
                    raw["%s, %s" % (placement, case)] = figures
                    of_cpu = ratios(figures, "default", "nutcracker", "cpu_us")
                    rows.append([
                        placement, case, *(show(middle(figures, name, "cpu_us")) for name in PROXIES),
                        "%s (%.2f to %.2f)" % (show(median(of_cpu)), min(of_cpu), max(of_cpu)),
                        show(median(ratios(figures, "off", "nutcracker", "cpu_us"))),
                        "%.2f" % middle(figures, "default", "waits"),
                        *(show(median(ratios(figures, "default", "nutcracker", key)))
                          for key in ("requests_per_s", "p50_us", "p99_us"))])
                    print("  " + "  ".join(map(str, rows[-1])), file=sys.stderr, flush=True)
    head = ["placement", "load", "nutcracker, CPU µs per request", "`off`", "default", "default to nutcracker", "`off` to nutcracker",
            "waits per request", "requests/s, ratio", "p50, ratio", "p99, ratio"]
    return table(head, rows), raw


RELAYS = {"relay": floor_bench.start_relay, "relay, 100us": functools.partial(floor_bench.start_relay, coalesce_us=100)}


def against(proxies, cases):
    """All of the proxies under each of the cases (placement, load), with ratios to nutcracker."""
    def make(options):
        rows, raw = [], {}
        with Stage() as stage:
            setting = Setting(stage, "redis", proxies)
            for placement, case in cases:
                setting.place(placement)
                figures = raw["%s, %s" % (placement, case)] = closed(setting, case, options)
                for name in proxies:
                    rows.append([placement, case, name, show(middle(figures, name, "cpu_us")), show(middle(figures, name, "waits")),
                                 show(median(ratios(figures, name, "nutcracker", "cpu_us"))),
                                 *(show(middle(figures, name, key), 0) for key in ("requests_per_s", "p50_us", "p99_us"))])
                    print("  " + "  ".join(rows[-1]), file=sys.stderr, flush=True)
        head = ["placement", "load", "proxy", "CPU µs per request", "waits per request", "of nutcracker", "requests/s", "p50 µs", "p99 µs"]
        return table(head, rows), raw
    return make


maxima_table = against({"nutcracker": PROXIES["nutcracker"], "off": PROXIES["off"], **{of: nuthatch(of) for of in MAXIMA}, **RELAYS},
                       [(placement, "GET, 50 clients") for placement in PLACEMENTS])
# The least that the loads cost of which a ratio was aimed at in vain.
floors_table = against({"nutcracker": PROXIES["nutcracker"], "default": PROXIES["default"], **RELAYS},
                       [(placement, "%s, %d clients" % of) for placement in ("beside the servers", "free")
                        for of in (("GET", 200), ("SET", 50), ("SET", 200))])


def open_table(options):
    rows, raw = [], {}
    with Stage() as stage:
        setting = Setting(stage, "redis", PROXIES)
        for placement in ("proxy alone", "free"):
            setting.place(placement)
            figures = closed(setting, "GET, 50 clients", argparse.Namespace(rounds=1, seconds=1.0))
            capacity = middle(figures, "nutcracker", "requests_per_s")
            for share in SHARES:
                def load(port):
                    return json.loads(output([OPENLOOP, "--target", "127.0.0.1:%d" % port, "--rate", str(capacity * share),
                                              "--connections", "50", "--seconds", "1.5", "--warm-up", "0.7"]))
                figures = raw["%s, %d %%" % (placement, share * 100)] = setting.rounds(min(options.rounds, 3), load)
                for name in PROXIES:
                    rows.append([placement, "%d %% (%s per s)" % (share * 100, show(capacity * share, 0)), name,
                                 *(show(middle(figures, name, key)) for key in ("cpu_us", "waits")),
                                 *(show(middle(figures, name, key), 0) for key in ("requests_per_s", "p50_us", "p99_us"))])
                    print("  " + "  ".join(rows[-1]), file=sys.stderr, flush=True)
    head = ["placement", "rate", "proxy", "CPU µs per request", "waits per request", "requests/s", "p50 µs", "p99 µs"]
    return table(head, rows), raw


PARTS = {"closed": closed_table, "maxima": maxima_table, "floors": floors_table, "open": open_table}


def main():
    parser = command_line("placement", __doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (%(default)s)")
    parser.add_argument("--seconds", type=float, default=0.6, help="length of a round in the closed loop, about (%(default)s)")
    parser.add_argument("--parts", default=",".join(PARTS), help="tables to make (%(default)s)")
    parser.add_argument("--only", default="", help="regular expression on placement and load of the first table")
    options = parser.parse_args()
    raise_file_limit()
    cores, texts, raw = os.sched_getaffinity(0), [], {}
    for part in options.parts.split(","):
        print("%s ..." % part, file=sys.stderr, flush=True)
        text, raw[part] = PARTS[part](options)
        texts.append(text)
        os.sched_setaffinity(0, cores)
    versions = heading(proxy_bench.versions("nuthatch", "nutcracker", "redis", "memcached"))
    publish("placement", "\n\n".join([versions, *texts]), options)
    print("raw results: " + keep("placement", raw), file=sys.stderr)


if __name__ == "__main__":
    main()
