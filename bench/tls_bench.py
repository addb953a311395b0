#!/usr/bin/env python3
"""TLS towards clients: nuthatch against haproxy that terminates it, interleaved, over the same redis-server.

Both have one thread, the same certificate (ECDSA P-256; --rsa for RSA of 2048 bits), and plain connections to the server. The load
generator speaks TLS 1.3 (--tls12 for 1.2) and does not verify certificates. CPU is that of the proxy alone. A ratio is taken within a
round, and the median of the rounds is shown.

handshakes: each connection is opened, does its handshake, asks once and is closed; "resumed" keeps the session of the one before.
relay (--floor) is the least program with rustls that scans requests and replies and gathers them for one server.
idle: connections that have asked once and then nothing; memory is resident memory with them less that at the start.
"""
import re
import subprocess
import sys

from benchlib import *

KEYS = 10000
RELAY = os.path.join(TARGET, "release", "relay")


# --- proxies -----------------------------------------------------------------------------------------------------

class Identity:
    """A certificate and its key, in files."""

    def __init__(self, stage, rsa):
        self.directory = stage.directory
        self.cert, self.key, self.both = (os.path.join(self.directory, n) for n in ("cert.pem", "key.pem", "both.pem"))
        kind = ["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        output([find("openssl"), "req", "-x509", "-newkey", *kind, "-nodes", "-days", "30", "-subj", "/CN=localhost",
                "-keyout", self.key, "-out", self.cert])
        with open(self.both, "w") as both:
            for path in (self.cert, self.key):
                with open(path) as part:
                    both.write(part.read())


def start_haproxy(secure):
    def start(stage, identity, server):
        port = free_port()
        tls = " ssl crt %s" % identity.both if secure else ""
        lines = ["global", " nbthread 1", " maxconn 9950", "defaults", " mode tcp", " timeout connect 5s",
                 " timeout client 1h", " timeout server 1h", "listen bench", " bind 127.0.0.1:%d%s" % (port, tls),
                 " server s 127.0.0.1:%d" % server]
        conf = stage.write("haproxy.cfg", "\n".join(lines) + "\n")
        return stage.start([find("haproxy"), "-db", "-f", conf], port)
    return start


def start_nuthatch(secure):
    def start(stage, identity, server):
        if not os.path.exists(NUTHATCH):
            raise Unavailable("there is no " + NUTHATCH)
        port = free_port()
        tls = 'tls = { cert = "%s", key = "%s" }\n' % (identity.cert, identity.key) if secure else ""
        conf = stage.write("nuthatch.toml", 'threads = 1\n[pool.bench]\nlisten = "127.0.0.1:%d"\n%sservers = ["127.0.0.1:%d"]\n'
                           % (port, tls, server))
        return stage.start([NUTHATCH, "run", "-c", conf], port)
    return start


def start_relay(stage, identity, server):
    if not os.path.exists(RELAY):
        raise Unavailable("there is no " + RELAY)
    port = free_port()
    return stage.start([RELAY, str(port), "127.0.0.1:%d" % server, "--cert", identity.cert, "--key", identity.key], port)


PROXIES = {
    "haproxy": start_haproxy(True),
    "nuthatch": start_nuthatch(True),
    "relay": start_relay,
    "haproxy plain": start_haproxy(False),
    "nuthatch plain": start_nuthatch(False),
}
BASE = {"nuthatch": "haproxy", "relay": "haproxy", "nuthatch plain": "haproxy plain"}


def start_server(stage):
    port = free_port()
    command = [find("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no",
               "--maxclients", "15000"]
    return stage.start(command, port)


def fill(port, value_bytes):
    value = b"x" * value_bytes
    with socket.create_connection(("127.0.0.1", port)) as s:
        for i in range(KEYS):
            s.sendall(b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$%d\r\n%s\r\n" % (i, len(value), value))
            if s.recv(100) != b"+OK\r\n":
                raise RuntimeError("could not fill redis")


# --- cases -------------------------------------------------------------------------------------------------------

class Case:
    """One load. `requests` is for a run of a second or two."""

    def __init__(self, name, target, requests, *words, value_bytes=100):
        self.name, self.target, self.requests, self.words, self.value_bytes = name, target, requests, words, value_bytes

    def run(self, name, port, requests, options):
        tls = [] if "plain" in name else ["--tls"] + (["--tls12"] if options.tls12 else [])
        command = [LOADGEN, "--target", "127.0.0.1:%d" % port, "--protocol", "redis", "--requests", str(requests),
                   "--value-bytes", str(self.value_bytes), "--keys", str(KEYS), *tls, *self.words]
        return json.loads(output(command))


def cases():
    made = []
    for pipeline, requests, target in ((1, 60000, 0.8), (16, 300000, 0.6), (64, 600000, None)):
        for operation in ("get", "set"):
            made.append(Case("%s-p%d" % (operation, pipeline), target, requests, "--operation", operation, "--pipeline", str(pipeline)))
    for operation in ("get", "set"):
        made.append(Case("%s-16k-p1" % operation, 0.9, 30000, "--operation", operation, value_bytes=16384))
    shake = ["--operation", "get", "--work", "handshakes", "--connections", "8"]
    # A rate of 0.9 is a cost of 1/0.9.
    made.append(Case("handshake-full", 1 / 0.9, 6000, *shake))
    made.append(Case("handshake-resumed", 1.0, 8000, *shake, "--resume"))
    return made


def run_case(case, proxies, rounds, scale, options):
    """-> {proxy: [run, ...]}"""
    requests = max(int(case.requests * scale), 1000)
    with Stage() as stage:
        identity = Identity(stage, options.rsa)
        server = start_server(stage)
        fill(server.port, case.value_bytes)
        running = {name: PROXIES[name](stage, identity, server.port) for name in proxies}
        results = {name: [] for name in running}
        for name, process in running.items():
            case.run(name, process.port, max(requests // 10, 1000), options)
        for n in range(rounds):
            # Who is first changes, since what goes before may weigh on what follows.
            for name in list(running)[:: 1 if n % 2 == 0 else -1]:
                process = running[name]
                before = process.cpu_s()
                result = case.run(name, process.port, requests, options)
                result["cpu_us"] = (process.cpu_s() - before) * 1e6 / requests
                if not process.is_running() or result["errors"]:
                    raise RuntimeError("%s: %d errors, running: %s" % (case.name, result["errors"], process.is_running()))
                results[name].append(result)
        return results


def run_idle(proxies, clients, options):
    """Memory of idle clients. -> {proxy: kB for each}"""
    results = {}
    for name in proxies:
        with Stage() as stage:
            identity = Identity(stage, options.rsa)
            server = start_server(stage)
            fill(server.port, 100)
            process = PROXIES[name](stage, identity, server.port)
            time.sleep(0.5)
            start = process.memory_mb()
            tls = [] if "plain" in name else ["--tls"] + (["--tls12"] if options.tls12 else [])
            command = [LOADGEN, "--target", "127.0.0.1:%d" % process.port, "--protocol", "redis", "--operation", "get", "--work", "idle",
                       "--connections", str(clients), *tls]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as load:
                said = json.loads(load.stdout.readline() or "{}")
                if said.get("open") != clients:
                    raise RuntimeError("%s: %s" % (name, said))
                time.sleep(3)                                    # let memory be given back before it is read
                results[name] = (process.memory_mb() - start) * 1000 / clients
                load.stdin.close()
                load.wait(60)
    return results


# --- report ------------------------------------------------------------------------------------------------------

def ratio(results, name, key="cpu_us"):
    base = BASE.get(name)
    if base not in results:
        return None
    return median([a[key] / b[key] for a, b in zip(results[name], results[base])])


def rows_of(case, results):
    rows = []
    for name, runs in results.items():
        def middle(key, runs=runs):
            return median([run[key] for run in runs])
        of = ratio(results, name)
        wanted = case.target if name == "nuthatch" else None
        verdict = "" if wanted is None or of is None else "≤ %.2f: %s" % (wanted, "yes" if of <= wanted else "NO")
        row = [case.name, name, show(middle("cpu_us")), show(of), verdict, show(middle("requests_per_s"), 0),
               show(ratio(results, name, "requests_per_s")), show(middle("p50_us"), 0), show(middle("p99_us"), 0)]
        if case.name.startswith("handshake"):
            row[5] = "%s; %s per CPU s" % (row[5], show(1e6 / middle("cpu_us"), 0))
        rows.append(row)
    return rows


HEAD = ["load", "proxy", "CPU µs each", "of haproxy", "aim", "per s", "of haproxy", "p50 µs", "p99 µs"]


def versions():
    return [first_line([NUTHATCH, "--version"]), first_line(["/usr/sbin/haproxy", "-v"]).split(" 20")[0].replace("version ", ""),
            first_line(["openssl", "version"]).split(" (")[0], first_line(["redis-server", "--version"]).split(" sha")[0]]


def main():
    parser = command_line("tls", __doc__)
    add_case_options(parser, quick="a third of the load, three rounds", rounds=7, idle=4000)
    parser.add_argument("--plain", action="store_true", help="both without TLS as well")
    parser.add_argument("--floor", action="store_true", help="the least relay as well (bench/loadgen/src/bin/relay.rs)")
    parser.add_argument("--rsa", action="store_true", help="a certificate with RSA of 2048 bits")
    parser.add_argument("--tls12", action="store_true", help="TLS 1.2")
    options = parser.parse_args()
    chosen = choose(cases(), options)
    rounds = options.rounds or (3 if options.quick else 7)
    raise_file_limit()

    def run(case):
        is_handshake = case.name.startswith("handshake")
        proxies = [name for name in PROXIES if not name.endswith("plain") or (options.plain and not is_handshake)]
        proxies = [name for name in proxies if name != "relay" or (options.floor and not is_handshake)]
        return run_case(case, proxies, rounds, 1 / 3 if options.quick else 1.0, options)

    raw, rows = play(chosen, run, rows_of)
    text = heading(versions()) + "\n\n" + table(HEAD, rows)
    if re.search(options.only, "idle"):
        print("idle ...", file=sys.stderr, flush=True)
        proxies = ["haproxy", "nuthatch"] + (["haproxy plain", "nuthatch plain"] if options.plain else [])
        raw["idle"] = run_idle(proxies, options.idle, options)
        print("  %s" % raw["idle"], file=sys.stderr, flush=True)
        text += "\n\nMemory with %d idle clients, each of which has asked once:\n\n" % options.idle
        text += table(["proxy", "kB per client"], [[name, "%.1f" % kb] for name, kb in raw["idle"].items()])
    publish("tls", text, options)
    print("raw results: " + keep("tls", raw), file=sys.stderr)


if __name__ == "__main__":
    main()
