"""A pool over nodes that a test writes: views that are too large, wrong or old, and how often nodes are asked for theirs."""

import contextlib
import threading
import time

import pytest

import kit
from fake_cluster import FakeNode, array, bulk, number, reply, shard

HALF = 8192


def start_pools(stack, name, seeds, count=1, **options):
    """A proxy with so many pools over the same cluster, and its admin port."""
    ports, admin = [kit.free_port() for _ in range(count)], kit.free_port()
    lines = ["threads = 2", "[admin]", f'listen = "127.0.0.1:{admin}"']
    for n, port in enumerate(ports):
        lines += [f"[pool.c{n}]", f'listen = "127.0.0.1:{port}"', 'topology = "cluster"', f"servers = {seeds}"]
        lines += [f"{key} = {value}" for key, value in options.items()]
    program = kit.start_configured(stack, name, "\n".join(lines) + "\n", [*ports, admin])
    return program, ports, admin


def cluster_of(admin):
    return kit.fetch(admin, "/api/status")[1]["clusters"][0]


def wait_until_found(admin):
    kit.until(lambda: kit.fetch(admin, "/api/status")[1]["clusters"], "the cluster to be shown")
    kit.until(lambda: cluster_of(admin)["nodes"], "the cluster to be found")


def two_nodes(stack):
    nodes = [FakeNode(stack) for _ in range(2)]
    for n, node in enumerate(nodes):
        node.answer = lambda words, n=n: bulk(f"node {n}") if words[0].upper() == "GET" else b"+OK\r\n"
    return nodes


def believed(nodes, extra=()):
    """The view that both nodes have: each owns half of the slots."""
    shards = [
        shard([(n * HALF, (n + 1) * HALF - 1)], [(node.port, f"id{n}", "master", "online")]) for n, node in enumerate(nodes)
    ]
    return array(*shards, *extra)


def get(port, key):
    with kit.Wire(port) as wire:
        wire.send(f"*2\r\n$3\r\nGET\r\n${len(key)}\r\n{key}\r\n".encode())
        return reply(wire.socket.makefile("rb"))


def test_a_view_that_is_too_large_is_refused_and_the_last_one_stays(stack):
    nodes = two_nodes(stack)
    for node in nodes:
        node.shards = believed(nodes)
    seeds = [f"127.0.0.1:{node.port}" for node in nodes]
    program, [port], admin = start_pools(stack, "large", seeds, topology_refresh='"500ms"', timeout='"5s"')
    # Slots 12182 and 5061.
    assert (get(port, "foo"), get(port, "foo{bar}{zap}")) == (b"$6\r\nnode 1\r\n", b"$6\r\nnode 0\r\n")
    wait_until_found(admin)
    before = cluster_of(admin)
    assert (before["slots_served"], len(before["nodes"]), before["fault"]) == (16384, 2, None)
    # 4,097 nodes in all, in shards of a size that is read.
    many = [[(10000 + n * 500 + r, f"r{n}:{r}", "replica", "online") for r in range(500)] for n in range(9)]
    masters = [(n * 2, n * 2 + 1, [(nodes[0].port, "id0", "master", "online"), *replicas]) for n, replicas in enumerate(many)]
    large = array(*(shard([(first, last)], of) for first, last, of in masters))
    for node in nodes:
        node.shards, node.epoch = large, 2
    kit.until(lambda: cluster_of(admin)["views_refused"] >= 3, "views to be refused")
    after = cluster_of(admin)
    assert after["nodes"] == before["nodes"] and after["epoch"] == 1
    assert "too large" in after["fault"] and "more than 4096 nodes" in after["last_error"]
    assert (get(port, "foo"), get(port, "foo{bar}{zap}")) == (b"$6\r\nnode 1\r\n", b"$6\r\nnode 0\r\n")
    assert program.output().count("the cluster is too large") == 1, program.output()
    metrics = kit.fetch(admin, "/metrics", raw=True)
    assert 'nuthatch_cluster_views_refused_total{pool="c0"}' in str(metrics)
    # More ranges than there are slots cannot be read at all.
    for node in nodes:
        node.shards = b"*16385\r\n" + b":1\r\n" * 16385
    kit.until(lambda: "16384 ranges of slots" in cluster_of(admin)["last_error"], "a reply that is too large")
    for node in nodes:
        node.shards, node.epoch = believed(nodes), 3
    kit.until(lambda: cluster_of(admin)["epoch"] == 3, "the next view that is believed")
    assert cluster_of(admin)["fault"] is None
    with kit.Wire(port) as wire:
        wire.send(b"*2\r\n$4\r\nINFO\r\n$8\r\ntopology\r\n")
        text = reply(wire.socket.makefile("rb")).decode()
    assert "topology:cluster" in text and "topology_slots_served:16384" in text and "topology_masters:2" in text, text
    # It was some thousand years.
    (ago,) = [int(line.split(":")[1]) for line in text.splitlines() if line.startswith("topology_refreshed_seconds_ago:")]
    assert ago < 600, text


def test_nodes_that_know_no_shards_and_nodes_that_cannot_be_used(stack):
    nodes = two_nodes(stack)

    def entry(first, last, *told):
        return array(number(first), number(last), *(array(bulk(host), number(port), bulk(own)) for host, port, own in told))

    slots = array(
        entry(0, HALF - 1, ("127.0.0.1", nodes[0].port, "id0")),
        entry(HALF, 16383, ("127.0.0.1", nodes[1].port, "id1"), ("?", 1, "named"), ("not a host", 1, "bad")),
    )
    for node in nodes:
        node.slots = slots
    seeds = [f"127.0.0.1:{nodes[0].port}"]
    program, [port], admin = start_pools(stack, "old", seeds, topology_refresh='"500ms"', timeout='"5s"')
    assert get(port, "foo") == b"$6\r\nnode 1\r\n"
    assert set(nodes[0].asked) == {"CLUSTER SHARDS", "CLUSTER SLOTS"}
    wait_until_found(admin)
    assert cluster_of(admin)["left_out"] == 2
    kit.until(lambda: cluster_of(admin)["questions"] >= 6, "some more questions")
    assert program.output().count("have no address that can be used") == 1, program.output()


def test_health_of_nodes_is_shown_and_followed(stack):
    nodes = two_nodes(stack)
    unfit = [(1, "f", "replica", "fail"), (2, "l", "replica", "loading")]
    first = shard([(0, HALF - 1)], [(nodes[0].port, "id0", "master", "online"), *unfit])
    # The old master of the second half has failed, and is still called one.
    second = shard([(HALF, 16383)], [(3, "old", "master", "fail"), (nodes[1].port, "id1", "master", "online")])
    new = shard([], [(4, "new", "master", "online")])
    for node in nodes:
        node.shards = array(first, second, new)
    _, [port], admin = start_pools(stack, "health", [f"127.0.0.1:{nodes[0].port}"], timeout='"5s"')
    assert get(port, "foo") == b"$6\r\nnode 1\r\n"
    wait_until_found(admin)
    shown = {node["name"]: (node["role"], node["health"], node["slots"]) for node in cluster_of(admin)["nodes"]}
    assert shown == {
        f"127.0.0.1:{nodes[0].port}": ("master", "online", HALF), f"127.0.0.1:{nodes[1].port}": ("master", "online", HALF),
        "127.0.0.1:1": ("idle", "failed", 0), "127.0.0.1:2": ("idle", "loading", 0), "127.0.0.1:3": ("idle", "failed", 0),
        "127.0.0.1:4": ("idle", "online", 0),
    }


def test_the_page_says_who_serves_a_slot_and_what_is_believed(stack):
    """Masters with their slots, replicas with lag and whether they are read from, the age of the map, views refused; and the owner of a
    key."""
    nodes = [FakeNode(stack) for _ in range(3)]
    master, other, replica = nodes
    for n, node in enumerate(nodes):
        node.answer = lambda words, n=n: bulk(f"node {n}") if words[0].upper() == "GET" else replication(words, n)
    ranges = [[(0, 99), (200, HALF - 1)], [(100, 199), (HALF, 16383)]]
    halves = [
        shard(ranges[0], [(master.port, "id0", "master", "online"), (replica.port, "id2", "replica", "online")]),
        shard(ranges[1], [(other.port, "id1", "master", "online")]),
    ]
    for node in nodes:
        node.shards = array(*halves)
    seeds = [f"127.0.0.1:{node.port}" for node in nodes]
    names = dict(zip(("master", "other", "replica"), seeds))
    options = {"read_from": '"prefer_replica"', "zones": '["127.0.0.1=eu-1a"]', "zone": '"eu-1a"', "topology_refresh": '"500ms"'}
    _, [port], admin = start_pools(stack, "shown", seeds, **options)
    wait_until_found(admin)
    page = lambda query="": kit.fetch(admin, f"/pools/c0{query}")[1]
    kit.until(lambda: ">read from<" in page(), "the replica to be read from")
    rows = {name: row for row in page().split("<tr")[1:] for name in seeds if f">{name}<" in row.split("</th>")[0] and "online" in row}
    assert set(rows) == set(seeds), rows
    assert "0–99, 200–8191" in rows[names["master"]] and "8,092, 49.4 %" in rows[names["master"]]
    assert "100–199, 8192–16383" in rows[names["other"]]
    told = rows[names["replica"]]
    assert "↳" in told and "replica" in told and "eu-1a" in told and "read from" in told, told
    assert page().index(f">{names['master']}<", page().index('id="topology"')) < page().index(f">{names['replica']}<", page().index('id="topology"'))
    assert "16,384 of 16,384 slots served" in page() and "epoch 1" in page() and "map confirmed" in page() and "0 views refused" in page()
    assert "redirects/s" in page()
    # Slot 12182 is the other's, 5061 the master's, whose replica is named as well.
    answer = lambda key: page(f"?key={key}").split('id="home"')[1].split("</div>")[0]
    assert "12,182" in answer("foo") and names["other"] in answer("foo") and names["master"] not in answer("foo")
    assert "5,061" in answer("%7Bbar%7Dzap") and names["master"] in answer("%7Bbar%7Dzap") and names["replica"] in answer("%7Bbar%7Dzap")
    assert get(port, "foo") == b"$6\r\nnode 1\r\n" and get(port, "{bar}zap") == b"$6\r\nnode 2\r\n", "as the proxy does"
    # The other is lost, and half of the slots with it: the page says so, and that nobody has the key.
    for node in nodes:
        node.shards, node.epoch = array(halves[0], shard(ranges[1], [(other.port, "id1", "master", "fail")])), 2
    kit.until(lambda: "failed" in page(), "the failed node to be shown")
    status = kit.fetch(admin, "/api/pools/c0")[1]["topology"]
    assert [found["name"] for found in status["replicas"]] == [names["replica"]] and status["replicas"][0]["zone"] == "eu-1a"


def replication(words, n):
    """Replies to the questions about replication: the third node is a replica in step."""
    if [word.upper() for word in words[:2]] != ["INFO", "REPLICATION"]:
        return b"+OK\r\n"
    role = "slave\r\nmaster_link_status:up\r\nslave_repl_offset:7" if n == 2 else "master\r\nmaster_repl_offset:7"
    return bulk(f"# Replication\r\nrole:{role}\r\n")


@pytest.mark.parametrize("pools", [1, 5])
def test_no_storm_makes_more_than_two_questions_a_second(stack, pools):
    """Every request is answered with MOVED to and fro, or its connection is broken, in every pool at once."""
    nodes = two_nodes(stack)
    stormy = threading.Event()

    def answer(n, words):
        if words[0].upper() != "GET":
            return b"+OK\r\n"
        if not stormy.is_set():
            return bulk(f"node {n}")
        if words[1] == "broken":
            raise ValueError("the connection is closed")
        # To the other one, which says the same, and to a stranger.
        return b"-MOVED 12182 127.0.0.1:%d\r\n" % (nodes[1 - n].port if words[1] == "foo" else 1)

    for n, node in enumerate(nodes):
        node.shards = believed(nodes)
        node.answer = lambda words, n=n: answer(n, words)
    seeds = [f"127.0.0.1:{node.port}" for node in nodes]
    _, ports, admin = start_pools(stack, f"storm{pools}", seeds, pools, topology_refresh='"1s"', timeout='"300ms"')
    for port in ports:
        kit.until(lambda port=port: get(port, "foo") == b"$6\r\nnode 1\r\n", "the pool to serve")
    ending, answers = threading.Event(), []

    def press(port, key):
        with kit.Wire(port) as wire, wire.socket.makefile("rb") as reader:
            while not ending.is_set():
                wire.send(f"*2\r\n$3\r\nGET\r\n${len(key)}\r\n{key}\r\n".encode() * 20)
                answers.extend(reply(reader) for _ in range(20))

    keys = ["foo", "{foo}x", "broken"]
    threads = [threading.Thread(target=press, args=(port, key)) for port in ports for key in keys for _ in range(2)]
    asked, begun = sum(len(node.asked) for node in nodes), time.monotonic()
    stormy.set()
    for thread in threads:
        thread.start()
    try:
        # So many questions that a pace above the bound would show.
        kit.until(lambda: sum(len(node.asked) for node in nodes) >= asked + 8, "questions", seconds=60)
        count, seconds = sum(len(node.asked) for node in nodes) - asked, time.monotonic() - begun
    finally:
        ending.set()
        for thread in threads:
            thread.join()
    print(f"{pools} pools: {count} questions in {seconds:.1f} s, {len(answers)} answers")
    # Two at once after a time without any.
    assert count <= 2 * seconds + 2
    assert answers
    stormy.clear()
    for port in ports:
        kit.until(lambda port=port: get(port, "foo").startswith(b"$6\r\nnode"), "the pool to serve again")


def test_hedged_reads_cut_the_tail_within_their_budget(stack):
    """Experiment 22: one replica takes 50 ms for one of fifteen reads. Each connection reads from one replica, so there are many of them."""
    master, slow, quick = (FakeNode(stack) for _ in range(3))
    told = [(slow.port, "id1", "replica", "online"), (quick.port, "id2", "replica", "online")]
    view = array(shard([(0, 16383)], [(master.port, "id0", "master", "online"), *told]))
    executed, lock, delays, readers = {"GET": 0, "INCR": 0}, threading.Lock(), [0], set()

    def answer(node, words):
        command = words[0].upper()
        if command == "INFO":
            state = "role:master\r\nmaster_repl_offset:5\r\n" if node is master else (
                "role:slave\r\nmaster_link_status:up\r\nslave_repl_offset:5\r\n")
            return bulk(state)
        if command not in executed:
            return b"+PONG\r\n" if command == "PING" else b"+OK\r\n"
        with lock:
            executed[command] += 1
            if command == "GET":
                readers.add(node.port)
            count = executed[command]
            delays[0] += node is slow and command == "GET"
            late = node is slow and command == "GET" and delays[0] % 15 == 0
        if late:
            time.sleep(0.05)
        return number(count) if command == "INCR" else bulk(words[1])

    for node in (master, slow, quick):
        node.shards = view
        node.answer = lambda words, node=node: answer(node, words)

    def measure(name, **options):
        _, [port], admin = start_pools(stack, name, [f"127.0.0.1:{master.port}"], read_from='"replica"', timeout='"5s"', **options)
        readers.clear()

        def read_by_many():
            with contextlib.ExitStack() as wires:
                for wire in [wires.enter_context(kit.Wire(port)) for _ in range(6)]:
                    wire.send(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")
                    reply(wire.socket.makefile("rb"))
            return readers >= {slow.port, quick.port}

        kit.until(read_by_many, "both replicas to be read from")
        before, times, faults = dict(executed), [], []

        def work(n):
            with kit.Wire(port) as wire, wire.socket.makefile("rb") as reader:
                for turn in range(150):
                    key = f"{n}:{turn}"
                    begun = time.monotonic()
                    wire.send(f"*2\r\n$3\r\nGET\r\n${len(key)}\r\n{key}\r\n".encode())
                    got = reply(reader)
                    times.append(time.monotonic() - begun)
                    if got != bulk(key):
                        faults.append((key, got))
                    if turn % 10 == 0:
                        wire.send(b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n")
                        if not (got := reply(reader)).startswith(b":"):
                            faults.append(("INCR", got))

        kit.in_threads(16, work)
        assert not faults, faults[:3]
        assert executed["INCR"] - before["INCR"] == 16 * 15, "writes are sent once"
        times.sort()
        extra = (executed["GET"] - before["GET"]) / len(times) - 1
        metrics = kit.fetch(admin, "/metrics")[1]
        shown = [line.rsplit(" ", 1)[1] for line in metrics.splitlines() if line.startswith("nuthatch_pool_hedge")]
        print(f"{name}: p50 {times[len(times) // 2] * 1000:.1f} ms, p99 {times[len(times) * 99 // 100] * 1000:.1f} ms, "
              f"worst {times[-1] * 1000:.0f} ms, {extra:.1%} more reads, counted {shown}")
        return times[len(times) * 99 // 100], extra

    others = kit.Others()
    plain, _ = measure("unhedged")
    assert plain >= 0.03
    hedged, extra = measure("hedged", hedge_after='"10ms"')
    adaptive, adaptive_extra = measure("adaptive", hedge_after='"p95"')
    if others.leave_room():
        assert hedged < plain * 0.8 and adaptive < plain * 0.8, (plain, hedged, adaptive)
    # What was saved up before the first read counts as well: ten reads.
    assert 0 < extra <= 0.05 + 10 / 2400 and 0 <= adaptive_extra <= 0.05 + 10 / 2400, (extra, adaptive_extra)
