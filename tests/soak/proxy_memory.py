"""Memory of the proxy: idle clients, a client that never reads, and what stays after a load.

    proxy_memory.py [--short]

- 10,000 idle clients cost at most 8 MB.
- Clients that pipeline 31 MB of GETs each and never read stay under the memory budget together, while another one is
  served.
- After a pipelined load by many clients the resident set goes back near where it began.

Figures are of the resident set as the kernel counts it; the budget is on buffers and queued requests.
"""

import argparse
import contextlib
import resource
import select
import socket
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import kit  # noqa: E402
from proxy_faults import bulk, rss_mb  # noqa: E402

IDLE_CLIENTS = 10_000
IDLE_MB_MAX = 8
ATTACK_BYTES = 31_000_000
ATTACKERS = 20
BUDGET_MB = 64
# Beside the budget: the other client, the allocator's own, pages of code touched for the first time.
SLACK_MB = 16
# The load: clients, pipelined requests of each, rounds.
LOAD = (100, 400, 20)
AFTER_LOAD_MB_MAX = 24
AFTER_ATTACK_MB_MAX = 32
SERVED_SECONDS_MAX = 5
SETTLE_SECONDS = 5
SETTLE_SECONDS_MAX = 60


def proxy(stack, name, server, budget):
    """The native face with one pool over one server."""
    path = stack.path / name
    path.mkdir()

    def argv(port):
        conf = path / "nuthatch.toml"
        conf.write_text(
            f'memory_budget = "{budget}MiB"\n\n[pool.test]\nlisten = "127.0.0.1:{port}"\nprotocol = "redis"\n'
            f'servers = ["127.0.0.1:{server.port}:1"]\n'
        )
        return [kit.BINARY, "run", "-c", conf]

    return stack.keep_proxy(kit.start(name, 1, argv, path))


def settle(pid, before_mb, more_mb):
    """The resident set once it is about what it was before, or after `SETTLE_SECONDS` if it is not too large then. On a busy machine
    it takes longer until all clients have gone."""
    start = time.monotonic()
    while (now := rss_mb(pid)) > before_mb + 2:
        limit = SETTLE_SECONDS if now <= before_mb + more_mb else SETTLE_SECONDS_MAX
        if time.monotonic() > start + limit:
            break
        select.select([], [], [], 0.1)
    return now


def idle_clients(stack, server):
    """Connected, one request answered, then silence."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(IDLE_CLIENTS, hard - 200)
    if count < IDLE_CLIENTS:
        print(f"  only {count} idle clients: the limit of file descriptors is {hard}")
    program = proxy(stack, "idle", server, 1024)
    with kit.Wire(program.port) as first:
        first.ask(b"PING\r\n", b"+PONG\r\n")
    before = rss_mb(program.process.pid)
    with contextlib.ExitStack() as clients:
        wires = [clients.enter_context(kit.Wire(program.port)) for _ in range(count)]
        for wire in wires:
            wire.ask(b"PING\r\n", b"+PONG\r\n")
        connected = rss_mb(program.process.pid)
    limit = IDLE_MB_MAX * count / IDLE_CLIENTS
    print(f"  {count} idle clients: {connected - before:.1f} MB above {before:.1f} MB, at most {limit:.1f}")
    return connected - before <= limit


def never_read(stack, server):
    """The attack by several clients at once, while another one works and the resident set is watched."""
    program = proxy(stack, "attack", server, BUDGET_MB)
    pid = program.process.pid
    with kit.Wire(server.port) as direct:
        direct.ask(bulk(b"SET", b"big", b"x" * 1000), b"+OK\r\n")
    request = bulk(b"GET", b"big")
    data = request * (ATTACK_BYTES // len(request))
    before = peak = rss_mb(pid)
    served, slowest = 0, 0.0
    others = kit.Others(pid, server.process.pid)
    with contextlib.ExitStack() as attackers, kit.Wire(program.port) as other:
        sockets = [attackers.enter_context(socket.create_connection(("127.0.0.1", program.port))) for _ in range(ATTACKERS)]
        sent = dict.fromkeys(sockets, 0)
        for attacker in sockets:
            attacker.setblocking(False)
        held_since = time.monotonic()
        # Until all is sent, or the proxy has read nothing for two seconds, or it has closed all.
        while sent and time.monotonic() - held_since < 2:
            _, writable, _ = select.select([], list(sent), [], 0.02)
            for attacker in writable:
                with contextlib.suppress(BlockingIOError):
                    try:
                        sent[attacker] += attacker.send(data[sent[attacker] : sent[attacker] + 262144])
                        held_since = time.monotonic()
                    except (ConnectionResetError, BrokenPipeError):
                        del sent[attacker]
                        continue
                if sent[attacker] == len(data):
                    del sent[attacker]
            start = time.monotonic()
            number = b"%d" % served
            other.ask(bulk(b"SET", b"k", number) + bulk(b"GET", b"k"), b"+OK\r\n$%d\r\n%s\r\n" % (len(number), number))
            slowest, served = max(slowest, time.monotonic() - start), served + 1
            peak = max(peak, rss_mb(pid))
        left = len(sent)
        is_telling = others.leave_room()
    after = settle(pid, before, AFTER_ATTACK_MB_MAX)
    print(
        f"  {ATTACKERS} clients that never read {len(data) / 1e6:.0f} MB of GETs: {left} held back, {ATTACKERS - left} closed or "
        f"done; peak {peak - before:.1f} MB above {before:.1f} MB (budget {BUDGET_MB}), {after - before:.1f} MB above when they "
        f"were gone; another client had {served} answers, the slowest after {slowest * 1000:.0f} ms"
    )
    is_bounded = peak - before <= BUDGET_MB + SLACK_MB and after - before <= AFTER_ATTACK_MB_MAX
    return is_bounded and served > 0 and (not is_telling or slowest <= SERVED_SECONDS_MAX)


def after_load(stack, server):
    """Many clients pipeline, read everything, and leave."""
    program = proxy(stack, "load", server, 1024)
    pid = program.process.pid
    clients, pipeline, rounds = LOAD
    with kit.Wire(program.port) as first:
        first.ask(bulk(b"SET", b"key", b"v" * 100), b"+OK\r\n")
    before = rss_mb(pid)
    peak = [before]
    request, reply = bulk(b"GET", b"key") * pipeline, b"$100\r\n" + b"v" * 100 + b"\r\n"
    barrier = threading.Barrier(clients)

    def work(_):
        with kit.Wire(program.port) as wire:
            barrier.wait()
            for _ in range(rounds):
                wire.ask(request, reply * pipeline)
            peak[0] = max(peak[0], rss_mb(pid))

    kit.in_threads(clients, work)
    after = settle(pid, before, AFTER_LOAD_MB_MAX)
    print(
        f"  {clients * pipeline * rounds} requests of {clients} clients, {pipeline} at a time: {before:.1f} MB before, "
        f"{peak[0]:.1f} MB at the end of the load, {after:.1f} MB when they were gone"
    )
    return after - before <= AFTER_LOAD_MB_MAX


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="the same: there is only one form")
    parser.parse_args()
    if missing := kit.missing("redis-server"):
        print(f"SKIPPED: {missing} is not installed")
        return 0
    print("memory of the proxy")
    failed = []
    with kit.Stack() as stack:
        server = stack.keep(kit.start_redis("s1", stack.path, "--maxclients", "100"))
        for part in (idle_clients, never_read, after_load):
            if not part(stack, server):
                failed.append(part.__name__)
    if failed:
        print(f"FAILED: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
