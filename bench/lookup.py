"""What a fleet costs the lookup: nodes that connect and register, memory, time of answers. Run: bench/lookup.py [BINARY]."""

import http.client
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

NODES, REGISTRATIONS = 10_000, 100
BINARY = sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parent.parent / "target/release/nuthatch")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def resident_kib(pid):
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def hello(node):
    """Magic, IDENTIFY and as many REGISTERs as there are registrations; half of the topics are shared by many nodes."""
    identity = {"broadcast_address": f"n{node}.example", "hostname": f"h{node}", "tcp_port": 4150, "http_port": 4151}
    body = json.dumps({**identity, "version": "1.3.0"}).encode()
    lines = [
        b"REGISTER shared%d c%d\n" % ((node + n) % (2 * REGISTRATIONS), n % 5) if n % 2 else b"REGISTER own%d-%d\n" % (node % 1000, n)
        for n in range(REGISTRATIONS)
    ]
    return b"  V1IDENTIFY\n" + struct.pack(">i", len(body)) + body + b"".join(lines)


def answers(conn):
    """Reads until every command has its answer."""
    got, count = b"", 0
    while count <= REGISTRATIONS:
        got += conn.recv(65536)
        while len(got) >= 4 and len(got) >= 4 + (size := struct.unpack(">i", got[:4])[0]):
            got, count = got[4 + size :], count + 1


def latencies(port, path, times):
    conn = http.client.HTTPConnection("127.0.0.1", port)
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        conn.request("GET", path)
        size = len(conn.getresponse().read())
        took.append((time.perf_counter() - begun) * 1000)
    took.sort()
    print(f"{path}: {size} bytes, p50 {took[times // 2]:.2f} ms, p99 {took[times * 99 // 100]:.2f} ms")


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    tcp, port = free_port(), free_port()
    addresses = [f"--tcp-address=127.0.0.1:{tcp}", f"--http-address=127.0.0.1:{port}"]
    daemon = subprocess.Popen([BINARY, "nsqlookupd", *addresses, "--log-level=error"])
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", tcp)).close()
                break
            except OSError:
                time.sleep(0.05)
        empty, begun, conns = resident_kib(daemon.pid), time.monotonic(), []
        for node in range(NODES):
            conns.append(socket.create_connection(("127.0.0.1", tcp)))
            conns[-1].sendall(hello(node))
        for conn in conns:
            answers(conn)
        took, full, count = time.monotonic() - begun, resident_kib(daemon.pid), NODES * REGISTRATIONS
        print(f"{count} registrations of {NODES} nodes in {took:.1f} s, {cpu_seconds(daemon.pid):.2f} s of CPU")
        print(f"resident: {empty} KiB empty, {full} KiB full, {(full - empty) * 1024 / count:.0f} bytes per registration")
        latencies(port, "/lookup?topic=own1-0", 500)
        latencies(port, "/lookup?topic=shared7", 100)
        latencies(port, "/topics", 50)
        begun = time.monotonic()
        for conn in conns:
            conn.close()
        while json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/nodes"))["producers"]:
            time.sleep(0.05)
        print(f"all gone after {time.monotonic() - begun:.1f} s")
    finally:
        daemon.terminate()
        daemon.wait()


if __name__ == "__main__":
    main()
