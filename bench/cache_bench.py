#!/usr/bin/env python3
"""The embedded cache beside redis-server and memcached: CPU per request and memory for 100,000 keys.

`floor` (bench/loadgen) is the least program that answers such requests, and keeps nothing.

Every contender has one thread, 50 clients and values of 100 bytes; the load goes to one after the other, A B C A B C,
`--rounds` times. CPU is that of the process alone, to the end of the load. A ratio is taken within a round, and the
median of the rounds is shown.
"""
import sys

import proxy_bench
from benchlib import *
from proxy_bench import Case, fill, measured, ratio

KEYS = 100_000


def start_nuthatch(protocol):
    def start(stage):
        if not os.path.exists(NUTHATCH):
            raise Unavailable("there is no " + NUTHATCH)
        port = free_port()
        conf = stage.write("nuthatch.toml", 'threads = 1\n[pool.bench]\nprotocol = "%s"\nlisten = "127.0.0.1:%d"\n'
                           'servers = ["local"]\n' % (protocol, port))
        return stage.start([NUTHATCH, "run", "-c", conf], port)
    return start


def start_redis(stage):
    port = free_port()
    return stage.start([find("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--save", "",
                        "--appendonly", "no"], port)


def start_memcached(stage):
    port = free_port()
    return stage.start([find("memcached"), "-u", "nobody", "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-m", "1024",
                        "-t", "1"], port)


def start_floor(stage):
    floor = os.path.join(TARGET, "release", "floor")
    if not os.path.exists(floor):
        raise Unavailable("there is no " + floor)
    port = free_port()
    return stage.start([floor, "cache", str(port)], port)


CONTENDERS = {
    "redis": {"redis-server": start_redis, "nuthatch": start_nuthatch("redis"), "floor": start_floor},
    "memcache": {"memcached": start_memcached, "nuthatch": start_nuthatch("memcache")},
}
BASE = {"redis": "redis-server", "memcache": "memcached"}


def cases():
    return [Case(protocol, operation, pipeline, 50, requests)
            for protocol in CONTENDERS
            for pipeline, requests in ((1, 150_000), (16, 600_000), (64, 1_200_000))
            for operation in ("get", "set")]


def run_protocol(protocol, chosen, rounds, scale):
    """-> ({case: {contender: {"runs": [...]}}}, {contender: memory})"""
    with Stage() as stage:
        running, memory = {}, {}
        for name, start in CONTENDERS[protocol].items():
            try:
                running[name] = start(stage)
            except Unavailable as why:
                print("  %s: SKIPPED: %s" % (name, why), file=sys.stderr)
                continue
            before = running[name].memory_mb()
            fill(protocol, running[name].port, 100)
            memory[name] = {"start_mb": before, "full_mb": running[name].memory_mb()}
        results = {}
        for case in chosen:
            requests = max(int(case.requests * scale), 2000)
            print("%s ..." % case.name, file=sys.stderr, flush=True)
            results[case.name] = {name: {"runs": []} for name in running}
            for process in running.values():
                case.load(process.port, max(requests // 10, 1000))
            for _ in range(rounds):
                for name, process in running.items():
                    results[case.name][name]["runs"].append(measured(case, process, requests))
            print("  " + "  ".join("%s %s" % (name, row) for name, row in
                                   ((row[1], row[2:4]) for row in rows_of(case, results[case.name]))), file=sys.stderr)
        for name, process in running.items():
            memory[name]["end_mb"] = process.memory_mb()
        return results, memory


def rows_of(case, results):
    rows = []
    for name, result in results.items():
        def middle(key):
            return median([run[key] for run in result["runs"]])
        rows.append([case.name, name, show(middle("cpu_us"), 3), show(ratio(results, name, BASE[case.protocol])),
                     show(middle("requests_per_s"), 0), show(middle("p50_us"), 0), show(middle("p99_us"), 0)])
    return rows


def main():
    parser = command_line("cache", __doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the load, two rounds")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (5)")
    parser.add_argument("--only", default="", help="regular expression on names of cases")
    parser.add_argument("--list", action="store_true", help="name the cases")
    options = parser.parse_args()
    chosen = choose(cases(), options)
    rounds = options.rounds or (2 if options.quick else 5)
    proxy_bench.KEYS = KEYS
    raw, rows, memory_rows = {}, [], []
    for protocol in CONTENDERS:
        of_protocol = [case for case in chosen if case.protocol == protocol]
        if not of_protocol:
            continue
        results, memory = run_protocol(protocol, of_protocol, rounds, 0.2 if options.quick else 1.0)
        raw[protocol] = {"results": results, "memory": memory}
        for case in of_protocol:
            rows += rows_of(case, results[case.name])
        memory_rows += [[protocol, name, "%.1f" % m["start_mb"], "%.1f" % m["full_mb"], "%.1f" % m["end_mb"]]
                        for name, m in memory.items() if name != "floor"]
    text = heading(proxy_bench.versions("nuthatch", "redis", "memcached")) + "\n\n"
    text += table(["load", "cache", "CPU µs per request", "of redis-server or memcached", "requests/s", "p50 µs", "p99 µs"], rows)
    text += "\n\n%d,000 keys of 16 bytes with values of 100 bytes:\n\n" % (KEYS // 1000)
    text += table(["protocol", "cache", "RSS MB at start", "with the keys", "after the load"], memory_rows)
    publish("cache", text, options)
    print("raw results: " + keep("cache", raw), file=sys.stderr)


if __name__ == "__main__":
    main()
