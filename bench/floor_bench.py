#!/usr/bin/env python3
"""Nuthatch against the least relay that scans frames and gathers, interleaved, over the same one Redis server.

`relay` (bench/loadgen) finds where requests and replies end and gathers them, and does nothing else: no second server, no
limits, no timeouts, no statistics. CPU is that of the proxy alone, per request; a ratio is taken within a round and its
median is shown. Nuthatch sleeps for no company here (`coalesce = "off"`), as the relay does not.
"""
from benchlib import *
import proxy_bench

RELAY = os.path.join(TARGET, "release", "relay")


def start_relay(stage, protocol, servers, coalesce_us=0):
    if not os.path.exists(RELAY):
        raise Unavailable("there is no " + RELAY)
    port = free_port()
    return stage.start([RELAY, str(port), "127.0.0.1:%d" % servers[0], "--coalesce", str(coalesce_us)], port)


def start_nuthatch(stage, protocol, servers):
    port = free_port()
    text = 'coalesce = "off"\n' + proxy_bench.nuthatch_toml(1)(protocol, port, servers[:1])
    return stage.start([NUTHATCH, "run", "-c", stage.write("nuthatch.toml", text)], port)


def main():
    parser = command_line("floor", __doc__)
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds (%(default)s)")
    options = parser.parse_args()
    proxy_bench.PROXIES.update({"relay": start_relay, "nuthatch, one server": start_nuthatch})
    rows = []
    for operation in ("get", "set"):
        for pipeline, requests in ((1, 80000), (16, 400000), (64, 800000)):
            case = proxy_bench.Case("redis", operation, pipeline, 50, requests)
            results = proxy_bench.run_case(case, ["relay", "nuthatch, one server"], options.rounds, 1.0)
            cpu = [show(median([run["cpu_us"] for run in result["runs"]])) for result in results.values()]
            rows.append([case.name, *cpu, show(proxy_bench.ratio(results, "nuthatch, one server", "relay"))])
    head = ["load", "relay, CPU µs per request", "nuthatch", "nuthatch to relay"]
    publish("floor", heading(proxy_bench.versions("nuthatch", "redis")) + "\n\n" + table(head, rows), options)


if __name__ == "__main__":
    main()
