#!/usr/bin/env python3
"""Nuthatch against nutcracker and haproxy, interleaved, over the same servers.

For each case every proxy is started afresh in front of the same two servers, and the load runs through one after the
other, A B C A B C, `--rounds` times. CPU is that of the proxy alone, per request, to the end of the load. A ratio is
taken within a round, nuthatch to nutcracker next to it, and the median of the rounds is shown.

Redis is loaded by redis-benchmark (rows with "burst" by our load generator), memcached by our load generator.
"""
import csv
import io
import json
import sys

from benchlib import *

KEYS = 10000


# --- proxies -----------------------------------------------------------------------------------------------------

def nutcracker_yaml(protocol, port, servers):
    lines = ["bench:", "  listen: 127.0.0.1:%d" % port, "  hash: fnv1a_64", "  distribution: ketama",
             "  redis: %s" % str(protocol == "redis").lower(), "  servers:"]
    return "\n".join(lines + ["   - 127.0.0.1:%d:1 s%d" % (p, i) for i, p in enumerate(servers)]) + "\n"


def nuthatch_toml(threads):
    def text(protocol, port, servers):
        quoted = ", ".join('"127.0.0.1:%d:1 s%d"' % (p, i) for i, p in enumerate(servers))
        return ('threads = %d\n[pool.bench]\nprotocol = "%s"\nlisten = "127.0.0.1:%d"\nservers = [%s]\n'
                % (threads, protocol, port, quoted))
    return text


def start_nutcracker(*options):
    def start(stage, protocol, servers):
        port = free_port()
        conf = stage.write("nutcracker.yml", nutcracker_yaml(protocol, port, servers))
        return stage.start([find("nutcracker"), "-c", conf, "-o", conf + ".log", "-a", "127.0.0.1",
                            "-s", str(free_port()), *options], port)
    return start


def start_haproxy(stage, protocol, servers):
    port = free_port()
    lines = ["global", " nbthread 1", " maxconn 9950", "defaults", " mode tcp", " timeout connect 5s",
             " timeout client 1h", " timeout server 1h", "listen bench", " bind 127.0.0.1:%d" % port]
    lines += [" server s%d 127.0.0.1:%d" % (i, p) for i, p in enumerate(servers)]
    conf = stage.write("haproxy.cfg", "\n".join(lines) + "\n")
    return stage.start([find("haproxy"), "-db", "-f", conf], port)


def start_nuthatch(threads):
    def start(stage, protocol, servers):
        if not os.path.exists(NUTHATCH):
            raise Unavailable("there is no " + NUTHATCH)
        port = free_port()
        conf = stage.write("nuthatch.toml", nuthatch_toml(threads)(protocol, port, servers))
        return stage.start([NUTHATCH, "run", "-c", conf], port)
    return start


PROXIES = {
    "nutcracker": start_nutcracker(),
    "nutcracker -m 512": start_nutcracker("-m", "512"),
    "haproxy": start_haproxy,
    "nuthatch": start_nuthatch(1),
    "nuthatch x2": start_nuthatch(2),
}
BASE = "nutcracker"


# --- servers -----------------------------------------------------------------------------------------------------

def start_servers(stage, protocol):
    servers = []
    for _ in range(2):
        port = free_port()
        if protocol == "redis":
            command = [find("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--save", "",
                       "--appendonly", "no", "--maxclients", "15000"]
        else:
            command = [find("memcached"), "-u", "nobody", "-l", "127.0.0.1", "-p", str(port), "-U", "0",
                       "-m", "1024", "-t", "1", "-c", "15000"]
        servers.append(stage.start(command, port))
    return servers


def fill(protocol, port, value_bytes):
    """Puts every key on a server, so that a proxy which does not shard finds it as well."""
    value = b"x" * value_bytes
    with socket.create_connection(("127.0.0.1", port)) as s:
        for start in range(0, KEYS, 100):
            request = b""
            for i in range(start, start + 100):
                key = b"key:%012d" % i
                if protocol == "redis":
                    request += b"*3\r\n$3\r\nSET\r\n$16\r\n%s\r\n$%d\r\n%s\r\n" % (key, len(value), value)
                else:
                    request += b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value)
            s.sendall(request)
            want = 100 * (5 if protocol == "redis" else 8)      # +OK and STORED, with their line ends
            while want > 0:
                got = s.recv(65536)
                if not got or b"-" in got or b"ERROR" in got:
                    raise RuntimeError("could not fill %s: %r" % (protocol, got))
                want -= len(got)


# --- loads -------------------------------------------------------------------------------------------------------

def redis_benchmark(port, case, requests):
    command = [find("redis-benchmark"), "-h", "127.0.0.1", "-p", str(port), "-c", str(case.clients),
               "-P", str(case.pipeline), "-n", str(requests), "-r", str(KEYS), "-d", str(case.value_bytes), "--csv"]
    if case.operation == "mget":
        command += ["MGET"] + ["key:__rand_int__"] * 10
    else:
        command += ["-t", case.operation]
    text = output(command)
    row = [r for r in csv.reader(io.StringIO(text)) if len(r) >= 7 and r[0] != "test"][-1]
    return {"requests": requests, "requests_per_s": float(row[1]), "p50_us": float(row[4]) * 1000,
            "p99_us": float(row[6]) * 1000, "errors": 0}


def loadgen(port, case, requests):
    command = [LOADGEN, "--target", "127.0.0.1:%d" % port, "--protocol", case.protocol, "--operation", case.operation,
               "--connections", str(case.clients), "--pipeline", str(case.pipeline), "--requests", str(requests),
               "--value-bytes", str(case.value_bytes), "--keys", str(KEYS)]
    return json.loads(output(command + (["--burst"] if case.burst else [])))


# --- cases -------------------------------------------------------------------------------------------------------

class Case:
    """One load. `requests` is for a run of a second or two through nutcracker."""

    def __init__(self, protocol, operation, pipeline, clients, requests, value_bytes=100, burst=False):
        self.protocol, self.operation, self.pipeline, self.clients = protocol, operation, pipeline, clients
        self.requests, self.value_bytes, self.burst = requests, value_bytes, burst

    @property
    def name(self):
        size = "-16k" if self.value_bytes > 1000 else ""
        return "%s-%s%s-p%d-c%d%s" % (self.protocol, self.operation, size, self.pipeline, self.clients,
                                      "-burst" if self.burst else "")

    def load(self, port, requests):
        if self.protocol == "redis" and not self.burst:
            return redis_benchmark(port, self, requests)
        return loadgen(port, self, requests)


def cases():
    made = []
    for protocol in ("redis", "memcache"):
        for pipeline, requests in ((1, 80000), (16, 400000), (64, 800000)):
            for clients in (50, 200):
                for operation in ("get", "set"):
                    made.append(Case(protocol, operation, pipeline, clients, requests))
        made.append(Case(protocol, "mget", 1, 50, 40000))
        for operation in ("get", "set"):
            made.append(Case(protocol, operation, 1, 50, 30000, value_bytes=16384))
        for pipeline, requests in ((1, 80000), (16, 400000)):
            made.append(Case(protocol, "get", pipeline, 50, requests, burst=True))
    return made


def run_case(case, proxies, rounds, scale):
    """-> {proxy: {"runs": [...], memory}}"""
    requests = max(int(case.requests * scale), 2000)
    with Stage() as stage:
        servers = start_servers(stage, case.protocol)
        for server in servers:
            fill(case.protocol, server.port, case.value_bytes)
        running, results = {}, {}
        for name in proxies:
            try:
                running[name] = PROXIES[name](stage, case.protocol, [s.port for s in servers])
                results[name] = {"runs": [], "start_mb": running[name].memory_mb()}
            except Unavailable as why:
                print("  %s: SKIPPED: %s" % (name, why), file=sys.stderr)
        for name, process in running.items():
            case.load(process.port, max(requests // 10, 1000))
        for _ in range(rounds):
            for name, process in running.items():
                results[name]["runs"].append(measured(case, process, requests))
        time.sleep(1)                                            # let memory be given back before it is read
        for name, process in running.items():
            results[name].update(after_mb=process.memory_mb(), peak_mb=process.memory_mb("VmHWM"))
        return results


def measured(case, process, requests):
    before = process.cpu_s()
    result = case.load(process.port, requests)
    result["cpu_us"] = (process.cpu_s() - before) * 1e6 / requests
    if not process.is_running() or result["errors"]:
        raise RuntimeError("%s: %d errors, running: %s" % (case.name, result["errors"], process.is_running()))
    return result


def run_idle(proxies, clients):
    """Memory with idle clients. -> {proxy: {...}}"""
    results = {}
    for name in proxies:
        with Stage() as stage:
            try:
                servers = start_servers(stage, "redis")
                process = PROXIES[name](stage, "redis", [s.port for s in servers])
            except Unavailable as why:
                print("  %s: SKIPPED: %s" % (name, why), file=sys.stderr)
                continue
            start = process.memory_mb()
            sockets = []
            for _ in range(clients):
                sockets.append(socket.create_connection(("127.0.0.1", process.port), timeout=10))
            # The last one served means that all before it were accepted.
            sockets[-1].sendall(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n")
            sockets[-1].recv(100)
            results[name] = {"start_mb": start, "idle_mb": process.memory_mb()}
            for s in sockets:
                s.close()
    return results


# --- report ------------------------------------------------------------------------------------------------------

def ratio(results, name, base):
    if name not in results or base not in results:
        return None
    pairs = zip(results[name]["runs"], results[base]["runs"])
    return median([a["cpu_us"] / b["cpu_us"] for a, b in pairs])


def rows_of(case, results):
    rows = []
    for name, result in results.items():
        def middle(key):
            return median([run[key] for run in result["runs"]])
        rows.append([case.name, name, show(middle("cpu_us")), show(ratio(results, name, BASE)),
                     show(ratio(results, name, "nutcracker -m 512")), show(middle("requests_per_s"), 0),
                     show(middle("p50_us"), 0), show(middle("p99_us"), 0),
                     "%.1f / %.1f / %.1f" % (result["start_mb"], result["peak_mb"], result["after_mb"])])
    return rows


HEAD = ["load", "proxy", "CPU µs per request", "of nutcracker", "of nutcracker -m 512", "requests/s", "p50 µs",
        "p99 µs", "RSS MB: start / peak / after"]


def versions(*names):
    """Of the programs named; without names of all."""
    of = {
        "nuthatch": lambda: first_line([NUTHATCH, "--version"]),
        "nutcracker": lambda: first_line([find("nutcracker"), "-V"]).replace("This is ", "").replace("nutcracker-", "nutcracker "),
        "haproxy": lambda: first_line(["/usr/sbin/haproxy", "-v"]).split(" 20")[0].replace("version ", ""),
        "redis": lambda: first_line(["redis-server", "--version"]).split(" sha")[0],
        "memcached": lambda: first_line(["memcached", "-V"]),
    }
    return [of[name]() for name in names or of if name != "nuthatch" or os.path.exists(NUTHATCH)]


def main():
    parser = command_line("proxy", __doc__)
    add_case_options(parser, quick="a fifth of the load, two rounds", rounds=5, idle=9900)
    parser.add_argument("--proxies", default=",".join(PROXIES), help="which proxies, by name (%(default)s)")
    options = parser.parse_args()
    chosen = choose(cases(), options)
    proxies = [name.strip() for name in options.proxies.split(",")]
    rounds = options.rounds or (2 if options.quick else 5)
    raise_file_limit()
    raw, rows = play(chosen, lambda case: run_case(case, proxies, rounds, 0.2 if options.quick else 1.0), rows_of)
    text = heading(versions()) + "\n\n" + table(HEAD, rows)
    if re.search(options.only, "idle"):
        print("idle ...", file=sys.stderr, flush=True)
        raw["idle"] = run_idle(proxies, options.idle)
        idle = [[name, "%.1f" % r["start_mb"], "%.1f" % r["idle_mb"], "%.1f" % (r["idle_mb"] - r["start_mb"])]
                for name, r in raw["idle"].items()]
        text += "\n\n%d idle clients:\n\n" % options.idle
        text += table(["proxy", "RSS MB at start", "RSS MB with them", "difference"], idle)
    publish("proxy", text, options)
    print("raw results: " + keep("proxy", raw), file=sys.stderr)


if __name__ == "__main__":
    main()
